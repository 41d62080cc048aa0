//! Causes in how keys are kept: what works now, and is open to others or will end unseen.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[&SEC_READABLE, &SEC_UNIT, &SEC_ROOT, &SEC_AGE, &SEC_NOROTATE];

/// Whether a warning of that code is about the safety of keys that go on working, and not about their end.
#[must_use]
pub fn is_of_safety(code: &str) -> bool {
    [&SEC_READABLE, &SEC_UNIT, &SEC_AGE].iter().any(|cause| cause.code == code)
}

/// Every user of this machine can read the keys.
pub static SEC_READABLE: Cause = Cause {
    code: "SEC-READABLE",
    title: "every user of this machine can read the file with the keys",
    why: "its mode lets others read it, and so do the folders above it",
    fix: &["chmod 600 FILE, as who owns it; if others use the machine, make new keys"],
    rule: "aws-cli `ConfigFileWriter`: it makes the file for its owner alone, 0600",
};

/// The unit says the secret.
pub static SEC_UNIT: Cause = Cause {
    code: "SEC-UNIT",
    title: "the secret stands in the text of the systemd unit",
    why: "systemd shows a unit's Environment= to every user: `systemctl show UNIT`",
    fix: &[
        "move the keys to a file of root's with mode 0600 and name it with EnvironmentFile=, then systemctl daemon-reload; make new keys",
    ],
    rule: "systemd.exec(5), Environment=",
};

/// The keys are those of the account itself.
pub static SEC_ROOT: Cause = Cause {
    code: "SEC-ROOT",
    title: "the keys are those of the account's root user",
    why: "AWS lets root assume no role, whatever the role's trust policy says; and whoever has such keys can do everything in the account",
    fix: &["use keys of a user or a role of IAM, and delete the root user's access keys"],
    rule: "AWS, \"Root user best practices\"",
};

/// Long-term keys that nobody has changed for a long time. AWS Security Hub (IAM.3) and CIS ask for new ones every 90 days.
pub static SEC_AGE: Cause = Cause {
    code: "SEC-AGE",
    title: "the long-term keys are older than 90 days",
    why: "keys that never end are copied and forgotten; AWS asks for new ones every 90 days",
    fix: &[
        "make a new key (aws iam create-access-key), write it in place of the old one, and delete that when nothing uses it",
        "better: temporary credentials, from IAM Identity Center or a role",
    ],
    rule: "AWS Security Hub IAM.3, CIS AWS Foundations 1.14",
};

/// A session of which nobody knows the end.
pub static SEC_NOROTATE: Cause = Cause {
    code: "SEC-NOROTATE",
    title: "temporary keys that nobody renews",
    why: "they end when their session does, at most 36 hours after it began, and nothing here says when or brings the next ones",
    fix: &[
        "let keyfob get them itself: a profile with sso_session, role_arn, or credential_process with an Expiration",
    ],
    rule: "AWS, \"Temporary security credentials in IAM\"",
};
