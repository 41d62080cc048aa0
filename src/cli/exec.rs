//! `exec`: a command with an agent of its own, which ends when the command does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::args::Exec;
use super::child;
use super::code::Keyboard;
use super::exit::Exit;
use super::folder::PrivateFolder;
use super::signals::Signals;
use super::stop::Stop;
use super::telling::{Detail, Telling, exit_of};
use super::walk::Subject;
use super::{Scene, start_failed};
use crate::agent::{self, Agent, Options, StartError};
use crate::config::{Audit, Auth, Config, Listen, LogLevel, Startup};
use crate::credentials::SourceKind;
use crate::keeper::{Handle, Snapshot};
use crate::server::Passed;
use crate::server::status::{Explanation, FailureStatus};
use crate::source::profile::ini::Value;
use crate::source::profile::merge::Profile;
use crate::source::session::Session;
use crate::telemetry;
use crate::wiring::{Wiring, private_config};

/// For somebody at a terminal, who can end it.
const FOR_EVER: Duration = Duration::from_hours(24);

/// Runs the command; ends with its status.
///
/// # Errors
/// What kept it from being started.
pub(super) async fn run(args: &Exec, scene: &Scene, mut signals: Signals) -> Result<Exit, Stop> {
    let ours = |stop: Stop| stop.with(Exit::NotStarted);
    let subject = Subject::find(&scene.global, &args.whose, &scene.env).map_err(ours)?;
    let folder = PrivateFolder::new(&scene.env)
        .map_err(|error| Stop::internal("no place for private files", error))
        .map_err(ours)?;
    let agent = start(&subject, &folder, scene).map_err(|error| match error {
        // A circle is the chain's failure, not ours (contract 1).
        StartError::Loop(failure) => Stop::from(&failure),
        other => ours(start_failed(other)),
    })?;
    let control = agent.control();
    let ready = prepare(args, scene, &subject, &folder, &agent);
    let wiring = tokio::select! {
        wiring = ready => wiring.map_err(ours),
        heard = signals.end() => Err(Stop::silent(Exit::Signal(heard.number()))),
    };
    let run = async {
        let ended = match wiring {
            Ok(wiring) => child::run(&args.command, &wiring, &mut signals).await,
            Err(stop) => Err(stop),
        };
        control.stop();
        ended
    };
    tokio::join!(run, agent.run()).0
}

/// An agent for one role on a free port, without admin listener, with its token in the private folder.
fn start(subject: &Subject, folder: &PrivateFolder, scene: &Scene) -> Result<Agent, StartError> {
    let mut config = Config { roles: vec![subject.role.clone()], ..subject.config.clone() };
    config.listen = Listen {
        credentials: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        admin: None,
        ..Listen::default()
    };
    config.auth = Auth { token_file: Some(folder.join("token")), token_mode: 0o400, admin_token_file: None };
    config.startup = Startup { deadline: None };
    // stderr belongs to the command: only what it will suffer from is said.
    config.telemetry.log_level = LogLevel::Error;
    // Nor is its audit log the service's.
    config.telemetry.audit = Audit::Off;
    config.refresh.process_timeout = subject.process_timeout().unwrap_or(FOR_EVER);
    for role in &mut config.roles {
        (role.tokens, role.allow) = (Vec::new(), None);
    }
    let same = config.clone();
    telemetry::logs::install(&config.telemetry, &scene.env, &scene.clock, scene.terminal.err.is_on());
    let options = Options {
        telemetry: telemetry::build(&config.telemetry, &scene.env, scene.clock.clone()),
        config,
        passed: Passed::default(),
        watch: None,
        reread: Arc::new(move || Ok(same.clone())),
        env: scene.env.clone(),
        clock: scene.clock.clone(),
        unnamed: !subject.named,
        codes: Some(Arc::new(Keyboard::default())),
    };
    agent::start(options)
}

/// Waits for credentials, then writes what the command needs.
async fn prepare(
    args: &Exec,
    scene: &Scene,
    subject: &Subject,
    folder: &PrivateFolder,
    agent: &Agent,
) -> Result<Wiring, Stop> {
    let name = &subject.role.name;
    let roster = agent.roster();
    let handle = roster.find(name.as_str()).map(|entry| entry.handle.clone());
    let handle = handle.ok_or_else(|| Stop::internal("the agent lost its role", name))?;
    let now = usable(&handle, args.wait.unwrap_or_default(), scene).await;
    let Some(source) = now.usable(scene.clock.now()).map(|usable| usable.held.source) else {
        return Err(without(&now, subject, scene));
    };
    let session = subject.session(&scene.env).await;
    let region = subject.region(session.as_ref(), &scene.env, &scene.clock, source_of(subject, source)).await;
    let address = agent.about().endpoint.clone();
    let address = address.ok_or_else(|| Stop::internal("the agent has no address", name))?;
    let endpoint = format!("{address}/v1/credentials/{name}");
    let token_file = agent.about().token_file.to_string_lossy().into_owned();
    let wiring = Wiring::new(&endpoint, &token_file, region.as_deref(), &scene.env);
    if args.keep_aws_files {
        return Ok(wiring);
    }
    let text = settings(session.as_ref());
    let path =
        folder.write("config", &text).map_err(|error| Stop::internal("the private AWS config", error))?;
    Ok(wiring.without_aws_files(&path.to_string_lossy()))
}

/// The metadata service knows the region of its own credentials only.
fn source_of(subject: &Subject, source: SourceKind) -> SourceKind {
    if subject.role.assume.is_some() { SourceKind::ProfileAssumeRole } else { source }
}

/// The role once something is usable, or after its first walk, or when `patience` is over.
async fn usable(handle: &Handle, patience: Duration, scene: &Scene) -> Arc<Snapshot> {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + patience;
    loop {
        // A walk under way is always waited for: every source has a deadline of its own.
        let now = handle.settled(FOR_EVER).await;
        if now.usable(scene.clock.now()).is_some() || Instant::now() >= deadline {
            return now;
        }
        sleep(LOOK_EVERY.min(deadline - Instant::now())).await;
    }
}

/// Says why there is nothing, as `explain` does; on stderr, because stdout is the command's.
fn without(now: &Snapshot, subject: &Subject, scene: &Scene) -> Stop {
    let at = scene.clock.now();
    let failure = now.reason(at);
    let status = FailureStatus::from(&failure);
    if let Some(walk) = &now.last {
        let explanation = Explanation::of_walk(&subject.role.name, walk);
        let telling = Telling {
            explanation: &explanation,
            failure: Some(&status),
            warnings: &[],
            origin: &["here".to_owned()],
            found: None,
            again: None,
            detail: Detail::Wrong,
            exit: Exit::NotStarted,
            now: at,
            manner: scene.terminal.of_remarks(),
        };
        scene.terminal.complain(telling.text().trim_end());
    }
    Stop::new(exit_of(Some(&status)), "no credentials: the command was not started")
}

/// The profile's settings for the private copy.
fn settings(session: Option<&Session>) -> String {
    let profile = session.and_then(Session::settings);
    let name = profile.and_then(|profile| profile.plain("services"));
    let services = name.and_then(|name| Some((name, pairs(session?.profiles.services(name)?))));
    let own = profile.map(pairs).unwrap_or_default();
    let own = own.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let services = services.as_ref().map(|(name, pairs)| {
        (*name, pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>())
    });
    private_config(own, services.as_ref().map(|(name, pairs)| (*name, pairs.as_slice())))
}

/// Keys and values as the file has them; a block begins with a line break.
fn pairs(profile: &Profile) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.to_string(),
        Value::Nested(block) => {
            block.iter().map(|(key, value)| format!("\n{key} = {}", value.as_str())).collect()
        }
    };
    profile.iter().map(|(key, setting)| (key.to_owned(), text(&setting.value))).collect()
}
