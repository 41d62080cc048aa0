//! Causes in what `aws sso login` and `aws login` left behind.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &SSO_CONFIG,
    &SSO_NOLOGIN,
    &SSO_EXPIRED,
    &SSO_REVOKED,
    &SSO_DENIED,
    &SSO_CACHE,
    &SSO_STALE_CACHE,
    &SSO_DUE,
    &LOGIN_NOLOGIN,
    &LOGIN_EXPIRED,
    &LOGIN_CHANGED,
    &LOGIN_DENIED,
    &LOGIN_CACHE,
    &LOGIN_DUE,
    &LOGIN_UNSUPPORTED,
];

/// The SSO settings of the profile do not fit together.
pub static SSO_CONFIG: Cause = Cause {
    code: "SSO-CONFIG",
    title: "the SSO settings of the profile do not fit together",
    why: "sso_account_id, sso_role_name, sso_start_url and sso_region are all needed, and a setting that both the profile and its sso-session have must say the same",
    fix: &["complete the profile or its [sso-session NAME] section; `aws configure sso` writes both"],
    rule: "botocore `SSOProvider._load_sso_config`",
};

/// Nobody has signed in to SSO here.
pub static SSO_NOLOGIN: Cause = Cause {
    code: "SSO-NOLOGIN",
    title: "nobody has signed in to SSO here",
    why: "the file in which a sign-in keeps its token is not there: each user has files of their own",
    fix: &["run `aws sso login` for this profile, as the user this runs as"],
    rule: "botocore `SSOTokenLoader.__call__`; aws-sdk-java-v2#4830",
};

/// The SSO sign-in has ended.
pub static SSO_EXPIRED: Cause = Cause {
    code: "SSO-EXPIRED",
    title: "the SSO sign-in has ended",
    why: "its token is expired and could not be refreshed: it has no refresh token, its registration has ended, or AWS refused",
    fix: &["run `aws sso login` again"],
    rule: "botocore `SSOTokenProvider._refresher`; boto3#4119",
};

/// AWS does not accept the SSO token, though it is not expired.
pub static SSO_REVOKED: Cause = Cause {
    code: "SSO-REVOKED",
    title: "AWS does not accept the SSO token, though it is not expired",
    why: "somebody signed out or ended the session, or the token is of another SSO instance or region",
    fix: &["run `aws sso login` again", "compare sso_region and sso_start_url with those of the sign-in"],
    rule: "botocore `SSOCredentialFetcher._get_credentials`; aws-sso-util#74",
};

/// SSO does not give this role of this account.
pub static SSO_DENIED: Cause = Cause {
    code: "SSO-DENIED",
    title: "SSO does not give this role of this account",
    why: "whoever signed in is not assigned to it, or the account or role does not exist",
    fix: &[
        "compare sso_account_id and sso_role_name with what the SSO start page offers",
        "have the permission set assigned",
    ],
    rule: "AWS SSO portal, `GetRoleCredentials`: ForbiddenException",
};

/// The file of an SSO sign-in cannot be used.
pub static SSO_CACHE: Cause = Cause {
    code: "SSO-CACHE",
    title: "the file of an SSO sign-in cannot be used",
    why: "it cannot be read or written, or holds something else than a token",
    fix: &["run `aws sso login` again, and see to it that this user may write the file and its folder"],
    rule: "botocore `SSOTokenLoader`, `JSONFileCache`",
};

/// The SSO token is due to be refreshed.
pub static SSO_DUE: Cause = Cause {
    code: "SSO-DUE",
    title: "the SSO token is due to be refreshed",
    why: "explain changes nothing, so it does not refresh it; the agent, `keyfob get` and the AWS CLI do",
    fix: &["run `keyfob get` for this profile: if that fails, it says why"],
    rule: "botocore `SSOTokenProvider._is_expired`; explain changes nothing",
};

/// Nobody has signed in with `aws login` here.
pub static LOGIN_NOLOGIN: Cause = Cause {
    code: "LOGIN-NOLOGIN",
    title: "nobody has signed in with `aws login` here",
    why: "the file in which a sign-in keeps its credentials is not there: each user has files of their own",
    fix: &["run `aws login` for this profile, as the user this runs as"],
    rule: "botocore `LoginCredentialFetcher.load_cached_credentials`",
};

/// The `aws login` sign-in has ended.
pub static LOGIN_EXPIRED: Cause = Cause {
    code: "LOGIN-EXPIRED",
    title: "the `aws login` sign-in has ended",
    why: "it lasts twelve hours at most, and its refresh token is good no longer",
    fix: &["run `aws login` again"],
    rule: "botocore `LoginCredentialFetcher.refresh_credentials`: TOKEN_EXPIRED",
};

/// Whoever signed in with `aws login` has changed.
pub static LOGIN_CHANGED: Cause = Cause {
    code: "LOGIN-CHANGED",
    title: "the password of whoever signed in with `aws login` has changed",
    why: "a sign-in ends when the credentials that it was made with change",
    fix: &["run `aws login` again"],
    rule: "botocore `LoginCredentialFetcher.refresh_credentials`: USER_CREDENTIALS_CHANGED",
};

/// AWS does not prolong the `aws login` sign-in.
pub static LOGIN_DENIED: Cause = Cause {
    code: "LOGIN-DENIED",
    title: "AWS does not prolong the `aws login` sign-in",
    why: "whoever signed in lacks signin:CreateOAuth2Token, or the sign-in does not belong to this region",
    fix: &["have the permission granted", "run `aws login` again"],
    rule: "botocore `LoginCredentialFetcher.refresh_credentials`: INSUFFICIENT_PERMISSIONS",
};

/// The file of an `aws login` sign-in cannot be used.
pub static LOGIN_CACHE: Cause = Cause {
    code: "LOGIN-CACHE",
    title: "the file of an `aws login` sign-in cannot be used",
    why: "it cannot be read or written, or holds something else than what `aws login` leaves",
    fix: &["run `aws login` again, and see to it that this user may write the file and its folder"],
    rule: "botocore `LoginCredentialFetcher.load_cached_credentials`",
};

/// The credentials of `aws login` are due to be refreshed.
pub static LOGIN_DUE: Cause = Cause {
    code: "LOGIN-DUE",
    title: "the credentials of `aws login` are due to be refreshed",
    why: "explain changes nothing, so it does not refresh them; the agent, `keyfob get` and the AWS CLI do",
    fix: &["run `keyfob get` for this profile: if that fails, it says why"],
    rule: "botocore `LoginCredentialFetcher`; explain changes nothing",
};

/// The sign-in that is there is kept under another name.
pub static SSO_STALE_CACHE: Cause = Cause {
    code: "SSO-STALE-CACHE",
    title: "the sign-in that is there is kept under another name",
    why: "a token is kept under the name of the sso-session, or else under the start URL: a sign-in for the one is none for the other",
    fix: &["run `aws sso login` for this very profile"],
    rule: "botocore `SSOTokenLoader._generate_cache_key`",
};

/// The SDK does not know `aws login`.
pub static LOGIN_UNSUPPORTED: Cause = Cause {
    code: "LOGIN-UNSUPPORTED",
    title: "the SDK does not know `aws login`",
    why: "login_session is read by recent SDKs only, by boto3 with botocore[crt]; others find nothing in such a profile",
    fix: &[
        "let the program ask keyfob, which reads login_session",
        "or put credential_process = keyfob get --profile NAME --output process into a profile of its own",
    ],
    rule: "aws-cli#9949, terraform-provider-aws#45316",
};
