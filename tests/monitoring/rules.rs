//! Rules as Prometheus reads them: they parse, they do what their unit tests say, and every alert has both kinds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::files;
use crate::support::run::{Finished, Run};
use crate::support::tools::tool;

fn promtool(program: PathBuf, args: &[&str]) -> Finished {
    Run::new(program).args(args).dir(&files::path("")).within(Duration::from_secs(300)).run()
}

#[test]
fn promtool_finds_no_fault_with_the_rules() {
    let Some(program) = tool("promtool") else { return };
    let checked = promtool(program, &[&["check", "rules"][..], &files::RULE_FILES].concat()).expect_code(0);
    assert_eq!(checked.stdout.matches("SUCCESS").count(), files::RULE_FILES.len(), "{checked:#?}");
}

#[test]
fn every_unit_test_of_the_rules_holds() {
    let Some(program) = tool("promtool") else { return };
    let tested = promtool(program, &["test", "rules", "alerts_test.yaml"]).expect_code(0);
    assert!(tested.stdout.contains("SUCCESS"), "{tested:#?}");
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() {
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let tests = files::yaml("alerts_test.yaml");
    for test in tests["tests"].as_array().unwrap() {
        for case in test["alert_rule_test"].as_array().unwrap() {
            let name = case["alertname"].as_str().unwrap().to_owned();
            let expected = case["exp_alerts"].as_array().unwrap();
            for alert in expected {
                let severity = alert["exp_labels"]["severity"].as_str().unwrap();
                fires.insert(format!("{name} {severity}"));
            }
            if expected.is_empty() {
                silent.insert(name);
            }
        }
    }
    let alerts = files::alerts();
    let with_severity = alerts.iter().map(|alert| format!("{} {}", alert.name, alert.severity()));
    assert_eq!(fires, with_severity.collect(), "left: tested to fire; right: the alerts");
    assert_eq!(silent, alerts.iter().map(|alert| alert.name.clone()).collect(), "left: tested to be silent");
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_look() {
    for alert in files::alerts() {
        let name = &alert.name;
        assert!(name.starts_with("Keyfob"), "{name}");
        assert!(["critical", "warning", "info"].contains(&alert.severity()), "{name}");
        let summary = alert.annotation("summary");
        assert!(summary.ends_with('.') && summary.len() < 160, "{name}: a sentence: {summary}");
        // It must say the same for all alerts of one notification: nothing but what they are grouped by.
        let particulars = summary.replace("{{ $labels.reason }}", "");
        assert!(!particulars.contains("{{"), "{name}: {summary}");
        assert!(alert.annotation("description").contains("{{"), "{name}: the particulars");
        let anchor = format!("deploy/monitoring/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert.annotation("runbook_url"), anchor);
        let dashboard = alert.annotation("dashboard_url");
        assert!(dashboard.starts_with("/d/keyfob-"), "{name}: {dashboard}");
    }
}

#[test]
fn every_rule_is_about_keyfob_and_nothing_else() {
    for rule in files::rules() {
        for (at, _) in rule.expr.match_indices(['{']) {
            let (before, after) = rule.expr.split_at(at);
            let recorded = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next();
            let scraped = !recorded.unwrap().contains(':');
            assert!(!scraped || after.starts_with("{job=\"keyfob\""), "{}: {after}", rule.name);
        }
    }
}
