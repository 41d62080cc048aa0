//! Causes in web identity (OIDC).

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &WI_HALF,
    &WI_NOFILE,
    &WI_EACCES,
    &WI_EXPIRED,
    &WI_AUD,
    &WI_ISSUER,
    &WI_JWKS,
    &WI_TRUST,
    &WI_TOKEN,
    &WI_NOTINJECTED,
    &WI_NODEROLE,
    &WI_MTIME,
    &GHA_IDTOKEN,
];

/// A web identity needs a token file and a role, and one is missing.
pub static WI_HALF: Cause = Cause {
    code: "WI-HALF",
    title: "a web identity needs a token file and a role, and one is missing",
    why: "the token is exchanged for the role's credentials: without a role there is an error, without a token file nothing happens at all",
    fix: &["set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or neither"],
    rule: "botocore `AssumeRoleWithWebIdentityProvider._get_config`, `EnvProvider`",
};

/// The web identity token file does not exist.
pub static WI_NOFILE: Cause = Cause {
    code: "WI-NOFILE",
    title: "the web identity token file does not exist",
    why: "whoever mounts or writes the token has not done so",
    fix: &["look at the path; in Kubernetes, at the projected volume and its mount"],
    rule: "botocore `FileWebIdentityTokenLoader`",
};

/// The web identity token file cannot be read.
pub static WI_EACCES: Cause = Cause {
    code: "WI-EACCES",
    title: "the web identity token file cannot be read",
    why: "this user has no permission to read it",
    fix: &["set fsGroup in the pod's security context, or chown the file"],
    rule: "amazon-eks-pod-identity-webhook#8",
};

/// The web identity token is expired.
pub static WI_EXPIRED: Cause = Cause {
    code: "WI-EXPIRED",
    title: "the web identity token is expired",
    why: "whoever writes the token file has stopped renewing it",
    fix: &["look at what writes the file; in Kubernetes, restart the pod"],
    rule: "AWS STS, ExpiredTokenException; RFC 7519, exp",
};

/// The web identity token is for another audience.
pub static WI_AUD: Cause = Cause {
    code: "WI-AUD",
    title: "the web identity token is for another audience",
    why: "AWS accepts tokens whose audience is a client id of the identity provider, usually sts.amazonaws.com",
    fix: &["request the token with the audience that the provider in IAM lists"],
    rule: "AWS STS, InvalidIdentityToken; RFC 7519, aud",
};

/// AWS does not know the issuer of the web identity token.
pub static WI_ISSUER: Cause = Cause {
    code: "WI-ISSUER",
    title: "AWS does not know the issuer of the web identity token",
    why: "there is no IAM identity provider for this issuer in the role's account",
    fix: &["create the OIDC provider for the token's issuer in IAM"],
    rule: "AWS STS, InvalidIdentityToken: no OpenIDConnect provider; configure-aws-credentials#280",
};

/// AWS could not fetch the issuer's keys.
pub static WI_JWKS: Cause = Cause {
    code: "WI-JWKS",
    title: "AWS could not fetch the issuer's keys",
    why: "the token cannot be verified without them",
    fix: &["make the issuer's JWKS address reachable from the internet; try again"],
    rule: "AWS STS, IDPCommunicationError and InvalidIdentityToken; configure-aws-credentials#299",
};

/// The role's trust policy does not accept this web identity.
pub static WI_TRUST: Cause = Cause {
    code: "WI-TRUST",
    title: "the role's trust policy does not accept this web identity",
    why: "AWS verified the token and refused the role",
    fix: &["allow the token's subject and audience in the role's trust policy"],
    rule: "AWS STS, `AssumeRoleWithWebIdentity`: AccessDenied; configure-aws-credentials#443",
};

/// The web identity token is not a token.
pub static WI_TOKEN: Cause = Cause {
    code: "WI-TOKEN",
    title: "the web identity token is not a token",
    why: "AWS could not parse it",
    fix: &["look at what writes the token file: it must hold one JWT and nothing else"],
    rule: "RFC 7519",
};

/// The pod was given no web identity.
pub static WI_NOTINJECTED: Cause = Cause {
    code: "WI-NOTINJECTED",
    title: "the pod was given no web identity",
    why: "EKS puts AWS_ROLE_ARN and a token into a pod when it is made, if its service account is annotated by then; this pod has neither, nor Pod Identity",
    fix: &[
        "annotate the service account with eks.amazonaws.com/role-arn, and make the pod anew",
        "look whether the webhook (pod-identity-webhook) is well",
    ],
    rule: "amazon-eks-pod-identity-webhook#174, #83",
};

/// A pod uses the role of its node.
pub static WI_NODEROLE: Cause = Cause {
    code: "WI-NODEROLE",
    title: "a pod uses the role of its node",
    why: "no identity of its own was found, and instance metadata answers pods with the node's",
    fix: &[
        "give the service account a role (web identity or Pod Identity), and make the pod anew",
        "keep pods from metadata: hop limit 1, or sources without imds in keyfob's configuration",
    ],
    rule: "botocore `create_credential_resolver`: metadata comes last; amazon-eks-pod-identity-webhook#108",
};

/// The token file is not written anew in time.
pub static WI_MTIME: Cause = Cause {
    code: "WI-MTIME",
    title: "the token file is not written anew in time",
    why: "a kubelet writes a new token when eight tenths of its life are over: this one has less than a tenth left, and once it has ended there are no credentials",
    fix: &[
        "look whether the kubelet is well; make the pod anew",
        "clients that wait for the file to change fail before: let them ask keyfob, which does not",
    ],
    rule: "Kubernetes, projected volumes: the kubelet writes tokens anew; cube#11622",
};

/// The job of GitHub Actions may not ask for an identity token.
pub static GHA_IDTOKEN: Cause = Cause {
    code: "GHA-IDTOKEN",
    title: "the job of GitHub Actions may not ask for an identity token",
    why: "ACTIONS_ID_TOKEN_REQUEST_URL is set for jobs with the permission `id-token: write`, and never for pull requests of forks",
    fix: &[
        "give the job `permissions: {id-token: write, contents: read}`",
        "in a pull request of a fork there is no token: run the job elsewhere",
    ],
    rule: "GitHub, \"OpenID Connect\": permissions, id-token: write; configure-aws-credentials#564",
};
