//! The rules of Grafana's dashboard linter, in its strict form and by its names, for dashboards of this kind.
//!
//! Two of its seventeen are about LogQL in kinds of panels that have none here (`target-logql-rule`,
//! `target-logql-auto-rule`). Where it looks at some kinds of panels only, these look at all that show something.

use super::exceptions::exceptions;
use super::promql::Selector;
use super::{Dashboard, list, selectors, shipped, text};

/// The panel, if it is about one, and what is wrong.
struct Finding(Option<String>, String);

type Rule = fn(&Dashboard) -> Vec<Finding>;

const RULES: [(&str, Rule); 15] = [
    ("template-datasource-rule", template_datasource),
    ("template-job-rule", |board| template(board, "job", "Job")),
    ("template-instance-rule", |board| template(board, "instance", "Instance")),
    ("template-label-promql-rule", template_label_promql),
    ("template-on-time-change-reload-rule", template_on_time_change_reload),
    ("panel-datasource-rule", panel_datasource),
    ("panel-title-description-rule", panel_title_description),
    ("panel-units-rule", panel_units),
    ("panel-no-targets-rule", panel_no_targets),
    ("target-promql-rule", target_promql),
    ("target-rate-interval-rule", target_rate_interval),
    ("target-job-rule", |board| target_matcher(board, "job")),
    ("target-instance-rule", |board| target_matcher(board, "instance")),
    ("target-counter-agg-rule", target_counter_agg),
    ("uneditable-dashboard", uneditable),
];

/// Of Grafana's units those that may be of use here; one that is missing is looked up before it is added.
const UNITS: [&str; 13] = [
    "none",
    "short",
    "percentunit",
    "s",
    "bytes",
    "opm",
    "ops",
    "reqps",
    "bool",
    "dateTimeAsIso",
    "dateTimeFromNow",
    "dtdurations",
    "string",
];

/// Panels without queries of their own: alerts come from Grafana, log lines are not numbers.
const UNITLESS: [&str; 2] = ["alertlist", "logs"];

fn of_board(wrong: bool, what: &str) -> Vec<Finding> {
    if wrong { vec![Finding(None, what.to_owned())] } else { Vec::new() }
}

fn of_panels(board: &Dashboard, wrong: impl Fn(&serde_json::Value) -> Option<String>) -> Vec<Finding> {
    let panels = board.panels().into_iter();
    panels.filter_map(|panel| Some(Finding(Some(text(panel, "title").to_owned()), wrong(panel)?))).collect()
}

fn of_selectors(board: &Dashboard, wrong: impl Fn(&Selector) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for query in board.queries() {
        for selector in selectors(query.expr).iter().filter(|selector| wrong(selector)) {
            let what = format!("{selector:?} in {}", query.expr);
            found.push(Finding(Some(text(query.panel, "title").to_owned()), what));
        }
    }
    found
}

fn template_datasource(board: &Dashboard) -> Vec<Finding> {
    let all: Vec<_> = board.variables().iter().filter(|one| one["type"] == "datasource").collect();
    let good = match all[..] {
        [one] => one["name"] == "datasource" && one["label"] == "Data source" && one["query"] == "prometheus",
        _ => false,
    };
    of_board(!good, "wants one data source, `datasource`, labelled `Data source`")
}

fn template(board: &Dashboard, name: &str, label: &str) -> Vec<Finding> {
    let good = board.variable(name).is_some_and(|one| {
        one["datasource"]["uid"] == "${datasource}"
            && one["type"] == "query"
            && one["label"] == label
            && one["multi"] == true
            && one["allValue"] == ".+"
    });
    of_board(!good, &format!("wants {name}, a query of $datasource labelled {label}, multi, with .+ for all"))
}

fn template_label_promql(board: &Dashboard) -> Vec<Finding> {
    let queries = board.variables().iter().filter(|one| one["type"] == "query");
    let wrong = queries.filter(|one| {
        let query = one["query"].get("query").and_then(serde_json::Value::as_str).unwrap_or_default();
        let inner = query.strip_prefix("label_values(").and_then(|inner| inner.strip_suffix(')'));
        inner.and_then(|inner| inner.rsplit_once(", ")).is_none_or(|(metric, _)| selectors(metric).len() != 1)
    });
    wrong.map(|one| Finding(None, format!("{} is not label_values(…)", one["name"]))).collect()
}

fn template_on_time_change_reload(board: &Dashboard) -> Vec<Finding> {
    let queries = board.variables().iter().filter(|one| one["type"] == "query");
    let wrong = queries.filter(|one| one["refresh"] != 2);
    wrong
        .map(|one| Finding(None, format!("{} is not asked again when the time changes", one["name"])))
        .collect()
}

fn panel_datasource(board: &Dashboard) -> Vec<Finding> {
    of_panels(board, |panel| {
        let wanted = if panel["type"] == "logs" { "${loki}" } else { "${datasource}" };
        let all = std::iter::once(panel).chain(list(panel, "targets"));
        let fits = all.into_iter().all(|one| one["datasource"]["uid"] == wanted);
        (!fits).then(|| format!("wants the data source {wanted}"))
    })
}

fn panel_title_description(board: &Dashboard) -> Vec<Finding> {
    of_panels(board, |panel| {
        let bare = text(panel, "title").is_empty() || text(panel, "description").is_empty();
        bare.then(|| "wants a title and a description".to_owned())
    })
}

fn panel_units(board: &Dashboard) -> Vec<Finding> {
    of_panels(board, |panel| {
        let unit = match text(panel, "type") {
            kind if UNITLESS.contains(&kind) => return None,
            "heatmap" => text(&panel["options"]["yAxis"], "unit"),
            _ => text(&panel["fieldConfig"]["defaults"], "unit"),
        };
        let overrides = list(&panel["fieldConfig"], "overrides").iter();
        let overrides = overrides.flat_map(|one| list(one, "properties"));
        let of_overrides = overrides.filter(|one| one["id"] == "unit").map(|one| text(one, "value"));
        let unknown: Vec<_> =
            std::iter::once(unit).chain(of_overrides).filter(|unit| !UNITS.contains(unit)).collect();
        (!unknown.is_empty()).then(|| format!("has units that are none: {unknown:?}"))
    })
}

fn panel_no_targets(board: &Dashboard) -> Vec<Finding> {
    of_panels(board, |panel| {
        let bare = panel["type"] != "alertlist" && list(panel, "targets").is_empty();
        bare.then(|| "asks nothing".to_owned())
    })
}

/// Whether it parses is asked of Prometheus itself, in a test of its own.
fn target_promql(board: &Dashboard) -> Vec<Finding> {
    of_panels(board, |panel| {
        let empty = list(panel, "targets").iter().any(|target| text(target, "expr").is_empty());
        empty.then(|| "has a query without words".to_owned())
    })
}

fn target_rate_interval(board: &Dashboard) -> Vec<Finding> {
    of_selectors(board, |selector| {
        let range = selector.range.as_deref();
        let rated = matches!(selector.function.as_deref(), Some("rate" | "irate"));
        rated && range != Some("$__rate_interval")
    })
}

fn target_matcher(board: &Dashboard, label: &str) -> Vec<Finding> {
    of_selectors(board, |selector| !selector.matches(label, "=~", &format!("${label}")))
}

fn target_counter_agg(board: &Dashboard) -> Vec<Finding> {
    of_selectors(board, |selector| {
        let rated = matches!(selector.function.as_deref(), Some("rate" | "irate" | "increase"));
        selector.metric.ends_with("_total") && !(rated && selector.range.is_some())
    })
}

fn uneditable(board: &Dashboard) -> Vec<Finding> {
    of_board(board.json["editable"] != false, "is editable")
}

#[test]
fn the_dashboards_satisfy_grafanas_linter_in_its_strict_form() {
    let allowed = exceptions();
    let mut used = vec![false; allowed.len()];
    let mut wrong = Vec::new();
    for board in shipped() {
        for (rule, check) in RULES {
            for Finding(panel, what) in check(&board) {
                match allowed.iter().position(|one| one.covers(rule, board.title(), panel.as_deref())) {
                    Some(at) => used[at] = true,
                    None => wrong.push(format!("{rule}: {}, {panel:?}: {what}", board.title())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<_> = allowed.iter().zip(used).filter(|(_, used)| !used).map(|(one, _)| one).collect();
    assert!(stale.is_empty(), "exceptions that nothing needs: {stale:?}");
    assert!(allowed.iter().all(|one| one.reason.len() > 20), "an exception without a reason: {allowed:?}");
}

#[test]
fn each_rule_finds_what_it_is_for() {
    let mut bad = shipped().swap_remove(0);
    let panel = serde_json::json!({
        "type": "timeseries", "title": "", "targets": [
            { "datasource": { "type": "prometheus", "uid": "mine" }, "expr": "rate(a_total[5m]) + b_total" },
            { "datasource": { "type": "prometheus", "uid": "mine" }, "expr": "" },
        ],
    });
    let empty = serde_json::json!({ "type": "stat", "title": "x" });
    let variable =
        serde_json::json!({ "type": "query", "name": "x", "query": { "query": "b" }, "refresh": 1 });
    bad.json["panels"] = serde_json::json!([panel, empty]);
    bad.json["templating"]["list"] = serde_json::json!([variable]);
    bad.json["editable"] = true.into();
    let silent: Vec<_> =
        RULES.iter().filter(|(_, check)| check(&bad).is_empty()).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
