//! Counts what was to be written down and could not be, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines that found the queue full.
pub static FULL: Loss = Loss::new("queue_full");
/// Lines that stderr did not take.
pub static BROKEN: Loss = Loss::new("write_failed");
/// Records of the audit log that were not written.
pub static AUDIT: Loss = Loss::new("audit");

/// All of them.
pub static ALL: [&Loss; 3] = [&FULL, &BROKEN, &AUDIT];

/// Lost for one reason, since the process began: the log is the process's, so is the count.
#[derive(Debug)]
pub struct Loss {
    /// The label.
    pub reason: &'static str,
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

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
