//! Holds the place of a source whose outcome is known before it is asked: not configured, not allowed, not built yet.

use futures_util::future::{self, BoxFuture};

use super::Source;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::Failure;
use crate::report::Notes;

/// A place in the chain with its outcome.
#[derive(Clone, Debug)]
pub struct Settled {
    kind: SourceKind,
    outcome: Failure,
    looked: Notes,
}

impl Settled {
    /// A source that ends like this.
    #[must_use]
    pub fn new(kind: SourceKind, outcome: Failure) -> Self {
        Self { kind, outcome, looked: Notes::default() }
    }

    /// The same, with what was looked at to know it.
    #[must_use]
    pub fn having_looked(mut self, notes: Notes) -> Self {
        self.looked = notes;
        self
    }
}

impl Source for Settled {
    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        notes.looked.extend(self.looked.looked.iter().cloned());
        Box::pin(future::ready(Err(self.outcome.clone())))
    }

    fn is_local(&self) -> bool {
        true
    }
}
