//! Where one of an agent's listeners is, and one request to it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exit::Exit;
use super::stop::Stop;
use crate::http::Trust;

/// Not the mark of the agent's own chain: that one is never answered with credentials.
const AGENT_NAME: &str = concat!("keyfob-cli/", env!("CARGO_PKG_VERSION"));
/// Status and explanation of hundreds of roles are far smaller.
const LARGEST: usize = 8 * 1024 * 1024;

/// One listener: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    tls: bool,
    host: String,
    port: u16,
}

/// What an agent answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Whole.
    pub body: Bytes,
}

impl Place {
    /// A listener at an IP address.
    #[must_use]
    pub fn at(address: SocketAddr, tls: bool) -> Self {
        Self { tls, host: address.ip().to_string(), port: address.port() }
    }

    /// Whether it is on this machine whatever names say.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.parse::<IpAddr>().map_or(self.host == "localhost", |ip| ip.is_loopback())
    }

    fn authority(&self) -> String {
        let v6 = self.host.contains(':');
        if v6 { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }

    /// Asks once, over a connection of its own; whoever answers https has to be one of `trust`.
    ///
    /// # Errors
    /// Nobody there, no answer in time, or something that does not speak HTTP.
    pub async fn ask(
        &self,
        trust: &Trust,
        method: Method,
        path: &str,
        token: Option<HeaderValue>,
        within: Duration,
    ) -> Result<Answer, Stop> {
        let request = self.request(method, path, token)?;
        match timeout(within, self.send(request, trust, within)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(self.nobody(&why)),
            Err(_) => Err(self.nobody(&format!("no answer within {} s", within.as_secs()))),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<HeaderValue>,
    ) -> Result<Request<Empty<Bytes>>, Stop> {
        let built = Request::builder().method(method).uri(path).header(HOST, self.authority());
        let mut built = built.header(ACCEPT, "application/json").header(USER_AGENT, AGENT_NAME);
        if let Some(token) = token {
            built = built.header(AUTHORIZATION, token);
        }
        built.body(Empty::new()).map_err(|error| Stop::internal("cannot build the request", error))
    }

    async fn send(
        &self,
        request: Request<Empty<Bytes>>,
        trust: &Trust,
        within: Duration,
    ) -> Result<Answer, String> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = connected.map_err(|error| reason(&error))?;
        if !self.tls {
            return exchange(stream, request).await;
        }
        let safe = trust.handshake(&self.host, stream, within).await.map_err(|broken| broken.to_string())?;
        exchange(safe, request).await
    }

    fn nobody(&self, why: &str) -> Stop {
        Stop::new(Exit::Unreachable, format!("no agent answers at {self}: {why}"))
            .hint("fix: start one with `keyfob serve`, or name its admin address with --admin ADDR")
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let asked = async move {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    // The connection ends when the sender is dropped, which is when the answer is there.
    tokio::join!(asked, connection).0
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// As it is written: plain addresses without their scheme.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.tls { "https://" } else { "" }, self.authority())
    }
}

impl FromStr for Place {
    type Err = ();

    /// `http://HOST:PORT` or `https://HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: Uri = text.parse().map_err(|_| ())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(()),
        };
        let host = uri.host().ok_or(())?.trim_start_matches('[').trim_end_matches(']');
        let bare = uri.path_and_query().is_none_or(|rest| rest == "/");
        let port = uri.port_u16().filter(|_| bare && !text.contains('@')).ok_or(())?;
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_scheme_a_host_and_a_port() {
        let cases = [
            ("https://localhost:5398", Some("https://localhost:5398")),
            ("https://127.0.0.1:5398/", Some("https://127.0.0.1:5398")),
            ("https://[::1]:5398", Some("https://[::1]:5398")),
            ("http://[::1]:5398", Some("[::1]:5398")),
            ("https://localhost", None),
            ("https://localhost:5398/x", None),
            ("https://a@localhost:5398", None),
            ("ftp://localhost:1", None),
            ("127.0.0.1:5398", None),
        ];
        for (text, shown) in cases {
            let read = text.parse::<Place>().ok().map(|place| place.to_string());
            assert_eq!(read.as_deref(), shown, "{text}");
        }
    }
}
