//! Joins the parts: a configuration becomes listeners, keepers and a watcher; a reload changes what has changed.

mod env_files;
mod house;
mod orders;
mod regions;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::aws::{SignIn, Sts};
use crate::chain::Chain;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::{Address, Config, Problem, Role};
use crate::event::{Event, Observe, Observers};
use crate::failure::Failure;
use crate::http::{Client, Proxies};
use crate::roster::{Entry, Roster};
use crate::server::{self, About, Access, BindError, Certificates, Passed, Sessions, Shared, TokenFiles};
use crate::shutdown::Shutdown;
use crate::source::Surroundings;
use crate::source::lineup::{Botocore, looped};
use crate::source::mfa::Codes;
use crate::source::process::inherited_walk;
use crate::source::session::choose;
use crate::telemetry::{Shown, Telemetry};
use crate::watcher::Watcher;
use house::{House, Troubles};
use orders::Order;
use regions::Regions;

pub use orders::Control;

/// The kubelet's and systemd's patience, less some (design 10).
const SHUTDOWN: Duration = Duration::from_millis(1500);

/// How often the runtime says that it turns, unless somebody has to know more often.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Reads the configuration again, flags applied.
pub type Reread = Arc<dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync>;

/// What an agent is made of.
pub struct Options {
    /// In force at the start.
    pub config: Config,
    /// Sockets that were passed to this process.
    pub passed: Passed,
    /// The configuration file to watch, whether it exists or not.
    pub watch: Option<PathBuf>,
    /// How to read it again.
    pub reread: Reread,
    /// The environment all roles begin with.
    pub env: Env,
    /// Wall time.
    pub clock: Clock,
    /// Metrics and logs.
    pub telemetry: Telemetry,
    /// Whether the roles' names stand for nothing, because somebody named a profile: meeting them again is no circle.
    pub unnamed: bool,
    /// Who can be asked for codes of MFA devices.
    pub codes: Option<Arc<dyn Codes>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why an agent did not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be bound.
    Bind(BindError),
    /// Files of tokens and certificates that cannot be used.
    Files(Vec<Problem>),
    /// The system gives no randomness.
    Chance(getrandom::Error),
    /// A role that is being resolved by whoever started this process.
    Loop(Failure),
}

/// What the sources of one role need; `process_timeout` of `None` lets a process run for as long as it likes.
#[must_use]
pub fn surroundings(
    config: &Config,
    env: &Env,
    clock: &Clock,
    process_timeout: Option<Duration>,
) -> Surroundings {
    let http = Client::new(clock.clone());
    let attempt_timeout = config.refresh.attempt_timeout;
    let to_aws = http.clone().through(Proxies::from_env(env));
    Surroundings {
        clock: clock.clone(),
        sts: Sts::new(attempt_timeout, to_aws.clone()),
        sign_in: SignIn::new(attempt_timeout, to_aws),
        renews: true,
        http,
        attempt_timeout,
        process_timeout,
        own: Arc::default(),
        codes: None,
        walk: inherited_walk(env),
    }
}

/// The environment that a role's chain sees.
#[must_use]
pub fn role_env(role: &Role, env: &Env) -> Env {
    role.env.as_ref().map_or_else(|| env.clone(), |own| env.with(own))
}

/// A role's chain in that environment; `unnamed` as in [`Options`].
#[must_use]
pub fn chain(role: &Role, env: &Env, around: Arc<Surroundings>, unnamed: bool) -> Chain {
    let clock = around.clock.clone();
    let lineup = Botocore::new(role.clone(), role_env(role, env), around);
    let lineup = if unnamed { lineup.unnamed() } else { lineup };
    Chain::new(role.name.clone(), Box::new(lineup), clock)
}

/// An agent that listens and keeps.
pub struct Agent {
    shared: Arc<Shared>,
    shutdown: Shutdown,
    early: mpsc::UnboundedReceiver<&'static str>,
    control: Control,
    deadline: Option<Instant>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// How an agent ended.
#[derive(Debug)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// `startup.deadline` passed before every required role had credentials; these had none.
    TooLate(Vec<Entry>),
    /// A part of it ended by itself.
    Broken(&'static str),
}

/// Binds, opens token files and begins to keep every role.
///
/// # Errors
/// What cannot be bound, opened or resolved at all. Nothing is left running then.
pub fn start(options: Options) -> Result<Agent, StartError> {
    let Options { config, passed, watch, reread, env, clock, telemetry, unnamed, codes } = options;
    refuse_loops(&config, &env, unnamed)?;
    let bound = server::bind(&config.listen, passed).map_err(StartError::Bind)?;
    let (orders, ordered) = mpsc::unbounded_channel();
    let observers = telemetry.observers.and(Arc::new(Regions::new(orders.clone())));
    let admin = bound.admin_at.is_some();
    let tokens = TokenFiles::open(&config.auth, &config.roles, admin, &env, observers.clone());
    let (certificates, tokens) = both(Certificates::open(&config.listen), tokens)?;
    let (shutdown, early) = Shutdown::new();
    let (watcher, watching) = Watcher::new(clock.clone(), observers.clone());
    shutdown.spawn("watcher", shutdown.stopping.clone(), watching);
    keep_time(&shutdown, clock.clone(), observers.clone());
    if let Some(exporter) = telemetry.exporter {
        shutdown.spawn_last(|flushing| exporter.run(flushing));
    }

    let own: Vec<_> = bound.credentials_at.iter().filter_map(Address::tcp).chain(bound.admin_at).collect();
    let own = Arc::new(ArcSwap::from_pointee(own));
    let sessions = if config.listen.imds { Some(Sessions::new().map_err(StartError::Chance)?) } else { None };
    let wires = env_files::folder(&config.auth, &env, tokens.main());
    let about = About::new(&bound, &tokens, &certificates);
    let deadline = config.startup.deadline.map(|deadline| Instant::now() + deadline);
    let shared = Arc::new(Shared {
        roster: Arc::default(),
        access: tokens.access(),
        hosts: config.listen.hosts.clone(),
        sessions,
        clock,
        observers: observers.clone(),
        render: telemetry.render,
        shown: telemetry.shown,
        problems: Arc::default(),
        about,
        started: AtomicBool::new(false),
    });
    let mut house = House {
        config,
        env,
        reread,
        own,
        watcher,
        tokens,
        certificates,
        kept: BTreeMap::new(),
        shared: Arc::clone(&shared),
        shutdown: shutdown.clone(),
        unnamed,
        codes,
        troubled: Troubles::default(),
        wires,
    };
    observers.observe(&Event::ConfigApplied(&house.config));
    house.settle();
    observers.observe(&Event::Listening {
        credentials: &shared.about.credentials,
        admin: shared.about.admin,
        token_file: &shared.about.token_file,
    });
    bound.serve(&shared, &house.certificates, &shutdown);
    shutdown.spawn("house", shutdown.stopping.clone(), house.run(ordered, watch));
    Ok(Agent { shared, shutdown, early, control: Control::new(orders), deadline })
}

/// All that is wrong with either, at once.
fn both<A, B>(one: Result<A, Vec<Problem>>, other: Result<B, Vec<Problem>>) -> Result<(A, B), StartError> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => {
            let problems = [one.err(), other.err()].into_iter().flatten();
            Err(StartError::Files(problems.flatten().collect()))
        }
    }
}

/// Notices when the wall clock jumps, and says every few seconds that the runtime turns.
fn keep_time(shutdown: &Shutdown, clock: Clock, observers: Observers) {
    shutdown.spawn("clock", shutdown.stopping.clone(), async move { clock.watch_for_jumps().await });
    let every = observers.pulse().map_or(HEARTBEAT, |pulse| pulse.min(HEARTBEAT));
    shutdown.spawn("heartbeat", shutdown.stopping.clone(), async move {
        let mut pulse = tokio::time::interval(every);
        loop {
            pulse.tick().await;
            observers.observe(&Event::Heartbeat);
        }
    });
}

fn refuse_loops(config: &Config, env: &Env, unnamed: bool) -> Result<(), StartError> {
    let walk = inherited_walk(env);
    for role in &config.roles {
        let (profile, _) = choose(role.profile.as_deref(), &role_env(role, env));
        let profile = role.own.is_none().then_some(profile.as_str());
        if let Some(failure) = looped(&walk, (!unnamed).then_some(&role.name), profile) {
            return Err(StartError::Loop(failure));
        }
    }
    Ok(())
}

impl Agent {
    /// Bound addresses and token files.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.shared.about
    }

    /// The roles as they are now.
    #[must_use]
    pub fn roster(&self) -> Arc<Roster> {
        self.shared.roster.load_full()
    }

    /// Who may ask.
    #[must_use]
    pub fn access(&self) -> Access {
        self.shared.access.clone()
    }

    /// The trace that can be looked up for a walk.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Arc::clone(&self.shared.shown)
    }

    /// Tells it what to do, from elsewhere.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Serves until it is stopped, breaks, or misses its deadline; then ends every part in order.
    pub async fn run(mut self) -> Ended {
        let ended = tokio::select! {
            () = self.control.stopped() => Ended::Stopped,
            Some(part) = self.early.recv() => Ended::Broken(part),
            late = missed(self.deadline, &self.shared) => Ended::TooLate(late),
        };
        let observers = self.shared.observers.clone();
        self.shutdown.run(SHUTDOWN, |stage| observers.observe(&Event::Draining(stage))).await;
        ended
    }
}

/// Waits for the start-up deadline; returns if a required role has never had credentials by then.
async fn missed(deadline: Option<Instant>, shared: &Shared) -> Vec<Entry> {
    let Some(deadline) = deadline else { return std::future::pending().await };
    tokio::time::sleep_until(deadline).await;
    let roster = shared.roster.load_full();
    let never = |entry: &&Entry| entry.role.required && entry.handle.load().bond.is_none();
    let late: Vec<Entry> = roster.iter().filter(never).cloned().collect();
    if late.is_empty() { std::future::pending().await } else { late }
}
