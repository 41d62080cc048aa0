//! A server for tests that answers raw HTTP, hangs or hangs up, and remembers what it heard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What to do with a request.
pub(crate) enum Reply {
    /// Status and body.
    Status(u16, String),
    /// Exactly these bytes.
    Raw(Vec<u8>),
    /// Status and a body without end.
    Flood,
    /// Keep the connection and say nothing.
    Hang,
    /// End the connection.
    Close,
}

pub(crate) fn ok(body: impl Into<String>) -> Reply {
    Reply::Status(200, body.into())
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Serves on a free loopback port until the test process ends; `reply` sees each request, head and body.
    pub(crate) fn serving(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(reply));
        let hearing = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (hearing, reply) = (Arc::clone(&hearing), Arc::clone(&reply));
                thread::spawn(move || answer(stream, &hearing, &*reply));
            }
        });
        Self { address, heard }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Their first lines without the version.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |request: &String| request.lines().next().unwrap().replace(" HTTP/1.1", "");
        self.heard().iter().map(line).collect()
    }
}

fn answer(mut stream: TcpStream, heard: &Mutex<Vec<String>>, reply: &dyn Fn(&str) -> Reply) {
    let Some(request) = request(&stream) else { return };
    heard.lock().unwrap().push(request.clone());
    let sent = match reply(&request) {
        Reply::Status(status, body) => {
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes())
        }
        Reply::Raw(bytes) => stream.write_all(&bytes),
        Reply::Flood => {
            let head = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            head.and_then(|()| {
                (0..1_000_000).try_for_each(|_| {
                    stream.write_all(b"400\r\n")?;
                    stream.write_all(&[b'x'; 1024])?;
                    stream.write_all(b"\r\n")
                })
            })
        }
        Reply::Hang => stream.read_to_end(&mut Vec::new()).map(drop),
        Reply::Close => Ok(()),
    };
    // The client may be gone first: that is its business.
    drop(sent);
}

fn request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let length = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8_lossy(&body));
    Some(request)
}

/// A port on which nothing listens, until the process ends: bound and never freed, so that nobody else's server gets it.
pub(crate) fn closed() -> SocketAddr {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A port whose queue is full, so that no further connection comes about for as long as the pair is held.
pub(crate) fn silent() -> (SocketAddr, (tokio::net::TcpListener, Vec<TcpStream>)) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let patience = std::time::Duration::from_millis(100);
    let queue = (0..8).map_while(|_| TcpStream::connect_timeout(&address, patience).ok()).collect();
    (address, (listener, queue))
}
