//! The agent itself: what was built, its configuration, its telemetry, its process.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::seconds;
use crate::telemetry::family::{Family, Fraction, Number, Value};
use crate::telemetry::labels::build_identity;
use crate::telemetry::logs::losses;
use crate::telemetry::traces::{Loss, Tally};
use crate::telemetry::{names, process};

pub(super) struct Itself {
    /// Of spans; lines of the log have their own.
    tally: Tally,
    exported: Family<Counter>,
    traces_dropped: Family<Counter>,
    logs_dropped: Family<Counter>,
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

impl Itself {
    pub(super) fn register(r: &mut Registry, tally: Tally) -> Self {
        let number = Number::default;
        Family::register(r, &names::BUILD_INFO, number).flag(&build_identity(), true);
        let (reload_successful, reload_time) = (
            Family::register(r, &names::RELOAD_SUCCESSFUL, number),
            Family::register(r, &names::RELOAD_TIME, number),
        );
        Self {
            tally,
            reload_successful,
            reload_time,
            exported: Family::register(r, &names::TRACES_EXPORTED, Counter::default),
            traces_dropped: Family::register(r, &names::TRACES_DROPPED, Counter::default),
            logs_dropped: Family::register(r, &names::LOGS_DROPPED, Counter::default),
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

    /// Looks at what others count, and at the process.
    pub(super) fn as_of_now(&self) {
        let (exported, lost) = self.tally.now();
        shows(&self.exported, &[], exported);
        for why in Loss::ALL {
            shows(&self.traces_dropped, &[why.as_str().into()], lost.get(&why).copied().unwrap_or_default());
        }
        for loss in losses::ALL {
            shows(&self.logs_dropped, &[loss.reason.into()], loss.count());
        }
        self.process();
    }

    /// What the system does not tell has no series.
    fn process(&self) {
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

/// Takes over what somebody else counts.
fn shows(family: &Family<Counter>, labels: &[Value], count: u64) {
    family.with(labels, |counter| counter.inner().store(count, Ordering::Relaxed));
}
