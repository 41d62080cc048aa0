//! The closed sets that labels are made of.

use super::family::Value;
use crate::cause;
use crate::failure::{Failure, FailureKind};

/// Good credentials came.
pub(super) const SUCCESS: &str = "success";
/// None came, or they were refused.
pub(super) const FAILURE: &str = "failure";
/// No source provided.
pub(super) const NONE: &str = "none";

/// Neither: the answer waits for another walk.
pub(super) const UNDECIDED: &str = "undecided";
/// Whatever is not in a closed set, or one too many.
pub(super) const OTHER: &str = "_other";

/// Result and reason of a source that let the chain go on.
pub(super) fn skipped(failure: &Failure) -> (&'static str, &'static str) {
    let cause = failure.cause;
    if cause == &cause::KF_POLICY || cause == &cause::IMDS_DISABLED {
        ("disabled", cause.code)
    } else if failure.kind == FailureKind::NotConfigured && cause == &cause::KF_NOTHING {
        ("not_configured", "")
    } else {
        ("skipped", cause.code)
    }
}

/// What was built, of what.
pub(super) fn build_identity() -> [Value; 4] {
    let version = env!("CARGO_PKG_VERSION");
    let (revision, rustc) = (env!("KEYFOB_REVISION"), env!("KEYFOB_RUSTC"));
    [version.into(), revision.into(), rustc.into(), "".into()]
}
