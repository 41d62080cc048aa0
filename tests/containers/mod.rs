//! The ways in besides helm, systemd and packages: the container image, compose, ECS, Nomad, pipelines.
//!
//! No engine is needed: the image's root file system is assembled by the script that builds it, and processes run in it
//! in namespaces, with the addresses, variables and words that stand in the files under `deploy/`.

mod assembled;
mod compose;
mod image;
pub mod network;
mod orchestrators;
mod outside;
mod pipelines;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::monitoring::files::documents;

/// For what comes at once, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

fn ours(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The documents of a file.
fn yaml(path: &Path) -> Vec<serde_json::Value> {
    documents(&std::fs::read_to_string(path).unwrap())
}

#[track_caller]
fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}: not a text"))
}

/// Variables with a value; one without is the caller's, where that is set.
fn vars(environment: &serde_json::Value) -> Vec<(String, String)> {
    let pairs = environment.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// README leads to every file of these ways in, and to nothing that is not there.
#[test]
fn readme_leads_to_what_is_there() {
    let readme = std::fs::read_to_string(ours("deploy/README.md")).unwrap();
    let links = readme.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
    for link in links.filter(|link| !link.is_empty()) {
        assert!(ours("deploy").join(link).exists(), "{link}");
    }
    for folder in ["docker", "ecs", "nomad", "ci"] {
        for entry in std::fs::read_dir(ours("deploy").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(readme.contains(name.trim_end_matches(".dockerignore")), "{folder}/{name}");
        }
    }
}
