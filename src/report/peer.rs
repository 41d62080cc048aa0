//! Who is at the other end of a connection, found out at most once.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The other end of a connection.
pub struct Peer {
    ends: Ends,
    look: fn(&Peer) -> Process,
    process: OnceLock<Process>,
}

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
        Self { ends: Ends::Tcp { remote, local }, look, process: OnceLock::new() }
    }

    /// A peer of which only the address will ever be known.
    #[must_use]
    pub fn nobody(remote: SocketAddr, local: SocketAddr) -> Self {
        let process = OnceLock::from(Process::default());
        Self { ends: Ends::Tcp { remote, local }, look: |_| Process::default(), process }
    }

    /// A peer on a Unix socket, of whom the kernel has told.
    #[must_use]
    pub fn on_socket(at: Arc<Path>, process: Process) -> Self {
        Self { ends: Ends::Unix(at), look: |_| Process::default(), process: process.into() }
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
