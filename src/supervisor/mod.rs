//! Tells systemd how the agent is: ready, alive, reloaded, ending, and in one sentence what it serves or why not.

mod state;

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::env::Env;
use crate::event::{Event, Observe};
use state::State;

/// What systemd says to this process and to no other: programs that a walk starts are not the service.
pub const VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The way to systemd, and what it has been told.
#[derive(Debug)]
pub struct Supervisor {
    socket: UnixDatagram,
    to: SocketAddr,
    watchdog: Option<Duration>,
    clock: Clock,
    state: Mutex<State>,
}

impl Supervisor {
    /// Whoever wants to be told, as the environment says; `None` when nobody does.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn of(env: &Env, clock: Clock) -> io::Result<Option<Self>> {
        let Some(address) = env.filled("NOTIFY_SOCKET") else { return Ok(None) };
        let to = match address.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None if address.starts_with('/') => SocketAddr::from_pathname(address)?,
            None => return Err(io::Error::other("neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        // Whoever observes must not wait: what cannot be said now is said with the next event.
        socket.set_nonblocking(true)?;
        let state = Mutex::new(State::new(Instant::now()));
        Ok(Some(Self { socket, to, watchdog: watchdog(env, std::process::id()), clock, state }))
    }

    /// Says why the agent ends without having begun, or early.
    pub fn lament(&self, why: &str) {
        let _unheard = self.say(&format!("STATUS={}", state::on_one_line(why)));
    }

    fn say(&self, words: &str) -> io::Result<()> {
        self.socket.send_to_addr(words.as_bytes(), &self.to).map(|_| ())
    }
}

/// How long systemd waits for a sign of life, if it waits for one of this process.
fn watchdog(env: &Env, pid: u32) -> Option<Duration> {
    let another = env.filled("WATCHDOG_PID").is_some_and(|other| other.parse() != Ok(pid));
    let micros = env.filled("WATCHDOG_USEC")?.parse().ok().filter(|micros| *micros > 0);
    micros.filter(|_| !another).map(Duration::from_micros)
}

impl Observe for Supervisor {
    fn observe(&self, event: &Event<'_>) {
        // Most events are requests, and none of systemd's business.
        if !State::concerns(event) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.note(event);
        if matches!(event, Event::Heartbeat) && self.watchdog.is_some() {
            let _next_time = self.say("WATCHDOG=1");
        }
        for words in state.owed(Instant::now(), self.clock.now(), monotonic()) {
            if self.say(&words.text).is_err() {
                return;
            }
            state.told(words);
        }
    }

    /// Twice in the time that systemd waits, so that one that comes late is early enough.
    fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }
}

/// Microseconds on the clock by which systemd knows a reload from the one before.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.ok().and_then(|now| u64::try_from(now.as_micros()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_waits_for_the_process_that_it_names() {
        let second = Some(Duration::from_secs(1));
        let watched = |pairs: &[(&str, &str)]| watchdog(&pairs.iter().copied().collect(), 7);
        assert_eq!(watched(&[("WATCHDOG_USEC", "1000000")]), second);
        assert_eq!(watched(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "7")]), second);
        assert_eq!(watched(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "8")]), None);
        for nothing in ["", "0", "soon"] {
            assert_eq!(watched(&[("WATCHDOG_USEC", nothing)]), None, "{nothing}");
        }
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_an_error() {
        let of = |address: &str| Supervisor::of(&Env::from([("NOTIFY_SOCKET", address)]), Clock::host());
        assert!(of("").unwrap().is_none());
        assert!(of("/run/nobody").unwrap().is_some() && of("@nobody").unwrap().is_some());
        assert!(of("vsock:2:1234").is_err());
    }

    #[test]
    fn the_monotonic_clock_is_read_and_goes_on() {
        let before = monotonic();
        assert!(before > 0);
        while monotonic() == before {}
    }
}
