//! The Python process that asks botocore.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::Vars;
use crate::sdk::python;
use crate::support::run::skip;

pub struct Oracle {
    process: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

pub fn script() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/oracle.py")
}

impl Oracle {
    /// In that home; None where botocore is not installed.
    pub fn start(home: &Path) -> Option<Oracle> {
        if !python().is_file() {
            skip("botocore is not there; run `make clients`");
            return None;
        }
        let mut process = Command::new(python())
            .args(["-I".as_ref(), "-Wignore".as_ref(), script().as_os_str()])
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asks = process.stdin.take();
        let says = BufReader::new(process.stdout.take().unwrap());
        Some(Oracle { process, asks, says })
    }

    /// The key id that botocore finds, or its error.
    pub fn find(&mut self, env: &Vars, profile: &str) -> Result<String, String> {
        let said = self.ask(&json!({ "env": env, "profile": profile }));
        match said["key"].as_str() {
            Some(key) => Ok(key.to_owned()),
            None => Err(said["error"].as_str().unwrap().to_owned()),
        }
    }

    /// Proxy and login for each of these addresses.
    pub fn proxies(&mut self, env: &Value, urls: &[&str]) -> Value {
        self.ask(&json!({ "env": env, "urls": urls }))
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.asks.as_mut().unwrap(), "{question}").unwrap();
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
