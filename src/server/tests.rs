//! Both listeners over real sockets, with real keepers and a scripted source.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::status::{Explanation, RoleStatus, State, Status};
use super::{About, Certificates, Passed, Shared, TokenFiles, bind, nearest};
use crate::cause;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::{Auth, Listen, Refresh, Role};
use crate::credentials::{AccountId, Credentials, RoleName, SourceKind};
use crate::event::{Event, Observe, Observers};
use crate::failure::Failure;
use crate::keeper::{Keeper, Parts, Policy};
use crate::report::Notes;
use crate::roster::{Entry, Roster};
use crate::secret::Secret;
use crate::shutdown::Shutdown;
use crate::source::{Lineup, Source};
use crate::watcher::Watcher;

type Said = Result<Credentials, Failure>;

/// Says what it is told, the last thing for ever; `None` is to hang.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Option<Said>>>>);

impl Script {
    fn of(said: Option<Said>) -> Self {
        Self(Arc::new(Mutex::new([said].into())))
    }

    fn say(&self, said: Said) {
        *self.0.lock().unwrap() = [Some(said)].into();
    }
}

impl Source for Script {
    fn kind(&self) -> SourceKind {
        SourceKind::Process
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Said> {
        notes.secret_variable("SCRIPT", true);
        let said = self.0.lock().unwrap().front().cloned().flatten();
        Box::pin(async move {
            match said {
                Some(said) => said,
                None => std::future::pending().await,
            }
        })
    }
}

impl Lineup for Script {
    fn sources<'a>(&'a self, _: &'a mut Notes) -> BoxFuture<'a, Result<Vec<Arc<dyn Source>>, Failure>> {
        let source: Arc<dyn Source> = Arc::new(self.clone());
        Box::pin(async move { Ok(vec![source]) })
    }
}

/// Remembers what was observed, as text.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Observe for Recorder {
    fn observe(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(match event {
            Event::Served(served) => format!(
                "{} {} {} {}",
                served.handler,
                served.role.as_ref().map_or("-", RoleName::as_str),
                served.status,
                served.refused
            ),
            Event::ConnectionRejected(why) => format!("rejected {why}"),
            _ => return,
        });
    }
}

impl Recorder {
    /// Whether that was observed, now or within a second: a client can be faster than the note of its end.
    async fn saw(&self, line: &str) -> bool {
        for _ in 0..100 {
            if self.0.lock().unwrap().iter().any(|seen| seen.trim_end() == line) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

fn keys(id: &str) -> Credentials {
    Credentials {
        access_key_id: id.into(),
        secret_access_key: Secret::new("wJalrXUtnFEMI"),
        session_token: Some(Secret::new("session")),
        expires_at: Some(Clock::host().now() + Duration::from_hours(1)),
        account_id: AccountId::parse("111122223333"),
        role_arn: None,
    }
}

fn role(name: &str) -> Role {
    Role::named(RoleName::parse(name).unwrap())
}

/// An agent's serving half.
struct Stage {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    recorder: Arc<Recorder>,
    at: SocketAddr,
    admin_at: SocketAddr,
    token: String,
    admin_token: String,
}

impl Stage {
    fn new(roles: Vec<(Role, Script)>) -> Self {
        Self::listening(
            roles,
            &Listen { credentials: vec![near().into()], admin: Some(near()), ..Listen::default() },
        )
    }

    fn listening(roles: Vec<(Role, Script)>, listen: &Listen) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let roles: Vec<_> = roles.into_iter().map(|(role, script)| (beside(role, &folder), script)).collect();
        let (shutdown, _early) = Shutdown::new();
        let recorder = Arc::new(Recorder::default());
        let observers = Observers::new(vec![Arc::clone(&recorder) as Arc<dyn Observe>]);
        let plain: Vec<Role> = roles.iter().map(|(role, _)| role.clone()).collect();
        let auth =
            Auth { token_file: Some(folder.path().join("token")), token_mode: 0o440, admin_token_file: None };
        let files = TokenFiles::open(&auth, &plain, true, &Env::default(), observers.clone()).unwrap();
        let entries = roles.into_iter().map(|(role, script)| keep(role, script, &shutdown));
        let roster = Arc::new(ArcSwap::from_pointee(Roster::new(entries)));
        let bound = bind(listen, Passed::default()).unwrap();
        let (at, admin_at) = (bound.credentials_at[0].tcp().unwrap(), bound.admin_at.unwrap());
        let about = About { credentials: vec![at.into()], admin: Some(admin_at), ..About::default() };
        let shared = Arc::new(Shared {
            roster,
            access: files.access(),
            hosts: listen.hosts.clone(),
            sessions: None,
            clock: Clock::host(),
            observers,
            shown: Arc::new(|trace| trace),
            render: Arc::new(|open, _| format!("open={open}\n")),
            problems: Arc::default(),
            about,
            started: AtomicBool::new(false),
        });
        bound.serve(&shared, &Certificates::default(), &shutdown);
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let (token, admin_token) = (text("token"), text("admin.token"));
        Self { folder, shared, shutdown, recorder, at, admin_at, token, admin_token }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// A well-formed request to the credentials listener with the main token.
    async fn get(&self, path: &str) -> Got {
        send(self.at, &request("GET", path, &[HOST, ("Authorization", &self.token)])).await
    }

    async fn admin(&self, method: &str, path: &str) -> Got {
        send(self.admin_at, &request(method, path, &[HOST, ("Authorization", &self.admin_token)])).await
    }
}

fn near() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn beside(role: Role, folder: &tempfile::TempDir) -> Role {
    let tokens: Vec<PathBuf> = role.tokens.iter().map(|path| folder.path().join(path)).collect();
    Role { tokens, ..role }
}

fn keep(role: Role, script: Script, shutdown: &Shutdown) -> Entry {
    let clock = Clock::host();
    let chain = Arc::new(Chain::new(role.name.clone(), Box::new(script), clock.clone()));
    let parts = Parts { chain, policy: Policy::of(&role, &Refresh::default()) };
    let (keeper, handle) =
        Keeper::new(parts, Watcher::blind(), clock, Observers::default(), crate::keeper::chance);
    shutdown.spawn("keeper", shutdown.stopping.clone(), keeper.keep());
    Entry { role, handle }
}

const HOST: (&str, &str) = ("Host", "127.0.0.1:5397");

fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n")
}

struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn send(at: SocketAddr, request: &str) -> Got {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read(&mut stream).await
}

async fn read(stream: &mut TcpStream) -> Got {
    let mut bytes = Vec::new();
    let all = async {
        // A reset after the answer is no less an answer.
        let _reset = stream.read_to_end(&mut bytes).await;
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
    Got { status, head: head.to_owned(), body: body.to_owned() }
}

fn good() -> Script {
    Script::of(Some(Ok(keys("ASIAEXAMPLE000000001"))))
}

#[tokio::test]
async fn credentials_are_served_as_container_clients_expect_them() {
    let stage = Stage::new(vec![(role("default"), good()), (role("app"), good())]);
    for path in [
        "/v1/credentials",
        "/v1/credentials/",
        "/v1/credentials?x=y",
        "/v1/credentials/app",
        "/v1/credentials/app/",
        "/v2/credentials/app",
    ] {
        let got = stage.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        assert_eq!(got.field("content-type"), Some("application/json"));
        assert_eq!(got.field("cache-control"), Some("no-store"));
        let json = got.json();
        let fields: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "Token"]);
        assert_eq!(json["AccessKeyId"], "ASIAEXAMPLE000000001");
    }
    assert!(stage.recorder.saw("credentials app 200").await);
    let head = request("HEAD", "/v1/credentials", &[HOST, ("Authorization", &stage.token)]);
    let got = send(stage.at, &head).await;
    assert_eq!((got.status, got.body.as_str()), (200, ""));
    assert!(got.field("content-length").unwrap().parse::<usize>().unwrap() > 100);
}

#[tokio::test]
async fn the_only_role_is_meant_when_none_is_named() {
    let stage = Stage::new(vec![(role("app"), good())]);
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
    let stage = Stage::new(vec![(role("app"), good()), (role("web"), good())]);
    let got = stage.get("/v1/credentials").await;
    assert_eq!(got.status, 404);
    assert!(got.json()["message"].as_str().unwrap().contains("app, web"), "{}", got.body);
}

#[tokio::test]
async fn an_sdk_that_cannot_have_the_token_is_told_so() {
    let stage = Stage::new(vec![(role("app"), good())]);
    for (agent, cause) in [
        ("aws-sdk-go/1.44.298 (go1.19; linux; amd64)", "PI-OLDSDK"),
        ("aws-sdk-go/1.55.0 (go1.23; linux; amd64)", "KF-TOKENMISSING"),
    ] {
        let got = send(stage.at, &request("GET", "/v1/credentials", &[HOST, ("User-Agent", agent)])).await;
        assert_eq!((got.status, got.json()["cause"].as_str()), (401, Some(cause)), "{}", got.body);
    }
}

#[tokio::test]
async fn refusals_come_in_the_order_of_the_contract() {
    let own = Role { tokens: vec!["own.token".into()], ..role("own") };
    let stage = Stage::new(vec![(role("app"), good()), (own, good())]);
    let own_token = stage.file("own.token");
    let (main, admin) =
        (("Authorization", stage.token.as_str()), ("Authorization", stage.admin_token.as_str()));
    let own = ("Authorization", own_token.as_str());
    let bearer = format!("Bearer {}", stage.token);
    let via = ("Via", "1.1 squid");
    let far = ("Host", "example.com");
    let body = ("Content-Length", "1");
    let us = ("User-Agent", "keyfob/0.1.0");
    let (app, nowhere) = ("/v1/credentials/app", "/nowhere");
    type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("GET", app, vec![far, via, body], 403, "KF-HOST"),
        ("GET", app, vec![HOST, via, body], 403, "KF-HOST"),
        ("GET", app, vec![HOST, body], 413, "KF-REQUEST"),
        ("PUT", nowhere, vec![HOST], 401, "KF-TOKENMISSING"),
        ("PUT", nowhere, vec![HOST, ("Authorization", "wrong")], 401, "KF-AUTH"),
        ("GET", app, vec![HOST, ("Authorization", &bearer)], 401, "KF-AUTH"),
        ("GET", app, vec![HOST, admin], 401, "KF-AUTH"),
        ("GET", app, vec![HOST, main, us], 403, "KF-LOOP"),
        ("PUT", "/v1/credentials/own", vec![HOST, main], 403, "KF-AUTH"),
        ("PUT", app, vec![HOST, own], 403, "KF-AUTH"),
        ("PUT", "/v1/credentials/none", vec![HOST, own], 403, "KF-AUTH"),
        ("PUT", "/v1/credentials", vec![HOST, own], 403, "KF-AUTH"),
        ("PUT", "/v1/credentials/none", vec![HOST, main], 404, "KF-REQUEST"),
        ("PUT", nowhere, vec![HOST, own], 404, "KF-REQUEST"),
        ("PUT", app, vec![HOST, main], 405, "KF-REQUEST"),
        ("PUT", "/latest/api/token", vec![HOST, main], 405, "KF-REQUEST"),
        ("GET", "/latest/api/token", vec![HOST, main], 404, "KF-REQUEST"),
        ("GET", app, vec![HOST, main], 200, ""),
        ("GET", "/v1/credentials/own", vec![HOST, own], 200, ""),
    ];
    for (method, path, fields, status, cause) in cases {
        let got = send(stage.at, &request(method, path, &fields)).await;
        assert_eq!(got.status, status, "{method} {path} {fields:?}: {}", got.body);
        if !cause.is_empty() {
            assert_error(&got, cause);
        }
        if status == 405 {
            assert_eq!(got.field("allow"), Some("GET, HEAD"));
        }
    }
    for line in [
        "credentials - 401 missing_token",
        "credentials - 401 bad_token",
        "credentials - 403 bad_host_header",
        "credentials - 403 forwarded_header",
        "credentials - 403 role_denied",
    ] {
        assert!(stage.recorder.saw(line).await, "{line}");
    }
}

fn assert_error(got: &Got, cause: &str) {
    let json = got.json();
    let fields: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["Code", "Message", "cause", "code", "fix", "message", "trace_id"], "{}", got.body);
    assert_eq!(json["cause"], cause, "{}", got.body);
    assert_eq!((&json["code"], &json["message"]), (&json["Code"], &json["Message"]));
    assert_eq!(json["trace_id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn names_of_roles_are_only_for_those_who_may_have_them() {
    let own = Role { tokens: vec!["own.token".into()], ..role("own") };
    let stage = Stage::new(vec![(role("secret-plan"), good()), (own, good())]);
    let token = stage.file("own.token");
    for path in ["/v1/credentials/secret-plan", "/nowhere", "/v1/credentials/x"] {
        let got = send(stage.at, &request("GET", path, &[HOST, ("Authorization", &token)])).await;
        assert!(!got.body.contains("secret-plan"), "{}", got.body);
    }
}

#[tokio::test]
async fn role_names_from_hell_are_not_found_and_not_repeated() {
    let stage = Stage::new(vec![(role("app"), good())]);
    for name in ["..%2f..%2fetc", "%00", "a%20b", "../../etc/passwd", &"x".repeat(65), "a;b", "'\"<script>"] {
        let got = stage.get(&format!("/v1/credentials/{name}")).await;
        assert!(matches!(got.status, 400 | 404), "{name}: {} {}", got.status, got.body);
        assert!(!got.body.contains(name), "{}", got.body);
    }
}

#[tokio::test]
async fn malformed_and_oversized_heads_are_refused() {
    let stage = Stage::new(vec![(role("app"), good())]);
    assert_eq!(send(stage.at, "\u{1}\u{2} nonsense\r\n\r\n").await.status, 400);
    let many = vec![("X-Many", "1"); 70];
    assert_eq!(send(stage.at, &request("GET", "/", &many)).await.status, 431);
    let more = vec![("X-Many", "1"); 120];
    assert_eq!(send(stage.at, &request("GET", "/", &more)).await.status, 431);
    let long = "x".repeat(17 * 1024);
    assert_eq!(send(stage.at, &request("GET", "/", &[("X-Long", &long)])).await.status, 431);
    let longer = "x".repeat(15 * 1024);
    let got = send(stage.at, &request("GET", "/", &[HOST, ("X-Long", &longer)])).await;
    assert_eq!(got.status, 401);
    assert!(stage.recorder.saw("rejected malformed").await);
}

#[tokio::test]
async fn whatever_keeps_credentials_away_is_503_with_its_reason() {
    let sentence = "profile \"prdo\" is in neither file; did you mean \"prod\"?";
    let script = Script::of(Some(Err(Failure::misconfigured(&cause::PROFILE_UNKNOWN, sentence))));
    let stage = Stage::new(vec![(role("default"), script)]);
    let got = stage.get("/v1/credentials").await;
    assert_eq!(got.status, 503);
    assert_error(&got, "PROFILE-UNKNOWN");
    let json = got.json();
    assert_eq!(json["code"], "CredentialsUnavailable");
    let message = json["message"].as_str().unwrap();
    let begin = "no credentials for role \"default\": profile \"prdo\" is in neither file; did you mean \"prod\"? \
                 [PROFILE-UNKNOWN] Fix: ";
    assert!(message.starts_with(begin), "{message}");
    assert!(got.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(stage.recorder.saw("credentials default 503").await);
}

#[tokio::test]
async fn an_answer_comes_within_a_second_though_the_source_hangs() {
    let stage = Stage::new(vec![(role("default"), Script::of(None))]);
    let begun = Instant::now();
    let got = stage.get("/v1/credentials").await;
    assert_eq!(got.status, 503);
    assert_error(&got, "KF-WARMING");
    let took = begun.elapsed();
    assert!(took >= crate::keeper::PATIENCE && took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn keep_alive_connections_serve_many_and_end_when_closing() {
    let stage = Stage::new(vec![(role("default"), good())]);
    let mut stream = TcpStream::connect(stage.at).await.unwrap();
    let ask =
        format!("GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n", stage.token);
    let mut buffer = vec![0; 4096];
    for _ in 0..5 {
        stream.write_all(ask.as_bytes()).await.unwrap();
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200 OK"));
    }
    stage.shutdown.run(Duration::from_secs(5), |_| {}).await;
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "the idle connection was closed");
    assert!(TcpStream::connect(stage.at).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn the_513th_connection_is_told_that_it_is_one_too_many() {
    let stage = Stage::new(vec![(role("default"), good())]);
    let mut held = Vec::new();
    for _ in 0..512 {
        held.push(TcpStream::connect(stage.at).await.unwrap());
    }
    let got = stage.get("/v1/credentials").await;
    assert_eq!(got.status, 503);
    assert_eq!(got.json()["code"], "CredentialsUnavailable");
    assert!(stage.recorder.saw("rejected limit").await);
    assert_eq!(stage.admin("GET", "/livez").await.status, 200, "probes have room of their own");
    drop(held);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
}

#[tokio::test]
async fn a_taken_port_names_the_address_and_its_owner() {
    let taken = std::net::TcpListener::bind(near()).unwrap();
    let at = taken.local_addr().unwrap();
    let error =
        bind(&Listen { credentials: vec![at.into()], ..Listen::default() }, Passed::default()).unwrap_err();
    assert_eq!(error.address, at.into());
    assert_eq!(error.owner.as_ref().map(|owner| owner.pid), Some(std::process::id()), "{error}");
    assert!(error.to_string().starts_with(&format!("{at} is taken by process")), "{error}");
}

#[tokio::test]
async fn probes_tell_alive_ready_and_started() {
    let script = Script::of(None);
    let spare = Role { required: false, ..role("spare") };
    let stage = Stage::new(vec![(role("default"), script.clone()), (spare, Script::of(None))]);
    let status = async |path: &str| stage.admin("GET", path).await.status;
    assert_eq!(status("/livez").await, 200);
    for path in ["/readyz", "/readyz?credentials", "/startupz"] {
        assert_eq!(status(path).await, 503, "{path}");
    }
    assert!(stage.admin("GET", "/readyz").await.body.contains("\"default\""));
    let stage = Stage::new(vec![(role("default"), good())]);
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
    for path in ["/livez", "/readyz", "/readyz?credentials", "/startupz"] {
        assert_eq!(stage.admin("GET", path).await.status, 200, "{path}");
    }
    stage.shutdown.closing.cancel();
}

#[tokio::test]
async fn readiness_outlives_the_credentials_but_not_in_its_strict_form() {
    let script = good();
    let stage = Stage::new(vec![(role("default"), script.clone())]);
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
    script.say(Err(Failure::denied(&cause::PROC_EXIT, "the helper ended with status 1")));
    let got = stage.admin("POST", "/v1/refresh/default?drop=true").await;
    let role: RoleStatus = serde_json::from_str(&got.body).unwrap();
    assert_eq!((role.state, role.usable, role.failures), (State::Failing, false, 1));
    assert_eq!(role.last_failure.unwrap().code, "PROC-EXIT");
    assert_eq!(stage.admin("GET", "/readyz").await.status, 200);
    assert_eq!(stage.admin("GET", "/startupz").await.status, 200);
    assert_eq!(stage.admin("GET", "/readyz?credentials").await.status, 503);
    assert_eq!(stage.get("/v1/credentials").await.status, 503);
}

#[tokio::test]
async fn refresh_walks_and_answers_with_the_role() {
    let script = good();
    let stage = Stage::new(vec![(role("default"), script.clone())]);
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
    script.say(Ok(keys("ASIAEXAMPLE000000002")));
    let got = stage.admin("POST", "/v1/refresh/default").await;
    assert_eq!(got.status, 200, "{}", got.body);
    let role: RoleStatus = serde_json::from_str(&got.body).unwrap();
    assert_eq!((role.state, role.key_suffix.as_deref()), (State::Ok, Some("0002")));
    assert_eq!(stage.get("/v1/credentials").await.json()["AccessKeyId"], "ASIAEXAMPLE000000002");
    assert_eq!(stage.admin("POST", "/v1/refresh/none").await.status, 404);
    let got = stage.admin("GET", "/v1/refresh/default").await;
    assert_eq!((got.status, got.field("allow")), (405, Some("POST")));
    for (fields, status) in [
        (vec![HOST], 401),
        (vec![HOST, ("Authorization", stage.token.as_str())], 401),
        (vec![("Host", "example.com"), ("Authorization", stage.admin_token.as_str())], 403),
        (vec![HOST, ("Authorization", stage.admin_token.as_str()), ("Origin", "http://evil")], 403),
    ] {
        let got = send(stage.admin_at, &request("POST", "/v1/refresh/default", &fields)).await;
        assert_eq!(got.status, status, "{fields:?}");
    }
}

#[tokio::test]
async fn status_and_explain_tell_all_but_secrets() {
    let stage = Stage::new(vec![(role("default"), good())]);
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
    let got = send(stage.admin_at, &request("GET", "/status", &[HOST])).await;
    assert_eq!(got.field("content-type"), Some("application/json"));
    let status: Status = serde_json::from_str(&got.body).unwrap();
    assert!(status.ready && status.problems.is_empty());
    assert_eq!(status.credentials_addresses, [stage.at.to_string()]);
    let role = &status.roles[0];
    assert_eq!((role.state, role.source.as_deref()), (State::Ok, Some("process")));
    assert_eq!(role.account.as_deref(), Some("111122223333"));
    let explain = send(stage.admin_at, &request("GET", "/v1/explain/default", &[HOST])).await;
    let explanation: Explanation = serde_json::from_str(&explain.body).unwrap();
    let walk = explanation.walk.unwrap();
    assert_eq!((walk.trigger.as_str(), walk.source.as_deref()), ("startup", Some("process")));
    assert_eq!(walk.attempts.last().unwrap().looks, ["SCRIPT is set"]);
    for body in [&got.body, &explain.body] {
        for secret in ["wJalr", "session", "ASIA", &stage.token, &stage.admin_token] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
    }
    assert_eq!(stage.admin("GET", "/v1/explain/none").await.status, 404);
    assert_eq!(stage.admin("POST", "/status").await.status, 405);
    assert_eq!(stage.admin("GET", "/").await.status, 404);
    let far = send(stage.admin_at, &request("GET", "/status", &[("Host", "example.com")])).await;
    assert_eq!(far.status, 403);
}

#[tokio::test]
async fn status_needs_the_admin_token_where_admin_is_not_loopback() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let listen = Listen { credentials: vec![near().into()], admin: Some(everywhere), ..Listen::default() };
    let mut stage = Stage::listening(vec![(role("default"), good())], &listen);
    stage.admin_at.set_ip([127, 0, 0, 1].into());
    for path in ["/status", "/v1/explain/default"] {
        assert_eq!(send(stage.admin_at, &request("GET", path, &[HOST])).await.status, 401, "{path}");
        assert_eq!(stage.admin("GET", path).await.status, 200, "{path}");
    }
    // Probes and scrapers come without either.
    for path in ["/livez", "/metrics"] {
        let got = send(stage.admin_at, &request("GET", path, &[("Host", "10.0.0.7:5398")])).await;
        assert_eq!(got.status, 200, "{path}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_form_that_is_asked_for() {
    let stage = Stage::new(vec![(role("default"), good())]);
    let got = stage.admin("GET", "/metrics").await;
    assert_eq!(
        (got.body.as_str(), got.field("content-type")),
        ("open=false\n", Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    let accept =
        ("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3");
    let got = send(stage.admin_at, &request("GET", "/metrics", &[HOST, accept])).await;
    assert_eq!(got.body, "open=true\n");
    assert!(got.field("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(stage.recorder.saw("metrics - 200").await);
}

#[tokio::test]
async fn credentials_without_expiry_are_stamped_anew_and_said_to_be_long_term() {
    let bare = Credentials { session_token: None, expires_at: None, ..keys("AKIAEXAMPLE000000001") };
    let stage = Stage::new(vec![(role("default"), Script::of(Some(Ok(bare))))]);
    let json = stage.get("/v1/credentials").await.json();
    assert_eq!(json["Token"], "");
    let expires: jiff::Timestamp = json["Expiration"].as_str().unwrap().parse().unwrap();
    let left = expires.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((1795..=1800).contains(&left), "{left}");
    let status: Status = serde_json::from_str(&stage.admin("GET", "/status").await.body).unwrap();
    assert_eq!(status.roles[0].warnings[0].code, "KF-STATIC");
    assert!(stage.shared.started());
}

#[tokio::test]
async fn a_role_that_nobody_asks_for_and_one_that_is_not_renewed_are_warned_of() {
    let script = good();
    let stage = Stage::new(vec![(role("default"), script.clone())]);
    let warned = |minutes: u64| {
        let (roster, now) = (stage.shared.roster.load(), Clock::host().now());
        let later = now + Duration::from_mins(minutes);
        let status = RoleStatus::of(roster.find("default").unwrap(), later, &stage.shared.shown);
        status.warnings.into_iter().map(|warning| warning.code).collect::<Vec<_>>()
    };
    let handle = stage.shared.roster.load().find("default").unwrap().handle.clone();
    handle.settled(Duration::from_mins(1)).await;
    let refused = send(stage.at, &request("GET", "/v1/credentials", &[HOST, ("Authorization", "no")])).await;
    assert_eq!((refused.status, warned(14)), (401, vec![]));
    let nothing: Vec<String> = Vec::new();
    assert_eq!((warned(15), warned(61)), (vec!["KF-BYPASS".to_owned()], nothing.clone()));
    assert_eq!(stage.get("/v1/credentials").await.status, 200);
    assert_eq!(warned(15), nothing);
    script.say(Err(Failure::denied(&cause::STS_DENIED, "refused")));
    stage.admin("POST", "/v1/refresh/default").await;
    assert_eq!((warned(53), warned(55)), (nothing, vec!["KF-STALE".to_owned()]));
}

#[test]
fn the_nearest_address_is_the_one_every_sdk_takes() {
    let table: [(&[&str], Option<&str>); 6] = [
        (&["127.0.0.1:1"], Some("127.0.0.1:1")),
        (&["10.0.0.1:1", "[::1]:2", "127.0.0.1:3"], Some("127.0.0.1:3")),
        (&["10.0.0.1:1", "[::1]:2"], Some("[::1]:2")),
        (&["0.0.0.0:1"], Some("127.0.0.1:1")),
        (&["169.254.170.2:1"], Some("169.254.170.2:1")),
        (&["unix:/run/k.sock"], None),
    ];
    for (addresses, nearest_one) in table {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(nearest(&addresses).map(|at| at.to_string()).as_deref(), nearest_one, "{addresses:?}");
    }
}
