//! Causes in web identity (OIDC).

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] =
    &[&WI_HALF, &WI_NOFILE, &WI_EACCES, &WI_EXPIRED, &WI_AUD, &WI_ISSUER, &WI_JWKS, &WI_TRUST, &WI_TOKEN];

/// A web identity token file without a role.
pub static WI_HALF: Cause = Cause {
    code: "WI-HALF",
    title: "a web identity token file without a role",
    why: "the token is exchanged for a role's credentials, and no role is named",
    fix: &["set AWS_ROLE_ARN, or role_arn beside web_identity_token_file"],
};

/// The web identity token file does not exist.
pub static WI_NOFILE: Cause = Cause {
    code: "WI-NOFILE",
    title: "the web identity token file does not exist",
    why: "whoever mounts or writes the token has not done so",
    fix: &["look at the path; in Kubernetes, at the projected volume and its mount"],
};

/// The web identity token file cannot be read.
pub static WI_EACCES: Cause = Cause {
    code: "WI-EACCES",
    title: "the web identity token file cannot be read",
    why: "this user has no permission to read it",
    fix: &["set fsGroup in the pod's security context, or chown the file"],
};

/// The web identity token is expired.
pub static WI_EXPIRED: Cause = Cause {
    code: "WI-EXPIRED",
    title: "the web identity token is expired",
    why: "whoever writes the token file has stopped renewing it",
    fix: &["look at what writes the file; in Kubernetes, restart the pod"],
};

/// The web identity token is for another audience.
pub static WI_AUD: Cause = Cause {
    code: "WI-AUD",
    title: "the web identity token is for another audience",
    why: "AWS accepts tokens whose audience is a client id of the identity provider, usually sts.amazonaws.com",
    fix: &["request the token with the audience that the provider in IAM lists"],
};

/// AWS does not know the issuer of the web identity token.
pub static WI_ISSUER: Cause = Cause {
    code: "WI-ISSUER",
    title: "AWS does not know the issuer of the web identity token",
    why: "there is no IAM identity provider for this issuer in the role's account",
    fix: &["create the OIDC provider for the token's issuer in IAM"],
};

/// AWS could not fetch the issuer's keys.
pub static WI_JWKS: Cause = Cause {
    code: "WI-JWKS",
    title: "AWS could not fetch the issuer's keys",
    why: "the token cannot be verified without them",
    fix: &["make the issuer's JWKS address reachable from the internet; try again"],
};

/// The role's trust policy does not accept this web identity.
pub static WI_TRUST: Cause = Cause {
    code: "WI-TRUST",
    title: "the role's trust policy does not accept this web identity",
    why: "AWS verified the token and refused the role",
    fix: &["allow the token's subject and audience in the role's trust policy"],
};

/// The web identity token is not a token.
pub static WI_TOKEN: Cause = Cause {
    code: "WI-TOKEN",
    title: "the web identity token is not a token",
    why: "AWS could not parse it",
    fix: &["look at what writes the token file: it must hold one JWT and nothing else"],
};
