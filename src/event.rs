//! What happened, told to whoever observes: metrics, logs and traces are made from these and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Address, Config, Problem};
use crate::credentials::RoleName;
use crate::file::{self, Change};
use crate::report::{Resolution, Served, Standing, Verdict};
use crate::shutdown::Stage;

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Listeners are bound: credentials, admin, and the file with the main token.
    Listening {
        /// Bound credentials addresses.
        credentials: &'a [Address],
        /// Bound admin address.
        admin: Option<SocketAddr>,
        /// Main token.
        token_file: &'a Path,
    },
    /// A walk begins.
    Resolving(&'a RoleName),
    /// A walk ended and was judged.
    Judged {
        /// The walk.
        resolution: &'a Resolution,
        /// What became of its answer.
        verdict: &'a Verdict,
        /// Where the role stands now.
        standing: &'a Standing,
    },
    /// A role is gone from the configuration.
    RoleRemoved(&'a RoleName),
    /// A request begins to wait for its answer. Those answered at once never do.
    RequestWaits(&'static str),
    /// A request does not wait any more: it was answered, or whoever asked is gone.
    RequestDone(&'static str),
    /// A request was answered.
    Served(&'a Served<'a>),
    /// A connection was not served: `limit`, `malformed` or `tls`.
    ConnectionRejected(&'static str),
    /// A file that a walk read has changed.
    InputChanged(&'a Path),
    /// File events are not to be had; every file is looked at each 30 s instead. The text says why.
    WatchDegraded(&'a str),
    /// File events are to be had again.
    WatchRestored,
    /// How many files are followed, by kind, and whether events tell of their changes.
    Watching {
        /// Kinds that are followed at all.
        files: &'a [(file::Kind, usize)],
        /// Whether events are delivered; else every file is looked at each 30 s.
        events: bool,
    },
    /// A followed file reads differently, or events on files of that kind were lost.
    FileChanged(file::Kind, Change),
    /// A file of our own was read again because it had changed, and can be used or not.
    FileReread(file::Kind, Result<(), ()>),
    /// A token file was written.
    TokenWritten(&'a Path),
    /// A configuration is in force.
    ConfigApplied(&'a Config),
    /// A configuration was refused; the one before stays in force.
    ConfigRejected(&'a [Problem]),
    /// The wall clock was set, or the host slept.
    ClockJumped,
    /// Token files cannot be used as they are now; the tokens known before stay good.
    TokensRejected(&'a [Problem]),
    /// Certificates of listeners cannot be used as they are now; those before stay in use.
    CertificatesRejected(&'a [Problem]),
    /// Files for clients cannot be written; none that can again.
    WiringUnwritten(&'a [String]),
    /// The runtime turns.
    Heartbeat,
    /// Shutting down.
    Draining(Stage),
}

/// Whoever wants to know. Must not block.
pub trait Observe: Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: &Event<'_>);

    /// Whether it looks at who asks: finding that out costs something.
    fn looks_at_peers(&self) -> bool {
        false
    }

    /// How often at least it has to hear that the runtime turns, if that is more often than usual.
    fn pulse(&self) -> Option<Duration> {
        None
    }
}

/// Observers, told in order.
#[derive(Clone, Default)]
pub struct Observers(Vec<Arc<dyn Observe>>);

impl Observers {
    /// These observers.
    #[must_use]
    pub fn new(observers: Vec<Arc<dyn Observe>>) -> Self {
        Self(observers)
    }

    /// These and one more.
    #[must_use]
    pub fn and(mut self, observer: Arc<dyn Observe>) -> Self {
        self.0.push(observer);
        self
    }
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Observers({})", self.0.len())
    }
}

impl Observe for Observers {
    fn observe(&self, event: &Event<'_>) {
        for observer in &self.0 {
            observer.observe(event);
        }
    }

    fn looks_at_peers(&self) -> bool {
        self.0.iter().any(|observer| observer.looks_at_peers())
    }

    fn pulse(&self) -> Option<Duration> {
        self.0.iter().filter_map(|observer| observer.pulse()).min()
    }
}
