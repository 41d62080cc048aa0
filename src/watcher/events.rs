//! File events from the system, in the three words that the watcher needs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{ErrorKind, EventKind, INotifyWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// What an event says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// Written to; the writer may not be done.
    Written(PathBuf),
    /// Closed, renamed, linked, removed, or its permissions changed: done.
    Finished(PathBuf),
    /// Events were lost: anything may have changed.
    Everything,
}

/// The queue of events and the folders they come from.
pub(super) struct Events {
    watcher: INotifyWatcher,
    queue: mpsc::UnboundedReceiver<Happened>,
    folders: BTreeSet<PathBuf>,
}

impl Events {
    /// Opens a queue.
    ///
    /// # Errors
    /// The system has none to give (128 a user, usually); the text says so.
    pub(super) fn open() -> Result<Self, String> {
        let (found, queue) = mpsc::unbounded_channel();
        let hear = move |event: notify::Result<notify::Event>| {
            for happened in words(event) {
                let _gone = found.send(happened);
            }
        };
        let watcher =
            INotifyWatcher::new(hear, notify::Config::default()).map_err(|error| explain(&error))?;
        Ok(Self { watcher, queue, folders: BTreeSet::new() })
    }

    /// Watches these folders and no others. One that is not there is left out.
    ///
    /// # Errors
    /// The system watches no more folders; those that were possible are watched.
    pub(super) fn watch(&mut self, wanted: BTreeSet<PathBuf>) -> Result<(), String> {
        for folder in self.folders.difference(&wanted) {
            // It may be gone already, and its watch with it.
            let _gone = self.watcher.unwatch(folder);
        }
        let mut trouble = Ok(());
        let mut watched = BTreeSet::new();
        for folder in wanted {
            if self.folders.contains(&folder) {
                watched.insert(folder);
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(folder);
                }
                Err(error) if is_absence(&error) => {}
                Err(error) => trouble = Err(explain(&error)),
            }
        }
        self.folders = watched;
        trouble
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> Happened {
        let Some(happened) = self.queue.recv().await else { return std::future::pending().await };
        if let Happened::Finished(path) = &happened
            && self.folders.remove(path)
        {
            // The folder itself was moved or removed: another one may take its name.
            let _gone = self.watcher.unwatch(path);
        }
        happened
    }
}

fn words(event: notify::Result<notify::Event>) -> Vec<Happened> {
    let Ok(event) = event else { return vec![Happened::Everything] };
    if event.need_rescan() {
        return vec![Happened::Everything];
    }
    let word: fn(PathBuf) -> Happened = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Happened::Finished,
        EventKind::Access(_) => return Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) => Happened::Written,
        EventKind::Create(CreateKind::File) => created,
        _ => Happened::Finished,
    };
    event.paths.into_iter().map(word).collect()
}

/// A new file is about to be written; a new link is complete, and nobody will close it.
fn created(path: PathBuf) -> Happened {
    let link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
    if link { Happened::Finished(path) } else { Happened::Written(path) }
}

fn is_absence(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound | ErrorKind::WatchNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied)
        }
        _ => false,
    }
}

fn explain(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "this user may watch no more folders (fs.inotify.max_user_watches)".to_owned()
        }
        ErrorKind::Io(error) if error.raw_os_error() == Some(nix::libc::EMFILE) => {
            "this user has no event queue left (fs.inotify.max_user_instances)".to_owned()
        }
        _ => error.to_string(),
    }
}
