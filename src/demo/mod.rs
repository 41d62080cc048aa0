//! A fake AWS for `keyfob demo`: instance metadata and STS on a free port of this machine, and a wall around both.
//!
//! It knows the keys it handed out and refuses all others as AWS does. Signatures are not checked: a client that
//! holds the session token has the secret key from the same answer. The fake AWS of the tests checks them.

pub mod agent;
mod keys;
mod metadata;
mod sts;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::shutdown::Shutdown;
use keys::Ring;

/// Where the demo's instance says it runs.
pub const REGION: &str = "us-east-1";
/// The account of all documentation.
const ACCOUNT: &str = "111122223333";
const ROLE: &str = "keyfob-demo";
/// What a client hears that did not take up `AWS_ENDPOINT_URL` and asks for the real AWS (contract 1).
pub const PREDATES: &str = "this client predates AWS_ENDPOINT_URL";

/// For a head and for a body; also the longest a connection may idle.
const PATIENCE: Duration = Duration::from_secs(30);
const LARGEST_BODY: usize = 64 * 1024;
const MOST_CONNECTIONS: usize = 128;
/// Places outside that are named to the person; a client gone wild does not fill the screen.
const MOST_NAMED: usize = 20;

type Reply = Response<Full<Bytes>>;
/// Told once of each place outside that a client asked for.
type Outside = Box<dyn Fn(&str) + Send + Sync>;

/// The fake AWS, bound and not answering yet.
#[derive(Debug)]
pub struct DemoAws {
    listener: TcpListener,
    address: SocketAddr,
}

impl DemoAws {
    /// Takes a free port of this machine.
    ///
    /// # Errors
    /// What the system said.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// AWS, metadata and proxy in one.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until the shutdown.
    pub fn serve(self, clock: Clock, shutdown: &Shutdown, outside: impl Fn(&str) + Send + Sync + 'static) {
        let (ring, named) = (Mutex::default(), Mutex::default());
        let face = Face { address: self.address, clock, ring, named, outside: Box::new(outside) };
        let accept = accept(self.listener, Arc::new(face), shutdown.clone());
        shutdown.spawn("demo", shutdown.closing.clone(), accept);
    }
}

async fn accept(listener: TcpListener, face: Arc<Face>, shutdown: Shutdown) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let (face, closing) = (Arc::clone(&face), shutdown.closing.clone());
                shutdown.spawn_short(async move {
                    let _cut_short = closing.run_until_cancelled(converse(stream, face)).await;
                    drop(place);
                });
            }
            // Out of file descriptors, as a rule: some connection will end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(stream: TcpStream, face: Arc<Face>) {
    let service = service_fn(move |request| {
        let face = Arc::clone(&face);
        async move { Ok::<_, Infallible>(face.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    // A client that breaks off has nobody to be told.
    let _broken_off = http.serve_connection(TokioIo::new(stream), service).await;
}

/// What clients see.
struct Face {
    address: SocketAddr,
    clock: Clock,
    ring: Mutex<Ring>,
    named: Mutex<BTreeSet<String>>,
    outside: Outside,
}

impl Face {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        if let Some(place) = self.elsewhere(&head) {
            return self.refuse_to_leave(&place);
        }
        let body = tokio::time::timeout(PATIENCE, Limited::new(body, LARGEST_BODY).collect()).await;
        let Ok(Ok(body)) = body else {
            return reply(StatusCode::BAD_REQUEST, "text/plain", "the body is too large or never came");
        };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if head.uri.path().starts_with("/latest/") {
            return metadata::answer(&head, &mut ring, self.clock.now());
        }
        sts::answer(&head, &body.to_bytes(), &ring, self.clock.now())
    }

    /// What a client wants that takes us for a proxy.
    fn elsewhere(&self, head: &Parts) -> Option<String> {
        let place = head.uri.authority()?.as_str();
        let ours = head.method != Method::CONNECT && place == self.address.to_string();
        (!ours).then(|| place.to_owned())
    }

    fn refuse_to_leave(&self, place: &str) -> Reply {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < MOST_NAMED && named.insert(place.to_owned()) {
            (self.outside)(place);
        }
        let body = format!("{PREDATES}: it asks for {place}, and nothing leaves this machine in a demo\n");
        let mut reply = reply(StatusCode::FORBIDDEN, "text/plain", body);
        // Clients show the reason of a refused tunnel, and never its body.
        reply.extensions_mut().insert(hyper::ext::ReasonPhrase::from_static(PREDATES.as_bytes()));
        reply
    }
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn header<'h>(head: &'h Parts, name: &str) -> &'h str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
