//! Requests of ours to AWS and to local endpoints, and what their answers say of the clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::seconds;
use super::walks::durations;
use crate::report::{Call, Notes, Resolution};
use crate::telemetry::family::{Family, Number, Value};
use crate::telemetry::labels::{FAILURE, SUCCESS};
use crate::telemetry::names;

/// Answers that a clock is judged by.
const ANSWERS: usize = 5;
/// `Date` has whole seconds: on average it is this much behind.
const CUT_OFF: f64 = 0.5;

/// AWS's words for errors that have a series of their own.
const CODES: [&str; 36] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationPendingException",
    "ExpiredToken",
    "ExpiredTokenException",
    "ForbiddenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "IncompleteSignature",
    "InternalFailure",
    "InternalServerException",
    "InvalidAccessKeyId",
    "InvalidAction",
    "InvalidClientException",
    "InvalidClientTokenId",
    "InvalidGrantException",
    "InvalidIdentityToken",
    "InvalidParameterValue",
    "InvalidRequestException",
    "InvalidSignatureException",
    "MalformedPolicyDocument",
    "MissingAuthenticationToken",
    "MissingParameter",
    "PackedPolicyTooLarge",
    "RegionDisabledException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ResourceNotFoundException",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "UnauthorizedClientException",
    "UnauthorizedException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
];
const THROTTLES: [&str; 10] = [
    "LimitExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "SlowDownException",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
];

pub(super) struct Upstream {
    full: bool,
    requests: Family<Counter>,
    duration: Family<Histogram>,
    retries: Family<Counter>,
    throttles: Family<Counter>,
    breaker: Family<Number>,
    skew: Family<Number>,
    /// By service: how far its last answers were off, in seconds.
    off: Mutex<BTreeMap<&'static str, VecDeque<f64>>>,
}

impl Upstream {
    pub(super) fn register(r: &mut Registry, full: bool) -> Self {
        Self {
            full,
            requests: Family::register(r, &names::UPSTREAM, Counter::default),
            duration: Family::register(r, &names::UPSTREAM_DURATION, durations),
            retries: Family::register(r, &names::RETRIES, Counter::default),
            throttles: Family::register(r, &names::THROTTLES, Counter::default),
            breaker: Family::register(r, &names::BREAKER, Number::default),
            skew: Family::register(r, &names::SKEW, Number::default),
            off: Mutex::default(),
        }
    }

    /// Counts the requests of a walk, those of every hop among them.
    pub(super) fn walked(&self, walk: &Resolution) {
        for notes in walk.notes() {
            notes.calls.iter().for_each(|call| self.called(call));
            for call in again(notes) {
                self.retries.with(&labels(call), |count| _ = count.inc());
            }
        }
    }

    fn called(&self, call: &Call) {
        let [service, operation] = labels(call);
        let outcome = if failed(call) { FAILURE } else { SUCCESS };
        let asked = [service.clone(), operation.clone(), outcome.into(), code(call)];
        self.requests.with(&asked, |count| _ = count.inc());
        self.breaker.touch(std::slice::from_ref(&service));
        let labels = [service, operation];
        // From the first request on, so that the first time counts.
        self.retries.touch(&labels);
        self.throttles.with(&labels, |count| _ = count.inc_by(u64::from(throttled(call))));
        if self.full {
            self.duration.with(&labels, |histogram| histogram.observe(call.took.as_secs_f64()));
        }
        if let Some(date) = call.date {
            self.heard(call, date);
        }
    }

    fn heard(&self, call: &Call, date: SystemTime) {
        let mut off = self.off.lock().unwrap_or_else(PoisonError::into_inner);
        let last = off.entry(call.service).or_default();
        if last.len() == ANSWERS {
            last.pop_front();
        }
        last.push_back(skew(call.started, call.took, date));
        if let Some(median) = median(last) {
            self.skew.set(&[call.service.into()], median);
        }
    }

    /// Roles wait before they ask these services again.
    pub(super) fn breakers(&self, open: &BTreeSet<&'static str>) {
        for service in self.breaker.words() {
            self.breaker.flag(&[service.into()], open.contains(service));
        }
    }
}

fn labels(call: &Call) -> [Value; 2] {
    [call.service.into(), call.operation.into()]
}

/// Whether a request did not bring what was asked for.
pub(super) fn failed(call: &Call) -> bool {
    call.status.is_none_or(|status| status >= 400)
}

fn code(call: &Call) -> Value {
    match (&call.code, call.status) {
        (Some(code), _) => {
            let known = CODES.iter().chain(&THROTTLES).find(|known| **known == code);
            Value::Word(known.copied().unwrap_or("other"))
        }
        (None, Some(status)) => Value::Code(status),
        (None, None) => Value::Word(call.broke_at.unwrap_or("other")),
    }
}

fn throttled(call: &Call) -> bool {
    call.status == Some(429) || call.code.as_deref().is_some_and(|code| THROTTLES.contains(&code))
}

/// Requests that repeat an earlier one of the same source.
fn again(notes: &Notes) -> impl Iterator<Item = &Call> {
    let mut seen = BTreeSet::new();
    notes.calls.iter().filter(move |call| !seen.insert((call.operation, call.url.as_str())))
}

/// Seconds that the server's clock is ahead, taking it that it answered half-way.
fn skew(started: SystemTime, took: Duration, date: SystemTime) -> f64 {
    seconds(date) + CUT_OFF - seconds(started + took / 2)
}

fn median(numbers: &VecDeque<f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_the_median_of_what_answers_say() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        // Asked at 10.0, answered at 11.0 with the second that began at 10.0: not off at all.
        assert!(skew(at(10_000), Duration::from_secs(1), at(10_000)).abs() < 1e-9);
        assert!((skew(at(10_000), Duration::from_secs(1), at(70_000)) - 60.0).abs() < 1e-9);
        assert!((skew(at(70_000), Duration::from_secs(1), at(10_000)) + 60.0).abs() < 1e-9);
        assert_eq!(median(&VecDeque::from([300.0, 0.1, -0.2, 0.3, 0.2])), Some(0.2));
        assert_eq!(median(&VecDeque::new()), None);
    }

    #[test]
    fn words_of_aws_are_a_closed_set() {
        let call = |code: Option<&str>, status| Call {
            service: "sts",
            operation: "AssumeRole",
            url: String::new(),
            started: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            status,
            code: code.map(str::to_owned),
            request_id: None,
            error: None,
            broke_at: Some("dns"),
            date: None,
        };
        assert_eq!(code(&call(Some("AccessDenied"), Some(403))), Value::Word("AccessDenied"));
        assert_eq!(code(&call(Some("Throttling"), Some(400))), Value::Word("Throttling"));
        assert_eq!(code(&call(Some("Whatever"), Some(400))), Value::Word("other"));
        assert_eq!(code(&call(Some(&"A".repeat(41)), Some(400))), Value::Word("other"));
        assert_eq!(code(&call(None, Some(503))), Value::Code(503));
        assert_eq!(code(&call(None, None)), Value::Word("dns"));
        assert!(throttled(&call(Some("SlowDown"), Some(503))) && throttled(&call(None, Some(429))));
        assert!(!throttled(&call(None, Some(503))));
        assert!(
            failed(&call(None, None)) && failed(&call(None, Some(404))) && !failed(&call(None, Some(200)))
        );
    }
}
