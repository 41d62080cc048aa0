//! A program that is watched and signalled while it runs, and ended with its owner.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdin, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::run::Run;

/// How long a program may take to end after TERM.
const STOP: Duration = Duration::from_secs(20);

/// TERM ends it when it is dropped, KILL when that does not help.
pub struct Running {
    pid: Pid,
    pub stdin: Option<ChildStdin>,
    pub stdout: Arc<Log>,
    pub stderr: Arc<Log>,
    exit: Arc<Exit>,
    run: (std::path::PathBuf, Vec<String>),
}

#[derive(Default)]
struct Exit {
    status: Mutex<Option<ExitStatus>>,
    bell: Condvar,
}

impl Running {
    #[track_caller]
    pub fn start(run: &Run) -> Running {
        let mut child = run.command().spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let (stdin, exit) = (child.stdin.take(), Arc::new(Exit::default()));
        let stdout = Log::follow(child.stdout.take().unwrap());
        let stderr = Log::follow(child.stderr.take().unwrap());
        let teller = Arc::clone(&exit);
        thread::spawn(move || {
            // Waited for without reaping: whoever holds the lock may signal, the pid is still the program's.
            waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
            let mut status = teller.status.lock().unwrap();
            *status = Some(child.wait().unwrap());
            teller.bell.notify_all();
        });
        let run = (std::path::PathBuf::from(&run.program), super::run::words(&run.args));
        Running { pid, stdin, stdout, stderr, exit, run }
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// To the program alone, not to its group.
    pub fn signal(&self, signal: Signal) {
        let status = self.exit.status.lock().unwrap();
        if status.is_none() {
            kill(self.pid, signal).unwrap();
        }
    }

    /// The status, when it ends within the bound.
    pub fn wait(&self, bound: Duration) -> Option<ExitStatus> {
        let status = self.exit.status.lock().unwrap();
        let going = |status: &mut Option<ExitStatus>| status.is_none();
        *self.exit.bell.wait_timeout_while(status, bound, going).unwrap().0
    }

    /// TERM, then KILL for one that does not listen: the status says which it was.
    pub fn stop(&self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let status = self.wait(STOP).or_else(|| {
            let _ = killpg(self.pid, Signal::SIGKILL);
            self.wait(STOP)
        });
        // What it said last may still be on its way; a child of its own may hold the pipe for longer.
        self.stderr.ended(Duration::from_secs(2));
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        super::leaks::look_at_program(&self.run.0, &self.run.1, &self.stdout.text(), &self.stderr.text());
    }
}

/// The lines of a pipe, as they come.
#[derive(Default)]
pub struct Log {
    lines: Mutex<Lines>,
    bell: Condvar,
}

#[derive(Default)]
struct Lines {
    seen: Vec<String>,
    ended: bool,
}

impl Log {
    pub(super) fn follow(pipe: impl Read + Send + 'static) -> Arc<Log> {
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

    /// The first line, from the beginning, of which this makes something.
    pub fn find<T>(&self, bound: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
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

    pub(super) fn ended(&self, bound: Duration) -> bool {
        let lines = self.lines.lock().unwrap();
        let going = |lines: &mut Lines| !lines.ended;
        let (lines, _) = self.bell.wait_timeout_while(lines, bound, going).unwrap();
        lines.ended
    }

    /// Whether a line with this text comes; false when `bound` passes first or nothing more can come.
    pub fn says(&self, bound: Duration, text: &str) -> bool {
        let found = self.find(bound, |line| line.contains(text).then_some(()));
        found.is_some()
    }

    pub fn text(&self) -> String {
        self.lines.lock().unwrap().seen.join("\n")
    }
}
