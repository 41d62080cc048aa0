//! Asks a container credentials endpoint (ECS, EKS Pod Identity, another agent of ours) as botocore's
//! `ContainerProvider` and `ContainerMetadataFetcher` do.

mod refused;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper::header::{self, HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::answer::{Fields, quotable};
use super::jwt::Claims;
use super::shell::quoted;
use super::{Source, Surroundings, own, within};
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind, Remedy};
use crate::file::{self, Kind};
use crate::http::{self, Answer, Ask, Broken, Step};
use crate::report::{Notes, TokenKind};
use crate::secret::Secret;
use refused::Pod;

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
    on_host: bool,
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
        let on_host = refused::on_host(env);
        Some(Self { address, relative, full, token_file, token, on_host, around })
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        self.look(notes);
        let url = self.url();
        if let Ok(url) = &url
            && let Some(failure) = own::guard(url, &self.around.own.load())
        {
            return Err(failure);
        }
        let (token, claims) = self.authorization(notes)?;
        let url = url?;
        allowed(&url, self.variable())?;
        let pod =
            (self.kind() == SourceKind::EksPodIdentity).then_some(Pod { claims, on_host: self.on_host });
        let mut tried = 0;
        loop {
            tried += 1;
            match self.once(&url, token.as_ref(), pod.as_ref(), notes).await {
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
        let url: Uri = written_out(&self.address).parse().map_err(|_| bad("is not a URL"))?;
        if url.host().is_none_or(str::is_empty) || url.scheme().is_none() {
            return Err(bad("is not a full URL"));
        }
        Ok(url)
    }

    /// The token, read anew each time: whoever rotates it writes the file.
    fn authorization(&self, notes: &mut Notes) -> Result<(Option<HeaderValue>, Claims), Failure> {
        let (token, place) = match (&self.token_file, &self.token) {
            (Some(path), _) => (read_token(path, notes)?, format!("the token in {path}")),
            (None, Some(token)) => (token.clone(), TOKEN.to_owned()),
            (None, None) => return Ok((None, Claims::default())),
        };
        let claims = Claims::of(token.expose()).unwrap_or_default();
        let bad = |why: &str| Failure::misconfigured(&cause::CONT_AUTHTOKEN, format!("{place} {why}"));
        if token.expose().contains(['\r', '\n']) {
            return Err(self.unbroken(bad("has a line break")));
        }
        // As Python's client sends it, and refuses to.
        let latin: Option<Vec<u8>> = token.expose().chars().map(|letter| u8::try_from(letter).ok()).collect();
        let value = latin.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let mut value = value.ok_or_else(|| bad("is no header value"))?;
        value.set_sensitive(true);
        Ok((Some(value), claims))
    }

    /// How a token gets rid of its line breaks.
    fn unbroken(&self, failure: Failure) -> Failure {
        match self.token_file.as_deref().map(quoted) {
            Some(file) => failure.mend(Remedy::command(
                "write the token without a newline",
                format!("token=$(tr -d '\\r\\n' < {file}) && printf %s \"$token\" > {file}"),
            )),
            None => failure.mend(Remedy::new(format!(
                "set {TOKEN} without a newline: where a command makes it, `printf %s` instead of `echo`"
            ))),
        }
    }

    async fn once(
        &self,
        url: &Uri,
        token: Option<&HeaderValue>,
        pod: Option<&Pod>,
        notes: &mut Notes,
    ) -> Result<Credentials, Again> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        let ask = Ask { headers, ..Ask::get("container", "GET credentials", url.clone(), PATIENCE) };
        match self.around.http.send(ask, notes).await {
            Ok(answer) => understood(url, &answer, pod),
            Err(broken) if broken.may_pass() => Err(Again::Yes(unanswered(url, &broken, pod))),
            Err(broken) => Err(Again::No(unanswered(url, &broken, pod))),
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
        Box::pin(within(self.around.attempt_timeout, "the container endpoint", self.ask(notes)))
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
    notes.file(Kind::Token, path, stamp);
    let bytes = content.map_err(|error| bad(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("not UTF-8".to_owned()))?;
    let expiry = Claims::of(&text).and_then(|claims| claims.expiry);
    notes.sign_in_ends.extend(expiry.map(|at| (TokenKind::PodIdentity, at)));
    Ok(Secret::new(text))
}

fn allowed(url: &Uri, variable: &str) -> Result<(), Failure> {
    let host = http::bare_host(url).to_ascii_lowercase();
    let loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme_str() == Some("https") || loopback || ALLOWED.contains(&host.as_str()) {
        return Ok(());
    }
    let sentence = format!("{variable} leads to the host {host:?}, which is not asked over http");
    let failure = Failure::misconfigured(&cause::CONT_HOST, sentence).seen("host", &host);
    let text = format!(
        "name a loopback address, as 127.0.0.1, where {host} is this machine; else serve it over https"
    );
    Err(failure.mend(Remedy::new(text)))
}

fn unanswered(url: &Uri, broken: &Broken, pod: Option<&Pod>) -> Failure {
    let mut failure = broken.failure(&format!("the container endpoint {}", http::shown(url)));
    let cause = match broken.step {
        Step::Refused | Step::Route => &cause::CONT_REFUSED,
        Step::AnswerTimeout | Step::ConnectTimeout => &cause::CONT_TIMEOUT,
        Step::TooLarge => &cause::CONT_JSON,
        Step::Address => &cause::CONT_URI,
        _ => failure.cause,
    };
    failure.cause = cause;
    match pod {
        Some(pod) => refused::unanswered(failure, broken, pod),
        None => failure,
    }
}

fn understood(url: &Uri, answer: &Answer, pod: Option<&Pod>) -> Result<Credentials, Again> {
    let place = http::shown(url);
    if answer.status != 200 {
        let failure = refused(&place, answer);
        return Err(Again::Yes(match pod {
            Some(pod) => refused::refused(failure, answer, pod),
            None => failure,
        }));
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

/// What cannot stand in a URL as urllib3 sends it, `%20` for a space that somebody left at the end; ends of lines and
/// tabs are gone, as Python's `urlsplit` reads URLs.
fn written_out(address: &str) -> String {
    let mut url = String::with_capacity(address.len());
    for letter in address.chars() {
        if letter.is_ascii_graphic() && !r#""<>\^`{|}"#.contains(letter) {
            url.push(letter);
        } else if !matches!(letter, '\t' | '\r' | '\n') {
            let mut bytes = [0; 4];
            url.extend(letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::super::testing::around;
    use super::*;
    use crate::http::fake::{Fake, Reply, closed, ok, silent};

    const GOOD: &str = r#"{"AccessKeyId":"ASIAEXAMPLE1","SecretAccessKey":"s3cret","Token":"t0ken",
        "Expiration":"2030-01-31T12:00:00Z","AccountId":"111122223333","RoleArn":"arn:aws:iam::1:role/r"}"#;

    fn container(vars: &[(&str, &str)]) -> Container {
        Container::from_env(&vars.iter().copied().collect(), around(&[])).unwrap()
    }

    async fn fetch(vars: &[(&str, &str)]) -> (Result<Credentials, Failure>, Notes) {
        let mut notes = Notes::default();
        let outcome = container(vars).fetch(&mut notes).await;
        (outcome, notes)
    }

    async fn failure(vars: &[(&str, &str)]) -> Failure {
        fetch(vars).await.0.unwrap_err()
    }

    #[tokio::test]
    async fn credentials_are_read_with_account_and_role() {
        let fake = Fake::serving(|_| ok(GOOD));
        let (outcome, notes) = fetch(&[(FULL, &fake.url("/v1/x?id=7")), (TOKEN, "Bearer abc")]).await;
        let found = outcome.unwrap();
        assert_eq!(found.access_key_id, "ASIAEXAMPLE1");
        assert_eq!(found.secret_access_key, Secret::new("s3cret"));
        assert_eq!(found.session_token, Some(Secret::new("t0ken")));
        assert_eq!(found.expires_at, super::super::moment::parse("2030-01-31T12:00:00Z"));
        assert_eq!(found.account_id.unwrap().as_str(), "111122223333");
        assert_eq!(found.role_arn.as_deref(), Some("arn:aws:iam::1:role/r"));
        let heard = fake.heard().remove(0).to_lowercase();
        assert!(
            heard.starts_with("get /v1/x?id=7 ") && heard.contains("authorization: bearer abc"),
            "{heard}"
        );
        assert!(heard.contains("accept: application/json"));
        let told = format!("{notes:?}");
        assert!(!told.contains("abc") && !told.contains("id=7") && !told.contains("s3cret"), "{told}");
    }

    #[test]
    fn either_variable_even_empty_makes_it_a_source() {
        let of = |vars: &[(&str, &str)]| {
            let source = Container::from_env(&vars.iter().copied().collect(), around(&[]));
            source.map(|source| (source.address.clone(), source.kind().as_str()))
        };
        let cases: [(&[(&str, &str)], _); 8] = [
            (&[], None),
            (&[(TOKEN, "t")], None),
            (&[(FULL, "")], Some(("", "container"))),
            (&[(RELATIVE, "/x")], Some(("http://169.254.170.2/x", "container"))),
            (&[(RELATIVE, "/x"), (FULL, "http://localhost/")], Some(("http://169.254.170.2/x", "container"))),
            (&[(FULL, "http://169.254.170.23/v1")], Some(("http://169.254.170.23/v1", "eks_pod_identity"))),
            (&[(FULL, "http://[fd00:ec2::23]/v1")], Some(("http://[fd00:ec2::23]/v1", "eks_pod_identity"))),
            (&[(FULL, "http://[FD00:EC2::23]/v1")], Some(("http://[FD00:EC2::23]/v1", "eks_pod_identity"))),
        ];
        for (vars, expected) in cases {
            let expected = expected.map(|(address, kind): (&str, _)| (address.to_owned(), kind));
            assert_eq!(of(vars), expected, "{vars:?}");
        }
    }

    #[tokio::test]
    async fn a_relative_address_belongs_to_the_ecs_agent() {
        let fake = Fake::serving(|_| ok(GOOD));
        let env = Env::from([(RELATIVE, "/v2/credentials/guid"), (FULL, "http://127.0.0.1:1/")]);
        let source = Container::with_ecs_at(&fake.address.to_string(), &env, around(&[])).unwrap();
        source.fetch(&mut Notes::default()).await.unwrap();
        assert_eq!(fake.lines(), ["GET /v2/credentials/guid"]);
    }

    #[test]
    fn hosts_are_asked_that_botocore_asks() {
        for (url, asked) in [
            ("http://localhost/x", true),
            ("http://localhost:8000/x", true),
            ("https://localhost/x", true),
            ("http://127.0.0.1/x", true),
            ("https://127.0.0.1:8080/x", true),
            ("http://127.9.9.9/x", true),
            ("http://169.254.170.2/x?id=1", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("https://[fd00:ec2::23]:8000/", true),
            ("http://[::1]/x", true),
            ("https://169.254.0.1/x", true),
            ("https://somewhere.example/x", true),
            ("http://169.254.0.1/x", false),
            ("http://169.1.2.3/x", false),
            ("http://somewhere.example/x", false),
        ] {
            assert_eq!(allowed(&url.parse().unwrap(), FULL).is_ok(), asked, "{url}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_misconfigured_and_never_asked() {
        let cases = [
            (FULL, "", "CONT-URI"),
            (RELATIVE, "", "CONT-URI"),
            (FULL, "nonsense", "CONT-URI"),
            (FULL, "http:///path", "CONT-URI"),
            (FULL, "ftp://127.0.0.1/", "CONT-URI"),
            (FULL, "http://example.com/", "CONT-HOST"),
            (FULL, "http://169.254.169.254/", "CONT-HOST"),
            (FULL, "http://127.0.0.1.example.com/", "CONT-HOST"),
            (FULL, "http://[::ffff:127.0.0.1]/", "CONT-HOST"),
            (FULL, "http://user@example.com/", "CONT-HOST"),
            (FULL, "http://127.0.0.1@example.com/", "CONT-HOST"),
            (RELATIVE, "@example.com/", "CONT-HOST"),
            (RELATIVE, ".example.com/", "CONT-HOST"),
        ];
        for (name, value, code) in cases {
            let failure = failure(&[(name, value)]).await;
            assert_eq!(
                (failure.cause.code, failure.kind),
                (code, FailureKind::Misconfigured),
                "{name}={value}"
            );
            assert!(failure.context.contains(name) || value.starts_with("ftp"), "{failure}");
        }
    }

    #[tokio::test]
    async fn the_token_file_wins_and_is_read_each_time() {
        let fake = Fake::serving(|_| ok(GOOD));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "first").unwrap();
        let url = fake.url("/");
        let source = container(&[(FULL, &url), (TOKEN, "unused"), (TOKEN_FILE, path.to_str().unwrap())]);
        let mut notes = Notes::default();
        source.fetch(&mut notes).await.unwrap();
        std::fs::write(&path, "second").unwrap();
        source.fetch(&mut notes).await.unwrap();
        let heard = fake.heard();
        assert!(
            heard[0].contains("authorization: first\r\n") && heard[1].contains("authorization: second\r\n")
        );
        assert!(format!("{notes:?}").contains("token"), "the file is an input to watch");
        assert_eq!(notes.sign_in_ends, [], "that was no JWT");
        std::fs::write(&path, "e30.eyJleHAiOjE4OTYwOTEyMDB9.c2ln").unwrap();
        source.fetch(&mut notes).await.unwrap();
        let end = super::super::moment::parse("2030-01-31T12:00:00Z").unwrap();
        assert_eq!(notes.sign_in_ends, [(TokenKind::PodIdentity, end)]);
    }

    #[tokio::test]
    async fn a_token_that_is_no_header_value_is_not_sent() {
        let fake = Fake::serving(|_| ok(GOOD));
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let url = fake.url("/");
        let cases = [
            (TOKEN, "a\nb".to_owned()),
            (TOKEN, "a\r".to_owned()),
            (TOKEN, "a\u{7}b".to_owned()),
            (TOKEN_FILE, written("newline", b"token\n")),
            (TOKEN_FILE, written("latin", b"\xff\xfe")),
            (TOKEN_FILE, "/no/such/file".to_owned()),
            (TOKEN_FILE, String::new()),
        ];
        for (name, value) in cases {
            let failure = failure(&[(FULL, &url), (name, &value)]).await;
            assert_eq!(
                (failure.cause.code, failure.kind),
                ("CONT-AUTHTOKEN", FailureKind::Misconfigured),
                "{value:?}"
            );
        }
        assert!(fake.heard().is_empty());
    }

    #[tokio::test]
    async fn each_way_to_fail_has_its_cause_and_as_many_tries_as_botocore_makes() {
        use FailureKind::{Denied, Malformed, Throttled, TimedOut, Unreachable};
        let without = |field: &str| ok(GOOD.replace(field, "Other"));
        let with = |from: &str, to: &str| ok(GOOD.replace(from, to));
        let status = |status, body: &str| Reply::Status(status, body.to_owned());
        let cases: Vec<(Reply, &str, FailureKind, usize)> = vec![
            (status(400, ""), "CONT-DENIED", Denied, 3),
            (status(401, "{}"), "CONT-DENIED", Denied, 3),
            (status(404, "[]"), "CONT-DENIED", Denied, 3),
            (status(429, ""), "CONT-DENIED", Throttled, 3),
            (status(500, "oops"), "CONT-5XX", Unreachable, 3),
            (status(503, ""), "CONT-5XX", Unreachable, 3),
            (status(302, ""), "CONT-JSON", Malformed, 3),
            (ok("not json"), "CONT-JSON", Malformed, 3),
            (ok(""), "CONT-JSON", Malformed, 3),
            (ok("[]"), "CONT-JSON", Malformed, 1),
            (ok("null"), "CONT-JSON", Malformed, 1),
            (
                Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xff".to_vec()),
                "CONT-JSON",
                Malformed,
                1,
            ),
            (without("AccessKeyId"), "CONT-JSON", Malformed, 1),
            (without("SecretAccessKey"), "CONT-JSON", Malformed, 1),
            (without("Token"), "CONT-JSON", Malformed, 1),
            (without("Expiration"), "CONT-JSON", Malformed, 1),
            (with("2030-01-31T12:00:00Z", "2030-01-31T12:00:00"), "CONT-JSON", Malformed, 1),
            (with("\"2030-01-31T12:00:00Z\"", "1893456000"), "CONT-JSON", Malformed, 1),
            (with("\"2030-01-31T12:00:00Z\"", "null"), "CONT-JSON", Malformed, 1),
            (with("\"ASIAEXAMPLE1\"", "7"), "CONT-JSON", Malformed, 1),
            (Reply::Flood, "CONT-JSON", Malformed, 1),
            (Reply::Hang, "CONT-TIMEOUT", TimedOut, 3),
            (Reply::Close, "NET-OTHER", Unreachable, 3),
        ];
        let ask = |(reply, code, kind, tries): (Reply, &'static str, FailureKind, usize)| async move {
            let fake = Fake::serving(move |_| match &reply {
                Reply::Status(status, body) => Reply::Status(*status, body.clone()),
                Reply::Raw(bytes) => Reply::Raw(bytes.clone()),
                Reply::Flood => Reply::Flood,
                Reply::Hang => Reply::Hang,
                Reply::Close => Reply::Close,
            });
            let (outcome, notes) = fetch(&[(FULL, &fake.url("/"))]).await;
            let failure = outcome.unwrap_err();
            assert_eq!((failure.cause.code, failure.kind), (code, kind), "{failure}");
            assert_eq!((fake.heard().len(), notes.calls.len()), (tries, tries), "{failure}");
            assert!(!format!("{failure:?}{notes:?}").contains("s3cret"));
        };
        join_all(cases.into_iter().map(ask)).await;
    }

    #[tokio::test]
    async fn an_endpoint_that_is_not_there_is_told_from_one_that_does_not_answer() {
        let (silent, _queue) = silent();
        let cases = [(closed(), "CONT-REFUSED"), (silent, "CONT-TIMEOUT")];
        let ask = |(address, code): (SocketAddr, &'static str)| async move {
            let failure = failure(&[(FULL, &format!("http://{address}/"))]).await;
            assert_eq!((failure.cause.code, failure.fact("connected")), (code, Some("no")));
        };
        join_all(cases.map(ask)).await;
    }

    #[tokio::test]
    async fn a_token_may_be_null_or_empty() {
        for (token, expected) in [("null", None), ("\"\"", Some(Secret::new("")))] {
            let fake = Fake::serving(move |_| ok(GOOD.replace("\"t0ken\"", token)));
            let found = fetch(&[(FULL, &fake.url("/"))]).await.0.unwrap();
            assert_eq!(found.session_token, expected);
        }
    }

    #[tokio::test]
    async fn one_bad_answer_is_asked_again_a_second_later() {
        let first = std::sync::atomic::AtomicBool::new(true);
        let fake = Fake::serving(move |_| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                Reply::Status(503, String::new())
            } else {
                ok(GOOD)
            }
        });
        let begun = Instant::now();
        let (outcome, notes) = fetch(&[(FULL, &fake.url("/"))]).await;
        outcome.unwrap();
        assert_eq!(notes.calls.iter().map(|call| call.status).collect::<Vec<_>>(), [Some(503), Some(200)]);
        assert!(begun.elapsed() >= PAUSE);
    }

    #[tokio::test]
    async fn a_refusals_message_is_quoted_unless_the_body_holds_keys() {
        let said = |body: &'static str| async move {
            let fake = Fake::serving(move |_| Reply::Status(403, body.to_owned()));
            failure(&[(FULL, &fake.url("/"))]).await.context
        };
        let (plain, keys, long, text) = tokio::join!(
            said(r#"{"message":"no association\r\nfor pod","code":"x"}"#),
            said(r#"{"message":"here: s3cret","SecretAccessKey":"s3cret"}"#),
            said(
                r#"{"Message":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#
            ),
            said("s3cret in plain text"),
        );
        assert!(plain.ends_with("answered 403: no association  for pod"), "{plain}");
        assert!(!keys.contains("s3cret") && !text.contains("s3cret"));
        assert!(long.len() < 300);
    }

    #[tokio::test]
    async fn our_own_endpoint_is_not_asked_and_counts_as_not_configured() {
        let fake = Fake::serving(|_| ok(GOOD));
        let port = fake.address.port();
        for host in ["127.0.0.1", "localhost", "127.1.2.3", "[::1]"] {
            let env = Env::from([
                (FULL, format!("http://{host}:{port}/v1/credentials").as_str()),
                (TOKEN_FILE, "/none"),
            ]);
            let source = Container::from_env(&env, around(&[fake.address])).unwrap();
            let mut notes = Notes::default();
            let failure = source.fetch(&mut notes).await.unwrap_err();
            assert_eq!((failure.cause.code, failure.kind), ("KF-LOOP", FailureKind::NotConfigured));
            assert!(notes.calls.is_empty());
        }
        assert!(fake.heard().is_empty());
    }

    #[tokio::test]
    async fn a_fetch_ends_with_the_attempt_and_keeps_its_notes() {
        let fake = Fake::serving(|_| Reply::Hang);
        let around = Surroundings { attempt_timeout: Duration::from_millis(300), ..(*around(&[])).clone() };
        let source =
            Container::from_env(&Env::from([(FULL, fake.url("/").as_str())]), Arc::new(around)).unwrap();
        let mut notes = Notes::default();
        let failure = source.fetch(&mut notes).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), ("KF-TIMEOUT", FailureKind::TimedOut));
        assert_eq!(notes.calls.len(), 1);
    }
}
