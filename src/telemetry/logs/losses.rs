//! Counts what was to be written down and could not be, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::metrics::Pipeline;

/// Lines that found the queue full.
pub(in crate::telemetry) static FULL: Loss = Loss::new("queue_full");
/// Lines that stderr did not take.
pub(in crate::telemetry) static BROKEN: Loss = Loss::new("write_failed");
/// Records of the audit log that were not written.
pub(in crate::telemetry) static AUDIT: Loss = Loss::new("audit");

/// Adds what was lost since the last call to an agent's metrics.
pub(in crate::telemetry) fn count(into: &Pipeline) {
    for loss in [&FULL, &BROKEN, &AUDIT] {
        into.log_events_dropped(loss.reason, loss.count.swap(0, Ordering::Relaxed));
    }
}

/// Lost for one reason, until somebody asks: the log is the process's, the metrics are an agent's.
#[derive(Debug)]
pub(in crate::telemetry) struct Loss {
    /// The label.
    reason: &'static str,
    count: AtomicU64,
}

impl Loss {
    const fn new(reason: &'static str) -> Self {
        Self { reason, count: AtomicU64::new(0) }
    }

    /// So many more.
    pub(in crate::telemetry) fn add(&self, more: u64) {
        self.count.fetch_add(more, Ordering::Relaxed);
    }
}
