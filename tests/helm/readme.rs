//! The lines that README tells people to type make a pod with credentials.

use super::charts::{Charts, find};

const README: &str = include_str!("../../README.md");

/// The code block of the section that has this text in it.
#[track_caller]
fn block(of: &str) -> &'static str {
    let (_, section) = README.split_once("\n## In a pod\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut blocks = section.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.find(|block| block.contains(of)).unwrap_or_else(|| panic!("no block has {of}"))
}

#[test]
fn five_lines_and_their_values_are_enough() {
    let Some(charts) = Charts::ready() else { return };
    let (values, lines) = (block("webIdentity:"), block("keyfob.sidecar"));
    assert_eq!(lines.matches("include").count(), 5);
    charts
        .write("example/templates/deployment.yaml", &format!("kind: Pod\nmetadata:\n  name: mine\n{lines}"));
    charts.write("example/values.yaml", "");
    let objects = charts.objects("example", values, &[]);
    assert!(find(&objects, "ConfigMap", "-config")["data"]["keyfob.toml"].is_string());
    let pod = find(&objects, "Pod", "mine");
    let spec = &pod["spec"];
    assert_eq!(pod["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"], "app");
    assert_eq!(spec["initContainers"][0]["name"], "keyfob");
    let app = &spec["containers"][0];
    assert_eq!(app["env"][0]["value"], "http://127.0.0.1:5397/v1/credentials/default");
    assert_eq!(app["volumeMounts"][0]["name"], "keyfob-auth");
    assert_eq!(spec["volumes"].as_array().unwrap().len(), 4);
}
