//! The shape of `/v1/explain`: a walk step by step, written by the agent, read by the command line.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::status::{FailureStatus, RoleStatus};
use crate::clock::stamp;
use crate::credentials::RoleName;
use crate::file::Stamp;
use crate::report::{Attempt, Call, Look, Outcome, Resolution};
use crate::roster::Entry;
use crate::telemetry::Shown;

/// `/v1/explain/{role}`: the last walk, step by step, and how the role stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Where the role stands now; absent when the walk was not an agent's.
    pub role: Option<RoleStatus>,
    /// Whose walk.
    pub name: String,
    /// The walk; absent before the first has ended.
    pub walk: Option<Walk>,
}

/// One walk of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// Ties it to the log.
    pub trace_id: String,
    /// Why it was made.
    pub trigger: String,
    /// Begun.
    pub started_at: String,
    /// In all.
    pub took_ms: u64,
    /// The source that provided.
    pub source: Option<String>,
    /// Why there are no credentials.
    pub failure: Option<FailureStatus>,
    /// What else may be the reason, the likeliest first.
    #[serde(default)]
    pub also: Vec<FailureStatus>,
    /// Every source asked, in order.
    pub attempts: Vec<Step>,
    /// What there is of the sources that were not come to; looked at by a walk that only explains.
    #[serde(default)]
    pub beyond: Vec<Beyond>,
}

/// One source asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub source: String,
    /// `provided`, `skipped` or `failed`.
    pub outcome: String,
    /// Why not.
    pub failure: Option<FailureStatus>,
    /// Expiry of what it provided.
    pub expires_at: Option<String>,
    /// Until its outcome.
    pub took_ms: u64,
    /// What it looked at, in order, each as a phrase.
    pub looks: Vec<String>,
    /// Requests, in order.
    pub calls: Vec<CallStatus>,
    /// Steps of a role chain, innermost first.
    pub hops: Vec<Step>,
}

/// A source that was not come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beyond {
    /// Which.
    pub source: String,
    /// `provided`: it has credentials; `skipped`: it is not set up, or was not asked; `failed`: it would end the chain.
    pub outcome: String,
    /// What there is of it.
    pub says: String,
}

/// One request to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStatus {
    /// `sts`, `imds`, `container`.
    pub service: String,
    /// `AssumeRole`.
    pub operation: String,
    /// Without query.
    pub url: String,
    /// Until the answer.
    pub took_ms: u64,
    /// HTTP status.
    pub status: Option<u16>,
    /// AWS's word for an error.
    pub code: Option<String>,
    /// For AWS support.
    pub request_id: Option<String>,
    /// What went wrong without an answer.
    pub error: Option<String>,
}

impl Explanation {
    /// Of a role that an agent keeps; `shown` is the trace that can be looked up for a walk.
    #[must_use]
    pub fn of(entry: &Entry, now: SystemTime, shown: &Shown) -> Self {
        let walk = entry
            .handle
            .load()
            .last
            .as_deref()
            .map(|walk| Walk { trace_id: shown(walk.trace).to_string(), ..Walk::of(walk) });
        Self { role: Some(RoleStatus::of(entry, now, shown)), name: entry.role.name.to_string(), walk }
    }

    /// Of a walk that no agent made.
    #[must_use]
    pub fn of_walk(name: &RoleName, walk: &Resolution) -> Self {
        Self { role: None, name: name.to_string(), walk: Some(Walk::of(walk)) }
    }
}

impl Explanation {
    /// The same with what there is of the sources that the walk did not come to.
    #[must_use]
    pub fn with_survey(mut self, beyond: &[Attempt]) -> Self {
        self.walk.iter_mut().for_each(|walk| walk.beyond = beyond.iter().map(Beyond::of).collect());
        self
    }
}

impl Walk {
    /// A finished walk.
    #[must_use]
    pub fn of(walk: &Resolution) -> Self {
        let mut causes = walk.causes().into_iter().map(|failure| FailureStatus::from(&failure));
        Self {
            trace_id: walk.trace.to_string(),
            trigger: walk.trigger.as_str().to_owned(),
            started_at: stamp(walk.started),
            took_ms: millis(walk.took),
            source: walk.winner().map(|source| source.to_string()),
            failure: causes.next(),
            also: causes.collect(),
            attempts: walk.attempts.iter().map(Step::of).collect(),
            beyond: Vec::new(),
        }
    }
}

impl Step {
    fn of(attempt: &Attempt) -> Self {
        let (outcome, failure, expires_at) = match &attempt.outcome {
            Outcome::Provided { expires_at } => ("provided", None, expires_at.map(stamp)),
            Outcome::Skipped(failure) => ("skipped", Some(failure.into()), None),
            Outcome::Failed(failure) => ("failed", Some(failure.into()), None),
        };
        Self {
            source: attempt.source.to_string(),
            outcome: outcome.to_owned(),
            failure,
            expires_at,
            took_ms: millis(attempt.took),
            looks: attempt.notes.looked.iter().map(phrase).collect(),
            calls: attempt.notes.calls.iter().map(CallStatus::of).collect(),
            hops: attempt.notes.hops.iter().map(Self::of).collect(),
        }
    }
}

impl Beyond {
    fn of(attempt: &Attempt) -> Self {
        let (outcome, says) = match &attempt.outcome {
            Outcome::Provided { .. } => ("provided", "not come to; it has credentials".to_owned()),
            Outcome::Skipped(failure) => ("skipped", failure.context.clone()),
            Outcome::Failed(failure) => ("failed", format!("not come to; {failure}")),
        };
        Self { source: attempt.source.to_string(), outcome: outcome.to_owned(), says }
    }
}

impl CallStatus {
    fn of(call: &Call) -> Self {
        Self {
            service: call.service.to_owned(),
            operation: call.operation.to_owned(),
            url: call.url.clone(),
            took_ms: millis(call.took),
            status: call.status,
            code: call.code.clone(),
            request_id: call.request_id.clone(),
            error: call.error.clone(),
        }
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// What was looked at and what was there, for people.
fn phrase(look: &Look) -> String {
    match look {
        Look::Variable { name, set: false, .. } => format!("{name} is not set"),
        Look::Variable { name, value: Some(value), .. } => format!("{name}={value}"),
        Look::Variable { name, .. } => format!("{name} is set"),
        Look::File { path, stamp, .. } => {
            let path = path.display();
            match stamp {
                Stamp::Absent => format!("{path} is not there"),
                Stamp::Unreadable(errno) => {
                    format!("{path} cannot be read: {}", std::io::Error::from_raw_os_error(*errno))
                }
                Stamp::Content { len, .. } => format!("{path} ({len} bytes)"),
            }
        }
        Look::Setting { path, line, saw } => format!("{}:{line} {saw}", path.display()),
        Look::Command { program, saw } => format!("{program}: {saw}"),
    }
}
