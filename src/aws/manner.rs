//! How AWS is asked, whichever service it is: who is trusted, how often and after what a call is tried again.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_sts::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
use aws_smithy_types::retry::ErrorKind;

use super::refusal::code_of;

/// How AWS is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// A file of authorities in place of those that the system trusts (`AWS_CA_BUNDLE`, `ca_bundle`).
    pub authorities: Option<PathBuf>,
    /// How often and after what.
    pub tries: Tries,
}

/// How often a call is tried and after what it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// The first one included; at least one.
    pub most: u32,
    /// After what.
    pub mode: Mode,
}

/// `retry_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// botocore's own, its default.
    #[default]
    Legacy,
    /// That of all SDKs. `adaptive` waits longer beside it, for which an attempt has no time.
    Standard,
}

impl Mode {
    /// The number of tries where nobody sets one: `_retry.json` and `DEFAULT_MAX_ATTEMPTS`.
    #[must_use]
    pub const fn tries(self) -> u32 {
        match self {
            Self::Legacy => 5,
            Self::Standard => 3,
        }
    }
}

impl Default for Tries {
    fn default() -> Self {
        let mode = Mode::default();
        Self { most: mode.tries(), mode }
    }
}

/// Shorter than botocore's, so that all tries fit into an attempt.
const PAUSE: Duration = Duration::from_millis(300);

impl Tries {
    /// The pauses together take no more than half of an attempt.
    pub(super) fn within(self, attempt: Duration) -> RetryConfig {
        let longest = (attempt / 2 / self.most.max(1)).max(Duration::from_millis(1));
        RetryConfig::standard()
            .with_max_attempts(self.most)
            .with_initial_backoff(PAUSE.min(longest))
            .with_max_backoff(longest)
    }
}

/// Of `_retry.json`, where the status is 400.
const BUSY: [&str; 5] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "ProvisionedThroughputExceededException",
];

impl ClassifyRetry for Tries {
    /// AWS's client knows the standard by itself, and what to do without an answer.
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let answer = context.response().filter(|answer| answer.status().as_u16() >= 400);
        let Some(answer) = answer.filter(|_| self.mode == Mode::Legacy) else {
            return RetryAction::NoActionIndicated;
        };
        match (answer.status().as_u16(), code_of(answer).as_deref()) {
            (500 | 502 | 503 | 504 | 509, _) => RetryAction::retryable_error(ErrorKind::ServerError),
            (429, _) => RetryAction::retryable_error(ErrorKind::ThrottlingError),
            (400, Some(code)) if BUSY.contains(&code) => {
                RetryAction::retryable_error(ErrorKind::ThrottlingError)
            }
            (400, Some("IDPCommunicationError")) => RetryAction::retryable_error(ErrorKind::ServerError),
            _ => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "botocore's legacy mode"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
