//! Causes in environment variables.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[&ENV_PARTIAL, &ENV_EXPIRY, &ENV_EXPIRED];

/// Only one of the two key variables is set.
pub static ENV_PARTIAL: Cause = Cause {
    code: "ENV-PARTIAL",
    title: "only one of the two key variables is set",
    why: "botocore takes the environment as soon as AWS_ACCESS_KEY_ID is set, and stops when the secret is missing",
    fix: &["set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or unset both"],
};

/// AWS_CREDENTIAL_EXPIRATION is not a time.
pub static ENV_EXPIRY: Cause = Cause {
    code: "ENV-EXPIRY",
    title: "AWS_CREDENTIAL_EXPIRATION is not a time",
    why: "credentials from the environment are renewed before that time, so it must be readable",
    fix: &["set it as 2030-01-31T12:00:00Z, or unset it for keys that do not expire"],
};

/// The keys in the environment are past AWS_CREDENTIAL_EXPIRATION.
pub static ENV_EXPIRED: Cause = Cause {
    code: "ENV-EXPIRED",
    title: "the keys in the environment are past AWS_CREDENTIAL_EXPIRATION",
    why: "a process cannot renew its own environment: whoever exported these keys must export new ones and start it again",
    fix: &["export fresh keys and restart, or unset AWS_ACCESS_KEY_ID so that the next source is asked"],
};
