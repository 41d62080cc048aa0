//! A server that takes what is posted to it, refuses it, or says nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

const BOUND: Duration = Duration::from_secs(20);

/// What becomes of a post.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    Takes,
    Answers(u16),
    Silent,
}

/// One request that came in whole.
#[derive(Clone, Debug)]
pub struct Post {
    pub body: Vec<u8>,
}

/// Listens on loopback until it is dropped.
pub struct Sink {
    addr: SocketAddr,
    heard: Arc<Heard>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    posts: Mutex<Vec<Post>>,
    bell: Condvar,
    over: AtomicBool,
}

impl Sink {
    pub fn open(manner: Manner) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, heard) = (listener.local_addr().unwrap(), Arc::new(Heard::default()));
        let hearing = Arc::clone(&heard);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if hearing.over.load(Ordering::SeqCst) {
                    return;
                }
                let hearing = Arc::clone(&hearing);
                thread::spawn(move || while converse(&stream, manner, &hearing).is_some() {});
            }
        });
        Sink { addr, heard, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything so far, when this is true of it; stops the test when that takes too long.
    #[track_caller]
    pub fn until(&self, wanted: impl Fn(&[Post]) -> bool) -> Vec<Post> {
        let posts = self.heard.posts.lock().unwrap();
        let not_yet = |posts: &mut Vec<Post>| !wanted(posts);
        let (posts, waited) = self.heard.bell.wait_timeout_while(posts, BOUND, not_yet).unwrap();
        assert!(!waited.timed_out(), "{} posts in {BOUND:?}", posts.len());
        posts.clone()
    }

    pub fn posts(&self) -> Vec<Post> {
        self.heard.posts.lock().unwrap().clone()
    }

    /// Every span that a collector has passed on as JSON, when this is true of them.
    #[track_caller]
    pub fn spans(&self, wanted: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        spans(&self.until(|posts| wanted(&spans(posts))))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.heard.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.addr));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A port that is taken and on which nobody listens.
pub struct Shut(socket2::Socket);

impl Shut {
    pub fn new() -> Shut {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Shut(socket)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap().as_socket().unwrap())
    }
}

fn converse(stream: &TcpStream, manner: Manner, heard: &Heard) -> Option<()> {
    stream.set_read_timeout(Some(BOUND)).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    heard.posts.lock().unwrap().push(Post { body });
    heard.bell.notify_all();
    let (status, begun) = match manner {
        Manner::Takes => (200, None),
        Manner::Answers(status) => (status, None),
        Manner::Silent => (0, Some(Instant::now())),
    };
    if begun.is_some() {
        // Until the client goes, or the bound.
        let _ = reader.read(&mut [0]);
        return None;
    }
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    (&mut &*stream).write_all(answer.as_bytes()).ok()?;
    None
}

/// A span as the collector wrote it, with its resource.
#[derive(Clone, Debug)]
pub struct Span {
    pub json: Value,
    pub resource: Value,
}

impl Span {
    /// A field that is text.
    pub fn field(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    /// An attribute as text; empty without one.
    pub fn attribute(&self, name: &str) -> String {
        attribute(&self.json["attributes"], name)
    }

    /// Nanoseconds.
    pub fn time(&self, name: &str) -> u128 {
        self.field(name).parse().unwrap()
    }

    pub fn of_resource(&self, name: &str) -> String {
        attribute(&self.resource["attributes"], name)
    }

    /// Traces that it points at, each with why.
    pub fn links(&self) -> Vec<(String, String)> {
        let links = self.json["links"].as_array().cloned().unwrap_or_default();
        let link = |link: &Value| {
            (link["traceId"].as_str().unwrap().to_owned(), attribute(&link["attributes"], "keyfob.link"))
        };
        links.iter().map(link).collect()
    }
}

fn attribute(all: &Value, name: &str) -> String {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    let found = all.iter().find(|attribute| attribute["key"] == name);
    let value = found.and_then(|found| found["value"].as_object()?.values().next());
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn spans(posts: &[Post]) -> Vec<Span> {
    let mut all = Vec::new();
    for post in posts {
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        for of_resource in body["resourceSpans"].as_array().unwrap() {
            for scope in of_resource["scopeSpans"].as_array().unwrap() {
                for json in scope["spans"].as_array().unwrap() {
                    all.push(Span { json: json.clone(), resource: of_resource["resource"].clone() });
                }
            }
        }
    }
    all
}
