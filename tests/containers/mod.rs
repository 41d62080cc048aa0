//! The ways in besides helm, systemd and packages: the container image, compose, ECS, Nomad, pipelines.
//!
//! No engine is needed: the image's root file system is assembled by the script that builds it, and processes run in it
//! in namespaces, with the addresses, variables and words that stand in the files under `deploy/`.

mod assembled;
mod image;
mod network;
mod outside;

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
