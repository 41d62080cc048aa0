//! Keys in the environment: the first place botocore looks, unless a profile was chosen in code.

use futures_util::future::{self, BoxFuture};

use super::keys::{self, doubt};
use super::{Source, moment};
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{AccountId, Credentials, SourceKind};
use crate::failure::{Failure, Remedy};
use crate::report::{Notes, Stored};
use crate::secret::Secret;

/// `AWS_ACCESS_KEY_ID` and its companions. An empty variable is an unset one; nothing is trimmed.
#[derive(Clone, Debug)]
pub struct Environment {
    env: Env,
}

const PREFIX: &str = "AWS_";
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// The older name first, as botocore has it.
const TOKENS: [&str; 2] = ["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"];
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";
/// What others call the key id, and its secret.
const OTHER_IDS: [&str; 4] = ["AWS_ACCESS_KEY", "AWS_KEY_ID", "AWS_ACCESSKEY_ID", "AWS_ACCESS_ID"];
const OTHER_SECRETS: [&str; 4] =
    ["AWS_SECRET_KEY", "AWS_SECRET_ACCESSKEY", "AWS_SECRET_KEY_ID", "AWS_SECRET_ACCESS_KEY_ID"];
const ACCOUNT: &str = "AWS_ACCOUNT_ID";

impl Environment {
    /// The keys in this environment.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self { env }
    }

    fn look(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        for name in [KEY_ID, SECRET_KEY, TOKENS[0], TOKENS[1]] {
            notes.secret_variable(name, self.env.filled(name).is_some());
        }
        let key_id = self.env.filled(KEY_ID).ok_or_else(|| self.absent())?;
        let secret = self.env.filled(SECRET_KEY).ok_or_else(|| self.half())?;
        let token = TOKENS.into_iter().find_map(|name| Some((name, self.env.filled(name)?)));
        let pairs: Vec<_> = [(KEY_ID, key_id), (SECRET_KEY, secret)].into_iter().chain(token).collect();
        notes.doubts.extend(keys::of_variables(&pairs));
        notes.variable(EXPIRATION, self.env.get(EXPIRATION));
        notes.variable(ACCOUNT, self.env.get(ACCOUNT));
        let expires_at = self.env.filled(EXPIRATION).map(|text| {
            moment::parse(text).ok_or_else(|| {
                Failure::misconfigured(&cause::ENV_EXPIRY, format!("{EXPIRATION} is `{text}`"))
            })
        });
        let found = Credentials {
            access_key_id: key_id.to_owned(),
            secret_access_key: Secret::new(secret),
            session_token: token.map(|(_, token)| Secret::new(token)),
            expires_at: expires_at.transpose()?,
            account_id: self.env.filled(ACCOUNT).and_then(AccountId::parse),
            role_arn: None,
        };
        notes.stored = Some(Stored::keys(None, &found));
        Ok(found)
    }

    /// A key id without its secret: botocore stops.
    fn half(&self) -> Failure {
        let unset = Remedy::command(
            format!("unset {KEY_ID}, so that the next source is asked"),
            format!("unset {KEY_ID} {SECRET_KEY}"),
        );
        if let Some(near) = self.misspelt(SECRET_KEY, &OTHER_SECRETS) {
            let context = format!("{KEY_ID} is set, and its secret is in {near}, which is not read");
            return Failure::misconfigured(&cause::ENV_NAME, context).mend(rename(&[(SECRET_KEY, near)]));
        }
        let (cause, how) = match self.env.get(SECRET_KEY) {
            Some(_) => (&cause::ENV_EMPTY, "is set to nothing"),
            None => (&cause::ENV_PARTIAL, "is not"),
        };
        Failure::misconfigured(cause, format!("{KEY_ID} is set and {SECRET_KEY} {how}"))
            .mend(Remedy::new(format!("set {SECRET_KEY} to the secret of that key")))
            .mend(unset)
    }

    /// No key id: what somebody may have meant instead. botocore passes over all of that.
    fn absent(&self) -> Failure {
        if let Some(near) = self.misspelt(KEY_ID, &OTHER_IDS) {
            let secret =
                self.misspelt(SECRET_KEY, &OTHER_SECRETS).filter(|_| self.env.filled(SECRET_KEY).is_none());
            let pairs: Vec<_> =
                [(KEY_ID, near)].into_iter().chain(secret.map(|near| (SECRET_KEY, near))).collect();
            return doubt(&cause::ENV_NAME, format!("{near} is set, {KEY_ID} is not")).mend(rename(&pairs));
        }
        let blank = |name: &&str| self.env.get(name) == Some("");
        match [KEY_ID, SECRET_KEY].into_iter().find(blank) {
            Some(name) => doubt(&cause::ENV_EMPTY, format!("{name} is set to nothing")),
            None if self.env.filled(SECRET_KEY).is_some() => {
                doubt(&cause::ENV_PARTIAL, format!("{SECRET_KEY} is set, {KEY_ID} is not"))
            }
            None if self.under_sudo() => {
                let user = self.env.filled("SUDO_USER").unwrap_or_default();
                let context = format!("sudo runs this for {user}, and none of AWS's variables came along");
                let names = format!("AWS_PROFILE,{KEY_ID},{SECRET_KEY},{},AWS_REGION", TOKENS[1]);
                let command = format!("sudo --preserve-env={names} COMMAND");
                doubt(&cause::ENV_SUDO, context)
                    .mend(Remedy::command("let sudo pass on what the calling shell has exported", command))
                    .mend(Remedy::new("put the settings into the service's own configuration"))
            }
            None => Failure::not_configured(format!("{KEY_ID} is not set")),
        }
    }

    /// A variable that has it under a name that other tools read, or that only case tells from the right one.
    fn misspelt(&self, right: &str, elsewhere: &[&str]) -> Option<&str> {
        let near = |name: &str| {
            let capitals = name.to_ascii_uppercase();
            name != right && (capitals == right || elsewhere.contains(&capitals.as_str()))
        };
        self.env.iter().find(|(name, value)| near(name) && !value.is_empty()).map(|(name, _)| name)
    }

    fn under_sudo(&self) -> bool {
        // What the machine sets for all its users says nothing about this one.
        let own = |name: &str| name.starts_with(PREFIX) && !name.starts_with("AWS_EC2_METADATA");
        self.env.filled("SUDO_USER").is_some() && !self.env.iter().any(|(name, _)| own(name))
    }
}

/// The value itself stays out of the command.
fn rename(pairs: &[(&str, &str)]) -> Remedy {
    let one = |(right, near): &(&str, &str)| format!("{right}=\"${near}\"");
    let command = format!("export {}", pairs.iter().map(one).collect::<Vec<_>>().join(" "));
    Remedy::command("set them under the names that are read", command)
}

impl Source for Environment {
    fn kind(&self) -> SourceKind {
        SourceKind::Env
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(future::ready(self.look(notes)))
    }

    fn is_local(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    const K: (&str, &str) = (KEY_ID, "AKIAEXAMPLE");
    const S: (&str, &str) = (SECRET_KEY, "s");

    fn look(pairs: &[(&str, &str)]) -> Result<Credentials, Failure> {
        Environment::new(pairs.iter().copied().collect()).look(&mut Notes::default())
    }

    /// The cases of `EnvProvider`.
    #[test]
    fn looks_as_botocore_does() {
        let code = |pairs: &[(&str, &str)]| look(pairs).map_or_else(|f| (f.kind, f.cause.code), |_| panic!());
        let nothing = (FailureKind::NotConfigured, "KF-NOTHING");
        assert_eq!(code(&[]), nothing);
        let odd = |code| (FailureKind::NotConfigured, code);
        assert_eq!(code(&[S]), odd("ENV-PARTIAL"));
        assert_eq!(code(&[(KEY_ID, ""), S]), odd("ENV-EMPTY"));
        assert_eq!(code(&[("AWS_ACCESS_KEY", "AKIA"), ("AWS_SECRET_KEY", "s")]), odd("ENV-NAME"));
        assert_eq!(code(&[("aws_access_key_id", "AKIA"), S]), odd("ENV-NAME"));
        assert_eq!(code(&[("AWS_ACCESS_KEY", "")]), nothing);
        assert_eq!(code(&[("SUDO_USER", "alice")]), odd("ENV-SUDO"));
        assert_eq!(code(&[("SUDO_USER", "alice"), ("AWS_PROFILE", "prod")]), nothing);
        assert_eq!(code(&[K]), (FailureKind::Misconfigured, "ENV-PARTIAL"));
        assert_eq!(code(&[K, (SECRET_KEY, "")]), (FailureKind::Misconfigured, "ENV-EMPTY"));
        assert_eq!(code(&[K, ("AWS_SECRET_KEY", "s")]), (FailureKind::Misconfigured, "ENV-NAME"));
        assert_eq!(code(&[K, S, (EXPIRATION, "soon")]), (FailureKind::Misconfigured, "ENV-EXPIRY"));
        assert_eq!(look(&[(KEY_ID, " "), S]).unwrap().access_key_id, " ");
    }

    #[test]
    fn the_older_token_name_wins_unless_it_is_empty() {
        let token = |pairs: &[(&str, &str)]| look(&[&[K, S], pairs].concat()).unwrap().session_token;
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[(TOKENS[1], "new")]), Some(Secret::new("new")));
        assert_eq!(token(&[(TOKENS[1], "new"), (TOKENS[0], "old")]), Some(Secret::new("old")));
        assert_eq!(token(&[(TOKENS[1], "new"), (TOKENS[0], "")]), Some(Secret::new("new")));
    }

    #[test]
    fn account_and_expiry_come_along() {
        let found = look(&[K, S, (EXPIRATION, "2030-01-31T12:00:00Z"), (ACCOUNT, "123456789012")]).unwrap();
        assert_eq!(found.account_id.unwrap().as_str(), "123456789012");
        assert!(found.expires_at.is_some());
        assert_eq!(look(&[K, S, (EXPIRATION, ""), (ACCOUNT, "")]).unwrap().expires_at, None);
    }
}
