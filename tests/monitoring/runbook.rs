//! `runbook.md`, made from the alerts, the words written for them, and the catalogue of causes.

use std::fmt::Write;

use keyfob::cause;
use serde::Deserialize;

use super::files::{self, Rule};
use super::prometheus::{Prometheus, Setup};

const INTRO: &str = "\
# Runbook

<!-- Made from alerts.yaml, alerts-optional.yaml, runbook.in.toml and the catalogue of causes:
     KEYFOB_WRITE=1 cargo test --test main monitoring::runbook -->

What each alert means and what to do, then every cause that can be its `reason`.

Commands are for the machine that the agent runs on. In Kubernetes put `kubectl -n NAMESPACE exec POD -c keyfob --` \
before them, with the namespace and pod of the alert. Queries are for Prometheus; add the alert's labels.

Three commands answer most questions: `keyfob status` (what is held, until when, the last failure), `keyfob explain \
ROLE` (what each source said, the likely cause, the fix) and `keyfob refresh ROLE` (walk now). None of them prints a \
secret.
";

/// What is written by hand for one alert.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    means: String,
    users: String,
    look: [String; 3],
    silence: String,
}

fn runbook() -> String {
    let mut words: std::collections::BTreeMap<String, Words> =
        toml::from_str(&files::text("runbook.in.toml")).unwrap();
    let alerts = files::alerts();
    let mut names: Vec<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut text =
        format!("{INTRO}\n## Alerts\n\n| alert | severity | waits | in a sentence |\n|---|---|---|---|\n");
    for alert in &alerts {
        let (name, anchor) = (&alert.name, alert.name.to_lowercase());
        let sentence = sentence(alert);
        _ = writeln!(text, "| [{name}](#{anchor}) | {} | {} | {sentence} |", alert.severity(), waits(alert));
    }
    for name in names {
        let words = words.remove(name).unwrap_or_else(|| panic!("runbook.in.toml has no words for {name}"));
        let rules: Vec<_> = alerts.iter().filter(|alert| alert.name == name).collect();
        section(&mut text, name, &words, &rules);
    }
    assert!(words.is_empty(), "runbook.in.toml has words for alerts that are gone: {:?}", words.keys());
    text += "\n## Causes\n\nThe label `reason`, the code in logs, error bodies and `keyfob explain`. \
             `keyfob explain --code CODE` prints the same.\n";
    for cause in cause::catalogue() {
        let title = capital(cause.title);
        // A heading's own anchor is in lower case; Grafana's links on series carry the code as it is.
        let code = cause.code;
        _ = write!(text, "\n### {code}\n\n<a id=\"{code}\"></a>{title}: {}.\n\n", cause.why);
        for fix in cause.fix {
            _ = writeln!(text, "- {}", capital(fix));
        }
        _ = writeln!(text, "\nRule: {}.", cause.rule);
    }
    text
}

fn section(text: &mut String, name: &str, words: &Words, rules: &[&Rule]) {
    _ = write!(text, "\n### {name}\n");
    for rule in rules {
        _ = write!(text, "\n> {} *{}*\n", sentence(rule), terms(rule));
    }
    _ = write!(text, "\n**What it means.** {}\n\n**What users see.** {}\n", words.means, words.users);
    text.push_str("\n**Look first at**\n\n");
    for (number, look) in (1..).zip(&words.look) {
        _ = writeln!(text, "{number}. {look}");
    }
    _ = write!(text, "\n**Silence.** {}\n", words.silence);
    for rule in rules {
        _ = write!(text, "\n```promql\n{}\n```\n", rule.expr.trim_end());
    }
}

/// The summary, with the place of the reason left open.
fn sentence(rule: &Rule) -> String {
    rule.annotation("summary").replace("{{ $labels.reason }}", "REASON")
}

fn waits(rule: &Rule) -> &str {
    rule.body["for"].as_str().unwrap_or("–")
}

fn terms(rule: &Rule) -> String {
    match waits(rule) {
        "–" => format!("({})", rule.severity()),
        waits => format!("({}, after {waits})", rule.severity()),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
}

/// `explain --code` and every failure name a place in it.
#[test]
fn every_cause_says_where_its_rule_is_from_and_has_its_place_here() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for cause in cause::catalogue() {
        let docs = cause.docs();
        let (file, anchor) = docs.split_once('#').unwrap();
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("<a id=\"{anchor}\"></a>")), "{docs}");
        assert!(cause.rule.len() > 5, "{} names no rule", cause.code);
    }
}

#[test]
fn the_runbook_is_what_the_alerts_and_the_causes_make_it() {
    let made = runbook();
    if std::env::var_os("KEYFOB_WRITE").is_some_and(|value| value == "1") {
        std::fs::write(files::path("runbook.md"), &made).unwrap();
    }
    let written = std::fs::read_to_string(files::path("runbook.md")).unwrap_or_default();
    let differs = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        made == written,
        "runbook.md is not up to date (first difference: {differs:?}); \
         KEYFOB_WRITE=1 cargo test --test main monitoring::runbook writes it"
    );
}

#[test]
fn every_link_of_the_alerts_leads_into_the_runbook() {
    let text = files::text("runbook.md");
    let anchors: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    for alert in files::alerts() {
        let (_, anchor) = alert.annotation("runbook_url").split_once('#').unwrap();
        assert_eq!(anchors.iter().filter(|found| *found == anchor).count(), 1, "{anchor}");
    }
    for cause in cause::catalogue() {
        assert!(anchors.contains(&cause.code.to_lowercase()), "{}", cause.code);
    }
    for link in text.split("](#").skip(1) {
        let anchor = &link[..link.find(')').unwrap()];
        assert!(anchor == "causes" || anchors.iter().any(|found| found == anchor), "{anchor}");
    }
}

#[test]
fn every_query_of_the_runbook_is_one_that_prometheus_takes() {
    let Some(prometheus) = Prometheus::start(&Setup::default()) else { return };
    let text = files::text("runbook.md");
    let fenced = text.split("```promql\n").skip(1).map(|after| after.split("```").next().unwrap());
    let lines = text.lines().filter(|line| !line.starts_with("```"));
    let spans = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
    let ours = ["keyfob_", "keyfob:", "process_", "up{"];
    let queries =
        spans.filter(|span| ours.iter().any(|word| span.contains(word)) && !span.contains("KEYFOB_"));
    let queries: Vec<_> = fenced.chain(queries.filter(|span| !span.contains(".process_"))).collect();
    assert!(queries.len() > 50, "{} queries", queries.len());
    for query in queries {
        // A fault stops the test, with the query.
        prometheus.query(query);
    }
}
