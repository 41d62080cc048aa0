//! `demo`: the main job on a built-in fake AWS, for a command or for another shell.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

use super::args::Demo;
use super::exit::Exit;
use super::folder::PrivateFolder;
use super::signals::Signals;
use super::stop::Stop;
use super::{Scene, child, start_failed};
use crate::agent::{self, Agent, Options};
use crate::config::{LogLevel, Telemetry};
use crate::demo::{DemoAws, PREDATES, REGION};
use crate::server::Passed;
use crate::shutdown::Shutdown;
use crate::wiring::{Format, Wiring, private_config};
use crate::{demo, telemetry};

/// For the first credentials, and for connections to the fake AWS at the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the command against the demo and ends with its status; without one, stays until somebody ends it.
///
/// # Errors
/// What kept the demo from starting.
pub(super) async fn run(args: &Demo, scene: &Scene, mut signals: Signals) -> Result<Exit, Stop> {
    let alone = args.command.is_empty();
    let ours = |stop: Stop| if alone { stop } else { stop.with(Exit::NotStarted) };
    let broken = |what: &'static str| move |error| ours(Stop::internal(what, error));
    let folder = PrivateFolder::new(&scene.env).map_err(broken("no place for private files"))?;
    let aws = DemoAws::bind().await.map_err(broken("no port for the demo's AWS"))?;
    let (url, (shutdown, _early)) = (aws.url(), Shutdown::new());
    let terminal = scene.terminal;
    aws.serve(scene.clock.clone(), &shutdown, move |place| terminal.remark(&outside(place)));
    let agent = start(&url, folder.path(), alone, scene).map_err(ours)?;
    let wired = tokio::select! {
        wired = wire(&url, &folder, &agent, scene) => wired.map_err(ours),
        heard = signals.end() => Err(Stop::silent(if alone { Exit::Good } else { Exit::Signal(heard.number()) })),
    };
    let about = agent.about().clone();
    let (control, gone) = (agent.control(), CancellationToken::new());
    let work = async {
        let ended = match wired {
            Ok(wiring) if !alone => child::run(&args.command, &wiring, &mut signals).await,
            Ok(wiring) => match scene.terminal.answer(&lines(&wiring, about.admin, scene)) {
                Ok(()) => stay(&mut signals, &control, &gone).await,
                Err(stop) => Err(stop),
            },
            Err(stop) => Err(stop),
        };
        control.stop();
        ended
    };
    let keep = async {
        let _told_by_work = agent.run().await;
        gone.cancel();
    };
    let (ended, ()) = tokio::join!(work, keep);
    shutdown.run(PATIENCE, |_| {}).await;
    ended
}

fn outside(place: &str) -> String {
    format!(
        "keyfob: {place} was not reached: {PREDATES}, or wants more than the demo has; nothing leaves this machine"
    )
}

fn start(url: &str, folder: &Path, alone: bool, scene: &Scene) -> Result<Agent, Stop> {
    let mut config = demo::agent::config(url, folder);
    // Beside a command stderr is the command's: only what it will suffer from is said.
    let quiet = scene.quiet() || !alone;
    let log_level = if quiet { LogLevel::Error } else { config.telemetry.log_level };
    let log_format = scene.global.log_format.unwrap_or(config.telemetry.log_format);
    config.telemetry = Telemetry { log_level, log_format, ..config.telemetry };
    telemetry::logs::install(&config.telemetry, &scene.env, &scene.clock, scene.terminal.err.is_on());
    let same = config.clone();
    let env = demo::agent::env(folder);
    let options = Options {
        telemetry: telemetry::build(&config.telemetry, &env, scene.clock.clone()),
        config,
        passed: Passed::default(),
        watch: None,
        reread: Arc::new(move || Ok(same.clone())),
        env,
        clock: scene.clock.clone(),
        unnamed: false,
        codes: None,
    };
    agent::start(options).map_err(start_failed)
}

/// Waits for the first credentials, then says how to get at them.
async fn wire(url: &str, folder: &PrivateFolder, agent: &Agent, scene: &Scene) -> Result<Wiring, Stop> {
    let (about, roster) = (agent.about(), agent.roster());
    let (Some(address), Some(role)) = (about.endpoint.as_ref(), roster.unnamed()) else {
        return Err(Stop::internal("the demo's agent", "it has no address or no role"));
    };
    let now = role.handle.settled(PATIENCE).await;
    if now.usable(scene.clock.now()).is_none() {
        return Err(Stop::internal("the demo has no credentials", now.reason(scene.clock.now())));
    }
    let config = folder.write("config", &private_config([("region", REGION)], None));
    let config = config.map_err(|error| Stop::internal("the private AWS config", error))?;
    let endpoint = format!("{address}/v1/credentials/{}", role.role.name);
    let wiring = Wiring::new(&endpoint, &about.token_file.to_string_lossy(), Some(REGION), &scene.env);
    Ok(wiring.without_aws_files(&config.to_string_lossy()).for_demo(url, url, &scene.env))
}

/// What to paste, as a script: all that is not for the shell is a comment.
fn lines(wiring: &Wiring, admin: Option<std::net::SocketAddr>, scene: &Scene) -> String {
    const BOTO3: &str =
        r#"python3 -c 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'"#;
    let fish = scene.env.filled("SHELL").is_some_and(|shell| shell.ends_with("fish"));
    let variables = wiring.write(if fish { Format::Fish } else { Format::Sh });
    let admin = admin.map(|at| {
        format!(
            "\n# Look at it:\n#   status page  http://{at}/status\n#   metrics      http://{at}/metrics\n\
             #   by command   keyfob --admin {at} status\n"
        )
    });
    format!(
        "# A fake AWS and the agent against it. Nothing of yours is read, nothing leaves this machine.\n\
         # It ends with Ctrl-C; a shell that has pasted this is back to normal when it is closed.\n\n\
         # Paste into another shell:\n\n{variables}\n\
         # Then AWS answers there, to credentials that the agent keeps fresh:\n\n{BOTO3}\n{}",
        admin.unwrap_or_default()
    )
}

/// Until somebody ends it; USR1 makes the agent look again, as with `serve`.
async fn stay(
    signals: &mut Signals,
    control: &agent::Control,
    gone: &CancellationToken,
) -> Result<Exit, Stop> {
    loop {
        let heard = tokio::select! {
            heard = signals.next() => heard,
            () = gone.cancelled() => return Err(Stop::internal("the demo's agent", "a part of it ended by itself")),
        };
        match heard.signal {
            Signal::SIGUSR1 => control.walk(),
            _ if heard.ends() => return Ok(Exit::Good),
            _ => {}
        }
    }
}
