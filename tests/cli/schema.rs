//! What `explain --output json` prints is what its schema says: every recorded document, an agent's, and nothing more.

use std::path::Path;

use super::asking::serving;
use super::{ends, furnished};
use crate::support::Run;
use crate::support::run::skip;

/// Checks the documents that are named after the schema; a field more than the schema has is a fault.
const CHECK: &str = r"
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
schema, *documents = sys.argv[1:]
schema = json.load(open(schema))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=FormatChecker())
wrong = []
for document in documents:
    for error in validator.iter_errors(json.load(open(document))):
        wrong.append(f'{document}: {error.json_path}: {error.message[:200]}')
print(len(documents), *wrong, sep='\\n')
sys.exit(bool(wrong))
";

#[test]
fn what_explain_prints_is_what_its_schema_says() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/tools/python/bin/python");
    if !python.is_file() {
        return skip("jsonschema is not there; run `make tools`");
    }
    let home = furnished();
    let schema = home.write("schema.json", &ends(&home, &["explain", "--schema"], 0).stdout);
    let causes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/causes");
    let mut documents: Vec<_> = std::fs::read_dir(causes)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("explain.json"))
        .filter(|path| path.is_file())
        .collect();
    assert!(documents.len() > 100, "only {} documents", documents.len());
    let (_agent, admin) = serving(&home);
    // This very process is pointed at no agent: a warning more.
    let pid = std::process::id().to_string();
    for (role, exit) in [("default", 0), ("bad", 4)] {
        let args = ["explain", role, "--now", "--admin", &admin, "--pid", &pid, "--output", "json"];
        documents.push(home.write(&format!("{role}.json"), &ends(&home, &args, exit).stdout));
    }
    let run = Run::new(python).args(["-c", CHECK]).arg(schema).args(&documents);
    let said = run.env("PATH", "/usr/bin:/bin").run();
    assert!(said.stdout.starts_with(&format!("{}\n", documents.len())), "{said:#?}");
    said.expect_code(0);
}
