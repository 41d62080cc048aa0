//! `.lint`, where the linter is told what it may overlook: a map of rules, each with a reason and entries.

use serde_json::Value;

use super::super::files;
use super::{list, text};

/// One thing that may be overlooked.
#[derive(Debug)]
pub struct Exception {
    rule: String,
    pub reason: String,
    dashboard: String,
    panel: String,
}

impl Exception {
    pub fn covers(&self, rule: &str, dashboard: &str, panel: Option<&str>) -> bool {
        self.rule == rule && self.dashboard == dashboard && Some(self.panel.as_str()) == panel
    }
}

/// Those that are shipped. The linter knows wider ones, without a place, which nobody shall write here.
pub fn exceptions() -> Vec<Exception> {
    let file = files::yaml("dashboards/.lint");
    let rules = file["exclusions"].as_object().unwrap().iter();
    let entry = |rule: &str, body: &Value, entry: &Value| {
        let word = |value: &Value, name: &str| {
            let word = text(value, name);
            assert!(!word.is_empty(), "an exception for {rule} without {name}");
            word.to_owned()
        };
        Exception {
            rule: rule.to_owned(),
            reason: word(body, "reason"),
            dashboard: word(entry, "dashboard"),
            panel: word(entry, "panel"),
        }
    };
    rules
        .flat_map(|(rule, body)| list(body, "entries").iter().map(move |one| entry(rule, body, one)))
        .collect()
}
