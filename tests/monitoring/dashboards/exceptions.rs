//! Reads `.lint`, where the linter is told what it may overlook: a map of rules, each with a reason and entries.

/// One thing that may be overlooked: where an entry names nothing, everything of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exception {
    pub rule: String,
    pub reason: String,
    pub dashboard: Option<String>,
    pub panel: Option<String>,
}

impl Exception {
    pub fn covers(&self, rule: &str, dashboard: &str, panel: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        self.rule == rule && fits(&self.dashboard, Some(dashboard)) && fits(&self.panel, panel)
    }
}

/// Of the YAML that is possible there only what is used: a level is two blanks, texts are on one line.
pub fn parse(text: &str) -> Vec<Exception> {
    let mut found: Vec<Exception> = Vec::new();
    let (mut rule, mut reason) = (String::new(), String::new());
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    for line in lines {
        let depth = line.len() - line.trim_start().len();
        let (dash, pair) = match line.trim().strip_prefix("- ") {
            Some(pair) => (true, pair),
            None => (false, line.trim()),
        };
        let (key, value) = pair.split_once(':').unwrap_or_else(|| panic!("not a pair: {line}"));
        let value = value.trim().trim_matches('"').to_owned();
        match (depth, key) {
            (0, "exclusions") | (4, "entries") => {}
            (2, name) => (rule, reason) = (name.to_owned(), String::new()),
            (4, "reason") => reason = value,
            (6.., _) => {
                if dash {
                    found.push(Exception {
                        rule: rule.clone(),
                        reason: reason.clone(),
                        ..Exception::default()
                    });
                }
                let entry = found.last_mut().unwrap_or_else(|| panic!("outside of an entry: {line}"));
                match key {
                    "dashboard" => entry.dashboard = Some(value),
                    "panel" => entry.panel = Some(value),
                    "reason" => entry.reason = value,
                    other => panic!("{other}: not a key of an entry"),
                }
            }
            _ => panic!("cannot be read: {line}"),
        }
    }
    found
}

#[test]
fn an_exception_has_its_rule_its_reason_and_its_place() {
    let found = parse(
        "# why\nexclusions:\n  a-rule:\n    reason: so it is\n    entries:\n      - dashboard: D\n        panel: \"P: q\"\n",
    );
    let wanted = Exception {
        rule: "a-rule".to_owned(),
        reason: "so it is".to_owned(),
        dashboard: Some("D".to_owned()),
        panel: Some("P: q".to_owned()),
    };
    assert_eq!(found, [wanted]);
    assert!(found[0].covers("a-rule", "D", Some("P: q")));
    assert!(!found[0].covers("a-rule", "D", Some("Q")) && !found[0].covers("b-rule", "D", Some("P: q")));
}
