//! Serves credentials on one listener and answers operators on another, each with its own rules on who may ask.
//!
//! `access` decides who asks, the roster says what they get, `reply` what that looks like. Nothing here asks a source.

mod accept;
mod access;
mod admin;
mod bind;
mod caller;
mod container;
mod entrance;
pub mod explain;
mod host;
mod html;
mod listen;
mod metadata;
mod page;
mod passed;
mod peer;
mod pulse;
mod refusal;
mod reply;
mod sdk;
pub mod status;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod token_disk;
mod token_file;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::time::Instant;

use crate::cause::Cause;
use crate::clock::Clock;
use crate::config::{Address, Problem};
use crate::credentials::{Credentials, RoleName, SourceKind};
use crate::event::{Event, Observe, Observers};
use crate::report::{CacheUse, Peer, Served, TraceId};
use crate::roster::{Entry, Roster};
use crate::telemetry::{Render, Shown};

pub use access::Access;
pub use bind::{BindError, Bound, Owner, bind};
pub use metadata::Sessions;
pub use passed::Passed;
pub use tls::Certificates;
pub use token_file::TokenFiles;

/// What both listeners share.
pub struct Shared {
    /// The roles, swapped whole on a reload.
    pub roster: Arc<ArcSwap<Roster>>,
    /// The tokens.
    pub access: Access,
    /// `listen.hosts`.
    pub hosts: Vec<String>,
    /// Where the metadata service's paths are answered: its sessions.
    pub sessions: Option<Sessions>,
    /// Wall time.
    pub clock: Clock,
    /// Told of every answer.
    pub observers: Observers,
    /// Writes the metrics.
    pub render: Render,
    /// The trace that people can look up for a walk.
    pub shown: Shown,
    /// What is wrong with the configuration that was refused last; empty when the last one is in force.
    pub problems: Arc<ArcSwap<Vec<Problem>>>,
    /// What `status` says of the agent itself.
    pub about: About,
    /// Whether every required role has had credentials once.
    pub started: AtomicBool,
}

/// The agent's own facts: bound addresses and token files.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Bound credentials addresses.
    pub credentials: Vec<Address>,
    /// Bound admin address.
    pub admin: Option<SocketAddr>,
    /// The main token's file.
    pub token_file: PathBuf,
    /// The admin token's file.
    pub admin_token_file: Option<PathBuf>,
    /// Where SDKs on this machine find credentials, `http://127.0.0.1:5397`; none where only Unix sockets are listened on.
    pub endpoint: Option<String>,
}

impl About {
    /// Of listeners that are bound, and the files with their tokens.
    #[must_use]
    pub fn new(bound: &Bound, tokens: &TokenFiles, certificates: &Certificates) -> Self {
        let near = nearest(&bound.credentials_at);
        Self {
            credentials: bound.credentials_at.clone(),
            admin: bound.admin_at,
            token_file: tokens.main().to_owned(),
            admin_token_file: tokens.admin().map(ToOwned::to_owned),
            endpoint: near.map(|at| certificates.origin(at)),
        }
    }
}

/// The address that clients on this machine reach: loopback before others, IPv4 before IPv6, because some SDKs know
/// nothing else.
fn nearest(addresses: &[Address]) -> Option<SocketAddr> {
    let addresses = addresses.iter().filter_map(Address::tcp).map(reachable);
    addresses.min_by_key(|address| (!address.ip().is_loopback(), !address.is_ipv4()))
}

/// A listener on all addresses is reached on loopback.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Shared {
    /// Required roles that have never had credentials. The bond is the memory of the first that were adopted: it
    /// outlives their expiry.
    fn waiting(&self) -> Vec<RoleName> {
        self.required(|entry| entry.handle.load().bond.is_some())
    }

    /// Required roles that have no usable credentials now.
    fn without(&self, now: SystemTime) -> Vec<RoleName> {
        self.required(|entry| entry.handle.load().usable(now).is_some())
    }

    fn required(&self, fine: impl Fn(&Entry) -> bool) -> Vec<RoleName> {
        let roster = self.roster.load();
        let lacking = roster.iter().filter(|entry| entry.role.required && !fine(entry));
        lacking.map(|entry| entry.role.name.clone()).collect()
    }

    /// Whether every required role has had credentials once since the start.
    fn started(&self) -> bool {
        if !self.started.load(Ordering::Relaxed) && self.waiting().is_empty() {
            self.started.store(true, Ordering::Relaxed);
        }
        self.started.load(Ordering::Relaxed)
    }

    /// Counts a request as waiting until the answer is there, or whoever asked is gone.
    fn in_flight(&self, handler: &'static str) -> InFlight<'_> {
        self.observers.observe(&Event::RequestWaits(handler));
        InFlight { observers: &self.observers, handler }
    }

    fn served(
        &self,
        handler: &'static str,
        head: &Parts,
        status: StatusCode,
        answered: Answered,
        facts: Facts<'_>,
    ) {
        let Facts { role, refused, cache, left, credentials, source, peer, failure } = facts;
        self.observers.observe(&Event::Served(&Served {
            handler,
            role,
            status: status.as_u16(),
            refused,
            at: answered.at,
            took: answered.begun.elapsed(),
            cache,
            left,
            credentials,
            source,
            peer,
            failure,
            method: head.method.as_str(),
            headers: &head.headers,
        }));
    }
}

/// When a request came, and the wall time of its answer.
#[derive(Clone, Copy, Debug)]
struct Answered {
    begun: Instant,
    at: SystemTime,
}

/// A request that waits for its answer.
struct InFlight<'a> {
    observers: &'a Observers,
    handler: &'static str,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.observers.observe(&Event::RequestDone(self.handler));
    }
}

/// What is known of a request besides its status.
#[derive(Debug, Default)]
struct Facts<'a> {
    role: Option<RoleName>,
    refused: &'static str,
    cache: Option<CacheUse>,
    left: Option<Duration>,
    credentials: Option<&'a Credentials>,
    source: Option<SourceKind>,
    peer: Option<&'a Arc<Peer>>,
    failure: Option<(&'static Cause, Option<TraceId>)>,
}
