//! Notices that files change: events make it fast, a look at everything each half minute makes it sure.
//!
//! It says only "this file reads differently from what you read": it parses nothing and decides nothing. Whoever follows
//! files hands over the stamps of what it read, so that a change between the reading and the watching is not lost.

mod events;
mod tally;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::event::{Event, Observe, Observers};
use crate::file::{self, Kind, Stamp};
use events::{Events, Happened};
use tally::Tally;

/// Bursts of events on one file are one change.
const DEBOUNCE: Duration = Duration::from_millis(30);
/// A writer that keeps a file open is not waited for longer than this before its file is looked at.
const WRITING: Duration = Duration::from_secs(1);
/// A file written and not closed counts as changing for at most this long.
const SETTLING: Duration = Duration::from_secs(10);
/// Without events a file counts as changing while its stamp is younger than this.
const YOUNG: Duration = Duration::from_secs(2);
/// Events can fail to come (network file systems, exhausted limits): everything is looked at this often, always.
const SURE: Duration = Duration::from_secs(30);
/// A file system that hangs must not hold anybody for longer.
const LOOKING: Duration = Duration::from_secs(5);

/// What was seen of a follower's files when they began to be followed.
#[derive(Debug)]
pub struct Sight {
    /// A file that differs from what was read.
    pub changed: Option<PathBuf>,
    /// Whether none of them is being written.
    pub settled: bool,
}

/// The receiving end of a follower: the files that changed.
#[derive(Debug)]
pub struct Feed {
    name: Box<str>,
    tell: mpsc::UnboundedSender<PathBuf>,
    told: mpsc::UnboundedReceiver<PathBuf>,
}

impl Feed {
    /// A feed under a name of its own.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { name: name.into(), tell, told }
    }

    /// Waits for a change; those that came together are one.
    pub async fn changed(&mut self) -> PathBuf {
        let Some(path) = self.told.recv().await else { return std::future::pending().await };
        self.drain();
        path
    }

    fn drain(&mut self) {
        while self.told.try_recv().is_ok() {}
    }
}

enum Ask {
    /// Watch these paths for the follower; tell it nothing until it has looked itself.
    Prepare {
        name: Box<str>,
        trails: BTreeMap<PathBuf, Vec<PathBuf>>,
        kinds: BTreeMap<PathBuf, Kind>,
        ready: oneshot::Sender<()>,
    },
    /// It has looked: this is what it saw.
    Follow {
        name: Box<str>,
        seen: BTreeMap<PathBuf, Stamp>,
        tell: mpsc::UnboundedSender<PathBuf>,
        settled: oneshot::Sender<bool>,
    },
    Forget {
        name: Box<str>,
    },
}

/// The asking end of the watcher. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Watcher(mpsc::UnboundedSender<Ask>);

impl Watcher {
    /// A watcher, and the task that does its work.
    pub fn new(clock: Clock, observers: Observers) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (ask, asked) = mpsc::unbounded_channel();
        (Self(ask), Watch::new(clock, observers).run(asked))
    }

    /// A watcher that sees nothing.
    #[must_use]
    pub fn blind() -> Self {
        Self(mpsc::unbounded_channel().0)
    }

    /// Follows these files instead of those before, and compares them with what was read. Later changes of content
    /// come through the feed.
    pub async fn follow(&self, feed: &mut Feed, read: Vec<(Kind, PathBuf, Stamp)>) -> Sight {
        let kinds = read.iter().map(|(kind, path, _)| (path.clone(), *kind)).collect();
        let read: BTreeMap<PathBuf, Stamp> = read.into_iter().map(|(_, path, stamp)| (path, stamp)).collect();
        let paths: Vec<PathBuf> = read.keys().cloned().collect();
        let trails =
            look(move || paths.into_iter().map(|path| (path.clone(), trail::trail(&path))).collect()).await;
        let (ready, prepared) = oneshot::channel();
        // Dropped at once: a question that nobody hears takes its answer's sender with it.
        drop(self.0.send(Ask::Prepare {
            name: feed.name.clone(),
            trails: trails.unwrap_or_default(),
            kinds,
            ready,
        }));
        let _gone = prepared.await;
        // What was told until now is older than the look that follows.
        feed.drain();
        let seen = stamps(read.keys().cloned().collect()).await.unwrap_or_else(|| read.clone());
        let changed =
            seen.iter().find(|(path, stamp)| read.get(*path) != Some(stamp)).map(|(path, _)| path.clone());
        let (answer, settled) = oneshot::channel();
        drop(self.0.send(Ask::Follow {
            name: feed.name.clone(),
            seen,
            tell: feed.tell.clone(),
            settled: answer,
        }));
        Sight { changed, settled: settled.await.unwrap_or(true) }
    }

    /// Follows nothing for that name any more.
    pub fn forget(&self, name: &str) {
        let _gone = self.0.send(Ask::Forget { name: name.into() });
    }
}

/// Runs file-system work where it may block, for a bounded time.
async fn look<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::time::timeout(LOOKING, tokio::task::spawn_blocking(work)).await.ok()?.ok()
}

async fn stamps(paths: Vec<PathBuf>) -> Option<BTreeMap<PathBuf, Stamp>> {
    look(move || paths.into_iter().map(|path| (path.clone(), file::stamp(&path))).collect()).await
}

#[derive(Default)]
struct Follower {
    trails: BTreeMap<PathBuf, Vec<PathBuf>>,
    kinds: BTreeMap<PathBuf, Kind>,
    /// What it knows; empty while it is looking.
    known: BTreeMap<PathBuf, Stamp>,
    tell: Option<mpsc::UnboundedSender<PathBuf>>,
    looking: bool,
    /// It was told that something is being written, and waits to hear that it has settled.
    waits: bool,
}

struct Watch {
    clock: Clock,
    observers: Observers,
    events: Option<Events>,
    followers: BTreeMap<Box<str>, Follower>,
    /// Files being written, since when.
    writing: BTreeMap<PathBuf, Instant>,
    /// Files to look at, when.
    due: BTreeMap<PathBuf, Instant>,
    degraded: bool,
    tally: Tally,
}

impl Watch {
    fn new(clock: Clock, observers: Observers) -> Self {
        let (followers, writing, due) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let tally = Tally::new(observers.clone());
        Self { clock, observers, events: None, followers, writing, due, degraded: false, tally }
    }

    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<Ask>) {
        self.open();
        let mut sure = tokio::time::interval_at(Instant::now() + SURE, SURE);
        loop {
            let next = self.due.values().min().copied();
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(ask) => self.answer(ask),
                    None => return,
                },
                happened = next_event(&mut self.events) => self.note(happened),
                () = until(next) => self.check_due().await,
                _ = sure.tick() => {
                    if self.events.is_none() {
                        self.open();
                    }
                    self.check(self.all_inputs()).await;
                }
            }
        }
    }

    /// Opens the event queue. Without one the half-minute look has to do.
    fn open(&mut self) {
        match Events::open() {
            Ok(events) => {
                self.events = Some(events);
                self.rewatch();
            }
            Err(error) => self.degrade(&error),
        }
    }

    fn degrade(&mut self, error: &str) {
        if !std::mem::replace(&mut self.degraded, true) {
            self.observers.observe(&Event::WatchDegraded(error));
        }
        self.count();
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Prepare { name, trails, kinds, ready } => {
                let follower = self.followers.entry(name).or_default();
                self.tally.follows(&follower.kinds, &kinds);
                (follower.trails, follower.kinds, follower.looking) = (trails, kinds, true);
                self.rewatch();
                let _gone = ready.send(());
            }
            Ask::Follow { name, seen, tell, settled } => {
                seen.iter().for_each(|(path, stamp)| self.tally.saw(path, *stamp));
                let calm = self.settled(&seen, &name);
                if let Some(follower) = self.followers.get_mut(&name) {
                    (follower.known, follower.tell, follower.looking) = (seen, Some(tell), false);
                    follower.waits = !calm;
                }
                let _gone = settled.send(calm);
            }
            Ask::Forget { name } => {
                let gone = self.followers.remove(&name).unwrap_or_default();
                self.tally.follows(&gone.kinds, &BTreeMap::new());
                self.rewatch();
            }
        }
    }

    /// Whether none of the follower's files is being written.
    fn settled(&self, seen: &BTreeMap<PathBuf, Stamp>, name: &str) -> bool {
        if self.events.is_none() {
            let now = self.clock.now();
            let young = |at: std::time::SystemTime| now.duration_since(at).is_ok_and(|age| age < YOUNG);
            return !seen
                .values()
                .any(|stamp| matches!(stamp, Stamp::Content { modified: Some(at), .. } if young(*at)));
        }
        let Some(follower) = self.followers.get(name) else { return true };
        !follower.trails.values().flatten().any(|path| self.writing.contains_key(path))
    }

    /// Watches the folders of every path that matters, and no others.
    fn rewatch(&mut self) {
        let trails = self.followers.values().flat_map(|follower| follower.trails.values()).flatten();
        let wanted: BTreeSet<PathBuf> = trails.filter_map(|path| path.parent().map(Path::to_owned)).collect();
        let outcome = self.events.as_mut().map(|events| events.watch(wanted));
        match outcome {
            Some(Err(error)) => self.degrade(&error),
            Some(Ok(())) if std::mem::take(&mut self.degraded) => {
                self.observers.observe(&Event::WatchRestored)
            }
            _ => {}
        }
        self.count();
    }

    fn count(&mut self) {
        self.tally.tell(self.events.is_some() && !self.degraded);
    }

    fn note(&mut self, happened: Happened) {
        let now = Instant::now();
        match happened {
            Happened::Everything => {
                self.tally.lost();
                self.due.extend(self.all_inputs().into_iter().map(|path| (path, now + DEBOUNCE)))
            }
            Happened::Written(path) => {
                let since = *self.writing.entry(path.clone()).or_insert(now);
                self.plan(&path, since + WRITING);
                // Closing may never be heard of: settled it is all the same, after a while.
                self.due.entry(path).or_insert(since + SETTLING);
            }
            Happened::Finished(path) => {
                self.writing.remove(&path);
                self.due.remove(&path);
                self.plan(&path, now + DEBOUNCE);
            }
        }
    }

    /// Plans a look at every input on whose way the path lies.
    fn plan(&mut self, path: &Path, at: Instant) {
        let matters =
            |trail: &Vec<PathBuf>| trail.iter().any(|step| step == path || step.parent() == Some(path));
        for follower in self.followers.values() {
            for (input, _) in follower.trails.iter().filter(|(_, trail)| matters(trail)) {
                self.due.insert(input.clone(), at);
            }
        }
    }

    async fn check_due(&mut self) {
        let now = Instant::now();
        self.writing.retain(|_, since| now.duration_since(*since) < SETTLING);
        let (ripe, rest) = std::mem::take(&mut self.due).into_iter().partition(|(_, at)| *at <= now);
        self.due = rest;
        let ripe: BTreeMap<PathBuf, Instant> = ripe;
        self.check(ripe.into_keys().collect()).await;
    }

    fn all_inputs(&self) -> BTreeSet<PathBuf> {
        self.followers.values().flat_map(|follower| follower.trails.keys().cloned()).collect()
    }

    /// Looks at files and tells whoever knows them otherwise.
    async fn check(&mut self, paths: BTreeSet<PathBuf>) {
        let inputs = self.all_inputs();
        let wanted: Vec<PathBuf> = paths.into_iter().filter(|path| inputs.contains(path)).collect();
        let paths = wanted.clone();
        let trails =
            look(move || paths.into_iter().map(|path| (path.clone(), trail::trail(&path))).collect()).await;
        // Watched first and read then: a change in between is heard of.
        self.retrail(&trails.unwrap_or_default());
        let Some(found) = stamps(wanted).await else { return };
        found.iter().for_each(|(path, stamp)| self.tally.saw(path, *stamp));
        let names: Vec<Box<str>> = self.followers.keys().cloned().collect();
        for name in names {
            self.tell(&name, &found);
        }
    }

    /// A link may point elsewhere now, a folder may have appeared, or another one have taken its place.
    fn retrail(&mut self, trails: &BTreeMap<PathBuf, Vec<PathBuf>>) {
        for follower in self.followers.values_mut() {
            for (path, known) in &mut follower.trails {
                if let Some(trail) = trails.get(path) {
                    known.clone_from(trail);
                }
            }
        }
        self.rewatch();
    }

    fn tell(&mut self, name: &str, found: &BTreeMap<PathBuf, Stamp>) {
        let settled = self.followers.get(name).is_some_and(|follower| self.settled(&follower.known, name));
        let now = Instant::now();
        let Some(follower) = self.followers.get_mut(name) else { return };
        for (path, stamp) in found {
            if follower.looking {
                if follower.trails.contains_key(path) {
                    self.due.insert(path.clone(), now + DEBOUNCE);
                }
                continue;
            }
            let Some(known) = follower.known.get_mut(path) else { continue };
            let relieved = settled && follower.waits;
            if known != stamp || relieved {
                *known = *stamp;
                follower.waits = !settled;
                if let Some(tell) = &follower.tell {
                    let _gone = tell.send(path.clone());
                }
            }
        }
    }
}

async fn next_event(events: &mut Option<Events>) -> Happened {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
