//! Probes as a kubelet makes them: from outside the container, to the pod's address.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::sandbox::{ADDRESS, Sandbox};
use super::spec::{Container, HttpGet, Probe};

/// When a probe is due, and how it went so far.
pub struct Course<'p> {
    probe: &'p Probe,
    pub due: Instant,
    failures: u64,
    successes: u64,
}

/// What follows from a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Undecided,
    Good,
    Bad,
}

impl<'p> Course<'p> {
    pub fn begin(probe: &'p Probe) -> Course<'p> {
        let due = Instant::now() + Duration::from_secs(probe.initial_delay_seconds);
        Course { probe, due, failures: 0, successes: 0 }
    }

    pub fn ask(&mut self, ask: impl FnOnce(&Probe) -> bool) -> Verdict {
        self.due = Instant::now() + Duration::from_secs(self.probe.period_seconds);
        if ask(self.probe) {
            (self.successes, self.failures) = (self.successes + 1, 0);
        } else {
            (self.successes, self.failures) = (0, self.failures + 1);
        }
        if self.successes >= self.probe.success_threshold {
            Verdict::Good
        } else if self.failures >= self.probe.failure_threshold {
            Verdict::Bad
        } else {
            Verdict::Undecided
        }
    }
}

/// Good from 200 to 399, answered in time.
pub fn http(sandbox: &Sandbox, container: &Container, get: &HttpGet, timeout: Duration) -> bool {
    assert_eq!(get.scheme, "HTTP", "no other scheme is played");
    let at = SocketAddr::new(ADDRESS.parse().unwrap(), container.port(&get.port));
    let path = get.path.clone();
    sandbox.inside(move || status(at, &path, timeout).is_some_and(|status| (200..400).contains(&status)))
}

fn status(at: SocketAddr, path: &str, timeout: Duration) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&at, timeout).ok()?;
    stream.set_read_timeout(Some(timeout)).ok()?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: kube-probe/1.34\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    // "HTTP/1.1 200"
    let mut line = [0; 12];
    stream.read_exact(&mut line).ok()?;
    std::str::from_utf8(&line).ok()?.get(9..)?.parse().ok()
}
