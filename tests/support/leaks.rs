//! No secret in anything that keyfob prints: every secret the suite makes or hands over is known here, and every
//! captured output is looked through, whatever test it came from.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Shorter ones are words that a log may well contain.
const TELLING: usize = 11;

/// From now on this text must not be printed.
pub fn secret(text: &str) {
    if text.len() >= TELLING {
        KNOWN.lock().unwrap().insert(text.to_owned());
    }
}

/// The secrets in an AWS file, or in that of a sign-in.
pub fn secrets_of_file(text: &str) {
    if let Ok(kept) = serde_json::from_str(text) {
        secrets_of_sign_in(&kept);
    }
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        if matches!(
            key.trim(),
            "aws_secret_access_key" | "aws_session_token" | "aws_security_token" | "AWSSecretKey"
        ) {
            secret(value.trim());
        }
    }
}

fn secrets_of_sign_in(kept: &serde_json::Value) {
    const SECRET: [&str; 6] =
        ["accessToken", "refreshToken", "clientSecret", "secretAccessKey", "sessionToken", "dpopKey"];
    for (key, value) in kept.as_object().into_iter().flatten() {
        let lines = value.as_str().filter(|_| SECRET.contains(&key.as_str())).map(str::lines);
        lines.into_iter().flatten().filter(|line| !line.starts_with("-----")).for_each(secret);
        secrets_of_sign_in(value);
    }
}

/// The secret in a variable, if it holds one.
pub fn secret_variable(name: &str, value: &str) {
    let holds = [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ];
    if holds.contains(&name) {
        secret(value);
    }
}

/// Stops the test if a secret was printed, without printing it again.
#[track_caller]
pub fn look(what: &str, text: &str) {
    let leaked = leaking(text);
    // One panic is enough to fail a test; a second one, while it unwinds, would end them all.
    if !std::thread::panicking() {
        assert!(!leaked, "{what} printed a secret");
    }
}

fn leaking(text: &str) -> bool {
    KNOWN.lock().unwrap().iter().any(|secret| text.contains(secret.as_str()))
}

/// Looks through what a program printed. Only `get` may print secrets, on stdout.
#[track_caller]
pub fn look_at_program(program: &Path, args: &[String], stdout: &str, stderr: &str) {
    if program != super::run::keyfob() {
        return;
    }
    let command = args.join(" ");
    look(&format!("keyfob {command}, on stderr,"), stderr);
    if !args.iter().any(|arg| arg == "get") {
        look(&format!("keyfob {command}, on stdout,"), stdout);
    }
}

#[test]
fn a_printed_secret_is_found() {
    secret("a-secret-of-this-test-alone");
    assert!(leaking("before a-secret-of-this-test-alone after"));
    assert!(!leaking("nothing to see"));
    secrets_of_file("[p]\naws_secret_access_key = written-to-a-file-by-this-test\n");
    assert!(leaking("written-to-a-file-by-this-test"));
}
