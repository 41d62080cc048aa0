//! Causes in credential_process.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] =
    &[&PROC_EXIT, &PROC_START, &PROC_JSON, &PROC_QUOTE, &PROC_TIMEOUT, &PROC_EXPIRED, &RA_CERT];

/// The credential_process failed.
pub static PROC_EXIT: Cause = Cause {
    code: "PROC-EXIT",
    title: "the credential_process failed",
    why: "the command ended with an error instead of printing credentials",
    fix: &["run the command by hand as this user; give its absolute path"],
    rule: "botocore `ProcessProvider._retrieve_credentials_using`",
};

/// The credential_process could not be started.
pub static PROC_START: Cause = Cause {
    code: "PROC-START",
    title: "the credential_process could not be started",
    why: "the first word is not a program that this user can run; there is no shell, so `~`, `$VAR` and pipes do not work",
    fix: &["give the absolute path of the program; wrap a pipeline in `sh -c '…'`"],
    rule: "execve(2)",
};

/// The credential_process printed something else than credentials.
pub static PROC_JSON: Cause = Cause {
    code: "PROC-JSON",
    title: "the credential_process printed something else than credentials",
    why: "its output must be one JSON object with Version 1, AccessKeyId and SecretAccessKey",
    fix: &["print {\"Version\": 1, \"AccessKeyId\": …, \"SecretAccessKey\": …} and nothing else on stdout"],
    rule: "botocore `ProcessProvider._retrieve_credentials_using`; aws-sdk-js#2559",
};

/// The quotes of the credential_process command are wrong.
pub static PROC_QUOTE: Cause = Cause {
    code: "PROC-QUOTE",
    title: "the quotes of the credential_process command are wrong",
    why: "the command is split into words as a shell would: a quote must end, and a path with spaces needs quotes",
    fix: &["close the quote; put quotes around a path with spaces"],
    rule: "botocore `compat.compat_shell_split`",
};

/// The credential_process did not end in time.
pub static PROC_TIMEOUT: Cause = Cause {
    code: "PROC-TIMEOUT",
    title: "the credential_process did not end in time",
    why: "it was ended, with everything it had started",
    fix: &["make it faster, or raise refresh.process_timeout"],
    rule: "our own: `refresh.process_timeout`; botocore waits for ever",
};

/// The credential_process printed credentials that are expired already.
pub static PROC_EXPIRED: Cause = Cause {
    code: "PROC-EXPIRED",
    title: "the credential_process printed credentials that are expired already",
    why: "they would be refused by AWS",
    fix: &["let the command print fresh credentials; look at its cache and at the clock"],
    rule: "botocore `RefreshableCredentials._protected_refresh`",
};

/// IAM Roles Anywhere does not accept the certificate.
pub static RA_CERT: Cause = Cause {
    code: "RA-CERT",
    title: "IAM Roles Anywhere does not accept the certificate",
    why: "it is expired or not yet valid, or signed by none that the trust anchor names, or the profile and the role do not accept its session",
    fix: &[
        "look at its dates and its issuer: openssl x509 -in FILE -noout -dates -issuer",
        "compare the issuer with the trust anchor; where a role session name is asked for, the profile must accept one",
    ],
    rule: "rolesanywhere-credential-helper#108, #19",
};
