//! Runs a program for a walk: no shell, a deadline, nothing left behind.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::{WALK, output};
use crate::cause::{self, Cause};
use crate::config::env::Env;
use crate::failure::{Failure, FailureKind, Remedy};
use crate::program;
use crate::report::{Look, Notes};
use crate::source::Surroundings;

/// More than this is neither a set of credentials nor a token.
const STDOUT_LIMIT: usize = 64 * 1024;
/// What a failure quotes of the last line of stderr, in characters.
const LAST_WORDS: usize = 200;
/// What is kept of the end of stderr.
const STDERR_KEPT: usize = 2 * 1024;
/// How long an ended process may take to disappear.
const REAP: Duration = Duration::from_secs(2);

/// What a program is run with, and what its failures are called.
#[derive(Clone, Debug)]
pub(in crate::source) struct Program {
    /// What its failures begin with: `process of role app`.
    pub(in crate::source) name: String,
    /// All that it sees of the environment, but for `KEYFOB_WALK`.
    pub(in crate::source) env: Env,
    /// What `KEYFOB_WALK` says.
    pub(in crate::source) walk: Vec<String>,
    /// The cause when what it printed is of no use.
    pub(in crate::source) useless: &'static Cause,
    pub(in crate::source) around: Arc<Surroundings>,
}

impl Program {
    /// What it printed, once it has ended well. The first word is looked for in `PATH` unless it has a slash.
    ///
    /// # Errors
    /// It cannot be started, fails, prints too much, or does not end in time.
    pub(in crate::source) async fn run(
        &self,
        words: &[String],
        notes: &mut Notes,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let program = words.first().cloned().unwrap_or_default();
        let ended = self.end_of(words).await;
        let saw = match &ended {
            Ok(_) => "ended with status 0".to_owned(),
            Err(failure) => failure.context.clone(),
        };
        notes.looked.push(Look::Command { program, saw });
        ended
    }

    /// A sentence about it.
    pub(in crate::source) fn about(&self, what: &str) -> String {
        format!("{} {what}", self.name)
    }

    /// The failure of a program that printed something else than was wanted.
    pub(in crate::source) fn useless(&self, what: &str) -> Failure {
        Failure::malformed(self.useless, self.about(what))
    }

    async fn end_of(&self, words: &[String]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut child =
            program::start(&mut self.command(words)).map_err(|error| self.not_started(words, &error))?;
        let group = Group::of(&child, self.around.process_timeout.is_some());
        let talk = talk(&mut child);
        let talked = match self.around.process_timeout {
            Some(limit) => tokio::time::timeout(limit, talk).await.map_err(|_| limit),
            None => Ok(talk.await),
        };
        match talked {
            Ok(Ok(Said { status, stdout, stderr })) => {
                group.dismiss();
                if status.success() { Ok(stdout) } else { Err(self.failed(status, &stderr)) }
            }
            Ok(Err(broken)) => {
                self.end(group, child).await;
                let what = match broken {
                    Broken::TooMuch => format!("printed more than {} KiB", STDOUT_LIMIT / 1024),
                    Broken::Pipe(error) => format!("could not be read from: {error}"),
                };
                Err(self.useless(&what))
            }
            Err(limit) => {
                self.end(group, child).await;
                let context = self.about(&format!("did not end within {limit:?} and was ended"));
                Err(Failure::new(FailureKind::TimedOut, &cause::PROC_TIMEOUT, context))
            }
        }
    }

    fn command(&self, words: &[String]) -> Command {
        let mut words = words.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words).env_clear().envs(self.env.iter()).env(WALK, self.walk.join("\n"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Without a deadline somebody sits at the terminal, and the process may have to ask for a code: in a group
        // of its own it could not read from there.
        if self.around.process_timeout.is_some() {
            command.stdin(Stdio::null()).process_group(0);
        }
        command
    }

    /// Ends the whole group and waits until the process is gone.
    async fn end(&self, group: Group, mut child: Child) {
        drop(group);
        let _told = child.start_kill();
        // One that hangs in the kernel is reaped by tokio later.
        let _late = tokio::time::timeout(REAP, child.wait()).await;
    }

    fn not_started(&self, words: &[String], error: &io::Error) -> Failure {
        let program = words.first().map_or("", String::as_str);
        let why = match error.kind() {
            io::ErrorKind::NotFound if program.contains('/') => "does not exist".to_owned(),
            io::ErrorKind::NotFound => "is nowhere in PATH".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be executed by this user".to_owned(),
            _ => format!("could not be started: {error}"),
        };
        Failure::misconfigured(&cause::PROC_START, self.about(&format!("cannot be run: `{program}` {why}")))
    }

    fn failed(&self, status: ExitStatus, stderr: &[u8]) -> Failure {
        let said = output::presentable(stderr);
        if said.contains(cause::KF_LOOP.code) {
            let context = self.about("leads back to keyfob, which is resolving this very profile");
            return Failure::misconfigured(&cause::KF_LOOP, context).seen("stderr", said);
        }
        let last = said.lines().next_back().map(|line| line.chars().take(LAST_WORDS).collect::<String>());
        let words = last.map(|line| format!(": {line}")).unwrap_or_default();
        let cause = if of_certificate(&said) { &cause::RA_CERT } else { &cause::PROC_EXIT };
        let failure = Failure::denied(cause, self.about(&format!("failed: {status}{words}")));
        let failure = failure.seen("exit", status);
        // A shell's word for a program that it does not find.
        let failure = if status.code() == Some(127) {
            let path = self.env.get("PATH").unwrap_or_default();
            let text = "a program that the command calls is not in PATH: give its absolute path";
            failure.seen("PATH", path).mend(Remedy::new(text))
        } else {
            failure
        };
        if said.is_empty() { failure } else { failure.seen("stderr", said) }
    }
}

/// What `aws_signing_helper` passes on of IAM Roles Anywhere's refusal.
fn of_certificate(stderr: &str) -> bool {
    let says = |word: &str| stderr.contains(word);
    says("CreateSession") && ["ertificate", "session name", "SessionName"].into_iter().any(says)
}

/// The process group of a child that is still ours to end: dropped, it takes everything the child started with it.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child, own: bool) -> Self {
        let id = child.id().filter(|_| own).and_then(|id| i32::try_from(id).ok());
        Self(id.map(Pid::from_raw))
    }

    /// The child has been reaped: its number may be somebody else's from now on.
    fn dismiss(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Gone already is as good as ended.
            let _gone = killpg(leader, Signal::SIGKILL);
        }
    }
}

struct Said {
    status: ExitStatus,
    stdout: Zeroizing<Vec<u8>>,
    stderr: Vec<u8>,
}

enum Broken {
    TooMuch,
    Pipe(io::Error),
}

/// Reads both streams to their ends, then waits for the exit, as botocore's `communicate` does.
async fn talk(child: &mut Child) -> Result<Said, Broken> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(all(out), tail(err))?;
    let status = child.wait().await.map_err(Broken::Pipe)?;
    Ok(Said { status, stdout, stderr })
}

async fn all(stream: Option<impl AsyncRead + Unpin>) -> Result<Zeroizing<Vec<u8>>, Broken> {
    // Room for all there may be, so that no secret stays behind in a buffer that was outgrown.
    let mut bytes = Zeroizing::new(Vec::with_capacity(STDOUT_LIMIT + 1));
    if let Some(stream) = stream {
        let mut bounded = stream.take(STDOUT_LIMIT as u64 + 1);
        bounded.read_to_end(&mut bytes).await.map_err(Broken::Pipe)?;
    }
    if bytes.len() > STDOUT_LIMIT { Err(Broken::TooMuch) } else { Ok(bytes) }
}

async fn tail(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Broken> {
    let (mut kept, mut chunk) = (Vec::new(), [0; 1024]);
    let Some(mut stream) = stream else { return Ok(kept) };
    loop {
        let count = stream.read(&mut chunk).await.map_err(Broken::Pipe)?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let surplus = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..surplus);
    }
}
