//! What became of a walk's answer, where a role stands after it, and what a client was told.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::header::{self, HeaderMap};

use super::{Peer, TraceId, Traceparent};
use crate::cause::Cause;
use crate::credentials::{Credentials, RoleName, SourceKind};
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
    /// Role of the session held, as the source named it.
    pub role_arn: Option<String>,
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

/// What a request for credentials was answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// Usable credentials that were held when it came.
    Hit,
    /// Nothing usable was held when it came: it waited for a walk, or was told why not.
    Miss,
    /// Credentials past their expiry, because the metadata service is down.
    Stale,
}

/// One request to the credentials listener or the admin listener, answered.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    /// `credentials`, `imds`, `health`, `metrics`, `status`, `explain`, `refresh` or `other`.
    pub handler: &'static str,
    /// The role, where one was found.
    pub role: Option<RoleName>,
    /// HTTP status.
    pub status: u16,
    /// Why it was refused: a closed set (`missing_token`, `bad_token`, `bad_host_header`, `forwarded_header`,
    /// `role_denied`, `peer_denied`), or empty.
    pub refused: &'static str,
    /// When it was answered.
    pub at: SystemTime,
    /// From the parsed head to the finished answer.
    pub took: Duration,
    /// What it was answered from, when credentials were asked for by somebody who may have them.
    pub cache: Option<CacheUse>,
    /// Life left in what was handed out.
    pub left: Option<Duration>,
    /// What was handed out.
    pub credentials: Option<&'a Credentials>,
    /// Where that came from.
    pub source: Option<SourceKind>,
    /// Who asked, on the credentials listener and if an observer looks at that.
    pub peer: Option<&'a Arc<Peer>>,
    /// Why there were no credentials, and the walk that says so.
    pub failure: Option<(&'static Cause, Option<TraceId>)>,
    /// Verb.
    pub method: &'a str,
    /// What the client sent along. Looked into by few: a look-up costs more than most observers do.
    pub headers: &'a HeaderMap,
}

impl Served<'_> {
    /// What the client calls itself.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.headers.get(header::USER_AGENT)?.to_str().ok()
    }

    /// The trace that the request is part of, if its sender says so.
    #[must_use]
    pub fn caller(&self) -> Option<Traceparent> {
        Traceparent::parse(self.headers.get("traceparent")?.to_str().ok()?)
    }
}
