//! Binds addresses, accepts connections up to a limit, and ends them gracefully.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::peer;
use super::pulse::{Felt, Pulse};
use super::reply::Reply;
use super::{Shared, admin, container};
use crate::config::Listen;
use crate::event::{Event, Observe, Observers};
use crate::report::Peer;
use crate::shutdown::Shutdown;

/// Connections to the credentials listeners, in all (contract 3).
const MOST_CONNECTIONS: usize = 512;
/// Connections to the admin listener: its own, so that probes are answered however busy clients are.
const MOST_ADMIN_CONNECTIONS: usize = 64;
/// Turned-away clients that are told why at one time; more are just closed.
const MOST_EXPLAINED: usize = 64;
const BACKLOG: u32 = 1024;
/// Largest head of a request, in bytes (contract 3).
const LARGEST_HEAD: usize = 16 * 1024;
/// Until accepting is tried again when the process has run out of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
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

/// Addresses that are bound and not served yet.
#[derive(Debug)]
pub struct Bound {
    credentials: Vec<TcpListener>,
    admin: Option<TcpListener>,
    /// Bound credentials addresses, in the order of the configuration.
    pub credentials_at: Vec<SocketAddr>,
    /// Bound admin address.
    pub admin_at: Option<SocketAddr>,
}

/// Binds every configured address; port 0 takes a free one.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind(listen: &Listen) -> Result<Bound, BindError> {
    let mut bound =
        Bound { credentials: Vec::new(), admin: None, credentials_at: Vec::new(), admin_at: None };
    for address in &listen.credentials {
        let (listener, at) = bind_one(*address, Some(listen.ttl))?;
        bound.credentials.push(listener);
        bound.credentials_at.push(at);
    }
    if let Some(address) = listen.admin {
        let (listener, at) = bind_one(address, None)?;
        (bound.admin, bound.admin_at) = (Some(listener), Some(at));
    }
    Ok(bound)
}

fn bind_one(address: SocketAddr, ttl: Option<u32>) -> Result<(TcpListener, SocketAddr), BindError> {
    let tried = open(address, ttl).and_then(|listener| {
        let at = listener.local_addr()?;
        Ok((listener, at))
    });
    tried.map_err(|error| {
        let taken = error.kind() == io::ErrorKind::AddrInUse;
        let owner = if taken { peer::listener(address) } else { None };
        BindError { address, error, owner }
    })
}

fn open(address: SocketAddr, ttl: Option<u32>) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the connections of the agent before.
    socket.set_reuseaddr(true)?;
    // What follows is inherited by every connection, and set before listening so that the first packet has it too.
    // Answers are small and whole: waiting for more to send with them only delays them.
    socket.set_nodelay(true)?;
    if let Some(ttl) = ttl.filter(|_| !address.ip().is_loopback()) {
        let socket = SockRef::from(&socket);
        if address.is_ipv6() {
            socket.set_unicast_hops_v6(ttl)?;
        }
        if address.is_ipv4() || address.ip() == IpAddr::from([0_u16; 8]) {
            socket.set_ttl_v4(ttl)?;
        }
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bound {
    /// Serves until `Shutdown.closing`; then requests in flight are finished and idle connections closed.
    pub fn serve(self, shared: &Arc<Shared>, shutdown: &Shutdown) {
        let door = Arc::new(Door::new(MOST_CONNECTIONS, shared, shutdown).looking());
        for listener in self.credentials {
            let shared = Arc::clone(shared);
            let answers = move |peer| container::Endpoint::new(Arc::clone(&shared), peer);
            let accept = Arc::clone(&door).accept(listener, answers);
            shutdown.spawn("credentials listener", shutdown.closing.clone(), accept);
        }
        if let Some(listener) = self.admin {
            let door = Arc::new(Door::new(MOST_ADMIN_CONNECTIONS, shared, shutdown));
            let near = self.admin_at.is_some_and(|at| at.ip().is_loopback());
            let service = admin::Endpoint::new(Arc::clone(shared), near, shutdown.closing.clone());
            let accept = door.accept(listener, move |_| service.clone());
            shutdown.spawn("admin listener", shutdown.closing.clone(), accept);
        }
    }
}

/// What both listeners' endpoints are to a connection.
trait Answers:
    Service<Request<Incoming>, Response = Reply, Error = Infallible, Future: Send + Unpin> + Send + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Incoming>, Response = Reply, Error = Infallible, Future: Send + Unpin>
        + Send
        + 'static
{
}

/// Lets connections in, up to a limit.
struct Door {
    room: Arc<Semaphore>,
    explained: Arc<Semaphore>,
    /// For looking at who is at the other end, if an observer wants to know.
    looks: Option<Arc<Semaphore>>,
    observers: Observers,
    shutdown: Shutdown,
    http: http1::Builder,
}

impl Door {
    fn new(most: usize, shared: &Shared, shutdown: &Shutdown) -> Self {
        let mut http = http1::Builder::new();
        // `Pulse` does what the timeout would, without a timer made anew for each request.
        http.header_read_timeout(None)
            .max_header_size(LARGEST_HEAD)
            .max_buf_size(2 * LARGEST_HEAD)
            .half_close(false);
        Self {
            room: Arc::new(Semaphore::new(most)),
            explained: Arc::new(Semaphore::new(MOST_EXPLAINED)),
            looks: None,
            observers: shared.observers.clone(),
            shutdown: shutdown.clone(),
            http,
        }
    }

    /// Looks at who comes, if an observer does.
    fn looking(mut self) -> Self {
        self.looks = self.observers.looks_at_peers().then(|| Arc::new(Semaphore::new(1)));
        self
    }

    /// Lets in whoever comes; `answers` makes what answers to one of them.
    async fn accept<S: Answers>(
        self: Arc<Self>,
        listener: TcpListener,
        answers: impl Fn(Option<Arc<Peer>>) -> S,
    ) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.admit(stream, remote, &answers),
                Err(error) if of_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(BREATH).await,
            }
        }
    }

    fn admit<S: Answers>(
        self: &Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        answers: impl Fn(Option<Arc<Peer>>) -> S,
    ) {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(place) => {
                let peer = self.looks.as_ref().and_then(|looks| meet(looks, &stream, remote));
                self.shutdown.spawn_short(Arc::clone(self).converse(stream, answers(peer), place));
            }
            Err(_) => self.turn_away(stream),
        }
    }

    async fn converse<S: Answers>(
        self: Arc<Self>,
        stream: TcpStream,
        service: S,
        _place: OwnedSemaphorePermit,
    ) {
        let pulse = Arc::new(Pulse::new(Instant::now()));
        let service = Felt { service, pulse: Arc::clone(&pulse) };
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.shutdown.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = pulse.stopped() => return,
        };
        if ended.is_err_and(|error| error.is_parse()) {
            self.observers.observe(&Event::ConnectionRejected("malformed"));
        }
    }

    fn turn_away(&self, stream: TcpStream) {
        self.observers.observe(&Event::ConnectionRejected("limit"));
        if let Ok(place) = Arc::clone(&self.explained).try_acquire_owned() {
            self.shutdown.spawn_short(async move {
                let _told_or_not = tokio::time::timeout(Duration::from_secs(1), say_full(stream)).await;
                drop(place);
            });
        }
    }
}

/// Begins to find out who is there, beside the request: afterwards they may be gone. One look at a time; whoever comes
/// meanwhile is looked at when it is needed.
fn meet(looks: &Arc<Semaphore>, stream: &TcpStream, remote: SocketAddr) -> Option<Arc<Peer>> {
    let peer = Arc::new(peer::of(remote, stream.local_addr().ok()?));
    if peer.known().is_none()
        && let Ok(place) = Arc::clone(looks).try_acquire_owned()
    {
        let peer = Arc::clone(&peer);
        tokio::task::spawn_blocking(move || {
            peer.process();
            drop(place);
        });
    }
    Some(peer)
}

async fn say_full(mut stream: TcpStream) -> io::Result<()> {
    const BODY: &str = "{\"code\":\"CredentialsUnavailable\",\"message\":\"too many connections\",\
        \"Code\":\"CredentialsUnavailable\",\"Message\":\"too many connections\"}";
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    stream.write_all((head + BODY).as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection, and the answer could be lost with it.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Errors of accept(2) that are about the one connection, which is gone.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
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
}
