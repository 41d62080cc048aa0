//! Accepts connections up to a limit, and ends them gracefully.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::bind::{Bound, Listener, SocketFile};
use super::peer;
use super::pulse::{Felt, Pulse};
use super::reply::Reply;
use super::{Shared, admin, container};
use crate::event::{Event, Observe, Observers};
use crate::report::Peer;
use crate::shutdown::Shutdown;

/// Connections to the credentials listeners, in all (contract 3).
const MOST_CONNECTIONS: usize = 512;
/// Connections to the admin listener: its own, so that probes are answered however busy clients are.
const MOST_ADMIN_CONNECTIONS: usize = 64;
/// Turned-away clients that are told why at one time; more are just closed.
const MOST_EXPLAINED: usize = 64;
/// Largest head of a request, in bytes (contract 3).
const LARGEST_HEAD: usize = 16 * 1024;
/// For whoever has connected and not asked yet when the agent ends: SDKs do not ask a second time.
const FIRST_WORD: Duration = Duration::from_millis(500);
/// Until accepting is tried again when the process has run out of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

impl Bound {
    /// Serves until `Shutdown.closing`; then requests in flight are finished and idle connections closed.
    pub fn serve(self, shared: &Arc<Shared>, shutdown: &Shutdown) {
        let door = Arc::new(Door::new(MOST_CONNECTIONS, shared, shutdown).looking());
        for listener in self.credentials {
            let (shared, door) = (Arc::clone(shared), Arc::clone(&door));
            let (name, stop) = ("credentials listener", shutdown.closing.clone());
            match listener {
                Listener::Tcp(listener) => {
                    let answers = move |peer| container::Endpoint::new(Arc::clone(&shared), peer);
                    shutdown.spawn(name, stop, door.accept(listener, answers));
                }
                Listener::Unix(socket) => {
                    let answers = move |peer| container::Endpoint::on_socket(Arc::clone(&shared), peer);
                    shutdown.spawn(name, stop, door.accept(socket, answers));
                }
            }
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

/// Where connections come from.
trait Entrance: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// What accepting one tells of its other end.
    type Remote: Send;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Remote)>> + Send;

    /// Who is there, with the kernel's tables looked through beside the request.
    fn meet(&self, looks: &Arc<Semaphore>, stream: &Self::Stream, remote: Self::Remote) -> Option<Arc<Peer>>;
}

impl Entrance for TcpListener {
    type Stream = TcpStream;
    type Remote = SocketAddr;

    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept().await
    }

    /// Begins to find out at once: afterwards they may be gone. One look at a time; whoever comes meanwhile is looked at
    /// when it is needed.
    fn meet(&self, looks: &Arc<Semaphore>, stream: &TcpStream, remote: SocketAddr) -> Option<Arc<Peer>> {
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
}

impl Entrance for SocketFile {
    type Stream = UnixStream;
    type Remote = Arc<Path>;

    async fn next(&self) -> io::Result<(UnixStream, Arc<Path>)> {
        self.listener.accept().await.map(|(stream, _)| (stream, Arc::clone(&self.path)))
    }

    /// The kernel noted who connected.
    fn meet(&self, _looks: &Arc<Semaphore>, stream: &UnixStream, at: Arc<Path>) -> Option<Arc<Peer>> {
        let noted = stream.peer_cred().ok()?;
        Some(Arc::new(Peer::on_socket(at, peer::noted(noted.pid(), noted.uid()))))
    }
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
    async fn accept<E: Entrance, S: Answers>(
        self: Arc<Self>,
        entrance: E,
        answers: impl Fn(Option<Arc<Peer>>) -> S,
    ) {
        loop {
            match entrance.next().await {
                Ok((stream, remote)) => self.admit(&entrance, stream, remote, &answers),
                Err(error) if of_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(BREATH).await,
            }
        }
    }

    fn admit<E: Entrance, S: Answers>(
        self: &Arc<Self>,
        entrance: &E,
        stream: E::Stream,
        remote: E::Remote,
        answers: impl Fn(Option<Arc<Peer>>) -> S,
    ) {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(place) => {
                let peer = self.looks.as_ref().and_then(|looks| entrance.meet(looks, &stream, remote));
                self.shutdown.spawn_short(Arc::clone(self).converse(stream, answers(peer), place));
            }
            Err(_) => self.turn_away(stream),
        }
    }

    async fn converse<S: Answers>(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
                let word = if pulse.is_new() { FIRST_WORD } else { Duration::ZERO };
                match tokio::time::timeout(word, connection.as_mut()).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
            () = pulse.stopped() => return,
        };
        if ended.is_err_and(|error| error.is_parse()) {
            self.observers.observe(&Event::ConnectionRejected("malformed"));
        }
    }

    fn turn_away(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        self.observers.observe(&Event::ConnectionRejected("limit"));
        if let Ok(place) = Arc::clone(&self.explained).try_acquire_owned() {
            self.shutdown.spawn_short(async move {
                let _told_or_not = tokio::time::timeout(Duration::from_secs(1), say_full(stream)).await;
                drop(place);
            });
        }
    }
}

async fn say_full(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
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
