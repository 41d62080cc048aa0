//! `serve`: the agent, until somebody ends it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::Signal;

use super::args::{Admin, Serve};
use super::exit::Exit;
use super::signals::Signals;
use super::stop::Stop;
use super::telling::{Detail, Telling, exit_of};
use super::walk::Subject;
use super::{Scene, shadows, start_failed};
use crate::agent::{self, Agent, Control, Ended, Options};
use crate::config::overrides::Overrides;
use crate::config::parse::{DEFAULT_PATH, PATH_VARIABLE, load};
use crate::config::{Config, Listen, LogLevel};
use crate::roster::Entry;
use crate::server::Passed;
use crate::server::status::Explanation;
use crate::supervisor::{self, Supervisor};
use crate::telemetry::{self, Shown};
use crate::wiring::{Format, Wiring};

/// Serves until TERM.
///
/// # Errors
/// What keeps it from starting, or made it end.
pub(super) async fn run(args: &Serve, scene: &Scene, signals: Signals) -> Result<Exit, Stop> {
    let supervisor = Supervisor::of(&scene.env, scene.clock.clone()).map(|told| told.map(Arc::new));
    let supervisor = supervisor
        .map_err(|error| Stop::new(Exit::Usage, format!("NOTIFY_SOCKET cannot be used: {error}")))?;
    let ended = serve(args, scene, signals, supervisor.clone()).await;
    if let (Err(stop), Some(supervisor)) = (&ended, supervisor) {
        supervisor.lament(&stop.sentence());
    }
    ended
}

async fn serve(
    args: &Serve,
    scene: &Scene,
    mut signals: Signals,
    supervisor: Option<Arc<Supervisor>>,
) -> Result<Exit, Stop> {
    if let Some(Admin::Https(place)) = &scene.global.admin {
        let says = format!("--admin {place} says where to ask an agent, not where one listens");
        return Err(
            Stop::new(Exit::Usage, says).hint("fix: an IP address with a port; TLS is listen.admin_tls")
        );
    }
    let passed = Passed::take(&scene.env);
    let passed = passed
        .map_err(|error| Stop::new(Exit::Usage, format!("cannot take what systemd passed: {error}")))?;
    let env = scene.env.without(&supervisor::VARIABLES);
    let flags = Overrides { profile: args.profile.clone(), listen: args.listen.clone(), ..scene.overrides() };
    let loaded = load(scene.global.config.as_deref(), &scene.env)?;
    let quiet = scene.quiet();
    let level = move |mut config: Config| {
        if quiet {
            config.telemetry.log_level = LogLevel::Error;
        }
        config
    };
    let config = level(flags.apply(&loaded)?);
    telemetry::audit::check(&config.telemetry)?;
    telemetry::logs::install(&config.telemetry, &scene.env, &scene.clock, scene.terminal.err.is_on());
    let (named, same_env) = (scene.global.config.clone(), env.clone());
    let reread = move || Ok(level(flags.apply(&load(named.as_deref(), &same_env)?)?));
    let mut telemetry = telemetry::build(&config.telemetry, &env, scene.clock.clone());
    if let Some(supervisor) = supervisor {
        telemetry.observers = telemetry.observers.and(supervisor);
    }
    let options = Options {
        telemetry,
        config,
        passed,
        watch: Some(file(scene)),
        reread: Arc::new(reread),
        env,
        clock: scene.clock.clone(),
        unnamed: false,
        codes: None,
    };
    let agent = agent::start(options).map_err(start_failed)?;
    hint(&agent, scene).await;
    let (control, shown) = (agent.control(), agent.shown());
    let ended = tokio::select! {
        ended = agent.run() => ended,
        never = obey(&mut signals, &control) => match never {},
    };
    match ended {
        Ended::Stopped => Ok(Exit::Good),
        Ended::TooLate(late) => Err(too_late(&late, &shown, scene)),
        Ended::Broken(part) => Err(Stop::internal("a part of the agent ended by itself", part)),
    }
}

/// The file to watch, whether it is there or not.
fn file(scene: &Scene) -> PathBuf {
    let named = scene.global.config.clone();
    let named = named.or_else(|| scene.env.filled(PATH_VARIABLE).map(PathBuf::from));
    named.unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
}

/// Does what signals say, for as long as the agent lives.
async fn obey(signals: &mut Signals, control: &Control) -> std::convert::Infallible {
    let at_terminal = std::io::stdin().is_terminal();
    let mut ending = false;
    loop {
        let heard = signals.next().await;
        match heard.signal {
            Signal::SIGUSR1 => control.walk(),
            // Whoever sits there has gone away.
            Signal::SIGHUP if !at_terminal => control.reload(),
            Signal::SIGHUP | Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT if !ending => {
                ending = true;
                control.stop();
            }
            Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT => {
                // A second one: whoever sent it does not want to wait, but may want to know what happened.
                telemetry::logs::finish();
                std::process::exit(i32::from(Exit::Signal(heard.number()).code()));
            }
            _ => {}
        }
    }
}

/// On a terminal: what to paste into another shell.
async fn hint(agent: &Agent, scene: &Scene) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let about = agent.about();
    let roster = agent.roster();
    let role = roster.unnamed().or_else(|| roster.iter().next());
    let (Some(address), Some(role)) = (about.endpoint.as_ref(), role) else { return };
    let endpoint = format!("{address}/v1/credentials/{}", role.role.name);
    let subject = Subject { role: role.role.clone(), named: true, config: Config::default() };
    let region = subject.configured_region(subject.session(&scene.env).await.as_ref());
    let token_file = about.token_file.to_string_lossy();
    let wiring = Wiring::new(&endpoint, &token_file, region.as_deref(), &scene.env);
    let lines = wiring.write(Format::Sh);
    let usual = Listen::default().admin;
    let admin = about.admin.filter(|admin| Some(*admin) != usual);
    let ask = match (about.admin, admin) {
        (Some(_), None) => ", or run `eval \"$(keyfob env)\"` there".to_owned(),
        (_, Some(admin)) => format!(", or run `eval \"$(keyfob --admin {admin} env)\"` there"),
        (None, None) => String::new(),
    };
    scene.terminal.remark(&format!("Paste this into another shell{ask}:\n\n{lines}"));
    for shadow in shadows::of(&scene.env).await {
        scene.terminal.remark(&format!("keyfob: {shadow}"));
    }
}

/// The start-up deadline: what `explain` would say, cause and fix on the last lines.
fn too_late(late: &[Entry], shown: &Shown, scene: &Scene) -> Stop {
    let now = scene.clock.now();
    let mut last = Exit::Unreachable;
    for entry in late {
        let explanation = Explanation::of(entry, now, shown);
        let failure = explanation.role.as_ref().and_then(|role| role.last_failure.as_ref());
        let exit = failure.map_or(Exit::Unreachable, |failure| exit_of(Some(failure)));
        let telling = Telling {
            explanation: &explanation,
            failure,
            warnings: &[],
            origin: &["within startup.deadline".to_owned()],
            found: None,
            again: None,
            detail: Detail::Wrong,
            exit,
            now,
            manner: scene.terminal.of_remarks(),
        };
        scene.terminal.complain(telling.text().trim_end());
        last = exit;
    }
    Stop::silent(last)
}
