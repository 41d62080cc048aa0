//! Finds the programs that tests run keyfob against: a collector, Prometheus, a browser.

use std::path::{Path, PathBuf};

use super::run::{skip, which};

/// A program that `tests/tools/setup` built, or that the machine has; else the test that asks is skipped, said and
/// counted.
pub fn tool(name: &str) -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/tools/bin").join(name);
    let found = if built.is_file() { Some(built) } else { which(name) };
    if found.is_none() {
        skip(&format!("{name} is not here: `make tools` builds it, or Debian has it"));
    }
    found
}
