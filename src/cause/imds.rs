//! Causes at EC2 instance metadata.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &IMDS_OFF,
    &IMDS_HOP,
    &IMDS_DISABLED,
    &IMDS_NOPROFILE,
    &IMDS_EMPTYPROFILE,
    &IMDS_TRUST,
    &IMDS_V1OFF,
    &IMDS_401,
    &IMDS_ENDPOINT,
    &IMDS_5XX,
    &IMDS_JSON,
    &IMDS_EXPIRED,
    &IMDS_PROXY,
    &IMDS_V1ONLY,
];

/// Instance metadata cannot be reached.
pub static IMDS_OFF: Cause = Cause {
    code: "IMDS-OFF",
    title: "instance metadata cannot be reached",
    why: "not on EC2, or its endpoint is switched off, or a firewall is in the way",
    fix: &[
        "on EC2: aws ec2 modify-instance-metadata-options --http-endpoint enabled; elsewhere configure another source",
    ],
    rule: "botocore `InstanceMetadataFetcher.retrieve_iam_role_credentials`",
};

/// Instance metadata takes the connection and does not answer.
pub static IMDS_HOP: Cause = Cause {
    code: "IMDS-HOP",
    title: "instance metadata takes the connection and does not answer",
    why: "usual for containers when the hop limit is 1: the answer with the token does not come through",
    fix: &["aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2"],
    rule: "AWS, \"IMDS options\": PUT response hop limit; aws-sdk-rust#540",
};

/// Instance metadata is switched off by AWS_EC2_METADATA_DISABLED.
pub static IMDS_DISABLED: Cause = Cause {
    code: "IMDS-DISABLED",
    title: "instance metadata is switched off by AWS_EC2_METADATA_DISABLED",
    why: "the variable says true",
    fix: &["unset AWS_EC2_METADATA_DISABLED"],
    rule: "botocore `IMDSFetcher.__init__`; aws-sdk-js-v3#6823",
};

/// The instance has no role.
pub static IMDS_NOPROFILE: Cause = Cause {
    code: "IMDS-NOPROFILE",
    title: "the instance has no role",
    why: "metadata lists no instance profile",
    fix: &["attach an instance profile to the instance"],
    rule: "botocore `InstanceMetadataFetcher._get_iam_role`",
};

/// The instance profile has no usable role.
pub static IMDS_EMPTYPROFILE: Cause = Cause {
    code: "IMDS-EMPTYPROFILE",
    title: "the instance profile has no usable role",
    why: "metadata names a role and has no credentials for it",
    fix: &["look at the role in the instance profile: it may have been deleted"],
    rule: "AWS, \"IAM roles for Amazon EC2\"",
};

/// The instance's role does not trust EC2.
pub static IMDS_TRUST: Cause = Cause {
    code: "IMDS-TRUST",
    title: "the instance's role does not trust EC2",
    why: "EC2 may not assume the role",
    fix: &["trust ec2.amazonaws.com in the role's trust policy"],
    rule: "AWS, \"IAM roles for Amazon EC2\": AssumeRoleUnauthorizedAccess; aws-cli#2060",
};

/// IMDSv2 gave no token and IMDSv1 is disabled by configuration.
pub static IMDS_V1OFF: Cause = Cause {
    code: "IMDS-V1OFF",
    title: "IMDSv2 gave no token and IMDSv1 is disabled by configuration",
    why: "without a token only IMDSv1 is left, and it is switched off",
    fix: &["look at why the token request fails; or allow IMDSv1"],
    rule: "botocore `IMDSFetcher._assert_v1_enabled`",
};

/// Instance metadata refused the request.
pub static IMDS_401: Cause = Cause {
    code: "IMDS-401",
    title: "instance metadata refused the request",
    why: "a token is required, or the one sent is not valid",
    fix: &["use IMDSv2: look at why the token request fails"],
    rule: "botocore `InstanceMetadataFetcher`",
};

/// The configured metadata endpoint is not valid.
pub static IMDS_ENDPOINT: Cause = Cause {
    code: "IMDS-ENDPOINT",
    title: "the configured metadata endpoint is not valid",
    why: "it must be a URL, and the mode ipv4 or ipv6",
    fix: &["correct AWS_EC2_METADATA_SERVICE_ENDPOINT or AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"],
    rule: "botocore `IMDSFetcher._select_base_url`",
};

/// Instance metadata answered with an error.
pub static IMDS_5XX: Cause = Cause {
    code: "IMDS-5XX",
    title: "instance metadata answered with an error",
    why: "the service is up and cannot answer now",
    fix: &["try again; if it stays, stop and start the instance"],
    rule: "botocore `IMDSFetcher._get_request`",
};

/// Instance metadata answered something else than credentials.
pub static IMDS_JSON: Cause = Cause {
    code: "IMDS-JSON",
    title: "instance metadata answered something else than credentials",
    why: "the answer cannot be understood",
    fix: &["look at what listens at the metadata address"],
    rule: "botocore `InstanceMetadataFetcher._is_invalid_json`",
};

/// Instance metadata hands out expired credentials.
pub static IMDS_EXPIRED: Cause = Cause {
    code: "IMDS-EXPIRED",
    title: "instance metadata hands out expired credentials",
    why: "EC2 has not renewed the role's credentials; the last ones are kept in use as AWS recommends",
    fix: &["nothing at first: it heals by itself; look at the AWS health dashboard"],
    rule: "botocore `InstanceMetadataFetcher._evaluate_expiration`",
};

/// A proxy answers in the place of instance metadata.
pub static IMDS_PROXY: Cause = Cause {
    code: "IMDS-PROXY",
    title: "a proxy answers in the place of instance metadata",
    why: "metadata is for one machine: a proxy in between gets it for its own, or refuses",
    fix: &[
        "leave 169.254.169.254 out of what is redirected to the proxy",
        "export NO_PROXY=169.254.169.254,169.254.170.2,169.254.170.23 for everything else that asks",
    ],
    rule: "aws-sdk-go#1226, amazon-ecs-agent#605",
};

/// The client asks metadata without a token.
pub static IMDS_V1ONLY: Cause = Cause {
    code: "IMDS-V1ONLY",
    title: "the client asks metadata without a token",
    why: "version 2 of instance metadata answers with a token only; SDKs from before 2020 know version 1 alone",
    fix: &["take a newer version of the SDK", "or let the program ask keyfob's container endpoint"],
    rule: "AWS, \"IMDSv2\"; cloud-custodian#7174",
};
