//! Every metric as a scraper sees it, how many series there are, and which traces they show.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::cause;
use crate::config::{Role, Telemetry};
use crate::credentials::{Credentials, RoleName, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::file::{self, Change, Stamp};
use crate::report::{Attempt, CacheUse, Call, Notes, Outcome, Stored, TokenKind, TraceId, Trigger};
use crate::telemetry::logs::losses;
use crate::telemetry::tests::{
    assert_has, at, attempt, bad_walk, config, denied, good_walk, holding, judged, metrics, name, served,
    unasked,
};
use crate::telemetry::traces::Loss;

/// What an agent with one idle role exports at most (contract 6). It was 206 when this was written.
const IDLE: usize = 250;
/// What one role adds at most, whatever it has been through. It was 220 when this was written.
const A_ROLE: usize = 220;

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count()
}

fn made(settings: &Telemetry) -> Metrics {
    let metrics = Metrics::new(settings, Clock::host(), Tally::default(), Arc::new(|id| id));
    metrics.observe(&Event::ConfigApplied(&config(&["app"])));
    metrics
}

fn call(service: &'static str, operation: &'static str) -> Call {
    Call {
        service,
        operation,
        url: format!("http://{service}/{operation}"),
        started: at(0),
        took: Duration::from_millis(20),
        status: Some(200),
        code: None,
        request_id: None,
        error: None,
        broke_at: None,
        date: Some(at(0)),
    }
}

/// A walk to the end of the chain, as it is on EC2.
fn whole_walk() -> Resolution {
    let mut whole = good_walk();
    let mut imds = whole.attempts.pop().unwrap();
    imds.notes.calls = ["PUT token", "GET role", "GET credentials"].map(|ask| call("imds", ask)).into();
    whole.attempts =
        SourceKind::ALL.into_iter().filter(|kind| *kind < SourceKind::Imds).map(unasked).collect();
    whole.attempts.push(imds);
    whole
}

/// An idle agent: started, walked the whole chain once, beating, probed and scraped.
fn idle() -> Metrics {
    let metrics = metrics(&["app"]);
    metrics.observe(&Event::Heartbeat);
    let files = [file::Kind::Config, file::Kind::Credentials, file::Kind::AgentConfig, file::Kind::Token];
    metrics.observe(&Event::Watching { files: &files.map(|kind| (kind, 1)), events: true });
    judged(&metrics, &whole_walk(), &Verdict::Adopt, &holding());
    for handler in ["health", "metrics"] {
        metrics.observe(&Event::Served(&Served { handler, ..served(None, 200, "") }));
    }
    metrics
}

/// A role that failed at a service under a trace of its own.
fn failing() -> Resolution {
    let mut walk = bad_walk(denied());
    let refused = Call { status: Some(403), code: Some("AccessDenied".into()), ..call("sts", "AssumeRole") };
    walk.attempts.last_mut().unwrap().notes.calls = vec![refused];
    walk
}

#[test]
fn an_idle_agent_with_one_role_exports_few_series() {
    let text = idle().render(false, at(0));
    let count = series(&text);
    assert!((150..=IDLE).contains(&count), "{count} series\n{text}");
}

#[test]
fn every_exported_name_is_listed_and_every_listed_name_is_exported_with_its_labels() {
    let settings = Telemetry { identity: true, ..Telemetry::default() };
    let metrics = made(&settings);
    metrics.observe(&Event::Heartbeat);
    metrics.observe(&Event::Watching { files: &[(file::Kind::Token, 2)], events: true });
    metrics.observe(&Event::FileChanged(file::Kind::Token, Change::Replace));
    metrics.observe(&Event::FileReread(file::Kind::Token, Ok(())));
    let mut walk = whole_walk();
    walk.attempts.last_mut().unwrap().notes.sign_in_ends.push((TokenKind::WebIdentity, at(600)));
    walk.attempts[0].notes.doubts.push(Failure::misconfigured(&cause::SEC_READABLE, "x"));
    judged(&metrics, &walk, &Verdict::Adopt, &holding());
    let handed_out = served(Some("app"), 200, "");
    let (cache, left) = (Some(CacheUse::Hit), Some(Duration::from_secs(600)));
    metrics.observe(&Event::Served(&Served { cache, left, ..handed_out }));
    let text = metrics.render(false, at(0));
    let typed: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let listed: Vec<(&str, &str)> = NAMES.iter().map(|name| (name.name, name.kind.as_str())).collect();
    assert_eq!(typed, listed);
    for name in NAMES {
        assert_eq!(name.kind == Kind::Counter, name.name.ends_with("_total"), "{}", name.name);
        let sample = text.lines().find(|line| line.starts_with(name.name));
        let sample = sample.unwrap_or_else(|| panic!("no sample of {}", name.name));
        for label in name.labels {
            assert!(sample.contains(&format!("{label}=\"")), "{label} in {sample}");
        }
    }
}

#[test]
fn what_is_held_is_told_with_its_kind_life_and_owner() {
    let metrics = made(&Telemetry { identity: true, ..Telemetry::default() });
    let standing = Standing {
        account: Some("111122223333".into()),
        role_arn: Some("arn:aws:sts::111122223333:assumed-role/app-role/i-0abc".into()),
        ..holding()
    };
    judged(&metrics, &good_walk(), &Verdict::Adopt, &standing);
    let text = metrics.render(false, at(10));
    for line in [
        r#"keyfob_credentials_issued_timestamp_seconds{role="app"} 1700000000.0"#,
        r#"keyfob_credentials_lifetime_seconds{role="app"} 3600.0"#,
        r#"keyfob_credentials_info{role="app",kind="temporary"} 1.0"#,
        r#"keyfob_identity_info{role="app",account_id="111122223333",principal="app-role"} 1.0"#,
        r#"keyfob_source_expected{role="app",source="imds"} 1.0"#,
        r#"keyfob_source_changes_total{role="app"} 0"#,
        r#"keyfob_refresh_duration_seconds_count{role="app",outcome="success"} 1"#,
    ] {
        assert_has(&text, line);
    }
    let keys = Standing { long_term: true, expires_at: None, source: Some(SourceKind::Env), ..holding() };
    judged(&metrics, &good_walk(), &Verdict::Adopt, &keys);
    let text = metrics.render(false, at(10));
    assert_has(&text, r#"keyfob_credentials_info{role="app",kind="static"} 1.0"#);
    assert_has(&text, r#"keyfob_source_changes_total{role="app"} 1"#);
    for gone in [
        "kind=\"temporary\"",
        "app-role",
        "keyfob_credentials_lifetime_seconds{",
        "expected{role=\"app\",source=\"imds\"",
    ] {
        assert!(!text.contains(gone), "{gone}");
    }
}

/// A walk that found keys, last written long ago, in a file that all can read.
fn careless_walk() -> Resolution {
    let mut walk = good_walk();
    let keys = Credentials {
        access_key_id: "AKIAEXAMPLE00000WXYZ".into(),
        session_token: None,
        expires_at: None,
        ..(**walk.credentials.as_ref().unwrap()).clone()
    };
    let path = Path::new("/home/app/.aws/credentials");
    let written = at(0) - Duration::from_hours(89 * 24);
    let stamp = Stamp::Content { digest: 0, len: 0, modified: Some(written), inode: 0 };
    let last = &mut walk.attempts.last_mut().unwrap();
    last.source = SourceKind::StaticFile;
    last.notes.file(file::Kind::Credentials, path, stamp);
    last.notes.stored = Some(Stored::keys(Some(path), &keys));
    walk.attempts[0].notes.doubts.push(Failure::misconfigured(&cause::SEC_READABLE, "x"));
    walk.credentials = Some(Arc::new(keys));
    walk
}

#[test]
fn what_status_warns_of_is_shown_by_its_code_for_as_long_as_it_is_so() {
    let metrics = made(&Telemetry::default());
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    assert!(!metrics.render(false, at(0)).contains("keyfob_role_warnings{"), "all is well");
    let keys = Standing { long_term: true, expires_at: None, next: None, ..holding() };
    judged(&metrics, &careless_walk(), &Verdict::Adopt, &keys);
    let warned = |text: &str| -> Vec<String> {
        let lines =
            text.lines().filter_map(|line| line.strip_prefix("keyfob_role_warnings{role=\"app\",reason="));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(warned(&metrics.render(false, at(0))), ["\"KF-STATIC\"} 1.0", "\"SEC-READABLE\"} 1.0"]);
    // Keys grow old without any walk.
    let later = metrics.render(false, at(2 * 24 * 3600));
    assert_eq!(warned(&later), ["\"KF-STATIC\"} 1.0", "\"SEC-AGE\"} 1.0", "\"SEC-READABLE\"} 1.0"]);
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    assert_eq!(warned(&metrics.render(false, at(0))), [""; 0]);
    judged(&metrics, &careless_walk(), &Verdict::Adopt, &keys);
    assert_eq!(warned(&metrics.render(false, at(0))).len(), 2);
    metrics.observe(&Event::RoleRemoved(&name("app")));
    assert_eq!(warned(&metrics.render(false, at(0))), [""; 0]);
}

#[test]
fn nobody_is_named_unless_that_is_wanted() {
    let metrics = made(&Telemetry::default());
    let standing = Standing { account: Some("111122223333".into()), ..holding() };
    judged(&metrics, &good_walk(), &Verdict::Adopt, &standing);
    let text = metrics.render(true, at(10));
    assert!(!text.contains("111122223333") && !text.contains("keyfob_identity_info{"));
}

#[test]
fn a_source_that_is_not_expected_reads_0_for_as_long_as_it_supplies() {
    let metrics = made(&Telemetry::default());
    let mut strict = Role::named(name("app"));
    strict.expect.sources = Some(vec![SourceKind::WebIdentity]);
    metrics.observe(&Event::ConfigApplied(&Config { roles: vec![strict], ..Config::default() }));
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    assert_has(&metrics.render(false, at(0)), r#"keyfob_source_expected{role="app",source="imds"} 0.0"#);
    let good = Standing { source: Some(SourceKind::WebIdentity), ..holding() };
    judged(&metrics, &good_walk(), &Verdict::Adopt, &good);
    let text = metrics.render(false, at(0));
    assert_has(&text, r#"keyfob_source_expected{role="app",source="web_identity"} 1.0"#);
    assert!(!text.contains(r#"keyfob_source_expected{role="app",source="imds"}"#));
}

#[test]
fn answers_are_counted_by_what_they_came_from_and_by_the_life_left_in_them() {
    let metrics = metrics(&["app"]);
    let left = Some(Duration::from_secs(700));
    let answer = |status, cache, left| {
        metrics.observe(&Event::Served(&Served {
            cache: Some(cache),
            left,
            ..served(Some("app"), status, "")
        }));
    };
    answer(200, CacheUse::Hit, left);
    answer(200, CacheUse::Hit, left);
    answer(200, CacheUse::Miss, left);
    answer(200, CacheUse::Stale, left);
    answer(503, CacheUse::Miss, None);
    let text = metrics.render(false, at(0));
    for line in [
        r#"keyfob_cache_requests_total{role="app",result="hit"} 2"#,
        r#"keyfob_cache_requests_total{role="app",result="miss"} 2"#,
        r#"keyfob_cache_requests_total{role="app",result="stale_served"} 1"#,
        r#"keyfob_http_requests_total{handler="credentials",role="app",code="200"} 4"#,
        r#"keyfob_http_requests_total{handler="credentials",role="app",code="503"} 1"#,
        r#"keyfob_http_request_duration_seconds_count{handler="credentials"} 5"#,
        r#"keyfob_served_remaining_lifetime_seconds_bucket{le="600.0",role="app"} 0"#,
        r#"keyfob_served_remaining_lifetime_seconds_bucket{le="900.0",role="app"} 4"#,
    ] {
        assert_has(&text, line);
    }
}

#[test]
fn requests_that_wait_are_in_flight_until_they_are_done() {
    let metrics = metrics(&["app"]);
    metrics.observe(&Event::RequestWaits("credentials"));
    metrics.observe(&Event::RequestWaits("credentials"));
    metrics.observe(&Event::RequestDone("credentials"));
    assert_has(&metrics.render(false, at(0)), r#"keyfob_http_requests_in_flight{handler="credentials"} 1.0"#);
}

#[test]
fn files_are_counted_by_kind_and_their_watch_is_up_or_not() {
    let metrics = metrics(&["app"]);
    let both = [(file::Kind::Config, 2), (file::Kind::Token, 1)];
    metrics.observe(&Event::Watching { files: &both, events: true });
    metrics.observe(&Event::FileChanged(file::Kind::Config, Change::Modify));
    metrics.observe(&Event::FileReread(file::Kind::AgentConfig, Err(())));
    let mut walk = Resolution { trigger: Trigger::FileChange("/home/a/.aws/config".into()), ..good_walk() };
    walk.attempts[0].notes.file(file::Kind::Config, "/home/a/.aws/config", Stamp::Absent);
    judged(&metrics, &walk, &Verdict::Adopt, &holding());
    let text = metrics.render(false, at(0));
    for line in [
        r#"keyfob_watched_files{kind="config"} 2.0"#,
        r#"keyfob_file_watch_up{kind="token"} 1.0"#,
        r#"keyfob_file_events_total{kind="config",event="modify"} 1"#,
        r#"keyfob_file_reloads_total{kind="agent_config",outcome="failure",reason=""} 1"#,
        r#"keyfob_file_reloads_total{kind="config",outcome="success",reason=""} 1"#,
    ] {
        assert_has(&text, line);
    }
    metrics.observe(&Event::Watching { files: &both[..1], events: false });
    let text = metrics.render(false, at(0));
    assert_has(&text, r#"keyfob_file_watch_up{kind="config"} 0.0"#);
    assert!(!text.contains(r#"keyfob_file_watch_up{kind="token"}"#));
}

#[test]
fn the_earliest_token_is_shown_while_a_role_uses_one() {
    let metrics = metrics(&["app", "web"]);
    for (role, seconds) in [("app", 900), ("web", 600)] {
        let mut walk = Resolution { role: name(role), ..good_walk() };
        walk.attempts[0].notes.sign_in_ends.push((TokenKind::WebIdentity, at(seconds)));
        judged(&metrics, &walk, &Verdict::Adopt, &holding());
    }
    let line =
        |end: u32| format!("keyfob_token_file_expiration_timestamp_seconds{{kind=\"web_identity\"}} {end}.0");
    assert_has(&metrics.render(false, at(0)), &line(1_700_000_600));
    metrics.observe(&Event::RoleRemoved(&name("web")));
    assert_has(&metrics.render(false, at(0)), &line(1_700_000_900));
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    assert!(!metrics.render(false, at(0)).contains("keyfob_token_file_expiration_timestamp_seconds{"));
}

#[test]
fn requests_of_ours_are_counted_with_every_try_and_hop() {
    let metrics = metrics(&["app"]);
    let mut walk = failing();
    let throttled = Call { status: Some(400), code: Some("Throttling".into()), ..call("sts", "AssumeRole") };
    let silent = Call { status: None, broke_at: Some("timeout"), date: None, ..call("sts", "AssumeRole") };
    let last = walk.attempts.last_mut().unwrap();
    last.notes.calls.splice(..0, [throttled, silent]);
    let hop = Notes { calls: vec![call("imds", "PUT token")], ..Notes::default() };
    let hop = Attempt { notes: hop, ..attempt(SourceKind::Imds, Outcome::Provided { expires_at: None }) };
    last.notes.hops.push(hop);
    let standing = Standing { failures: 1, next: Some(at(60)), ..holding() };
    judged(&metrics, &walk, &Verdict::Fail(denied()), &standing);
    let text = metrics.render(false, at(10));
    for line in [
        r#"keyfob_upstream_requests_total{service="sts",operation="AssumeRole",outcome="failure",code="AccessDenied"} 1"#,
        r#"keyfob_upstream_requests_total{service="sts",operation="AssumeRole",outcome="failure",code="Throttling"} 1"#,
        r#"keyfob_upstream_requests_total{service="sts",operation="AssumeRole",outcome="failure",code="timeout"} 1"#,
        r#"keyfob_upstream_requests_total{service="imds",operation="PUT token",outcome="success",code="200"} 1"#,
        r#"keyfob_upstream_retries_total{service="sts",operation="AssumeRole"} 2"#,
        r#"keyfob_upstream_retries_total{service="imds",operation="PUT token"} 0"#,
        r#"keyfob_upstream_throttles_total{service="sts",operation="AssumeRole"} 1"#,
        r#"keyfob_upstream_request_duration_seconds_count{service="sts",operation="AssumeRole"} 3"#,
    ] {
        assert_has(&text, line);
    }
    let skew =
        text.lines().find(|line| line.starts_with("keyfob_clock_skew_seconds{service=\"sts\"}")).unwrap();
    let skew: f64 = skew.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!((skew - 0.49).abs() < 0.01, "{skew}");
}

#[test]
fn a_breaker_is_open_while_a_role_waits_to_ask_again() {
    let metrics = metrics(&["app"]);
    let standing = Standing { failures: 1, next: Some(at(60)), ..holding() };
    judged(&metrics, &failing(), &Verdict::Fail(denied()), &standing);
    let open = |now, value| {
        let line = format!("keyfob_upstream_breaker_open{{service=\"sts\"}} {value}");
        assert_has(&metrics.render(false, now), &line);
    };
    open(at(10), "1.0");
    open(at(60), "0.0");
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    open(at(10), "0.0");
}

#[test]
fn failures_show_their_trace_in_openmetrics_and_successes_none() {
    let shown = TraceId([0xab; 16]);
    let metrics =
        Metrics::new(&Telemetry::default(), Clock::host(), Tally::default(), Arc::new(move |_| shown));
    metrics.observe(&Event::ConfigApplied(&config(&["app"])));
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    assert!(!metrics.render(true, at(0)).contains("trace_id"));
    let walk = failing();
    let standing = Standing { failures: 1, ..holding() };
    judged(&metrics, &walk, &Verdict::Fail(denied()), &standing);
    let failure = Some((&cause::STS_DENIED, Some(shown)));
    metrics.observe(&Event::Served(&Served { failure, ..served(Some("app"), 503, "") }));
    // A good walk afterwards does not hide the failure.
    judged(&metrics, &good_walk(), &Verdict::Adopt, &holding());
    let text = metrics.render(true, at(0));
    let mark = format!(" # {{trace_id=\"{shown}\"}} ");
    let marked: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.contains(&mark))
        .map(|line| &line[..line.find('{').unwrap()])
        .collect();
    let wanted = [
        "keyfob_http_requests_total",
        "keyfob_refresh_duration_seconds_bucket",
        "keyfob_refreshes_total",
        "keyfob_resolution_duration_seconds_bucket",
        "keyfob_resolutions_total",
        "keyfob_source_attempts_total",
    ];
    assert_eq!(marked, BTreeSet::from(wanted));
    assert!(text.lines().filter(|line| line.contains(&mark)).all(|line| !line.contains("success")), "{text}");
    assert!(!metrics.render(false, at(0)).contains("trace_id"));
}

#[test]
fn the_core_leaves_out_two_histograms_and_nothing_else() {
    let families = |detail| {
        let metrics = made(&Telemetry { metrics: detail, ..Telemetry::default() });
        judged(&metrics, &whole_walk(), &Verdict::Adopt, &holding());
        let text = metrics.render(false, at(0));
        let names =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(['{', ' ']).next());
        names.map(|name| name.unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let (full, core) = (families(Detail::Full), families(Detail::Core));
    assert!(core.is_subset(&full));
    let mut missing: Vec<_> = full.difference(&core).map(|name| name.rsplit_once('_').unwrap().0).collect();
    missing.dedup();
    assert_eq!(
        missing,
        ["keyfob_source_attempt_duration_seconds", "keyfob_upstream_request_duration_seconds"]
    );
}

#[test]
fn losses_of_telemetry_are_those_that_are_counted_elsewhere() {
    let tally = Tally::default();
    let metrics = Metrics::new(&Telemetry::default(), Clock::host(), tally.clone(), Arc::new(|id| id));
    assert_has(&metrics.render(false, at(0)), r#"keyfob_traces_dropped_total{reason="shutdown"} 0"#);
    tally.exported(3);
    tally.dropped(Loss::QueueFull, 2);
    let text = metrics.render(false, at(0));
    assert_has(&text, "keyfob_traces_exported_total 3");
    assert_has(&text, r#"keyfob_traces_dropped_total{reason="queue_full"} 2"#);
    for loss in losses::ALL {
        let series = format!("keyfob_log_events_dropped_total{{reason=\"{}\"}} ", loss.reason);
        assert!(text.contains(&series), "{series}");
    }
}

fn triggers() -> [Trigger; 6] {
    let change = Trigger::FileChange("/x".into());
    [Trigger::Startup, Trigger::Schedule, Trigger::Retry, change, Trigger::Signal, Trigger::Operator]
}

/// One walk of a role that fails for that cause.
fn fails(metrics: &Metrics, role: &RoleName, trigger: Trigger, cause: &'static cause::Cause) {
    let failure = Failure::new(FailureKind::Denied, cause, "no");
    let walk = Resolution { role: role.clone(), trigger, ..bad_walk(failure.clone()) };
    judged(metrics, &walk, &Verdict::Fail(failure), &Standing { failures: 1, ..holding() });
}

/// Everything that can happen to a role: each source, each trigger with each cause, each answer.
fn lives_through_everything(metrics: &Metrics, role: &str) {
    let name = name(role);
    for source in SourceKind::ALL {
        let mut walk = Resolution { role: name.clone(), ..good_walk() };
        walk.attempts.last_mut().unwrap().source = source;
        for trigger in triggers() {
            let walk = Resolution { trigger, ..walk.clone() };
            let standing = Standing { source: Some(source), ..holding() };
            judged(metrics, &walk, &Verdict::Adopt, &standing);
            judged(metrics, &walk, &Verdict::Wait, &standing);
        }
    }
    for cause in cause::catalogue() {
        triggers().into_iter().for_each(|trigger| fails(metrics, &name, trigger, cause));
    }
    let mut doubtful = Resolution { role: name.clone(), ..careless_walk() };
    let doubts = cause::catalogue().map(|cause| Failure::misconfigured(cause, "odd"));
    doubtful.attempts[0].notes.doubts.extend(doubts);
    judged(metrics, &doubtful, &Verdict::Adopt, &holding());
    for (status, used) in [(200, CacheUse::Hit), (200, CacheUse::Stale), (503, CacheUse::Miss)] {
        let (cache, left) = (Some(used), Some(Duration::from_secs(60)));
        metrics.observe(&Event::Served(&Served { cache, left, ..served(Some(role), status, "") }));
    }
}

#[test]
fn a_role_never_has_more_series_than_stated() {
    let metrics = metrics(&["app", "web"]);
    lives_through_everything(&metrics, "app");
    let before = series(&metrics.render(false, at(0)));
    let others = metrics.render(false, at(0)).lines().filter(|line| line.contains("\"web\"")).count();
    lives_through_everything(&metrics, "web");
    let one = series(&metrics.render(false, at(0))) - before + others;
    assert!((100..=A_ROLE).contains(&one), "{one} series a role");
    let text = metrics.render(false, at(0));
    assert!(text.contains(r#"role="web",source="none",outcome="failure",reason="_other""#));
}

#[test]
fn a_thousand_roles_with_all_causes_stay_within_a_stated_bound() {
    let names: Vec<String> = (0..1000).map(|number| format!("role-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let metrics = metrics(&names);
    for (number, role) in names.iter().enumerate() {
        let (role, trigger) = (name(role), triggers()[number % 6].clone());
        judged(&metrics, &Resolution { role: role.clone(), ..good_walk() }, &Verdict::Adopt, &holding());
        for cause in cause::catalogue() {
            fails(&metrics, &role, trigger.clone(), cause);
        }
    }
    let count = series(&metrics.render(false, at(0)));
    assert!((50_000..=A_ROLE * 1000 + IDLE).contains(&count), "{count} series");
}
