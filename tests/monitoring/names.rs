//! Whatever rules, tests, dashboards and runbook name is a metric of the code with that label, and whatever the code
//! counts is looked at somewhere.

use std::collections::{BTreeMap, BTreeSet};

use keyfob::telemetry::metrics::{Kind, NAMES};
use serde_json::Value;

use super::files;

/// Labels that a target has from the scrape, and those that alerts add.
const SCRAPED: [&str; 5] = ["job", "instance", "cluster", "namespace", "pod"];
const ADDED: [&str; 4] = ["alertname", "alertstate", "severity", "window"];

/// What Prometheus makes itself.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// Metrics that no rule and no panel looks at, each with the reason why it is there all the same.
const UNSEEN: &[(&str, &str)] = &[];

/// A metric with the labels that its selector names.
#[derive(Debug, PartialEq, Eq)]
struct Mention {
    metric: String,
    labels: Vec<String>,
}

/// Metrics by the names under which their samples are found, each with its labels.
fn known() -> BTreeMap<String, Vec<&'static str>> {
    let mut known = BTreeMap::new();
    for metric in NAMES {
        let endings: &[&str] =
            if metric.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        for ending in endings {
            let mut labels = metric.labels.to_vec();
            labels.extend((*ending == "_bucket").then_some("le"));
            known.insert(format!("{}{ending}", metric.name), labels);
        }
    }
    known
}

/// Metrics that a text of PromQL, Markdown or a dashboard names: ours by their first word, whatever else stands there.
fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(word) {
        let end = rest[start..].find(|c| !word(c)).map_or(rest.len(), |end| start + end);
        // `refresh.process_timeout` is a key of the configuration.
        let metric = if rest[..start].ends_with('.') { "" } else { &rest[start..end] };
        let recorded = metric.split_once(':').is_some_and(|(_, name)| name.starts_with("keyfob_"));
        let ours = metric.starts_with("keyfob_") || metric.starts_with("keyfob:") || recorded;
        rest = &rest[end..];
        if ours || metric.starts_with("process_") || OF_PROMETHEUS.contains(&metric) && rest.starts_with('{')
        {
            found.push(Mention { metric: metric.to_owned(), labels: matchers(rest) });
        }
    }
    found
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The label names of a selector that begins here, or none.
fn matchers(text: &str) -> Vec<String> {
    let Some(mut rest) = text.strip_prefix('{') else { return Vec::new() };
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        let Some(end) = rest.find(['=', '!', '}']).filter(|end| *end > 0) else { return labels };
        labels.push(rest[..end].trim().to_owned());
        let Some(open) = rest.find('"') else { return labels };
        let mut escaped = false;
        let close = rest[open + 1..].find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some(close) = close else { return labels };
        rest = &rest[open + close + 2..];
    }
}

/// Labels that an expression groups and matches by.
fn grouped(expr: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for clause in ["by", "without", "on", "ignoring", "group_left", "group_right"] {
        for (at, _) in expr.match_indices(clause) {
            let alone = at == 0 || !word(expr[..at].chars().next_back().unwrap());
            let Some(list) = expr[at + clause.len()..].trim_start().strip_prefix('(') else { continue };
            let list = &list[..list.find(')').unwrap_or(0)];
            let names = list.split(',').map(|label| label.trim().to_owned());
            labels.extend(names.filter(|label| alone && !label.is_empty()));
        }
    }
    labels
}

/// All texts of a JSON value, with the key under which they stand.
fn texts<'a>(value: &'a Value, key: &'a str, into: &mut Vec<(&'a str, &'a str)>) {
    match value {
        Value::String(text) => into.push((key, text)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, into)),
        Value::Object(pairs) => pairs.iter().for_each(|(key, value)| texts(value, key, into)),
        _ => {}
    }
}

/// Name and text of each dashboard.
fn dashboards() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(files::path("dashboards")).into_iter().flatten();
    let json =
        folder.map(|file| file.unwrap().path()).filter(|path| path.extension() == Some("json".as_ref()));
    json.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
    })
    .collect()
}

/// Every text that names metrics, with where it stands; expressions apart from prose.
struct Sources {
    expressions: Vec<(String, String)>,
    prose: Vec<(String, String)>,
}

fn sources() -> Sources {
    let mut expressions = Vec::new();
    for rule in files::rules() {
        expressions.push((rule.name.clone(), rule.expr.clone()));
    }
    for (name, dashboard) in dashboards() {
        let mut found = Vec::new();
        texts(&dashboard, "", &mut found);
        for (key, text) in found.into_iter().filter(|(key, _)| ["expr", "query", "definition"].contains(key))
        {
            expressions.push((format!("{name} {key}"), text.to_owned()));
        }
    }
    let prose = ["alerts_test.yaml", "runbook.md", "README.md"];
    Sources { expressions, prose: prose.map(|name| (name.to_owned(), files::text(name))).into() }
}

#[test]
fn every_metric_and_label_that_is_named_exists() {
    let known = known();
    let rules = files::rules();
    let recorded: BTreeSet<_> =
        rules.iter().filter(|rule| rule.kind == "record").map(|rule| &rule.name).collect();
    let all: BTreeSet<&str> = known.values().flatten().copied().chain(SCRAPED).chain(ADDED).collect();
    let Sources { expressions, prose } = sources();
    let mut wrong = Vec::new();
    for (place, text) in expressions.iter().chain(&prose) {
        for mention in mentions(text) {
            let metric = &mention.metric;
            let labels: BTreeSet<&str> = match known.get(metric) {
                Some(labels) => labels.iter().copied().chain(SCRAPED).collect(),
                None if recorded.contains(metric) || OF_PROMETHEUS.contains(&metric.as_str()) => all.clone(),
                // In prose a family may be named, as in `keyfob_upstream_…`.
                None => {
                    wrong.push(format!("{place}: no metric {metric}"));
                    continue;
                }
            };
            let unknown = mention.labels.iter().filter(|label| !labels.contains(label.as_str()));
            wrong.extend(unknown.map(|label| format!("{place}: {metric} has no label {label}")));
        }
    }
    for (place, text) in &expressions {
        let made: Vec<_> = text.split('"').skip(1).step_by(2).collect();
        let unknown = grouped(text).into_iter().filter(|label| {
            let replaced = text.contains("label_replace") && made.contains(&label.as_str());
            !all.contains(label.as_str()) && !replaced
        });
        wrong.extend(unknown.map(|label| format!("{place}: groups by {label}")));
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_word_in_an_annotation_is_a_label_that_the_alert_can_have() {
    let known = known();
    let all: BTreeSet<&str> = known.values().flatten().copied().chain(SCRAPED).collect();
    for alert in files::alerts() {
        for text in ["summary", "description", "dashboard_url"].map(|name| alert.annotation(name).to_owned())
        {
            for after in text.split("$labels.").skip(1) {
                let label: String = after.chars().take_while(|c| word(*c)).collect();
                assert!(all.contains(label.as_str()), "{}: {label}", alert.name);
            }
        }
    }
}

#[test]
fn every_simulated_series_of_the_unit_tests_has_the_labels_that_the_code_gives_it() {
    let known = known();
    let tests = files::yaml("alerts_test.yaml");
    let mut seen = 0;
    for test in tests["tests"].as_array().unwrap() {
        for series in test["input_series"].as_array().unwrap() {
            let text = series["series"].as_str().unwrap();
            let mention = mentions(text).pop().unwrap();
            let own = mention.labels.iter().filter(|label| !SCRAPED.contains(&label.as_str()));
            let own: BTreeSet<&str> = own.map(String::as_str).collect();
            let wanted = known.get(&mention.metric).cloned().unwrap_or_default();
            if mention.metric != "up" {
                assert_eq!(own, wanted.into_iter().collect(), "{text}");
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} series");
}

#[test]
fn every_metric_of_the_code_is_looked_at_by_a_rule_or_a_panel() {
    let Sources { expressions, .. } = sources();
    let looked_at: BTreeSet<String> =
        expressions.iter().flat_map(|(_, text)| mentions(text)).map(|mention| mention.metric).collect();
    let excused: BTreeSet<&str> = UNSEEN.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for metric in NAMES {
        let names = ["", "_bucket", "_sum", "_count"].map(|ending| format!("{}{ending}", metric.name));
        let seen = names.iter().any(|name| looked_at.contains(name));
        if seen == excused.contains(metric.name) {
            wrong.push(format!(
                "{}: {}",
                metric.name,
                if seen { "is excused, and seen" } else { "nobody looks" }
            ));
        }
    }
    for (name, _) in UNSEEN {
        assert!(NAMES.iter().any(|metric| metric.name == *name), "{name} is excused, and is none");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn names_and_labels_are_found_in_expressions() {
    let text = "sum by (role) (rate(keyfob_a_total{job=\"k{\\\"}\", x=~\"a|b\" , y!=\"\"}[5m])) / up{z=\"1\"} + job:keyfob_b:c \
                unless on (pod, instance) keyfob:d";
    let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let found: Vec<_> = mentions(text).into_iter().map(|mention| (mention.metric, mention.labels)).collect();
    let wanted = [
        ("keyfob_a_total".to_owned(), labels(&["job", "x", "y"])),
        ("up".to_owned(), labels(&["z"])),
        ("job:keyfob_b:c".to_owned(), vec![]),
        ("keyfob:d".to_owned(), vec![]),
    ];
    assert_eq!(found, wanted);
    assert_eq!(grouped(text), labels(&["role", "pod", "instance"]));
}
