//! Causes at container credential endpoints (ECS, EKS Pod Identity, ours).

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &CONT_HOST,
    &CONT_URI,
    &CONT_AUTHTOKEN,
    &CONT_REFUSED,
    &CONT_DENIED,
    &CONT_5XX,
    &CONT_TIMEOUT,
    &CONT_JSON,
    &CONT_EXPIRED,
];

/// The host of AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed over http.
pub static CONT_HOST: Cause = Cause {
    code: "CONT-HOST",
    title: "the host of AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed over http",
    why: "botocore sends credentials requests in clear text to loopback and three link-local addresses only",
    fix: &["use https, a loopback address, 169.254.170.2 or 169.254.170.23"],
};

/// The container credentials address is not a URL.
pub static CONT_URI: Cause = Cause {
    code: "CONT-URI",
    title: "the container credentials address is not a URL",
    why: "the variable is set, so botocore uses it, and it cannot",
    fix: &["set a full http or https URL, or unset the variable"],
};

/// The container authorization token cannot be used.
pub static CONT_AUTHTOKEN: Cause = Cause {
    code: "CONT-AUTHTOKEN",
    title: "the container authorization token cannot be used",
    why: "the token is sent as a header value: its file must exist, and it must have no line break",
    fix: &["write the token without a newline: printf %s TOKEN > file"],
};

/// The container endpoint cannot be reached.
pub static CONT_REFUSED: Cause = Cause {
    code: "CONT-REFUSED",
    title: "the container endpoint cannot be reached",
    why: "nothing listens at the address",
    fix: &["start what serves it; compare address and port"],
};

/// The container endpoint refused the request.
pub static CONT_DENIED: Cause = Cause {
    code: "CONT-DENIED",
    title: "the container endpoint refused the request",
    why: "the answer was 4xx: the token is wrong, or there is no role for this task or pod",
    fix: &["compare the authorization token; look at the task role or the pod identity association"],
};

/// The container endpoint answered with an error of its own.
pub static CONT_5XX: Cause = Cause {
    code: "CONT-5XX",
    title: "the container endpoint answered with an error of its own",
    why: "the endpoint is up and cannot give credentials now",
    fix: &["look at the endpoint's own log"],
};

/// The container endpoint did not answer in time.
pub static CONT_TIMEOUT: Cause = Cause {
    code: "CONT-TIMEOUT",
    title: "the container endpoint did not answer in time",
    why: "the connection stands and nothing comes",
    fix: &["look at the endpoint's load; for link-local addresses, at network policies"],
};

/// The container endpoint answered something else than credentials.
pub static CONT_JSON: Cause = Cause {
    code: "CONT-JSON",
    title: "the container endpoint answered something else than credentials",
    why: "AccessKeyId, SecretAccessKey, Token and Expiration are needed",
    fix: &["look at what listens at this address"],
};

/// The container endpoint handed out expired credentials.
pub static CONT_EXPIRED: Cause = Cause {
    code: "CONT-EXPIRED",
    title: "the container endpoint handed out expired credentials",
    why: "they would be refused by AWS",
    fix: &["look at the endpoint; compare the clocks"],
};
