//! Keeps one role's credentials fresh: one task a role walks the chain, readers only load what it stored.
//!
//! Readers never cause a walk, so a thousand of them cost the source nothing. Decisions are in `judge`, `schedule` and
//! `snapshot`, which are pure; here are the sleeping, the walking and the storing.

pub mod judge;
pub mod schedule;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::chain::Chain;
use crate::clock::Clock;
use crate::credentials::RoleName;
use crate::event::{Event, Observe, Observers};
use crate::report::{Resolution, Trigger};
use crate::watcher::{Feed, Sight, Watcher};

pub use judge::Policy;
pub use snapshot::{Held, Snapshot, Usable};

/// What a request may wait for a first answer: most SDKs give up after a second (contract 3).
pub const PATIENCE: Duration = Duration::from_millis(800);
/// Signals and operators cause at most one walk in this time (contract 5).
const PACE: Duration = Duration::from_secs(1);

/// What a role is kept with.
#[derive(Debug)]
pub struct Parts {
    /// Its chain.
    pub chain: Arc<Chain>,
    /// What its configuration says.
    pub policy: Policy,
}

/// Something that starts a walk at once.
#[derive(Debug)]
enum Nudge {
    Signal,
    Refresh { drop: bool, done: oneshot::Sender<()> },
    Reconfigure(Box<Parts>),
}

/// The reading end of a role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    cell: Arc<ArcSwap<Snapshot>>,
    bell: watch::Receiver<u64>,
    nudges: mpsc::UnboundedSender<Nudge>,
    clock: Clock,
    asked: Arc<AtomicBool>,
}

impl Handle {
    /// Notes that somebody who may has asked for the credentials.
    pub fn note_asked(&self) {
        // Readers on all cores share it: written once, then only read.
        if !self.was_asked() {
            self.asked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anybody has, since the role is kept.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The role as it is.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.cell.load()
    }

    /// The role as it is once something is usable, or no walk is under way, or `patience` is over.
    pub async fn settled(&self, patience: Duration) -> Arc<Snapshot> {
        let mut bell = self.bell.clone();
        let ready = async {
            loop {
                // Marked before looking: a store between the look and the wait still rings.
                bell.mark_unchanged();
                let now = self.cell.load_full();
                if now.usable(self.clock.now()).is_some() || !now.walking || bell.changed().await.is_err() {
                    return;
                }
            }
        };
        let _late = tokio::time::timeout(patience, ready).await;
        self.cell.load_full()
    }

    /// Walks now, or joins the walk under way; returns when it has ended. With `drop`, what is held goes first.
    pub async fn refresh(&self, drop: bool) {
        let (done, ended) = oneshot::channel();
        if self.nudges.send(Nudge::Refresh { drop, done }).is_ok() {
            let _gone = ended.await;
        }
    }

    /// Walks soon, without waiting for it.
    pub fn signal(&self) {
        let _gone = self.nudges.send(Nudge::Signal);
    }

    /// Replaces chain and policy and walks; what is held and the bond stay.
    pub fn reconfigure(&self, parts: Parts) {
        let _gone = self.nudges.send(Nudge::Reconfigure(Box::new(parts)));
    }
}

/// The writing end of a role.
#[derive(Debug)]
pub struct Keeper {
    parts: Parts,
    cell: Arc<ArcSwap<Snapshot>>,
    bell: watch::Sender<u64>,
    nudges: mpsc::UnboundedReceiver<Nudge>,
    feed: Feed,
    watcher: Watcher,
    clock: Clock,
    observers: Observers,
    roll: fn() -> f64,
    echo: Echo,
    last_begun: Option<Instant>,
}

impl Keeper {
    /// A keeper and its reading end. `roll` gives chance in `0.0..=1.0`.
    #[must_use]
    pub fn new(
        parts: Parts,
        watcher: Watcher,
        clock: Clock,
        observers: Observers,
        roll: fn() -> f64,
    ) -> (Self, Handle) {
        let cell = Arc::new(ArcSwap::from_pointee(Snapshot::starting(clock.now())));
        let (bell, heard) = watch::channel(0);
        let (nudge, nudges) = mpsc::unbounded_channel();
        let feed = Feed::new(&feed_name(parts.chain.role()));
        let (asked, reading) = (Arc::default(), clock.clone());
        let handle = Handle { cell: Arc::clone(&cell), bell: heard, nudges: nudge, clock: reading, asked };
        let (echo, last_begun) = (Echo::default(), None);
        let keeper =
            Self { parts, cell, bell, nudges, feed, watcher, clock, observers, roll, echo, last_begun };
        (keeper, handle)
    }

    /// Walks, stores, sleeps, for ever.
    pub async fn keep(mut self) {
        let mut trigger = Trigger::Startup;
        let mut waiting = Vec::new();
        loop {
            self.walk(trigger, &mut waiting).await;
            waiting.clear();
            trigger = self.rest(&mut waiting).await;
        }
    }

    async fn walk(&mut self, trigger: Trigger, waiting: &mut Vec<oneshot::Sender<()>>) {
        self.observers.observe(&Event::Resolving(self.parts.chain.role()));
        self.store(self.cell.load().begun());
        self.last_begun = Some(Instant::now());
        let walk = Arc::new(self.resolve(trigger, waiting).await);
        let inputs = walk.inputs().map(|(kind, path, stamp)| (kind, path.clone(), stamp)).collect();
        let sight = self.watcher.follow(&mut self.feed, inputs).await;
        self.conclude(walk, sight);
    }

    /// Walks the chain; nudges that come meanwhile join it.
    async fn resolve(&mut self, trigger: Trigger, waiting: &mut Vec<oneshot::Sender<()>>) -> Resolution {
        let chain = Arc::clone(&self.parts.chain);
        let mut walk = std::pin::pin!(chain.resolve(trigger));
        let mut next = None;
        let resolution = loop {
            tokio::select! {
                resolution = &mut walk => break resolution,
                Some(nudge) = self.nudges.recv() => match nudge {
                    Nudge::Signal => {}
                    Nudge::Refresh { drop, done } => {
                        if drop {
                            self.store(self.cell.load().dropped());
                        }
                        waiting.push(done);
                    }
                    Nudge::Reconfigure(parts) => next = Some(parts),
                },
            }
        };
        if let Some(parts) = next {
            self.parts = *parts;
            self.echo.again = true;
        }
        resolution
    }

    fn conclude(&mut self, walk: Arc<Resolution>, sight: Sight) {
        let (now, before) = (self.clock.now(), self.cell.load_full());
        let policy = &self.parts.policy;
        let (bond, held, pending) = (before.bond.as_ref(), before.held.as_deref(), before.pending.as_ref());
        let verdict = judge::judge(policy, bond, held, pending, &walk, sight.settled, now);
        let mut next = before.after(Arc::clone(&walk), &verdict, policy, now, (self.roll)());
        if let Some(soon) = self.echo.after_walk(sight.changed, now) {
            next.due = Some(next.due.map_or(soon, |due| due.min(soon)));
        }
        let standing = next.standing();
        self.store(next);
        self.observers.observe(&Event::Judged { resolution: &walk, verdict: &verdict, standing: &standing });
    }

    fn store(&self, next: Snapshot) {
        self.cell.store(Arc::new(next));
        self.bell.send_modify(|rung| *rung += 1);
    }

    /// Sleeps until the next walk is due or something starts it over; returns why it begins.
    async fn rest(&mut self, waiting: &mut Vec<oneshot::Sender<()>>) -> Trigger {
        if std::mem::take(&mut self.echo.again) {
            return self.start_over(Trigger::Signal);
        }
        let due = self.cell.load().due;
        let mut jumps = self.clock.jumps();
        let clock = self.clock.clone();
        let trigger = tokio::select! {
            jumped = sleep_until(&clock, due) => if jumped { Trigger::Signal } else { return self.came_due() },
            _ = jumps.changed() => Trigger::Signal,
            path = self.feed.changed() => {
                self.observers.observe(&Event::InputChanged(&path));
                return self.start_over(Trigger::FileChange(path));
            }
            Some(nudge) = self.nudges.recv() => match nudge {
                Nudge::Signal => Trigger::Signal,
                Nudge::Refresh { drop, done } => {
                    if drop {
                        self.store(self.cell.load().dropped());
                    }
                    waiting.push(done);
                    Trigger::Operator
                }
                Nudge::Reconfigure(parts) => {
                    self.parts = *parts;
                    return self.start_over(Trigger::Signal);
                }
            },
        };
        if let Some(begun) = self.last_begun {
            tokio::time::sleep_until(begun + PACE).await;
        }
        self.start_over(trigger)
    }

    fn came_due(&mut self) -> Trigger {
        if let Some(path) = self.echo.path.take() {
            return Trigger::FileChange(path);
        }
        let now = self.cell.load();
        if now.failures > 0 || now.pending.is_some() { Trigger::Retry } else { Trigger::Schedule }
    }

    /// A nudge starts the backoff over: the inputs have changed, or somebody wants to know.
    fn start_over(&mut self, trigger: Trigger) -> Trigger {
        self.echo.path = None;
        let now = self.cell.load_full();
        if now.step > 0 {
            self.store(Snapshot { step: 0, ..Snapshot::clone(&now) });
        }
        trigger
    }
}

/// The name under which the watcher knows a role's keeper.
#[must_use]
pub fn feed_name(role: &RoleName) -> String {
    format!("role:{role}")
}

async fn sleep_until(clock: &Clock, due: Option<SystemTime>) -> bool {
    match due {
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Inputs that change while they are walked: one more walk follows, and such follow-ups are spaced, so that a helper
/// which rewrites the very file that names it does not spin us.
#[derive(Debug, Default)]
struct Echo {
    /// Walk again at once, whatever is due: chain or policy were replaced during a walk.
    again: bool,
    path: Option<PathBuf>,
    spacing: Option<Duration>,
    last: Option<SystemTime>,
}

const QUIET: Duration = Duration::from_mins(1);

impl Echo {
    /// When to walk again because of a change during the walk that just ended.
    fn after_walk(&mut self, changed: Option<PathBuf>, now: SystemTime) -> Option<SystemTime> {
        let quiet = self
            .last
            .is_none_or(|last| now.duration_since(last).is_ok_and(|since| since > QUIET + self.gap()));
        if quiet {
            self.spacing = None;
        }
        self.path = changed;
        self.path.as_ref()?;
        let spacing = self.spacing.map_or(schedule::SHORTEST, |gap| (gap * 2).min(QUIET));
        (self.spacing, self.last) = (Some(spacing), Some(now));
        Some(now + spacing)
    }

    fn gap(&self) -> Duration {
        self.spacing.unwrap_or_default()
    }
}

/// Chance from the system, in `0.0..=1.0`.
#[must_use]
pub fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}
