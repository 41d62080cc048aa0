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
    &PI_NOASSOC,
    &PI_NETPOL,
    &PI_CNI,
    &PI_HOSTNET,
    &PI_THROTTLE,
    &PI_OLDSDK,
    &SDK_OLD,
    &ECS_NOROLE,
    &ECS_CHILDENV,
];

/// The host of AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed over http.
pub static CONT_HOST: Cause = Cause {
    code: "CONT-HOST",
    title: "the host of AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed over http",
    why: "botocore sends credentials requests in clear text to loopback and three link-local addresses only",
    fix: &["use https, a loopback address, 169.254.170.2 or 169.254.170.23"],
    rule: "botocore `ContainerMetadataFetcher._validate_allowed_url`",
};

/// The container credentials address is not a URL.
pub static CONT_URI: Cause = Cause {
    code: "CONT-URI",
    title: "the container credentials address is not a URL",
    why: "the variable is set, so botocore uses it, and it cannot",
    fix: &["set a full http or https URL, or unset the variable"],
    rule: "botocore `ContainerMetadataFetcher.retrieve_full_uri`",
};

/// The container authorization token cannot be used.
pub static CONT_AUTHTOKEN: Cause = Cause {
    code: "CONT-AUTHTOKEN",
    title: "the container authorization token cannot be used",
    why: "the token is sent as a header value: its file must exist, and it must have no line break",
    fix: &["write the token without a newline: printf %s TOKEN > file"],
    rule: "botocore `ContainerProvider._build_headers`",
};

/// The container endpoint cannot be reached.
pub static CONT_REFUSED: Cause = Cause {
    code: "CONT-REFUSED",
    title: "the container endpoint cannot be reached",
    why: "nothing listens at the address",
    fix: &["start what serves it; compare address and port"],
    rule: "botocore `ContainerMetadataFetcher._get_response`",
};

/// The container endpoint refused the request.
pub static CONT_DENIED: Cause = Cause {
    code: "CONT-DENIED",
    title: "the container endpoint refused the request",
    why: "the answer was 4xx: the token is wrong, or there is no role for this task or pod",
    fix: &["compare the authorization token; look at the task role or the pod identity association"],
    rule: "botocore `ContainerMetadataFetcher._get_response`",
};

/// The container endpoint answered with an error of its own.
pub static CONT_5XX: Cause = Cause {
    code: "CONT-5XX",
    title: "the container endpoint answered with an error of its own",
    why: "the endpoint is up and cannot give credentials now",
    fix: &["look at the endpoint's own log"],
    rule: "botocore `ContainerMetadataFetcher._get_response`",
};

/// The container endpoint did not answer in time.
pub static CONT_TIMEOUT: Cause = Cause {
    code: "CONT-TIMEOUT",
    title: "the container endpoint did not answer in time",
    why: "the connection stands and nothing comes",
    fix: &["look at the endpoint's load; for link-local addresses, at network policies"],
    rule: "botocore `ContainerMetadataFetcher.TIMEOUT_SECONDS`",
};

/// The container endpoint answered something else than credentials.
pub static CONT_JSON: Cause = Cause {
    code: "CONT-JSON",
    title: "the container endpoint answered something else than credentials",
    why: "AccessKeyId, SecretAccessKey, Token and Expiration are needed",
    fix: &["look at what listens at this address"],
    rule: "botocore `ContainerProvider._create_fetcher`",
};

/// The container endpoint handed out expired credentials.
pub static CONT_EXPIRED: Cause = Cause {
    code: "CONT-EXPIRED",
    title: "the container endpoint handed out expired credentials",
    why: "they would be refused by AWS",
    fix: &["look at the endpoint; compare the clocks"],
    rule: "botocore `RefreshableCredentials._protected_refresh`",
};

/// EKS Pod Identity has no association for this service account.
pub static PI_NOASSOC: Cause = Cause {
    code: "PI-NOASSOC",
    title: "EKS Pod Identity has no association for this service account",
    why: "an association says which role a service account of a namespace gets, and there is none in this cluster",
    fix: &["create the association: aws eks create-pod-identity-association"],
    rule: "AWS, \"EKS Pod Identity\"; amazon-eks-pod-identity-webhook#226",
};

/// Nothing comes through to the agent of EKS Pod Identity.
pub static PI_NETPOL: Cause = Cause {
    code: "PI-NETPOL",
    title: "nothing comes through to the agent of EKS Pod Identity",
    why: "packets to 169.254.170.23 are dropped: usual for an egress policy that does not name link-local addresses",
    fix: &["let the pod's egress reach 169.254.170.23/32, port 80; with Cilium, the entity `host`"],
    rule: "cilium#34387",
};

/// Something else answers in the place of the agent of EKS Pod Identity.
pub static PI_CNI: Cause = Cause {
    code: "PI-CNI",
    title: "something else answers in the place of the agent of EKS Pod Identity",
    why: "a pod with hostPort 80, or the network's own datapath, takes what is meant for 169.254.170.23",
    fix: &[
        "move the pod that has hostPort 80 to another port",
        "look for a newer version of the network plugin",
    ],
    rule: "cilium#35989, cilium#40273",
};

/// EKS Pod Identity does not serve pods in the network of their host.
pub static PI_HOSTNET: Cause = Cause {
    code: "PI-HOSTNET",
    title: "EKS Pod Identity does not serve this pod in the network of its host",
    why: "the pod has hostNetwork: true, and the agent's address is not the same from there",
    fix: &["use a web identity (IRSA) for this pod, or take hostNetwork away"],
    rule: "eks-pod-identity-agent#139",
};

/// The agent of EKS Pod Identity asks to slow down.
pub static PI_THROTTLE: Cause = Cause {
    code: "PI-THROTTLE",
    title: "the agent of EKS Pod Identity asks to slow down",
    why: "many pods of one node ask at once, as after a restart",
    fix: &["wait: it is tried again with growing pauses"],
    rule: "eks-pod-identity-agent#50",
};

/// The SDK is too old for a token that is in a file.
pub static PI_OLDSDK: Cause = Cause {
    code: "PI-OLDSDK",
    title: "the SDK is too old for a token that is in a file",
    why: "it knows AWS_CONTAINER_CREDENTIALS_FULL_URI and not AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, so it asks without the token",
    fix: &[
        "take a newer version of the SDK",
        "or let `keyfob exec` start the program: it hands the token over in a variable as well",
    ],
    rule: "aws-ebs-csi-driver#1870",
};

/// The SDK is too old for a setting.
pub static SDK_OLD: Cause = Cause {
    code: "SDK-OLD",
    title: "the SDK is too old for a setting",
    why: "SDKs pass over what they do not know: the config file, sso-session, credential_process and container endpoints came one after the other",
    fix: &[
        "take a newer version of the SDK; for Go 1 and JavaScript 2 set AWS_SDK_LOAD_CONFIG=1",
        "or let keyfob read the setting, and serve the program keys it knows: keyfob exec",
    ],
    rule: "aws-sdk-js-v3#1772",
};

/// The ECS task has no role.
pub static ECS_NOROLE: Cause = Cause {
    code: "ECS-NOROLE",
    title: "the ECS task has no role",
    why: "ECS sets AWS_CONTAINER_CREDENTIALS_RELATIVE_URI for tasks with a task role; the execution role is for ECS itself",
    fix: &["name a taskRoleArn in the task definition, and start the task anew"],
    rule: "AWS, \"Amazon ECS task IAM role\"",
};

/// The container's first process has an endpoint that this one was not told of.
pub static ECS_CHILDENV: Cause = Cause {
    code: "ECS-CHILDENV",
    title: "the container's first process has an endpoint that this one was not told of",
    why: "ECS sets the variable for the container's first process: a session of ssh, a job of cron or a service does not inherit it",
    fix: &["hand AWS_CONTAINER_CREDENTIALS_RELATIVE_URI over to this process"],
    rule: "amazon-ecs-agent#2745",
};
