//! Where each role stands: what it holds, from where, since when and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::seconds;
use crate::config::{Expect, Role};
use crate::credentials::{RoleName, SourceKind};
use crate::report::{Findings, Resolution, Standing, TokenKind};
use crate::telemetry::family::{Family, Number, Value};
use crate::telemetry::labels::{OTHER, SUCCESS};
use crate::telemetry::names;

/// Causes that have series of their own for one role; whatever a role fails with after these is `_other`.
const REASONS: usize = 8;
/// Warnings that have: no role was seen with more at once.
const WARNINGS: usize = 4;

pub(super) struct Roles {
    /// Configured roles: any other name becomes `_other`, so that labels stay a closed set.
    known: Mutex<BTreeMap<RoleName, Known>>,
    identity: bool,
    active: Family<Number>,
    expected: Family<Number>,
    changes: Family<Counter>,
    identities: Family<Number>,
    required: Family<Number>,
    extended: Family<Number>,
    available: Family<Number>,
    expiration: Family<Number>,
    issued: Family<Number>,
    lifetime: Family<Number>,
    info: Family<Number>,
    warnings: Family<Number>,
    last_attempt: Family<Number>,
    last_success: Family<Number>,
    next: Family<Number>,
    failures: Family<Number>,
}

/// What is remembered of a role between its walks.
#[derive(Default)]
struct Known {
    expect: Expect,
    /// What gauges that fall by themselves are computed from, at each scrape.
    standing: Option<Standing>,
    findings: Findings,
    warned: BTreeSet<&'static str>,
    /// Of what was held last, if nothing is now.
    source: Option<SourceKind>,
    reasons: BTreeSet<&'static str>,
    tokens: Vec<(TokenKind, SystemTime)>,
    /// The service that the last walk failed at.
    failed_at: Option<&'static str>,
}

impl Roles {
    pub(super) fn register(r: &mut Registry, identity: bool) -> Self {
        let number = Number::default;
        Self {
            known: Mutex::default(),
            identity,
            active: Family::register(r, &names::SOURCE_ACTIVE, number),
            expected: Family::register(r, &names::SOURCE_EXPECTED, number),
            changes: Family::register(r, &names::SOURCE_CHANGES, Counter::default),
            identities: Family::register(r, &names::IDENTITY, number),
            required: Family::register(r, &names::REQUIRED, number),
            extended: Family::register(r, &names::EXTENDED, number),
            available: Family::register(r, &names::AVAILABLE, number),
            expiration: Family::register(r, &names::EXPIRATION, number),
            issued: Family::register(r, &names::ISSUED, number),
            lifetime: Family::register(r, &names::LIFETIME, number),
            info: Family::register(r, &names::CREDENTIALS, number),
            warnings: Family::register(r, &names::WARNINGS, number),
            last_attempt: Family::register(r, &names::LAST_ATTEMPT, number),
            last_success: Family::register(r, &names::LAST_SUCCESS, number),
            next: Family::register(r, &names::NEXT, number),
            failures: Family::register(r, &names::FAILURES, number),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<RoleName, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The label of a role.
    pub(super) fn value(&self, name: &RoleName) -> Value {
        if self.known().contains_key(name) { Value::Role(name.clone()) } else { OTHER.into() }
    }

    /// The label of a cause that a role failed with: no role has series for all there are.
    pub(super) fn reason(&self, name: &RoleName, code: &'static str) -> &'static str {
        let mut known = self.known();
        let Some(role) = known.get_mut(name) else { return code };
        if role.reasons.len() < REASONS {
            role.reasons.insert(code);
        }
        if role.reasons.contains(code) { code } else { OTHER }
    }

    /// These are the roles now; returns those that are gone.
    pub(super) fn configured(&self, roles: &[Role]) -> Vec<Value> {
        let wanted: BTreeSet<&RoleName> = roles.iter().map(|role| &role.name).collect();
        let gone: Vec<RoleName> =
            self.known().keys().filter(|name| !wanted.contains(name)).cloned().collect();
        let gone = gone.iter().map(|name| self.removed(name)).collect();
        roles.iter().for_each(|role| self.begin(role));
        gone
    }

    fn begin(&self, role: &Role) {
        self.known().entry(role.name.clone()).or_default().expect = role.expect.clone();
        let name = [Value::Role(role.name.clone())];
        self.required.flag(&name, role.required);
        [&self.available, &self.extended, &self.failures].into_iter().for_each(|family| family.touch(&name));
        self.changes.touch(&name);
    }

    /// Forgets a role; returns its label.
    pub(super) fn removed(&self, name: &RoleName) -> Value {
        self.known().remove(name);
        let role = Value::Role(name.clone());
        let numbers = [
            &self.active,
            &self.expected,
            &self.identities,
            &self.required,
            &self.extended,
            &self.available,
            &self.expiration,
            &self.issued,
            &self.lifetime,
            &self.info,
            &self.warnings,
            &self.last_attempt,
            &self.last_success,
            &self.next,
            &self.failures,
        ];
        numbers.into_iter().for_each(|family| family.forget(&role));
        self.changes.forget(&role);
        role
    }

    /// Takes note of a walk and of where it left its role. Of a role that is gone nothing is shown.
    pub(super) fn judged(&self, walk: &Resolution, outcome: &str, standing: &Standing) {
        let mut all = self.known();
        let Some(known) = all.get_mut(&walk.role) else { return };
        let role = Value::Role(walk.role.clone());
        let name = std::slice::from_ref(&role);
        self.last_attempt.set(name, seconds(walk.started));
        if outcome == SUCCESS {
            self.last_success.set(name, seconds(walk.started + walk.took));
        }
        self.failures.set(name, f64::from(standing.failures));
        self.next.show(&role, standing.next.map(seconds));
        self.source(&role, known, standing);
        self.holds(&role, standing);
        known.tokens = walk.notes().flat_map(|notes| notes.sign_in_ends.iter().copied()).collect();
        known.failed_at = failed_at(walk);
        known.findings = walk.findings();
        known.standing = Some(standing.clone());
    }

    fn source(&self, role: &Value, known: &mut Known, standing: &Standing) {
        self.active.each_of(role, |gauge| _ = gauge.set(0.0));
        self.expected.forget(role);
        let Some(source) = standing.source else { return };
        let labels = [role.clone(), source.as_str().into()];
        self.active.flag(&labels, true);
        let expected = known.expect.sources.as_ref().is_none_or(|sources| sources.contains(&source));
        self.expected.flag(&labels, expected);
        let before = known.source.replace(source);
        if before.is_some_and(|before| before != source) {
            self.changes.with(std::slice::from_ref(role), |count| _ = count.inc());
        }
    }

    fn holds(&self, role: &Value, standing: &Standing) {
        self.expiration.show(role, standing.expires_at.map(seconds));
        self.issued.show(role, standing.issued_at.map(seconds));
        let life = standing.issued_at.zip(standing.expires_at).map(|(from, to)| seconds(to) - seconds(from));
        self.lifetime.show(role, life);
        self.info.forget(role);
        self.identities.forget(role);
        if standing.held {
            let kind = if standing.long_term { "static" } else { "temporary" };
            self.info.flag(&[role.clone(), kind.into()], true);
        }
        if self.identity && standing.held {
            let account = Value::Name(standing.account.as_deref().unwrap_or_default().into());
            let principal = standing.role_arn.as_deref().and_then(principal).unwrap_or_default();
            self.identities.flag(&[role.clone(), account, Value::Name(principal.into())], true);
        }
    }

    /// Brings up to date what changes though nothing happens.
    pub(super) fn as_of(&self, now: SystemTime) {
        for (name, known) in self.known().iter_mut() {
            let Some(standing) = &known.standing else { continue };
            let warned = known.findings.of_role(standing, now);
            let warned: BTreeSet<_> =
                warned.iter().map(|warning| warning.cause.code).take(WARNINGS).collect();
            self.warn(name, &known.warned, &warned);
            known.warned = warned;
            let role = [Value::Role(name.clone())];
            let past = standing.expires_at.is_some_and(|at| at <= now);
            self.available.flag(&role, standing.available(now));
            self.extended.flag(&role, standing.held && standing.extended && past);
        }
    }

    /// Shows the warnings of now, and those no more that are over.
    fn warn(&self, name: &RoleName, before: &BTreeSet<&'static str>, now: &BTreeSet<&'static str>) {
        let series = |code: &'static str| [Value::Role(name.clone()), code.into()];
        now.iter().for_each(|code| self.warnings.flag(&series(code), true));
        before.difference(now).for_each(|code| self.warnings.remove(&series(code)));
    }

    /// The earliest expiry of the tokens of each kind that roles sign in with.
    pub(super) fn tokens(&self) -> BTreeMap<TokenKind, SystemTime> {
        let mut earliest = BTreeMap::new();
        for (kind, at) in self.known().values().flat_map(|known| known.tokens.iter().copied()) {
            let first = earliest.entry(kind).or_insert(at);
            *first = at.min(*first);
        }
        earliest
    }

    /// Services at which a role failed that waits for its next walk.
    pub(super) fn waiting_for(&self, now: SystemTime) -> BTreeSet<&'static str> {
        let waits = |known: &Known| {
            let standing = known.standing.as_ref()?;
            let later = standing.next.is_some_and(|next| next > now);
            known.failed_at.filter(|_| standing.failures > 0 && later)
        };
        self.known().values().filter_map(waits).collect()
    }
}

/// The service whose answer, or want of one, a walk failed for.
fn failed_at(walk: &Resolution) -> Option<&'static str> {
    walk.failure()?;
    let last = walk.notes().flat_map(|notes| &notes.calls).max_by_key(|call| call.started)?;
    super::upstream::failed(last).then_some(last.service)
}

/// The role's name in `arn:aws:sts::1:assumed-role/NAME/session` or `arn:aws:iam::1:role/path/NAME`.
fn principal(arn: &str) -> Option<&str> {
    let resource = arn.splitn(6, ':').nth(5)?;
    match resource.strip_prefix("assumed-role/") {
        Some(session) => session.split('/').next(),
        None => resource.strip_prefix("role/")?.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::principal;

    #[test]
    fn a_principal_is_the_name_of_a_role() {
        assert_eq!(principal("arn:aws:sts::111122223333:assumed-role/app/i-0abc"), Some("app"));
        assert_eq!(principal("arn:aws-cn:iam::111122223333:role/team/a/app"), Some("app"));
        for none in ["", "app", "arn:aws:iam::111122223333:user/me", "arn:aws:sts::1"] {
            assert_eq!(principal(none), None, "{none}");
        }
    }
}
