//! Causes named by AWS itself.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &STS_DENIED,
    &STS_MINT,
    &STS_THROTTLE,
    &STS_REGION_OFF,
    &STS_VALIDATION,
    &STS_CHAIN1H,
    &PARTITION,
    &KEY_INVALID,
    &KEY_EXPIRED,
    &AWS_5XX,
    &AWS_ANSWER,
    &CLOCK,
];

/// AWS refused to let the caller assume the role.
pub static STS_DENIED: Cause = Cause {
    code: "STS-DENIED",
    title: "AWS refused to let the caller assume the role",
    why: "either the role's trust policy does not name the caller, or the caller lacks permission for sts:AssumeRole",
    fix: &["check both: the role's trust policy, and the caller's policies"],
    rule: "AWS STS, `AssumeRole`: AccessDenied",
};

/// AWS gave no session for long-term keys.
pub static STS_MINT: Cause = Cause {
    code: "STS-MINT",
    title: "AWS gave no session for long-term keys",
    why: "static_keys = \"mint\" asks with sts:GetSessionToken: that needs no permission, but a policy can deny it, and only keys of a user may ask",
    fix: &[
        "look for sts:GetSessionToken under Deny in the user's policies and the organisation's",
        "let the keys assume a role instead: role_arn",
    ],
    rule: "AWS STS, `GetSessionToken`",
};

/// AWS asked to slow down.
pub static STS_THROTTLE: Cause = Cause {
    code: "STS-THROTTLE",
    title: "AWS asked to slow down",
    why: "too many requests for this account",
    fix: &["wait: it is tried again with growing pauses"],
    rule: "AWS STS, Throttling",
};

/// STS is not active in this region.
pub static STS_REGION_OFF: Cause = Cause {
    code: "STS-REGION-OFF",
    title: "STS is not active in this region",
    why: "the region must be enabled in the account",
    fix: &["activate the region, or use another one"],
    rule: "AWS STS, RegionDisabledException",
};

/// AWS found a parameter of the request invalid.
pub static STS_VALIDATION: Cause = Cause {
    code: "STS-VALIDATION",
    title: "AWS found a parameter of the request invalid",
    why: "a role ARN, session name, external id, duration, policy or tag is out of its bounds",
    fix: &["correct the value named above"],
    rule: "AWS STS, ValidationError",
};

/// A session of more than an hour was asked for through a chain of roles.
pub static STS_CHAIN1H: Cause = Cause {
    code: "STS-CHAIN1H",
    title: "a session of more than an hour was asked for through a chain of roles",
    why: "AWS limits role chaining to one hour",
    fix: &["set duration_seconds to 3600 or less"],
    rule: "AWS STS, `AssumeRole`: role chaining ends after an hour",
};

/// The role is of another partition than the region that is asked.
pub static PARTITION: Cause = Cause {
    code: "PARTITION",
    title: "the role is of another partition than the region that is asked",
    why: "China, GovCloud and the rest of AWS have users, keys, roles and an STS of their own, and know nothing of each other",
    fix: &["set a region of the role's partition, or correct the role's ARN"],
    rule: "AWS, \"Amazon Resource Names\": partitions; aws-sdk-go-base#314",
};

/// AWS does not know the key, or the secret does not belong to it.
pub static KEY_INVALID: Cause = Cause {
    code: "KEY-INVALID",
    title: "AWS does not know the key, or the secret does not belong to it",
    why: "the key was deleted, or mistyped, or belongs to another partition",
    fix: &["make a new key; copy both parts again; compare region and partition"],
    rule: "AWS STS, InvalidClientTokenId and SignatureDoesNotMatch",
};

/// AWS says that the credentials are expired.
pub static KEY_EXPIRED: Cause = Cause {
    code: "KEY-EXPIRED",
    title: "AWS says that the credentials are expired",
    why: "temporary credentials were used past their end",
    fix: &["get fresh ones from the source named above"],
    rule: "AWS, ExpiredToken",
};

/// AWS answered with an error of its own.
pub static AWS_5XX: Cause = Cause {
    code: "AWS-5XX",
    title: "AWS answered with an error of its own",
    why: "the service is not well",
    fix: &["wait: it is tried again with growing pauses"],
    rule: "the HTTP status",
};

/// What answered in the place of AWS is not AWS.
pub static AWS_ANSWER: Cause = Cause {
    code: "AWS-ANSWER",
    title: "what answered in the place of AWS is not AWS",
    why: "the answer has none of what AWS sends: usual for intercepting proxies and sign-in pages",
    fix: &["look at proxies in between, and at endpoint_url"],
    rule: "the answer is none of the protocol",
};

/// The clock of this machine is wrong.
pub static CLOCK: Cause = Cause {
    code: "CLOCK",
    title: "the clock of this machine is wrong",
    why: "AWS refuses requests signed more than a few minutes off",
    fix: &["set the clock: look at chrony or systemd-timesyncd"],
    rule: "AWS Signature Version 4: five minutes; aws-sdk-rust#1033",
};
