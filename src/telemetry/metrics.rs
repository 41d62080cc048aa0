//! Counts what happens, for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::exposition;
use super::family::{Family, Value};
use super::labels::{FAILURE, NONE, SUCCESS, build_identity, skipped};
use super::names;
use crate::clock::Clock;
use crate::config::{Config, Role};
use crate::credentials::{RoleName, SourceKind};
use crate::event::{Event, Observe};
use crate::report::{Attempt, Outcome, Resolution, Served, Standing, Verdict};

pub use super::names::{Kind, NAMES, Name};

type Number = Gauge<f64, AtomicU64>;

/// All metrics of one agent, with a registry of its own.
pub struct Metrics {
    clock: Clock,
    registry: Registry,
    /// Configured roles: any other name becomes `_other`, so that labels stay a closed set.
    roles: RwLock<BTreeSet<RoleName>>,
    /// What gauges that fall by themselves are computed from, at each scrape.
    standings: Mutex<BTreeMap<RoleName, Standing>>,
    reload_successful: Family<Number>,
    reload_time: Family<Number>,
    resolutions: Family<Counter>,
    resolution_duration: Family<Histogram>,
    attempts: Family<Counter>,
    attempt_duration: Family<Histogram>,
    source_active: Family<Number>,
    required: Family<Number>,
    extended: Family<Number>,
    available: Family<Number>,
    expiration: Family<Number>,
    refreshes: Family<Counter>,
    last_attempt: Family<Number>,
    last_success: Family<Number>,
    next: Family<Number>,
    failures: Family<Number>,
    requests: Family<Counter>,
    request_duration: Family<Histogram>,
    rejected: Family<Counter>,
    auth_rejections: Family<Counter>,
    watch_up: Family<Number>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// From a local file's 0.5 ms to a walk that runs into every deadline.
fn walks() -> Histogram {
    Histogram::new([0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// Up to 2 s: botocore's timeout.
fn requests() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0])
}

impl Metrics {
    /// Metrics of an agent that has not begun.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let build_info = Family::register(r, &names::BUILD_INFO, Number::default);
        let metrics = Self {
            clock,
            roles: RwLock::default(),
            standings: Mutex::default(),
            reload_successful: Family::register(r, &names::RELOAD_SUCCESSFUL, Number::default),
            reload_time: Family::register(r, &names::RELOAD_TIME, Number::default),
            resolutions: Family::register(r, &names::RESOLUTIONS, Counter::default),
            resolution_duration: Family::register(r, &names::RESOLUTION_DURATION, walks),
            attempts: Family::register(r, &names::ATTEMPTS, Counter::default),
            attempt_duration: Family::register(r, &names::ATTEMPT_DURATION, walks),
            source_active: Family::register(r, &names::SOURCE_ACTIVE, Number::default),
            required: Family::register(r, &names::REQUIRED, Number::default),
            extended: Family::register(r, &names::EXTENDED, Number::default),
            available: Family::register(r, &names::AVAILABLE, Number::default),
            expiration: Family::register(r, &names::EXPIRATION, Number::default),
            refreshes: Family::register(r, &names::REFRESHES, Counter::default),
            last_attempt: Family::register(r, &names::LAST_ATTEMPT, Number::default),
            last_success: Family::register(r, &names::LAST_SUCCESS, Number::default),
            next: Family::register(r, &names::NEXT, Number::default),
            failures: Family::register(r, &names::FAILURES, Number::default),
            requests: Family::register(r, &names::REQUESTS, Counter::default),
            request_duration: Family::register(r, &names::REQUEST_DURATION, requests),
            rejected: Family::register(r, &names::REJECTED, Counter::default),
            auth_rejections: Family::register(r, &names::AUTH_REJECTIONS, Counter::default),
            watch_up: Family::register(r, &names::WATCH_UP, Number::default),
            registry,
        };
        build_info.with(&build_identity(), |info| _ = info.set(1.0));
        set(&metrics.watch_up, &["all".into()], true);
        metrics.at_zero();
        metrics
    }

    /// Series that rules rate start at 0, so that their first step counts.
    fn at_zero(&self) {
        for reason in ["limit", "malformed"] {
            self.rejected.touch(&[reason.into()]);
        }
        for reason in ["missing_token", "bad_token", "bad_host_header", "forwarded_header", "role_denied"] {
            self.auth_rejections.touch(&[reason.into()]);
        }
    }

    /// The exposition as of `now`: OpenMetrics when `open`, else Prometheus text 0.0.4.
    #[must_use]
    pub fn render(&self, open: bool, now: SystemTime) -> String {
        for (role, standing) in self.standings.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let role = [Value::Role(role.clone())];
            let past = standing.expires_at.is_some_and(|at| at <= now);
            set(&self.available, &role, standing.available(now));
            set(&self.extended, &role, standing.held && standing.extended && past);
        }
        if open { exposition::open_metrics(&self.registry) } else { exposition::plain(&self.registry) }
    }

    fn role(&self, name: &RoleName) -> Value {
        let known = self.roles.read().unwrap_or_else(PoisonError::into_inner).contains(name);
        if known { Value::Role(name.clone()) } else { Value::Word("_other") }
    }

    fn configured(&self, config: &Config) {
        let now = self.clock.now();
        set(&self.reload_successful, &[], true);
        self.reload_time.with(&[], |gauge| _ = gauge.set(seconds(now)));
        let wanted: BTreeSet<RoleName> = config.roles.iter().map(|role| role.name.clone()).collect();
        let before = {
            let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *roles, wanted.clone())
        };
        before.difference(&wanted).for_each(|gone| self.forget(gone));
        config.roles.iter().for_each(|role| self.begin(role));
    }

    fn begin(&self, role: &Role) {
        let name = Value::Role(role.name.clone());
        set(&self.required, std::slice::from_ref(&name), role.required);
        self.available.touch(std::slice::from_ref(&name));
        self.extended.touch(std::slice::from_ref(&name));
        self.failures.touch(std::slice::from_ref(&name));
        self.resolutions.touch(&[name.clone(), NONE.into(), FAILURE.into(), "".into()]);
        for outcome in [SUCCESS, FAILURE] {
            for trigger in ["startup", "schedule", "retry", "file_change", "signal", "operator"] {
                self.refreshes.touch(&[name.clone(), trigger.into(), outcome.into(), "".into()]);
            }
        }
        for code in [200, 503] {
            self.requests.touch(&["credentials".into(), name.clone(), Value::Code(code)]);
        }
    }

    fn removed(&self, role: &RoleName) {
        self.roles.write().unwrap_or_else(PoisonError::into_inner).remove(role);
        self.forget(role);
    }

    fn forget(&self, role: &RoleName) {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).remove(role);
        let role = Value::Role(role.clone());
        for counters in [&self.resolutions, &self.refreshes, &self.requests] {
            counters.forget(&role);
        }
        self.resolution_duration.forget(&role);
        let numbers = [
            &self.source_active,
            &self.required,
            &self.extended,
            &self.available,
            &self.expiration,
            &self.last_attempt,
            &self.last_success,
            &self.next,
            &self.failures,
        ];
        numbers.into_iter().for_each(|family| family.forget(&role));
    }

    fn judged(&self, walk: &Resolution, verdict: &Verdict, standing: &Standing) {
        let role = self.role(&walk.role);
        self.walked(&role, walk);
        let (outcome, reason) = match verdict {
            Verdict::Adopt | Verdict::Unchanged => (SUCCESS, ""),
            Verdict::Confirm(_) | Verdict::Wait => ("undecided", ""),
            Verdict::Refuse(failure) | Verdict::Drop(failure) | Verdict::Fail(failure) => {
                (FAILURE, failure.cause.code)
            }
        };
        let trigger = walk.trigger.as_str();
        let labels = [role.clone(), trigger.into(), outcome.into(), reason.into()];
        self.refreshes.with(&labels, |count| _ = count.inc());
        let role = std::slice::from_ref(&role);
        self.last_attempt.with(role, |gauge| _ = gauge.set(seconds(walk.started)));
        if outcome == SUCCESS {
            self.last_success.with(role, |gauge| _ = gauge.set(seconds(walk.started + walk.took)));
        }
        self.stands(&walk.role, standing);
    }

    fn walked(&self, role: &Value, walk: &Resolution) {
        let failure = walk.failure();
        let outcome = if failure.is_some() { FAILURE } else { SUCCESS };
        let reason = failure.map_or("", |failure| failure.cause.code);
        let source = walk.winner().map_or(NONE, SourceKind::as_str);
        let labels = [role.clone(), source.into(), outcome.into(), reason.into()];
        self.resolutions.with(&labels, |count| _ = count.inc());
        let took = walk.took.as_secs_f64();
        self.resolution_duration.with(&[role.clone(), outcome.into()], |histogram| histogram.observe(took));
        walk.attempts.iter().for_each(|attempt| self.attempted(attempt));
    }

    fn attempted(&self, attempt: &Attempt) {
        let (result, reason) = match &attempt.outcome {
            // Reading the files is no source; only a file that stops the chain is worth a series.
            Outcome::Skipped(_) if attempt.source == SourceKind::Profile => return,
            Outcome::Provided { .. } => ("found", ""),
            Outcome::Skipped(failure) => skipped(failure),
            Outcome::Failed(failure) => ("failed", failure.cause.code),
        };
        let source = attempt.source.as_str();
        self.attempts.with(&[source.into(), result.into(), reason.into()], |count| _ = count.inc());
        // Finding out that nobody asked for a source takes no time worth a dozen series.
        if !matches!(result, "not_configured" | "disabled") {
            let took = attempt.took.as_secs_f64();
            self.attempt_duration.with(&[source.into(), result.into()], |histogram| histogram.observe(took));
        }
    }

    fn stands(&self, name: &RoleName, standing: &Standing) {
        let value = self.role(name);
        let role = std::slice::from_ref(&value);
        self.failures.with(role, |gauge| _ = gauge.set(f64::from(standing.failures)));
        moment(&self.expiration, &value, standing.expires_at);
        moment(&self.next, &value, standing.next);
        self.source_active.each_of(&value, |gauge| _ = gauge.set(0.0));
        if let Some(source) = standing.source {
            let labels = [value.clone(), source.as_str().into()];
            self.source_active.with(&labels, |gauge| _ = gauge.set(1.0));
        }
        if let Value::Role(name) = value {
            let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
            standings.insert(name, standing.clone());
        }
    }

    fn served(&self, served: &Served) {
        let role = served.role.as_ref().map_or(Value::Word(""), |role| self.role(role));
        let handler = Value::Word(served.handler);
        self.requests.with(&[handler.clone(), role, Value::Code(served.status)], |count| _ = count.inc());
        let took = served.took.as_secs_f64();
        self.request_duration.with(&[handler], |histogram| histogram.observe(took));
        if !served.refused.is_empty() {
            self.auth_rejections.with(&[served.refused.into()], |count| _ = count.inc());
        }
    }
}

impl Observe for Metrics {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Served(served) => self.served(served),
            Event::Judged { resolution, verdict, standing } => self.judged(resolution, verdict, standing),
            Event::ConfigApplied(config) => self.configured(config),
            Event::ConfigRejected(_) => set(&self.reload_successful, &[], false),
            Event::RoleRemoved(role) => self.removed(role),
            Event::ConnectionRejected(why) => {
                self.rejected.with(&[Value::Word(why)], |count| _ = count.inc());
            }
            Event::WatchDegraded(_) => set(&self.watch_up, &["all".into()], false),
            Event::WatchRestored => set(&self.watch_up, &["all".into()], true),
            Event::Listening { .. }
            | Event::Resolving(_)
            | Event::InputChanged(_)
            | Event::TokenWritten(_)
            | Event::TokensRejected(_)
            | Event::ClockJumped
            | Event::Draining(_) => {}
        }
    }
}

fn set(family: &Family<Number>, labels: &[Value], on: bool) {
    family.with(labels, |gauge| _ = gauge.set(f64::from(u8::from(on))));
}

/// A point in time, or no series at all.
fn moment(family: &Family<Number>, role: &Value, at: Option<SystemTime>) {
    match at {
        Some(at) => family.with(std::slice::from_ref(role), |gauge| _ = gauge.set(seconds(at))),
        None => family.forget(role),
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}
