//! A failed walk, its requests and its recovery, as the collector passed them on.

use std::time::SystemTime;

use nix::sys::signal::Signal;

use super::collector::Collector;
use super::sink::{Manner, Sink, Span};
use super::*;
use crate::support::run::Run;

fn nanos_now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans
        .iter()
        .find(|span| span.field("name") == name)
        .unwrap_or_else(|| panic!("no span {name}: {spans:#?}"))
}

fn has_root(spans: &[Span], trace: &str) -> bool {
    spans.iter().any(|span| span.field("traceId") == trace && span.field("parentSpanId").is_empty())
}

/// The id that the body showed is the one that a person meets elsewhere.
#[track_caller]
fn assert_shown_everywhere(scene: &Scene, agent: &Serving, trace: &str) {
    assert_eq!(line(agent, "bad", "no credentials")["trace_id"], *trace);
    let admin = agent.bound.admin.to_string();
    let ask = |command: &[&str]| {
        let run = Run::keyfob().args(["--admin", &admin]).args(command).args(["--output", "json"]);
        run.envs(scene.env()).run().json().to_string()
    };
    assert!(ask(&["explain", "bad"]).contains(trace));
    assert!(ask(&["status"]).contains(trace));
    let open = [("Accept", "application/openmetrics-text; version=1.0.0")];
    let metrics = crate::support::raw::get(agent.bound.admin, "/metrics", &open).body;
    let exemplar = format!("# {{trace_id=\"{trace}\"}}");
    let ours = |line: &str| line.contains(&exemplar) && line.contains("role=\"bad\"");
    assert!(metrics.lines().any(ours), "{metrics}");
}

#[track_caller]
fn assert_attributes(span: &Span, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        assert_eq!(span.attribute(name), *value, "{name} of {span:#?}");
    }
}

#[test]
fn a_failed_walk_is_found_by_the_id_in_log_body_exemplar_and_explain() {
    let Some(collector) = Collector::start() else { return };
    let (scene, begun) = (Scene::new(), nanos_now());
    let agent = scene.serve(&collector.url(), &[]);
    let body = refusal(&agent, &[]);
    assert_eq!(body["cause"], "STS-DENIED");
    let trace = body["trace_id"].as_str().unwrap();
    assert_shown_everywhere(&scene, &agent, trace);

    let spans = collector.sink.spans(|spans| has_root(spans, trace));
    let spans: Vec<Span> = spans.into_iter().filter(|span| span.field("traceId") == trace).collect();
    let (root, call) = (named(&spans, "credentials.resolve"), named(&spans, "STS.AssumeRole"));
    let of_chain = |span: &&Span| span.field("name") == "credentials.source profile_assume_role";
    let chain: Vec<&Span> = spans.iter().filter(of_chain).collect();
    let [source, hop] = chain.as_slice() else { panic!("{spans:#?}") };
    for (child, parent) in [(source, &root), (hop, source), (&call, hop)] {
        assert_eq!(child.field("parentSpanId"), parent.field("spanId"));
        assert!(child.time("startTimeUnixNano") >= parent.time("startTimeUnixNano"), "{child:#?}{parent:#?}");
    }
    for span in &spans {
        let (start, end) = (span.time("startTimeUnixNano"), span.time("endTimeUnixNano"));
        assert!(begun <= start && start <= end && end <= nanos_now(), "{span:#?}");
    }
    assert_attributes(
        root,
        &[
            ("keyfob.role", "bad"),
            ("keyfob.trigger", "startup"),
            ("keyfob.attempt", "1"),
            ("keyfob.repeat_count", ""),
            ("error.type", "STS-DENIED"),
        ],
    );
    assert_attributes(
        call,
        &[
            ("rpc.system.name", "aws-api"),
            ("rpc.service", "STS"),
            ("rpc.method", "AssumeRole"),
            ("cloud.region", "eu-west-1"),
            ("server.address", "127.0.0.1"),
            ("server.port", &scene.aws.addr().port().to_string()),
            ("http.response.status_code", "403"),
            ("error.type", "AccessDenied"),
        ],
    );
    assert!(!call.attribute("aws.request_id").is_empty());
    assert_eq!((call.json["kind"].as_u64(), call.json["status"]["code"].as_u64()), (Some(3), Some(2)));
    let skipped = named(&spans, "credentials.source profile");
    assert_attributes(skipped, &[("keyfob.source.result", "not_configured")]);
    assert_eq!(skipped.json["status"]["code"], Value::Null);
    for post in collector.sink.posts() {
        crate::support::leaks::look("a trace", &String::from_utf8_lossy(&post.body));
    }
}

#[test]
fn the_resource_says_which_pod_it_was() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let pod = [
        ("POD_NAME", "web-7c9"),
        ("POD_NAMESPACE", "web"),
        ("POD_UID", "2c3f"),
        ("NODE_NAME", "node-1"),
        ("CONTAINER_NAME", "keyfob"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test%20bed,k8s.node.name=named"),
    ];
    let agent = scene.serve(&collector.url(), &pod);
    let spans = collector.sink.spans(|spans| !spans.is_empty());
    for (name, value) in [
        ("service.name", "keyfob"),
        ("service.namespace", "web"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        // The version 5 UUID of "2c3f.keyfob" in the namespace of the semantic conventions.
        ("service.instance.id", "4c2fcf74-6180-5fe7-a111-f274b27571df"),
        ("k8s.pod.name", "web-7c9"),
        ("k8s.pod.uid", "2c3f"),
        ("k8s.namespace.name", "web"),
        ("k8s.container.name", "keyfob"),
        ("k8s.node.name", "named"),
        ("deployment.environment.name", "test bed"),
        ("process.pid", &agent.process.pid().to_string()),
    ] {
        assert_eq!(spans[0].of_resource(name), value, "{name}");
    }
}

#[test]
fn a_repeat_shows_the_trace_that_stands_for_it_and_the_recovery_points_at_it() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let agent = scene.serve(&collector.url(), &[]);
    let first = refusal(&agent, &[])["trace_id"].as_str().unwrap().to_owned();
    let walks = || scene.aws.calls("AssumeRole");
    for _ in 0..3 {
        let before = walks();
        agent.process.signal(Signal::SIGUSR1);
        assert!(scene.aws.wait_for_calls("AssumeRole", before + 1, SOON));
        // A walk is over when the agent says so.
        let status = || agent.admin("/status").json();
        let begun = Instant::now();
        while status()["roles"].as_array().unwrap().iter().any(|role| role["walking"] == true) {
            assert!(begun.elapsed() < SOON, "{}", agent.log());
        }
        assert_eq!(refusal(&agent, &[])["trace_id"], *first, "a walk that nobody exported");
    }
    scene.deny(false);
    agent.process.signal(Signal::SIGUSR1);
    let recovered = line(&agent, "bad", "credentials adopted")["trace_id"].as_str().unwrap().to_owned();
    let spans = collector.sink.spans(|spans| has_root(spans, &recovered));
    let of_walks: Vec<&Span> =
        spans.iter().filter(|span| span.field("name") == "credentials.resolve").collect();
    let [failure, recovery] = of_walks.as_slice() else { panic!("{of_walks:#?}") };
    assert_eq!((failure.field("traceId"), recovery.field("traceId")), (first.as_str(), recovered.as_str()));
    assert_eq!(recovery.links(), [(first, "first_failure".to_owned())]);
    assert_eq!(
        (recovery.attribute("keyfob.recovered").as_str(), recovery.attribute("keyfob.source").as_str()),
        ("true", "profile_assume_role")
    );
    assert_eq!(recovery.json["status"]["code"], Value::Null);
}

#[test]
fn a_refused_request_joins_its_callers_trace_and_aws_hears_nothing_of_it() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let agent = scene.serve(&collector.url(), &[]);
    let (kept, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let unkept = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    // Until the first walk has ended every refusal has another cause, which nobody must answer for here.
    line(&agent, "bad", "no credentials");
    refusal(&agent, &[("traceparent", &format!("00-{unkept}-{parent}-00"))]);
    let sampled = format!("00-{kept}-{parent}-01");
    let body = refusal(&agent, &[("traceparent", &sampled), ("User-Agent", "an-sdk/1.0")]);
    let walk = body["trace_id"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        refusal(&agent, &[("traceparent", &sampled)]);
    }
    assert!(agent.process.stop().success());
    let spans = collector.sink.spans(|spans| spans.iter().any(|span| span.field("traceId") == kept));
    let requests: Vec<&Span> = spans.iter().filter(|span| span.json["kind"] == 2).collect();
    let [request] = requests.as_slice() else { panic!("{requests:#?}") };
    assert_eq!((request.field("traceId"), request.field("parentSpanId")), (kept, parent));
    assert_eq!(request.field("name"), "GET /v1/credentials/{role}");
    assert_attributes(
        request,
        &[
            ("http.route", "/v1/credentials/{role}"),
            ("http.response.status_code", "503"),
            ("url.scheme", "http"),
            ("user_agent.original", "an-sdk/1.0"),
            ("keyfob.role", "bad"),
            ("error.type", "STS-DENIED"),
        ],
    );
    assert_eq!(request.links(), [(walk.clone(), "resolution".to_owned())]);
    assert!(has_root(&spans, &walk));
    let to_aws = scene.aws.requests();
    assert!(!to_aws.is_empty() && to_aws.iter().all(|request| request.header("traceparent").is_none()));
}

#[test]
fn what_is_queued_at_term_is_sent_before_the_end() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let agent = scene.serve(&collector.url(), &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    let trace = refusal(&agent, &[])["trace_id"].as_str().unwrap().to_owned();
    assert!(collector.sink.posts().is_empty(), "nothing goes for an hour");
    let ended = Instant::now();
    assert!(agent.process.stop().success());
    assert!(ended.elapsed() < Duration::from_secs(3), "{:?}", ended.elapsed());
    collector.sink.spans(|spans| has_root(spans, &trace));
    assert!(!agent.log().contains("traces were lost"), "{}", agent.log());
}

#[test]
fn successes_go_when_the_sampler_says_so_from_exec_too_and_never_from_the_demo() {
    let Some(collector) = Collector::start() else { return };
    let scene = Scene::new();
    let run = |args: &[&str]| {
        let vars = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
            ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
            ("PATH", std::env::var("PATH").unwrap()),
            ("XDG_RUNTIME_DIR", scene.home.path().join("run").display().to_string()),
        ];
        Run::keyfob().args(args).envs(scene.env()).envs(vars).run().expect_code(0)
    };
    run(&["demo", "--", "true"]);
    run(&["exec", "--profile", "good", "--", "true"]);
    let spans = collector.sink.spans(|spans| !spans.is_empty());
    let roots = spans.iter().filter(|span| span.field("name") == "credentials.resolve");
    let sources: Vec<String> = roots.map(|root| root.attribute("keyfob.source")).collect();
    assert_eq!(sources, ["static_file"], "the demo's is imds");
}

#[test]
fn the_console_gets_a_line_a_span_and_no_endpoint_means_off() {
    let scene = Scene::new();
    let nobody = Sink::open(Manner::Takes);
    let agent = scene.serve(&nobody.url(), &[("OTEL_TRACES_EXPORTER", "console")]);
    let trace = refusal(&agent, &[])["trace_id"].as_str().unwrap().to_owned();
    let of = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["name"] == "credentials.resolve" && line["traceId"] == *trace).then_some(line)
    };
    let root = agent.process.stderr.find(SOON, of).unwrap_or_else(|| panic!("{}", agent.log()));
    assert_eq!(
        (&root["attributes"]["keyfob.role"], &root["status"]["code"]),
        (&"bad".into(), &"error".into())
    );
    drop(agent);
    let off = scene.serve("", &[("OTEL_SERVICE_NAME", "creds")]);
    assert!(off.process.stderr.says(SOON, "traces are off"), "{}", off.log());
    refusal(&off, &[]);
    drop(off);
    assert!(nobody.posts().is_empty());
}

#[test]
fn check_prints_what_is_in_force_and_keeps_the_headers_to_itself() {
    let scene = Scene::new();
    let vars = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush-hush-hush"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let ended = Run::keyfob().args(["check", "--print"]).envs(scene.env()).envs(vars).run().expect_code(0);
    for said in [
        "# Traces, by the environment: on\n",
        "# endpoint: http://127.0.0.1:4318/v1/traces",
        "# headers: authorization=***",
        "# OTEL_EXPORTER_OTLP_HEADERS\n",
        "# left aside: OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\"; wanted http/protobuf",
    ] {
        assert!(ended.stdout.contains(said), "{said} in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("hush"));
}
