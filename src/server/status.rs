//! The shape of `/status`: written by the agent, read by the command line. No secret in any.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cause;
use crate::clock::stamp;
use crate::config::Problem;
use crate::failure::{Failure, Remedy};
use crate::keeper::Snapshot;
use crate::moment;
use crate::report::Standing;
use crate::roster::Entry;
use crate::telemetry::Shown;

pub use super::explain::{CallStatus, Explanation, Step, Walk};

/// `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// Process number.
    pub pid: u32,
    /// Whether every required role has had credentials.
    pub ready: bool,
    /// Bound credentials addresses.
    pub credentials_addresses: Vec<String>,
    /// Bound admin address.
    pub admin_address: Option<String>,
    /// Where SDKs on this machine find credentials: scheme, name and port.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The main token's file.
    pub token_file: PathBuf,
    /// The admin token's file.
    pub admin_token_file: Option<PathBuf>,
    /// By name.
    pub roles: Vec<RoleStatus>,
    /// What is wrong with the configuration that was refused last; empty when the last one is in force.
    pub problems: Vec<ProblemStatus>,
}

/// How a role stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The first walk has not ended.
    Starting,
    /// Credentials, and the last walk was good.
    Ok,
    /// Credentials, but the last walk failed.
    RefreshFailing,
    /// Served past expiry because the metadata service is down.
    Extended,
    /// What is held is past its expiry.
    Expired,
    /// Nothing is held and walks fail.
    Failing,
}

impl State {
    /// The word in JSON and text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::RefreshFailing => "refresh_failing",
            Self::Extended => "extended",
            Self::Expired => "expired",
            Self::Failing => "failing",
        }
    }

    fn of(role_now: &Snapshot, now: SystemTime) -> Self {
        match role_now.usable(now) {
            Some(_) if role_now.extended => Self::Extended,
            Some(_) if role_now.failures > 0 => Self::RefreshFailing,
            Some(_) => Self::Ok,
            None if role_now.held.is_some() => Self::Expired,
            None if role_now.failure.is_some() => Self::Failing,
            None => Self::Starting,
        }
    }
}

/// One role. Times are `YYYY-MM-DDTHH:MM:SSZ`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// Whether credentials are served now.
    pub usable: bool,
    /// Whether readiness counts it.
    pub required: bool,
    /// Whether a walk is under way.
    pub walking: bool,
    /// Where the credentials come from.
    pub source: Option<String>,
    /// Whose they are, as the source named it.
    pub account: Option<String>,
    /// Last four characters of the key id.
    pub key_suffix: Option<String>,
    /// When this key id was first seen.
    pub issued_at: Option<String>,
    /// True expiry; absent without one.
    pub expires_at: Option<String>,
    /// The next walk, if one is planned.
    pub next_refresh: Option<String>,
    /// The last walk that gave good credentials.
    pub last_success: Option<String>,
    /// Failed walks since the last good one.
    pub failures: u32,
    /// Since when.
    pub failing_since: Option<String>,
    /// Why, of the last one.
    pub last_failure: Option<FailureStatus>,
    /// What works now and may surprise: `KF-STATIC` for bare long-term keys, `SEC-READABLE` for those that all can read.
    #[serde(default)]
    pub warnings: Vec<FailureStatus>,
    /// The region of the role's profile, when known.
    pub region: Option<String>,
    /// The first of the role's own tokens, where it has some.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl RoleStatus {
    /// The role as it is at `now`; `shown` is the trace that can be looked up for a walk.
    #[must_use]
    pub fn of(entry: &Entry, now: SystemTime, shown: &Shown) -> Self {
        let role_now = entry.handle.load();
        let standing = role_now.standing();
        let warnings = warnings(&role_now, &standing, now);
        let warnings =
            warnings.iter().chain(&bypassed(entry, &role_now, now)).map(FailureStatus::from).collect();
        let at = |time: Option<SystemTime>| time.map(stamp);
        let trace = role_now.last.as_ref().map(|walk| shown(walk.trace).to_string());
        let last_failure =
            role_now.failure.as_ref().map(|failure| FailureStatus { trace_id: trace, ..failure.into() });
        Self {
            name: entry.role.name.to_string(),
            state: State::of(&role_now, now),
            usable: role_now.usable(now).is_some(),
            required: entry.role.required,
            walking: role_now.walking,
            source: standing.source.map(|source| source.to_string()),
            account: standing.account,
            key_suffix: standing.key_suffix,
            issued_at: at(standing.issued_at),
            expires_at: at(standing.expires_at),
            next_refresh: at(standing.next),
            last_success: at(role_now.last_success),
            failures: standing.failures,
            failing_since: at(role_now.failing_since),
            last_failure,
            warnings,
            region: region(entry, &role_now),
            token_file: entry.role.tokens.first().cloned(),
        }
    }
}

/// The role's own region, else what its last walk read.
#[must_use]
pub fn region(entry: &Entry, now: &Snapshot) -> Option<String> {
    let own = entry.role.region().map(str::to_owned);
    own.or_else(|| now.last.as_ref()?.region().map(str::to_owned))
}

/// What looks wrong in what the last walk found, and that what is held never ends, or ends unseen.
fn warnings(role: &Snapshot, standing: &Standing, now: SystemTime) -> Vec<Failure> {
    let findings = role.last.as_ref().map(|walk| walk.findings()).unwrap_or_default();
    findings.of_role(standing, now).into_iter().chain(stale(role, standing, now)).collect()
}

/// That what is served is about to end, and looks fail: from a tenth of its life on.
fn stale(role: &Snapshot, standing: &Standing, now: SystemTime) -> Option<Failure> {
    let last = role.failure.as_ref().filter(|_| standing.failures > 0)?;
    let (seen, ends) = (standing.issued_at?, standing.expires_at?);
    let (life, left) = (ends.duration_since(seen).ok()?, ends.duration_since(now).ok()?);
    let context =
        format!("what is served ends in {}, and the last look failed: {last}", moment::length(left));
    let failure = Failure { remedies: last.fixes(), ..Failure::new(last.kind, &cause::KF_STALE, context) };
    (left < life / 10).then_some(failure)
}

/// How long credentials may wait for somebody: applications ask when they start.
const UNASKED: Duration = Duration::from_mins(15);

/// That nobody has ever asked for credentials that have been there for long.
fn bypassed(entry: &Entry, role: &Snapshot, now: SystemTime) -> Option<Failure> {
    let since = role.first_adopted.filter(|_| role.usable(now).is_some() && !entry.handle.was_asked())?;
    let idle = now.duration_since(since).ok().filter(|idle| *idle >= UNASKED)?;
    let context = format!("credentials have been there for {}, and nobody has asked", moment::length(idle));
    Some(Failure::misconfigured(&cause::KF_BYPASS, context))
}

/// A failure with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureStatus {
    /// Of the catalogue.
    pub code: String,
    /// What is wrong in general, in one line.
    #[serde(default)]
    pub title: String,
    /// `certain`: a server said so; `likely`: what is here contradicts itself; `possible`: an inference.
    #[serde(default)]
    pub confidence: String,
    /// Where more about it stands: a file of the sources, and a place in it.
    #[serde(default)]
    pub docs: String,
    /// `not_configured`, `denied`, …
    pub kind: String,
    /// The exit status of a command that ends with it (contract 1).
    pub exit_code: u8,
    /// A sentence that names the thing.
    pub message: String,
    /// Why that keeps credentials away.
    pub why: String,
    /// What to do, most likely first.
    pub fix: Vec<Remedy>,
    /// What was seen, as `name=value`.
    pub evidence: Vec<String>,
    /// Of the walk.
    pub trace_id: Option<String>,
}

impl From<&Failure> for FailureStatus {
    fn from(failure: &Failure) -> Self {
        let cause = failure.cause;
        Self {
            code: cause.code.to_owned(),
            title: cause.title.to_owned(),
            confidence: failure.confidence().to_owned(),
            docs: cause.docs(),
            kind: failure.kind.as_str().to_owned(),
            exit_code: failure.kind.exit_code(),
            message: failure.context.clone(),
            why: cause.why.to_owned(),
            fix: failure.fixes(),
            evidence: failure.evidence.iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect(),
            trace_id: None,
        }
    }
}

/// A configuration problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemStatus {
    /// Where.
    pub at: String,
    /// What stands there.
    pub is: String,
    /// What was wanted.
    pub want: String,
}

impl From<&Problem> for ProblemStatus {
    fn from(problem: &Problem) -> Self {
        let Problem { at, is, want } = problem.clone();
        Self { at, is, want }
    }
}
