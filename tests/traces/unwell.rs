//! A collector that is dead, slow, unwell or somewhere else: nobody who wants credentials or metrics notices.

use nix::sys::signal::Signal;

use super::collector::Collector;
use super::sink::{Manner, Shut, Sink};
use super::*;

const TROUBLE: &str = "traces cannot be exported";

/// Serving and scraping go on as ever, and the trouble is told once.
#[track_caller]
fn unaffected(agent: &Serving, why: &str, loss: &str) {
    refusal(agent, &[]);
    let said = agent.process.stderr.find(SOON, |line| line.contains(TROUBLE).then(|| line.to_owned()));
    let said = said.unwrap_or_else(|| panic!("nothing says {TROUBLE}:\n{}", agent.log()));
    assert!(said.contains(why), "{why} in {said}");
    let serves = || agent.credentials("/v1/credentials/good").status == 200;
    let begun = Instant::now();
    while !serves() {
        assert!(begun.elapsed() < SOON, "{}", agent.log());
    }
    for _ in 0..50 {
        let asked = Instant::now();
        assert!(serves());
        assert!(asked.elapsed() < Duration::from_secs(1), "every answer within a second");
    }
    let begun = Instant::now();
    while lost(agent, loss) == 0 {
        assert!(begun.elapsed() < SOON, "{}", agent.admin("/metrics").body);
    }
    assert_eq!(agent.admin("/readyz").status, 503, "bad is not ready, whatever the collector does");
    assert_eq!(agent.log().matches(TROUBLE).count(), 1, "{}", agent.log());
    let ended = Instant::now();
    assert!(agent.process.stop().success());
    assert!(ended.elapsed() < Duration::from_secs(4), "{:?}", ended.elapsed());
}

/// Spans that were lost for that reason, as `/metrics` has it.
#[track_caller]
fn lost(agent: &Serving, why: &str) -> u64 {
    let reply = agent.admin("/metrics");
    assert_eq!(reply.status, 200);
    let series = format!("keyfob_traces_dropped_total{{reason=\"{why}\"}} ");
    let count = reply.body.lines().find_map(|line| line.strip_prefix(series.as_str()));
    count.unwrap_or_else(|| panic!("no {series}in\n{}", reply.body)).parse().unwrap()
}

/// Gives up soon, so that the loss is seen.
const IMPATIENT: [(&str, &str); 2] =
    [("OTEL_BSP_EXPORT_TIMEOUT", "300"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "200")];

#[test]
fn a_collector_that_is_not_there_is_nobodys_trouble() {
    let shut = Shut::new();
    let scene = Scene::new();
    let agent = scene.serve(&shut.url(), &IMPATIENT);
    unaffected(&agent, "refused", "unreachable");
}

#[test]
fn a_collector_that_says_nothing_is_nobodys_trouble() {
    let sink = Sink::open(Manner::Silent);
    let scene = Scene::new();
    let agent = scene.serve(&sink.url(), &IMPATIENT);
    unaffected(&agent, "no full answer in 200ms", "unreachable");
    assert!(!sink.posts().is_empty());
}

#[test]
fn a_collector_that_is_overloaded_is_nobodys_trouble() {
    let sink = Sink::open(Manner::Answers(503));
    let scene = Scene::new();
    let agent = scene.serve(&sink.url(), &IMPATIENT);
    unaffected(&agent, "503", "unreachable");
}

#[test]
fn a_wrong_path_is_nobodys_trouble() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let agent = scene.serve(&format!("{}/wrong", collector.url()), &IMPATIENT);
    unaffected(&agent, "404", "refused");
    assert!(collector.sink.posts().is_empty());
}

#[test]
fn what_a_silent_collector_did_not_take_in_time_is_told_at_the_end() {
    let sink = Sink::open(Manner::Silent);
    let scene = Scene::new();
    let agent = scene.serve(&sink.url(), &[]);
    refusal(&agent, &[]);
    sink.until(|posts| !posts.is_empty());
    let ended = Instant::now();
    assert!(agent.process.stop().success());
    assert!(ended.elapsed() < Duration::from_secs(4), "{:?}", ended.elapsed());
    assert!(agent.log().contains("traces were lost"), "{}", agent.log());
}

#[test]
fn a_collector_that_was_killed_is_missed_once_and_found_again() {
    let Some(mut collector) = Collector::start() else { return };
    let scene = Scene::new();
    let agent = scene.serve(&collector.url(), &[]);
    let first = refusal(&agent, &[])["trace_id"].as_str().unwrap().to_owned();
    collector.sink.spans(|spans| spans.iter().any(|span| span.field("traceId") == first));
    collector.process.signal(Signal::SIGKILL);
    assert!(collector.process.wait(SOON).is_some());
    // Another cause is another first failure.
    scene.aws.go_dark();
    agent.process.signal(Signal::SIGUSR1);
    assert!(agent.process.stderr.says(SOON, TROUBLE), "{}", agent.log());
    let dark = line(&agent, "bad", "refused")["trace_id"].as_str().unwrap().to_owned();
    collector.again();
    assert!(agent.process.stderr.says(SOON, "traces are exported again"), "{}", agent.log());
    collector.sink.spans(|spans| spans.iter().any(|span| span.field("traceId") == dark));
    assert_eq!(agent.log().matches(TROUBLE).count(), 1, "{}", agent.log());
}

#[test]
fn variables_that_cannot_be_used_are_told_and_nothing_else_comes_of_them() {
    let (scene, sink) = (Scene::new(), Sink::open(Manner::Takes));
    let broken = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no-pair"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ];
    let agent = scene.serve(&sink.url(), &broken);
    refusal(&agent, &[]);
    sink.until(|posts| !posts.is_empty());
    assert_eq!(agent.credentials("/v1/credentials/good").status, 200);
    for (name, value) in broken {
        left_aside(&agent, name, value);
    }
}

#[test]
fn an_endpoint_that_cannot_be_used_is_told_though_traces_are_off() {
    let (scene, value) = (Scene::new(), "collector:4318");
    let agent = scene.serve(value, &[]);
    left_aside(&agent, "OTEL_EXPORTER_OTLP_ENDPOINT", value);
    assert!(agent.process.stderr.says(SOON, "traces are off"), "{}", agent.log());
}

/// The log says of a variable what stands there and what was wanted.
#[track_caller]
fn left_aside(agent: &Serving, name: &str, value: &str) {
    let said = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let problem = line["problem"].as_str()?.to_owned();
        (line["level"] == "WARN" && problem.starts_with(name)).then_some(problem)
    };
    let problem = agent.process.stderr.find(SOON, said).unwrap_or_else(|| panic!("{name}: {}", agent.log()));
    assert!(problem.contains(&format!("{value:?}; wanted ")), "{problem}");
}
