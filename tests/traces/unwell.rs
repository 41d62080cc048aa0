//! A collector that is dead, slow, unwell or somewhere else: nobody who wants credentials or metrics notices.

use nix::sys::signal::Signal;

use super::collector::Collector;
use super::sink::{Manner, Shut, Sink};
use super::*;

const TROUBLE: &str = "traces cannot be exported";

/// Serving and scraping go on as ever, and the trouble is told once.
#[track_caller]
fn unaffected(agent: &Serving, why: &str) {
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
    assert_eq!(agent.admin("/metrics").status, 200);
    assert_eq!(agent.admin("/readyz").status, 503, "bad is not ready, whatever the collector does");
    assert_eq!(agent.log().matches(TROUBLE).count(), 1, "{}", agent.log());
    let ended = Instant::now();
    assert!(agent.process.stop().success());
    assert!(ended.elapsed() < Duration::from_secs(4), "{:?}", ended.elapsed());
}

/// Gives up soon, so that the loss is seen.
const IMPATIENT: [(&str, &str); 2] =
    [("OTEL_BSP_EXPORT_TIMEOUT", "300"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "200")];

#[test]
fn a_collector_that_is_not_there_is_nobodys_trouble() {
    let shut = Shut::new();
    let scene = Scene::new();
    let agent = scene.serve(&shut.url(), &IMPATIENT);
    unaffected(&agent, "refused");
}

#[test]
fn a_collector_that_says_nothing_is_nobodys_trouble() {
    let sink = Sink::open(Manner::Silent);
    let scene = Scene::new();
    let agent = scene.serve(&sink.url(), &IMPATIENT);
    unaffected(&agent, "no full answer in 200ms");
    assert!(!sink.posts().is_empty());
}

#[test]
fn a_collector_that_is_overloaded_is_nobodys_trouble() {
    let sink = Sink::open(Manner::Answers(503));
    let scene = Scene::new();
    let agent = scene.serve(&sink.url(), &IMPATIENT);
    unaffected(&agent, "503");
}

#[test]
fn a_wrong_path_is_nobodys_trouble() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let agent = scene.serve(&format!("{}/wrong", collector.url()), &IMPATIENT);
    unaffected(&agent, "404");
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
