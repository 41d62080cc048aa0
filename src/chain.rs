//! Walks a role's sources in order, once, and writes down everything that happened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cause;
use crate::clock::Clock;
use crate::credentials::{Credentials, RoleName, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::{Attempt, Notes, Outcome, Resolution, TraceId, Trigger};
use crate::source::{Lineup, Source};

/// A role's chain.
pub struct Chain {
    role: RoleName,
    lineup: Box<dyn Lineup>,
    clock: Clock,
    until: Option<Instant>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Chain {
    /// The chain of a role. Every source keeps its own deadlines.
    #[must_use]
    pub fn new(role: RoleName, lineup: Box<dyn Lineup>, clock: Clock) -> Self {
        Self { role, lineup, clock, until: None }
    }

    /// The same, with an end: the source that is being asked then is given up, what was found out before stays.
    #[must_use]
    pub fn until(self, end: Instant) -> Self {
        Self { until: Some(end), ..self }
    }

    /// Whose chain it is.
    #[must_use]
    pub fn role(&self) -> &RoleName {
        &self.role
    }

    /// Asks the sources in order until one provides or fails.
    pub async fn resolve(&self, trigger: Trigger) -> Resolution {
        self.resolve_with_rest(trigger).await.0
    }

    /// The same, and what there is to see of the sources that were not come to: nothing is asked there.
    pub async fn resolve_and_survey(&self, trigger: Trigger) -> (Resolution, Vec<Attempt>) {
        let (resolution, rest) = self.resolve_with_rest(trigger).await;
        let mut beyond = Vec::new();
        for source in rest {
            beyond.push(if source.is_local() {
                self.ask(source.as_ref()).await.0
            } else {
                self.unasked(source.kind())
            });
        }
        (resolution, beyond)
    }

    fn unasked(&self, source: SourceKind) -> Attempt {
        let outcome = Outcome::Skipped(Failure::not_configured("not asked: the chain ends before it"));
        Attempt { source, started: self.clock.now(), took: Duration::ZERO, notes: Notes::default(), outcome }
    }

    async fn resolve_with_rest(&self, trigger: Trigger) -> (Resolution, Vec<Arc<dyn Source>>) {
        let (trace, started, begun) = (TraceId::random(), self.clock.now(), Instant::now());
        let mut attempts = Vec::new();
        let (credentials, rest) = self.walk(&mut attempts).await;
        let credentials = credentials.map(Arc::new);
        let doubts = self.within(async {
            match credentials {
                None => self.lineup.doubts(&attempts).await,
                Some(_) => self.lineup.exposures(&attempts).await,
            }
        });
        let doubts = doubts.await.unwrap_or_default();
        attempts.iter_mut().take(1).for_each(|first| first.notes.doubts.extend(doubts.iter().cloned()));
        let (role, took) = (self.role.clone(), begun.elapsed());
        (Resolution { role, trace, trigger, started, took, attempts, credentials }, rest)
    }

    /// What was found, and the sources that were not come to.
    async fn walk(&self, attempts: &mut Vec<Attempt>) -> (Option<Credentials>, Vec<Arc<dyn Source>>) {
        let (started, begun, mut notes) = (self.clock.now(), Instant::now(), Notes::default());
        let prepared = self.within(self.lineup.sources(&mut notes)).await;
        let prepared = prepared.unwrap_or_else(|| Err(too_late()));
        let took = begun.elapsed();
        let (sources, outcome) = match prepared {
            Ok(sources) => (sources, Outcome::Skipped(Failure::not_configured("the AWS files were read"))),
            Err(failure) => (Vec::new(), Outcome::Failed(failure)),
        };
        attempts.push(Attempt { source: SourceKind::Profile, started, took, notes, outcome });
        let mut sources = sources.into_iter();
        while let Some(source) = sources.next() {
            let (attempt, credentials) = self.ask(source.as_ref()).await;
            let stop = !matches!(attempt.outcome, Outcome::Skipped(_));
            attempts.push(attempt);
            if stop {
                return (credentials, sources.collect());
            }
        }
        (None, Vec::new())
    }

    async fn ask(&self, source: &dyn Source) -> (Attempt, Option<Credentials>) {
        let (started, begun, mut notes) = (self.clock.now(), Instant::now(), Notes::default());
        let answer = self.within(source.fetch(&mut notes)).await;
        let answer = answer.unwrap_or_else(|| Err(too_late()));
        let took = begun.elapsed();
        let kind = source.kind();
        let (outcome, credentials) = match self.accept(kind, answer) {
            Ok(found) => (Outcome::Provided { expires_at: found.expires_at }, Some(found)),
            Err(failure) if falls_through(kind, &failure) => (Outcome::Skipped(failure), None),
            Err(failure) => (Outcome::Failed(failure), None),
        };
        (Attempt { source: kind, started, took, notes, outcome }, credentials)
    }

    async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.until {
            Some(end) => tokio::time::timeout_at(end, work).await.ok(),
            None => Some(work.await),
        }
    }

    /// botocore raises on an answer that is expired already, except the metadata service's, which it extends
    /// (contract 4): that one goes on to the keeper with its true expiry.
    fn accept(&self, kind: SourceKind, answer: Result<Credentials, Failure>) -> Result<Credentials, Failure> {
        let found = answer?;
        if kind == SourceKind::Imds || !found.expired(self.clock.now()) {
            return Ok(found);
        }
        let cause = match kind {
            SourceKind::Env => &cause::ENV_EXPIRED,
            SourceKind::Process | SourceKind::RoleProcess => &cause::PROC_EXPIRED,
            SourceKind::Container | SourceKind::EksPodIdentity => &cause::CONT_EXPIRED,
            _ => &cause::KEY_EXPIRED,
        };
        let sentence = format!("{kind} handed out credentials that are expired already");
        Err(Failure::new(FailureKind::AlreadyExpired, cause, sentence))
    }
}

fn too_late() -> Failure {
    let sentence = "no answer in the time that this walk was given";
    Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, sentence)
}

/// botocore's metadata fetcher turns all but bad configuration into "no credentials here".
fn falls_through(kind: SourceKind, failure: &Failure) -> bool {
    failure.kind.falls_through() || (kind == SourceKind::Imds && failure.kind != FailureKind::Misconfigured)
}
