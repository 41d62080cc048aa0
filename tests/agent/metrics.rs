//! What a scraper sees of a real agent: every series of the catalogue that its life calls for.

use super::*;
use crate::support::aws::knobs::Trouble;
use crate::support::raw;
use crate::support::run::Run;
use crate::support::tools::tool;

const OPEN: &str = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
const APP: &str = "arn:aws:iam::123456789012:role/app";
const MORE: Duration = Duration::from_secs(7);

/// The value of a series, if it is there.
fn value(text: &str, series: &str) -> Option<f64> {
    let sample = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    sample.split(' ').next()?.parse().ok()
}

/// Scrapes until the series reads so.
#[track_caller]
fn reads_within(agent: &Serving, bound: Duration, series: &str, fits: impl Fn(f64) -> bool) {
    let begun = Instant::now();
    loop {
        let text = agent.admin("/metrics").body;
        let now = value(&text, series);
        if now.is_some_and(&fits) {
            return;
        }
        assert!(begun.elapsed() < bound, "{series} is {now:?}\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A role with a web identity whose token is good for two hours.
fn web_identity(home: &TempHome, aws: &FakeAws, seconds: u64) -> Vec<(String, String)> {
    let token = home.write("token", &token(seconds));
    let mut env = with_aws(home, aws);
    env.push(("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), token.display().to_string()));
    env.push(("AWS_ROLE_ARN".to_owned(), APP.to_owned()));
    env
}

/// A JWT that ends then.
fn token(seconds: u64) -> String {
    let claims = aws_smithy_types::base64::encode(format!(r#"{{"sub":"x","exp":{seconds}}}"#));
    format!("eyJhbGciOiJub25lIn0.{}.c2ln", claims.trim_end_matches('='))
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_scrape_tells_of_process_files_tokens_requests_and_the_clock() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    let end = now() + 7200;
    let agent = Serving::start(&[], web_identity(&home, &aws, end));
    reads_within(&agent, Duration::from_secs(10), r#"keyfob_credentials_available{role="default"}"#, |on| {
        on == 1.0
    });
    assert!(served(&agent).is_ok());
    let text = agent.admin("/metrics").body;
    #[expect(clippy::cast_precision_loss, reason = "a time of this century")]
    let (end, now) = (end as f64, now() as f64);
    let ended = r#"keyfob_token_file_expiration_timestamp_seconds{kind="web_identity"}"#;
    assert_eq!(value(&text, ended), Some(end), "{text}");
    let near = |series: &str| (value(&text, series).unwrap() - now).abs() < 60.0;
    assert!(
        near("keyfob_runtime_heartbeat_timestamp_seconds") && near("process_start_time_seconds"),
        "{text}"
    );
    for (series, least) in [
        ("process_resident_memory_bytes", 1_000_000.0),
        ("process_open_fds", 5.0),
        ("process_threads", 1.0),
        ("process_cpu_seconds_total", 0.0),
        (r#"keyfob_watched_files{kind="config"}"#, 1.0),
        (r#"keyfob_watched_files{kind="credentials"}"#, 1.0),
        (r#"keyfob_watched_files{kind="token"}"#, 2.0),
        (r#"keyfob_file_watch_up{kind="token"}"#, 1.0),
        (r#"keyfob_credentials_info{role="default",kind="temporary"}"#, 1.0),
        (r#"keyfob_credentials_lifetime_seconds{role="default"}"#, 60.0),
        (r#"keyfob_source_expected{role="default",source="web_identity"}"#, 1.0),
        (r#"keyfob_cache_requests_total{role="default",result="hit"}"#, 1.0),
        (r#"keyfob_served_remaining_lifetime_seconds_count{role="default"}"#, 1.0),
        (r#"keyfob_http_requests_in_flight{handler="credentials"}"#, 0.0),
    ] {
        assert!(value(&text, series).is_some_and(|value| value >= least), "{series}\n{text}");
    }
    let asked = r#"keyfob_upstream_requests_total{service="sts",operation="AssumeRoleWithWebIdentity",outcome="success",code="200"}"#;
    assert_eq!(value(&text, asked), Some(1.0), "{text}");
    let skew = value(&text, r#"keyfob_clock_skew_seconds{service="sts"}"#).unwrap();
    assert!(skew.abs() < 5.0, "{skew}");
    assert!(text.lines().filter(|line| !line.starts_with('#')).count() <= 250, "{text}");
}

#[test]
fn changes_of_files_are_counted_with_what_came_of_them() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    let config = home.write("keyfob.toml", "[refresh]\nbefore = \"20m\"\n");
    let agent =
        Serving::start(&["--config", config.to_str().unwrap()], web_identity(&home, &aws, now() + 7200));
    reads_within(&agent, Duration::from_secs(10), r#"keyfob_credentials_available{role="default"}"#, |on| {
        on == 1.0
    });
    home.replace("token", &token(now() + 9000));
    let counts = |series: &str| reads_within(&agent, MORE, series, |count| count == 1.0);
    counts(r#"keyfob_file_events_total{kind="token",event="replace"}"#);
    counts(r#"keyfob_file_reloads_total{kind="token",outcome="success",reason=""}"#);
    std::fs::write(&config, "nonsense").unwrap();
    counts(r#"keyfob_file_events_total{kind="agent_config",event="modify"}"#);
    counts(r#"keyfob_file_reloads_total{kind="agent_config",outcome="failure",reason=""}"#);
    reads_within(&agent, MORE, "keyfob_config_last_reload_successful", |good| good == 0.0);
    std::fs::remove_file(home.path().join("token")).unwrap();
    counts(r#"keyfob_file_events_total{kind="token",event="delete"}"#);
}

#[test]
fn a_request_that_waits_is_in_flight_until_its_client_is_gone() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.sts().set(|sts| sts.trouble = Some(Trouble::Hang));
    let agent = Serving::start(&[], web_identity(&home, &aws, now() + 7200));
    let in_flight = r#"keyfob_http_requests_in_flight{handler="credentials"}"#;
    let authorization = agent.token();
    let mut gone = raw::Wire::connect(agent.bound.credentials);
    let ask =
        format!("GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n");
    gone.send(ask.as_bytes()).unwrap();
    reads_within(&agent, MORE, in_flight, |count| count == 1.0);
    drop(gone);
    reads_within(&agent, MORE, in_flight, |count| count == 0.0);
}

#[test]
fn a_failure_leaves_its_trace_in_openmetrics_and_both_formats_are_clean() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.sts().set(|sts| sts.trouble = Trouble::status(503));
    let agent = Serving::start(&[], web_identity(&home, &aws, now() + 7200));
    let failed = r#"keyfob_refresh_consecutive_failures{role="default"}"#;
    reads_within(&agent, Duration::from_secs(20), failed, |count| count >= 1.0);
    assert!(served(&agent).is_err());
    reads_within(&agent, MORE, r#"keyfob_upstream_breaker_open{service="sts"}"#, |open| open == 1.0);
    assert!(
        !agent.log().contains("connection_poisoning"),
        "what AWS's client misses is no news: {}",
        agent.log()
    );
    let open = raw::get(agent.bound.admin, "/metrics", &[("Accept", OPEN)]);
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(open.body.ends_with("# EOF\n"));
    for family in ["keyfob_resolutions_total", "keyfob_refreshes_total", "keyfob_http_requests_total"] {
        let shown = |line: &&str| line.starts_with(family) && line.contains(" # {trace_id=\"");
        assert!(open.body.lines().any(|line| shown(&line)), "{family}\n{}", open.body);
    }
    let plain = agent.admin("/metrics").body;
    assert!(!plain.contains("trace_id") && !plain.contains("# EOF"));
    if let Some(promtool) = tool("promtool") {
        let finished = Run::new(promtool).args(["check", "metrics"]).stdin(&plain).run();
        assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
    }
}
