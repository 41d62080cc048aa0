//! Metrics and logs as their readers see them, from events made by hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use hyper::header::HeaderMap;
use tracing::{Dispatch, dispatcher};

use super::logs::{Line, Scribe};
use super::traces::Tally;
use super::{Logs, Metrics};
use crate::cause;
use crate::clock::Clock;
use crate::config::{Config, LogLevel, Problem, Role, Telemetry};
use crate::credentials::{Credentials, RoleName, SourceKind};
use crate::event::{Event, Observe};
use crate::failure::{Failure, FailureKind};
use crate::file;
use crate::report::{Attempt, Notes, Outcome, Resolution, Served, Standing, TraceId, Trigger, Verdict};
use crate::secret::Secret;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG";

pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub(super) fn name(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

pub(super) fn config(roles: &[&str]) -> Config {
    Config { roles: roles.iter().map(|role| Role::named(name(role))).collect(), ..Config::default() }
}

pub(super) fn attempt(source: SourceKind, outcome: Outcome) -> Attempt {
    Attempt { source, started: at(0), took: Duration::from_millis(3), notes: Notes::default(), outcome }
}

pub(super) fn unasked(source: SourceKind) -> Attempt {
    attempt(source, Outcome::Skipped(Failure::not_configured("not set")))
}

pub(super) fn walk(last: Attempt) -> Resolution {
    let found = matches!(last.outcome, Outcome::Provided { .. });
    let credentials = found.then(|| {
        Arc::new(Credentials {
            access_key_id: "ASIAEXAMPLE00000WXYZ".into(),
            secret_access_key: Secret::new(SECRET),
            session_token: Some(Secret::new(SECRET)),
            expires_at: Some(at(3600)),
            account_id: None,
            role_arn: None,
        })
    });
    let before = [SourceKind::Profile, SourceKind::Env, SourceKind::StaticFile].map(unasked);
    Resolution {
        role: name("app"),
        trace: TraceId::random(),
        trigger: Trigger::Schedule,
        started: at(0),
        took: Duration::from_millis(7),
        attempts: before.into_iter().chain([last]).collect(),
        credentials,
    }
}

pub(super) fn good_walk() -> Resolution {
    walk(attempt(SourceKind::Imds, Outcome::Provided { expires_at: Some(at(3600)) }))
}

pub(super) fn denied() -> Failure {
    Failure::denied(&cause::STS_DENIED, "STS refused role app")
}

pub(super) fn bad_walk(failure: Failure) -> Resolution {
    walk(attempt(SourceKind::ProfileAssumeRole, Outcome::Failed(failure)))
}

pub(super) fn holding() -> Standing {
    Standing {
        source: Some(SourceKind::Imds),
        key_suffix: Some("WXYZ".into()),
        account: None,
        role_arn: None,
        issued_at: Some(at(0)),
        expires_at: Some(at(3600)),
        held: true,
        extended: false,
        long_term: false,
        next: Some(at(2400)),
        failures: 0,
    }
}

fn empty_handed(failures: u32) -> Standing {
    let (source, key_suffix, expires_at) = (None, None, None);
    Standing { source, key_suffix, expires_at, held: false, failures, ..holding() }
}

pub(super) fn metrics(roles: &[&str]) -> Metrics {
    let metrics = Metrics::new(&Telemetry::default(), Clock::host(), Tally::default(), Arc::new(|id| id));
    metrics.observe(&Event::ConfigApplied(&config(roles)));
    metrics
}

pub(super) fn judged(to: &dyn Observe, walk: &Resolution, verdict: &Verdict, standing: &Standing) {
    to.observe(&Event::Judged { resolution: walk, verdict, standing });
}

pub(super) fn served(role: Option<&str>, status: u16, refused: &'static str) -> Served<'static> {
    let (took, left) = (Duration::from_micros(80), None);
    static HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
    Served {
        handler: "credentials",
        role: role.map(name),
        status,
        refused,
        at: at(0),
        took,
        cache: None,
        left,
        credentials: None,
        source: None,
        peer: None,
        failure: None,
        method: "GET",
        headers: &HEADERS,
    }
}

#[track_caller]
pub(super) fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|seen| seen == line), "{line} not in\n{text}");
}

#[test]
fn a_good_walk_is_counted_where_rules_look() {
    let metrics = metrics(&["app"]);
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    let text = metrics.render(false, at(10));
    for line in [
        "# TYPE keyfob_resolutions_total counter",
        r#"keyfob_resolutions_total{role="app",source="imds",outcome="success",reason=""} 1"#,
        r#"keyfob_resolutions_total{role="app",source="none",outcome="failure",reason=""} 0"#,
        r#"keyfob_refreshes_total{role="app",trigger="schedule",outcome="success",reason=""} 1"#,
        r#"keyfob_source_attempts_total{source="imds",result="found",reason=""} 1"#,
        r#"keyfob_source_attempts_total{source="env",result="not_configured",reason=""} 1"#,
        r#"keyfob_source_active{role="app",source="imds"} 1.0"#,
        r#"keyfob_role_required{role="app"} 1.0"#,
        r#"keyfob_credentials_available{role="app"} 1.0"#,
        r#"keyfob_credentials_extended{role="app"} 0.0"#,
        r#"keyfob_credentials_expiration_timestamp_seconds{role="app"} 1700003600.0"#,
        r#"keyfob_refresh_last_attempt_timestamp_seconds{role="app"} 1700000000.0"#,
        r#"keyfob_refresh_next_timestamp_seconds{role="app"} 1700002400.0"#,
        r#"keyfob_refresh_consecutive_failures{role="app"} 0.0"#,
        "keyfob_config_last_reload_successful 1.0",
    ] {
        assert_has(&text, line);
    }
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
}

#[test]
fn a_failed_walk_is_counted_under_its_cause() {
    let metrics = metrics(&["app"]);
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    let held = Standing { failures: 1, ..holding() };
    judged(&metrics, &bad_walk(denied()), &Verdict::Fail(denied()), &held);
    let text = metrics.render(false, at(10));
    for line in [
        r#"keyfob_resolutions_total{role="app",source="none",outcome="failure",reason="STS-DENIED"} 1"#,
        r#"keyfob_refreshes_total{role="app",trigger="schedule",outcome="failure",reason="STS-DENIED"} 1"#,
        r#"keyfob_source_attempts_total{source="profile_assume_role",result="failed",reason="STS-DENIED"} 1"#,
        r#"keyfob_refresh_consecutive_failures{role="app"} 1.0"#,
        r#"keyfob_credentials_available{role="app"} 1.0"#,
    ] {
        assert_has(&text, line);
    }
}

#[test]
fn available_drops_at_the_expiry_though_nothing_happens() {
    let metrics = metrics(&["app"]);
    assert_has(&metrics.render(false, at(0)), r#"keyfob_credentials_available{role="app"} 0.0"#);
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    assert_has(&metrics.render(false, at(3599)), r#"keyfob_credentials_available{role="app"} 1.0"#);
    assert_has(&metrics.render(false, at(3600)), r#"keyfob_credentials_available{role="app"} 0.0"#);
    let extended = Standing { extended: true, ..holding() };
    judged(&metrics, &good_walk(), &Verdict::Unchanged, &extended);
    let text = metrics.render(false, at(3600));
    assert_has(&text, r#"keyfob_credentials_available{role="app"} 1.0"#);
    assert_has(&text, r#"keyfob_credentials_extended{role="app"} 1.0"#);
    assert_has(&text, r#"keyfob_credentials_expiration_timestamp_seconds{role="app"} 1700003600.0"#);
}

#[test]
fn without_expiry_there_is_no_expiration_series_and_a_former_source_reads_0() {
    let metrics = metrics(&["app"]);
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    let for_ever = Standing { source: Some(SourceKind::Env), expires_at: None, next: None, ..holding() };
    judged(&metrics, &good_walk(), &Verdict::Adopt, &for_ever);
    let text = metrics.render(false, at(9_000_000));
    assert!(!text.contains("keyfob_credentials_expiration_timestamp_seconds{"));
    assert!(!text.contains("keyfob_refresh_next_timestamp_seconds{"));
    assert_has(&text, r#"keyfob_credentials_available{role="app"} 1.0"#);
    assert_has(&text, r#"keyfob_source_active{role="app",source="imds"} 0.0"#);
    assert_has(&text, r#"keyfob_source_active{role="app",source="env"} 1.0"#);
}

#[test]
fn a_role_that_is_gone_leaves_no_series_and_no_way_back() {
    for by_reload in [false, true] {
        let metrics = metrics(&["app", "web"]);
        judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
        metrics.observe(&Event::Served(&served(Some("app"), 200, "")));
        assert!(metrics.render(false, at(0)).contains("\"app\""));
        if by_reload {
            metrics.observe(&Event::ConfigApplied(&config(&["web"])));
        } else {
            metrics.observe(&Event::RoleRemoved(&name("app")));
        }
        metrics.observe(&Event::Served(&served(Some("app"), 200, "")));
        judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
        let text = metrics.render(false, at(0));
        assert!(!text.contains("\"app\""), "{text}");
        assert_has(&text, r#"keyfob_http_requests_total{handler="credentials",role="_other",code="200"} 1"#);
        assert!(text.contains("\"web\""));
    }
}

#[test]
fn requests_are_counted_by_handler_role_and_code() {
    let metrics = metrics(&["app"]);
    metrics.observe(&Event::Served(&served(Some("app"), 200, "")));
    metrics.observe(&Event::Served(&served(None, 401, "bad_token")));
    metrics.observe(&Event::ConnectionRejected("limit"));
    metrics.observe(&Event::Watching { files: &[(file::Kind::Config, 1)], events: false });
    metrics.observe(&Event::ConfigRejected(&[]));
    let text = metrics.render(false, at(0));
    for line in [
        r#"keyfob_http_requests_total{handler="credentials",role="app",code="200"} 1"#,
        r#"keyfob_http_requests_total{handler="credentials",role="app",code="503"} 0"#,
        r#"keyfob_http_requests_total{handler="credentials",role="",code="401"} 1"#,
        r#"keyfob_http_request_duration_seconds_count{handler="credentials"} 2"#,
        r#"keyfob_http_request_duration_seconds_bucket{le="0.0005",handler="credentials"} 2"#,
        r#"keyfob_auth_rejections_total{reason="bad_token"} 1"#,
        r#"keyfob_auth_rejections_total{reason="missing_token"} 0"#,
        r#"keyfob_http_connections_rejected_total{reason="limit"} 1"#,
        r#"keyfob_file_watch_up{kind="config"} 0.0"#,
        "keyfob_config_last_reload_successful 0.0",
    ] {
        assert_has(&text, line);
    }
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<String>>);

impl Paper {
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn written(level: LogLevel, json: bool, act: impl FnOnce(&Logs, &Paper)) {
    let paper = Paper::default();
    let pen = paper.clone();
    let write = move |line: Line| {
        let text = if json { line.as_json() } else { line.as_text(false) };
        pen.0.lock().unwrap().push_str(&text);
    };
    let dispatch = Dispatch::new(Scribe::new(level, Clock::host(), write));
    dispatcher::with_default(&dispatch, || act(&Logs::new(Arc::new(|trace| trace)), &paper));
}

#[test]
fn listening_names_addresses_and_token_file_in_json() {
    written(LogLevel::Info, true, |logs, paper| {
        let [one, two, admin] =
            ["127.0.0.1:5397", "[::1]:5397", "127.0.0.1:5398"].map(|at| at.parse::<SocketAddr>().unwrap());
        let token_file = Path::new("/run/keyfob/token");
        logs.observe(&Event::Listening {
            credentials: &[one.into(), two.into()],
            admin: Some(admin),
            token_file,
        });
        let line: serde_json::Value = serde_json::from_str(&paper.take()).unwrap();
        assert_eq!(line["credentials_address"], "127.0.0.1:5397,[::1]:5397");
        assert_eq!(line["admin_address"], "127.0.0.1:5398");
        assert_eq!(line["token_file"], "/run/keyfob/token");
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"listening".into()));
    });
}

#[test]
fn changes_are_said_aloud_and_repeats_quietly() {
    written(LogLevel::Info, true, |logs, paper| {
        let say = |walk: &Resolution, verdict: &Verdict, standing: &Standing| {
            judged(logs, walk, verdict, standing);
            paper.take()
        };
        let fail = |failure: Failure, count| {
            say(&bad_walk(failure.clone()), &Verdict::Fail(failure), &empty_handed(count))
        };
        let line: serde_json::Value = serde_json::from_str(&fail(denied(), 1)).unwrap();
        assert_eq!(
            (&line["level"], &line["role"], &line["cause"]),
            (&"WARN".into(), &"app".into(), &"STS-DENIED".into())
        );
        assert_eq!((&line["source"], &line["trigger"]), (&"profile_assume_role".into(), &"schedule".into()));
        assert_eq!(line["message"], "no credentials: STS refused role app");
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(line["next"], "2023-11-14T22:53:20Z");
        assert_eq!(fail(denied(), 2), "");
        let other =
            Failure::new(FailureKind::TimedOut, &cause::NET_TIMEOUT, "sts.amazonaws.com does not answer");
        assert!(fail(other.clone(), 3).contains("NET-TIMEOUT"));
        assert_eq!(fail(other, 4), "");
        let good = say(&good_walk(), &Verdict::Adopt, &holding());
        assert!(
            good.contains("INFO") && good.contains("WXYZ") && good.contains("2023-11-14T23:13:20Z"),
            "{good}"
        );
        assert!(
            good.contains("credentials adopted; it was failing since 2023-11-14T22:13:20Z, 4 times"),
            "{good}"
        );
        assert!(good.contains("\"failures\":4"), "{good}");
        assert_eq!(say(&good_walk(), &Verdict::Unchanged, &holding()), "");
        let held = say(&bad_walk(denied()), &Verdict::Fail(denied()), &holding());
        assert!(held.contains("refresh failed, what is held stays"), "{held}");
        let again = say(&good_walk(), &Verdict::Unchanged, &holding());
        assert!(again.contains("the source answers again; it was failing since 2023-11-14T22:13:20Z, once"));
    });
}

#[test]
fn bare_long_term_keys_are_told_once_an_adoption() {
    written(LogLevel::Info, false, |logs, paper| {
        let standing = Standing { long_term: true, expires_at: None, ..holding() };
        judged(logs, &good_walk(), &Verdict::Adopt, &standing);
        assert!(paper.take().contains("KF-STATIC"));
        judged(logs, &good_walk(), &Verdict::Unchanged, &standing);
        assert_eq!(paper.take(), "");
    });
}

#[test]
fn serving_past_expiry_is_told_when_it_begins() {
    written(LogLevel::Info, false, |logs, paper| {
        let down =
            Failure::new(FailureKind::Unreachable, &cause::IMDS_OFF, "169.254.169.254 does not answer");
        let extended = Standing { extended: true, ..holding() };
        judged(logs, &bad_walk(down.clone()), &Verdict::Fail(down.clone()), &extended);
        assert!(paper.take().contains("IMDS-EXPIRED"));
        judged(logs, &bad_walk(down.clone()), &Verdict::Fail(down), &extended);
        assert_eq!(paper.take(), "");
    });
}

#[test]
fn requests_are_logged_at_debug_only_and_strangers_at_warn() {
    written(LogLevel::Info, false, |logs, paper| {
        logs.observe(&Event::Served(&served(Some("app"), 200, "")));
        tracing::info!(target: "hyper", "chatter");
        assert_eq!(paper.take(), "");
        tracing::warn!(target: "hyper", "trouble");
        assert!(paper.take().contains("trouble"));
    });
    written(LogLevel::Debug, false, |logs, paper| {
        logs.observe(&Event::Served(&served(Some("app"), 401, "bad_token")));
        assert!(paper.take().contains("bad_token"));
        tracing::debug!(target: "hyper", "chatter");
        assert_eq!(paper.take(), "");
    });
    written(LogLevel::Error, false, |_, paper| {
        tracing::warn!(target: "hyper", "trouble");
        assert_eq!(paper.take(), "");
        tracing::info!(target: "keyfob::audit", "credentials handed out");
        assert!(paper.take().contains("handed out"), "an audit log is not a matter of loudness");
    });
}

#[test]
fn nothing_secret_is_ever_written() {
    for json in [false, true] {
        written(LogLevel::Trace, json, |logs, paper| {
            judged(logs, &good_walk(), &Verdict::Adopt, &holding());
            judged(logs, &bad_walk(denied()), &Verdict::Refuse(denied()), &holding());
            let problem = Problem { at: "role[1].name".into(), is: "x y".into(), want: "a name".into() };
            logs.observe(&Event::ConfigRejected(&[problem]));
            let text = paper.take();
            assert!(text.contains("WXYZ") && text.contains("role[1].name"), "{text}");
            assert!(!text.contains(SECRET) && !text.contains("ASIA"), "{text}");
        });
    }
}
