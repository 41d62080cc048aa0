//! Who is at the other end of a connection, found out at most once.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// The other end of a connection.
pub struct Peer {
    /// Its address.
    pub remote: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    look: fn(&Peer) -> Process,
    process: OnceLock<Process>,
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
        Self { remote, local, look, process: OnceLock::new() }
    }

    /// A peer of which only the address will ever be known.
    #[must_use]
    pub fn nobody(remote: SocketAddr, local: SocketAddr) -> Self {
        let process = OnceLock::from(Process::default());
        Self { remote, local, look: |_| Process::default(), process }
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

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("remote", &self.remote).field("process", &self.process).finish()
    }
}
