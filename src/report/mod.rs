//! What a walk of the chain did: plain data, finished when the walk is. Everything that explains reads this.

mod findings;
mod peer;
mod ranking;
mod standing;
mod trace;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::credentials::{Credentials, RoleName, SourceKind};
use crate::failure::Failure;
use crate::file::{Kind, Stamp};

pub use findings::{Findings, KeyKind, Stored};
pub use peer::{Note, Peer, Process};
pub use standing::{CacheUse, Served, Standing, Verdict};
pub use trace::{SpanId, TraceId, Traceparent};

/// Why a walk was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The role's first.
    Startup,
    /// The refresh was due.
    Schedule,
    /// The last one failed, or has to be confirmed.
    Retry,
    /// A file that the last walk read has changed.
    FileChange(PathBuf),
    /// HUP, USR1, or the wall clock jumped.
    Signal,
    /// Somebody asked.
    Operator,
}

impl Trigger {
    /// The metric's label.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Schedule => "schedule",
            Self::Retry => "retry",
            Self::FileChange(_) => "file_change",
            Self::Signal => "signal",
            Self::Operator => "operator",
        }
    }
}

/// Something a source looked at.
#[derive(Clone, Debug)]
pub enum Look {
    /// An environment variable: whether it is set, and what it says where that is no secret.
    Variable {
        /// Its name.
        name: String,
        /// Set, even if empty.
        set: bool,
        /// What it says; `None` when unset or secret.
        value: Option<String>,
    },
    /// A file, with what was there.
    File {
        /// What it is to us.
        kind: Kind,
        /// Where.
        path: PathBuf,
        /// What was read.
        stamp: Stamp,
    },
    /// A value in a file.
    Setting {
        /// Where.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Key, and value where it is no secret.
        saw: String,
    },
    /// A command that was run: the words, no shell.
    Command {
        /// Program and arguments. Arguments can hold secrets, so only the program is kept here.
        program: String,
        /// How it ended.
        saw: String,
    },
}

/// One request to a server.
#[derive(Clone, Debug)]
pub struct Call {
    /// `sts`, `sso`, `sso_oidc`, `signin`, `imds` or `container`.
    pub service: &'static str,
    /// `AssumeRole`, `PUT token`.
    pub operation: &'static str,
    /// Scheme, host, port and path; never a query.
    pub url: String,
    /// Begun.
    pub started: SystemTime,
    /// Until the answer was read or given up.
    pub took: Duration,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// AWS's own word for an error.
    pub code: Option<String>,
    /// For AWS support.
    pub request_id: Option<String>,
    /// What went wrong without an answer.
    pub error: Option<String>,
    /// How far it came without an answer: a word of a closed set.
    pub broke_at: Option<&'static str>,
    /// The server's clock when it answered.
    pub date: Option<SystemTime>,
}

/// What kind of token a source signs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    /// Of a web identity.
    WebIdentity,
    /// Of EKS Pod Identity, or another container endpoint.
    PodIdentity,
    /// Of an SSO sign-in: one that can be refreshed ends with its registration.
    Sso,
}

impl TokenKind {
    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebIdentity => "web_identity",
            Self::PodIdentity => "pod_identity",
            Self::Sso => "sso",
        }
    }
}

/// What a source writes down while it works.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Variables, files and values, in the order they were looked at.
    pub looked: Vec<Look>,
    /// Requests, in order.
    pub calls: Vec<Call>,
    /// The steps of a role chain, innermost first.
    pub hops: Vec<Attempt>,
    /// The region, where what was read says one.
    pub region: Option<String>,
    /// When the tokens end that were read to sign in with; never what they say.
    pub sign_in_ends: Vec<(TokenKind, SystemTime)>,
    /// The secret that was found, where it stands somewhere.
    pub stored: Option<Stored>,
    /// What looks wrong and does not end the walk: in what was found, or around where nothing was.
    pub doubts: Vec<Failure>,
}

impl Notes {
    /// Notes a variable whose value may be shown.
    pub fn variable(&mut self, name: &str, value: Option<&str>) {
        let (set, value) = (value.is_some(), value.map(str::to_owned));
        self.looked.push(Look::Variable { name: name.to_owned(), set, value });
    }

    /// Notes a variable whose value is a secret.
    pub fn secret_variable(&mut self, name: &str, set: bool) {
        self.looked.push(Look::Variable { name: name.to_owned(), set, value: None });
    }

    /// Notes a file.
    pub fn file(&mut self, kind: Kind, path: impl Into<PathBuf>, stamp: Stamp) {
        self.looked.push(Look::File { kind, path: path.into(), stamp });
    }
}

/// How asking one source ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With credentials.
    Provided {
        /// Their expiry.
        expires_at: Option<SystemTime>,
    },
    /// Without, and the chain went on.
    Skipped(Failure),
    /// Without, and the chain stopped.
    Failed(Failure),
}

/// One source asked.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which.
    pub source: SourceKind,
    /// Begun.
    pub started: SystemTime,
    /// Until its outcome.
    pub took: Duration,
    /// What it did.
    pub notes: Notes,
    /// How it ended.
    pub outcome: Outcome,
}

/// One walk of a role's chain.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// Whose.
    pub role: RoleName,
    /// Ties everything about this walk together.
    pub trace: TraceId,
    /// Why it was made.
    pub trigger: Trigger,
    /// Begun.
    pub started: SystemTime,
    /// In all.
    pub took: Duration,
    /// Every source asked, in order; the last one is where the chain ended.
    pub attempts: Vec<Attempt>,
    /// What was found.
    pub credentials: Option<Arc<Credentials>>,
}

impl Resolution {
    /// The source that provided the credentials.
    #[must_use]
    pub fn winner(&self) -> Option<SourceKind> {
        let last = self.attempts.last()?;
        matches!(last.outcome, Outcome::Provided { .. }).then_some(last.source)
    }

    /// The region as the environment or the profile has it.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.attempts.iter().find_map(|attempt| attempt.notes.region.as_deref())
    }

    /// Whether a network source was asked: then trying again soon may help (contract 4).
    #[must_use]
    pub fn tried_network(&self) -> bool {
        self.attempts.iter().any(|attempt| !attempt.notes.calls.is_empty())
    }

    /// Every file looked at, with what was there: the inputs to watch.
    pub fn inputs(&self) -> impl Iterator<Item = (Kind, &PathBuf, Stamp)> {
        self.attempts.iter().flat_map(Attempt::inputs)
    }

    /// The notes of every attempt and of every hop of a role chain.
    pub fn notes(&self) -> impl Iterator<Item = &Notes> {
        self.attempts.iter().flat_map(Attempt::all_notes)
    }
}

impl Attempt {
    fn skipped(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Skipped(failure) => Some(failure),
            _ => None,
        }
    }

    /// Every file this attempt and its hops looked at.
    pub fn inputs(&self) -> impl Iterator<Item = (Kind, &PathBuf, Stamp)> {
        self.all_notes().flat_map(|notes| &notes.looked).filter_map(|look| match look {
            Look::File { kind, path, stamp } => Some((*kind, path, *stamp)),
            _ => None,
        })
    }

    /// The notes of those whose answers the credentials were made of: this one's and its hops', unless it gave none.
    fn used(&self) -> Box<dyn Iterator<Item = &Notes> + '_> {
        if !matches!(self.outcome, Outcome::Provided { .. }) {
            return Box::new(std::iter::empty());
        }
        let hops = self.notes.hops.iter().flat_map(Self::used);
        Box::new(std::iter::once(&self.notes).chain(hops))
    }

    /// The secrets that the answer was made of, where they stand somewhere.
    pub fn stored(&self) -> impl Iterator<Item = &Stored> {
        self.used().filter_map(|notes| notes.stored.as_ref())
    }

    fn all_notes(&self) -> Box<dyn Iterator<Item = &Notes> + '_> {
        let hops = self.notes.hops.iter().flat_map(Self::all_notes);
        Box::new(std::iter::once(&self.notes).chain(hops))
    }
}
