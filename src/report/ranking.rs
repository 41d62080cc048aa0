//! Why a walk found nothing, the likeliest first: what stopped the chain, then what was there and did not help, then what
//! somebody may have meant to set up.

use super::{Attempt, Outcome, Resolution};
use crate::cause::{self, Cause};
use crate::credentials::SourceKind;
use crate::failure::{Failure, FailureKind};

/// The likeliest and two more: a longer list is no answer.
const MOST: usize = 3;

/// Ends of a walk that a doubt explains: what was refused looked wrong before, what was not found is elsewhere.
static EXPLAINED: [&Cause; 5] = [
    &cause::KEY_INVALID,
    &cause::KEY_EXPIRED,
    &cause::ENV_EXPIRED,
    &cause::PROFILE_UNKNOWN,
    &cause::FILE_EACCES,
];

/// Drawn from the surroundings: behind what contradicts itself.
static GUESSED: [&Cause; 12] = [
    &cause::ECS_CHILDENV,
    &cause::ECS_NOROLE,
    &cause::GHA_IDTOKEN,
    &cause::WI_NOTINJECTED,
    &cause::ENV_SUDO,
    &cause::HOME_SUDO,
    &cause::HOME_CRON,
    &cause::HOME_SYSTEMD,
    &cause::HOME_PROTECT,
    &cause::HOME_NOUSER,
    &cause::FILE_NOTMOUNTED,
    &cause::PROFILE_NOCREDS,
];

impl Resolution {
    /// Why there are no credentials. `None` when there are some.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.causes().into_iter().next()
    }

    /// Why there are no credentials, the likeliest first, at most three. Empty when there are some.
    ///
    /// What a server said or what contradicts itself comes before what merely looks odd: somebody did ask for that.
    #[must_use]
    pub fn causes(&self) -> Vec<Failure> {
        if self.credentials.is_some() {
            return Vec::new();
        }
        let stopped = self.attempts.last().and_then(|last| match &last.outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            _ => None,
        });
        let before = stopped.as_ref().filter(|failure| EXPLAINED.contains(&failure.cause));
        // The exit status stays that of what ended the walk.
        // A service that was never come to explains nothing.
        let doubts = || self.doubts().filter(|doubt| doubt.cause != &cause::IMDS_DISABLED);
        let before: Vec<Failure> = before
            .map(|end| doubts().map(|doubt| Failure { kind: end.kind, ..doubt.clone() }).collect())
            .unwrap_or_default();
        let odd = self.doubts().cloned().chain(self.odd());
        let (guessed, sure): (Vec<_>, Vec<_>) = odd.partition(|failure| GUESSED.contains(&failure.cause));
        let asked = before.into_iter().chain(stopped).chain(self.unreadable()).chain(self.unhelpful());
        let mut causes = unique(asked.chain(sure).chain(guessed));
        if causes.is_empty() {
            causes.push(Failure::not_configured("no source has credentials"));
        }
        causes.extend(self.silent());
        causes.truncate(MOST);
        causes
    }

    pub(super) fn doubts(&self) -> impl Iterator<Item = &Failure> {
        self.notes().flat_map(|notes| &notes.doubts)
    }

    /// A file that may not be read: botocore takes it for an empty one, but somebody did configure something.
    fn unreadable(&self) -> Option<Failure> {
        let closed = self.skipped().find(|failure| failure.cause == &cause::FILE_EACCES)?;
        let of = |cause| self.doubts().find(move |failure| failure.cause == cause);
        let found = [&cause::FILE_SANDBOX, &cause::FILE_SELINUX].into_iter().find_map(of);
        Some(Failure { kind: FailureKind::Misconfigured, ..found.unwrap_or(closed).clone() })
    }

    /// The last source, where it was asked and refused: the metadata service, as a rule.
    fn unhelpful(&self) -> Option<Failure> {
        let failure = self.attempts.last().and_then(Attempt::skipped)?;
        (failure.kind != FailureKind::NotConfigured).then(|| failure.clone())
    }

    /// What counts as not configured and yet does not look like nothing, in the order of the chain.
    fn odd(&self) -> impl Iterator<Item = Failure> {
        let others = self.attempts.iter().filter(|attempt| attempt.source != SourceKind::Imds);
        others.filter_map(odd).cloned()
    }

    /// Instance metadata that is switched off or not there, as on every machine that is not AWS's: worth knowing, never
    /// the likeliest.
    fn silent(&self) -> Option<Failure> {
        self.attempts.iter().filter(|attempt| attempt.source == SourceKind::Imds).find_map(odd).cloned()
    }

    fn skipped(&self) -> impl Iterator<Item = &Failure> {
        self.attempts.iter().filter_map(Attempt::skipped)
    }
}

/// The first of each cause.
pub(super) fn unique(failures: impl Iterator<Item = Failure>) -> Vec<Failure> {
    let mut kept: Vec<Failure> = Vec::new();
    for failure in failures {
        if kept.iter().all(|known| known.cause != failure.cause) {
            kept.push(failure);
        }
    }
    kept
}

/// Something was left out that is more than unset or not allowed.
fn odd(attempt: &Attempt) -> Option<&Failure> {
    let plain = [&cause::KF_NOTHING, &cause::KF_POLICY];
    attempt
        .skipped()
        .filter(|failure| failure.kind == FailureKind::NotConfigured && !plain.contains(&failure.cause))
}
