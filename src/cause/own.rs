//! Causes of keyfob's own.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &KF_NOTHING,
    &KF_WARMING,
    &KF_LOOP,
    &KF_STATIC,
    &KF_STATIC_REFUSED,
    &KF_DRIFT,
    &KF_EXPECT,
    &KF_AUTH,
    &KF_TOKENMISSING,
    &KF_PEER,
    &KF_HOST,
    &KF_REQUEST,
    &KF_POLICY,
    &KF_TIMEOUT,
    &KF_PORT,
    &KF_SOCKET,
    &KF_SHADOW,
    &KF_UNWIRED,
    &KF_BYPASS,
    &KF_STALE,
    &UNKNOWN,
];

/// No source has credentials.
pub static KF_NOTHING: Cause = Cause {
    code: "KF-NOTHING",
    title: "no source has credentials",
    why: "nothing is configured: no keys, no profile, no token, no endpoint, no instance role",
    fix: &[
        "set up one source: `aws configure sso` on a laptop, a role of the machine, task or pod in AWS; `keyfob explain` lists what was looked at",
    ],
    rule: "botocore `CredentialResolver.load_credentials`",
};

/// The first walk is under way.
pub static KF_WARMING: Cause = Cause {
    code: "KF-WARMING",
    title: "the first walk is under way",
    why: "the agent has just started",
    fix: &["wait a moment and ask again"],
    rule: "our own: a first walk is under way",
};

/// The chain leads back to keyfob itself.
pub static KF_LOOP: Cause = Cause {
    code: "KF-LOOP",
    title: "the chain leads back to keyfob itself",
    why: "keyfob would wait for its own answer",
    fix: &["remove keyfob from the profile it resolves, or name another profile"],
    rule: "our own: a walk that would ask itself",
};

/// Long-term keys are served as they are.
pub static KF_STATIC: Cause = Cause {
    code: "KF-STATIC",
    title: "long-term keys are served as they are",
    why: "they have no session token and no expiry; the Rust, Java and Ruby SDKs send the empty token, which AWS refuses",
    fix: &["use temporary credentials; or set static_keys = \"mint\" for the role"],
    rule: "AWS, \"container credential provider\": an empty token is no token to some SDKs",
};

/// Long-term keys were found and the role refuses them.
pub static KF_STATIC_REFUSED: Cause = Cause {
    code: "KF-STATIC-REFUSED",
    title: "long-term keys were found and the role refuses them",
    why: "the role's configuration says static_keys = \"refuse\"",
    fix: &["configure a source of temporary credentials"],
    rule: "our own: `static_keys`",
};

/// The chain now ends at another identity than the one the role started with.
pub static KF_DRIFT: Cause = Cause {
    code: "KF-DRIFT",
    title: "the chain now ends at another identity than the one the role started with",
    why: "serving it would silently change who the application is",
    fix: &["repair the original source; if the change is meant, change the role's configuration or restart"],
    rule: "our own: a role does not drift",
};

/// The credentials found are not the expected ones.
pub static KF_EXPECT: Cause = Cause {
    code: "KF-EXPECT",
    title: "the credentials found are not the expected ones",
    why: "the role's `expect` names another account or source",
    fix: &["repair the expected source, or change `expect`"],
    rule: "our own: `expect`",
};

/// The request's token is not the right one.
pub static KF_AUTH: Cause = Cause {
    code: "KF-AUTH",
    title: "the request's token is not the right one",
    why: "every request must carry the token of the token file",
    fix: &["set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the agent's token file"],
    rule: "our own: the token of the endpoint",
};

/// The request carries no token.
pub static KF_TOKENMISSING: Cause = Cause {
    code: "KF-TOKENMISSING",
    title: "the request carries no token",
    why: "every request must carry the token of the token file in Authorization",
    fix: &["set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the agent's token file"],
    rule: "our own: the token of the endpoint",
};

/// The role is for other users.
pub static KF_PEER: Cause = Cause {
    code: "KF-PEER",
    title: "the role is not for the user who asks",
    why: "the role's `allow` names the users who may ask, and whoever asks is another one or cannot be known",
    fix: &[
        "add the user's number to the role's `allow.uids`",
        "ask from this machine, in the agent's network and user namespace: nobody else can be known",
    ],
    rule: "our own: `allow`",
};

/// The request is not for this listener.
pub static KF_HOST: Cause = Cause {
    code: "KF-HOST",
    title: "the request is not for this listener",
    why: "only loopback and link-local hosts are answered, without proxies in between",
    fix: &["use the literal address that `keyfob env` prints"],
    rule: "our own: the rules for Host, Origin and forwarded requests",
};

/// The request is not one that is answered here.
pub static KF_REQUEST: Cause = Cause {
    code: "KF-REQUEST",
    title: "the request is not one that is answered here",
    why: "wrong path, method or body",
    fix: &["use the address that `keyfob env` prints"],
    rule: "our own: the paths of the endpoint",
};

/// The role does not allow this source.
pub static KF_POLICY: Cause = Cause {
    code: "KF-POLICY",
    title: "the role does not allow this source",
    why: "the role's `sources` leaves it out",
    fix: &["add the source to the role's `sources`"],
    rule: "our own: `sources`",
};

/// A source did not answer within refresh.attempt_timeout.
pub static KF_TIMEOUT: Cause = Cause {
    code: "KF-TIMEOUT",
    title: "a source did not answer within refresh.attempt_timeout",
    why: "the attempt was ended",
    fix: &["look at the source; or raise refresh.attempt_timeout"],
    rule: "our own: `refresh.attempt_timeout`, `explain --timeout`",
};

/// Nobody asks for the credentials.
pub static KF_BYPASS: Cause = Cause {
    code: "KF-BYPASS",
    title: "credentials are ready and nobody has asked for them",
    why: "the application finds other credentials first, or does not know of the endpoint",
    fix: &[
        "give the application the variables that `keyfob env` prints, and start it anew",
        "`sudo keyfob explain --pid PID` says what an application asks first",
    ],
    rule: "our own: applications ask when they start",
};

/// What is served ends soon and is not renewed.
pub static KF_STALE: Cause = Cause {
    code: "KF-STALE",
    title: "what is served ends soon, and refreshes fail",
    why: "credentials are served until they end; then every request for them is refused",
    fix: &["do what the last failure of the role asks for"],
    rule: "our own: nothing is served past its end",
};

/// An address cannot be listened on.
pub static KF_PORT: Cause = Cause {
    code: "KF-PORT",
    title: "the address cannot be listened on",
    why: "another process listens there, or the address is not this machine's",
    fix: &["end the other process, or name another address in listen.credentials and listen.admin"],
    rule: "bind(2), EADDRINUSE and EADDRNOTAVAIL",
};

/// A Unix socket cannot be listened on.
pub static KF_SOCKET: Cause = Cause {
    code: "KF-SOCKET",
    title: "the Unix socket cannot be listened on",
    why: "another agent listens there, its folder is missing, or the file is not a socket of ours",
    fix: &["end the other agent, or name another path in listen.credentials"],
    rule: "bind(2), unix(7)",
};

/// An application never comes to the agent.
pub static KF_SHADOW: Cause = Cause {
    code: "KF-SHADOW",
    title: "something else is asked first",
    why: "the application's SDK finds other credentials, or stops at an error, before it comes to the container endpoint",
    fix: &["`keyfob explain --pid PID` names it: unset the variables, or put the files out of sight"],
    rule: "botocore `create_credential_resolver`: the order of the chain",
};

/// An application does not know of the agent.
pub static KF_UNWIRED: Cause = Cause {
    code: "KF-UNWIRED",
    title: "the application is not pointed at the agent",
    why: "its AWS_CONTAINER_CREDENTIALS_FULL_URI is not set, or leads elsewhere",
    fix: &["start it with the variables that `keyfob env` prints"],
    rule: "botocore `ContainerProvider.load`",
};

/// The reason is not known.
pub static UNKNOWN: Cause = Cause {
    code: "UNKNOWN",
    title: "the reason is not known",
    why: "nothing that was seen fits a known cause",
    fix: &["run `keyfob explain` and look at what each source said"],
    rule: "nothing that was seen tells",
};
