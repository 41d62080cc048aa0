//! Tells the program what it is built of: the compiler, and the revision where one is known.

#![expect(clippy::disallowed_methods, reason = "cargo says everything in variables")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=KEYFOB_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=KEYFOB_RUSTC={}", compiler().unwrap_or_default());
    println!("cargo::rustc-env=KEYFOB_REVISION={}", revision().unwrap_or_default());
}

/// The number in `rustc 1.95.0 (59807616e 2026-04-14)`.
fn compiler() -> Option<String> {
    let said = said(Command::new(env::var("RUSTC").ok()?).arg("--version"))?;
    said.split(' ').nth(1).map(str::to_owned)
}

/// As the builder says, else the commit. Only of a release: another build need not be made anew for each commit.
fn revision() -> Option<String> {
    if let Ok(revision) = env::var("KEYFOB_REVISION") {
        return Some(revision);
    }
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    // Without a history of its own the source may lie in somebody else's.
    if !release || !Path::new(".git").exists() {
        return None;
    }
    if Path::new(".git/logs/HEAD").exists() {
        println!("cargo::rerun-if-changed=.git/logs/HEAD");
    }
    said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]))
}

fn said(command: &mut Command) -> Option<String> {
    let ended = command.output().ok().filter(|ended| ended.status.success())?;
    Some(String::from_utf8(ended.stdout).ok()?.trim().to_owned())
}
