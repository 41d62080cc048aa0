//! Turns events into metrics and log lines: the only place that knows either.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::event::Observers;

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
