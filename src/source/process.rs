//! Runs a profile's `credential_process`, or a role's own `process`, and reads what it prints.

mod output;
mod run;
mod start;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(super) use run::Program;

use super::profile::merge::{Profile, Setting};
use super::text::{Unfinished, shell_words};
use super::{Source, Surroundings};
use crate::cause;
use crate::config::Argv;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::Failure;
use crate::report::{Look, Notes};

/// The variable by which a keyfob that was started by a keyfob notices a circle.
pub const WALK: &str = "KEYFOB_WALK";

/// What is being resolved by the processes above this one.
#[must_use]
pub fn inherited_walk(env: &Env) -> Vec<String> {
    env.filled(WALK).map(|list| list.lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// A command that prints credentials.
#[derive(Clone, Debug)]
pub struct Process {
    command: Command,
    /// Of credentials that are printed without one.
    account: Option<String>,
    program: Program,
}

#[derive(Clone, Debug)]
enum Command {
    /// A text of a profile, split into words as a shell would.
    Setting(Setting),
    /// Words of our own configuration.
    Words(Argv),
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
        let name = format!("{setting}: credential_process of profile {name}");
        let (env, around) = (env.clone(), Arc::clone(around));
        let program = Program { name, env, walk, useless: &cause::PROC_JSON, around };
        Some(Self { command: Command::Setting(setting), account, program })
    }

    /// The process of a role of our own configuration.
    #[must_use]
    pub(super) fn of_role(words: &Argv, program: Program) -> Self {
        Self { command: Command::Words(words.clone()), account: None, program }
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let words = match &self.command {
            Command::Setting(setting) => self.words(setting, notes)?,
            Command::Words(Argv(words)) => words.clone(),
        };
        let said =
            self.program.run(&words, notes).await.map_err(|failure| self.explained(failure, &words))?;
        output::credentials(&said, self.account.as_deref()).map_err(|what| self.program.useless(&what))
    }

    /// What kept a program from being started is looked for where its name may lead.
    fn explained(&self, failure: Failure, words: &[String]) -> Failure {
        let setting = match &self.command {
            Command::Setting(setting) => Some(setting),
            Command::Words(_) => None,
        };
        if failure.cause == &cause::PROC_START {
            start::explained(failure, words, setting, &self.program.env)
        } else {
            failure
        }
    }

    fn words(&self, setting: &Setting, notes: &mut Notes) -> Result<Vec<String>, Failure> {
        notes.looked.push(Look::Setting {
            path: setting.file.to_path_buf(),
            line: setting.line,
            saw: "credential_process".to_owned(),
        });
        let words = shell_words(setting.text("credential_process")?).map_err(|open| {
            let what = match open {
                Unfinished::Quote => "has a quote that does not end",
                Unfinished::Escape => "ends with a backslash",
            };
            let text = setting.text("credential_process").unwrap_or_default();
            let failure = Failure::misconfigured(&cause::PROC_QUOTE, self.program.about(what));
            failure.mend(start::closing(open, text, setting))
        })?;
        if words.is_empty() {
            return Err(Failure::misconfigured(&cause::PROC_START, self.program.about("is empty")));
        }
        Ok(words)
    }
}

impl Source for Process {
    fn kind(&self) -> SourceKind {
        match self.command {
            Command::Setting(_) => SourceKind::Process,
            Command::Words(_) => SourceKind::RoleProcess,
        }
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.ask(notes))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::profile::ini::Ini;
    use super::super::testing::{Home, surroundings};
    use super::*;
    use crate::failure::FailureKind;

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
