//! Which user is at the other end of a connection: the kernel says, and is asked at most once, when a role wants to know.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::peer;

/// For the kernel's table of sockets, where it has to be read: the answer is due within a second.
const PATIENCE: Duration = Duration::from_millis(400);

/// The user at the other end of one connection. Clones share what is found out.
#[derive(Clone, Debug)]
pub(super) struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Their address and ours; none where all was told already.
    ends: Option<(SocketAddr, SocketAddr)>,
    user: OnceLock<Option<u32>>,
}

/// What is known of a user at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// This one.
    Is(u32),
    /// Nobody can say: of another machine, another namespace, or gone.
    Unknown,
    /// It takes a look at the kernel's table.
    ToBeFound,
}

impl Caller {
    /// Whoever came over TCP.
    pub(super) fn at(remote: SocketAddr, local: SocketAddr) -> Self {
        Self(Arc::new(Inner { ends: Some((remote, local)), user: OnceLock::new() }))
    }

    /// Whoever the kernel noted when they connected to a Unix socket.
    pub(super) fn noted(uid: Option<u32>) -> Self {
        Self(Arc::new(Inner { ends: None, user: uid.and_then(certain).into() }))
    }

    /// The user, as far as that costs no more than a question to the kernel.
    pub(super) fn user(&self) -> User {
        match (self.0.user.get(), self.0.ends) {
            (Some(user), _) => user.map_or(User::Unknown, User::Is),
            (None, None) => User::Unknown,
            (None, Some((remote, local))) => match peer::user(remote, local) {
                Ok(uid) => self.keep(uid),
                Err(_not_to_be_asked) => User::ToBeFound,
            },
        }
    }

    /// Reads the table, one caller after the other: it has thousands of lines on a busy host. Whoever is not found in time
    /// stays unknown.
    pub(super) async fn find(&self) {
        static LOOKS: Semaphore = Semaphore::const_new(2);
        let Some((remote, local)) = self.0.ends else { return };
        let look = async {
            let _place = LOOKS.acquire().await.ok()?;
            tokio::task::spawn_blocking(move || peer::user_in_table(remote, local)).await.ok()?
        };
        self.keep(timeout(PATIENCE, look).await.ok().flatten());
    }

    fn keep(&self, uid: Option<u32>) -> User {
        self.0.user.get_or_init(|| uid.and_then(certain)).map_or(User::Unknown, User::Is)
    }
}

/// The user, unless that number stands for all whom our namespace has no number for.
fn certain(uid: u32) -> Option<u32> {
    /// None where every user has a number.
    static STANDS_FOR_OTHERS: LazyLock<Option<u32>> = LazyLock::new(|| {
        const USUAL: u32 = 65534;
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
        let overflow = overflow.and_then(|text| text.trim().parse().ok()).unwrap_or(USUAL);
        (!whole(&map)).then_some(overflow)
    });
    Some(uid).filter(|uid| *STANDS_FOR_OTHERS != Some(*uid))
}

/// Whether a namespace's map leaves nobody out.
fn whole(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn both_ways_of_asking_find_the_same_user_and_nobody_behind_a_closed_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ends = (near.local_addr().unwrap(), listener.local_addr().unwrap());
        let us = User::Is(nix::unistd::Uid::current().as_raw());
        let asked = Caller::at(ends.0, ends.1);
        assert!(
            [us, User::ToBeFound].contains(&asked.user()),
            "a sandbox may keep the kernel from answering"
        );
        let found = Caller::at(ends.0, ends.1);
        found.find().await;
        assert_eq!(found.user(), us);
        drop(near);
        assert_eq!(found.user(), us, "it is asked once");
        let late = Caller::at(ends.0, ends.1);
        late.find().await;
        assert_eq!(late.user(), User::Unknown);
    }

    #[test]
    fn a_map_that_leaves_somebody_out_makes_the_overflow_number_nobodys() {
        assert!(whole("         0          0 4294967295\n"));
        assert!(!whole("         0       1000          1\n") && !whole("0 0 65536\n") && !whole(""));
    }
}
