//! Turns events into metrics, log lines and traces: the only place that knows any of them.

pub mod audit;
mod exposition;
mod family;
pub mod journal;
mod labels;
pub mod logs;
pub mod metrics;
mod names;
mod process;
mod queue;
#[cfg(test)]
mod tests;
pub mod traces;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Clock;
use crate::config::{self, env::Env};
use crate::event::{Observe, Observers};
use crate::report::TraceId;

pub use logs::Logs;
pub use metrics::Metrics;

/// Writes all metrics: OpenMetrics when `true`, else Prometheus text 0.0.4; as of a time.
pub type Render = Arc<dyn Fn(bool, SystemTime) -> String + Send + Sync>;

/// The trace to show for a walk: its own, or the one that was exported in its place.
pub type Shown = Arc<dyn Fn(TraceId) -> TraceId + Send + Sync>;

/// What the agent needs of telemetry.
pub struct Telemetry {
    /// Metrics, logs and traces, to be told of everything.
    pub observers: Observers,
    /// For the admin listener.
    pub render: Render,
    /// For whoever shows a walk's trace to people.
    pub shown: Shown,
    /// Sends traces where they are wanted: to be run, and to be the last to end.
    pub exporter: Option<traces::Exporter>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("observers", &self.observers).finish_non_exhaustive()
    }
}

/// Telemetry of one agent: metrics and logs as configured, traces as the `OTEL_*` variables of `env` say. Where the log
/// goes is [`logs::install`]'s business, once a process.
#[must_use]
pub fn build(settings: &config::Telemetry, env: &Env, clock: Clock) -> Telemetry {
    let tally = traces::Tally::default();
    let (traces, exporter) = traces::build(env, &clock, tally.clone()).unzip();
    let shown: Shown = match traces.clone() {
        Some(traces) => Arc::new(move |trace| traces.shown(trace)),
        None => Arc::new(|trace| trace),
    };
    let audit = audit::observer(settings, &clock);
    let logs = Arc::new(Logs::new(Arc::clone(&shown)));
    let metrics = Arc::new(Metrics::new(settings, clock, tally, Arc::clone(&shown)));
    // Traces come first: what the others show of a walk depends on what is exported of it.
    let mut all: Vec<Arc<dyn Observe>> =
        traces.into_iter().map(|traces| traces as Arc<dyn Observe>).collect();
    all.extend([Arc::clone(&metrics) as Arc<dyn Observe>, logs]);
    all.extend(audit);
    let render: Render = Arc::new(move |open, now| metrics.render(open, now));
    Telemetry { observers: Observers::new(all), render, shown, exporter }
}
