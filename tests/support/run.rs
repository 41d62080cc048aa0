//! Runs a program with a known environment, for a bounded time, and keeps what it said.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::leaks;

const BOUND: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn keyfob() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_keyfob"))
}

/// The full path of a program of this machine.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}

/// Says that a test could not run for want of a tool; fails it when `KEYFOB_REQUIRE_TOOLS=1`.
///
/// The words go around the test runner, which shows nothing of a test that passes, and into the file that `make test`
/// counts.
pub fn skip(why: &str) {
    let required = std::env::var_os("KEYFOB_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "KEYFOB_REQUIRE_TOOLS=1, but {why}");
    skip_here(why);
}

/// The same where no tool would help: this machine is of another kind.
pub fn skip_here(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("KEYFOB_SKIPPED") {
        let mut list = std::fs::File::options().create(true).append(true).open(path).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}

/// A program about to run. Its environment is empty but for what is given here.
pub struct Run {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    stdin: Vec<u8>,
    bound: Duration,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// None when it was killed for taking too long.
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Run {
    pub fn new(program: impl AsRef<OsStr>) -> Run {
        Run {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            stdin: Vec::new(),
            bound: BOUND,
        }
    }

    pub fn keyfob() -> Run {
        Run::new(keyfob())
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Run {
        args.into_iter().fold(self, |run, arg| run.arg(arg))
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Run {
        leaks::secret_variable(&name.as_ref().to_string_lossy(), &value.as_ref().to_string_lossy());
        let pair = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.env.push(pair);
        self
    }

    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(self, vars: impl IntoIterator<Item = (N, V)>) -> Run {
        let mut vars = vars.into_iter();
        vars.try_fold(self, |run, (name, value)| Some(run.env(name, value))).unwrap()
    }

    pub fn dir(mut self, dir: &Path) -> Run {
        self.dir = Some(dir.to_owned());
        self
    }

    pub fn stdin(mut self, text: &str) -> Run {
        self.stdin = text.as_bytes().to_vec();
        self
    }

    /// Killed, with its process group, after this long; 60 s unless said.
    pub fn within(mut self, bound: Duration) -> Run {
        self.bound = bound;
        self
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Runs it to its end, or to the bound.
    pub fn run(self) -> Finished {
        let started = Instant::now();
        let mut child = self
            .command()
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let group = Pid::from_raw(child.id().cast_signed());
        feed(child.stdin.take().unwrap(), self.stdin);
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let (tell, ended) = channel();
        thread::spawn(move || tell.send(child.wait().unwrap()));
        let status = ended.recv_timeout(self.bound).ok();
        if status.is_none() {
            let _ = killpg(group, Signal::SIGKILL);
        }
        let (stdout, stderr) = (text(&stdout, group), text(&stderr, group));
        leaks::look_at_program(Path::new(&self.program), &words(&self.args), &stdout, &stderr);
        Finished { status, stdout, stderr, took: started.elapsed() }
    }
}

pub(super) fn words(args: &[OsString]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
}

impl Finished {
    /// The exit code; 128 and the signal's number as a shell says it; none when it took too long.
    pub fn code(&self) -> Option<i32> {
        let status = self.status?;
        status.code().or(status.signal().map(|signal| 128 + signal))
    }

    /// Stops the test, with all that was said, unless the exit code is this.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Finished {
        assert_eq!(self.code(), Some(code), "{self:#?}");
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self:#?}"))
    }

    /// Stops the test when one of these texts was printed, without printing it again.
    #[track_caller]
    pub fn expect_none_of(&self, secrets: &[String]) {
        let leaked = |text: &String| self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!secrets.iter().any(leaked), "a secret was printed");
    }
}

fn feed(mut stdin: ChildStdin, text: Vec<u8>) {
    // A program that does not read its stdin may be gone before we wrote all of it.
    thread::spawn(move || stdin.write_all(&text));
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        tell.send(bytes)
    });
    told
}

/// A child of the program may hold the pipe open: it gets two seconds to let go, then it ends.
fn text(pipe: &Receiver<Vec<u8>>, group: Pid) -> String {
    let bytes = pipe.recv_timeout(Duration::from_secs(2)).or_else(|_| {
        let _ = killpg(group, Signal::SIGKILL);
        pipe.recv_timeout(Duration::from_secs(2))
    });
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}
