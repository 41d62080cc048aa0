//! What becomes of a walk's answer: the heart of the program, and pure.
//!
//! A role does not drift: it keeps a bond, the source and account of the first answer it adopted, and an answer
//! from anywhere else is refused or has to be seen twice. The rules and their order are contract 4's.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use super::snapshot::Held;
use crate::cause::{self, Cause};
use crate::config::{Expect, Refresh, Role, StaticKeys};
use crate::credentials::{AccountId, Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::{Outcome, Resolution, Verdict};

/// Source and account of the first answer a role adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// Where it came from.
    pub source: SourceKind,
    /// Whose it was, if the source said so.
    pub account: Option<AccountId>,
}

/// Something seen once that counts when it is seen again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// A walk ended at a higher source than the bond's.
    Higher {
        /// Which.
        source: SourceKind,
        /// When to look again.
        confirm_at: SystemTime,
    },
    /// What is held without expiry has lost its ground.
    Lost {
        /// When that may be believed.
        believe_at: SystemTime,
    },
}

impl Pending {
    /// When to look again.
    #[must_use]
    pub fn due(&self) -> SystemTime {
        match self {
            Self::Higher { confirm_at, .. } => *confirm_at,
            Self::Lost { believe_at } => *believe_at,
        }
    }
}

/// What a role's configuration says about adopting and renewing.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What the credentials must be.
    pub expect: Expect,
    /// What to do with long-term keys.
    pub static_keys: StaticKeys,
    /// Whether another identity may be adopted once nothing usable is held.
    pub allow_drift: bool,
    /// Whether metadata credentials may be served past their expiry.
    pub extend: bool,
    /// When to fetch again.
    pub refresh: Refresh,
}

impl Policy {
    /// The policy of a configured role. The metadata exception is for roles bound to it directly.
    #[must_use]
    pub fn of(role: &Role, refresh: &Refresh) -> Self {
        Self {
            expect: role.expect.clone(),
            static_keys: role.static_keys,
            allow_drift: role.allow_drift,
            extend: role.imds_extend && role.assume.is_none(),
            refresh: refresh.clone(),
        }
    }
}

/// How soon a better source is asked to confirm itself.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);
/// How long lost ground must stay lost.
const BELIEVE_AFTER: Duration = Duration::from_secs(5);

/// Judges a walk's answer. `settled` is whether none of the role's inputs is being written.
#[must_use]
pub fn judge(
    policy: &Policy,
    bond: Option<&Bond>,
    held: Option<&Held>,
    pending: Option<&Pending>,
    walk: &Resolution,
    settled: bool,
    now: SystemTime,
) -> Verdict {
    let alive = held.is_some_and(|held| !held.credentials.expired(now));
    let answer = match answer(policy, walk, alive, now) {
        Ok(answer) => answer,
        // A failure while a file is being written says nothing yet, whatever it says.
        Err(_) if alive && !settled => return Verdict::Wait,
        Err(failure) => return without(failure, held, pending, now),
    };
    if let Some(failure) = unexpected(policy, &answer) {
        return Verdict::Refuse(failure);
    }
    if alive && !settled {
        return Verdict::Wait;
    }
    let Some(bond) = bond else { return Verdict::Adopt };
    if let Some(failure) = drifted(bond, &answer) {
        return if policy.allow_drift && !alive {
            Verdict::Adopt
        } else {
            refused(failure, held, pending, now)
        };
    }
    if answer.source == bond.source {
        return if held.is_some_and(|held| same(&held.credentials, answer.credentials)) {
            Verdict::Unchanged
        } else {
            Verdict::Adopt
        };
    }
    match pending {
        Some(Pending::Higher { source, confirm_at }) if *source == answer.source && now >= *confirm_at => {
            Verdict::Adopt
        }
        Some(Pending::Higher { source, confirm_at }) if *source == answer.source => {
            Verdict::Confirm(*confirm_at)
        }
        _ => Verdict::Confirm(now + CONFIRM_AFTER),
    }
}

struct Answer<'a> {
    credentials: &'a Credentials,
    source: SourceKind,
    account: Option<AccountId>,
}

/// The walk's credentials, if it brought any that may be used at all.
fn answer<'a>(
    policy: &Policy,
    walk: &'a Resolution,
    alive: bool,
    now: SystemTime,
) -> Result<Answer<'a>, Failure> {
    let (Some(credentials), Some(source)) = (walk.credentials.as_deref(), walk.winner()) else {
        return Err(walk.failure().unwrap_or_else(|| Failure::not_configured("no source has credentials")));
    };
    // Only the metadata service's expired answers come this far, and only they may be extended.
    if credentials.expired(now) && (alive || !policy.extend) {
        let sentence = "instance metadata hands out credentials that are expired already";
        return Err(Failure::new(FailureKind::AlreadyExpired, &cause::IMDS_EXPIRED, sentence));
    }
    Ok(Answer { credentials, source, account: account(credentials) })
}

/// The account as the source named it.
#[must_use]
pub fn account(credentials: &Credentials) -> Option<AccountId> {
    let of_role = || credentials.role_arn.as_deref().and_then(AccountId::of_arn);
    credentials.account_id.clone().or_else(of_role)
}

/// Rule 1: what the role's configuration rules out.
fn unexpected(policy: &Policy, answer: &Answer<'_>) -> Option<Failure> {
    if let Some(want) = &policy.expect.account
        && answer.account.as_ref() != Some(want)
    {
        let found = answer.account.as_ref().map_or("no account that the source names", AccountId::as_str);
        let sentence =
            format!("{} gave credentials of {found}; the role expects account {want}", answer.source);
        return Some(Failure::misconfigured(&cause::KF_EXPECT, sentence));
    }
    if let Some(sources) = &policy.expect.sources
        && !sources.contains(&answer.source)
    {
        let want = sources.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let sentence = format!("the credentials come from {}; the role expects {want}", answer.source);
        return Some(Failure::misconfigured(&cause::KF_EXPECT, sentence));
    }
    if policy.static_keys == StaticKeys::Refuse && answer.credentials.is_long_term() {
        let sentence = format!("{} has long-term keys and the role refuses them", answer.source);
        return Some(Failure::misconfigured(&cause::KF_STATIC_REFUSED, sentence));
    }
    None
}

/// Rules 4 and 7: another account, or a lower source.
fn drifted(bond: &Bond, answer: &Answer<'_>) -> Option<Failure> {
    if let (Some(was), Some(is)) = (&bond.account, &answer.account)
        && was != is
    {
        let sentence =
            format!("the chain now ends at account {is} ({}); the role is bound to {was}", answer.source);
        return Some(Failure::misconfigured(&cause::KF_DRIFT, sentence));
    }
    (answer.source > bond.source).then(|| {
        let sentence =
            format!("the chain now ends at {}; the role is bound to {}", answer.source, bond.source);
        Failure::misconfigured(&cause::KF_DRIFT, sentence)
    })
}

fn same(held: &Credentials, found: &Credentials) -> bool {
    held.access_key_id == found.access_key_id
        && held.session_token == found.session_token
        && held.expires_at == found.expires_at
}

/// Rules 4 and 7 where held credentials without expiry may lose their ground.
fn refused(failure: Failure, held: Option<&Held>, pending: Option<&Pending>, now: SystemTime) -> Verdict {
    if believed(held, pending, now) { Verdict::Drop(failure) } else { Verdict::Refuse(failure) }
}

/// Rule 8.
fn without(failure: Failure, held: Option<&Held>, pending: Option<&Pending>, now: SystemTime) -> Verdict {
    if gone(&failure) && believed(held, pending, now) {
        Verdict::Drop(failure)
    } else {
        Verdict::Fail(failure)
    }
}

fn believed(held: Option<&Held>, pending: Option<&Pending>, now: SystemTime) -> bool {
    let for_ever = held.is_some_and(|held| held.credentials.expires_at.is_none());
    for_ever && matches!(pending, Some(Pending::Lost { believe_at }) if now >= *believe_at)
}

/// Whether a failure says that what was configured is not there any more.
fn gone(failure: &Failure) -> bool {
    const GONE: [&Cause; 8] = [
        &cause::PROFILE_UNKNOWN,
        &cause::PROFILE_PREFIX,
        &cause::PROFILE_PREFIX2,
        &cause::PROFILE_DEFAULT,
        &cause::PROFILE_SOURCEMISSING,
        &cause::PROFILE_NOCREDS,
        &cause::FILE_WRONGPATH,
        &cause::WI_NOFILE,
    ];
    let unseen = failure.cause.code.starts_with("HOME-") || failure.cause == &cause::FILE_NOTMOUNTED;
    failure.kind == FailureKind::NotConfigured || unseen || GONE.contains(&failure.cause)
}

/// What is remembered until the next walk.
#[must_use]
pub(super) fn pending(
    before: Option<&Pending>,
    held: Option<&Held>,
    walk: &Resolution,
    verdict: &Verdict,
    now: SystemTime,
) -> Option<Pending> {
    let for_ever = held.is_some_and(|held| held.credentials.expires_at.is_none());
    let lost = || match before {
        Some(Pending::Lost { believe_at }) => Pending::Lost { believe_at: *believe_at },
        _ => Pending::Lost { believe_at: now + BELIEVE_AFTER },
    };
    match verdict {
        Verdict::Confirm(confirm_at) => {
            let source = walk.winner()?;
            Some(Pending::Higher { source, confirm_at: *confirm_at })
        }
        Verdict::Refuse(failure) if for_ever && failure.cause == &cause::KF_DRIFT => Some(lost()),
        Verdict::Fail(failure) if for_ever && gone(failure) => Some(lost()),
        // Undecided: what was seen before may yet be confirmed.
        Verdict::Wait => before.cloned(),
        _ => None,
    }
}

/// Whether held metadata credentials may be served past their expiry: the service is unreachable, silent, or broken,
/// or itself hands out expired ones. An answer of 401 or 404 is an answer, and ends it.
#[must_use]
pub(super) fn extends(policy: &Policy, bond: Option<&Bond>, walk: &Resolution, now: SystemTime) -> bool {
    let bound = bond.is_some_and(|bond| bond.source == SourceKind::Imds);
    policy.extend
        && bound
        && (metadata_down(walk) || walk.credentials.as_ref().is_some_and(|c| c.expired(now)))
}

fn metadata_down(walk: &Resolution) -> bool {
    let Some(last) = walk.attempts.last().filter(|last| last.source == SourceKind::Imds) else {
        return false;
    };
    match &last.outcome {
        Outcome::Skipped(failure) | Outcome::Failed(failure) => {
            matches!(failure.kind, FailureKind::Unreachable | FailureKind::TimedOut)
                || failure.cause == &cause::IMDS_OFF
        }
        Outcome::Provided { .. } => false,
    }
}

/// Whether trying again soon may help (contract 4: the short backoff).
#[must_use]
pub(super) fn transient(failure: &Failure, walk: &Resolution) -> bool {
    failure.kind.is_transient() || (failure.kind == FailureKind::NotConfigured && walk.tried_network())
}
