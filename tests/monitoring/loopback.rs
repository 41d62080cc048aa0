//! A small HTTP server for tests: what a scraper or a notifier talks to.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Answers on a free port until it is dropped; connections stay open between requests.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Loopback {
    /// The function is given path and body; its text is a 200, nothing is a 404.
    pub fn serve(answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Loopback {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (answer, theirs) = (Arc::new(answer), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.over.load(Ordering::Relaxed) {
                    return;
                }
                theirs.open.lock().unwrap().push(stream.try_clone().unwrap());
                let answer = Arc::clone(&answer);
                thread::spawn(move || talk(&stream, &*answer));
            }
        });
        Loopback { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // The listener's thread waits for one more connection before it looks.
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Until the peer has had enough.
fn talk(stream: &TcpStream, answer: &impl Fn(&str, &str) -> Option<String>) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some((path, body)) = request(&mut reader) {
        let (status, text) = match answer(&path, &body) {
            Some(text) => ("200 OK", text),
            None => ("404 Not Found", String::new()),
        };
        // OpenMetrics is what ends so.
        let kind = if text.ends_with("# EOF\n") {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        };
        let length = text.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{text}");
        if writer.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let path = line(reader)?.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8_lossy(&body).into_owned()))
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
