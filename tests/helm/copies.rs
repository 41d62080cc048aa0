//! What the charts have twice, for helm reads nothing outside a chart's folder: rules, dashboards, versions.

use super::charts::{CHARTS, Charts, WITH_OPERATOR, find, path, text};
use crate::monitoring::files;

const MONITORING: [&str; 4] =
    ["rules.yaml", "alerts.yaml", "dashboards/overview.json", "dashboards/role-detail.json"];

#[test]
fn the_charts_rules_and_dashboards_are_the_very_files_of_deploy() {
    for name in MONITORING {
        let copy = path("keyfob/files").join(name);
        if std::env::var_os("KEYFOB_WRITE").is_some_and(|value| value == "1") {
            std::fs::copy(files::path(name), &copy).unwrap();
        }
        let (ours, theirs) = (std::fs::read(&copy).unwrap(), std::fs::read(files::path(name)).unwrap());
        assert!(ours == theirs, "{name} differs from deploy/monitoring: KEYFOB_WRITE=1 copies it");
    }
}

#[test]
fn they_arrive_unchanged_in_the_cluster() {
    let Some(charts) = Charts::ready() else { return };
    let objects = charts.objects("keyfob", "", &WITH_OPERATOR);
    for name in ["rules", "alerts"] {
        let rule = find(&objects, "PrometheusRule", &format!("keyfob-{name}"));
        assert_eq!(rule["spec"], files::yaml(&format!("{name}.yaml")), "{name}");
    }
    for name in ["overview", "role-detail"] {
        let map = find(&objects, "ConfigMap", &format!("dashboard-{name}"));
        let sent = map["data"][format!("keyfob-{name}.json")].as_str().unwrap();
        assert!(sent == files::text(&format!("dashboards/{name}.json")), "{name}");
    }
}

#[test]
fn links_lead_where_the_values_say() {
    let Some(charts) = Charts::ready() else { return };
    let values = "links: { runbook: 'https://wiki/run.md', grafana: 'https://graph/' }";
    let objects = charts.objects("keyfob", values, &WITH_OPERATOR);
    let alerts = find(&objects, "PrometheusRule", "keyfob-alerts");
    let groups = alerts["spec"]["groups"].as_array().unwrap();
    let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 10, "{} alerts", rules.len());
    for rule in rules {
        let link = |name: &str| rule["annotations"][name].as_str().unwrap();
        assert!(link("runbook_url").starts_with("https://wiki/run.md#"), "{rule}");
        assert!(link("dashboard_url").starts_with("https://graph/d/"), "{rule}");
        assert!(!rule.to_string().contains("deploy/monitoring"), "{rule}");
    }
    for name in ["overview", "role-detail"] {
        let map = find(&objects, "ConfigMap", &format!("dashboard-{name}")).to_string();
        assert!(map.contains("https://wiki/run.md") && !map.contains("deploy/monitoring"), "{name}");
    }
}

#[test]
fn every_version_is_the_crates() {
    let version = env!("CARGO_PKG_VERSION");
    for name in CHARTS {
        let chart = files::parse(&text(&format!("{name}/Chart.yaml")));
        assert_eq!(chart["version"], version, "{name}");
        let library = name == CHARTS[0];
        let wanted = |dependency: &serde_json::Value| dependency["version"] == version;
        assert!(library || chart["dependencies"].as_array().unwrap().iter().all(wanted), "{name}");
        assert!(name == "example" || chart["appVersion"] == version, "{name}");
    }
    assert_eq!(files::parse(&text("keyfob-lib/values.yaml"))["image"]["tag"], version);
}
