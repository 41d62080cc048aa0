//! Asks EC2 instance metadata for the instance role's credentials as botocore's `InstanceMetadataFetcher` does.

mod document;
mod refused;
mod settings;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde_json::Value;

use document::{clipped, credentials, first_line};
pub use settings::Settings;

use super::{Source, Surroundings, own, within};
use crate::cause::{self, Cause};
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::http::{self, Answer, Ask, Broken, Step};
use crate::report::Notes;

const TOKEN: &str = "latest/api/token";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";
const ZONE: &str = "latest/meta-data/placement/availability-zone/";

/// Six hours, the longest there is; a token is used for one fetch all the same.
const TOKEN_LIFE: HeaderValue = HeaderValue::from_static("21600");
const TOKEN_LIFE_HEADER: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// Instance metadata.
#[derive(Debug)]
pub struct Imds {
    settings: Settings,
    in_pod: bool,
    around: Arc<Surroundings>,
}

impl Imds {
    /// The source; nothing is asked yet.
    #[must_use]
    pub fn new(settings: Settings, around: Arc<Surroundings>) -> Self {
        Self { settings, in_pod: false, around }
    }

    /// The same in a pod that nobody gave an identity of its own: what is found is the node's.
    #[must_use]
    pub fn in_pod(self, in_pod: bool) -> Self {
        Self { in_pod, ..self }
    }

    /// The region the instance runs in, where metadata says so.
    pub async fn region(&self, notes: &mut Notes) -> Option<String> {
        let asking = async {
            let pass = self.pass(notes).await?;
            let zone = self.get("GET zone", ZONE, &pass, |_| None, notes).await;
            zone.map_err(|refused| refused.failure(&pass, &cause::IMDS_401))
        };
        let answer = tokio::time::timeout(self.around.attempt_timeout, asking).await.ok()?.ok()?;
        let zone = answer.text().ok()?.trim();
        let (last, _) = zone.char_indices().last()?;
        zone.get(..last).filter(|region| !region.is_empty()).map(str::to_owned)
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let pass = self.pass(notes).await?;
        let listed = self.get("GET role", ROLES, &pass, |_| None, notes).await;
        let listed = listed.map_err(|refused| refused.failure(&pass, &cause::IMDS_NOPROFILE))?;
        let role = first_line(&listed)?;
        let path = format!("{ROLES}{role}");
        let document = self.get("GET credentials", &path, &pass, not_json, notes).await;
        let document = document
            .map_err(|wrong| wrong.failure(&pass, &cause::IMDS_EMPTYPROFILE).seen("role", clipped(&role)))?;
        let found = credentials(&role, &document).map_err(|failure| failure.seen("role", clipped(&role)))?;
        if self.in_pod {
            notes.doubts.push(refused::of_node(&clipped(&role)));
        }
        Ok(found)
    }

    /// What goes with every further request: a token, or why there is none.
    async fn pass(&self, notes: &mut Notes) -> Result<Pass, Failure> {
        if self.settings.disabled {
            let sentence = "instance metadata is switched off by AWS_EC2_METADATA_DISABLED";
            return Err(Failure::new(FailureKind::NotConfigured, &cause::IMDS_DISABLED, sentence));
        }
        let url = self.url(TOKEN)?;
        if let Some(failure) = own::guard(&url, &self.around.own.load()) {
            return Err(failure);
        }
        match self.token(&url, notes).await? {
            Ok(token) => Ok(Pass::Token(token)),
            // Where no connection stands, another request would only wait again.
            Err(without) if without.cause.code == cause::IMDS_OFF.code => Err(without),
            Err(without) if self.settings.v1_disabled => Err(v1_off(without)),
            Err(without) => Ok(Pass::Without(without)),
        }
    }

    /// The token; or why not, where botocore goes on without; or, outermost, what makes it give up.
    async fn token(&self, url: &Uri, notes: &mut Notes) -> Result<Result<HeaderValue, Failure>, Failure> {
        let mut last = None;
        for _ in 0..self.settings.attempts.max(1) {
            let mut ask = Ask::get("imds", "PUT token", url.clone(), self.settings.timeout);
            ask.method = Method::PUT;
            ask.headers.insert(TOKEN_LIFE_HEADER, TOKEN_LIFE);
            match self.around.http.send(ask, notes).await {
                Ok(answer) if answer.status == 200 => return token_in(&answer),
                Ok(answer) => {
                    let failure = refused("the token request", &answer, &cause::IMDS_401);
                    match answer.status {
                        400 => return Err(failure),
                        403..=405 => return Ok(Err(failure)),
                        _ => last = Some(failure),
                    }
                }
                Err(broken) => {
                    let failure = self.unanswered(&broken);
                    if !broken.may_pass() {
                        return Err(failure);
                    }
                    if broken.step == Step::AnswerTimeout {
                        return Ok(Err(failure));
                    }
                    last = Some(failure);
                }
            }
        }
        Ok(Err(last.unwrap_or_else(|| Failure::not_configured("instance metadata was not asked"))))
    }

    /// A GET, tried as often as configured, whatever was wrong with the answer.
    async fn get(
        &self,
        operation: &'static str,
        path: &str,
        pass: &Pass,
        wrong: fn(&Answer) -> Option<Wrong>,
        notes: &mut Notes,
    ) -> Result<Answer, Wrong> {
        let url = self.url(path).map_err(Wrong::Failed)?;
        let mut last = Wrong::Empty;
        for _ in 0..self.settings.attempts.max(1) {
            let headers = pass.headers();
            let ask = Ask { headers, ..Ask::get("imds", operation, url.clone(), self.settings.timeout) };
            last = match self.around.http.send(ask, notes).await {
                Ok(answer) if answer.status != 200 => Wrong::Status(answer),
                Ok(answer) if answer.body.is_empty() => Wrong::Empty,
                Ok(answer) => match wrong(&answer) {
                    None => return Ok(answer),
                    Some(wrong) => wrong,
                },
                Err(broken) if broken.may_pass() => Wrong::Failed(self.unanswered(&broken)),
                Err(broken) => return Err(Wrong::Failed(self.unanswered(&broken))),
            };
        }
        Err(last)
    }

    fn url(&self, path: &str) -> Result<Uri, Failure> {
        let base = self.settings.base();
        let slash = if base.ends_with('/') { "" } else { "/" };
        format!("{base}{slash}{path}").parse().map_err(|_| {
            let sentence = format!("the metadata address {:?} cannot be asked", clipped(base));
            Failure::misconfigured(&cause::IMDS_ENDPOINT, sentence)
        })
    }

    fn unanswered(&self, broken: &Broken) -> Failure {
        let base = self.settings.base();
        let place = base.parse().map_or_else(|_| clipped(base), |url| http::shown(&url));
        let failure = broken.failure(&format!("instance metadata at {place}"));
        let configured = self.settings.configured().is_some();
        let (kind, cause): (_, &'static Cause) = match broken.step {
            Step::Address => (FailureKind::Misconfigured, &cause::IMDS_ENDPOINT),
            // A machine outside EC2: nobody asked for this source, it is just always tried.
            _ if !broken.connected() && !configured && !self.settings.v1_disabled => {
                (FailureKind::NotConfigured, &cause::IMDS_OFF)
            }
            _ if !broken.connected() => (FailureKind::Unreachable, &cause::IMDS_OFF),
            Step::AnswerTimeout => (FailureKind::TimedOut, &cause::IMDS_HOP),
            // botocore lets TLS errors through, and with them the end of the chain.
            Step::Handshake => (FailureKind::Misconfigured, failure.cause),
            Step::TooLarge => (FailureKind::Malformed, &cause::IMDS_JSON),
            _ => (failure.kind, failure.cause),
        };
        Failure { kind, cause, ..failure }
    }
}

impl Source for Imds {
    fn kind(&self) -> SourceKind {
        SourceKind::Imds
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        let asking = async { self.ask(notes).await.map_err(refused::mended) };
        Box::pin(within(self.around.attempt_timeout, "instance metadata", asking))
    }
}

/// What is shown to metadata with each request.
enum Pass {
    Token(HeaderValue),
    Without(Failure),
}

impl Pass {
    fn headers(&self) -> HeaderMap {
        match self {
            Self::Token(token) => [(TOKEN_HEADER, token.clone())].into_iter().collect(),
            Self::Without(_) => HeaderMap::new(),
        }
    }
}

/// An answer that is none.
enum Wrong {
    Status(Answer),
    Empty,
    NotJson,
    Failed(Failure),
}

impl Wrong {
    /// `absent` is what a 404 or an empty body means for this request.
    fn failure(self, pass: &Pass, absent: &'static Cause) -> Failure {
        match (self, pass) {
            // Without a token 401 is only the consequence: why there was none is the reason.
            (Self::Status(answer), Pass::Without(why)) if answer.status == 401 => {
                why.clone().seen("status_without_token", 401)
            }
            (Self::Status(answer), _) => refused("the request", &answer, absent),
            (Self::Empty, _) => Failure::denied(absent, "instance metadata answered nothing"),
            (Self::NotJson, _) => {
                Failure::malformed(&cause::IMDS_JSON, "instance metadata answered something that is not JSON")
            }
            (Self::Failed(failure), _) => failure,
        }
    }
}

fn refused(what: &str, answer: &Answer, absent: &'static Cause) -> Failure {
    let (kind, cause) = match answer.status {
        404 => (FailureKind::Denied, absent),
        429 => (FailureKind::Throttled, &cause::IMDS_5XX),
        400..=499 => (FailureKind::Denied, &cause::IMDS_401),
        500.. => (FailureKind::Unreachable, &cause::IMDS_5XX),
        _ => (FailureKind::Malformed, &cause::IMDS_JSON),
    };
    let sentence = format!("instance metadata answered {what} with {}", answer.status);
    let failure = Failure::new(kind, cause, sentence).seen("status", answer.status);
    match refused::proxy(answer) {
        Some(proxy) => refused::by_proxy(failure, &proxy),
        None => failure,
    }
}

/// With v1 off a missing token ends the chain, unless metadata itself is what is missing: credentials that are held
/// from it then live on (contract 4).
fn v1_off(without: Failure) -> Failure {
    if without.kind != FailureKind::Denied && without.kind != FailureKind::Malformed {
        return without;
    }
    let sentence = format!("{}, and IMDSv1 is disabled", without.context);
    Failure { kind: FailureKind::Misconfigured, cause: &cause::IMDS_V1OFF, context: sentence, ..without }
}

fn token_in(answer: &Answer) -> Result<Result<HeaderValue, Failure>, Failure> {
    if answer.body.trim_ascii().is_empty() {
        let sentence = "instance metadata answered with an empty token";
        return Ok(Err(Failure::malformed(&cause::IMDS_JSON, sentence)));
    }
    let mut token = HeaderValue::from_bytes(answer.body.trim_ascii()).map_err(|_| {
        Failure::malformed(
            &cause::IMDS_JSON,
            "instance metadata answered with a token that is no header value",
        )
    })?;
    token.set_sensitive(true);
    Ok(Ok(token))
}

fn not_json(answer: &Answer) -> Option<Wrong> {
    serde_json::from_slice::<Value>(&answer.body).is_err().then_some(Wrong::NotJson)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::super::testing::around;
    use super::*;
    use crate::http::fake::{Fake, Reply, closed, ok, silent};

    const GOOD: &str = r#"{"Code":"Success","AccessKeyId":"ASIAEXAMPLE1","SecretAccessKey":"s3cret",
        "Token":"t0ken","Expiration":"2020-01-31T12:00:00Z"}"#;

    fn at(endpoint: &str) -> Settings {
        let timeout = Duration::from_millis(400);
        Settings { endpoint: Some(endpoint.to_owned()), timeout, ..Settings::default() }
    }

    async fn fetch(settings: Settings) -> (Result<Credentials, Failure>, Notes) {
        let mut notes = Notes::default();
        let outcome = Imds::new(settings, around(&[])).fetch(&mut notes).await;
        (outcome, notes)
    }

    /// What a fake answers to the three requests, in order.
    struct Script {
        token: fn() -> Reply,
        list: fn() -> Reply,
        role: fn() -> Reply,
    }

    const WELL: Script = Script { token: || ok("TOKEN=="), list: || ok("the-role"), role: || ok(GOOD) };

    fn metadata(script: Script) -> Fake {
        Fake::serving(move |request| {
            if request.starts_with("PUT /latest/api/token ") {
                (script.token)()
            } else if request.starts_with("GET /latest/meta-data/iam/security-credentials/ ") {
                (script.list)()
            } else {
                (script.role)()
            }
        })
    }

    #[tokio::test]
    async fn credentials_come_with_a_token_and_their_true_expiry() {
        let fake = metadata(WELL);
        let (outcome, notes) = fetch(at(&fake.url(""))).await;
        let found = outcome.unwrap();
        assert_eq!(found.access_key_id, "ASIAEXAMPLE1");
        assert_eq!(found.expires_at, super::super::moment::parse("2020-01-31T12:00:00Z"));
        assert_eq!((found.account_id, found.role_arn), (None, None));
        let list = "GET /latest/meta-data/iam/security-credentials/";
        assert_eq!(fake.lines(), ["PUT /latest/api/token", list, &format!("{list}the-role")]);
        let heard = fake.heard();
        assert!(heard[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
        assert!(heard[1].contains("x-aws-ec2-metadata-token: TOKEN==\r\n"));
        assert!(heard[2].contains("x-aws-ec2-metadata-token: TOKEN==\r\n"));
        assert!(!format!("{notes:?}").contains("TOKEN=="));
    }

    #[tokio::test]
    async fn an_endpoint_may_have_a_path_and_lists_may_be_long() {
        let fake = Fake::serving(|request| match request {
            _ if request.contains("/api/token") => ok("T"),
            _ if request.contains("security-credentials/first ") => ok(GOOD),
            _ => ok("first\r\nsecond\r\n"),
        });
        for base in ["/prefix", "/prefix/"] {
            fetch(at(&fake.url(base))).await.0.unwrap();
        }
        assert!(fake.lines().iter().all(|line| line.contains(" /prefix/latest/")), "{:?}", fake.lines());
    }

    type Case = (fn() -> Reply, &'static str, FailureKind);

    #[tokio::test]
    async fn without_a_token_botocore_goes_on_unless_v1_is_off() {
        let cases: [Case; 9] = [
            (|| Reply::Status(403, String::new()), "IMDS-V1OFF", FailureKind::Misconfigured),
            (|| Reply::Status(404, String::new()), "IMDS-V1OFF", FailureKind::Misconfigured),
            (|| Reply::Status(405, String::new()), "IMDS-V1OFF", FailureKind::Misconfigured),
            (|| Reply::Status(401, String::new()), "IMDS-V1OFF", FailureKind::Misconfigured),
            (|| ok(""), "IMDS-V1OFF", FailureKind::Misconfigured),
            (|| Reply::Status(500, String::new()), "IMDS-5XX", FailureKind::Unreachable),
            (|| Reply::Hang, "IMDS-HOP", FailureKind::TimedOut),
            (|| Reply::Close, "NET-OTHER", FailureKind::Unreachable),
            (|| Reply::Raw(b"garbage".to_vec()), "NET-OTHER", FailureKind::Unreachable),
        ];
        let ask = |(token, code, kind): Case| async move {
            let fake = metadata(Script { token, ..WELL });
            let (outcome, _) = fetch(at(&fake.url(""))).await;
            assert_eq!(outcome.unwrap().access_key_id, "ASIAEXAMPLE1", "{code}");
            assert!(fake.heard().iter().skip(1).all(|request| !request.contains("metadata-token")));
            let off = Settings { v1_disabled: true, ..at(&fake.url("")) };
            let before = fake.heard().len();
            let failure = fetch(off).await.0.unwrap_err();
            assert_eq!((failure.cause.code, failure.kind), (code, kind), "{failure}");
            assert_eq!(fake.heard().len(), before + 1);
        };
        join_all(cases.map(ask)).await;
    }

    #[tokio::test]
    async fn a_bad_token_request_ends_it() {
        let fake = metadata(Script { token: || Reply::Status(400, String::new()), ..WELL });
        let failure = fetch(at(&fake.url(""))).await.0.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), ("IMDS-401", FailureKind::Denied));
        assert_eq!(fake.heard().len(), 1);
    }

    #[tokio::test]
    async fn each_way_to_fail_has_its_cause() {
        use FailureKind::{Denied, Malformed, Misconfigured, TimedOut, Unreachable};
        const NOT_FOUND: fn() -> Reply = || Reply::Status(404, "Not Found".to_owned());
        const UNAUTHORIZED: fn() -> Reply = || Reply::Status(401, String::new());
        const UNTRUSTED: &str =
            r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}"#;
        const FAILED: &str = r#"{"Code":"Failed","Message":"x","LastUpdated":"2020-01-31T12:00:00Z"}"#;
        let list = |list| Script { list, ..WELL };
        let role = |role| Script { role, ..WELL };
        let cases = [
            (list(NOT_FOUND), "IMDS-NOPROFILE", Denied),
            (list(|| ok("")), "IMDS-NOPROFILE", Denied),
            (list(|| ok(" \r\n")), "IMDS-NOPROFILE", Denied),
            (list(|| ok("<html>no</html>")), "IMDS-JSON", Malformed),
            (list(|| ok("../../x")), "IMDS-JSON", Malformed),
            (list(UNAUTHORIZED), "IMDS-401", Denied),
            (list(|| Reply::Status(403, String::new())), "IMDS-401", Denied),
            (list(|| Reply::Status(503, String::new())), "IMDS-5XX", Unreachable),
            (list(|| Reply::Hang), "IMDS-HOP", TimedOut),
            (list(|| Reply::Close), "NET-OTHER", Unreachable),
            (list(|| Reply::Flood), "IMDS-JSON", Malformed),
            (role(NOT_FOUND), "IMDS-EMPTYPROFILE", Denied),
            (role(|| ok("")), "IMDS-EMPTYPROFILE", Denied),
            (role(|| ok(UNTRUSTED)), "IMDS-TRUST", Denied),
            (role(|| ok(FAILED)), "IMDS-EMPTYPROFILE", Denied),
            (role(UNAUTHORIZED), "IMDS-401", Denied),
            (role(|| Reply::Status(500, String::new())), "IMDS-5XX", Unreachable),
            (role(|| ok("not json")), "IMDS-JSON", Malformed),
            (role(|| ok("[]")), "IMDS-JSON", Malformed),
            (role(|| ok("{}")), "IMDS-JSON", Malformed),
            (role(|| ok(GOOD.replace("Token", "token"))), "IMDS-JSON", Malformed),
            (role(|| ok(GOOD.replace("2020-01-31T12:00:00Z", "soon"))), "IMDS-JSON", Malformed),
            (role(|| Reply::Hang), "IMDS-HOP", TimedOut),
            // 401 is then only the consequence.
            (Script { token: || Reply::Hang, list: UNAUTHORIZED, ..WELL }, "IMDS-HOP", TimedOut),
            (Script { token: NOT_FOUND, list: UNAUTHORIZED, ..WELL }, "IMDS-401", Denied),
            (
                Script { token: || Reply::Status(500, String::new()), list: UNAUTHORIZED, ..WELL },
                "IMDS-5XX",
                Unreachable,
            ),
            (Script { token: || ok("a\nb"), ..WELL }, "IMDS-JSON", Malformed),
        ];
        let ask = |(script, code, kind): (Script, &'static str, FailureKind)| async move {
            let fake = metadata(script);
            let (outcome, notes) = fetch(at(&fake.url(""))).await;
            let failure = outcome.unwrap_err();
            assert_eq!((failure.cause.code, failure.kind), (code, kind), "{failure}");
            assert_ne!(failure.kind, Misconfigured, "the chain goes on");
            assert!(!format!("{failure:?}{notes:?}").contains("s3cret"));
        };
        join_all(cases.map(ask)).await;
    }

    #[tokio::test]
    async fn metadata_that_is_not_there_is_told_by_whether_it_was_asked_for() {
        let (silent, _queue) = silent();
        for address in [closed(), silent] {
            let (outcome, notes) = fetch(at(&format!("http://{address}"))).await;
            let failure = outcome.unwrap_err();
            assert_eq!((failure.cause.code, failure.kind), ("IMDS-OFF", FailureKind::Unreachable));
            assert_eq!((failure.fact("connected"), notes.calls.len()), (Some("no"), 1));
        }
        let broken = {
            let ask = Ask::get(
                "imds",
                "PUT token",
                format!("http://{}/", closed()).parse().unwrap(),
                Duration::from_secs(1),
            );
            around(&[]).http.send(ask, &mut Notes::default()).await.unwrap_err()
        };
        let of = |settings: Settings| Imds::new(settings, around(&[])).unanswered(&broken);
        let nobody_asked = of(Settings::default());
        assert_eq!((nobody_asked.cause.code, nobody_asked.kind), ("IMDS-OFF", FailureKind::NotConfigured));
        assert_eq!(nobody_asked.fact("connected"), Some("no"));
        let v2_only = of(Settings { v1_disabled: true, ..Settings::default() });
        assert_eq!((v2_only.cause.code, v2_only.kind), ("IMDS-OFF", FailureKind::Unreachable));
        let empty = of(Settings { endpoint: Some(String::new()), ..Settings::default() });
        assert_eq!(empty.kind, FailureKind::NotConfigured);
    }

    /// A refusal, an empty answer, half a document, a connection that breaks: each once, then what was asked for.
    #[tokio::test]
    async fn a_second_attempt_that_is_answered_well_is_enough() {
        let slow_down = || Reply::Status(429, r#"{"message": "Slow down"}"#.to_owned());
        for (wrong, at_list) in [
            (slow_down(), true),
            (Reply::Status(200, String::new()), true),
            (slow_down(), false),
            (Reply::Status(200, String::new()), false),
            (ok(r#"{"AccessKey":"#), false),
            (Reply::Close, true),
            (Reply::Close, false),
        ] {
            let wrong = std::sync::Mutex::new(Some(wrong));
            let fake = Fake::serving(move |request| {
                let listing = request.starts_with("GET /latest/meta-data/iam/security-credentials/ ");
                let its_turn = !request.starts_with("PUT ") && listing == at_list;
                match wrong.lock().unwrap().take_if(|_| its_turn) {
                    Some(wrong) => wrong,
                    None if request.starts_with("PUT ") => (WELL.token)(),
                    None if listing => (WELL.list)(),
                    None => (WELL.role)(),
                }
            });
            fetch(Settings { attempts: 2, ..at(&fake.url("")) }).await.0.unwrap();
            assert_eq!(fake.heard().len(), 4);
        }
    }

    #[tokio::test]
    async fn attempts_count_for_each_request() {
        let two = |fake: &Fake| Settings { attempts: 2, ..at(&fake.url("")) };
        let fake = metadata(Script {
            token: || Reply::Status(500, String::new()),
            list: || Reply::Status(500, String::new()),
            ..WELL
        });
        fetch(two(&fake)).await.0.unwrap_err();
        assert_eq!(fake.heard().len(), 4);
        let fake =
            metadata(Script { token: || Reply::Status(403, String::new()), role: || ok("torn {"), ..WELL });
        fetch(two(&fake)).await.0.unwrap_err();
        assert_eq!(fake.heard().len(), 4, "403 is final for the token; a torn document is asked for again");
    }

    #[tokio::test]
    async fn switched_off_it_is_not_asked_and_not_configured() {
        let fake = metadata(WELL);
        let (outcome, notes) = fetch(Settings { disabled: true, ..at(&fake.url("")) }).await;
        let failure = outcome.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), ("IMDS-DISABLED", FailureKind::NotConfigured));
        assert!(notes.calls.is_empty() && fake.heard().is_empty());
    }

    #[tokio::test]
    async fn our_own_endpoint_is_not_asked_and_counts_as_not_configured() {
        let fake = metadata(WELL);
        let source = Imds::new(at(&fake.url("")), around(&[fake.address]));
        let failure = source.fetch(&mut Notes::default()).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), ("KF-LOOP", FailureKind::NotConfigured));
        assert_eq!(source.region(&mut Notes::default()).await, None);
        assert!(fake.heard().is_empty());
    }

    #[tokio::test]
    async fn a_fetch_ends_with_the_attempt_and_keeps_its_notes() {
        let fake = metadata(Script { role: || Reply::Hang, ..WELL });
        let around = Surroundings { attempt_timeout: Duration::from_millis(300), ..(*around(&[])).clone() };
        let settings = Settings { timeout: Duration::from_secs(60), ..at(&fake.url("")) };
        let mut notes = Notes::default();
        let failure = Imds::new(settings, Arc::new(around)).fetch(&mut notes).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), ("KF-TIMEOUT", FailureKind::TimedOut));
        assert_eq!(notes.calls.len(), 3);
    }

    #[tokio::test]
    async fn the_region_is_the_zone_without_its_letter() {
        for (zone, region) in
            [("eu-west-1a", Some("eu-west-1")), ("us-east-1f\n", Some("us-east-1")), ("a", None), ("", None)]
        {
            let fake =
                Fake::serving(move |request| if request.starts_with("PUT") { ok("T") } else { ok(zone) });
            let found = Imds::new(at(&fake.url("")), around(&[])).region(&mut Notes::default()).await;
            assert_eq!(found.as_deref(), region);
            assert_eq!(fake.lines()[1], "GET /latest/meta-data/placement/availability-zone/");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_only_looks_like_one_ends_the_chain() {
        for endpoint in ["ftp://127.0.0.1/", "http://x:port/"] {
            let failure = fetch(at(endpoint)).await.0.unwrap_err();
            assert_eq!(
                (failure.cause.code, failure.kind),
                ("IMDS-ENDPOINT", FailureKind::Misconfigured),
                "{endpoint}"
            );
        }
    }
}
