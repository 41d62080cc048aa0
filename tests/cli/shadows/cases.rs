//! Applications as a table: their variables and files, and whether they come to the agent.

use super::KEYS;

const ID: (&str, &str) = KEYS[0];
const SECRET: (&str, &str) = KEYS[1];
const OF_DEFAULT: &str =
    "[default]\naws_access_key_id = AKIAOFAFILE000000001\naws_secret_access_key = a-secret-of-the-file\n";
const OF_BOTO: &str =
    "[Credentials]\naws_access_key_id = AKIAOFAFILE000000001\naws_secret_access_key = a-secret-of-the-file\n";
const FIRST: &str = "AWSAccessKeyId=AKIAOFAFILE000000001\nAWSSecretKey=a-secret-of-the-file\n";
const CREDENTIALS: &str = ".aws/credentials";
const CONFIG: &str = ".aws/config";
const WEB: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

/// What boto3 does and what we say, of one application.
pub(super) struct Case {
    pub what: &'static str,
    pub vars: Vec<(&'static str, Option<&'static str>)>,
    pub files: Vec<(&'static str, &'static str)>,
    /// Whether it comes to the agent.
    pub comes: bool,
}

fn case(
    comes: bool,
    what: &'static str,
    vars: &[(&'static str, &'static str)],
    files: &[(&'static str, &'static str)],
) -> Case {
    let vars = vars.iter().map(|(name, value)| (*name, Some(*value))).collect();
    Case { what, vars, files: files.to_vec(), comes }
}

/// `~` in a value is the application's home.
pub(super) fn cases() -> Vec<Case> {
    [variables(), profiles(), older_files(), wiring()].into_iter().flatten().collect()
}

/// Keys, profiles that are nowhere, and web identities.
fn variables() -> Vec<Case> {
    vec![
        case(true, "nothing more", &[], &[]),
        case(false, "both keys", &[ID, SECRET], &[]),
        case(false, "a key id", &[ID], &[]),
        case(false, "a key id and an empty secret", &[ID, (SECRET.0, "")], &[]),
        case(true, "an empty key id", &[(ID.0, ""), SECRET], &[]),
        case(true, "a secret", &[SECRET], &[]),
        case(true, "keys under other names", &[("AWS_ACCESS_KEY", ID.1), ("AWS_SECRET_KEY", SECRET.1)], &[]),
        case(false, "an unknown profile", &[("AWS_PROFILE", "gone")], &[]),
        case(false, "an empty profile", &[("AWS_PROFILE", "")], &[]),
        case(false, "an older variable's profile", &[("AWS_DEFAULT_PROFILE", "gone")], &[]),
        case(false, "a default that is nowhere", &[("AWS_PROFILE", "default")], &[]),
        case(false, "a web identity", &[(WEB, "~/gone"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")], &[]),
        case(false, "a web identity without role", &[(WEB, "~/gone")], &[]),
        case(true, "a role without web identity", &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")], &[]),
        case(true, "an empty web identity", &[(WEB, ""), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")], &[]),
        case(
            true,
            "an empty web identity over a profile's",
            &[(WEB, "")],
            &[(CONFIG, "[default]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /gone\n")],
        ),
    ]
}

/// What the AWS files say.
fn profiles() -> Vec<Case> {
    vec![
        case(
            true,
            "a profile with a region",
            &[("AWS_PROFILE", "p")],
            &[(CONFIG, "[profile p]\nregion = eu-west-1\n")],
        ),
        case(
            true,
            "a profile with a region, and keys of another",
            &[("AWS_PROFILE", "p")],
            &[(CONFIG, "[profile p]\nregion = eu-west-1\n"), (CREDENTIALS, OF_DEFAULT)],
        ),
        case(
            false,
            "a profile with keys",
            &[("AWS_PROFILE", "p")],
            &[(
                CONFIG,
                "[profile p]\naws_access_key_id = AKIA\naws_secret_access_key = a-secret-of-the-file\n",
            )],
        ),
        case(
            true,
            "the older variable before the newer",
            &[("AWS_DEFAULT_PROFILE", "p"), ("AWS_PROFILE", "gone")],
            &[(CONFIG, "[profile p]\nregion = eu-west-1\n")],
        ),
        case(false, "keys of the default profile", &[], &[(CREDENTIALS, OF_DEFAULT)]),
        case(false, "keys of the default profile in config", &[], &[(CONFIG, OF_DEFAULT)]),
        case(
            true,
            "such keys out of sight",
            &[("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")],
            &[(CREDENTIALS, OF_DEFAULT)],
        ),
        case(
            false,
            "a role without source",
            &[],
            &[(CONFIG, "[default]\nrole_arn = arn:aws:iam::1:role/r\n")],
        ),
        case(false, "a process", &[], &[(CONFIG, "[default]\ncredential_process = false\n")]),
        case(
            true,
            "a secret in a file",
            &[],
            &[(CREDENTIALS, "[default]\naws_secret_access_key = a-secret-of-the-file\n")],
        ),
        case(false, "a file that is none", &[], &[(CREDENTIALS, "no section\n")]),
        case(false, "half of SSO", &[], &[(CONFIG, "[default]\nsso_account_id = 1\n")]),
        case(false, "a sign-in", &[], &[(CONFIG, "[default]\nlogin_session = arn:aws:iam::1:user/u\n")]),
    ]
}

/// Those of boto 2 and of the first tools.
fn older_files() -> Vec<Case> {
    vec![
        case(false, "boto's file", &[], &[(".boto", OF_BOTO)]),
        case(false, "boto's file by its variable", &[("BOTO_CONFIG", "~/b")], &[("b", OF_BOTO)]),
        case(true, "boto's file without keys", &[], &[(".boto", "[Boto]\ndebug = 0\n")]),
        case(true, "boto's file out of sight", &[("BOTO_CONFIG", "/dev/null")], &[(".boto", OF_BOTO)]),
        case(false, "a boto file that is none", &[], &[(".boto", "no section\n")]),
        case(false, "the first tools' file", &[("AWS_CREDENTIAL_FILE", "~/f")], &[("f", FIRST)]),
        case(false, "the first tools' file is gone", &[("AWS_CREDENTIAL_FILE", "~/f")], &[]),
        case(
            true,
            "the first tools' file without keys",
            &[("AWS_CREDENTIAL_FILE", "~/f")],
            &[("f", "x = y\n")],
        ),
    ]
}

/// The container endpoint's own variables.
fn wiring() -> Vec<Case> {
    let without = |what, name| Case { what, vars: vec![(name, None)], files: Vec::new(), comes: false };
    vec![
        case(false, "a relative address", &[(RELATIVE, "/v2/credentials")], &[]),
        case(false, "an empty relative address", &[(RELATIVE, "")], &[]),
        case(false, "a token file that is gone", &[(TOKEN_FILE, "/gone")], &[]),
        case(false, "a token with a line break", &[(TOKEN_FILE, "~/t")], &[("t", "a-token\n")]),
        without("no token", TOKEN_FILE),
        without("no address", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        case(false, "another address", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")], &[]),
        case(true, "a token beside its file", &[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another")], &[]),
        case(
            true,
            "a proxy",
            &[("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")],
            &[],
        ),
    ]
}
