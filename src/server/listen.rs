//! Accepts connections up to a limit, and ends them gracefully.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::bind::{Bound, Listener};
use super::caller::Caller;
use super::entrance::{Entrance, Plain, Secured};
use super::pulse::{Felt, Pulse};
use super::reply::Reply;
use super::tls::Certificates;
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
/// For a TLS handshake: as long as SDKs wait for an answer, and for several round trips.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Until accepting is tried again when the process has run out of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

impl Bound {
    /// Serves until `Shutdown.closing`; then requests in flight are finished and idle connections closed.
    pub fn serve(self, shared: &Arc<Shared>, certificates: &Certificates, shutdown: &Shutdown) {
        let door = Arc::new(Door::new(MOST_CONNECTIONS, shared, shutdown).looking());
        for listener in self.credentials {
            let (shared, door) = (Arc::clone(shared), Arc::clone(&door));
            let (name, stop) = ("credentials listener", shutdown.closing.clone());
            match listener {
                Listener::Tcp(listener) => {
                    let answers = move |from| container::Endpoint::new(Arc::clone(&shared), from);
                    match certificates.credentials() {
                        None => shutdown.spawn(name, stop, door.accept(Plain::new(listener), answers)),
                        Some(identity) => {
                            shutdown.spawn(
                                name,
                                stop,
                                door.accept(Secured::new(listener, identity), answers),
                            );
                        }
                    }
                }
                Listener::Unix(socket) => {
                    let answers = move |from| container::Endpoint::on_socket(Arc::clone(&shared), from);
                    shutdown.spawn(name, stop, door.accept(socket, answers));
                }
            }
        }
        if let Some(listener) = self.admin {
            let door = Arc::new(Door::new(MOST_ADMIN_CONNECTIONS, shared, shutdown));
            let near = self.admin_at.is_some_and(|at| at.ip().is_loopback());
            let service = admin::Endpoint::new(Arc::clone(shared), near, shutdown.closing.clone());
            let (name, stop, answers) =
                ("admin listener", shutdown.closing.clone(), move |_| service.clone());
            match certificates.admin() {
                None => shutdown.spawn(name, stop, door.accept(Plain::new(listener), answers)),
                Some(identity) => {
                    shutdown.spawn(name, stop, door.accept(Secured::new(listener, identity), answers));
                }
            }
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

/// Whoever has connected.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// As roles want to know.
    pub(super) caller: Caller,
    /// As observers want to know.
    pub(super) peer: Option<Arc<Peer>>,
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
    async fn accept<E: Entrance, S: Answers>(self: Arc<Self>, entrance: E, answers: impl Fn(Arrival) -> S) {
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
        answers: impl Fn(Arrival) -> S,
    ) {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(place) => {
                let caller = entrance.caller(&stream, &remote);
                let peer = self.looks.as_ref().and_then(|looks| entrance.meet(looks, &stream, remote));
                let (door, service) = (Arc::clone(self), answers(Arrival { caller, peer }));
                let ready = entrance.ready(stream);
                self.shutdown.spawn_short(async move {
                    if let Some(stream) = door.shake_hands(ready).await {
                        door.converse(stream, service, place).await;
                    }
                });
            }
            Err(_) => self.turn_away(entrance.ready(stream)),
        }
    }

    /// The stream when it is safe to speak over it; nobody is waited for who does not come to that.
    async fn shake_hands<T>(&self, ready: impl Future<Output = io::Result<T>>) -> Option<T> {
        let closing = async {
            self.shutdown.closing.cancelled().await;
            tokio::time::sleep(FIRST_WORD).await;
        };
        let shaken = tokio::select! {
            biased;
            shaken = tokio::time::timeout(HANDSHAKE, ready) => shaken.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
            () = closing => return None,
        };
        // Whoever only looks whether somebody listens has done nothing wrong.
        let looked = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        if shaken.as_ref().is_err_and(|error| !looked(error)) {
            self.observers.observe(&Event::ConnectionRejected("tls"));
        }
        shaken.ok()
    }

    async fn converse<S: Answers>(
        &self,
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

    fn turn_away<T>(&self, ready: impl Future<Output = io::Result<T>> + Send + 'static)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.observers.observe(&Event::ConnectionRejected("limit"));
        if let Ok(place) = Arc::clone(&self.explained).try_acquire_owned() {
            self.shutdown.spawn_short(async move {
                let say = async { say_full(ready.await?).await };
                let _told_or_not = tokio::time::timeout(Duration::from_secs(1), say).await;
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
