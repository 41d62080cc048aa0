//! The outbound client for metadata and container endpoints and for AWS: a deadline for each step, a cap on the
//! body, no redirects, no proxy unless told, and a connection of its own for each request.
//!
//! Requests are minutes apart, so there is nothing to gain from keeping connections; and doing the steps one by one
//! (name, connection, TLS, exchange) is what lets a failure say how far it came.

mod broken;
#[cfg(test)]
pub(crate) mod fake;
mod issuer;
mod proxy;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

pub use broken::{Broken, Step};
pub use proxy::Proxies;
pub use tls::{Certificates, Trust};

use proxy::Proxy;

use crate::clock::Clock;
use crate::report::{Call, Notes};

/// How every User-Agent of ours begins: an endpoint of ours recognises its own kind by it.
pub const USER_AGENT_MARK: &str = "keyfob/";

const USER_AGENT: &str = concat!("keyfob/", env!("CARGO_PKG_VERSION"));

/// Bodies end here unless the request says otherwise: credentials are 2 KiB.
const BODY: usize = 64 * 1024;

/// Makes requests. Cheap to clone; clones share the trusted certificates, which are loaded at the first https request.
#[derive(Clone, Debug)]
pub struct Client {
    clock: Clock,
    trust: tls::Trust,
    proxies: Arc<Proxies>,
}

/// One request, and how long it may take.
#[derive(Debug)]
pub struct Ask {
    /// `sts`, `imds` or `container`; `otlp` for a collector.
    pub service: &'static str,
    /// `AssumeRole`, `PUT token`.
    pub operation: &'static str,
    /// Verb.
    pub method: Method,
    /// Absolute, http or https.
    pub url: Uri,
    /// Sent as they are; `Host` and `User-Agent` are added where they are missing.
    pub headers: HeaderMap,
    /// Empty for most.
    pub body: Bytes,
    /// Until a connection stands, TLS included; for each address of a name anew.
    pub connect: Duration,
    /// From then on until the answer is complete.
    pub answer: Duration,
    /// Bytes of body that are read before the answer is refused.
    pub limit: usize,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// All of them.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

impl Ask {
    /// A GET without headers; connection and answer may take `patience` each.
    #[must_use]
    pub fn get(service: &'static str, operation: &'static str, url: Uri, patience: Duration) -> Self {
        Self {
            service,
            operation,
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            connect: patience,
            answer: patience,
            limit: BODY,
        }
    }

    /// The request as it is sent: to a proxy with the whole address and the login, else with the path alone.
    fn into_request(self, proxy: Option<&Proxy>) -> Result<Request<Full<Bytes>>, Broken> {
        let unusable = |text: &str| Broken::new(Step::Address, text);
        let authority = self.url.authority().ok_or_else(|| unusable("the address has no host"))?;
        let (_, place) = authority.as_str().rsplit_once('@').unwrap_or(("", authority.as_str()));
        let host = HeaderValue::from_str(place).map_err(|_| unusable("the host is no header value"))?;
        let target = self.url.path_and_query().map_or("/", |target| target.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        let front = if proxy.is_some() { format!("http://{place}") } else { String::new() };
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() =
            format!("{front}{slash}{target}").parse().map_err(|_| unusable("the path is no path"))?;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        if let Some(login) = proxy.and_then(Proxy::authorization) {
            let login = HeaderValue::from_str(login.expose()).map_err(|_| unusable("no such login"))?;
            headers.insert(header::PROXY_AUTHORIZATION, login);
        }
        Ok(request)
    }
}

impl Client {
    /// A client that has not loaded anything yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, trust: tls::Trust::default(), proxies: Arc::default() }
    }

    /// The same client on the way through proxies, for AWS's own addresses only.
    #[must_use]
    pub fn through(self, proxies: Proxies) -> Self {
        Self { proxies: Arc::new(proxies), ..self }
    }

    /// The same client with certificates that somebody named.
    #[must_use]
    pub fn with(self, certificates: Certificates) -> Self {
        Self { trust: tls::Trust::new(certificates), ..self }
    }

    /// Makes the request and writes it down, also when this future is dropped on the way.
    ///
    /// # Errors
    /// How far it came and what went wrong. Any status is an answer.
    pub async fn send(&self, ask: Ask, notes: &mut Notes) -> Result<Answer, Broken> {
        let mut entry = Entry::open(notes, &ask, self.clock.now());
        let outcome = self.exchange(ask).await;
        entry.close(&outcome);
        outcome
    }

    async fn exchange(&self, ask: Ask) -> Result<Answer, Broken> {
        let url = ask.url.clone();
        let secure = url.scheme_str() == Some("https");
        if !secure && url.scheme_str() != Some("http") {
            return Err(Broken::new(Step::Address, "neither http nor https"));
        }
        let port = port(&url).ok_or_else(|| Broken::new(Step::Address, "the port is no port"))?;
        let (connect, answer, limit) = (ask.connect, ask.answer, ask.limit);
        let proxy = self.proxies.of(&url);
        let request = ask.into_request(proxy.filter(|_| !secure))?;
        let mut stream: Box<dyn Stream> = match proxy {
            None => Box::new(dial(bare_host(&url), port, connect).await?),
            Some(proxy) => self.reach(proxy, connect).await.map_err(|broken| broken.through(proxy))?,
        };
        if secure {
            if let Some(proxy) = proxy {
                proxy.tunnel(&mut stream, &url, connect).await?;
            }
            stream = Box::new(self.trust.handshake(bare_host(&url), stream, connect).await?);
        }
        converse(TokioIo::new(stream), request, limit, answer).await
    }

    async fn reach(&self, proxy: &Proxy, patience: Duration) -> Result<Box<dyn Stream>, Broken> {
        let (url, port) = proxy.place()?;
        let stream = dial(bare_host(url), port, patience).await?;
        if url.scheme_str() != Some("https") {
            return Ok(Box::new(stream));
        }
        Ok(Box::new(self.trust.handshake(bare_host(url), stream, patience).await?))
    }
}

/// A connection, whatever it goes through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The host of an address without the brackets of IPv6.
#[must_use]
pub fn bare_host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The port that is asked, unless what stands in its place is none.
#[must_use]
pub fn port(url: &Uri) -> Option<u16> {
    let authority = url.authority()?.as_str();
    let (_, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let after = place.strip_prefix(url.host()?)?;
    match after.strip_prefix(':').unwrap_or(after) {
        "" => Some(if url.scheme_str() == Some("https") { 443 } else { 80 }),
        digits => digits.parse().ok(),
    }
}

/// Scheme, host, port and path: what may be shown of an address.
#[must_use]
pub fn shown(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let (_, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    format!("{}://{place}{}", url.scheme_str().unwrap_or_default(), url.path())
}

/// Tries the addresses of a name in order, as urllib3 does.
async fn dial(host: &str, port: u16, patience: Duration) -> Result<TcpStream, Broken> {
    let mut last = Broken::new(Step::Name, "the name has no address");
    for address in addresses(host, port, patience).await? {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are one small write: waiting for more of it only costs time.
                let _as_it_was = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Broken::connecting(&error),
            Err(_) => last = Broken::new(Step::ConnectTimeout, format!("no connection in {patience:?}")),
        }
    }
    Err(last)
}

async fn addresses(host: &str, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, Broken> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // Names may take longer than a link-local endpoint: resolvers ask their second server after 5 s.
    let patience = patience.max(Duration::from_secs(6));
    match timeout(patience, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(Broken::new(Step::Name, error.to_string())),
        Err(_) => Err(Broken::new(Step::Name, format!("no answer from the resolver in {patience:?}"))),
    }
}

/// Sends the request and reads the whole answer. The connection is driven here and ends with the answer.
async fn converse<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    limit: usize,
    patience: Duration,
) -> Result<Answer, Broken>
where
    S: Read + Write + Unpin,
{
    let deadline = Instant::now() + patience;
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| Broken::cut(&error))?;
    let exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(|error| Broken::cut(&error))?;
        let (head, body) = response.into_parts();
        let body = read(body, limit).await?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    });
    let both = async {
        match select(exchange, pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            // The connection is over; what it brought, an answer or the error, is with the exchange.
            Either::Right((_, exchange)) => exchange.await,
        }
    };
    let late = |_| Broken::new(Step::AnswerTimeout, format!("connected, and no full answer in {patience:?}"));
    timeout_at(deadline, both).await.map_err(late)?
}

async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Broken> {
    let too_large = || Broken::new(Step::TooLarge, format!("the answer is larger than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Broken::cut(&error))?;
        if let Some(data) = frame.data_ref() {
            if whole.len() + data.len() > limit {
                return Err(too_large());
            }
            whole.extend_from_slice(data);
        }
    }
    Ok(whole.freeze())
}

/// A line of the notes that is written when the request begins and completed when it ends, whatever ends it.
struct Entry<'n> {
    call: Option<&'n mut Call>,
    begun: Instant,
}

impl<'n> Entry<'n> {
    fn open(notes: &'n mut Notes, ask: &Ask, started: std::time::SystemTime) -> Self {
        notes.calls.push(Call {
            service: ask.service,
            operation: ask.operation,
            url: shown(&ask.url),
            started,
            took: Duration::ZERO,
            status: None,
            code: None,
            request_id: None,
            error: Some("given up before the answer came".to_owned()),
            broke_at: Some("abandoned"),
            date: None,
        });
        Self { call: notes.calls.last_mut(), begun: Instant::now() }
    }

    fn close(&mut self, outcome: &Result<Answer, Broken>) {
        let Some(call) = self.call.as_mut() else { return };
        match outcome {
            Ok(answer) => {
                call.status = Some(answer.status);
                call.request_id = answer.header("x-amzn-requestid").map(str::to_owned);
                (call.error, call.broke_at) = (None, None);
                let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
                call.date = date.map(|date| date.timestamp().into());
            }
            Err(broken) => {
                (call.error, call.broke_at) = (Some(broken.to_string()), Some(broken.step.as_str()));
            }
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.as_mut() {
            call.took = self.begun.elapsed();
        }
    }
}

impl Answer {
    /// A header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    ///
    /// # Errors
    /// The body is not UTF-8.
    pub fn text(&self) -> Result<&str, io::Error> {
        std::str::from_utf8(&self.body).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::fake::{Fake, Reply, closed, ok, silent};
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    fn client() -> Client {
        Client::new(Clock::host())
    }

    async fn get(url: &str) -> (Result<Answer, Broken>, Notes) {
        let mut notes = Notes::default();
        let ask = Ask::get("container", "GET credentials", url.parse().unwrap(), PATIENCE);
        let outcome = client().send(ask, &mut notes).await;
        (outcome, notes)
    }

    async fn step(url: &str) -> Step {
        let (outcome, notes) = get(url).await;
        let broken = outcome.unwrap_err();
        assert_eq!(notes.calls.len(), 1);
        assert_eq!(notes.calls[0].error, Some(broken.to_string()));
        assert_eq!(notes.calls[0].broke_at, Some(broken.step.as_str()));
        broken.step
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_an_answer_and_is_written_down() {
        let fake = Fake::serving(|_| {
            Reply::Raw(b"HTTP/1.1 418 T\r\nx-amzn-requestid: r-1\r\ndate: Thu, 31 Jan 2030 12:00:00 GMT\r\ncontent-length: 5\r\n\r\nhello".to_vec())
        });
        let (outcome, notes) = get(&fake.url("/path?secret=1")).await;
        let answer = outcome.unwrap();
        assert_eq!((answer.status, answer.text().unwrap()), (418, "hello"));
        let call = &notes.calls[0];
        assert_eq!((call.status, call.request_id.as_deref()), (Some(418), Some("r-1")));
        assert_eq!(call.url, fake.url("/path"));
        assert_eq!(call.date, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_896_091_200)));
        assert!(call.error.is_none() && call.started > SystemTime::UNIX_EPOCH);
    }

    #[tokio::test]
    async fn the_request_has_our_mark_and_the_host_without_user() {
        let fake = Fake::serving(|_| ok("x"));
        let url = format!("http://user:pass@{}?a=b", fake.address);
        let (outcome, notes) = get(&url).await;
        outcome.unwrap();
        let heard = fake.heard().remove(0).to_lowercase();
        assert!(heard.starts_with("get /?a=b http/1.1"), "{heard}");
        assert!(heard.contains(&format!("host: {}\r\n", fake.address)), "{heard}");
        assert!(heard.contains(&format!("user-agent: {USER_AGENT_MARK}")), "{heard}");
        assert!(!heard.contains("pass") && !notes.calls[0].url.contains("pass"));
    }

    #[tokio::test]
    async fn each_failure_says_how_far_it_came() {
        let hang = Fake::serving(|_| Reply::Hang);
        let close = Fake::serving(|_| Reply::Close);
        let garbage = Fake::serving(|_| Reply::Raw(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()));
        let half =
            Fake::serving(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()));
        let flood = Fake::serving(|_| Reply::Flood);
        let huge =
            Fake::serving(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec()));
        let (silent, _queue) = silent();
        let cases = [
            (hang.url("/"), Step::AnswerTimeout),
            (close.url("/"), Step::Cut),
            (garbage.url("/"), Step::Cut),
            (half.url("/"), Step::Cut),
            (flood.url("/"), Step::TooLarge),
            (huge.url("/"), Step::TooLarge),
            (format!("http://{}/", closed()), Step::Refused),
            (format!("http://{silent}/"), Step::ConnectTimeout),
            ("http://no-such-name.invalid/".to_owned(), Step::Name),
            ("ftp://127.0.0.1/".to_owned(), Step::Address),
            ("http://127.0.0.1:port/".to_owned(), Step::Address),
            ("http://127.0.0.1:99999/".to_owned(), Step::Address),
            (close.url("/").replace("http:", "https:"), Step::Handshake),
        ];
        for (url, expected) in cases {
            assert_eq!(step(&url).await, expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_like_any_other() {
        let fake = Fake::serving(|_| {
            Reply::Raw(
                b"HTTP/1.1 302 F\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(),
            )
        });
        assert_eq!(get(&fake.url("/")).await.0.unwrap().status, 302);
        assert_eq!(fake.heard().len(), 1);
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_stays_in_the_notes() {
        let fake = Fake::serving(|_| Reply::Hang);
        let mut notes = Notes::default();
        let ask = Ask::get("imds", "PUT token", fake.url("/").parse().unwrap(), Duration::from_secs(60));
        let given_up = timeout(Duration::from_millis(50), client().send(ask, &mut notes)).await;
        assert!(given_up.is_err());
        assert!(notes.calls[0].error.as_deref().unwrap().contains("given up"));
        assert!(notes.calls[0].took >= Duration::from_millis(50));
    }
}
