//! What others load with their own programs: the mixin renders to the files, the collector takes its configuration.

use serde_json::{Value, json};

use super::files;
use crate::support::run::Run;
use crate::support::tools::tool;

/// What jsonnet makes of the mixin, with this after it; nothing where there is no jsonnet.
#[track_caller]
fn rendered(with: &str) -> Option<Value> {
    let program = tool("jsonnet")?;
    let all = format!(
        "local m = (import 'mixin.libsonnet'){with}; {{ rules: m.prometheusRules, alerts: m.prometheusAlerts, \
         dashboards: m.grafanaDashboards, config: m._config }}"
    );
    Some(Run::new(program).args(["-e", &all]).dir(&files::path("")).run().expect_code(0).json())
}

/// Where two values differ, if they do. Numbers are written in other ways and mean the same.
fn differs(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &str, one: &Value, other: &Value| differs(one, other).map(|at| format!("{key}/{at}"));
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64()?, other.as_f64()?);
            ((one - other).abs() > 1e-12 * one.abs()).then(|| format!("{one} and {other}"))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(at, (one, other))| below(&at.to_string(), one, other))
        }
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            one.iter().find_map(|(key, one)| below(key, one, &other[key]))
        }
        _ => (one != other).then(|| "another value".to_owned()),
    }
}

#[test]
fn the_mixin_renders_to_the_files() {
    let Some(mixin) = rendered("") else { return };
    assert_eq!(mixin["rules"], files::yaml("rules.yaml"));
    assert_eq!(mixin["alerts"], files::yaml("alerts.yaml"));
    let mut dashboards = serde_json::Map::new();
    for file in std::fs::read_dir(files::path("dashboards")).unwrap() {
        let path = file.unwrap().path();
        if path.extension() == Some("json".as_ref()) {
            let name = format!("keyfob-{}", path.file_name().unwrap().to_string_lossy());
            let text = std::fs::read_to_string(&path).unwrap();
            dashboards.insert(name, serde_json::from_str(&text).unwrap());
        }
    }
    assert!(dashboards.len() >= 2, "{:?}", dashboards.keys());
    assert_eq!(differs(&mixin["dashboards"], &Value::from(dashboards)), None);
    // By itself a mixin shows nothing: all its fields are hidden.
    let Some(program) = tool("jsonnet") else { return };
    let run = Run::new(program).arg("mixin.libsonnet").dir(&files::path("")).run().expect_code(0);
    assert_eq!(run.json(), json!({}));
}

#[test]
fn a_user_of_the_mixin_sets_the_addresses_in_one_place() {
    let config = " + { _config+:: { runbook: 'https://r.example/x.md', grafana: 'https://g.example', optionalAlerts: true } }";
    let Some(mixin) = rendered(config) else { return };
    let text = mixin["alerts"].to_string();
    let count = |words: &str| text.matches(words).count();
    let alerts = files::alerts().len();
    assert_eq!(count("\"runbook_url\":\"https://r.example/x.md#keyfob"), alerts);
    assert_eq!(count("\"dashboard_url\":\"https://g.example/d/keyfob-"), alerts);
    assert_eq!(count("deploy/monitoring/"), 0);
    assert_eq!(count("\"alert\":\"KeyfobAbsent\""), 1);
}

#[test]
fn the_collector_takes_the_example_for_traces() {
    let Some(program) = tool("otelcol") else { return };
    let example = files::path("collector.example.yaml");
    Run::new(program).args(["validate", "--config"]).arg(example).run().expect_code(0);
}

/// The Prometheus receiver is not in the collector that the tests build; what it is told is a configuration of
/// Prometheus, which can be asked.
#[test]
fn prometheus_takes_what_the_example_tells_the_collectors_scraper() {
    let Some(program) = tool("promtool") else { return };
    let example = files::yaml("collector-metrics.example.yaml");
    let mut config = example["receivers"]["prometheus"]["config"].clone();
    let jobs: Vec<_> =
        config["scrape_configs"].as_array().unwrap().iter().map(|job| &job["job_name"]).collect();
    assert_eq!(jobs, ["keyfob", "keyfob-pods"]);
    // Debian's Prometheus is built without what looks for pods; what is done with them it knows.
    let pods = config["scrape_configs"][1].as_object_mut().unwrap();
    assert_eq!(pods.remove("kubernetes_sd_configs"), Some(json!([{ "role": "pod" }])));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("prometheus.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    Run::new(program).args(["check", "config"]).arg(file).run().expect_code(0);
    // In a collector's file a dollar begins a variable.
    assert!(!files::text("collector-metrics.example.yaml").contains('$'));
    let pipeline = &example["service"]["pipelines"]["metrics"];
    assert_eq!(*pipeline, json!({ "receivers": ["prometheus"], "exporters": ["otlphttp/metrics"] }));
    assert!(example["exporters"].get("otlphttp/metrics").is_some());
}
