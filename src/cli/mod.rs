//! The command line: one file a command, one table of exit statuses, one way to say why there is no answer.

pub mod args;
pub mod ask;
mod check;
pub mod child;
mod code;
mod demo;
mod env;
mod exec;
pub mod exit;
mod explain;
pub mod folder;
mod get;
mod help;
pub mod layout;
pub mod place;
mod redact;
mod refresh;
mod serve;
mod shadows;
pub mod signals;
mod status;
pub mod stop;
pub mod telling;
pub mod terminal;
mod wait;
pub mod walk;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::agent::StartError;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::overrides::Overrides;
use crate::moment;
use crate::wiring::Caller;
use args::{Admin, Cli, Command, Global};
use exit::Exit;
use signals::{Held, Signals};
use stop::Stop;
use terminal::Terminal;

/// What every command is given.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Flags of all commands.
    pub global: Global,
    /// The process's environment.
    pub env: Env,
    /// Wall time.
    pub clock: Clock,
    /// Where answers and remarks go.
    pub terminal: Terminal,
}

impl Scene {
    /// The scene of these flags in this environment.
    #[must_use]
    pub fn new(global: Global, env: Env, clock: Clock) -> Self {
        let terminal = Terminal::new(&global, &env);
        Self { global, env, clock, terminal }
    }

    /// What the flags of all commands say about the configuration.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        let admin = self.global.admin.as_ref().and_then(|admin| match admin {
            Admin::Off => Some(None),
            Admin::At(address) => Some(Some(*address)),
            // Where to ask, not where to listen.
            Admin::Https(_) => None,
        });
        Overrides { admin, log_format: self.global.log_format, ..Overrides::default() }
    }

    /// Whether only errors are to be said.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.global.quiet
    }
}

impl Caller for Env {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name)
    }

    fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| name.to_owned()).collect()
    }
}

/// Understands the words of the command line; help and complaints are printed.
///
/// # Errors
/// The exit status where there is nothing to do.
pub fn parse(words: &[OsString]) -> Result<Cli, u8> {
    Cli::try_parse_from(words).map_err(|error| {
        // Help that nobody reads is no error.
        let _unread = error.print();
        misunderstood(words, error.kind()).code()
    })
}

fn misunderstood(words: &[OsString], why: ErrorKind) -> Exit {
    match why {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Good,
        _ if runs_a_command(words) => Exit::NotStarted,
        _ => Exit::Usage,
    }
}

/// Whether the words, wrong as they are, were to run a command: then our failures have a status of their own.
fn runs_a_command(words: &[OsString]) -> bool {
    let understood = Cli::command().ignore_errors(true).try_get_matches_from(words);
    let name = understood.as_ref().ok().and_then(|matches| matches.subcommand_name());
    name == Some("exec") || (name == Some("demo") && words.iter().any(|word| word == "--"))
}

/// Runs one command and says why there is no answer, if there is none.
pub async fn run(cli: Cli, env: Env, clock: Clock, held: Held) -> u8 {
    let scene = Scene::new(cli.global, env, clock);
    let ended = match held.watch() {
        Ok(signals) => dispatch(&cli.command, &scene, signals).await,
        Err(error) => Err(Stop::internal("signals cannot be watched", error)),
    };
    match ended {
        Ok(exit) => exit.code(),
        Err(stop) => {
            scene.terminal.last_words(&stop);
            stop.exit.code()
        }
    }
}

async fn dispatch(command: &Command, scene: &Scene, mut signals: Signals) -> Result<Exit, Stop> {
    let once = async {
        match command {
            Command::Get(args) => get::run(args, scene).await,
            Command::Explain(args) => explain::run(args, scene).await,
            Command::Env(args) => env::run(args, scene).await,
            Command::Status(args) => status::run(args, scene).await,
            Command::Refresh(args) => refresh::run(args, scene).await,
            Command::Wait(args) => wait::run(args, scene).await,
            Command::Check(args) => check::run(args, scene),
            Command::Serve(_) | Command::Exec(_) | Command::Demo(_) => Ok(Exit::Good),
        }
    };
    match command {
        Command::Serve(args) => serve::run(args, scene, signals).await,
        Command::Exec(args) => exec::run(args, scene, signals).await,
        Command::Demo(args) => demo::run(args, scene, signals).await,
        _ => tokio::select! {
            ended = once => ended,
            // Dropping the walk ends the processes it has started.
            heard = signals.end() => Err(Stop::silent(Exit::Signal(heard.number()))),
        },
    }
}

/// Why an agent did not start, for people.
#[must_use]
pub fn start_failed(error: StartError) -> Stop {
    match error {
        StartError::Bind(error) => Stop::from(&error.failure()).with(Exit::Usage),
        StartError::Files(problems) => problems.into(),
        StartError::Chance(error) => Stop::internal("the system gives no randomness", error),
        StartError::Loop(failure) => Stop::from(&failure),
    }
}

#[cfg(test)]
mod tests;
