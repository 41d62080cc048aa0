//! The agent itself: what was built, its configuration, its telemetry, its process.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::seconds;
use crate::telemetry::family::{Family, Fraction, Number};
use crate::telemetry::labels::build_identity;
use crate::telemetry::{names, process};

pub(super) struct Itself {
    reload_successful: Family<Number>,
    reload_time: Family<Number>,
    heartbeat: Family<Number>,
    cpu: Family<Fraction>,
    resident: Family<Number>,
    virtual_memory: Family<Number>,
    open_fds: Family<Number>,
    max_fds: Family<Number>,
    start: Family<Number>,
    threads: Family<Number>,
}

/// Counts what telemetry itself hands on and loses. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct Pipeline {
    exported: Family<Counter>,
    traces_dropped: Family<Counter>,
    logs_dropped: Family<Counter>,
}

impl Default for Pipeline {
    fn default() -> Self {
        let pipeline = Self {
            exported: Family::new(&names::TRACES_EXPORTED, Counter::default),
            traces_dropped: Family::new(&names::TRACES_DROPPED, Counter::default),
            logs_dropped: Family::new(&names::LOGS_DROPPED, Counter::default),
        };
        pipeline.traces_exported(0);
        for reason in ["queue_full", "export_failed", "shutdown"] {
            pipeline.traces_dropped(reason, 0);
        }
        pipeline.log_events_dropped("queue_full", 0);
        pipeline
    }
}

impl Pipeline {
    /// So many traces were taken by the collector.
    pub fn traces_exported(&self, count: u64) {
        self.exported.with(&[], |counter| _ = counter.inc_by(count));
    }

    /// So many traces were lost: `queue_full`, `export_failed` or `shutdown`.
    pub fn traces_dropped(&self, reason: &'static str, count: u64) {
        self.traces_dropped.with(&[reason.into()], |counter| _ = counter.inc_by(count));
    }

    /// So many log events were lost: `queue_full`.
    pub fn log_events_dropped(&self, reason: &'static str, count: u64) {
        self.logs_dropped.with(&[reason.into()], |counter| _ = counter.inc_by(count));
    }

    fn join(&self, registry: &mut Registry) {
        [&self.exported, &self.traces_dropped, &self.logs_dropped].into_iter().for_each(|family| {
            family.join(registry);
        });
    }
}

impl Itself {
    pub(super) fn register(r: &mut Registry, pipeline: &Pipeline) -> Self {
        let number = Number::default;
        Family::register(r, &names::BUILD_INFO, number).flag(&build_identity(), true);
        let (reload_successful, reload_time) = (
            Family::register(r, &names::RELOAD_SUCCESSFUL, number),
            Family::register(r, &names::RELOAD_TIME, number),
        );
        pipeline.join(r);
        Self {
            reload_successful,
            reload_time,
            heartbeat: Family::register(r, &names::HEARTBEAT, number),
            cpu: Family::register(r, &names::CPU, Fraction::default),
            resident: Family::register(r, &names::RESIDENT, number),
            virtual_memory: Family::register(r, &names::VIRTUAL, number),
            open_fds: Family::register(r, &names::OPEN_FDS, number),
            max_fds: Family::register(r, &names::MAX_FDS, number),
            start: Family::register(r, &names::START, number),
            threads: Family::register(r, &names::THREADS, number),
        }
    }

    pub(super) fn reloaded(&self, now: SystemTime) {
        self.reload_successful.flag(&[], true);
        self.reload_time.set(&[], seconds(now));
    }

    pub(super) fn rejected(&self) {
        self.reload_successful.flag(&[], false);
    }

    pub(super) fn beat(&self, now: SystemTime) {
        self.heartbeat.set(&[], seconds(now));
    }

    /// Looks at the process. What the system does not tell has no series.
    pub(super) fn process(&self) {
        let now = process::look();
        if let Some(spent) = now.cpu_seconds {
            self.cpu.with(&[], |counter| counter.inner().store(spent.to_bits(), Ordering::Relaxed));
        }
        let numbers = [
            (&self.resident, now.resident_bytes),
            (&self.virtual_memory, now.virtual_bytes),
            (&self.open_fds, now.open_fds),
            (&self.max_fds, now.max_fds),
            (&self.start, now.start_seconds),
            (&self.threads, now.threads),
        ];
        for (family, number) in numbers {
            if let Some(number) = number {
                family.set(&[], number);
            }
        }
    }
}
