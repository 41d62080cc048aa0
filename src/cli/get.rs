//! `get`: one resolution, printed. The only command that prints secrets.

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::{Get, GetOutput};
use super::ask::{self, Agent};
use super::exit::Exit;
use super::place::Place;
use super::stop::Stop;
use super::walk::Subject;
use super::{Scene, moment};
use crate::clock::stamp;
use crate::credentials::{AccountId, Credentials, SourceKind};
use crate::keeper::chance;
use crate::secret::Secret;
use crate::wiring;

/// Prints the credentials.
///
/// # Errors
/// Why there are none.
pub(super) async fn run(args: &Get, scene: &Scene) -> Result<Exit, Stop> {
    let found = if args.agent { of_agent(args, scene).await? } else { walked(args, scene).await? };
    let on_terminal = std::io::stdout().is_terminal();
    let output = args.output.unwrap_or(if on_terminal { GetOutput::Text } else { GetOutput::Process });
    scene.terminal.answer(&found.print(output, scene.clock.now()))?;
    Ok(Exit::Good)
}

/// Credentials with what is said about them.
struct Found {
    credentials: Credentials,
    role: String,
    source: Option<String>,
}

async fn walked(args: &Get, scene: &Scene) -> Result<Found, Stop> {
    let subject = Subject::find(&scene.global, &args.whose, &scene.env)?;
    let walk = subject.walk(&scene.env, &scene.clock).await;
    let now = scene.clock.now();
    let credentials = subject.judged(&walk, now).map_err(|failure| {
        let who = if subject.named {
            subject.role.name.to_string()
        } else {
            format!("--profile {}", subject.role.name)
        };
        Stop::from(&failure).hint(format!("more: keyfob explain --local {who}"))
    })?;
    let mut credentials = Credentials::clone(&credentials);
    if walk.winner() == Some(SourceKind::Imds) && subject.role.assume.is_none() {
        credentials.expires_at = credentials.expires_at.map(|at| extended(at, now, chance()));
    }
    let source = walk.winner().map(|source| source.to_string());
    Ok(Found { credentials, role: subject.role.name.to_string(), source })
}

/// botocore's extension: metadata credentials past their expiry are used for another 15 to 20 minutes.
fn extended(at: SystemTime, now: SystemTime, roll: f64) -> SystemTime {
    if at > now {
        at
    } else {
        now + Duration::from_mins(15) + Duration::from_mins(5).mul_f64(roll.clamp(0.0, 1.0))
    }
}

async fn of_agent(args: &Get, scene: &Scene) -> Result<Found, Stop> {
    let agent = Agent::find(&scene.global, &scene.env)?;
    let status = agent.status().await?;
    let role = ask::meant(&status, args.whose.role.as_ref())?;
    if let (false, Some(failure)) = (role.usable, &role.last_failure) {
        return Err(Stop::from(failure.clone()).hint(format!("more: keyfob explain {}", role.name)));
    }
    let garbled = |what: &dyn std::fmt::Display| Stop::new(Exit::Refused, format!("the agent {what}"));
    let endpoint = ask::endpoint(&status)?;
    let place: Place = endpoint.parse().map_err(|()| garbled(&format!("names {endpoint} as its address")))?;
    let token_file = role.token_file.as_ref().unwrap_or(&status.token_file);
    let bytes = crate::file::read(token_file).1.map_err(|error| {
        let says = format!("the agent's token file {}: {error}", token_file.display());
        Stop::new(Exit::Refused, says).hint("fix: run this as a user who may read it")
    })?;
    let token = ask::secret_header(&bytes, token_file)?;
    let path = format!("/v1/credentials/{}", role.name);
    let answer = place.ask(&agent.trust, Method::GET, &path, Some(token), Duration::from_secs(3)).await?;
    let garbled = || garbled(&format!("at {place} answered {}", answer.status));
    if !answer.status.is_success() {
        return Err(ask::refused(&answer).unwrap_or_else(garbled));
    }
    let body: Body = serde_json::from_slice(&answer.body).map_err(|_| garbled())?;
    Ok(Found { credentials: body.into(), role: role.name.clone(), source: role.source.clone() })
}

/// What a container endpoint answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
    account_id: Option<String>,
    role_arn: Option<String>,
}

impl From<Body> for Credentials {
    fn from(body: Body) -> Self {
        Self {
            access_key_id: body.access_key_id,
            secret_access_key: Secret::new(body.secret_access_key),
            session_token: (!body.token.is_empty()).then(|| Secret::new(body.token)),
            expires_at: moment::parse(&body.expiration),
            account_id: body.account_id.as_deref().and_then(AccountId::parse),
            role_arn: body.role_arn,
        }
    }
}

impl Found {
    fn print(&self, output: GetOutput, now: SystemTime) -> String {
        match output {
            GetOutput::Process => format!("{}\n", self.process()),
            GetOutput::Env => self.shell(),
            GetOutput::Json => format!("{:#}\n", self.json()),
            GetOutput::Text => self.text(now),
        }
    }

    fn token(&self) -> Option<&str> {
        self.credentials.session_token.as_ref().map(Secret::expose).filter(|token| !token.is_empty())
    }

    fn account(&self) -> Option<&str> {
        self.credentials.account_id.as_ref().map(AccountId::as_str)
    }

    fn expiration(&self) -> Option<String> {
        self.credentials.expires_at.map(stamp)
    }

    /// Exactly what `credential_process` expects.
    fn process(&self) -> Value {
        let mut all = Map::new();
        all.insert("Version".to_owned(), json!(1));
        let texts = [
            ("AccessKeyId", Some(self.credentials.access_key_id.clone())),
            ("SecretAccessKey", Some(self.credentials.secret_access_key.expose().to_owned())),
            ("SessionToken", self.token().map(str::to_owned)),
            ("Expiration", self.expiration()),
            ("AccountId", self.account().map(str::to_owned)),
        ];
        all.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::from(text?)))));
        all.into()
    }

    /// Exports, and unsets of what would contradict them.
    fn shell(&self) -> String {
        let set = [
            ("AWS_ACCESS_KEY_ID", Some(self.credentials.access_key_id.clone())),
            ("AWS_SECRET_ACCESS_KEY", Some(self.credentials.secret_access_key.expose().to_owned())),
            ("AWS_SESSION_TOKEN", self.token().map(str::to_owned)),
            ("AWS_CREDENTIAL_EXPIRATION", self.expiration()),
            ("AWS_ACCOUNT_ID", self.account().map(str::to_owned)),
        ];
        let set = set.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let set: Vec<(String, String)> = set.collect();
        let stays = |name: &&str| !set.iter().any(|(kept, _)| kept == name);
        let unset = wiring::CONTRADICT.iter().copied().filter(stays).map(Into::into).collect();
        wiring::Wiring { set, unset }.write(wiring::Format::Sh)
    }

    fn json(&self) -> Value {
        json!({
            "schema_version": 1,
            "role": self.role,
            "source": self.source,
            "access_key_id": self.credentials.access_key_id,
            "secret_access_key": self.credentials.secret_access_key.expose(),
            "session_token": self.token(),
            "expires_at": self.expiration(),
            "account_id": self.account(),
            "role_arn": self.credentials.role_arn,
        })
    }

    fn text(&self, now: SystemTime) -> String {
        let left = |at: SystemTime| format!("{} ({})", stamp(at), moment::relative(at, now));
        let expires = self.credentials.expires_at.map_or("never".to_owned(), left);
        let rows = [
            ("AccessKeyId", Some(self.credentials.access_key_id.as_str())),
            ("SecretAccessKey", Some(self.credentials.secret_access_key.expose())),
            ("SessionToken", self.token()),
            ("Expiration", Some(expires.as_str())),
            ("AccountId", self.account()),
            ("RoleArn", self.credentials.role_arn.as_deref()),
            ("Source", self.source.as_deref()),
        ];
        rows.into_iter().filter_map(|(name, value)| Some(format!("{name:<16} {}\n", value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(token: Option<&str>, expires: Option<u64>) -> Found {
        let credentials = Credentials {
            access_key_id: "ASIA1".to_owned(),
            secret_access_key: Secret::new("it's secret"),
            session_token: token.map(Secret::new),
            expires_at: expires.map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at)),
            account_id: AccountId::parse("111122223333"),
            role_arn: None,
        };
        Found { credentials, role: "app".to_owned(), source: Some("env".to_owned()) }
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn a_credential_process_gets_what_it_expects_and_nothing_empty() {
        let full = found(Some("tok"), Some(3600)).print(GetOutput::Process, NOW);
        let expected = json!({"Version": 1, "AccessKeyId": "ASIA1", "SecretAccessKey": "it's secret",
            "SessionToken": "tok", "Expiration": "1970-01-01T01:00:00Z", "AccountId": "111122223333"});
        assert_eq!(serde_json::from_str::<Value>(&full).unwrap(), expected);
        let bare: Value =
            serde_json::from_str(&found(Some(""), None).print(GetOutput::Process, NOW)).unwrap();
        assert_eq!((bare.get("SessionToken"), bare.get("Expiration")), (None, None));
    }

    #[test]
    fn a_shell_gets_exports_and_loses_what_would_contradict() {
        let text = found(None, None).print(GetOutput::Env, NOW);
        assert!(text.contains("export AWS_SECRET_ACCESS_KEY='it'\\''s secret'\n"), "{text}");
        for gone in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"] {
            assert!(text.contains(&format!("unset {gone}\n")), "{gone}: {text}");
        }
        let text = found(Some("tok"), None).print(GetOutput::Env, NOW);
        assert!(text.contains("export AWS_SESSION_TOKEN=tok\n") && !text.contains("unset AWS_SESSION_TOKEN"));
        assert!(text.contains("unset AWS_SECURITY_TOKEN\n"), "{text}");
    }

    #[test]
    fn people_see_how_long_it_lasts() {
        let text = found(Some("tok"), Some(3600)).print(GetOutput::Text, NOW);
        assert!(text.contains("Expiration       1970-01-01T01:00:00Z (in 1 h)\n"), "{text}");
        assert!(found(None, None).print(GetOutput::Text, NOW).contains("Expiration       never\n"));
    }

    #[test]
    fn dead_metadata_credentials_are_stamped_anew_and_living_ones_are_not() {
        let minutes = |at: SystemTime| at.duration_since(NOW).unwrap().as_secs() / 60;
        let later = NOW + Duration::from_secs(1);
        assert_eq!(extended(later, NOW, 0.5), later);
        assert_eq!(minutes(extended(NOW, NOW, 0.0)), 15);
        assert_eq!(minutes(extended(NOW, NOW, 1.0)), 20);
    }
}
