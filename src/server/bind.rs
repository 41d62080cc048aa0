//! Binds the configured addresses: IP addresses, and Unix sockets that are files with an owner and an end.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

use super::passed::{Given, Passed};
use super::peer;
use crate::cause;
use crate::config::{Address, Listen};
use crate::failure::Failure;

const BACKLOG: u32 = 1024;
/// Permissions of a Unix socket: its user's and its group's, which is the folder's where that is set so.
const MODE: u32 = 0o660;

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: Address,
    /// What the system said.
    pub error: io::Error,
    /// Who has it, when that can be told.
    pub owner: Option<Owner>,
}

/// A process that listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error, owner } = self;
        match (error.kind(), owner) {
            (io::ErrorKind::AddrInUse, Some(Owner { pid, name })) => {
                write!(f, "{address} is taken by process {pid} ({name})")
            }
            (io::ErrorKind::AddrInUse, None) => write!(f, "{address} is taken by another process"),
            _ => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

impl BindError {
    /// The same as a failure, with its cause.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let cause = match self.address {
            Address::Tcp(_) => &cause::KF_PORT,
            Address::Unix(_) => &cause::KF_SOCKET,
        };
        Failure::misconfigured(cause, self.to_string())
    }
}

/// Addresses that are bound and not served yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) credentials: Vec<Listener>,
    pub(super) admin: Option<TcpListener>,
    /// Bound credentials addresses, in the order of the configuration.
    pub credentials_at: Vec<Address>,
    /// Bound admin address.
    pub admin_at: Option<SocketAddr>,
}

/// Where clients come for credentials.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(SocketFile),
}

/// A Unix listener and the file by which it is found.
#[derive(Debug)]
pub(super) struct SocketFile {
    pub(super) listener: UnixListener,
    pub(super) path: Arc<Path>,
    /// Device and number of the file that is ours to remove.
    ours: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.ours.is_some() && identity(&self.path) == self.ours {
            // It may be gone meanwhile, which is what is wanted.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Takes the sockets that were passed, and binds every address that is configured for a purpose without one; port 0 takes
/// a free one.
///
/// # Errors
/// The first address that cannot be bound, or may not be served.
pub fn bind(listen: &Listen, passed: Passed) -> Result<Bound, BindError> {
    let mut bound =
        Bound { credentials: Vec::new(), admin: None, credentials_at: Vec::new(), admin_at: None };
    let Passed { credentials, admin } = passed;
    let configured: &[Address] = if credentials.is_empty() { &listen.credentials } else { &[] };
    for given in credentials {
        let (listener, at) = adopt(given, listen)?;
        bound.credentials.push(listener);
        bound.credentials_at.push(at);
    }
    for address in configured {
        let (listener, at) = match address {
            Address::Tcp(address) => {
                let (listener, at) = bind_one(*address, Some(listen.ttl))?;
                (Listener::Tcp(listener), at.into())
            }
            Address::Unix(path) => (Listener::Unix(bind_file(path)?), address.clone()),
        };
        bound.credentials.push(listener);
        bound.credentials_at.push(at);
    }
    if let Some(given) = admin {
        let (listener, at) = adopt_tcp(given, None)?;
        (bound.admin, bound.admin_at) = (Some(listener), Some(at));
    } else if let Some(address) = listen.admin {
        let (listener, at) = bind_one(address, None)?;
        (bound.admin, bound.admin_at) = (Some(listener), Some(at));
    }
    Ok(bound)
}

/// A passed socket is served as one of ours is; where it listens is its unit's to say, whom it lets in is not.
fn adopt(given: Given, listen: &Listen) -> Result<(Listener, Address), BindError> {
    match given {
        Given::Tcp(given) => {
            let (listener, at) = adopt_tcp(given, Some(listen.ttl))?;
            let at = Address::Tcp(at);
            if !at.is_near() && !listen.expose {
                let want = "the socket that was passed is not on loopback; that needs listen.expose = true";
                return Err(BindError { address: at, error: io::Error::other(want), owner: None });
            }
            Ok((Listener::Tcp(listener), at))
        }
        Given::Unix(given) => {
            let address = given.local_addr().ok();
            let path = address.as_ref().and_then(|at| at.as_pathname()).unwrap_or(Path::new("(no path)"));
            let at = Address::Unix(path.to_owned());
            let listener = given.set_nonblocking(true).and_then(|()| UnixListener::from_std(given));
            let listener = listener.map_err(|error| BindError { address: at.clone(), error, owner: None })?;
            // The file is its maker's to remove.
            Ok((Listener::Unix(SocketFile { listener, path: path.into(), ours: None }), at))
        }
    }
}

fn adopt_tcp(given: std::net::TcpListener, ttl: Option<u32>) -> Result<(TcpListener, SocketAddr), BindError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    let at = given.local_addr().unwrap_or(unknown);
    let ready = prepare(&SockRef::from(&given), at, ttl).and_then(|()| {
        given.set_nonblocking(true)?;
        TcpListener::from_std(given)
    });
    match ready {
        Ok(listener) => Ok((listener, at)),
        Err(error) => Err(BindError { address: at.into(), error, owner: None }),
    }
}

fn bind_one(address: SocketAddr, ttl: Option<u32>) -> Result<(TcpListener, SocketAddr), BindError> {
    let tried = open(address, ttl).and_then(|listener| {
        let at = listener.local_addr()?;
        Ok((listener, at))
    });
    tried.map_err(|error| {
        let taken = error.kind() == io::ErrorKind::AddrInUse;
        let owner = if taken { peer::listener(address) } else { None };
        BindError { address: address.into(), error, owner }
    })
}

fn open(address: SocketAddr, ttl: Option<u32>) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the connections of the agent before.
    socket.set_reuseaddr(true)?;
    prepare(&SockRef::from(&socket), address, ttl)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What every connection inherits, to be set before listening so that the first packet has it too.
fn prepare(socket: &SockRef<'_>, address: SocketAddr, ttl: Option<u32>) -> io::Result<()> {
    // Answers are small and whole: waiting for more to send with them only delays them.
    socket.set_tcp_nodelay(true)?;
    if let Some(ttl) = ttl.filter(|_| !address.ip().is_loopback()) {
        if address.is_ipv6() {
            socket.set_unicast_hops_v6(ttl)?;
        }
        if address.is_ipv4() || address.ip() == IpAddr::from([0_u16; 8]) {
            socket.set_ttl_v4(ttl)?;
        }
    }
    Ok(())
}

fn bind_file(path: &Path) -> Result<SocketFile, BindError> {
    let refuse = |error, owner| BindError { address: Address::Unix(PathBuf::from(path)), error, owner };
    match left_over(path) {
        Ok(LeftOver::Nothing) => {}
        // Whoever made it is gone without removing it.
        Ok(LeftOver::Stale) => fs::remove_file(path).map_err(|error| refuse(error, None))?,
        Ok(LeftOver::Taken(owner)) => return Err(refuse(io::ErrorKind::AddrInUse.into(), owner)),
        Err(error) => return Err(refuse(error, None)),
    }
    let listener = open_file(path).map_err(|error| refuse(why(error, path), None))?;
    Ok(SocketFile { listener, path: path.into(), ours: identity(path) })
}

/// Nobody gets in before its mode is right: what is bound and does not listen refuses connections.
fn open_file(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)
}

fn why(error: io::Error, path: &Path) -> io::Error {
    let folder = path.parent().unwrap_or(path).display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("the folder {folder} does not exist"))
        }
        io::ErrorKind::PermissionDenied => {
            io::Error::new(error.kind(), format!("this user may not write in the folder {folder}"))
        }
        _ => error,
    }
}

/// What stands where a socket is to be made.
enum LeftOver {
    Nothing,
    Stale,
    Taken(Option<Owner>),
}

fn left_over(path: &Path) -> io::Result<LeftOver> {
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::other("a file that is no socket is there"));
        }
        Ok(_) => {}
        // What else is wrong is met again when it is bound, and said then.
        Err(_) => return Ok(LeftOver::Nothing),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener whose queue is full is one all the same, and not waited for.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(LeftOver::Stale),
        Ok(()) => Ok(LeftOver::Taken(peer::at_socket(&socket))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(LeftOver::Taken(None)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpStream, UnixStream};

    use super::*;

    fn socket(ip: &str) -> TcpListener {
        open(SocketAddr::new(ip.parse().unwrap(), 0), Some(1)).unwrap()
    }

    #[tokio::test]
    async fn answers_leave_other_listeners_than_loopback_with_the_ttl() {
        let (near, all) = (socket("127.0.0.1"), socket("0.0.0.0"));
        assert_ne!(SockRef::from(&near).ttl_v4().unwrap(), 1);
        assert_eq!(SockRef::from(&all).ttl_v4().unwrap(), 1);
        let client = TcpStream::connect(("127.0.0.1", all.local_addr().unwrap().port())).await.unwrap();
        let (accepted, _) = all.accept().await.unwrap();
        assert_eq!(SockRef::from(&accepted).ttl_v4().unwrap(), 1);
        assert!(accepted.nodelay().unwrap());
        drop(client);
        match std::net::TcpListener::bind("[::1]:0") {
            Ok(_) => assert_eq!(SockRef::from(&socket("::")).unicast_hops_v6().unwrap(), 1),
            Err(error) => eprintln!("skipped: no IPv6 here: {error}"),
        }
    }

    fn refusal(path: &Path) -> String {
        bind_file(path).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_socket_is_its_users_and_groups_and_is_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.sock");
        let bound = bind_file(&path).unwrap();
        let file = fs::metadata(&path).unwrap();
        assert_eq!(file.permissions().mode() & 0o7777, MODE);
        UnixStream::connect(&path).await.unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = bind_file(&path).unwrap();
        let (at, pid) = (path.display(), std::process::id());
        assert!(refusal(&path).starts_with(&format!("unix:{at} is taken by process {pid} (")));
        // What another one has made there meanwhile is not ours to remove.
        fs::remove_file(&path).unwrap();
        let second = bind_file(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        fs::write(&path, "precious").unwrap();
        assert_eq!(refusal(&path), format!("cannot listen on unix:{at}: a file that is no socket is there"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = folder.path().join("gone/k.sock");
        let folder = folder.path().join("gone");
        assert!(refusal(&nowhere).ends_with(&format!("the folder {} does not exist", folder.display())));
    }
}
