//! What became of a walk's answer, where a role stands after it, and what a client was told.

use std::time::{Duration, SystemTime};

use crate::credentials::{RoleName, SourceKind};
use crate::failure::Failure;

/// What became of a walk's answer (contract 4, "a role does not drift").
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Held and served from now on.
    Adopt,
    /// The credentials that are held already: not yet renewed.
    Unchanged,
    /// Not taken; what is held stays until it expires.
    Refuse(Failure),
    /// A better source than the bond's: taken when a walk at that time ends there too.
    Confirm(SystemTime),
    /// An input is being written: walk again when it settles.
    Wait,
    /// What is held has lost its ground and goes; `Failure` says why.
    Drop(Failure),
    /// Nothing came, or an error; what is held stays until it expires.
    Fail(Failure),
}

/// Where a role stands after a walk, for telemetry and `status`: plain data, no secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Source of what is held.
    pub source: Option<SourceKind>,
    /// Last four characters of the key id held.
    pub key_suffix: Option<String>,
    /// Account held, as the source named it.
    pub account: Option<String>,
    /// When this key id was first seen.
    pub issued_at: Option<SystemTime>,
    /// True expiry of what is held; `None` without expiry or when nothing is held.
    pub expires_at: Option<SystemTime>,
    /// Whether something is held at all.
    pub held: bool,
    /// Whether it is served past its expiry because the metadata service is down.
    pub extended: bool,
    /// Whether it is a bare long-term key.
    pub long_term: bool,
    /// The next walk, if one is planned.
    pub next: Option<SystemTime>,
    /// Failed walks since the last good one.
    pub failures: u32,
}

impl Standing {
    /// Whether something may be served at `now`.
    #[must_use]
    pub fn available(&self, now: SystemTime) -> bool {
        self.held && (self.extended || self.expires_at.is_none_or(|at| at > now))
    }
}

/// One request to the credentials listener or the admin listener, answered.
#[derive(Clone, Debug)]
pub struct Served {
    /// `credentials`, `health`, `metrics`, `status`, `explain` or `refresh`.
    pub handler: &'static str,
    /// The role, where one was found.
    pub role: Option<RoleName>,
    /// HTTP status.
    pub status: u16,
    /// Why it was refused: a closed set (`missing_token`, `bad_token`, `bad_host_header`, `forwarded_header`,
    /// `role_denied`), or empty.
    pub refused: &'static str,
    /// From the parsed head to the finished answer.
    pub took: Duration,
    /// Life left in what was handed out.
    pub left: Option<Duration>,
}
