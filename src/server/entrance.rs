//! The ways in: TCP, TCP with TLS and Unix sockets; each says who comes, and when it is safe to speak.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use super::bind::SocketFile;
use super::caller::Caller;
use super::peer;
use super::tls::Identity;
use crate::report::Peer;

/// Where connections come from.
pub(super) trait Entrance: Send + Sync + 'static {
    /// A connection as it is accepted.
    type Stream: Send + 'static;
    /// What accepting one tells of its other end.
    type Remote: Send;
    /// What is spoken over.
    type Safe: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Until that is there.
    type Ready: Future<Output = io::Result<Self::Safe>> + Send + 'static;

    /// The next one who comes.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Remote)>> + Send;

    /// Who is there, with the kernel's tables looked through beside the request.
    fn meet(&self, looks: &Arc<Semaphore>, stream: &Self::Stream, remote: Self::Remote) -> Option<Arc<Peer>>;

    /// The same as far as roles want to know.
    fn caller(&self, stream: &Self::Stream, remote: &Self::Remote) -> Caller;

    /// Makes it safe to speak.
    fn ready(&self, stream: Self::Stream) -> Self::Ready;
}

/// A TCP listener as it is.
pub(super) struct Plain {
    listener: TcpListener,
    /// Where it listens, unless that is everywhere.
    at: Option<SocketAddr>,
}

impl Plain {
    /// One that is bound.
    pub(super) fn new(listener: TcpListener) -> Self {
        let at = listener.local_addr().ok().filter(|at| !at.ip().is_unspecified());
        Self { listener, at }
    }
}

impl Entrance for Plain {
    type Stream = TcpStream;
    type Remote = SocketAddr;
    type Safe = TcpStream;
    type Ready = Ready<io::Result<TcpStream>>;

    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.listener.accept().await
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

    fn caller(&self, stream: &TcpStream, remote: &SocketAddr) -> Caller {
        let local = self.at.or_else(|| stream.local_addr().ok());
        local.map_or_else(|| Caller::noted(None), |local| Caller::at(*remote, local))
    }

    fn ready(&self, stream: TcpStream) -> Self::Ready {
        ready(Ok(stream))
    }
}

/// A TCP listener that speaks TLS.
pub(super) struct Secured {
    plain: Plain,
    identity: Identity,
}

impl Secured {
    /// One that shows itself as this.
    pub(super) fn new(listener: TcpListener, identity: &Identity) -> Self {
        Self { plain: Plain::new(listener), identity: identity.clone() }
    }
}

impl Entrance for Secured {
    type Stream = TcpStream;
    type Remote = SocketAddr;
    type Safe = TlsStream<TcpStream>;
    type Ready = Pin<Box<dyn Future<Output = io::Result<Self::Safe>> + Send>>;

    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.plain.next().await
    }

    fn meet(&self, looks: &Arc<Semaphore>, stream: &TcpStream, remote: SocketAddr) -> Option<Arc<Peer>> {
        self.plain.meet(looks, stream, remote)
    }

    fn caller(&self, stream: &TcpStream, remote: &SocketAddr) -> Caller {
        self.plain.caller(stream, remote)
    }

    fn ready(&self, stream: TcpStream) -> Self::Ready {
        let acceptor = self.identity.acceptor();
        Box::pin(async move {
            let mut first = [0];
            if stream.peek(&mut first).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if first == [HANDSHAKE] { acceptor.accept(stream).await } else { Err(say_so(stream).await) }
        })
    }
}

/// The first byte of every TLS client.
const HANDSHAKE: u8 = 22;

/// Tells whoever speaks plain HTTP, in plain HTTP.
async fn say_so(mut stream: TcpStream) -> io::Error {
    const BODY: &str = "{\"code\":\"BadRequest\",\"message\":\"this listener speaks TLS: ask it with https://\",\
        \"Code\":\"BadRequest\",\"Message\":\"this listener speaks TLS: ask it with https://\"}";
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    // What was said is read first: closing over it would reset the connection, and the answer could be lost with it.
    let _read = stream.try_read(&mut [0; 16 * 1024]);
    let _told_or_not = stream.write_all((head + BODY).as_bytes()).await;
    let _told_or_not = stream.shutdown().await;
    io::Error::other("plain HTTP")
}

impl Entrance for SocketFile {
    type Stream = UnixStream;
    type Remote = Arc<Path>;
    type Safe = UnixStream;
    type Ready = Ready<io::Result<UnixStream>>;

    async fn next(&self) -> io::Result<(UnixStream, Arc<Path>)> {
        self.listener.accept().await.map(|(stream, _)| (stream, Arc::clone(&self.path)))
    }

    /// The kernel noted who connected.
    fn meet(&self, _looks: &Arc<Semaphore>, stream: &UnixStream, at: Arc<Path>) -> Option<Arc<Peer>> {
        let noted = stream.peer_cred().ok()?;
        Some(Arc::new(Peer::on_socket(at, peer::noted(noted.pid(), noted.uid()))))
    }

    fn caller(&self, stream: &UnixStream, _at: &Arc<Path>) -> Caller {
        Caller::noted(stream.peer_cred().ok().map(|noted| noted.uid()))
    }

    fn ready(&self, stream: UnixStream) -> Self::Ready {
        ready(Ok(stream))
    }
}
