//! Walks, the sources they asked, and what became of them.

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::credentials::{RoleName, SourceKind};
use crate::report::{Attempt, Outcome, Resolution};
use crate::telemetry::family::{Family, Trace, Traced, TracedSizes, Value};
use crate::telemetry::labels::{FAILURE, NONE, SUCCESS, skipped};
use crate::telemetry::names;

/// From a local file's 0.5 ms to a walk that runs into every deadline.
const WALKS: [f64; 11] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const TRIGGERS: [&str; 6] = ["startup", "schedule", "retry", "file_change", "signal", "operator"];

pub(super) struct Walks {
    full: bool,
    resolutions: Family<Traced>,
    duration: Family<TracedSizes>,
    attempts: Family<Traced>,
    attempt_duration: Family<Histogram>,
    refreshes: Family<Traced>,
    refresh_duration: Family<TracedSizes>,
}

/// The histogram of anything that goes over a network.
pub(super) fn durations() -> Histogram {
    Histogram::new(WALKS)
}

fn traced() -> TracedSizes {
    TracedSizes::new(WALKS.into_iter())
}

impl Walks {
    pub(super) fn register(r: &mut Registry, full: bool) -> Self {
        Self {
            full,
            resolutions: Family::register(r, &names::RESOLUTIONS, Traced::default),
            duration: Family::register(r, &names::RESOLUTION_DURATION, traced),
            attempts: Family::register(r, &names::ATTEMPTS, Traced::default),
            attempt_duration: Family::register(r, &names::ATTEMPT_DURATION, durations),
            refreshes: Family::register(r, &names::REFRESHES, Traced::default),
            refresh_duration: Family::register(r, &names::REFRESH_DURATION, traced),
        }
    }

    /// Series that rules rate start at 0, so that their first step counts.
    pub(super) fn begin(&self, role: &RoleName) {
        let role = Value::Role(role.clone());
        self.resolutions.touch(&[role.clone(), NONE.into(), FAILURE.into(), "".into()]);
        for outcome in [SUCCESS, FAILURE] {
            for trigger in TRIGGERS {
                self.refreshes.touch(&[role.clone(), trigger.into(), outcome.into(), "".into()]);
            }
        }
    }

    pub(super) fn forget(&self, role: &Value) {
        [&self.resolutions, &self.refreshes].into_iter().for_each(|family| family.forget(role));
        [&self.duration, &self.refresh_duration].into_iter().for_each(|family| family.forget(role));
    }

    /// A walk ended; `reason` if it found nothing.
    pub(super) fn walked(&self, role: &Value, walk: &Resolution, reason: Option<&'static str>, trace: Trace) {
        let (at, trace_of_failure) = (walk.started + walk.took, reason.map(|_| trace));
        let outcome = if reason.is_some() { FAILURE } else { SUCCESS };
        let source = walk.winner().map_or(NONE, SourceKind::as_str);
        let labels = [role.clone(), source.into(), outcome.into(), reason.unwrap_or_default().into()];
        self.resolutions.count(&labels, trace_of_failure, at);
        let took = walk.took.as_secs_f64();
        self.duration.with(&[role.clone(), outcome.into()], |sizes| {
            sizes.observe(took, trace_of_failure, Some(at));
        });
        walk.attempts.iter().for_each(|attempt| self.attempted(attempt, trace));
    }

    fn attempted(&self, attempt: &Attempt, trace: Trace) {
        let (result, reason, trace) = match &attempt.outcome {
            // Reading the files is no source; only a file that stops the chain is worth a series.
            Outcome::Skipped(_) if attempt.source == SourceKind::Profile => return,
            Outcome::Provided { .. } => ("found", "", None),
            Outcome::Skipped(failure) => {
                let (result, reason) = skipped(failure);
                (result, reason, None)
            }
            Outcome::Failed(failure) => ("failed", failure.cause.code, Some(trace)),
        };
        let source = Value::Word(attempt.source.as_str());
        let at = attempt.started + attempt.took;
        self.attempts.count(&[source.clone(), result.into(), reason.into()], trace, at);
        // Finding out that nobody asked for a source takes no time worth a dozen series.
        if self.full && !matches!(result, "not_configured" | "disabled") {
            let took = attempt.took.as_secs_f64();
            self.attempt_duration.with(&[source, result.into()], |histogram| histogram.observe(took));
        }
    }

    /// A walk was judged.
    pub(super) fn refreshed(
        &self,
        role: &Value,
        walk: &Resolution,
        outcome: &'static str,
        reason: &'static str,
        trace: Trace,
    ) {
        let (at, trace) = (walk.started + walk.took, (outcome == FAILURE).then_some(trace));
        let trigger = walk.trigger.as_str();
        let labels = [role.clone(), trigger.into(), outcome.into(), reason.into()];
        self.refreshes.count(&labels, trace, at);
        let took = walk.took.as_secs_f64();
        self.refresh_duration.with(&[role.clone(), outcome.into()], |sizes| {
            sizes.observe(took, trace, Some(at));
        });
    }
}
