//! Asks a container credentials endpoint (ECS, EKS Pod Identity, another agent of ours) as botocore's
//! `ContainerProvider` and `ContainerMetadataFetcher` do.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper::header::{self, HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::{sleep, timeout};

use super::answer::{Fields, quotable};
use super::{Source, Surroundings, own};
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::file;
use crate::http::{self, Answer, Ask, Broken, Step};
use crate::report::Notes;
use crate::secret::Secret;

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where a relative address belongs.
const ECS: &str = "169.254.170.2";
/// Hosts that are asked over http, besides loopback addresses: compared as text, never resolved.
const ALLOWED: [&str; 4] = [ECS, "169.254.170.23", "fd00:ec2::23", "localhost"];
const POD_IDENTITY: [&str; 2] = ["169.254.170.23", "fd00:ec2::23"];

const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// The endpoint that the environment names.
#[derive(Debug)]
pub struct Container {
    address: String,
    relative: Option<String>,
    full: Option<String>,
    token_file: Option<String>,
    token: Option<Secret>,
    around: Arc<Surroundings>,
}

impl Container {
    /// The source, if either address variable is there, even empty.
    #[must_use]
    pub fn from_env(env: &Env, around: Arc<Surroundings>) -> Option<Self> {
        Self::with_ecs_at(ECS, env, around)
    }

    /// The same with another home for relative addresses (`host` or `host:port`).
    #[must_use]
    pub fn with_ecs_at(ecs: &str, env: &Env, around: Arc<Surroundings>) -> Option<Self> {
        let of = |name: &str| env.get(name).map(str::to_owned);
        let (relative, full) = (of(RELATIVE), of(FULL));
        let address = match (&relative, &full) {
            (Some(relative), _) => format!("http://{ecs}{relative}"),
            (None, Some(full)) => full.clone(),
            (None, None) => return None,
        };
        let (token_file, token) = (of(TOKEN_FILE), env.get(TOKEN).map(Secret::new));
        Some(Self { address, relative, full, token_file, token, around })
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        self.look(notes);
        let url = self.url();
        if let Ok(url) = &url
            && let Some(failure) = own::guard(url, &self.around.own.load())
        {
            return Err(failure);
        }
        let token = self.authorization(notes)?;
        let url = url?;
        allowed(&url)?;
        let mut tried = 0;
        loop {
            tried += 1;
            match self.once(&url, token.as_ref(), notes).await {
                Ok(found) => return Ok(found),
                Err(Again::No(failure)) => return Err(failure.seen("tries", tried)),
                Err(Again::Yes(failure)) if tried == TRIES => return Err(failure.seen("tries", tried)),
                Err(Again::Yes(_)) => sleep(PAUSE).await,
            }
        }
    }

    fn look(&self, notes: &mut Notes) {
        notes.variable(RELATIVE, self.relative.as_deref());
        let full = self
            .full
            .as_deref()
            .map(|full| full.parse().map_or_else(|_| String::new(), |url| http::shown(&url)));
        notes.variable(FULL, full.as_deref());
        notes.variable(TOKEN_FILE, self.token_file.as_deref());
        notes.secret_variable(TOKEN, self.token.is_some());
    }

    fn variable(&self) -> &'static str {
        if self.relative.is_some() { RELATIVE } else { FULL }
    }

    fn url(&self) -> Result<Uri, Failure> {
        let bad = |why: &str| Failure::misconfigured(&cause::CONT_URI, format!("{} {why}", self.variable()));
        if self.relative.as_deref() == Some("") || self.address.is_empty() {
            return Err(bad("is set and empty"));
        }
        let url: Uri = self.address.parse().map_err(|_| bad("is not a URL"))?;
        if url.host().is_none_or(str::is_empty) || url.scheme().is_none() {
            return Err(bad("is not a full URL"));
        }
        Ok(url)
    }

    /// The token, read anew each time: whoever rotates it writes the file.
    fn authorization(&self, notes: &mut Notes) -> Result<Option<HeaderValue>, Failure> {
        let (token, place) = match (&self.token_file, &self.token) {
            (Some(path), _) => (read_token(path, notes)?, format!("the token in {path}")),
            (None, Some(token)) => (token.clone(), TOKEN.to_owned()),
            (None, None) => return Ok(None),
        };
        let bad = |why: &str| Failure::misconfigured(&cause::CONT_AUTHTOKEN, format!("{place} {why}"));
        if token.expose().contains(['\r', '\n']) {
            return Err(bad("has a line break"));
        }
        let mut value = HeaderValue::from_str(token.expose()).map_err(|_| bad("is no header value"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn once(
        &self,
        url: &Uri,
        token: Option<&HeaderValue>,
        notes: &mut Notes,
    ) -> Result<Credentials, Again> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        let ask = Ask { headers, ..Ask::get("container", "GET credentials", url.clone(), PATIENCE) };
        match self.around.http.send(ask, notes).await {
            Ok(answer) => understood(url, &answer),
            Err(broken) if broken.may_pass() => Err(Again::Yes(unanswered(url, &broken))),
            Err(broken) => Err(Again::No(unanswered(url, &broken))),
        }
    }
}

impl Source for Container {
    fn kind(&self) -> SourceKind {
        let host = self.address.parse::<Uri>().ok();
        let host = host.as_ref().map(http::bare_host).unwrap_or_default();
        let pod = POD_IDENTITY.iter().any(|known| known.eq_ignore_ascii_case(host));
        if pod { SourceKind::EksPodIdentity } else { SourceKind::Container }
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(async move {
            let patience = self.around.attempt_timeout;
            match timeout(patience, self.ask(notes)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let sentence = format!("the container endpoint gave no credentials in {patience:?}");
                    Err(Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, sentence))
                }
            }
        })
    }
}

/// Whether botocore would ask again.
enum Again {
    Yes(Failure),
    No(Failure),
}

fn read_token(path: &str, notes: &mut Notes) -> Result<Secret, Failure> {
    let bad = |why: String| {
        Failure::misconfigured(&cause::CONT_AUTHTOKEN, format!("{TOKEN_FILE} names {path:?}: {why}"))
    };
    let (stamp, content) = file::read(Path::new(path));
    notes.file(path, stamp);
    let bytes = content.map_err(|error| bad(error.to_string()))?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| bad("not UTF-8".to_owned()))
}

fn allowed(url: &Uri) -> Result<(), Failure> {
    let host = http::bare_host(url).to_ascii_lowercase();
    let loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme_str() == Some("https") || loopback || ALLOWED.contains(&host.as_str()) {
        return Ok(());
    }
    let sentence = format!("{FULL} names the host {host:?}, which is not asked over http");
    Err(Failure::misconfigured(&cause::CONT_HOST, sentence).seen("host", host))
}

fn unanswered(url: &Uri, broken: &Broken) -> Failure {
    let mut failure = broken.failure(&format!("the container endpoint {}", http::shown(url)));
    let cause = match broken.step {
        Step::Refused | Step::Route => &cause::CONT_REFUSED,
        Step::AnswerTimeout | Step::ConnectTimeout => &cause::CONT_TIMEOUT,
        Step::TooLarge => &cause::CONT_JSON,
        Step::Address => &cause::CONT_URI,
        _ => failure.cause,
    };
    failure.cause = cause;
    failure
}

fn understood(url: &Uri, answer: &Answer) -> Result<Credentials, Again> {
    let place = http::shown(url);
    if answer.status != 200 {
        return Err(Again::Yes(refused(&place, answer)));
    }
    let strange =
        |why: &str| Failure::malformed(&cause::CONT_JSON, format!("the container endpoint {place} {why}"));
    let text = answer.text().map_err(|_| Again::No(strange("answered something that is not UTF-8")))?;
    let fields: Value =
        serde_json::from_str(text).map_err(|_| Again::Yes(strange("answered something that is not JSON")))?;
    let fields = match &fields {
        Value::Object(fields) => Fields(fields),
        _ => return Err(Again::No(strange("answered JSON that is not an object"))),
    };
    credentials(fields).map_err(|why| Again::No(strange(&why)))
}

fn credentials(fields: Fields<'_>) -> Result<Credentials, String> {
    Ok(Credentials {
        access_key_id: fields.key("AccessKeyId")?,
        secret_access_key: Secret::new(fields.key("SecretAccessKey")?),
        session_token: fields.nullable("Token")?.map(Secret::new),
        expires_at: Some(fields.time("Expiration")?),
        account_id: fields.account(),
        role_arn: fields.text("RoleArn"),
    })
}

fn refused(place: &str, answer: &Answer) -> Failure {
    let (kind, cause) = match answer.status {
        429 => (FailureKind::Throttled, &cause::CONT_DENIED),
        400..=499 => (FailureKind::Denied, &cause::CONT_DENIED),
        500.. => (FailureKind::Unreachable, &cause::CONT_5XX),
        _ => (FailureKind::Malformed, &cause::CONT_JSON),
    };
    let body = answer.text().ok().and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let said = body.as_ref().and_then(quotable).map(|said| format!(": {said}")).unwrap_or_default();
    let sentence = format!("the container endpoint {place} answered {}{said}", answer.status);
    Failure::new(kind, cause, sentence).seen("status", answer.status)
}
