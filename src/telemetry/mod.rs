//! Turns events into metrics and log lines: the only place that knows either.

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

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Clock;
use crate::config::{self, env::Env};
use crate::event::{Observe, Observers};

pub use logs::Logs;
pub use metrics::Metrics;

/// Writes all metrics: OpenMetrics when `true`, else Prometheus text 0.0.4; as of a time.
pub type Render = Arc<dyn Fn(bool, SystemTime) -> String + Send + Sync>;

/// What the agent needs of telemetry.
pub struct Telemetry {
    /// Metrics and logs, to be told of everything.
    pub observers: Observers,
    /// For the admin listener.
    pub render: Render,
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
    let _for_traces = env;
    let audit = audit::observer(settings, &clock);
    let pipeline = metrics::Pipeline::default();
    let metrics = Arc::new(Metrics::new(settings, clock, &pipeline, Arc::new(|trace| trace)));
    let logs = Arc::new(Logs::default());
    let mut all: Vec<Arc<dyn Observe>> = vec![Arc::clone(&metrics) as Arc<dyn Observe>, logs];
    all.extend(audit);
    let render: Render = Arc::new(move |open, now| {
        logs::losses::count(&pipeline);
        metrics.render(open, now)
    });
    Telemetry { observers: Observers::new(all), render }
}
