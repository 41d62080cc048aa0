//! Exchanges bare long-term keys for a session of the same user, which every SDK can use and which ends by itself.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Source, Surroundings};
use crate::aws::Place;
use crate::cause;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::Notes;

/// A source whose long-term keys are exchanged. It goes by the name of that source; what has a token or an end passes.
pub struct Minted {
    inner: Arc<dyn Source>,
    /// Seconds.
    duration: Option<i32>,
    place: Result<Place, Failure>,
    around: Arc<Surroundings>,
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("inner", &self.inner.kind()).finish_non_exhaustive()
    }
}

impl Minted {
    /// Sessions of that many seconds, or AWS's own 12 hours, for what `inner` finds.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Source>,
        duration: Option<i32>,
        place: Result<Place, Failure>,
        around: &Arc<Surroundings>,
    ) -> Self {
        Self { inner, duration, place, around: Arc::clone(around) }
    }

    async fn walk(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let found = self.inner.fetch(notes).await?;
        if !found.is_long_term() {
            return Ok(found);
        }
        let place = self.place.clone()?;
        let minted = self.around.sts.session_token(&found, self.duration, &place, notes).await?;
        if minted.expired(self.around.clock.now()) {
            let context = "STS handed out a session that is expired already";
            return Err(Failure::new(FailureKind::AlreadyExpired, &cause::KEY_EXPIRED, context));
        }
        Ok(minted)
    }
}

impl Source for Minted {
    fn kind(&self) -> SourceKind {
        self.inner.kind()
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.walk(notes))
    }
}
