//! A running `keyfob serve`, its addresses and its token.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::raw::{self, Reply};
use super::run::Run;

const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(20);

/// Where the agent listens and where its token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub credentials: SocketAddr,
    pub admin: SocketAddr,
    pub token_file: PathBuf,
}

/// An agent; ended by TERM when dropped.
pub struct Serving {
    child: Child,
    pub bound: Bound,
    log: Arc<Log>,
    stdout: Arc<Log>,
}

impl Serving {
    /// Starts `keyfob serve` on free ports with these further arguments and nothing but these variables.
    #[track_caller]
    pub fn start<N: AsRef<std::ffi::OsStr>, V: AsRef<std::ffi::OsStr>>(
        args: &[&str],
        env: impl IntoIterator<Item = (N, V)>,
    ) -> Serving {
        let run = Run::keyfob()
            .args(["serve", "--log-format", "json"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(args)
            .envs(env);
        match Serving::launch(&run) {
            Ok(serving) => serving,
            Err(log) => panic!("keyfob serve did not say where it listens:\n{log}"),
        }
    }

    /// Starts any command line that serves; the error is its log.
    pub fn launch(run: &Run) -> Result<Serving, String> {
        let mut child = run.command().spawn().unwrap();
        drop(child.stdin.take());
        let log = Log::follow(child.stderr.take().unwrap());
        let stdout = Log::follow(child.stdout.take().unwrap());
        let found = log.find(START, parse_bound);
        match found {
            Some(bound) => Ok(Serving { child, bound, log, stdout }),
            None => {
                let _ = killpg(pid(&child), Signal::SIGKILL);
                let _ = child.wait();
                Err(log.text())
            }
        }
    }

    pub fn pid(&self) -> i32 {
        pid(&self.child).as_raw()
    }

    /// The credentials token, read anew.
    pub fn token(&self) -> String {
        std::fs::read_to_string(&self.bound.token_file).unwrap()
    }

    /// GET on the credentials listener with the token.
    pub fn credentials(&self, path: &str) -> Reply {
        let token = self.token();
        raw::get(self.bound.credentials, path, &[("Authorization", &token)])
    }

    /// GET on the admin listener.
    pub fn admin(&self, path: &str) -> Reply {
        raw::get(self.bound.admin, path, &[])
    }

    /// The variables that point an SDK at the agent.
    pub fn client_env(&self) -> Vec<(String, String)> {
        let uri = format!("http://{}/v1/credentials", self.bound.credentials);
        let token_file = self.bound.token_file.display().to_string();
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Waits for a log line; false when `bound` passes first or the log ends.
    pub fn wait_for_log(&self, bound: Duration, wanted: impl Fn(&str) -> bool) -> bool {
        let found = self.log.find(bound, |line| wanted(line).then_some(()));
        found.is_some()
    }

    pub fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).unwrap();
    }

    /// TERM, and KILL for one that does not listen (then the status is a signal's).
    pub fn stop(mut self) -> (ExitStatus, String) {
        let status = self.end();
        (status, self.log.text())
    }

    fn end(&mut self) -> ExitStatus {
        if let Ok(Some(status)) = self.child.try_wait() {
            return status;
        }
        let _ = kill(pid(&self.child), Signal::SIGTERM);
        // Its stderr ends with it, which is something one can wait for with a bound.
        if !self.log.ended(STOP) {
            let _ = killpg(pid(&self.child), Signal::SIGKILL);
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end();
    }
}

/// The one place that knows what the agent's first log line looks like.
fn parse_bound(line: &str) -> Option<Bound> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = match line.get("fields") {
        Some(fields) => fields,
        None => &line,
    };
    let text = |name: &str| fields.get(name)?.as_str();
    Some(Bound {
        credentials: text("credentials_address")?.parse().ok()?,
        admin: text("admin_address")?.parse().ok()?,
        token_file: text("token_file")?.into(),
    })
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// The lines of a pipe, as they come.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    bell: Condvar,
}

#[derive(Default)]
struct Lines {
    seen: Vec<String>,
    ended: bool,
}

impl Log {
    fn follow(pipe: impl Read + Send + 'static) -> Arc<Log> {
        let log = Arc::new(Log::default());
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                writer.lines.lock().unwrap().seen.push(line);
                writer.bell.notify_all();
            }
            writer.lines.lock().unwrap().ended = true;
            writer.bell.notify_all();
        });
        log
    }

    fn find<T>(&self, bound: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + bound;
        let mut lines = self.lines.lock().unwrap();
        let mut next = 0;
        loop {
            let found = lines.seen[next..].iter().find_map(|line| wanted(line));
            next = lines.seen.len();
            let left = end.saturating_duration_since(Instant::now());
            if found.is_some() || lines.ended || left.is_zero() {
                return found;
            }
            lines = self.bell.wait_timeout(lines, left).unwrap().0;
        }
    }

    fn ended(&self, bound: Duration) -> bool {
        let lines = self.lines.lock().unwrap();
        let going = |lines: &mut Lines| !lines.ended;
        let (lines, _) = self.bell.wait_timeout_while(lines, bound, going).unwrap();
        lines.ended
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().seen.join("\n")
    }
}
