//! Counts what is followed and tells of each change once, however many follow the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::event::{Event, Observe, Observers};
use crate::file::{Change, Kind, Stamp};

/// What is known of the files that anybody follows.
pub(super) struct Tally {
    observers: Observers,
    files: BTreeMap<PathBuf, File>,
    told: (Vec<(Kind, usize)>, bool),
}

struct File {
    kind: Kind,
    followers: usize,
    stamp: Option<Stamp>,
}

impl Tally {
    /// Of no file yet.
    pub(super) fn new(observers: Observers) -> Self {
        Self { observers, files: BTreeMap::new(), told: (Vec::new(), false) }
    }

    /// Somebody follows other files than before. What is followed still stays known.
    pub(super) fn follows(&mut self, before: &BTreeMap<PathBuf, Kind>, now: &BTreeMap<PathBuf, Kind>) {
        for (path, kind) in now {
            let new = || File { kind: *kind, followers: 0, stamp: None };
            self.files.entry(path.clone()).or_insert_with(new).followers += 1;
        }
        for path in before.keys() {
            let last = self.files.get_mut(path).is_some_and(|file| {
                file.followers -= 1;
                file.followers == 0
            });
            if last {
                self.files.remove(path);
            }
        }
    }

    /// Tells how many are followed, and whether events tell of their changes, if that is news.
    pub(super) fn tell(&mut self, events: bool) {
        let count = |kind| (kind, self.files.values().filter(|file| file.kind == kind).count());
        let files: Vec<_> = Kind::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect();
        let now = (files, events);
        if self.told != now {
            self.observers.observe(&Event::Watching { files: &now.0, events });
            self.told = now;
        }
    }

    /// A file was looked at.
    pub(super) fn saw(&mut self, path: &Path, stamp: Stamp) {
        let Some(file) = self.files.get_mut(path) else { return };
        let before = file.stamp.replace(stamp);
        if let Some(change) = before.and_then(|before| before.change(&stamp)) {
            self.observers.observe(&Event::FileChanged(file.kind, change));
        }
    }

    /// Events were lost: any file of any kind may have changed.
    pub(super) fn lost(&self) {
        for (kind, _) in &self.told.0 {
            self.observers.observe(&Event::FileChanged(*kind, Change::Overflow));
        }
    }
}
