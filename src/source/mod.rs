//! The places where credentials can come from, each walked as botocore walks it.
//!
//! A source holds no cache, writes no log and counts nothing: it writes down what it did in [`Notes`] and returns
//! credentials or a [`Failure`]. Whether the chain goes on is the failure's kind; trying again later is the keeper's.

mod answer;
pub mod assume_role;
pub mod boto;
mod cache;
mod clues;
pub mod container;
pub mod environment;
mod exposure;
pub mod imds;
mod jwt;
mod keys;
pub mod lineup;
pub mod login;
mod meant;
pub mod mfa;
pub mod mint;
pub mod moment;
mod mounts;
mod own;
pub mod paths;
pub mod process;
pub mod profile;
mod reading;
mod refused;
pub mod session;
pub mod settled;
pub mod shell;
pub mod sso;
pub mod statics;
#[cfg(test)]
mod testing;
pub mod text;
pub mod web_identity;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{self, BoxFuture};

use crate::aws::{SignIn, Sts};
use crate::cause;
use crate::clock::Clock;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::http;
use crate::report::{Attempt, Notes};

/// One place where credentials can come from.
pub trait Source: Send + Sync {
    /// Which one: a closed set, the metric's label.
    fn kind(&self) -> SourceKind;

    /// Asks the source once.
    ///
    /// # Errors
    /// Why there are no credentials; a kind that falls through lets the chain ask the next source.
    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>>;

    /// Whether asking it reads the environment or files and nothing else: then it can be looked at where the chain does
    /// not come to it.
    fn is_local(&self) -> bool {
        false
    }
}

/// The sources of one walk: read anew each time, because files and what they say change.
pub trait Lineup: Send + Sync {
    /// The sources to ask, in order.
    ///
    /// # Errors
    /// What keeps any source from being asked: a file that cannot be parsed, a profile that does not exist.
    fn sources<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Vec<Arc<dyn Source>>, Failure>>;

    /// What may be the reason that none of them had any; looked for only then. Nothing by default.
    fn doubts<'a>(&'a self, _walk: &'a [Attempt]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(future::ready(Vec::new()))
    }

    /// Who else can read what was found; looked for only then. Nothing by default.
    fn exposures<'a>(&'a self, _walk: &'a [Attempt]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(future::ready(Vec::new()))
    }
}

/// What sources need of the outside world; shared by all roles.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Wall time.
    pub clock: Clock,
    /// For metadata and container endpoints.
    pub http: http::Client,
    /// AWS's own client.
    pub sts: Sts,
    /// AWS's own clients for what `aws sso login` and `aws login` leave behind.
    pub sign_in: SignIn,
    /// Whether sign-ins that are due are refreshed and written back.
    pub renews: bool,
    /// Until one source's attempt is given up.
    pub attempt_timeout: Duration,
    /// Until a process is ended; `None` is never (`get` and `exec` on a terminal).
    pub process_timeout: Option<Duration>,
    /// Our own listeners: a container or metadata source at one of these is never asked.
    pub own: Arc<ArcSwap<Vec<SocketAddr>>>,
    /// Who can be asked for codes of MFA devices; nobody in a service.
    pub codes: Option<Arc<dyn mfa::Codes>>,
    /// The names being resolved by this process and those it was started by, as `KEYFOB_WALK` lists them.
    pub walk: Vec<String>,
}

/// Ends an attempt at its deadline; what it has noted by then stays.
async fn within(
    patience: Duration,
    who: &str,
    asking: impl Future<Output = Result<Credentials, Failure>>,
) -> Result<Credentials, Failure> {
    tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| {
        let sentence = format!("{who} gave no credentials in {patience:?}");
        Err(Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, sentence))
    })
}
