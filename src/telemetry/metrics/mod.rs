//! Counts what happens, for Prometheus.

mod files;
mod itself;
mod requests;
mod roles;
#[cfg(test)]
mod tests;
mod upstream;
mod walks;

use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;

use super::family::{Trace, Value};
use super::labels::{FAILURE, SUCCESS, UNDECIDED};
use super::traces::Tally;
use super::{Shown, exposition};
use crate::clock::Clock;
use crate::config::{self, Config, Detail};
use crate::event::{Event, Observe};
use crate::report::{Resolution, Served, Standing, Verdict};
use files::Files;
use itself::Itself;
use requests::Requests;
use roles::Roles;
use upstream::Upstream;
use walks::Walks;

pub use super::names::{Kind, NAMES, Name};

/// All metrics of one agent, with a registry of its own.
pub struct Metrics {
    clock: Clock,
    registry: Registry,
    shown: Shown,
    walks: Walks,
    roles: Roles,
    requests: Requests,
    files: Files,
    upstream: Upstream,
    itself: Itself,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics of an agent that has not begun. Exemplars name the trace that `shown` makes of a walk's own.
    #[must_use]
    pub fn new(settings: &config::Telemetry, clock: Clock, tally: Tally, shown: Shown) -> Self {
        let full = settings.metrics == Detail::Full;
        let mut registry = Registry::default();
        let r = &mut registry;
        Self {
            clock,
            shown,
            walks: Walks::register(r, full),
            roles: Roles::register(r, settings.identity),
            requests: Requests::register(r),
            files: Files::register(r),
            upstream: Upstream::register(r, full),
            itself: Itself::register(r, tally),
            registry,
        }
    }

    /// The exposition as of `now`: OpenMetrics when `open`, else Prometheus text 0.0.4.
    #[must_use]
    pub fn render(&self, open: bool, now: SystemTime) -> String {
        self.roles.as_of(now);
        self.files.tokens(&self.roles.tokens());
        self.upstream.breakers(&self.roles.waiting_for(now));
        self.itself.as_of_now();
        if open { exposition::open_metrics(&self.registry) } else { exposition::plain(&self.registry) }
    }

    fn configured(&self, config: &Config) {
        self.itself.reloaded(self.clock.now());
        for gone in self.roles.configured(&config.roles) {
            self.walks.forget(&gone);
            self.requests.forget(&gone);
        }
        config.roles.iter().for_each(|role| self.walks.begin(&role.name));
        self.requests.roles(config.roles.iter().map(|role| &role.name));
    }

    fn judged(&self, walk: &Resolution, verdict: &Verdict, standing: &Standing) {
        let (outcome, failure) = match verdict {
            Verdict::Adopt | Verdict::Unchanged => (SUCCESS, None),
            Verdict::Confirm(_) | Verdict::Wait => (UNDECIDED, None),
            Verdict::Refuse(failure) | Verdict::Drop(failure) | Verdict::Fail(failure) => {
                (FAILURE, Some(failure))
            }
        };
        let reason = failure.map_or("", |failure| self.roles.reason(&walk.role, failure.cause.code));
        let trace = Trace((self.shown)(walk.trace));
        let role = self.roles.value(&walk.role);
        let found = walk.failure().map(|failure| self.roles.reason(&walk.role, failure.cause.code));
        self.walks.walked(&role, walk, found, trace);
        self.walks.refreshed(&role, walk, outcome, reason, trace);
        self.files.walked(walk, outcome, reason);
        self.upstream.walked(walk);
        self.roles.judged(walk, outcome, standing);
    }

    fn served(&self, served: &Served<'_>) {
        if self.requests.was_held(served) {
            return;
        }
        let role = served.role.as_ref().map_or(Value::Word(""), |role| self.roles.value(role));
        let walk = served.failure.and_then(|(_, walk)| walk);
        let trace = walk.map(Trace);
        self.requests.served(served, &role, trace, served.at);
    }
}

impl Observe for Metrics {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Served(served) => self.served(served),
            Event::Judged { resolution, verdict, standing } => self.judged(resolution, verdict, standing),
            Event::ConfigApplied(config) => self.configured(config),
            Event::ConfigRejected(_) => self.itself.rejected(),
            Event::RoleRemoved(role) => {
                let gone = self.roles.removed(role);
                self.walks.forget(&gone);
                self.requests.removed(role, &gone);
            }
            Event::RequestWaits(handler) => self.requests.waits(handler),
            Event::RequestDone(handler) => self.requests.done(handler),
            Event::ConnectionRejected(why) => self.requests.rejected(why),
            Event::Watching { files, events } => self.files.watching(files, *events),
            Event::FileChanged(kind, change) => self.files.changed(*kind, *change),
            Event::FileReread(kind, outcome) => self.files.reread(*kind, outcome.is_ok()),
            Event::Heartbeat => self.itself.beat(self.clock.now()),
            Event::Listening { .. }
            | Event::Resolving(_)
            | Event::InputChanged(_)
            | Event::WatchDegraded(_)
            | Event::WatchRestored
            | Event::TokenWritten(_)
            | Event::TokensRejected(_)
            | Event::CertificatesRejected(_)
            | Event::WiringUnwritten(_)
            | Event::ClockJumped
            | Event::Draining(_) => {}
        }
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}
