//! Finds out from the kernel which process is at the other end of a connection, or listens on an address.

mod diag;

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use tokio::time::Instant;

use super::Owner;
use crate::report::{Peer, Process};
use diag::Held;

/// Who listens on an address, or on all addresses with that port.
pub(super) fn listener(address: SocketAddr) -> Option<Owner> {
    const LISTEN: &str = "0A";
    let fits = |socket: &Socket| {
        let (ip, ours) = (socket.local.ip(), address.ip());
        let same = ip == ours || ip.is_unspecified() || ours.is_unspecified();
        socket.state == LISTEN && socket.local.port() == address.port() && same
    };
    let found = sockets(address.port(), fits);
    let inodes: Vec<u32> = found.iter().map(|socket| socket.inode).collect();
    let pid = holder(&inodes)?;
    Some(Owner { pid, name: short_name(pid).unwrap_or_default() })
}

/// Who listens at the other end of a Unix socket.
pub(super) fn at_socket(socket: &impl AsFd) -> Option<Owner> {
    let noted = getsockopt(socket, PeerCredentials).ok()?;
    let pid = u32::try_from(noted.pid()).ok().filter(|pid| *pid != 0)?;
    Some(Owner { pid, name: short_name(pid).unwrap_or_default() })
}

/// A process as the kernel noted it when it connected; one of another namespace has no number here.
pub(super) fn noted(pid: Option<i32>, uid: u32) -> Process {
    let pid = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    Process { pid, uid: Some(uid), exe: pid.and_then(program).map(Arc::from) }
}

/// Whoever opened a connection to us. Nobody is looked for when looking has cost too much lately.
pub(super) fn of(remote: SocketAddr, local: SocketAddr) -> Peer {
    let affordable = budget().allows(Instant::now());
    if affordable { Peer::new(remote, local, client) } else { Peer::nobody(remote, local) }
}

/// The process that opened a connection, as far as this machine knows it and we may see it.
fn client(peer: &Peer) -> Process {
    let begun = Instant::now();
    let process = look(peer);
    budget().spend(begun.elapsed(), Instant::now());
    process
}

fn budget() -> MutexGuard<'static, Budget> {
    BUDGET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process's, as the processor is.
static BUDGET: LazyLock<Mutex<Budget>> = LazyLock::new(|| Mutex::new(Budget::new(Instant::now())));

/// What looking may cost: half a second in advance, and a fiftieth of the time. Clients of SDKs come minutes apart and
/// are all looked for; in a storm of connections serving comes first. What a look cost beyond that is paid off later.
#[derive(Debug)]
struct Budget {
    /// Until when the looks so far have used up what time earns.
    paid_until: Instant,
}

impl Budget {
    const SHARE: u32 = 50;
    const ADVANCE: Duration = Duration::from_millis(500);

    fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    fn allows(&self, now: Instant) -> bool {
        self.paid_until < now + Self::ADVANCE * Self::SHARE
    }

    fn spend(&mut self, took: Duration, now: Instant) {
        self.paid_until = self.paid_until.max(now) + took * Self::SHARE;
    }
}

/// The user who opened a connection: one cheap question to the kernel.
///
/// # Errors
/// The kernel is not to be asked: its table has to be read.
pub(super) fn user(remote: SocketAddr, local: SocketAddr) -> Result<Option<u32>, Errno> {
    let held = diag::connection(canonical(remote), canonical(local))?;
    Ok(held.map(|held| held.uid))
}

/// The same from the kernel's table, which takes a while.
pub(super) fn user_in_table(remote: SocketAddr, local: SocketAddr) -> Option<u32> {
    in_table(canonical(remote), canonical(local)).map(|held| held.uid)
}

fn look(peer: &Peer) -> Process {
    let Some((remote, local)) = peer.addresses() else { return Process::default() };
    let (theirs, ours) = (canonical(remote), canonical(local));
    // A sandbox may keep that question from us, but not the table.
    let Some(held) = diag::connection(theirs, ours).unwrap_or_else(|_| in_table(theirs, ours)) else {
        return Process::default();
    };
    let pid = holder(&[held.inode]);
    Process { pid, uid: Some(held.uid), exe: pid.and_then(program).map(Arc::from) }
}

fn in_table(near: SocketAddr, far: SocketAddr) -> Option<Held> {
    // A socket that nobody holds any more has no number, and its user is not told either.
    let fits = |socket: &Socket| socket.local == near && socket.remote == far && socket.inode != 0;
    // The kernel writes the table piece by piece: with sockets coming and going meanwhile, one may be left out.
    const READINGS: usize = 3;
    let found = (0..READINGS).find_map(|_| sockets(near.port(), fits).into_iter().next());
    found.map(|socket| Held { uid: socket.uid, inode: socket.inode })
}

/// A line of the kernel's table of sockets.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    state: String,
    uid: u32,
    inode: u32,
}

impl Socket {
    fn read(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let field = |at: usize| fields.get(at).copied();
        let (local, remote) = (address(field(1)?)?, address(field(2)?)?);
        let (state, inode) = (field(3)?.to_owned(), field(9)?.parse().ok()?);
        Some(Self { local, remote, state, uid: field(7)?.parse().ok()?, inode })
    }
}

/// The sockets of that port which fit.
fn sockets(port: u16, fits: impl Fn(&Socket) -> bool) -> Vec<Socket> {
    // Of this process: /proc/net itself is not there where systemd shows processes only.
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let read = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    // There may be thousands: only those that can fit are taken apart.
    let port = format!(":{port:04X} ");
    let of = |text: String| {
        let lines = text.lines().filter(|line| line.contains(&port));
        lines.filter_map(Socket::read).filter(&fits).collect::<Vec<_>>()
    };
    read.flat_map(of).collect()
}

fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(canonical(SocketAddr::new(ip_of(ip)?, port)))
}

/// An IPv4 address that a socket of both kinds has is that address.
fn canonical(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(at.ip().to_canonical(), at.port())
}

/// The kernel prints each word of an address as the machine's own number.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let words: Vec<u32> = (0..hex.len() / 8)
        .map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok())
        .collect::<Option<_>>()?;
    match *words.as_slice() {
        [v4] => Some(IpAddr::from(v4.to_ne_bytes())),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (place, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                place.copy_from_slice(&word.to_ne_bytes());
            }
            Some(IpAddr::from(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// The first process that holds one of these sockets, among those that we may look into.
fn holder(inodes: &[u32]) -> Option<u32> {
    /// Who it was last time: a client opens more than one connection.
    static LATELY: AtomicU32 = AtomicU32::new(0);
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let lately = Some(LATELY.load(Ordering::Relaxed)).filter(|pid| *pid != 0);
    let found = lately.filter(|pid| holds(*pid, &links)).or_else(|| {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        // The youngest first: whoever was started for one request is gone soon.
        let pids: Vec<u32> = pids.collect();
        pids.into_iter().rev().find(|pid| holds(*pid, &links))
    });
    LATELY.store(found.unwrap_or_default(), Ordering::Relaxed);
    found
}

fn holds(pid: u32, links: &[String]) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let open = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    open.into_iter().any(|link| links.iter().any(|wanted| link.as_os_str() == wanted.as_str()))
}

fn program(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok();
    path.map(|path| path.to_string_lossy().into_owned()).or_else(|| short_name(pid))
}

fn short_name(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn an_address_in_the_kernels_table_is_read_back() {
        if cfg!(target_endian = "little") {
            assert_eq!(ip_of("0100007F"), Some(IpAddr::from([127, 0, 0, 1])));
            let one = ip_of("00000000000000000000000001000000");
            assert_eq!(one, Some(IpAddr::from(Ipv6Addr::LOCALHOST)));
            let mapped = address("0000000000000000FFFF00000100007F:0050");
            assert_eq!(mapped, Some(SocketAddr::from(([127, 0, 0, 1], 80))));
        }
        assert_eq!(ip_of("0100"), None);
    }

    /// Both ends of a connection in this process; the server listens on `at`, the client calls `to`.
    fn connected(at: &str, to: &str) -> (TcpStream, Peer) {
        let listener = TcpListener::bind((at, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let near = TcpStream::connect((to, port)).unwrap();
        let (far, remote) = listener.accept().unwrap();
        let peer = Peer::new(remote, far.local_addr().unwrap(), look);
        drop(far);
        (near, peer)
    }

    #[test]
    fn the_client_of_a_connection_is_known_by_process_user_and_program() {
        let mut ways = vec![("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")];
        if TcpListener::bind("[::1]:0").is_ok() {
            ways.extend([("::1", "::1"), ("::", "127.0.0.1")]);
        } else {
            eprintln!("skipped: no IPv6 here");
        }
        for (at, to) in ways {
            let (_near, peer) = connected(at, to);
            assert_eq!(peer.known(), None);
            let process = peer.process();
            let exe = std::env::current_exe().unwrap().display().to_string();
            let uid = nix::unistd::Uid::current().as_raw();
            assert_eq!((process.pid, process.uid), (Some(std::process::id()), Some(uid)), "{at} {to}");
            assert_eq!(process.exe.as_deref(), Some(exe.as_str()));
            assert_eq!(peer.known(), Some(process));
            let (remote, local) = peer.addresses().unwrap();
            let (theirs, ours) = (canonical(remote), canonical(local));
            let asked = diag::connection(theirs, ours);
            assert_eq!(asked, Ok(in_table(theirs, ours)), "{at} {to}: both ways of asking");
            assert_eq!(diag::connection(ours, SocketAddr::new(theirs.ip(), 1)), Ok(None), "somebody listens");
        }
    }

    #[test]
    fn a_client_that_is_gone_is_nobody() {
        let (near, peer) = connected("127.0.0.1", "127.0.0.1");
        drop(near);
        assert_eq!(peer.process(), &Process::default());
    }

    #[test]
    fn looking_costs_no_more_than_its_share() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let mut budget = Budget::new(begun);
        assert!(budget.allows(begun));
        budget.spend(Budget::ADVANCE, begun);
        assert!(!budget.allows(begun));
        assert!(budget.allows(begun + second));
        budget.spend(second, begun + second);
        assert!(!budget.allows(begun + 50 * second), "a look that took long is paid off");
        assert!(budget.allows(begun + 52 * second));
        budget.spend(Budget::ADVANCE, begun + 1000 * second);
        assert!(!budget.allows(begun + 1000 * second), "what was not used is not saved up");
    }

    #[test]
    fn whoever_listens_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = super::listener(listener.local_addr().unwrap()).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert!(!found.name.is_empty());
    }
}
