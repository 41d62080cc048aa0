//! Traces as an observer makes them of walks and requests, and as a collector gets them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::header::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::choice::Story;
use super::span::{Kind, Span, Value, root_of};
use super::tally::{Loss, Tally};
use super::{Traces, build, print, walk};
use crate::cause;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::credentials::{RoleName, SourceKind};
use crate::event::{Event, Observe};
use crate::failure::{Failure, FailureKind};
use crate::http::fake::{Fake, Reply, closed, ok};
use crate::report::{Attempt, Call, Notes, Outcome, Resolution, Served, Standing, TraceId, Trigger, Verdict};

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis)
}

fn attempt(source: SourceKind, begun: u64, notes: Notes, outcome: Outcome) -> Attempt {
    Attempt { source, started: at(begun), took: Duration::from_millis(5), notes, outcome }
}

fn call(service: &'static str, operation: &'static str, url: &str) -> Call {
    Call {
        service,
        operation,
        url: url.to_owned(),
        started: at(2),
        took: Duration::from_millis(3),
        status: Some(200),
        code: None,
        request_id: None,
        error: None,
        broke_at: None,
        date: None,
    }
}

fn denied() -> Failure {
    Failure::denied(&cause::STS_DENIED, "STS refused role app")
}

/// Reads the files, finds no environment, assumes two roles of which the second refuses.
fn bad_walk(trace: u8) -> Resolution {
    let not_set = || Outcome::Skipped(Failure::not_configured("not set"));
    let sts = |status, code: Option<&str>| Call {
        status: Some(status),
        code: code.map(str::to_owned),
        request_id: Some("r-1".to_owned()),
        ..call("sts", "AssumeRole", "https://sts.eu-west-1.amazonaws.com/")
    };
    let throttled = sts(400, Some("Throttling"));
    let first = Notes { calls: vec![throttled, sts(200, None)], ..Notes::default() };
    let second = Notes { calls: vec![sts(403, Some("AccessDenied"))], ..Notes::default() };
    let hops = vec![
        attempt(SourceKind::ProfileAssumeRole, 1, first, Outcome::Provided { expires_at: None }),
        attempt(SourceKind::ProfileAssumeRole, 2, second, Outcome::Failed(denied())),
    ];
    let chain = Notes { hops, ..Notes::default() };
    Resolution {
        role: RoleName::parse("app").unwrap(),
        trace: TraceId([trace; 16]),
        trigger: Trigger::Retry,
        started: at(0),
        took: Duration::from_millis(20),
        attempts: vec![
            attempt(SourceKind::Profile, 0, Notes::default(), not_set()),
            attempt(SourceKind::Env, 0, Notes::default(), not_set()),
            attempt(SourceKind::ProfileAssumeRole, 1, chain, Outcome::Failed(denied())),
        ],
        credentials: None,
    }
}

fn value<'a>(span: &'a Span, name: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn text(span: &Span, name: &str) -> String {
    match value(span, name) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Truth(truth)) => truth.to_string(),
        None => "-".to_owned(),
    }
}

fn parent_of<'a>(spans: &'a [Span], span: &Span) -> Option<&'a Span> {
    let parent = span.parent?;
    assert!(!parent.remote);
    Some(spans.iter().find(|other| other.id == parent.id).expect("the parent is in the trace"))
}

#[test]
fn a_failed_walk_is_a_tree() {
    let (bad, failure) = (bad_walk(7), denied());
    let spans = walk::spans(&bad, Some(&failure), &Story { attempt: 3, ..Story::default() });
    let shape: Vec<(String, String)> = spans
        .iter()
        .map(|span| {
            (span.name.to_string(), parent_of(&spans, span).map(|p| p.name.to_string()).unwrap_or_default())
        })
        .collect();
    let shape: Vec<(&str, &str)> =
        shape.iter().map(|(name, parent)| (name.as_str(), parent.as_str())).collect();
    let (root, chain) = ("credentials.resolve", "credentials.source profile_assume_role");
    let wanted = [
        (root, ""),
        ("credentials.source profile", root),
        ("credentials.source env", root),
        (chain, root),
        (chain, chain),
        ("STS.AssumeRole", chain),
        ("STS.AssumeRole", chain),
        (chain, chain),
        ("STS.AssumeRole", chain),
    ];
    assert_eq!(shape, wanted);
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| span.id.0).collect();
    assert_eq!(ids.len(), spans.len());
    assert!(spans.iter().all(|span| span.trace == bad.trace));
}

#[test]
fn each_span_of_a_failed_walk_says_what_it_did_and_what_went_wrong() {
    let (bad, failure) = (bad_walk(7), denied());
    let spans = walk::spans(&bad, Some(&failure), &Story { attempt: 3, ..Story::default() });
    let [root, _, env, chain, hop, again, sent, last, refused] = spans.as_slice() else { panic!() };
    assert_eq!((root.id, root.start, root.took), (root_of(bad.trace), at(0), Duration::from_millis(20)));
    for (name, wanted) in [
        ("keyfob.role", "app"),
        ("keyfob.trigger", "retry"),
        ("keyfob.source", "-"),
        ("keyfob.attempt", "3"),
        ("keyfob.repeat_count", "-"),
        ("error.type", "STS-DENIED"),
    ] {
        assert_eq!(text(root, name), wanted, "{name}");
    }
    assert_eq!(root.error.as_deref(), Some("STS refused role app"));
    assert_eq!((text(env, "keyfob.source.result").as_str(), &env.error), ("not_configured", &None));
    assert_eq!(text(chain, "keyfob.source.result"), "failed");
    assert_eq!((text(hop, "keyfob.source.result").as_str(), &hop.error), ("found", &None));
    assert_eq!(text(last, "error.type"), "STS-DENIED");

    assert_eq!(
        (text(again, "error.type").as_str(), text(again, "http.request.resend_count").as_str()),
        ("Throttling", "-")
    );
    assert_eq!((text(sent, "http.request.resend_count").as_str(), &sent.error), ("1", &None));
    assert_eq!((refused.kind, refused.start, refused.took), (Kind::Client, at(2), Duration::from_millis(3)));
    for (name, wanted) in [
        ("rpc.system.name", "aws-api"),
        ("rpc.system", "aws-api"),
        ("rpc.service", "STS"),
        ("rpc.method", "AssumeRole"),
        ("aws.request_id", "r-1"),
        ("cloud.region", "eu-west-1"),
        ("server.address", "sts.eu-west-1.amazonaws.com"),
        ("server.port", "443"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "403"),
        ("error.type", "AccessDenied"),
    ] {
        assert_eq!(text(refused, name), wanted, "{name}");
    }
}

/// The only call of a walk that made one.
fn calling(call: Call, outcome: Outcome) -> (Span, Span) {
    let notes = Notes { calls: vec![call], region: Some("eu-north-1".to_owned()), ..Notes::default() };
    let walk = Resolution { attempts: vec![attempt(SourceKind::Imds, 0, notes, outcome)], ..bad_walk(1) };
    let mut spans = walk::spans(&walk, None, &Story::default());
    let call = spans.pop().unwrap();
    (call, spans.pop().unwrap())
}

#[test]
fn a_request_to_metadata_is_named_by_its_template_and_its_source_is_not_to_blame() {
    let base = "http://169.254.169.254/latest/meta-data/";
    let cases = [
        ("imds", "PUT token", "http://169.254.169.254/latest/api/token".to_owned(), "PUT /latest/api/token"),
        (
            "imds",
            "GET role",
            format!("{base}iam/security-credentials/"),
            "GET /latest/meta-data/iam/security-credentials/",
        ),
        (
            "imds",
            "GET credentials",
            format!("{base}iam/security-credentials/the-role"),
            "GET /latest/meta-data/iam/security-credentials/{role}",
        ),
        (
            "container",
            "GET credentials",
            "http://169.254.170.2/v2/credentials/a-task".to_owned(),
            "GET /v2/credentials/{id}",
        ),
        (
            "container",
            "GET credentials",
            "http://169.254.170.23/v1/credentials".to_owned(),
            "GET /v1/credentials",
        ),
        ("container", "GET credentials", "http://localhost/anything".to_owned(), "GET {path}"),
    ];
    for (service, operation, url, name) in cases {
        let off = Failure::new(FailureKind::Unreachable, &cause::IMDS_OFF, "metadata does not answer");
        let call = Call {
            status: None,
            error: Some("connection refused".to_owned()),
            ..call(service, operation, &url)
        };
        let (span, source) = calling(call, Outcome::Skipped(off));
        assert_eq!(span.name, name);
        assert_eq!(text(&span, "url.template"), name.split_once(' ').unwrap().1);
        assert_eq!(
            (text(&span, "error.type").as_str(), span.error.as_deref()),
            ("_OTHER", Some("connection refused"))
        );
        assert_eq!((source.error, value(&span, "rpc.method")), (None, None));
        let said = format!("{span:?}");
        assert!(
            !said.contains("the-role") && !said.contains("a-task") && !said.contains("anything"),
            "{said}"
        );
    }
    let found = Outcome::Provided { expires_at: None };
    let (span, _) = calling(call("sts", "AssumeRole", "http://127.0.0.1:4566/"), found);
    assert_eq!(text(&span, "cloud.region"), "eu-north-1", "where the address does not say one");
    assert_eq!(
        (text(&span, "server.address").as_str(), text(&span, "server.port").as_str()),
        ("127.0.0.1", "4566")
    );
}

fn standing() -> Standing {
    Standing {
        source: None,
        key_suffix: None,
        account: None,
        role_arn: None,
        issued_at: None,
        expires_at: None,
        held: false,
        extended: false,
        long_term: false,
        next: None,
        failures: 1,
    }
}

fn judged(traces: &Traces, walk: &Resolution, verdict: Verdict) {
    let standing = standing();
    traces.observe(&Event::Judged { resolution: walk, verdict: &verdict, standing: &standing });
}

fn env(vars: &[(&str, &str)]) -> Env {
    vars.iter().copied().collect()
}

/// Tracing to that address; what is queued is not sent until the exporter runs.
fn tracing(endpoint: &str, more: &[(&str, &str)]) -> (Arc<Traces>, super::Exporter, Tally) {
    let mut vars = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "0")];
    vars.extend(more);
    let tally = Tally::default();
    let (traces, exporter) = build(&env(&vars), &Clock::host(), tally.clone()).unwrap();
    (traces, exporter, tally)
}

async fn queued(traces: &Traces) -> Vec<Span> {
    let ended = CancellationToken::new();
    ended.cancel();
    traces.queue.next(&ended).await.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn failures_repeats_and_the_recovery_are_traced_and_point_at_each_other() {
    let (traces, ..) = tracing("http://127.0.0.1:1", &[]);
    let fails = |n| judged(&traces, &bad_walk(n), Verdict::Fail(denied()));
    fails(1);
    fails(2);
    assert_eq!(traces.shown(TraceId([2; 16])), TraceId([1; 16]));
    tokio::time::advance(Duration::from_secs(60)).await;
    fails(3);
    assert_eq!(traces.shown(TraceId([3; 16])), TraceId([3; 16]));
    judged(&traces, &bad_walk(4), Verdict::Adopt);
    judged(&traces, &bad_walk(5), Verdict::Unchanged);
    let spans = queued(&traces).await;
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_none()).collect();
    let [first, repeat, recovery] = roots.as_slice() else { panic!("{roots:?}") };
    assert_eq!([first, repeat, recovery].map(|root| root.trace.0[0]), [1, 3, 4]);
    assert_eq!(
        (text(repeat, "keyfob.repeat_count").as_str(), text(recovery, "keyfob.recovered").as_str()),
        ("2", "true")
    );
    assert_eq!(recovery.error, None);
    for root in [repeat, recovery] {
        let [link] = root.links.as_slice() else { panic!("{root:?}") };
        assert_eq!((link.trace, link.span, link.why), (first.trace, first.id, "first_failure"));
    }
    traces.observe(&Event::RoleRemoved(&bad_walk(1).role));
    assert_eq!(traces.shown(TraceId([2; 16])), TraceId([2; 16]));
}

#[tokio::test]
async fn a_refused_request_is_a_span_of_its_callers_trace() {
    let (traces, ..) = tracing("http://127.0.0.1:1", &[]);
    let asks_before = |walk: Option<TraceId>, headers: &[(&str, &str)]| {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        traces.observe(&Event::Served(&Served {
            peer: None,
            source: None,
            handler: "credentials",
            role: RoleName::parse("app"),
            status: 503,
            refused: "",
            at: at(0),
            took: Duration::from_millis(4),
            cache: None,
            left: None,
            credentials: None,
            failure: Some((&cause::STS_DENIED, walk)),
            method: "GET",
            headers: &headers,
        }));
    };
    let asks = |headers: &[(&str, &str)]| asks_before(Some(TraceId([9; 16])), headers);
    asks_before(None, &[]);
    assert!(queued(&traces).await.is_empty(), "no caller that traces, no walk that has ended");
    let caller = |flags: &str| format!("00-{}-{}-{flags}", "ab".repeat(16), "cd".repeat(8));
    asks(&[("traceparent", &caller("00"))]);
    assert!(queued(&traces).await.is_empty(), "its caller does not keep the trace");
    let agent = "x".repeat(1000);
    asks(&[("traceparent", &caller("01")), ("user-agent", &agent)]);
    asks(&[]);
    let [span] = queued(&traces).await.try_into().unwrap();
    let parent = span.parent.unwrap();
    assert_eq!((span.trace.0, parent.id.0, parent.remote), ([0xab; 16], [0xcd; 8], true));
    assert_eq!((span.name.as_ref(), span.kind), ("GET /v1/credentials/{role}", Kind::Server));
    for (name, wanted) in [
        ("http.request.method", "GET"),
        ("http.route", "/v1/credentials/{role}"),
        ("http.response.status_code", "503"),
        ("url.scheme", "http"),
        ("error.type", "STS-DENIED"),
        ("keyfob.role", "app"),
        ("user_agent.original", &agent[..256]),
    ] {
        assert_eq!(text(&span, name), wanted, "{name}");
    }
    let [link] = span.links.as_slice() else { panic!() };
    assert_eq!(
        (link.trace, link.span, link.why),
        (TraceId([9; 16]), root_of(TraceId([9; 16])), "resolution")
    );
    assert_eq!(span.start + span.took, at(0), "it ends with the answer");
}

/// What a collector made of one failed walk, until the exporter was told to flush.
async fn exported(
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    more: &[(&str, &str)],
) -> (Fake, Tally) {
    let fake = Fake::serving(reply);
    let (traces, exporter, tally) = tracing(&fake.url(""), more);
    judged(&traces, &bad_walk(1), Verdict::Fail(denied()));
    let settled = async {
        while tally.now() == Tally::default().now() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let flushing = CancellationToken::new();
    let ended = tokio::select! {
        () = exporter.run(flushing.clone()) => false,
        () = settled => true,
    };
    assert!(ended, "the exporter ended before it was told to");
    (fake, tally)
}

fn answer(head: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes())
}

fn lost(tally: &Tally) -> Vec<(&'static str, u64)> {
    tally.now().1.into_iter().map(|(why, spans)| (why.as_str(), spans)).collect()
}

#[tokio::test]
async fn a_collector_gets_protobuf_with_the_headers_and_is_counted() {
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x,x-tenant=t");
    let (fake, tally) = exported(|_| ok(""), &[headers]).await;
    let heard = fake.heard().remove(0).to_lowercase();
    assert!(heard.starts_with("post /v1/traces http/1.1\r\n"), "{heard}");
    for header in ["content-type: application/x-protobuf", "authorization: bearer x", "x-tenant: t"] {
        assert!(heard.contains(&format!("{header}\r\n")), "{header} in {heard}");
    }
    assert!(heard.contains("credentials.resolve") && heard.contains("service.name"));
    assert!(!heard.contains("traceparent"));
    assert_eq!((tally.now().0, lost(&tally)), (9, vec![]));
}

#[tokio::test]
async fn what_a_collector_takes_partly_or_not_at_all_is_counted_as_lost() {
    let partly = || Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\x0a\x02\x08\x02".to_vec());
    let (_, tally) = exported(move |_| partly(), &[]).await;
    assert_eq!((tally.now().0, lost(&tally)), (7, vec![("refused", 2)]));
    for head in ["404 N", "400 B", "401 U", "413 L", "302 F\r\nlocation: /"] {
        let (fake, tally) = exported(move |_| answer(head), &[]).await;
        assert_eq!((tally.now().0, lost(&tally), fake.heard().len()), (0, vec![("refused", 9)], 1), "{head}");
    }
}

#[tokio::test]
async fn a_collector_that_is_unwell_is_asked_again_when_it_says() {
    for status in [429, 502, 503, 504] {
        let tries = std::sync::atomic::AtomicUsize::new(0);
        let reply = move |_: &str| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 | 1 => answer(&format!("{status} X\r\nretry-after: 0")),
            _ => ok(""),
        };
        let (fake, tally) = exported(reply, &[]).await;
        assert_eq!((tally.now().0, lost(&tally), fake.heard().len()), (9, vec![], 3), "{status}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_or_says_nothing_is_given_up_in_time() {
    let patience = ("OTEL_BSP_EXPORT_TIMEOUT", "300");
    let (_, tally) = exported(|_| Reply::Hang, &[patience]).await;
    assert_eq!((tally.now().0, lost(&tally)), (0, vec![("unreachable", 9)]));
    let (_, tally) = exported(
        |_| ok(""),
        &[patience, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("http://{}", closed()))],
    )
    .await;
    assert_eq!((tally.now().0, lost(&tally)), (0, vec![("unreachable", 9)]));
}

#[tokio::test]
async fn the_flush_sends_what_is_left_and_ends_within_a_second() {
    for (hangs, arrived, lost_at_the_end) in [(false, 9, vec![]), (true, 0, vec![("shutdown", 9)])] {
        let fake = Fake::serving(move |_| if hangs { Reply::Hang } else { ok("") });
        let (traces, exporter, tally) = tracing(&fake.url(""), &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
        judged(&traces, &bad_walk(1), Verdict::Fail(denied()));
        let flushing = CancellationToken::new();
        flushing.cancel();
        let begun = tokio::time::Instant::now();
        exporter.run(flushing).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!((tally.now().0, lost(&tally)), (arrived, lost_at_the_end));
    }
}

#[tokio::test]
async fn without_room_the_oldest_go_and_are_counted() {
    let room = [("OTEL_BSP_MAX_QUEUE_SIZE", "10"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
    let (traces, _, tally) = tracing("http://127.0.0.1:1", &room);
    judged(&traces, &bad_walk(1), Verdict::Fail(denied()));
    judged(&traces, &bad_walk(2), Verdict::Adopt);
    assert_eq!(lost(&tally), [("queue_full", 9)]);
    assert_eq!(queued(&traces).await[0].trace, TraceId([2; 16]));
    assert_eq!(Loss::ALL.len(), 4);
}

#[test]
fn what_is_in_force_is_printed_as_comments_and_without_secrets() {
    let vars = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hush@127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
    ];
    let page = print(&env(&vars));
    assert!(page.lines().all(|line| line.is_empty() || line.starts_with("# ")), "{page}");
    for said in [
        "# Traces, by the environment: on\n",
        "# endpoint: http://127.0.0.1:4318/v1/traces",
        "# OTEL_EXPORTER_OTLP_ENDPOINT\n",
        "# headers: authorization=***",
        "# left aside: OTEL_BSP_SCHEDULE_DELAY: \"soon\"; wanted a number of milliseconds\n",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
    assert!(!page.contains("hush"), "{page}");
    assert!(print(&env(&[])).contains("off: no OTEL_EXPORTER_OTLP_ENDPOINT is set"));
}
