//! What lies in `deploy/monitoring`, read as the programs read it.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::Value;

/// Of the three files, in the order in which they build on each other.
pub const RULE_FILES: [&str; 3] = ["rules.yaml", "alerts.yaml", "alerts-optional.yaml"];

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring").join(name)
}

#[track_caller]
pub fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A YAML file as the JSON it stands for.
#[track_caller]
pub fn yaml(name: &str) -> Value {
    parse(&text(name))
}

#[track_caller]
pub fn parse(text: &str) -> Value {
    let mut documents = documents(text);
    assert_eq!(documents.len(), 1, "one document");
    documents.remove(0)
}

/// Every document of a stream.
#[track_caller]
pub fn documents(text: &str) -> Vec<Value> {
    Yaml::load_from_str(text).unwrap().iter().map(json).collect()
}

/// What a node stands for.
pub fn json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(pairs) => {
            let key = |key: &Yaml<'_>| key.as_str().unwrap().to_owned();
            Value::Object(pairs.iter().map(|(name, value)| (key(name), json(value))).collect())
        }
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        other => panic!("not plain YAML: {other:?}"),
    }
}

/// One rule of any file.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `alert` or `record`.
    pub kind: &'static str,
    pub name: String,
    pub expr: String,
    /// All of it.
    pub body: Value,
}

impl Rule {
    pub fn severity(&self) -> &str {
        self.body["labels"]["severity"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn annotation(&self, name: &str) -> &str {
        self.body["annotations"][name].as_str().unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }
}

/// All rules, in order.
#[track_caller]
pub fn rules() -> Vec<Rule> {
    let files: Vec<_> = RULE_FILES.iter().map(|name| yaml(name)).collect();
    let groups = files.iter().flat_map(|file| file["groups"].as_array().unwrap());
    let rules: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).map(rule).collect();
    assert!(rules.len() > 40, "{} rules", rules.len());
    rules
}

pub fn alerts() -> Vec<Rule> {
    rules().into_iter().filter(|rule| rule.kind == "alert").collect()
}

fn rule(body: &Value) -> Rule {
    let kind = if body.get("alert").is_some() { "alert" } else { "record" };
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    Rule { kind, name: text(kind), expr: text("expr"), body: body.clone() }
}

#[test]
fn yaml_is_read_with_its_folded_and_literal_texts() {
    let read = parse(
        "a:\n  - b: >-\n      one\n      two\n    c: |\n      x\n      y\n    d: [1, 0.5, true, \"2\"]\n",
    );
    let wanted = serde_json::json!({ "a": [{ "b": "one two", "c": "x\ny\n", "d": [1, 0.5, true, "2"] }] });
    assert_eq!(read, wanted);
}
