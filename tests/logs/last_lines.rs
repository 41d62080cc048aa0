//! What was logged is written before the process ends, however it ends.

use std::path::Path;
use std::sync::Arc;

use keyfob::clock::Clock;
use keyfob::config::Telemetry;
use keyfob::config::env::Env;
use keyfob::event::{Event, Observe};
use keyfob::telemetry::{Logs, logs};

use super::{bare, furnished};
use crate::support::Run;

/// Set for the process that is to panic.
const TO_PANIC: &str = "KEYFOB_TEST_TO_PANIC";
const LINES: usize = 700;

#[test]
fn a_panic_is_told_after_everything_that_was_logged_before_it() {
    let name = "logs::last_lines::panics_after_many_lines_when_it_is_asked_to";
    let run = Run::new(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let ended = run.env(TO_PANIC, "1").run().expect_code(101);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let logged = lines.iter().filter(|line| line.contains("token file written")).count();
    assert_eq!(logged, LINES);
    let last = lines.iter().rposition(|line| line.contains("token file written")).unwrap();
    let panic = lines.iter().position(|line| line.contains("the end of it")).unwrap();
    assert!(last < panic, "{}", ended.stderr);
}

#[test]
fn panics_after_many_lines_when_it_is_asked_to() {
    if std::env::var_os(TO_PANIC).is_none() {
        return;
    }
    logs::install(&Telemetry::default(), &Env::default(), &Clock::host(), false);
    let log = Logs::new(Arc::new(|trace| trace));
    for _ in 0..LINES {
        log.observe(&Event::TokenWritten(Path::new("/token")));
    }
    panic!("the end of it");
}

#[test]
fn the_last_words_come_after_the_log() {
    let home = furnished("");
    let args = ["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--log-format", "json"];
    home.replace(
        "keyfob.toml",
        "[startup]\ndeadline = \"300ms\"\n[[role]]\nname = \"bad\"\nprofile = \"broken\"\n",
    );
    let ended = Run::keyfob().args(args).envs(bare(&home)).run().expect_code(4);
    let last_line =
        ended.stderr.lines().collect::<Vec<_>>().iter().rposition(|line| line.starts_with('{')).unwrap();
    let telling = ended.stderr.lines().position(|line| line.starts_with("Looking for")).unwrap();
    assert!(last_line < telling, "{}", ended.stderr);
    assert!(ended.stderr.contains("\"message\":\"shutting down\""), "{}", ended.stderr);
}
