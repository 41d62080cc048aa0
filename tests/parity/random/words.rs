//! What may stand in files and variables: for each name the values that are tried, good ones first.

use super::dice::Dice;

pub const APP: &str = "arn:aws:iam::123456789012:role/app";
pub const MID: &str = "arn:aws:iam::123456789012:role/mid";
pub const LOW: &str = "arn:aws:iam::210987654321:role/path/low";

/// Key id and secret of each user that the fake STS knows.
pub const USERS: [(&str, &str); 5] = [
    ("AKIAFILEFILEFILE0001", "secret-of-file"),
    ("AKIACONFCONFCONF0001", "secret-of-conf"),
    ("AKIABASEBASEBASE0001", "secret-of-base"),
    ("AKIAENVENVENVENV0001", "secret-of-env"),
    ("AKIAPROCPROCPROC0001", "secret-of-proc"),
];

pub const START_URL: &str = "https://corp.awsapps.com/start";

const REGIONS: &[&str] = &[
    "eu-west-1",
    "us-east-1",
    "ap-south-1",
    "us-west-2",
    "eu-central-1",
    "eu-south-1",
    "cn-north-1",
    "us-gov-west-1",
    "aws-global",
    "nowhere",
    "EU-WEST-1",
    "eu_west_1",
    "us-east-1-fips",
    "eu-west-1.example.com",
    "",
];
const URLS: &[&str] = &[
    "{AWS}",
    "{AWS}/",
    "{AWS}/path",
    "http://127.0.0.1:1",
    "http://localhost:{PORT}",
    "127.0.0.1:{PORT}",
    "nothing",
    "http://",
    "ftp://127.0.0.1:{PORT}",
    "",
];
const KEY_IDS: &[&str] = &[
    "AKIAFILEFILEFILE0001",
    "AKIACONFCONFCONF0001",
    "AKIABASEBASEBASE0001",
    "AKIAENVENVENVENV0001",
    "AKIAGONE",
    "",
];
const SECRETS: &[&str] = &[
    "secret-of-file",
    "secret-of-conf",
    "secret-of-base",
    "secret-of-env",
    "=s=",
    "wrong",
    "",
    "#s",
    "s ; t",
    "ü",
];
const TOKENS: &[&str] = &["token-of-mine", "t", "", "t=="];
const SWITCHES: &[&str] = &["true", "false", "True", "TRUE", "1", "yes", "x", ""];
const ACCOUNTS: &[&str] = &["666666666666", "123456789012", "12", "x", ""];
const NUMBERS: &[&str] = &["1", "2", "0", "-1", "x", "1.5", "", " 1", "1_0"];
const MOMENTS: &[&str] =
    &["{+7200}", "2099-01-01T00:00:00Z", "{-60}", "2099-01-01T00:00:00", "soon", "", "4070908800"];
const FILES: &[&str] =
    &["{HOME}/other", "~/other", "$HOME/other", "other", "{HOME}/gone", "{HOME}", "/dev/null", ""];

/// Keys of profiles.
pub const PROFILE: &[(&str, &[&str])] = &[
    ("region", REGIONS),
    ("role_arn", &[APP, MID, LOW, "arn:aws-cn:iam::123456789012:role/app", "app", ""]),
    ("source_profile", &["base", "default", "dev", "mid", "gone", ""]),
    (
        "credential_source",
        &["Environment", "EcsContainer", "Ec2InstanceMetadata", "environment", "Nothing", ""],
    ),
    ("web_identity_token_file", &["{HOME}/token", "~/token", "$HOME/token", "token", "{HOME}/gone", ""]),
    ("role_session_name", &["me", "a@b=c,d.e-f_g", "a b", "ü", "x", ""]),
    ("external_id", &["id-1", "id/2:3@4", "a b", ""]),
    ("duration_seconds", &["900", "3600", "43200", " 1800", "899", "-1", "3600.0", "1_000", "x", ""]),
    ("mfa_serial", &["arn:aws:iam::123456789012:mfa/me", "GAHT12345678", ""]),
    ("aws_access_key_id", KEY_IDS),
    ("aws_session_token", TOKENS),
    ("aws_security_token", TOKENS),
    ("aws_account_id", ACCOUNTS),
    ("credential_process", PROCESSES),
    ("sso_session", &["corp", "other corp", "gone", ""]),
    ("sso_start_url", &[START_URL, "https://corp.awsapps.com/start/#", "https://other.example", ""]),
    ("sso_region", REGIONS),
    ("sso_account_id", ACCOUNTS),
    ("sso_role_name", &["Reader", "Admin Role", "", "r/w"]),
    ("login_session", &["me", "arn:aws:iam::123456789012:user/somebody", "gone", ""]),
    ("endpoint_url", URLS),
    ("services", &["local", "gone", ""]),
    ("ignore_configured_endpoint_urls", SWITCHES),
    ("sts_regional_endpoints", &["regional", "legacy", "Legacy", "x", ""]),
    ("use_fips_endpoint", SWITCHES),
    ("use_dualstack_endpoint", SWITCHES),
    ("max_attempts", NUMBERS),
    ("retry_mode", &["standard", "legacy", "adaptive", "x", ""]),
    ("defaults_mode", &["standard", "legacy", "auto", "in-region", "x", ""]),
    ("metadata_service_timeout", NUMBERS),
    ("metadata_service_num_attempts", &["1", "2", "0", "-1", "x", "1.5", ""]),
    ("ec2_metadata_v1_disabled", SWITCHES),
    ("ec2_metadata_service_endpoint_mode", &["ipv4", "ipv6", "IPv4", "x", ""]),
    ("output", &["json", "x"]),
    ("cli_pager", &["", "less"]),
    ("s3", &["\n  addressing_style = path", "x", "\n  region = us-west-2"]),
    ("account_id_endpoint_mode", &["preferred", "disabled", "x"]),
];

pub const PROCESSES: &[&str] = &[
    "sh {HOME}/helper",
    "sh \"{HOME}/helper\"",
    "/bin/sh {HOME}/helper one 'a b'",
    "sh ~/helper",
    "sh $HOME/helper",
    "sh '{HOME}/helper",
    "sh {HOME}/gone",
    "false",
    "nothing-of-that-name",
    "echo {}",
    "",
];

/// Variables; the profile's are chosen with the machine.
pub const VARIABLES: &[(&str, &[&str])] = &[
    ("AWS_PROFILE", &["dev", "default", "base", "gone", "", " dev"]),
    ("AWS_DEFAULT_PROFILE", &["dev", "default", "base", "gone", ""]),
    ("AWS_REGION", REGIONS),
    ("AWS_DEFAULT_REGION", REGIONS),
    ("AWS_ACCESS_KEY_ID", KEY_IDS),
    ("AWS_SECRET_ACCESS_KEY", SECRETS),
    ("AWS_SESSION_TOKEN", TOKENS),
    ("AWS_SECURITY_TOKEN", TOKENS),
    ("AWS_CREDENTIAL_EXPIRATION", MOMENTS),
    ("AWS_ACCOUNT_ID", ACCOUNTS),
    ("AWS_SHARED_CREDENTIALS_FILE", FILES),
    ("AWS_CONFIG_FILE", FILES),
    ("AWS_CREDENTIAL_FILE", &["{HOME}/keys", "~/keys", "{HOME}/gone", "{HOME}", ""]),
    ("BOTO_CONFIG", &["{HOME}/boto", "~/boto", "{HOME}/gone", "{HOME}", ""]),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", &["{HOME}/token", "~/token", "{HOME}/gone", "{HOME}", ""]),
    ("AWS_ROLE_ARN", &[APP, MID, "app", ""]),
    ("AWS_ROLE_SESSION_NAME", &["me", "a b", "ü", ""]),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        &[
            "{CONTAINER}/creds",
            "{CONTAINER}",
            "http://localhost:{PORT}/container/creds",
            "http://127.0.0.1:1/",
            "creds",
            "",
        ],
    ),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &["letmein", "Basic letmein", "let\nmein", " letmein ", ""]),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &["{HOME}/auth", "{HOME}/gone", "{HOME}", ""]),
    ("AWS_ENDPOINT_URL", URLS),
    ("AWS_ENDPOINT_URL_STS", URLS),
    ("AWS_ENDPOINT_URL_SSO", URLS),
    ("AWS_ENDPOINT_URL_SSO_OIDC", URLS),
    ("AWS_ENDPOINT_URL_SIGNIN", URLS),
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", SWITCHES),
    ("AWS_STS_REGIONAL_ENDPOINTS", &["regional", "legacy", "Legacy", "x", ""]),
    ("AWS_USE_FIPS_ENDPOINT", SWITCHES),
    ("AWS_USE_DUALSTACK_ENDPOINT", SWITCHES),
    ("AWS_MAX_ATTEMPTS", NUMBERS),
    ("AWS_RETRY_MODE", &["standard", "legacy", "adaptive", "x", ""]),
    ("AWS_DEFAULTS_MODE", &["standard", "legacy", "auto", "mobile", "x", ""]),
    ("AWS_METADATA_SERVICE_TIMEOUT", &["3", "2", "x", "0", "-1", "2.5", ""]),
    ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", &["1", "2", "0", "-1", "x", "1.5", ""]),
    ("AWS_EC2_METADATA_V1_DISABLED", SWITCHES),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", &["ipv4", "ipv6", "IPv4", "x", ""]),
    ("AWS_LOGIN_CACHE_DIRECTORY", &["{HOME}/.aws/login/cache", "~/.aws/login/cache", "{HOME}/gone", ""]),
    ("AWS_SDK_LOAD_CONFIG", &["0", "1"]),
    ("AWS_SDK_UA_APP_ID", &["app", ""]),
    ("AWS_EXECUTION_ENV", &["AWS_Lambda_python3.12", "CloudShell"]),
];

/// Of a table: a name, and a value that is as likely the first one as any other.
pub fn word(dice: &mut Dice, table: &[(&'static str, &[&'static str])]) -> (&'static str, &'static str) {
    let (name, values) = dice.pick(table);
    (name, dice.usually(50, values))
}

/// Another value for a name of the tables.
pub fn value_of(dice: &mut Dice, name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    if name == "aws_secret_access_key" {
        return Some(dice.pick(SECRETS));
    }
    let mut all = PROFILE.iter().chain(VARIABLES);
    let (_, values) = all.find(|(known, _)| known.eq_ignore_ascii_case(&name))?;
    Some(dice.pick(values))
}

/// What a helper prints.
pub const PRINTED: &[&str] = &[
    r#"{"Version": 1, "AccessKeyId": "AKIAPROCPROCPROC0001", "SecretAccessKey": "secret-of-proc"}"#,
    r#"{"Version": 1, "AccessKeyId": "AKIAPROCPROCPROC0001", "SecretAccessKey": "secret-of-proc", "SessionToken": "token-of-proc", "Expiration": "2099-01-01T00:00:00Z"}"#,
    r#"{"Version": 1, "AccessKeyId": "AKIAPROCPROCPROC0001", "SecretAccessKey": "secret-of-proc", "SessionToken": "token-of-proc", "Expiration": "{+7200}", "AccountId": "444444444444"}"#,
    r#"{"Version": 1, "AccessKeyId": "AKIAPROCPROCPROC0001", "SecretAccessKey": "secret-of-proc", "AccountId": "444444444444", "More": {"x": [1, null]}}"#,
];

/// Token files of SSO sign-ins.
pub const SSO_CACHES: &[&str] = &[
    r#"{"startUrl": "https://corp.awsapps.com/start", "region": "eu-west-1", "accessToken": "sso-token-of-corp", "expiresAt": "{+3600}"}"#,
    r#"{"startUrl": "https://corp.awsapps.com/start", "region": "eu-west-1", "accessToken": "sso-token-of-corp", "expiresAt": "{+3600}", "refreshToken": "sso-refresh-token-1", "clientId": "client-1", "clientSecret": "sso-client-secret-1", "registrationExpiresAt": "{+9999}"}"#,
    r#"{"startUrl": "https://corp.awsapps.com/start", "region": "eu-west-1", "accessToken": "sso-token-of-corp", "expiresAt": "{+700}", "refreshToken": "sso-refresh-token-1", "clientId": "client-1", "clientSecret": "sso-client-secret-1", "registrationExpiresAt": "{+9999}"}"#,
    r#"{"startUrl": "https://corp.awsapps.com/start", "region": "eu-west-1", "accessToken": "sso-token-of-corp", "expiresAt": "{-3600}", "refreshToken": "sso-refresh-token-1", "clientId": "client-1", "clientSecret": "sso-client-secret-1", "registrationExpiresAt": "{+9999}"}"#,
    r#"{"accessToken": "sso-token-of-corp", "expiresAt": "2099-01-31T12:00:00UTC"}"#,
    r#"{"startUrl": "https://corp.awsapps.com/start", "region": "eu-west-1", "accessToken": "sso-token-of-corp", "expiresAt": "{-3600}", "refreshToken": "sso-refresh-token-1", "clientId": "client-1", "clientSecret": "sso-client-secret-1", "registrationExpiresAt": "{-60}"}"#,
    r#"{"accessToken": "sso-token-of-corp", "expiresAt": "{-60}"}"#,
];

/// Files of `aws login` sessions.
pub const LOGIN_CACHES: &[&str] = &[
    r#"{"accessToken": {"accessKeyId": "ASIALOGINLOGINLOGIN1", "secretAccessKey": "secret-of-login-1", "sessionToken": "token-of-login-1", "accountId": "123456789012", "expiresAt": "{+3600}"}, "refreshToken": "login-refresh-token-1", "dpopKey": "{KEY}", "clientId": "arn:aws:signin:::devtools/same-device"}"#,
    r#"{"accessToken": {"accessKeyId": "ASIALOGINLOGINLOGIN1", "secretAccessKey": "secret-of-login-1", "sessionToken": "token-of-login-1", "accountId": "210987654321", "expiresAt": "{+120}"}, "refreshToken": "login-refresh-token-1", "dpopKey": "{KEY}", "clientId": "arn:aws:signin:::devtools/same-device", "idToken": "x"}"#,
    r#"{"accessToken": {"accessKeyId": "ASIALOGINLOGINLOGIN1", "secretAccessKey": "secret-of-login-1", "sessionToken": "token-of-login-1", "accountId": "123456789012", "expiresAt": "{-60}"}, "refreshToken": "login-refresh-token-1", "dpopKey": "{KEY}", "clientId": "arn:aws:signin:::devtools/same-device"}"#,
];

/// What a container endpoint or instance metadata says in place of credentials.
pub const BODIES: &[&str] = &[
    r#"{"Code": "Success", "AccessKeyId": "ASIABODYBODYBODY0001", "SecretAccessKey": "secret-of-body", "Token": "token-of-body", "Expiration": "{2099}"}"#,
    r#"{"Code": "Success", "AccessKeyId": "ASIABODYBODYBODY0001", "SecretAccessKey": "secret-of-body", "Token": "token-of-body", "Expiration": "2099-01-01T00:00:00Z", "AccountId": "777777777777"}"#,
    r#"{"AccessKeyId": "ASIABODYBODYBODY0001", "SecretAccessKey": "secret-of-body", "Token": "token-of-body", "Expiration": "2020-01-01T00:00:00Z"}"#,
    r#"{"AccessKeyId": "ASIABODYBODYBODY0001", "SecretAccessKey": "secret-of-body"}"#,
    r#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "no"}"#,
    r#"{"AccessKeyId": 1, "SecretAccessKey": "secret-of-body", "Token": "token-of-body", "Expiration": "2099-01-01T00:00:00Z"}"#,
    "[]",
    "null",
    "",
    "<html>",
    "{}",
];
