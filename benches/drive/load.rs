//! Load by wrk from the other core, and what it cost the server.

use std::fmt;
use std::time::Duration;

use super::servers::{PATH, Server};
use super::{SECOND_CORE, pinned, process};

/// How clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// So many connections, each used again and again.
    KeepAlive(u32),
    /// So many clients, each with a new connection for every request.
    Fresh(u32),
}

impl Load {
    pub const ALL: [Load; 6] = [
        Load::KeepAlive(1),
        Load::KeepAlive(16),
        Load::KeepAlive(64),
        Load::Fresh(1),
        Load::Fresh(16),
        Load::Fresh(64),
    ];
    /// The setting that has an aim.
    pub const AIMED_AT: Load = Load::KeepAlive(16);

    /// One measurement of this many seconds.
    pub fn run(self, server: &Server, seconds: u64) -> Sample {
        let (clients, fresh) = match self {
            Load::KeepAlive(clients) => (clients, false),
            Load::Fresh(clients) => (clients, true),
        };
        let mut wrk = pinned(SECOND_CORE, "wrk")
            .args(["--latency", "--threads", "1", "--connections", &clients.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(["--header", &format!("Authorization: {}", server.token)])
            .args(["--header", "Accept: application/json"])
            .within(Duration::from_secs(seconds + 30));
        if fresh {
            wrk = wrk.args(["--header", "Connection: close"]);
        }
        let before = process::cpu(server.pid);
        let done = wrk.arg(format!("http://{}{PATH}", server.addr)).run().expect_code(0);
        let cpu = process::cpu(server.pid) - before;
        Sample::read(&done.stdout, cpu).unwrap_or_else(|| panic!("wrk said something else: {done:#?}"))
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::KeepAlive(clients) => write!(f, "{clients} keep-alive"),
            Load::Fresh(clients) => write!(f, "{clients}, fresh each"),
        }
    }
}

/// What one measurement gave.
#[derive(Debug)]
pub struct Sample {
    /// Requests a second.
    pub rate: f64,
    pub p99_us: f64,
    /// Of the server, a request.
    pub cpu_us: f64,
}

impl Sample {
    /// Reads wrk's words; none when they are not what they were, or when a request failed.
    fn read(text: &str, cpu: Duration) -> Option<Sample> {
        if text.contains("Socket errors") || text.contains("Non-2xx") {
            return None;
        }
        let after = |mark: &str| text.lines().find_map(|line| line.trim().strip_prefix(mark));
        let rate = after("Requests/sec:")?.trim().parse().ok()?;
        let p99_us = micros(after("99%")?.trim())?;
        let line = text.lines().find(|line| line.contains(" requests in "))?;
        let requests: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(Sample { rate, p99_us, cpu_us: cpu.as_secs_f64() * 1e6 / requests })
    }
}

/// `1.23ms`, `450.00us`, `1.10s`.
fn micros(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic())?);
    let scale = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}
