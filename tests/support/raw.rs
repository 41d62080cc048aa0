//! A blocking HTTP client that sends exactly the bytes it is given.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(10);

/// An answer, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON: {error}\n{self:#?}"))
    }
}

/// GET on a new connection.
#[track_caller]
pub fn get(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    request(addr, "GET", path, headers, "")
}

/// Any method on a new connection; `Host` and, with a body, `Content-Length` are added.
#[track_caller]
pub fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut wire = Wire::connect(addr);
    wire.send(format!("{head}\r\n{body}").as_bytes()).unwrap();
    wire.reply().unwrap()
}

/// A connection on which every byte is the test's. Reads and writes end after 10 s.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Wire {
        let stream = TcpStream::connect_timeout(&addr, BOUND).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        Wire { stream: BufReader::new(stream) }
    }

    pub fn read_bound(&mut self, bound: Duration) {
        self.stream.get_ref().set_read_timeout(Some(bound)).unwrap();
    }

    /// # Errors
    /// When the peer has closed, as a server may in the middle of a bad head.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// One packet a byte, as a slow or hostile client sends a head.
    ///
    /// # Errors
    /// When the peer has closed.
    pub fn send_bytewise(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        bytes.chunks(1).try_for_each(|byte| self.send(byte))
    }

    /// Reads one answer and leaves the connection open, when the server does.
    ///
    /// # Errors
    /// When the peer closes, or is silent for too long, before a whole answer.
    pub fn reply(&mut self) -> std::io::Result<Reply> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("not HTTP: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let body = self.body(&reply)?;
        reply.body = String::from_utf8_lossy(&body).into_owned();
        Ok(reply)
    }

    /// Whether the peer closes without saying anything more.
    pub fn closes(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn body(&mut self, reply: &Reply) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if matches!(reply.status, 100..=199 | 204 | 304) {
            return Ok(body);
        }
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().map_err(std::io::Error::other)?;
            self.stream.by_ref().take(length).read_to_end(&mut body)?;
        } else if reply.header("transfer-encoding").is_some() {
            self.chunks(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> std::io::Result<()> {
        loop {
            let size = self.line()?;
            let size = u64::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
            self.stream.by_ref().take(size).read_to_end(body)?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
