//! Says in the log what happens: one line an event, changes aloud, repeats at debug.

mod line;
pub mod losses;
mod outlet;
mod scribe;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tracing::{Level, debug, enabled, info, warn};

use super::Shown;
use crate::cause;
use crate::clock::stamp;
use crate::config::Problem;
use crate::credentials::RoleName;
use crate::event::{Event, Observe};
use crate::failure::Failure;
use crate::report::{Resolution, Served, Standing, TraceId, Verdict};
use crate::shutdown::Stage;

pub(super) use line::{Line, tame};
pub use outlet::{finish, install};
#[cfg(test)]
pub(super) use scribe::Scribe;

/// All lines of ours carry this target; everybody else's are bridged at warn.
const OURS: &str = "keyfob";
/// Lines of the audit log, which is written whatever the level is.
pub(super) const AUDIT: &str = "keyfob::audit";

fn is_ours(target: &str) -> bool {
    target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Writes events to the log.
pub struct Logs {
    /// Which trace stands for a walk.
    shown: Shown,
    /// What was last said of each role, to tell a change from a repeat.
    told: Mutex<BTreeMap<RoleName, Told>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    /// Why the last walk failed.
    cause: Option<&'static str>,
    /// When the first of the failed walks began, and how many there were.
    failing: Option<(SystemTime, u32)>,
    extended: bool,
}

impl Told {
    /// What is said after one more walk.
    fn after(self, walk: &Resolution, cause: Option<&'static str>, extended: bool) -> Self {
        let (since, count) = self.failing.unwrap_or((walk.started, 0));
        Self { cause, failing: cause.map(|_| (since, count + 1)), extended }
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Logs {
    /// A log that names the traces that can be looked up.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self { shown, told: Mutex::default() }
    }

    fn judged(&self, walk: &Resolution, verdict: &Verdict, standing: &Standing) {
        let line = Walked::of(walk, standing, (self.shown)(walk.trace));
        match verdict {
            Verdict::Adopt | Verdict::Unchanged => {
                let before = self.tell(walk, None, standing);
                line.good(verdict, before.failing);
                if standing.extended && !before.extended {
                    line.bad("served past their expiry", extended());
                }
            }
            Verdict::Confirm(_) => line.noted("a better source has credentials: asking it once more"),
            Verdict::Wait => line.repeated("an input is being written: waiting for it to settle", None),
            Verdict::Refuse(failure) | Verdict::Drop(failure) | Verdict::Fail(failure) => {
                let cause = Some(failure.cause.code);
                let before = self.tell(walk, cause, standing);
                let what = line.what(verdict);
                if matches!(verdict, Verdict::Drop(_)) || before.cause != cause {
                    line.bad(what, failure.into());
                } else {
                    line.repeated(what, Some(failure));
                }
                if standing.extended && !before.extended {
                    line.bad("served past their expiry", extended());
                }
            }
        }
    }

    /// Notes what is said now; returns what was said before.
    fn tell(&self, walk: &Resolution, cause: Option<&'static str>, standing: &Standing) -> Told {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = told.entry(walk.role.clone()).or_default();
        let before = *now;
        *now = before.after(walk, cause, standing.extended);
        before
    }

    fn removed(&self, role: &RoleName) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(role);
        info!(target: OURS, %role, "the role is gone from the configuration");
    }
}

/// A cause with the sentence that goes with it.
struct Why<'a> {
    code: &'static str,
    sentence: &'a str,
    fix: String,
}

impl<'a> From<&'a Failure> for Why<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self { code: failure.cause.code, sentence: &failure.context, fix: failure.fix() }
    }
}

fn first_fix(cause: &cause::Cause) -> String {
    cause.fix.first().copied().unwrap_or_default().to_owned()
}

fn extended() -> Why<'static> {
    let cause = &cause::IMDS_EXPIRED;
    let sentence = "the metadata service is down; the last credentials stay in use";
    Why { code: cause.code, sentence, fix: first_fix(cause) }
}

/// What every line about a walk carries.
struct Walked<'a> {
    role: &'a str,
    trigger: &'a str,
    source: Option<&'a str>,
    trace_id: String,
    key: Option<&'a str>,
    expires_at: Option<String>,
    next: Option<String>,
    available: bool,
    long_term: bool,
}

impl<'a> Walked<'a> {
    fn of(walk: &'a Resolution, standing: &'a Standing, trace: TraceId) -> Self {
        let ended: SystemTime = walk.started + walk.took;
        Self {
            role: walk.role.as_str(),
            trigger: walk.trigger.as_str(),
            source: walk.attempts.last().map(|attempt| attempt.source.as_str()),
            trace_id: trace.to_string(),
            key: standing.key_suffix.as_deref(),
            expires_at: standing.expires_at.map(stamp),
            next: standing.next.map(stamp),
            available: standing.available(ended),
            long_term: standing.long_term,
        }
    }

    fn good(&self, verdict: &Verdict, failing: Option<(SystemTime, u32)>) {
        match (verdict, failing) {
            (Verdict::Adopt, None) => self.noted("credentials adopted"),
            (Verdict::Adopt, Some(failing)) => self.recovered("credentials adopted", failing),
            (_, Some(failing)) => self.recovered("the source answers again", failing),
            (_, None) => self.repeated("the source has no newer credentials yet", None),
        }
        // Each adoption says it again: whoever reads the log of a day must meet it.
        if self.long_term && matches!(verdict, Verdict::Adopt) {
            let cause = &cause::KF_STATIC;
            self.bad(
                "bare long-term keys",
                Why { code: cause.code, sentence: cause.why, fix: first_fix(cause) },
            );
        }
    }

    /// What a failed walk means for those who ask now.
    fn what(&self, verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Drop(_) => "credentials dropped",
            Verdict::Refuse(_) if self.available => "an answer was refused, what is held stays",
            _ if self.available => "refresh failed, what is held stays",
            _ => "no credentials",
        }
    }

    fn noted(&self, what: &str) {
        let Self { role, trigger, source, trace_id, key, expires_at, next, .. } = self;
        let (expires_at, next) = (expires_at.as_deref(), next.as_deref());
        info!(target: OURS, role, source, trigger, key, expires_at, next, trace_id, "{what}");
    }

    fn recovered(&self, what: &str, (since, failures): (SystemTime, u32)) {
        let failing_since = stamp(since);
        let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times") };
        let Self { role, trigger, source, trace_id, key, expires_at, next, .. } = self;
        let (expires_at, next) = (expires_at.as_deref(), next.as_deref());
        info!(
            target: OURS, role, source, trigger, key, expires_at, next, trace_id, failing_since, failures,
            "{what}; it was failing since {failing_since}, {times}"
        );
    }

    fn bad(&self, what: &str, why: Why<'_>) {
        let Self { role, trigger, source, trace_id, expires_at, next, .. } = self;
        let (expires_at, next) = (expires_at.as_deref(), next.as_deref());
        let Why { code: cause, sentence, fix } = why;
        warn!(target: OURS, role, source, cause, trigger, expires_at, next, trace_id, fix, "{what}: {sentence}");
    }

    fn repeated(&self, what: &str, failure: Option<&Failure>) {
        let Self { role, trigger, source, trace_id, expires_at, next, .. } = self;
        let (expires_at, next) = (expires_at.as_deref(), next.as_deref());
        let cause = failure.map(|failure| failure.cause.code);
        let sentence = failure.map(|failure| failure.context.as_str()).unwrap_or_default();
        debug!(target: OURS, role, source, cause, trigger, expires_at, next, trace_id, sentence, "{what}");
    }
}

impl Observe for Logs {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Served(served) => request(served),
            Event::Judged { resolution, verdict, standing } => self.judged(resolution, verdict, standing),
            Event::RoleRemoved(role) => self.removed(role),
            Event::Listening { credentials, admin, token_file } => {
                let credentials_address =
                    credentials.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let admin_address = admin.map(|address| address.to_string());
                let token_file = token_file.display().to_string();
                info!(target: OURS, credentials_address, admin_address, token_file, "listening");
            }
            Event::Resolving(role) => debug!(target: OURS, %role, "asking the chain"),
            Event::ConnectionRejected(reason) => debug!(target: OURS, reason, "connection rejected"),
            Event::InputChanged(path) => debug!(target: OURS, path = %path.display(), "an input changed"),
            Event::WatchDegraded(why) => {
                warn!(target: OURS, why, "no file events: every file is looked at each 30 s instead");
            }
            Event::WatchRestored => info!(target: OURS, "file events are delivered again"),
            Event::TokenWritten(path) => info!(target: OURS, path = %path.display(), "token file written"),
            Event::ConfigApplied(config) => {
                info!(target: OURS, roles = config.roles.len(), "configuration in force");
            }
            Event::ConfigRejected(problems) => {
                rejected(problems, "configuration refused, the one before stays in force");
            }
            Event::TokensRejected([]) => info!(target: OURS, "token files are in order again"),
            Event::TokensRejected(problems) => {
                rejected(problems, "token files refused, the tokens known before stay good");
            }
            Event::CertificatesRejected([]) => info!(target: OURS, "certificates are in order again"),
            Event::CertificatesRejected(problems) => {
                rejected(problems, "certificates refused, those before stay in use");
            }
            Event::WiringUnwritten([]) => info!(target: OURS, "files for clients are written again"),
            Event::WiringUnwritten(files) => {
                let files = files.join("; ");
                warn!(target: OURS, files, "files for clients cannot be written");
            }
            Event::ClockJumped => info!(target: OURS, "the wall clock was set, or the host slept"),
            // For metrics alone.
            Event::RequestWaits(_)
            | Event::RequestDone(_)
            | Event::Watching { .. }
            | Event::FileChanged(..)
            | Event::FileReread(..)
            | Event::Heartbeat => {}
            Event::Draining(Stage::Lame) => info!(target: OURS, "shutting down"),
            Event::Draining(stage) => debug!(target: OURS, stage = word(*stage), "shutting down"),
        }
    }
}

/// On every request: nothing is formatted unless somebody reads it.
fn request(served: &Served) {
    if !enabled!(target: OURS, Level::DEBUG) {
        return;
    }
    let Served { handler, role, status, refused, took, .. } = served;
    let role = role.as_ref().map(RoleName::as_str);
    let refused = (!refused.is_empty()).then_some(*refused);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    debug!(target: OURS, handler, role, status, refused, micros, "request answered");
}

fn rejected(problems: &[Problem], what: &str) {
    let list = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    warn!(target: OURS, problems = list, "{what}");
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Lame => "lame",
        Stage::Closing => "closing",
        Stage::Stopping => "stopping",
        Stage::Flushing => "flushing",
    }
}
