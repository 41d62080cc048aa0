//! From the start of the process to its first credentials.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::binary;
use super::free_port;
use super::servers::{PATH, long_lived_keys};
use crate::support::{Run, Running, TempHome};

/// Long enough to be taken for a token of its own.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789a";

/// Starts one, asks until it answers with 200, ends it.
pub fn to_first_answer() -> Duration {
    let (home, addr) = (TempHome::new(), free_port());
    let token = home.write("token", TOKEN).display().to_string();
    let config = home.write("keyfob.toml", &format!("[auth]\ntoken_file = \"{token}\"\n"));
    let run = Run::new(binary())
        .args(["serve", "--log-format", "json", "--admin", "off", "--listen", &addr.to_string(), "--config"])
        .arg(config)
        .envs(home.env())
        .envs(long_lived_keys());
    let begun = Instant::now();
    let running = Running::start(&run);
    while !answers(addr) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", running.stderr.text());
        // Asking without a pause would take the time that it needs to start.
        std::thread::sleep(Duration::from_micros(100));
    }
    begun.elapsed()
}

fn answers(addr: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(addr) else { return false };
    let head =
        format!("GET {PATH} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: {TOKEN}\r\nConnection: close\r\n\r\n");
    let mut status = [0; 12];
    stream.write_all(head.as_bytes()).and_then(|()| stream.read_exact(&mut status)).is_ok()
        && status == *b"HTTP/1.1 200"
}
