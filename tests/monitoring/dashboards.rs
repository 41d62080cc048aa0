//! The dashboards as files: what Grafana's linter asks of them, and that every query can be asked.

mod exceptions;
pub mod lint;
mod promql;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::files;
use crate::support::run::Run;
use crate::support::tools::tool;
pub use promql::selectors;

/// A dashboard as Grafana stores it.
pub struct Dashboard {
    pub json: Value,
}

/// A query of a panel, or a variable's.
pub struct Query<'a> {
    pub panel: &'a Value,
    pub expr: &'a str,
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Those that are shipped.
pub fn shipped() -> Vec<Dashboard> {
    let files = std::fs::read_dir(files::path("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    let read = |file: PathBuf| {
        let json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        Dashboard { json }
    };
    files.into_iter().map(read).collect()
}

impl Dashboard {
    pub fn title(&self) -> &str {
        text(&self.json, "title")
    }

    /// All panels that show something, those in closed rows too.
    pub fn panels(&self) -> Vec<&Value> {
        let outer = list(&self.json, "panels").iter();
        let all = outer.flat_map(|panel| std::iter::once(panel).chain(list(panel, "panels")));
        all.filter(|panel| panel["type"] != "row").collect()
    }

    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"], "list")
    }

    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.variables().iter().find(|variable| variable["name"] == name)
    }

    /// The queries that Prometheus is asked.
    pub fn queries(&self) -> Vec<Query<'_>> {
        let panels = self.panels().into_iter();
        let targets =
            panels.flat_map(|panel| list(panel, "targets").iter().map(move |target| (panel, target)));
        targets
            .filter(|(_, target)| target["datasource"]["type"] == "prometheus")
            .map(|(panel, target)| Query { panel, expr: text(target, "expr") })
            .collect()
    }

    /// Marks on the time axis, by name, and their queries.
    pub fn annotations(&self) -> Vec<(&str, &str)> {
        let all = list(&self.json["annotations"], "list").iter();
        all.filter(|one| one.get("expr").is_some())
            .map(|one| (text(one, "name"), text(one, "expr")))
            .collect()
    }

    /// All that Prometheus is asked: by panels, annotations and variables.
    fn every_expr(&self) -> Vec<String> {
        let panels = self.queries().into_iter().map(|query| query.expr);
        let annotations = self.annotations().into_iter().map(|(_, expr)| expr);
        let variables = self.variables().iter().filter_map(|variable| {
            let inner = text(variable, "definition").strip_prefix("label_values(")?;
            inner.rsplit_once(',').map(|(selector, _)| selector)
        });
        let all = panels.chain(annotations).chain(variables);
        all.filter(|expr| !expr.is_empty()).map(str::to_owned).collect()
    }
}

/// What Grafana would ask with these values of variables, everything else at All.
pub fn fill(expr: &str, values: &[(&str, &str)]) -> String {
    let everything =
        [("cluster", ".*"), ("namespace", ".*"), ("pod", ".*"), ("job", ".+"), ("instance", ".+")];
    let all = values.iter().copied().chain(everything).chain([("role", ".+"), ("__rate_interval", "1m")]);
    // The first of a name counts: what is replaced is gone.
    let filled = all.fold(expr.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value));
    assert!(!filled.contains('$'), "a variable nobody has heard of: {filled}");
    filled
}

#[test]
fn every_query_can_be_parsed_by_prometheus() {
    let Some(promtool) = tool("promtool") else { return };
    let mut rules = Vec::new();
    for board in shipped() {
        let all = board.every_expr().into_iter();
        rules.extend(all.map(|expr| json!({ "record": "q", "expr": fill(&expr, &[]) })));
    }
    assert!(rules.len() > 50, "{}", rules.len());
    // Two rules of one content are refused.
    for (number, rule) in rules.iter_mut().enumerate() {
        rule["labels"] = json!({ "number": number.to_string() });
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.yaml");
    // JSON is YAML as well.
    std::fs::write(&file, json!({ "groups": [{ "name": "queries", "rules": rules }] }).to_string()).unwrap();
    let finished = Run::new(promtool).args(["check", "rules"]).arg(&file).run();
    finished.expect_code(0);
}

#[test]
fn links_between_dashboards_and_from_alerts_lead_to_one_that_is_shipped() {
    let boards = shipped();
    let uids: BTreeMap<_, _> = boards.iter().map(|board| (text(&board.json, "uid"), board)).collect();
    assert_eq!(uids.len(), boards.len(), "one uid for two");
    let texts = boards.iter().map(|board| board.json.to_string());
    let mut links = 0;
    for source in texts.chain(["alerts.yaml", "alerts-optional.yaml"].map(files::text)) {
        for link in source.split("/d/").skip(1) {
            let link = link.split(['"', '\n']).next().unwrap();
            let (uid, rest) = link.split_once('/').unwrap();
            let board = uids.get(uid).unwrap_or_else(|| panic!("no dashboard has the uid {uid}"));
            for variable in rest.split("var-").skip(1) {
                let name = variable.split('=').next().unwrap();
                assert!(board.variable(name).is_some(), "{} has no variable {name}", board.title());
            }
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}
