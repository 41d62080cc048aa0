//! Runs a profile's `credential_process` and reads what it prints: no shell, a deadline, nothing left behind.

mod output;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::profile::merge::{Profile, Setting};
use super::text::{Unfinished, shell_words};
use super::{Source, Surroundings};
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::program;
use crate::report::{Look, Notes};

/// The variable by which a keyfob that was started by a keyfob notices a circle.
pub const WALK: &str = "KEYFOB_WALK";

/// What is being resolved by the processes above this one.
#[must_use]
pub fn inherited_walk(env: &Env) -> Vec<String> {
    env.filled(WALK).map(|list| list.lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// More than this is no set of credentials.
const STDOUT_LIMIT: usize = 64 * 1024;
/// What a failure quotes of the last line of stderr, in characters.
const LAST_WORDS: usize = 200;
/// What is kept of the end of stderr.
const STDERR_KEPT: usize = 2 * 1024;
/// How long an ended process may take to disappear.
const REAP: Duration = Duration::from_secs(2);

/// A profile's `credential_process`.
#[derive(Clone, Debug)]
pub struct Process {
    profile: String,
    setting: Setting,
    account: Option<String>,
    env: Env,
    walk: Vec<String>,
    around: Arc<Surroundings>,
}

impl Process {
    /// The process of a profile, to be run in this environment; `walk` is what `KEYFOB_WALK` will say. `None` when
    /// the profile names none.
    #[must_use]
    pub fn of(
        name: &str,
        profile: &Profile,
        env: &Env,
        walk: Vec<String>,
        around: &Arc<Surroundings>,
    ) -> Option<Self> {
        let setting = profile.setting("credential_process")?.clone();
        let account = profile.plain("aws_account_id").filter(|id| !id.is_empty()).map(str::to_owned);
        let (profile, env, around) = (name.to_owned(), env.clone(), Arc::clone(around));
        Some(Self { profile, setting, account, env, walk, around })
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        notes.looked.push(Look::Setting {
            path: self.setting.file.to_path_buf(),
            line: self.setting.line,
            saw: "credential_process".to_owned(),
        });
        let words = self.words()?;
        let program = words.first().cloned().unwrap_or_default();
        let ended = self.run(&words).await;
        let saw = match &ended {
            Ok(_) => "ended with status 0".to_owned(),
            Err(failure) => failure.context.clone(),
        };
        notes.looked.push(Look::Command { program, saw });
        output::credentials(&ended?, self.account.as_deref())
            .map_err(|what| Failure::malformed(&cause::PROC_JSON, self.about(&what)))
    }

    fn words(&self) -> Result<Vec<String>, Failure> {
        let words = shell_words(self.setting.text("credential_process")?).map_err(|open| {
            let what = match open {
                Unfinished::Quote => "has a quote that does not end",
                Unfinished::Escape => "ends with a backslash",
            };
            Failure::misconfigured(&cause::PROC_QUOTE, self.about(what))
        })?;
        if words.is_empty() {
            return Err(Failure::misconfigured(&cause::PROC_START, self.about("is empty")));
        }
        Ok(words)
    }

    fn about(&self, what: &str) -> String {
        format!("{}: credential_process of profile {} {what}", self.setting, self.profile)
    }

    async fn run(&self, words: &[String]) -> Result<Zeroizing<Vec<u8>>, Failure> {
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
                Err(Failure::malformed(&cause::PROC_JSON, self.about(&what)))
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
        let failure = Failure::denied(&cause::PROC_EXIT, self.about(&format!("failed: {status}{words}")));
        let failure = failure.seen("exit", status);
        if said.is_empty() { failure } else { failure.seen("stderr", said) }
    }
}

impl Source for Process {
    fn kind(&self) -> SourceKind {
        SourceKind::Process
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.ask(notes))
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::profile::ini::Ini;
    use super::super::testing::{Home, surroundings};
    use super::*;

    const GOOD: &str = r#"{"Version": 1, "AccessKeyId": "ASIAPROC", "SecretAccessKey": "s3cret"}"#;

    fn process(home: &Home, command: &str, limit: Option<Duration>) -> Process {
        let command = command.replace("HOME", home.path("").to_str().unwrap());
        let text = format!("[p]\ncredential_process = {command}\n");
        let ini = Ini::parse(text.as_bytes()).unwrap();
        let profile = Profile::of(ini.section("p").unwrap(), &Arc::from(Path::new("config")));
        let around = Arc::new(Surroundings { process_timeout: limit, ..surroundings() });
        Process::of("p", &profile, &home.env(), vec!["role:r".into(), "profile:p".into()], &around).unwrap()
    }

    async fn run(home: &Home, command: &str) -> Result<Credentials, Failure> {
        process(home, command, Some(Duration::from_secs(20))).fetch(&mut Notes::default()).await
    }

    #[tokio::test]
    async fn words_are_split_and_nothing_is_expanded() {
        let home = Home::with("", "");
        let found = run(&home, &format!("printf '{GOOD}'")).await.unwrap();
        assert_eq!(found.access_key_id, "ASIAPROC");
        let failure = run(&home, "printf %s $PATH | cat").await.unwrap_err();
        assert_eq!(failure.cause.code, "PROC-JSON");
    }

    #[tokio::test]
    async fn the_child_sees_the_roles_environment_the_walk_and_no_input() {
        let mut home = Home::with("", "");
        home.set("OWN", "value");
        home.write("look", "cat; printenv OWN KEYFOB_WALK > HOME/seen; env | wc -l >> HOME/seen\n");
        let mut expected = home.env().iter().count() + 1;
        run(&home, "sh HOME/look").await.unwrap_err();
        let seen = std::fs::read_to_string(home.path("seen")).unwrap();
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[..3], ["value", "role:r", "profile:p"]);
        // KEYFOB_WALK takes two lines; the shell adds PWD and its like.
        expected += 1;
        assert!((expected..expected + 4).contains(&lines[3].trim().parse().unwrap()), "{seen}");
    }

    #[tokio::test]
    async fn a_failed_process_is_quoted_without_its_secrets() {
        let home = Home::with("", "");
        home.write(
            "fail",
            "printf 'no session\\033[31m for you\\n{\"SecretAccessKey\": \"wJalrXUtnFEMI\"}\\n' >&2\n\
             echo 'key ASIAIOSFODNN7EXAMPLE, wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' >&2; exit 3\n",
        );
        let failure = run(&home, "sh HOME/fail").await.unwrap_err();
        assert_eq!((failure.kind, failure.cause.code), (FailureKind::Denied, "PROC-EXIT"));
        assert_eq!(failure.fact("exit"), Some("exit status: 3"));
        let said = failure.fact("stderr").unwrap();
        assert_eq!(said, "no session [31m for you\n{\"SecretAccessKey…\nkey …, …");
    }

    #[tokio::test]
    async fn what_cannot_be_started_is_said() {
        let home = Home::with("", "");
        home.write("plain", "x");
        let plain = home.path("plain").to_str().unwrap().to_owned();
        for (command, code, says) in [
            ("/no/such/helper --x", "PROC-START", "`/no/such/helper` does not exist"),
            ("no-such-helper", "PROC-START", "`no-such-helper` is nowhere in PATH"),
            (plain.as_str(), "PROC-START", "may not be executed"),
            ("~/helper", "PROC-START", "`~/helper` does not exist"),
            ("", "PROC-START", "is empty"),
            ("helper 'x", "PROC-QUOTE", "quote"),
        ] {
            let failure = run(&home, command).await.unwrap_err();
            assert_eq!((failure.kind, failure.cause.code), (FailureKind::Misconfigured, code), "{command}");
            assert!(failure.context.contains(says), "{}", failure.context);
            assert!(failure.context.starts_with("config:2: credential_process of profile p"));
        }
    }

    #[tokio::test]
    async fn a_flood_is_cut_off() {
        let home = Home::with("", "");
        let failure = run(&home, "yes").await.unwrap_err();
        assert_eq!(failure.cause.code, "PROC-JSON");
        assert!(failure.context.contains("more than 64 KiB"), "{}", failure.context);
        home.write("loud", &format!("yes | head -c 1000000 >&2; printf '{GOOD}'"));
        assert!(run(&home, "sh HOME/loud").await.is_ok(), "stderr may be long");
    }

    /// The state letter of a process; `None` when it is gone.
    fn state(pid: &str) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    async fn gone(pid: &str) -> bool {
        for _ in 0..100 {
            if matches!(state(pid), None | Some('Z' | 'X')) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    async fn child_of(home: &Home) -> String {
        loop {
            match std::fs::read_to_string(home.path("pid")) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    #[tokio::test]
    async fn a_hung_process_is_ended_with_all_it_started() {
        let home = Home::with("", "");
        home.write("hang", "sleep 600 & echo $! > HOME/pid; wait\n");
        let hung = process(&home, "sh HOME/hang", Some(Duration::from_millis(500)));
        let failure = hung.fetch(&mut Notes::default()).await.unwrap_err();
        assert_eq!((failure.kind, failure.cause.code), (FailureKind::TimedOut, "PROC-TIMEOUT"));
        assert!(gone(&child_of(&home).await).await);
    }

    #[tokio::test]
    async fn a_fetch_given_up_leaves_nothing_behind() {
        let home = Home::with("", "");
        home.write("hang", "sleep 600 & echo $! > HOME/pid; echo $$ > HOME/own; wait\n");
        let hung = process(&home, "sh HOME/hang", Some(Duration::from_secs(600)));
        let mut notes = Notes::default();
        let pid = tokio::select! {
            _ = hung.fetch(&mut notes) => panic!("it hangs"),
            pid = child_of(&home) => pid,
        };
        assert!(gone(&pid).await);
        let own = std::fs::read_to_string(home.path("own")).unwrap_or_default();
        assert!(own.is_empty() || gone(&own).await);
    }

    #[tokio::test]
    async fn without_a_deadline_the_process_shares_our_group() {
        let home = Home::with("", "");
        home.write("group", &format!("cut -d' ' -f5 /proc/$$/stat > HOME/group-seen; printf '{GOOD}'"));
        process(&home, "sh HOME/group", None).fetch(&mut Notes::default()).await.unwrap();
        let ours = nix::unistd::getpgrp().to_string();
        assert_eq!(std::fs::read_to_string(home.path("group-seen")).unwrap().trim(), ours);
    }
}
