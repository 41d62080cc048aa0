//! Causes in environment variables.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &ENV_PARTIAL,
    &ENV_EMPTY,
    &ENV_NAME,
    &ENV_NOTOKEN,
    &ENV_STALE,
    &ENV_LITERAL,
    &ENV_WS,
    &ENV_SUDO,
    &ENV_EXPIRY,
    &ENV_EXPIRED,
];

/// Only one of the two key variables is set.
pub static ENV_PARTIAL: Cause = Cause {
    code: "ENV-PARTIAL",
    title: "only one of the two key variables is set",
    why: "botocore takes the environment as soon as AWS_ACCESS_KEY_ID is set, and stops when the secret is missing",
    fix: &["set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or unset both"],
    rule: "botocore `EnvProvider._create_credentials_fetcher`; boto3#2588",
};

/// A key variable is set to nothing.
pub static ENV_EMPTY: Cause = Cause {
    code: "ENV-EMPTY",
    title: "a key variable is set to nothing",
    why: "an empty variable counts as an unset one; a template or a missing secret may have left it blank",
    fix: &["fill it where it is set (compose file, Helm value, CI secret), or unset it"],
    rule: "botocore `EnvProvider.load`; AWSCore.jl#130",
};

/// The keys are in variables that no SDK reads.
pub static ENV_NAME: Cause = Cause {
    code: "ENV-NAME",
    title: "the keys are in variables that boto3 does not read",
    why: "boto3 reads AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in capitals, and no other spelling",
    fix: &["rename them to AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"],
    rule: "botocore `EnvProvider`; aws-sdk-ruby#707",
};

/// A temporary key without its session token.
pub static ENV_NOTOKEN: Cause = Cause {
    code: "ENV-NOTOKEN",
    title: "a temporary key without its session token",
    why: "a key id that begins with ASIA is half of a session: AWS refuses it without the session token it came with",
    fix: &["set AWS_SESSION_TOKEN (in a file aws_session_token) to the token that came with the key"],
    rule: "AWS, \"IAM identifiers\": keys that begin with ASIA; aws-sdk-ruby#3200",
};

/// Dead keys in the environment hide a profile that has others.
pub static ENV_STALE: Cause = Cause {
    code: "ENV-STALE",
    title: "dead keys in the environment hide a profile that has others",
    why: "the environment is asked before the files, whether its keys are still good or not",
    fix: &["unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"],
    rule: "botocore `create_credential_resolver`: the environment comes first; aws-runas#22",
};

/// A placeholder stands where a value should.
pub static ENV_LITERAL: Cause = Cause {
    code: "ENV-LITERAL",
    title: "a placeholder stands where a value should",
    why: "neither the AWS files nor most places where variables are set put anything in place of `$NAME` or `{{ name }}`",
    fix: &["write the value itself, or let the tool that knows the placeholder fill it in first"],
    rule: "botocore `configloader.raw_config_parse` fills nothing in; aws-cli#6082",
};

/// White space or a line end is part of a key.
pub static ENV_WS: Cause = Cause {
    code: "ENV-WS",
    title: "white space or a line end is part of a key",
    why: "a variable is taken as it stands, so the key that AWS sees is another one",
    fix: &["write it with `printf %s` instead of `echo`, and without the carriage return of Windows files"],
    rule: "botocore#2001",
};

/// sudo has cleared the environment.
pub static ENV_SUDO: Cause = Cause {
    code: "ENV-SUDO",
    title: "sudo has cleared the environment",
    why: "sudo passes no AWS_ variable on unless it is told to: keys that the calling shell has are not seen here",
    fix: &[
        "run it with `sudo --preserve-env`, or without sudo",
        "put the settings into the service's own configuration",
    ],
    rule: "sudoers(5), env_reset",
};

/// AWS_CREDENTIAL_EXPIRATION is not a time.
pub static ENV_EXPIRY: Cause = Cause {
    code: "ENV-EXPIRY",
    title: "AWS_CREDENTIAL_EXPIRATION is not a time",
    why: "credentials from the environment are renewed before that time, so it must be readable",
    fix: &["set it as 2030-01-31T12:00:00Z, or unset it for keys that do not expire"],
    rule: "botocore `EnvProvider.load`",
};

/// The keys in the environment are past AWS_CREDENTIAL_EXPIRATION.
pub static ENV_EXPIRED: Cause = Cause {
    code: "ENV-EXPIRED",
    title: "the keys in the environment are past AWS_CREDENTIAL_EXPIRATION",
    why: "a process cannot renew its own environment: whoever exported these keys must export new ones and start it again",
    fix: &["export fresh keys and restart, or unset AWS_ACCESS_KEY_ID so that the next source is asked"],
    rule: "botocore `RefreshableCredentials`",
};
