//! What a role holds at one moment, and how a walk turns one such state into the next. Pure.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::judge::{self, Bond, Pending, Policy};
use super::schedule::{self, SHORTEST};
use crate::cause;
use crate::credentials::{AccountId, Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::{Resolution, Standing, Verdict};

/// What an answer without expiry is stamped with, anew each time (contract 3).
pub const WITHOUT_EXPIRY: Duration = Duration::from_mins(30);
/// What metadata credentials are stamped with past their expiry, while the service is down (contract 4).
pub const EXTENSION: Duration = Duration::from_mins(20);
/// How often the metadata service is asked meanwhile.
const EXTENDED_WALK: Duration = Duration::from_mins(1);
/// How long a writer may take (contract 4, "changing").
const SETTLING: Duration = Duration::from_secs(10);

/// Credentials that were adopted.
#[derive(Debug)]
pub struct Held {
    /// The credentials.
    pub credentials: Arc<Credentials>,
    /// Where they came from.
    pub source: SourceKind,
    /// Whose they are, if the source said so.
    pub account: Option<AccountId>,
    /// When this key id was first seen.
    pub first_seen: SystemTime,
    /// The answer's bytes, made once by whoever serves them first. For credentials with expiry only.
    pub body: OnceLock<Bytes>,
}

/// A role at one moment. Phases such as fresh or expired are methods of the snapshot and the time, never stored.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What was adopted last, dead or alive.
    pub held: Option<Arc<Held>>,
    /// What the role must not drift from.
    pub bond: Option<Bond>,
    /// Something seen once that counts when it is seen again.
    pub pending: Option<Pending>,
    /// The next walk; `None` waits for a change, a signal or an operator.
    pub due: Option<SystemTime>,
    /// When credentials were adopted for the first time.
    pub first_adopted: Option<SystemTime>,
    /// Whether a walk is under way.
    pub walking: bool,
    /// Walks without good credentials since the last with some.
    pub failures: u32,
    /// Where the backoff stands; a nudge starts it over.
    pub step: u32,
    /// Whether the metadata service was down, in the sense of contract 4, at the last walk.
    pub extended: bool,
    /// The last walk.
    pub last: Option<Arc<Resolution>>,
    /// What became of the last walk's answer, when it was not adopted.
    pub failure: Option<Failure>,
    /// Since when walks have failed.
    pub failing_since: Option<SystemTime>,
    /// The last walk that gave good credentials.
    pub last_success: Option<SystemTime>,
}

/// Something that may be served now.
#[derive(Clone, Copy, Debug)]
pub struct Usable<'a> {
    /// What.
    pub held: &'a Arc<Held>,
    /// The expiry to be told.
    pub expires: SystemTime,
    /// Whether that is the credentials' own expiry: then the same bytes serve until they are replaced.
    pub lasting: bool,
}

impl Snapshot {
    /// A role whose first walk is about to begin.
    #[must_use]
    pub fn starting(now: SystemTime) -> Self {
        Self { walking: true, due: Some(now), ..Self::default() }
    }

    /// What may be served at `now`: never past its expiry, but for the metadata exception of contract 4.
    #[must_use]
    pub fn usable(&self, now: SystemTime) -> Option<Usable<'_>> {
        let held = self.held.as_ref()?;
        match held.credentials.expires_at {
            None => Some(Usable { held, expires: now + WITHOUT_EXPIRY, lasting: false }),
            Some(at) if at > now => Some(Usable { held, expires: at, lasting: true }),
            Some(_) if self.extended => Some(Usable { held, expires: now + EXTENSION, lasting: false }),
            Some(_) => None,
        }
    }

    /// Why nothing is usable, for whoever asked in vain.
    #[must_use]
    pub fn reason(&self, now: SystemTime) -> Failure {
        let warming =
            || Failure::new(FailureKind::TimedOut, &cause::KF_WARMING, "the first walk is under way");
        let dead = self.held.as_ref().filter(|held| held.credentials.expired(now)).map(|_| {
            let sentence = "the credentials held are expired and there are no new ones yet";
            Failure::new(FailureKind::AlreadyExpired, &cause::KEY_EXPIRED, sentence)
        });
        self.failure.clone().or(dead).unwrap_or_else(warming)
    }

    /// Whole seconds after which it may be worth asking again: at least one.
    #[must_use]
    pub fn retry_after(&self, now: SystemTime) -> u64 {
        let wait = self.due.and_then(|due| due.duration_since(now).ok()).unwrap_or(SHORTEST);
        wait.as_secs().saturating_add(1).min(60)
    }

    /// The state while a walk is under way.
    #[must_use]
    pub fn begun(&self) -> Self {
        Self { walking: true, ..self.clone() }
    }

    /// The state without what was held; the bond outlives it (contract 4).
    #[must_use]
    pub fn dropped(&self) -> Self {
        Self { held: None, pending: None, extended: false, ..self.clone() }
    }

    /// The state after a walk that was judged. `roll` is chance, in `0.0..=1.0`.
    #[must_use]
    pub fn after(
        &self,
        walk: Arc<Resolution>,
        verdict: &Verdict,
        policy: &Policy,
        now: SystemTime,
        roll: f64,
    ) -> Self {
        let mut next = Self { walking: false, last: Some(Arc::clone(&walk)), ..self.clone() };
        match verdict {
            Verdict::Adopt => next.adopt(&walk, now),
            Verdict::Drop(_) => next.held = None,
            Verdict::Unchanged
            | Verdict::Refuse(_)
            | Verdict::Confirm(_)
            | Verdict::Wait
            | Verdict::Fail(_) => {}
        }
        next.extended = judge::extends(policy, next.bond.as_ref(), &walk, now);
        next.pending = judge::pending(self.pending.as_ref(), self.held.as_deref(), &walk, verdict, now);
        next.count(verdict, now);
        next.due = next.plan(&walk, verdict, policy, now, roll);
        next
    }

    fn adopt(&mut self, walk: &Resolution, now: SystemTime) {
        let (Some(credentials), Some(source)) = (walk.credentials.clone(), walk.winner()) else { return };
        let account = judge::account(&credentials);
        let before =
            self.held.as_ref().filter(|held| held.credentials.access_key_id == credentials.access_key_id);
        let first_seen = before.map_or(now, |held| held.first_seen);
        // An account once known stays known: an answer that does not name it does not loosen the bond.
        let known = self.bond.take().filter(|_| account.is_none()).and_then(|bond| bond.account);
        self.first_adopted = self.first_adopted.or(Some(now));
        self.bond = Some(Bond { source, account: account.clone().or(known) });
        self.held = Some(Arc::new(Held { credentials, source, account, first_seen, body: OnceLock::new() }));
    }

    fn count(&mut self, verdict: &Verdict, now: SystemTime) {
        match verdict {
            Verdict::Adopt | Verdict::Unchanged if !self.extended => {
                (self.failures, self.step, self.failure, self.failing_since) = (0, 0, None, None);
                self.last_success = Some(now);
            }
            Verdict::Adopt | Verdict::Unchanged => self.failed(extended_failure(), now),
            Verdict::Refuse(failure) | Verdict::Drop(failure) | Verdict::Fail(failure) => {
                self.failed(failure.clone(), now);
            }
            Verdict::Confirm(_) | Verdict::Wait => {}
        }
    }

    fn failed(&mut self, failure: Failure, now: SystemTime) {
        self.failures = self.failures.saturating_add(1);
        self.step = self.step.saturating_add(1);
        self.failure = Some(failure);
        self.failing_since = self.failing_since.or(Some(now));
    }

    fn plan(
        &self,
        walk: &Resolution,
        verdict: &Verdict,
        policy: &Policy,
        now: SystemTime,
        roll: f64,
    ) -> Option<SystemTime> {
        let left = self.held.as_ref().and_then(|held| held.credentials.left(now));
        let for_ever = self.held.is_some() && left.is_none();
        match verdict {
            Verdict::Confirm(at) => Some(*at),
            Verdict::Wait => Some(now + SETTLING),
            Verdict::Drop(_) => Some(now + SHORTEST),
            Verdict::Refuse(_) | Verdict::Fail(_) if for_ever => self.pending.as_ref().map(Pending::due),
            _ if self.extended && self.usable(now).is_some_and(|usable| !usable.lasting) => {
                Some(now + EXTENDED_WALK)
            }
            Verdict::Adopt | Verdict::Unchanged => self.renewal(policy, now, roll),
            Verdict::Refuse(failure) | Verdict::Fail(failure) => {
                let transient = judge::transient(failure, walk);
                let alive = left.filter(|left| !left.is_zero());
                Some(now + schedule::backoff(&policy.refresh, transient, self.step, alive, roll))
            }
        }
    }

    /// When what is held is fetched again; past that time already, the source has said "not yet".
    fn renewal(&self, policy: &Policy, now: SystemTime, roll: f64) -> Option<SystemTime> {
        let held = self.held.as_ref()?;
        let expires = held.credentials.expires_at?;
        let at = schedule::refresh_at(&policy.refresh, held.first_seen, expires, roll);
        let left = expires.duration_since(now).unwrap_or_default();
        Some(if at > now { at } else { now + schedule::not_yet(left) })
    }

    /// Plain data for telemetry and `status`.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let held = self.held.as_ref();
        Standing {
            source: held.map(|held| held.source),
            key_suffix: held.map(|held| held.credentials.key_suffix()),
            account: held.and_then(|held| held.account.as_ref()).map(ToString::to_string),
            role_arn: held.and_then(|held| held.credentials.role_arn.clone()),
            issued_at: held.map(|held| held.first_seen),
            expires_at: held.and_then(|held| held.credentials.expires_at),
            held: held.is_some(),
            extended: self.extended,
            long_term: held.is_some_and(|held| held.credentials.is_long_term()),
            next: self.due,
            failures: self.failures,
        }
    }
}

fn extended_failure() -> Failure {
    let sentence = "instance metadata hands out expired credentials; the last ones are kept in use";
    Failure::new(FailureKind::AlreadyExpired, &cause::IMDS_EXPIRED, sentence)
}
