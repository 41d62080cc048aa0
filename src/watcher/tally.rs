//! Counts what is followed and tells of each change once, however many follow the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::event::{Event, Observe, Observers};
use crate::file::{Change, Kind, Stamp};

/// What is known of the files that anybody follows.
pub(super) struct Tally {
    observers: Observers,
    kinds: BTreeMap<PathBuf, Kind>,
    stamps: BTreeMap<PathBuf, Stamp>,
    told: (Vec<(Kind, usize)>, bool),
}

impl Tally {
    /// Of no file yet.
    pub(super) fn new(observers: Observers) -> Self {
        let (kinds, stamps) = (BTreeMap::new(), BTreeMap::new());
        Self { observers, kinds, stamps, told: (Vec::new(), false) }
    }

    /// These files are followed, and events tell of their changes or do not.
    pub(super) fn follows<'a>(&mut self, files: impl Iterator<Item = (&'a PathBuf, Kind)>, events: bool) {
        self.kinds = files.map(|(path, kind)| (path.clone(), kind)).collect();
        self.stamps.retain(|path, _| self.kinds.contains_key(path));
        let count = |kind| (kind, self.kinds.values().filter(|known| **known == kind).count());
        let files: Vec<_> = Kind::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect();
        let now = (files, events);
        if self.told != now {
            self.observers.observe(&Event::Watching { files: &now.0, events });
            self.told = now;
        }
    }

    /// A file was looked at.
    pub(super) fn saw(&mut self, path: &Path, stamp: Stamp) {
        let Some(kind) = self.kinds.get(path) else { return };
        let before = self.stamps.insert(path.to_owned(), stamp);
        if let Some(change) = before.and_then(|before| before.change(&stamp)) {
            self.observers.observe(&Event::FileChanged(*kind, change));
        }
    }

    /// Events were lost: any file of any kind may have changed.
    pub(super) fn lost(&self) {
        for (kind, _) in &self.told.0 {
            self.observers.observe(&Event::FileChanged(*kind, Change::Overflow));
        }
    }
}
