//! Asks the kernel about one connection (sock_diag(7)): its whole table, which has thousands of lines on a busy host,
//! would be read for each.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// What the kernel says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Whose it is.
    pub uid: u32,
    /// The socket's number, by which its holder is found.
    pub inode: u32,
}

/// The end at `near` of a TCP connection to `far`, if this machine has it and somebody still holds it.
///
/// # Errors
/// The kernel is not to be asked: no such socket in this kernel or sandbox.
pub(super) fn connection(near: SocketAddr, far: SocketAddr) -> Result<Option<Held>, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let kernel = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?;
    send(kernel.as_raw_fd(), &question(near, far), MsgFlags::empty())?;
    let mut answer = [0; 512];
    // The kernel has answered before `send` returned.
    let length = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
    read(answer.get(..length).unwrap_or_default())
}

/// Type of question and answer (`linux/sock_diag.h`).
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// A header of 16 bytes and a `struct inet_diag_req_v2` (`linux/inet_diag.h`).
fn question(near: SocketAddr, far: SocketAddr) -> Vec<u8> {
    const LENGTH: u32 = 72;
    const REQUEST: u16 = 1;
    const TCP: u8 = 6;
    let (family, interface) = match near {
        SocketAddr::V4(_) => (AddressFamily::Inet, 0),
        SocketAddr::V6(near) => (AddressFamily::Inet6, near.scope_id()),
    };
    let mut text = Vec::with_capacity(72);
    text.extend(LENGTH.to_ne_bytes());
    text.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    text.extend(REQUEST.to_ne_bytes());
    // A number of the question's own and the asking port, which nobody looks at.
    text.extend([0; 8]);
    text.extend([u8::try_from(family as i32).unwrap_or_default(), TCP, 0, 0]);
    // In any state.
    text.extend(u32::MAX.to_ne_bytes());
    text.extend(near.port().to_be_bytes());
    text.extend(far.port().to_be_bytes());
    text.extend(sixteen(near.ip()));
    text.extend(sixteen(far.ip()));
    text.extend(interface.to_ne_bytes());
    // No cookie.
    text.extend([u8::MAX; 8]);
    text
}

/// Both kinds of address have the same room.
fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// A header and a `struct inet_diag_msg`, or an error.
fn read(answer: &[u8]) -> Result<Option<Held>, Errno> {
    const TYPE: usize = 4;
    const ERROR: usize = 16;
    const STATE: usize = 17;
    const UID: usize = 80;
    const INODE: usize = 84;
    const LISTENS: u8 = 10;
    let kind = answer.get(TYPE..TYPE + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    if kind != Some(SOCK_DIAG_BY_FAMILY) {
        let code = word(answer, ERROR).ok_or(Errno::EPROTO)?.cast_signed();
        return match Errno::from_raw(-code) {
            Errno::ENOENT => Ok(None),
            error => Err(error),
        };
    }
    let held = word(answer, UID).zip(word(answer, INODE)).map(|(uid, inode)| Held { uid, inode });
    // Whoever merely listens there, and a connection that everybody has closed, is nobody.
    Ok(held.filter(|held| held.inode != 0 && answer.get(STATE) != Some(&LISTENS)))
}

fn word(answer: &[u8], at: usize) -> Option<u32> {
    answer.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
