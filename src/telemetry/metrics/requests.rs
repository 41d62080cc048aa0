//! Requests: who asked, what they were told and how long it took.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::credentials::RoleName;
use crate::report::{CacheUse, Served};
use crate::telemetry::family::{Family, Number, Trace, Traced, Value, tick};
use crate::telemetry::names;

const CREDENTIALS: &str = "credentials";
const OK: u16 = 200;

pub(super) struct Requests {
    cache: Family<Counter>,
    requests: Family<Traced>,
    duration: Family<Histogram>,
    in_flight: Family<Number>,
    rejected: Family<Counter>,
    remaining: Family<Histogram>,
    refused: Family<Counter>,
    /// What nearly every request is counted with, so that none of them looks its series up.
    hot: ArcSwap<BTreeMap<RoleName, Hot>>,
    credentials: OnceLock<Histogram>,
}

/// The series of good answers from what is held.
#[derive(Clone)]
struct Hot {
    good: Traced,
    hits: Counter,
    /// Made at the first answer: a dozen series that an idle agent does without.
    remaining: OnceLock<Histogram>,
}

/// Up to 2 s: botocore's timeout.
fn durations() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0])
}

/// From the point at which SDKs fetch again to the longest session there is.
fn lives() -> Histogram {
    Histogram::new([0.0, 60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 21600.0, 43200.0])
}

impl Requests {
    pub(super) fn register(r: &mut Registry) -> Self {
        let requests = Self {
            cache: Family::register(r, &names::CACHE, Counter::default),
            requests: Family::register(r, &names::REQUESTS, Traced::default),
            duration: Family::register(r, &names::REQUEST_DURATION, durations),
            in_flight: Family::register(r, &names::IN_FLIGHT, Number::default),
            rejected: Family::register(r, &names::REJECTED, Counter::default),
            remaining: Family::register(r, &names::REMAINING, lives),
            refused: Family::register(r, &names::AUTH_REJECTIONS, Counter::default),
            hot: ArcSwap::default(),
            credentials: OnceLock::new(),
        };
        requests.in_flight.touch(&[CREDENTIALS.into()]);
        for reason in ["limit", "malformed", "tls"] {
            requests.rejected.touch(&[reason.into()]);
        }
        let denied = ["role_denied", "peer_denied"];
        let malformed = ["missing_token", "bad_token", "bad_host_header", "forwarded_header"];
        for reason in malformed.into_iter().chain(denied) {
            requests.refused.touch(&[reason.into()]);
        }
        requests
    }

    /// These are the roles now.
    pub(super) fn roles<'a>(&self, names: impl Iterator<Item = &'a RoleName>) {
        let hot = names.map(|name| (name.clone(), self.begin(name))).collect();
        self.hot.store(Arc::new(hot));
    }

    fn begin(&self, name: &RoleName) -> Hot {
        let role = Value::Role(name.clone());
        self.requests.touch(&[CREDENTIALS.into(), role.clone(), Value::Code(503)]);
        for used in [CacheUse::Miss, CacheUse::Stale] {
            self.cache.touch(&[role.clone(), result(used).into()]);
        }
        Hot {
            good: self.requests.series(&[CREDENTIALS.into(), role.clone(), Value::Code(OK)]),
            hits: self.cache.series(&[role, result(CacheUse::Hit).into()]),
            remaining: OnceLock::new(),
        }
    }

    /// A role is gone.
    pub(super) fn removed(&self, name: &RoleName, role: &Value) {
        let mut left = BTreeMap::clone(&self.hot.load());
        left.remove(name);
        self.hot.store(Arc::new(left));
        self.forget(role);
    }

    pub(super) fn forget(&self, role: &Value) {
        self.cache.forget(role);
        self.remaining.forget(role);
        self.requests.purge(role);
    }

    /// A request was answered; the trace is that of the walk that failed for it.
    pub(super) fn served(&self, served: &Served<'_>, role: &Value, trace: Option<Trace>, now: SystemTime) {
        let handler = Value::Word(served.handler);
        let labels = [handler.clone(), role.clone(), Value::Code(served.status)];
        self.requests.count(&labels, trace, now);
        let took = served.took.as_secs_f64();
        self.duration.with(&[handler], |histogram| histogram.observe(took));
        if let Some(used) = served.cache {
            self.cache.with(&[role.clone(), result(used).into()], |count| _ = count.inc());
        }
        if let Some(left) = served.left {
            self.remaining
                .with(std::slice::from_ref(role), |histogram| histogram.observe(left.as_secs_f64()));
        }
        if !served.refused.is_empty() {
            self.refused.with(&[served.refused.into()], |count| _ = count.inc());
        }
    }

    /// The usual case, without a lock on any family and without a look at any label but the role.
    pub(super) fn was_held(&self, served: &Served<'_>) -> bool {
        let usual =
            served.status == OK && served.cache == Some(CacheUse::Hit) && served.handler == CREDENTIALS;
        let hot = self.hot.load();
        let Some((name, hot)) =
            served.role.as_ref().filter(|_| usual).and_then(|role| hot.get_key_value(role))
        else {
            return false;
        };
        tick(&hot.good, None, SystemTime::UNIX_EPOCH);
        hot.hits.inc();
        let role = || [Value::Role(name.clone())];
        let remaining = hot.remaining.get_or_init(|| self.remaining.series(&role()));
        remaining.observe(served.left.unwrap_or(Duration::ZERO).as_secs_f64());
        let duration = self.credentials.get_or_init(|| self.duration.series(&[CREDENTIALS.into()]));
        duration.observe(served.took.as_secs_f64());
        true
    }

    pub(super) fn waits(&self, handler: &'static str) {
        self.in_flight.with(&[handler.into()], |gauge| _ = gauge.inc());
    }

    pub(super) fn done(&self, handler: &'static str) {
        self.in_flight.with(&[handler.into()], |gauge| _ = gauge.dec());
    }

    pub(super) fn rejected(&self, why: &'static str) {
        self.rejected.with(&[why.into()], |count| _ = count.inc());
    }
}

fn result(used: CacheUse) -> &'static str {
    match used {
        CacheUse::Hit => "hit",
        CacheUse::Miss => "miss",
        CacheUse::Stale => "stale_served",
    }
}
