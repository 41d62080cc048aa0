//! Assumes roles with other credentials: a profile's chain of them, and the one of our own configuration.

mod refused;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::profile::plan::{Base, Hop, Plan};
use super::{Source, Surroundings, mfa};
use crate::aws::{AssumeRole, Place};
use crate::cause;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::{Attempt, Notes, Outcome};

/// A profile's chain of roles.
pub struct RoleChain {
    plan: Plan,
    /// What may have the first credentials, in order.
    base: Vec<Arc<dyn Source>>,
    generated_name: String,
    place: Result<Place, Failure>,
    around: Arc<Surroundings>,
}

impl fmt::Debug for RoleChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleChain").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl RoleChain {
    /// The roles of a plan, the first assumed with what `base` finds.
    #[must_use]
    pub fn new(
        plan: Plan,
        base: Vec<Arc<dyn Source>>,
        generated_name: &str,
        place: Result<Place, Failure>,
        around: &Arc<Surroundings>,
    ) -> Self {
        Self { plan, base, generated_name: generated_name.to_owned(), place, around: Arc::clone(around) }
    }

    async fn walk(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let codes = mfa::codes(&self.plan.hops, self.around.codes.as_deref()).await?;
        let mut held = self.begin(notes).await?;
        let place = self.place.clone()?;
        for (hop, mfa) in self.plan.hops.iter().zip(codes) {
            let ask = AssumeRole {
                role_arn: hop.role_arn.clone(),
                session_name: hop.session_name.clone().unwrap_or_else(|| self.generated_name.clone()),
                external_id: hop.external_id.clone(),
                duration: hop.duration,
                mfa,
                ..AssumeRole::default()
            };
            let place = (&place, hop.to_string());
            let kind = SourceKind::ProfileAssumeRole;
            let assumed = assume(&self.around, &held, &ask, place, kind, notes).await;
            held = assumed.map_err(|failure| refused::shorter(failure, hop))?;
        }
        Ok(held)
    }

    /// The credentials that the first role is assumed with.
    async fn begin(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let mut refused = None;
        for source in &self.base {
            match ask(source.as_ref(), &self.around, notes).await {
                Ok(found) => return Ok(found),
                Err(failure) if failure.kind.falls_through() => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        let innermost = self.plan.hops.first().map(Hop::to_string).unwrap_or_default();
        let context = match (&self.plan.base, refused) {
            (Base::Profile(name), _) => format!("{innermost}: the source profile {name} has no credentials"),
            (Base::Named(word), Some(why)) => {
                format!(
                    "{innermost}: credential_source = {} has no credentials: {}",
                    word.as_str(),
                    why.context
                )
            }
            (Base::Named(word), None) => {
                format!("{innermost}: credential_source = {} has no credentials", word.as_str())
            }
        };
        Err(Failure::misconfigured(&cause::PROFILE_NOCREDS, context))
    }
}

impl Source for RoleChain {
    fn kind(&self) -> SourceKind {
        SourceKind::ProfileAssumeRole
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.walk(notes))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: profile {}", self.place, self.profile)
    }
}

/// A source whose credentials assume the role of our own configuration. It goes by the name of that source.
pub struct Assumed {
    inner: Arc<dyn Source>,
    ask: AssumeRole,
    place: Result<Place, Failure>,
    around: Arc<Surroundings>,
}

impl fmt::Debug for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assumed").field("inner", &self.inner.kind()).finish_non_exhaustive()
    }
}

impl Assumed {
    /// The role, assumed with what `inner` finds.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Source>,
        ask: AssumeRole,
        place: Result<Place, Failure>,
        around: &Arc<Surroundings>,
    ) -> Self {
        Self { inner, ask, place, around: Arc::clone(around) }
    }

    async fn walk(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let held = ask(self.inner.as_ref(), &self.around, notes).await?;
        let place = (&self.place.clone()?, "the role's configuration".to_owned());
        assume(&self.around, &held, &self.ask, place, self.inner.kind(), notes).await
    }
}

impl Source for Assumed {
    fn kind(&self) -> SourceKind {
        self.inner.kind()
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.walk(notes))
    }
}

/// Asks a source on the way to a role and keeps the attempt as a hop.
async fn ask(source: &dyn Source, around: &Surroundings, notes: &mut Notes) -> Result<Credentials, Failure> {
    let (started, begun, mut own) = (around.clock.now(), Instant::now(), Notes::default());
    let answer = source.fetch(&mut own).await;
    let answer = answer.and_then(|found| {
        // botocore prolongs what the metadata service hands out: STS decides whether it is still good.
        if source.kind() == SourceKind::Imds || !found.expired(around.clock.now()) {
            return Ok(found);
        }
        let context = format!("{} handed out credentials that are expired already", source.kind());
        Err(Failure::new(FailureKind::AlreadyExpired, &cause::KEY_EXPIRED, context))
    });
    notes.hops.push(attempt(source.kind(), started, begun, own, &answer));
    answer
}

/// Assumes one role and keeps the attempt as a hop. The place comes with words for who asks.
async fn assume(
    around: &Surroundings,
    caller: &Credentials,
    ask: &AssumeRole,
    (place, who): (&Place, String),
    kind: SourceKind,
    notes: &mut Notes,
) -> Result<Credentials, Failure> {
    let (started, begun, mut own) = (around.clock.now(), Instant::now(), Notes::default());
    let checked = check(&ask.role_arn, &ask.session_name, ask.external_id.as_deref(), ask.duration, &who);
    let answer = match checked {
        Ok(()) => around.sts.assume_role(caller, ask, place, &mut own).await.map_err(|failure| {
            let failure = super::refused::explained(failure, &ask.role_arn, place, &own.calls);
            let from = notes.hops.last().map_or(kind, |hop| hop.source);
            refused::explained(failure, caller, from, &ask.role_arn)
        }),
        Err(failure) => Err(failure),
    };
    let answer = answer.and_then(|mut found| {
        if found.expired(around.clock.now()) {
            let context = format!("{who}: STS handed out credentials that are expired already");
            return Err(Failure::new(FailureKind::AlreadyExpired, &cause::KEY_EXPIRED, context));
        }
        found.role_arn.get_or_insert_with(|| ask.role_arn.clone());
        Ok(found)
    });
    notes.hops.push(attempt(kind, started, begun, own, &answer));
    answer
}

fn attempt(
    source: SourceKind,
    started: std::time::SystemTime,
    begun: Instant,
    notes: Notes,
    answer: &Result<Credentials, Failure>,
) -> Attempt {
    let outcome = match answer {
        Ok(found) => Outcome::Provided { expires_at: found.expires_at },
        Err(failure) if failure.kind.falls_through() => Outcome::Skipped(failure.clone()),
        Err(failure) => Outcome::Failed(failure.clone()),
    };
    Attempt { source, started, took: begun.elapsed(), notes, outcome }
}

/// The least that STS takes: botocore refuses less without asking (`ParamValidationError`).
///
/// # Errors
/// A value that is too short or too small.
pub fn check(
    role_arn: &str,
    session_name: &str,
    external_id: Option<&str>,
    duration: Option<i32>,
    who: &str,
) -> Result<(), Failure> {
    let short = |text: &str, least: usize| text.chars().count() < least;
    let what = if short(role_arn, 20) {
        format!("role_arn `{role_arn}` is no ARN of a role")
    } else if short(session_name, 2) {
        format!("the session name `{session_name}` has fewer than 2 characters")
    } else if external_id.is_some_and(|id| short(id, 2)) {
        "external_id has fewer than 2 characters".to_owned()
    } else if let Some(seconds) = duration.filter(|seconds| *seconds < 900) {
        format!("duration_seconds is {seconds}, less than 900")
    } else {
        return Ok(());
    };
    Err(Failure::misconfigured(&cause::STS_VALIDATION, format!("{who}: {what}")))
}
