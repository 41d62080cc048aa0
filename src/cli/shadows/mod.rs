//! What an application asks before the agent, so that it never gets there: told by `explain`, of a process or of the
//! environment it runs in, and by whoever prints the wiring of a running shell, which cannot put files out of sight.

mod files;
mod judge;
mod mend;
mod process;
mod root;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Scene;
use super::args::{Admin, Explain};
use super::exit::Exit;
use super::stop::Stop;
use crate::clock::stamp;
use crate::config::env::Env;
use crate::failure::Failure;
use crate::server::status::{FailureStatus, Status};
use crate::wiring::{self, ENDPOINT, sh};
use judge::{Content, Mend, Shadow, Sight};
use process::{Process, Unseen};

/// For files on a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A sentence for each file that would win over the endpoint once the wiring is in force.
pub(super) async fn of(env: &Env) -> Vec<String> {
    // With the wiring in force no variable names a profile: it is `default`.
    let wired = env.without(&wiring::CONTRADICT);
    let found = patiently(move || judge::before(&Sight { env: &wired, read: &here })).await;
    let told = |shadow: &Shadow| {
        let remedies = shadow.mend.iter().map(|mend| mend.remedy(None, ""));
        remedies.fold(shadow.says.clone(), |says, remedy| format!("{says}; {remedy}"))
    };
    found.iter().map(told).collect()
}

/// Whose way to the agent is judged.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    process: Option<Arc<Process>>,
    /// What prints the wiring.
    wire: String,
}

impl Asker {
    /// The process that the command line names, if any; else whoever runs this.
    ///
    /// # Errors
    /// A process that cannot be looked at.
    pub(super) fn find(args: &Explain, scene: &Scene) -> Result<Self, Stop> {
        let wire = command(args, scene, "env");
        let Some(pid) = args.pid else { return Ok(Self { process: None, wire }) };
        if !cfg!(target_os = "linux") {
            return Err(Stop::new(Exit::Usage, "--pid works on Linux only: other systems have no /proc"));
        }
        let again = format!("sudo {} --pid {pid}", command(args, scene, "explain"));
        let process = Process::look(pid).map_err(|unseen| unseen.stop(pid, &again))?;
        Ok(Self { process: Some(Arc::new(process)), wire })
    }

    /// What keeps it from this agent, or from any where none was found.
    pub(super) async fn shadows(&self, agent: Option<&Status>, scene: &Scene) -> Vec<FailureStatus> {
        let found = match &self.process {
            Some(process) => of_process(Arc::clone(process), agent.cloned()).await,
            None => match agent.filter(|agent| is_wired(&scene.env, agent)).cloned() {
                Some(agent) => of_here(scene.env.clone(), agent).await,
                None => return Vec::new(),
            },
        };
        if let (Some(process), Some(_), true) = (&self.process, agent, found.is_empty()) {
            let says = format!("nothing is asked before the agent by {}", process.words());
            scene.terminal.remark(&format!("keyfob: {says}"));
        }
        found.iter().map(|shadow| FailureStatus::from(&self.failure(shadow))).collect()
    }

    fn failure(&self, shadow: &Shadow) -> Failure {
        let says = match &self.process {
            Some(process) => {
                format!("{}, by the environment it was started with: {}", process.words(), shadow.says)
            }
            None => format!("in this environment {}", shadow.says),
        };
        let failure = Failure::misconfigured(shadow.cause, printable(&says));
        let seen =
            |failure: Failure, (name, value): &(&'static str, String)| failure.seen(name, printable(value));
        let failure = shadow.seen.iter().fold(failure, seen);
        let remedies = shadow.mend.iter().map(|mend| mend.remedy(self.process.as_deref(), &self.wire));
        let failure = remedies.fold(failure, Failure::mend);
        let Some(process) = &self.process else { return failure };
        failure
            .seen("pid", process.pid)
            .seen("command", printable(&process.command))
            .seen("user", &process.user)
            .seen("started", stamp(process.started))
    }
}

/// A command for a shell that asks the same agent, of the same role.
fn command(args: &Explain, scene: &Scene, word: &str) -> String {
    let admin = match &scene.global.admin {
        Some(Admin::At(address)) => format!(" --admin {address}"),
        Some(Admin::Https(place)) => format!(" --admin {place}"),
        _ => String::new(),
    };
    let config = scene.global.config.as_ref();
    let config = config.map(|path| format!(" --config {}", sh(&path.to_string_lossy()))).unwrap_or_default();
    let role = args.whose.role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
    format!("keyfob{config}{admin} {word}{role}")
}

/// A shell that is not meant for the agent is just a shell.
fn is_wired(env: &Env, agent: &Status) -> bool {
    env.get(ENDPOINT).is_some_and(|full| judge::leads_to(full, agent))
}

async fn of_here(env: Env, agent: Status) -> Vec<Shadow> {
    patiently(move || every(&Sight { env: &env, read: &here }, Some(&agent), true)).await
}

async fn of_process(process: Arc<Process>, agent: Option<Status>) -> Vec<Shadow> {
    patiently(move || {
        let sight = Sight { env: &process.env, read: &|path| process.read(path) };
        every(&sight, agent.as_ref(), process.near)
    })
    .await
}

fn every(sight: &Sight<'_>, agent: Option<&Status>, here: bool) -> Vec<Shadow> {
    judge::before(sight).into_iter().chain(judge::wiring(sight, agent, here)).collect()
}

fn here(path: &Path) -> std::io::Result<Content> {
    let regular = path.metadata()?.is_file();
    Ok(Content { bytes: crate::file::read(path).1?.into(), regular })
}

/// Files are read off the async threads.
async fn patiently(look: impl FnOnce() -> Vec<Shadow> + Send + 'static) -> Vec<Shadow> {
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look)).await {
        Ok(Ok(found)) => found,
        _ => {
            let says = format!(
                "the AWS files could not be read within {PATIENCE:?}, and are asked before the endpoint"
            );
            vec![Shadow::first(says, Mend::Words("look at the file system that they are on"))]
        }
    }
}

impl Process {
    fn words(&self) -> String {
        printable(&format!("process {} ({})", self.pid, self.command))
    }
}

impl Unseen {
    fn stop(&self, pid: u32, again: &str) -> Stop {
        match self {
            Self::Gone => Stop::new(Exit::Usage, format!("there is no process {pid}")),
            Self::Ended => {
                let says =
                    format!("process {pid} has ended: it is only waiting to be collected by its parent");
                Stop::new(Exit::Usage, says)
            }
            Self::Closed(whose) => {
                let says = format!(
                    "the environment of process {pid} ({}) may not be read by this user",
                    printable(whose)
                );
                Stop::new(Exit::Refused, says).hint(format!("fix: {again}"))
            }
            Self::Broken(error) => {
                Stop::new(Exit::Refused, format!("process {pid} cannot be looked at: {error}"))
            }
        }
    }
}

/// What other processes say of themselves must not steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_that_would_win_are_named_with_their_line() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let (config, keys, boto) = (at("config"), at("credentials"), at("boto"));
        std::fs::write(&config, "[default]\nregion = r\n[profile p]\ncredential_process = x\n").unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let [config, keys, boto] = [config, keys, boto].map(|path| text(&path));
        let env = Env::from([
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_SHARED_CREDENTIALS_FILE", keys.as_str()),
            ("BOTO_CONFIG", boto.as_str()),
            ("AWS_PROFILE", "p"),
        ]);
        assert_eq!(of(&env).await, Vec::<String>::new());
        std::fs::write(&keys, "[default]\naws_access_key_id = AKIA\n").unwrap();
        std::fs::write(&boto, "[Credentials]\naws_access_key_id = AKIA\n").unwrap();
        let found = of(&env).await;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{keys}:2: aws_access_key_id of profile default wins")),
            "{found:?}"
        );
        assert!(found[0].ends_with(": `export AWS_SHARED_CREDENTIALS_FILE=/dev/null`"), "{found:?}");
        assert!(found[1].starts_with(&format!("{boto}:2: ")), "{found:?}");
        assert!(found[1].ends_with(": `export BOTO_CONFIG=/dev/null`"), "{found:?}");
        std::fs::write(&keys, "not an ini").unwrap();
        assert!(of(&env).await[0].contains("[FILE-PARSE]"));
    }

    #[test]
    fn nobody_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[31m\nb\u{9b}"), "a\\u{1b}[31m\\nb\\u{9b}");
    }
}
