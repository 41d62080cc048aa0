//! Who is at the other end of a connection, found out at most once.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The other end of a connection.
pub struct Peer {
    ends: Ends,
    look: fn(&Peer) -> Process,
    process: OnceLock<Process>,
    note: Mutex<Note>,
}

/// What an observer remembers of a connection while it lasts, so that the same again need not be looked up.
pub type Note = Option<Box<dyn Any + Send>>;

/// What a connection goes through.
#[derive(Clone, Debug)]
enum Ends {
    Tcp {
        remote: SocketAddr,
        local: SocketAddr,
    },
    /// Our socket; the other end has no name.
    Unix(Arc<Path>),
}

/// The process at the other end, as far as the kernel tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// The path of its program, or its short name.
    pub exe: Option<Arc<str>>,
}

impl Peer {
    /// A peer that `look` can find out about.
    #[must_use]
    pub fn new(remote: SocketAddr, local: SocketAddr, look: fn(&Self) -> Process) -> Self {
        Self::with(Ends::Tcp { remote, local }, look, OnceLock::new())
    }

    /// A peer of which only the address will ever be known.
    #[must_use]
    pub fn nobody(remote: SocketAddr, local: SocketAddr) -> Self {
        Self::with(Ends::Tcp { remote, local }, |_| Process::default(), Process::default().into())
    }

    /// A peer on a Unix socket, of whom the kernel has told.
    #[must_use]
    pub fn on_socket(at: Arc<Path>, process: Process) -> Self {
        Self::with(Ends::Unix(at), |_| Process::default(), process.into())
    }

    fn with(ends: Ends, look: fn(&Self) -> Process, process: OnceLock<Process>) -> Self {
        Self { ends, look, process, note: Mutex::new(None) }
    }

    /// What is remembered of it. Its requests come one after the other: nobody waits here.
    pub fn note(&self) -> MutexGuard<'_, Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its address and ours, where it has one.
    #[must_use]
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self.ends {
            Ends::Tcp { remote, local } => Some((remote, local)),
            Ends::Unix(_) => None,
        }
    }

    /// Its process, if somebody has found out already.
    #[must_use]
    pub fn known(&self) -> Option<&Process> {
        self.process.get()
    }

    /// Its process; the first call looks through the processes of the machine, which takes a while.
    pub fn process(&self) -> &Process {
        self.process.get_or_init(|| (self.look)(self))
    }
}

/// Its address; the socket that it came through where it has none.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ends {
            Ends::Tcp { remote, .. } => remote.fmt(f),
            Ends::Unix(at) => write!(f, "unix:{}", at.display()),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("ends", &self.ends).field("process", &self.process).finish()
    }
}
