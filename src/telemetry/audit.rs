//! Writes down who got credentials and who was refused: each once, repeats counted.

mod book;
mod file;
mod record;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::logs::{AUDIT, losses};
use super::queue::{Item, Queue};
use crate::clock::Clock;
use crate::config::{self, Problem};
use crate::credentials::RoleName;
use crate::event::{Event, Observe};
use crate::report::{Peer, Process, Served};
use crate::shutdown::Stage;
use book::{Book, Prints, Tally, What};
use file::File;
use record::Record;

pub use record::FIELDS;

/// Requests that may wait to be looked into.
const MOST_WAITING: usize = 1024;
/// Beyond so many, nobody is looked for: a look takes milliseconds.
const CROWD: usize = 64;
/// How long the end of the process may wait for what is still to be written.
const LAST_PATIENCE: Duration = Duration::from_millis(500);
/// Somebody who is not looked for.
static NOBODY: Process = Process { pid: None, uid: None, exe: None };

/// Writes the audit log. What costs time (finding out who asks, writing) is done on a thread of its own.
pub struct Audit {
    prints: Prints,
    book: Arc<Mutex<Book>>,
    /// Set when the process ends: then nobody is looked for any more.
    ending: Arc<AtomicBool>,
    queue: Arc<Queue<Work>>,
}

/// What the thread is handed.
enum Work {
    /// Somebody who has to be looked for first.
    Find(Box<Asked>),
    Write(Vec<Record>),
    /// Nothing more will be asked: what was counted and not yet said is due.
    Close,
}

/// A request that may have to be written down.
struct Asked {
    record: Record,
    what: What,
    peer: Arc<Peer>,
}

/// Whether what the configuration asks for can be written. The file is made if it is not there.
///
/// # Errors
/// It cannot, and why.
pub fn check(settings: &config::Telemetry) -> Result<(), Vec<Problem>> {
    let config::Audit::File(path) = &settings.audit else { return Ok(()) };
    file::open(path).map(|_| ()).map_err(|error| {
        vec![Problem {
            at: "telemetry.audit".to_owned(),
            is: format!("\"{}\": {error}", path.display()),
            want: "a file that this user can make and write, \"on\" or \"off\"".to_owned(),
        }]
    })
}

/// The audit log, if there is to be one.
pub(super) fn observer(settings: &config::Telemetry, clock: &Clock) -> Option<Arc<dyn Observe>> {
    let paper = match &settings.audit {
        config::Audit::Off => return None,
        config::Audit::On => Paper::Log,
        config::Audit::File(path) => Paper::File(File::new(path)),
    };
    match Audit::new(paper, clock) {
        Ok(audit) => Some(Arc::new(audit)),
        Err(error) => {
            warn!(target: AUDIT, %error, "there is no audit log: the system has no thread for it");
            None
        }
    }
}

impl Audit {
    fn new(paper: Paper, clock: &Clock) -> io::Result<Self> {
        let book = Arc::new(Mutex::new(Book::new(clock.now())));
        let (prints, ending) = (Prints::default(), Arc::new(AtomicBool::new(false)));
        let mut desk = Desk {
            prints: prints.clone(),
            book: Arc::clone(&book),
            ending: Arc::clone(&ending),
            clock: clock.clone(),
            paper,
        };
        let queue = Queue::start("audit", MOST_WAITING, move |item| desk.take(item))?;
        Ok(Self { prints, book, ending, queue })
    }

    fn asked(&self, served: &Served<'_>, peer: &Arc<Peer>) {
        let now = served.at;
        if Last::repeats(peer, served, now) {
            return;
        }
        let what = self.prints.what(served);
        let known = peer.known();
        // Faster than anybody could be looked for: told apart by address alone.
        let hurried = known.is_none() && self.queue.waiting() > CROWD;
        let record = || Record::new(served, peer, now);
        let work = if let Some(process) = known.or_else(|| hurried.then_some(&NOBODY)) {
            let (key, mut book) = (self.prints.key(process, peer, what), lock(&self.book));
            if let Some(tally) = book.repeats(key, now) {
                *peer.note() = Some(Box::new(Last::new(served, tally)));
                return;
            }
            // Entered here, so that what comes next is a repeat already.
            Work::Write(book.enter(key, record().by(process), now))
        } else {
            Work::Find(Box::new(Asked { record: record(), what, peer: Arc::clone(peer) }))
        };
        if !self.queue.push(work) {
            losses::AUDIT.add(1);
        }
    }
}

/// What a connection's last request was entered as: most ask for the same thing again, and that is seen without a look
/// into the book.
struct Last {
    role: Option<RoleName>,
    key: Option<String>,
    status: u16,
    refused: &'static str,
    cause: Option<&'static str>,
    tally: Arc<Tally>,
}

impl Last {
    fn new(served: &Served<'_>, tally: Arc<Tally>) -> Self {
        Self {
            role: served.role.clone(),
            key: served.credentials.map(|credentials| credentials.access_key_id.clone()),
            status: served.status,
            refused: served.refused,
            cause: served.failure.map(|(cause, _)| cause.code),
            tally,
        }
    }

    /// Whether the same was entered of this connection not long ago; then it is counted there.
    fn repeats(peer: &Peer, served: &Served<'_>, now: SystemTime) -> bool {
        let note = peer.note();
        let last = note.as_ref().and_then(|note| note.downcast_ref::<Self>());
        last.is_some_and(|last| last.is(served) && last.tally.repeats(now))
    }

    fn is(&self, served: &Served<'_>) -> bool {
        self.key.as_deref() == served.credentials.map(|credentials| credentials.access_key_id.as_str())
            && self.role == served.role
            && self.status == served.status
            && self.refused == served.refused
            && self.cause == served.failure.map(|(cause, _)| cause.code)
    }
}

impl Observe for Audit {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Served(served) => {
                if let Some(peer) = served.peer {
                    self.asked(served, peer);
                }
            }
            Event::Draining(Stage::Flushing) => {
                self.ending.store(true, Ordering::Relaxed);
                self.queue.push(Work::Close);
                self.queue.drain(LAST_PATIENCE);
            }
            _ => {}
        }
    }

    fn looks_at_peers(&self) -> bool {
        true
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

/// Where the thread sits.
struct Desk {
    prints: Prints,
    book: Arc<Mutex<Book>>,
    ending: Arc<AtomicBool>,
    clock: Clock,
    paper: Paper,
}

enum Paper {
    Log,
    File(File),
}

impl Desk {
    fn take(&mut self, item: Item<Work>) {
        let due = match item {
            Item::One(Work::Find(asked)) => self.find(*asked),
            Item::One(Work::Write(due)) => due,
            Item::One(Work::Close) => lock(&self.book).close(),
            Item::Lost(lost) => {
                warn!(target: AUDIT, lost, "audit records were lost: they could not be written fast enough");
                Vec::new()
            }
        };
        for record in &due {
            match &mut self.paper {
                Paper::Log => record.log(),
                Paper::File(file) => file.write(record),
            }
        }
    }

    fn find(&self, asked: Asked) -> Vec<Record> {
        let process = match asked.peer.known() {
            None if self.ending.load(Ordering::Relaxed) => &NOBODY,
            _ => asked.peer.process(),
        };
        let key = self.prints.key(process, &asked.peer, asked.what);
        let record = asked.record.by(process);
        let now = self.clock.now();
        lock(&self.book).enter(key, record, now)
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
