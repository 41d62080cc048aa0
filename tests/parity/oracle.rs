//! The Python process that asks botocore, one machine at a time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::situation::here;

pub struct Oracle {
    /// Holds the link that is every machine's `HOME`.
    folder: TempDir,
    process: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Oracle {
    /// With that interpreter, whose botocore must be the pinned one.
    pub fn start(python: &Path) -> Oracle {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(python)
            .arg("-I")
            .arg(here("oracle.py"))
            .arg(pinned())
            .env_clear()
            .env("HOME", folder.path().join("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asks = process.stdin.take();
        let says = BufReader::new(process.stdout.take().unwrap());
        Oracle { folder, process, asks, says }
    }

    /// What botocore finds there; the oracle itself sees to it that an answer comes.
    pub fn ask(&mut self, env: &BTreeMap<String, String>, dir: &Path, profile: Option<&str>) -> Value {
        let home = self.folder.path().join("home");
        let _ = fs::remove_file(&home);
        symlink(dir, &home).unwrap();
        let mut env = env.clone();
        env.insert("HOME".to_owned(), home.display().to_string());
        let machine = json!({ "env": env, "dir": dir, "profile": profile });
        writeln!(self.asks.as_mut().unwrap(), "{machine}").unwrap();
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the oracle has ended; stderr says why: {line}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.asks.take());
        let _ = self.process.wait();
    }
}

/// The botocore that keyfob is compared with.
pub fn pinned() -> &'static str {
    let list = include_str!("../sdk/requirements.txt");
    list.lines().find_map(|line| line.strip_prefix("botocore==")).unwrap()
}
