//! What a role is warned of although it has credentials: what looked wrong on the way, keys that are old, keys whose end
//! nobody knows. Told anew whenever somebody looks, because keys age.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::ranking::unique;
use super::{Attempt, Look, Resolution, Standing};
use crate::cause;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, Remedy};
use crate::file::Stamp;

const DAY: Duration = Duration::from_hours(24);
/// After so long AWS wants long-term keys to be replaced: Security Hub's control IAM.3, CIS AWS Foundations 1.14.
const ROTATION: Duration = Duration::from_hours(90 * 24);
/// The longest session there is: `GetSessionToken` and `GetFederationToken` give up to 36 hours, all others less.
const SESSION: Duration = Duration::from_hours(36);
/// AWS had no IAM before 2011: an earlier moment was written by a tool that builds images, and says nothing.
const FIRST_KEYS: Duration = Duration::from_hours(41 * 365 * 24);

/// What a secret is that was found, as far as its key id tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A long-term key of AWS's.
    LongTerm,
    /// A session of AWS's without a known end.
    Session,
    /// A sign-in, a session whose end is known, or keys of another service.
    Other,
}

impl KeyKind {
    fn of(found: &Credentials) -> Self {
        let starts = |with: &str| found.access_key_id.starts_with(with);
        match found.expires_at {
            None if starts("AKIA") && found.is_long_term() => Self::LongTerm,
            None if starts("ASIA") && !found.is_long_term() => Self::Session,
            _ => Self::Other,
        }
    }
}

/// A secret that somebody has put where it can be looked at; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `None` is the environment.
    pub file: Option<PathBuf>,
    /// Its kind.
    pub kind: KeyKind,
}

impl Stored {
    /// Keys that were found there.
    #[must_use]
    pub fn keys(file: Option<&Path>, found: &Credentials) -> Self {
        Self { file: file.map(Path::to_owned), kind: KeyKind::of(found) }
    }
}

/// What there is to warn of after a walk, but for the time.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    doubts: Vec<Failure>,
    /// The files whose keys were used, and when each was last written.
    files: Vec<(KeyKind, PathBuf, SystemTime)>,
}

impl Resolution {
    /// What there is to warn of in credentials that work. Nothing when there are none.
    #[must_use]
    pub fn findings(&self) -> Findings {
        if self.credentials.is_none() {
            return Findings::default();
        }
        let used = self.attempts.last().into_iter().flat_map(Attempt::stored);
        let file = |stored: &Stored| {
            let path = stored.file.clone()?;
            Some((stored.kind, self.written(&path)?, path))
        };
        let files = used.filter_map(file).map(|(kind, at, path)| (kind, path, at)).collect();
        Findings { doubts: unique(self.doubts().cloned()), files }
    }

    fn written(&self, file: &Path) -> Option<SystemTime> {
        let looked = self.notes().flat_map(|notes| &notes.looked);
        looked
            .filter_map(|look| match look {
                Look::File { path, stamp: Stamp::Content { modified, .. }, .. } if path == file => *modified,
                _ => None,
            })
            .find(|at| *at > SystemTime::UNIX_EPOCH + FIRST_KEYS)
    }
}

impl Findings {
    /// What is to be said at `now` of the walk alone.
    #[must_use]
    pub fn warnings(&self, now: SystemTime) -> Vec<Failure> {
        self.doubts.iter().cloned().chain(self.old(now)).chain(self.ended(now)).collect()
    }

    /// What is to be said at `now` of a role that an agent keeps.
    #[must_use]
    pub fn of_role(&self, standing: &Standing, now: SystemTime) -> Vec<Failure> {
        let bare = || self.bare("the role serves bare long-term keys", now);
        let mut all = self.warnings(now);
        all.extend(standing.long_term.then(bare));
        all.extend(endless(standing));
        unique(all.into_iter())
    }

    /// That long-term keys are served as they are, and how old they are at least.
    #[must_use]
    pub fn bare(&self, context: &str, now: SystemTime) -> Failure {
        let failure = Failure::misconfigured(&cause::KF_STATIC, context);
        match self.last_written(KeyKind::LongTerm, now).filter(|(_, age)| *age >= DAY) {
            Some((_, age)) => failure.seen("key_age", format!("at least {}", days(age))),
            None => failure,
        }
    }

    /// Of that kind: its file, and for how long nobody has changed it.
    fn last_written(&self, kind: KeyKind, now: SystemTime) -> Option<(&Path, Duration)> {
        let (_, path, at) = self.files.iter().find(|(known, ..)| *known == kind)?;
        Some((path, now.duration_since(*at).ok()?))
    }

    fn old(&self, now: SystemTime) -> Option<Failure> {
        let (path, age) = self.last_written(KeyKind::LongTerm, now).filter(|(_, age)| *age > ROTATION)?;
        let file = path.display();
        let context = format!(
            "{file} was last changed {} ago: the long-term keys in it are at least as old",
            days(age)
        );
        let new =
            format!("make a new key, write it into {file}, and delete the old one when nothing uses it");
        let better =
            "better: temporary credentials, from IAM Identity Center (`aws configure sso`) or a role";
        Some(
            Failure::misconfigured(&cause::SEC_AGE, context)
                .seen("key_age", format!("at least {}", days(age)))
                .mend(Remedy::command(new, "aws iam create-access-key"))
                .mend(Remedy::new(better)),
        )
    }

    /// A session that was written down longer ago than any lasts.
    fn ended(&self, now: SystemTime) -> Option<Failure> {
        let (path, age) = self.last_written(KeyKind::Session, now).filter(|(_, age)| *age > SESSION)?;
        let context = format!(
            "{} was last changed {} ago, and no session lasts longer than 36 hours",
            path.display(),
            days(age)
        );
        Some(Failure::misconfigured(&cause::SEC_NOROTATE, context).seen("unchanged_for", days(age)))
    }
}

/// A session without a known end from where an agent never hears of the next one: a file is followed, these are not.
fn endless(standing: &Standing) -> Option<Failure> {
    let held = standing.held && !standing.long_term && standing.expires_at.is_none();
    let source = standing.source.filter(|_| held)?;
    let (context, fix) = match source {
        SourceKind::Env => (
            "the session keys are of the agent's own environment, which nobody can renew while it runs",
            "take them out of the agent's environment and let it get them itself: a profile with sso_session or role_arn",
        ),
        SourceKind::Process | SourceKind::RoleProcess => (
            "the process gives session keys without an Expiration: it is not asked again before they end",
            "have the process print when they end: Expiration, as 2026-01-02T03:04:05Z",
        ),
        _ => return None,
    };
    Some(Failure::misconfigured(&cause::SEC_NOROTATE, context).mend(Remedy::new(fix)))
}

/// Whole ones, as people count.
fn days(age: Duration) -> String {
    match age.as_secs() / DAY.as_secs() {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Notes, Outcome, TraceId, Trigger};
    use super::*;
    use crate::credentials::RoleName;
    use crate::file::Kind;
    use crate::secret::Secret;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + FIRST_KEYS + 4000 * DAY
    }

    fn keys(id: &str, token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::new("s"),
            session_token: token.map(Secret::new),
            expires_at: None,
            account_id: None,
            role_arn: None,
        }
    }

    fn long_term() -> Credentials {
        keys("AKIAEXAMPLE", None)
    }

    fn session() -> Credentials {
        keys("ASIAEXAMPLE", Some("t"))
    }

    fn attempt(source: SourceKind, notes: Notes, outcome: Outcome) -> Attempt {
        Attempt { source, started: now(), took: Duration::ZERO, notes, outcome }
    }

    const GOOD: Outcome = Outcome::Provided { expires_at: None };

    /// A walk that ended with these keys of a file that was last written so long ago.
    fn walk(found: Credentials, age: Duration) -> Resolution {
        let file = Path::new("/home/alice/.aws/credentials");
        let mut read = Notes::default();
        let stamp = Stamp::Content { digest: 0, len: 0, modified: Some(now() - age), inode: 0 };
        read.file(Kind::Credentials, file, stamp);
        let stored = Some(Stored::keys(Some(file), &found));
        let skipped = Outcome::Skipped(Failure::not_configured("the AWS files were read"));
        let attempts = vec![
            attempt(SourceKind::Profile, read, skipped),
            attempt(SourceKind::StaticFile, Notes { stored, ..Notes::default() }, GOOD),
        ];
        Resolution {
            role: RoleName::default_role(),
            trace: TraceId::random(),
            trigger: Trigger::Startup,
            started: now(),
            took: Duration::ZERO,
            attempts,
            credentials: Some(Arc::new(found)),
        }
    }

    fn standing(source: SourceKind, found: &Credentials) -> Standing {
        Standing {
            source: Some(source),
            key_suffix: None,
            account: None,
            role_arn: None,
            issued_at: None,
            expires_at: found.expires_at,
            held: true,
            extended: false,
            long_term: found.is_long_term(),
            next: None,
            failures: 0,
        }
    }

    fn codes(warnings: &[Failure]) -> Vec<&'static str> {
        warnings.iter().map(|warning| warning.cause.code).collect()
    }

    #[test]
    fn keys_are_as_old_as_their_file_at_least_and_old_after_90_days() {
        let hour = Duration::from_hours(1);
        let rows = [
            (long_term(), 90 * DAY, vec![]),
            (long_term(), 90 * DAY + hour, vec!["SEC-AGE"]),
            (keys("minioadmin", None), 400 * DAY, vec![]),
            (session(), 36 * hour, vec![]),
            (session(), 37 * hour, vec!["SEC-NOROTATE"]),
            (keys("miniosession", Some("t")), 5 * DAY, vec![]),
            (Credentials { expires_at: Some(now() + hour), ..session() }, 5 * DAY, vec![]),
            // Nothing is as old as that: an image's builder has set the time.
            (long_term(), 4001 * DAY, vec![]),
        ];
        for (found, age, wanted) in rows {
            let id = found.access_key_id.clone();
            assert_eq!(codes(&walk(found, age).findings().warnings(now())), wanted, "{id} {age:?}");
        }
        let findings = walk(long_term(), 89 * DAY).findings();
        assert_eq!(findings.bare("x", now()).fact("key_age"), Some("at least 89 days"));
        assert_eq!(codes(&findings.warnings(now() + 2 * DAY)), ["SEC-AGE"], "time goes on without a walk");
        assert_eq!(walk(long_term(), hour).findings().bare("x", now()).fact("key_age"), None);
        // A file of tomorrow is a clock's fault.
        assert_eq!(codes(&walk(long_term(), Duration::ZERO).findings().warnings(now() - DAY)), [""; 0]);
    }

    #[test]
    fn keys_that_assume_a_role_are_looked_at_and_those_that_were_not_used_are_not() {
        let mut of_role = walk(long_term(), 400 * DAY);
        let base = of_role.attempts.pop().unwrap();
        let hops = Notes { hops: vec![base.clone()], ..Notes::default() };
        of_role.attempts.push(attempt(SourceKind::ProfileAssumeRole, hops, GOOD));
        assert_eq!(codes(&of_role.findings().warnings(now())), ["SEC-AGE"]);
        let mut elsewhere = walk(long_term(), 400 * DAY);
        elsewhere.attempts.push(attempt(SourceKind::Imds, Notes::default(), GOOD));
        assert_eq!(codes(&elsewhere.findings().warnings(now())), [""; 0]);
        let nothing = Resolution { credentials: None, ..walk(long_term(), 400 * DAY) };
        assert_eq!(codes(&nothing.findings().warnings(now())), [""; 0]);
    }

    #[test]
    fn only_an_agent_is_told_of_sessions_that_nobody_renews() {
        let ends = Credentials { expires_at: Some(now()), ..session() };
        let rows = [
            (SourceKind::Env, session(), vec!["SEC-NOROTATE"]),
            (SourceKind::Process, session(), vec!["SEC-NOROTATE"]),
            (SourceKind::Env, ends, vec![]),
            (SourceKind::Env, long_term(), vec!["KF-STATIC"]),
            // Whoever writes the file anew is followed.
            (SourceKind::StaticFile, session(), vec![]),
        ];
        for (source, found, wanted) in rows {
            let told = Findings::default().of_role(&standing(source, &found), now());
            assert_eq!(codes(&told), wanted, "{source} {}", found.access_key_id);
        }
        let nothing = Standing { held: false, ..standing(SourceKind::Env, &session()) };
        assert_eq!(codes(&Findings::default().of_role(&nothing, now())), [""; 0]);
        let old = walk(session(), 3 * DAY).findings();
        assert_eq!(
            codes(&old.of_role(&standing(SourceKind::StaticFile, &session()), now())),
            ["SEC-NOROTATE"]
        );
    }
}
