//! What can go wrong between a request and its answer, told apart by how far it came.

use std::error::Error;
use std::{fmt, io};

use super::proxy::Proxy;
use crate::cause::{self, Cause};
use crate::failure::{Failure, FailureKind};

/// Where a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The address cannot be asked at all.
    Address,
    /// The name did not resolve.
    Name,
    /// Nothing listens there.
    Refused,
    /// There is no way to the host.
    Route,
    /// No connection in time.
    ConnectTimeout,
    /// The proxy refused to let the request through.
    Proxy,
    /// The certificate is not trusted.
    Certificate,
    /// The TLS handshake failed otherwise.
    Handshake,
    /// Connected, and no full answer in time.
    AnswerTimeout,
    /// The connection broke, or spoke something else than HTTP.
    Cut,
    /// The answer is too large.
    TooLarge,
}

impl Step {
    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Name => "dns",
            Self::Refused => "refused",
            Self::Route => "route",
            Self::ConnectTimeout | Self::AnswerTimeout => "timeout",
            Self::Proxy => "proxy",
            Self::Certificate | Self::Handshake => "tls",
            Self::Cut => "cut",
            Self::TooLarge => "too_large",
        }
    }
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// How far it came.
    pub step: Step,
    text: String,
    seen: Vec<(&'static str, String)>,
}

impl Broken {
    pub(super) fn new(step: Step, text: impl Into<String>) -> Self {
        Self { step, text: text.into(), seen: Vec::new() }
    }

    /// The same with a fact for the failure's evidence.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.seen.push((name, value.into()));
        self
    }

    pub(super) fn connecting(error: &io::Error) -> Self {
        let step = match error.kind() {
            io::ErrorKind::ConnectionRefused => Step::Refused,
            io::ErrorKind::TimedOut => Step::ConnectTimeout,
            _ => Step::Route,
        };
        Self::new(step, error.to_string())
    }

    /// The same, on the way to or at a proxy.
    pub(super) fn through(self, proxy: &Proxy) -> Self {
        Self { text: format!("{proxy}: {}", self.text), ..self }
    }

    pub(super) fn cut(error: &hyper::Error) -> Self {
        let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self::new(Step::Cut, format!("{error}{reason}"))
    }

    /// Whether a connection ever stood: the difference between a service that is not there and one that is silent.
    #[must_use]
    pub fn connected(&self) -> bool {
        use Step::{Address, ConnectTimeout, Name, Refused, Route};
        !matches!(self.step, Address | Name | Refused | Route | ConnectTimeout)
    }

    /// Whether botocore tries again: its `RETRYABLE_HTTP_ERRORS`, which leave out TLS.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        use Step::{AnswerTimeout, ConnectTimeout, Cut, Name, Refused, Route};
        matches!(self.step, Name | Refused | Route | ConnectTimeout | AnswerTimeout | Cut)
    }

    /// The failure this is, with a sentence that says who was asked.
    #[must_use]
    pub fn failure(&self, asked: &str) -> Failure {
        let (kind, cause) = self.nature();
        let failure = Failure::new(kind, cause, format!("{asked}: {self}"));
        let seen = self.seen.iter().fold(failure, |failure, (name, value)| failure.seen(name, value));
        seen.seen("connected", yes_or_no(self.connected()))
    }

    fn nature(&self) -> (FailureKind, &'static Cause) {
        match self.step {
            Step::Address => (FailureKind::Misconfigured, &cause::NET_OTHER),
            Step::Name => (FailureKind::Unreachable, &cause::NET_DNS),
            Step::Refused => (FailureKind::Unreachable, &cause::NET_REFUSED),
            Step::Route => (FailureKind::Unreachable, &cause::NET_ROUTE),
            Step::ConnectTimeout | Step::AnswerTimeout => (FailureKind::TimedOut, &cause::NET_TIMEOUT),
            Step::Proxy => (FailureKind::Unreachable, &cause::NET_PROXY),
            Step::Certificate => (FailureKind::Misconfigured, &cause::TLS_CA),
            Step::Handshake | Step::Cut => (FailureKind::Unreachable, &cause::NET_OTHER),
            Step::TooLarge => (FailureKind::Malformed, &cause::NET_OTHER),
        }
    }
}

/// How a fact says a truth value.
pub(crate) fn yes_or_no(truth: bool) -> &'static str {
    if truth { "yes" } else { "no" }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Broken {}
