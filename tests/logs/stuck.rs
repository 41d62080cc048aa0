//! A log that nobody reads must keep nobody from serving, or from ending.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{SOON, bare, furnished, soon};
use crate::support::serving::{Bound, parse_bound};
use crate::support::{TempHome, leaks, raw};

/// An agent that says a line a request, to a pipe that is read no further than where it says its addresses.
struct Stuck {
    process: Child,
    pipe: BufReader<ChildStderr>,
    bound: Bound,
    token: String,
    _home: TempHome,
}

impl Stuck {
    fn start() -> Self {
        let home = furnished("log_level = \"debug\"");
        let mut process = Command::new(crate::support::keyfob())
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json"])
            .env_clear()
            .envs(bare(&home))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let stderr = process.stderr.take().unwrap();
        fcntl(&stderr, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let mut pipe = BufReader::with_capacity(512, stderr);
        let bound = loop {
            let mut line = String::new();
            assert_ne!(pipe.read_line(&mut line).unwrap(), 0, "it ended");
            if let Some(bound) = parse_bound(&line) {
                break bound;
            }
        };
        let token = std::fs::read_to_string(&bound.token_file).unwrap();
        leaks::secret(&token);
        Self { process, pipe, bound, token, _home: home }
    }

    /// The answer's status; every answer comes within a second.
    fn ask(&self) -> u16 {
        let asked = Instant::now();
        let token = [("Authorization", self.token.as_str())];
        let status = raw::get(self.bound.credentials, "/v1/credentials/app", &token).status;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        status
    }

    fn lost(&self) -> u64 {
        let metrics = raw::get(self.bound.admin, "/metrics", &[]).body;
        let name = "keyfob_log_events_dropped_total{reason=\"queue_full\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or_default()
    }

    /// Asks until lines are lost.
    fn fill(&self) {
        soon("served", || (self.ask() == 200).then_some(()));
        soon("lines lost", || {
            assert!((0..100).all(|_| self.ask() == 200));
            (self.lost() > 0).then_some(())
        });
    }

    fn end(&mut self) -> Option<i32> {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        soon("the end", || self.process.try_wait().unwrap()).code()
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // Ended already, unless the test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_agent_whose_log_nobody_reads_serves_and_counts_what_is_lost() {
    let mut agent = Stuck::start();
    agent.fill();
    let lost = agent.lost();
    assert!((0..20).all(|_| agent.ask() == 200));
    assert!(agent.lost() > lost);
    // It is read again: once, and in its place, it is said how many are missing.
    let begun = Instant::now();
    let mut told = Vec::new();
    while told.is_empty() {
        assert!(begun.elapsed() < SOON, "the loss is not told");
        let mut line = String::new();
        assert_ne!(agent.pipe.read_line(&mut line).unwrap(), 0, "it ended");
        leaks::look("the log", &line);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        told.extend(line["lost"].as_u64());
    }
    let counted = agent.lost();
    assert_eq!(told, [counted], "all that were counted");
    assert_eq!(agent.ask(), 200);
    assert_eq!(agent.end(), Some(0));
    let rest: Vec<String> = agent.pipe.by_ref().lines().map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.contains("shutting down")), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("\"lost\":")), "{rest:?}");
}

#[test]
fn an_agent_whose_log_nobody_reads_ends_when_it_is_told() {
    let mut agent = Stuck::start();
    agent.fill();
    assert_eq!(agent.end(), Some(0));
}
