//! Runs a command with the wiring in its environment and passes signals on to it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::exit::Exit;
use super::signals::{Heard, Signals};
use super::stop::Stop;
use crate::program;
use crate::wiring::Wiring;

/// Runs the command until it ends; no shell.
///
/// # Errors
/// The command is not there or cannot be run: 127 and 126, as a shell has it.
pub async fn run(command: &[OsString], wiring: &Wiring, signals: &mut Signals) -> Result<Exit, Stop> {
    let Some((name, arguments)) = command.split_first() else {
        return Err(Stop::new(Exit::NotStarted, "no command was given"));
    };
    let mut command = Command::new(name);
    command.args(arguments);
    for name in &wiring.unset {
        command.env_remove(name.as_ref());
    }
    command.envs(wiring.set.iter().map(|(name, value)| (name, value)));
    let mut child = program::start(&mut command).map_err(|error| not_run(&name.to_string_lossy(), &error))?;
    loop {
        tokio::select! {
            ended = child.wait() => {
                let internal = |error| Stop::new(Exit::NotStarted, format!("the command was lost: {error}"));
                return ended.map(exit).map_err(internal);
            }
            heard = signals.next() => pass_on(heard, &child),
        }
    }
}

fn not_run(program: &str, error: &io::Error) -> Stop {
    if error.kind() == io::ErrorKind::NotFound {
        return Stop::new(Exit::NotFound, format!("{program}: not found"));
    }
    Stop::new(Exit::NotExecutable, format!("{program}: cannot be run: {error}"))
}

/// What the terminal sends, it sends to the whole group: a second copy would make Ctrl-C count twice.
fn pass_on(heard: Heard, child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let (false, Some(id)) = (heard.of_terminal, id) {
        // It may have ended meanwhile; then its status is what counts.
        let _gone = kill(Pid::from_raw(id), heard.signal);
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => Exit::Signal(u8::try_from(signal.unwrap_or_default()).unwrap_or_default()),
    }
}
