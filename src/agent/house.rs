//! The roles that are kept and what a reload makes of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Order, Reread, chain, env_files, role_env, surroundings};
use crate::config::env::Env;
use crate::config::{Config, Own, Problem, Role};
use crate::credentials::RoleName;
use crate::event::{Event, Observe};
use crate::file::{self, Kind};
use crate::keeper::{self, Handle, Keeper, Parts, Policy};
use crate::roster::{Entry, Roster};
use crate::server::{Certificates, Shared, TokenFiles};
use crate::shutdown::Shutdown;
use crate::source::mfa::Codes;
use crate::watcher::{Feed, Watcher};

/// Token files are looked at this often even if no event says so.
const SURE: Duration = Duration::from_secs(30);

/// How often token files that change while they are read are read again at once.
const LOOKS: usize = 3;

/// A role that is kept.
pub(super) struct Kept {
    role: Role,
    parts_of: (Role, Policy),
    handle: Handle,
    stop: CancellationToken,
}

/// Owns what a reload changes.
pub(super) struct House {
    pub(super) config: Config,
    pub(super) env: Env,
    pub(super) reread: Reread,
    pub(super) own: Arc<ArcSwap<Vec<SocketAddr>>>,
    pub(super) watcher: Watcher,
    pub(super) tokens: TokenFiles,
    pub(super) certificates: Certificates,
    pub(super) kept: BTreeMap<RoleName, Kept>,
    pub(super) shared: Arc<Shared>,
    pub(super) shutdown: Shutdown,
    pub(super) unnamed: bool,
    pub(super) codes: Option<Arc<dyn Codes>>,
    pub(super) troubled: Troubles,
    /// The folder for the files of clients, if there are to be some.
    pub(super) wires: Option<PathBuf>,
}

/// What was wrong with files at the last look: said once.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    tokens: Vec<Problem>,
    certificates: Vec<Problem>,
    wires: Vec<String>,
}

impl House {
    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, watch: Option<PathBuf>) {
        let (mut config, mut tokens) = (Feed::new("config"), Feed::new("tokens"));
        let mut certificates = Feed::new("certificates");
        let mut sure = tokio::time::interval_at(Instant::now() + SURE, SURE);
        let mut jumps = self.shared.clock.jumps();
        if let Some(path) = &watch {
            self.catch_up(&mut config, path).await;
        }
        self.follow_tokens(&mut tokens).await;
        self.follow_certificates(&mut certificates).await;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Reload) => {
                        let _told_by_events = self.reload(true);
                        self.follow_tokens(&mut tokens).await;
                    }
                    Some(Order::Walk) => self.walk_all(),
                    Some(Order::Wire) => self.wire(),
                    None => return,
                },
                path = config.changed() => {
                    self.shared.observers.observe(&Event::InputChanged(&path));
                    self.follow_config(&mut config, path).await;
                    self.follow_tokens(&mut tokens).await;
                }
                _ = tokens.changed() => {
                    self.follow_tokens(&mut tokens).await;
                    let good = if self.troubled.tokens.is_empty() { Ok(()) } else { Err(()) };
                    self.shared.observers.observe(&Event::FileReread(Kind::Token, good));
                }
                _ = certificates.changed() => {
                    self.follow_certificates(&mut certificates).await;
                    let good = if self.troubled.certificates.is_empty() { Ok(()) } else { Err(()) };
                    self.shared.observers.observe(&Event::FileReread(Kind::CaBundle, good));
                }
                _ = sure.tick() => {
                    self.follow_tokens(&mut tokens).await;
                    self.follow_certificates(&mut certificates).await;
                }
                _ = jumps.changed() => self.shared.observers.observe(&Event::ClockJumped),
            }
        }
    }

    /// Begins to follow the configuration file, which may have changed since the agent was started with it.
    async fn catch_up(&mut self, feed: &mut Feed, path: &Path) {
        let stamp = file::stamp(path);
        if (self.reread)().as_ref() != Ok(&self.config) {
            let _told_by_events = self.reload(false);
        }
        if self
            .watcher
            .follow(feed, vec![(Kind::AgentConfig, path.to_owned(), stamp)])
            .await
            .changed
            .is_some()
        {
            self.follow_config(feed, path.to_owned()).await;
        }
    }

    /// Takes the file as it is, until it no longer changes while it is read.
    async fn follow_config(&mut self, feed: &mut Feed, path: PathBuf) {
        loop {
            // The stamp comes first: what changes after it is seen as a change.
            let stamp = file::stamp(&path);
            let good = self.reload(false);
            self.shared.observers.observe(&Event::FileReread(Kind::AgentConfig, good));
            let sight = self.watcher.follow(feed, vec![(Kind::AgentConfig, path.clone(), stamp)]).await;
            if sight.changed.is_none() {
                return;
            }
        }
    }

    async fn follow_tokens(&mut self, feed: &mut Feed) {
        for _ in 0..LOOKS {
            let stamped = |path: &Path| (Kind::Token, path.to_owned(), file::stamp(path));
            let read = self.tokens.paths().map(stamped).collect();
            let problems = self.tokens.reload(Instant::now());
            if problems != self.troubled.tokens {
                self.shared.observers.observe(&Event::TokensRejected(&problems));
                self.troubled.tokens = problems;
            }
            // Written again by ourselves, or by others meanwhile; what keeps changing waits for the next look.
            if self.watcher.follow(feed, read).await.changed.is_none() {
                return;
            }
        }
    }

    async fn follow_certificates(&mut self, feed: &mut Feed) {
        for _ in 0..LOOKS {
            let stamped = |path: &Path| (Kind::CaBundle, path.to_owned(), file::stamp(path));
            let read: Vec<_> = self.certificates.paths().map(stamped).collect();
            if read.is_empty() {
                return;
            }
            let problems = self.certificates.reload();
            if problems != self.troubled.certificates {
                self.shared.observers.observe(&Event::CertificatesRejected(&problems));
                self.troubled.certificates = problems;
            }
            if self.watcher.follow(feed, read).await.changed.is_none() {
                return;
            }
        }
    }

    fn walk_all(&self) {
        for kept in self.kept.values() {
            kept.handle.signal();
        }
    }

    fn reject(&self, problems: Vec<Problem>) {
        self.shared.observers.observe(&Event::ConfigRejected(&problems));
        self.shared.problems.store(Arc::new(problems));
    }

    /// Takes on the configuration as it is now, or nothing of it. A signal walks every role whatever it says.
    fn reload(&mut self, signalled: bool) -> Result<(), ()> {
        let taken = (self.reread)().and_then(|next| {
            let problems = needs_restart(&self.config, &next);
            if !problems.is_empty() {
                return Err(problems);
            }
            self.tokens.set_roles(&next.roles)?;
            Ok(next)
        });
        match taken {
            Ok(next) => {
                self.config = next;
                self.shared.problems.store(Arc::default());
                self.shared.observers.observe(&Event::ConfigApplied(&self.config));
                self.settle();
                Ok(())
            }
            Err(problems) => {
                self.reject(problems);
                if signalled {
                    self.walk_all();
                }
                Err(())
            }
        }
    }

    /// Makes the kept roles those of the configuration. Those that stay are walked.
    pub(super) fn settle(&mut self) {
        let wanted: Vec<Role> = self.config.roles.clone();
        let gone: Vec<RoleName> = self
            .kept
            .iter()
            .filter(|(name, kept)| {
                !wanted.iter().any(|role| role.name == **name && same_identity(role, &kept.role))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.let_go(&name, !wanted.iter().any(|role| role.name == name));
        }
        for role in wanted {
            self.take_on(role);
        }
        let entries =
            self.kept.values().map(|kept| Entry { role: kept.role.clone(), handle: kept.handle.clone() });
        self.shared.roster.store(Arc::new(Roster::new(entries)));
        self.wire();
    }

    /// Tells clients how to reach the roles there are.
    fn wire(&mut self) {
        let Some(folder) = &self.wires else { return };
        let trouble = env_files::write(folder, &self.shared.about, &self.shared.roster.load());
        if trouble != self.troubled.wires {
            self.shared.observers.observe(&Event::WiringUnwritten(&trouble));
            self.troubled.wires = trouble;
        }
    }

    fn let_go(&mut self, name: &RoleName, for_good: bool) {
        if let Some(kept) = self.kept.remove(name) {
            kept.stop.cancel();
            self.watcher.forget(&keeper::feed_name(name));
        }
        if for_good {
            self.shared.observers.observe(&Event::RoleRemoved(name));
        }
    }

    fn take_on(&mut self, role: Role) {
        let policy = Policy::of(&role, &self.config.refresh);
        let parts_of = (role.clone(), policy.clone());
        if let Some(mut kept) = self.kept.remove(&role.name) {
            if kept.parts_of == parts_of {
                kept.handle.signal();
            } else {
                kept.handle.reconfigure(self.parts(&role, policy));
                (kept.role, kept.parts_of) = (role.clone(), parts_of);
            }
            self.kept.insert(role.name, kept);
            return;
        }
        let (clock, observers) = (self.shared.clock.clone(), self.shared.observers.clone());
        let parts = self.parts(&role, policy);
        let (keeper, handle) = Keeper::new(parts, self.watcher.clone(), clock, observers, keeper::chance);
        let stop = self.shutdown.stopping.child_token();
        self.shutdown.spawn("keeper", stop.clone(), keeper.keep());
        self.kept.insert(role.name.clone(), Kept { role, parts_of, handle, stop });
    }

    fn parts(&self, role: &Role, policy: Policy) -> Parts {
        let env = role_env(role, &self.env);
        let timeout = Some(self.config.refresh.process_timeout);
        let mut around = surroundings(&self.config, &env, &self.shared.clock, timeout);
        (around.own, around.codes) = (Arc::clone(&self.own), self.codes.clone());
        Parts { chain: Arc::new(chain(role, &self.env, Arc::new(around), self.unnamed)), policy }
    }
}

/// Whether a role's table says the same but for what may change under way (contract 4).
fn same_identity(a: &Role, b: &Role) -> bool {
    let bare = |role: &Role| {
        let mut bare = role.clone();
        (bare.required, bare.imds_extend) = (true, true);
        (bare.tokens, bare.allow) = (Vec::new(), None);
        if let Some(assume) = &mut bare.assume {
            (assume.duration, assume.session_name) = (None, None);
        }
        if let Some(mint) = &mut bare.mint {
            mint.duration = None;
        }
        if let Some(Own::WebIdentity(identity)) = &mut bare.own {
            (identity.duration, identity.session_name) = (None, None);
        }
        bare
    };
    bare(a) == bare(b)
}

/// What cannot change while listeners are bound and tokens handed out.
fn needs_restart(now: &Config, next: &Config) -> Vec<Problem> {
    let changed = [
        ("listen", now.listen != next.listen),
        ("auth", now.auth != next.auth),
        ("telemetry", now.telemetry != next.telemetry),
    ];
    let problem = |at: &str| Problem {
        at: at.to_owned(),
        is: "it differs from what the agent was started with".to_owned(),
        want: "a restart, or the value as it was".to_owned(),
    };
    changed.into_iter().filter(|(_, changed)| *changed).map(|(at, _)| problem(at)).collect()
}
