//! The private copy of the AWS config for an application of ours: a profile's settings without its credentials.

use std::fmt::Write as _;

use super::sh;

/// Whether a profile's key yields credentials or leads to some. The rest (region, output, retries, endpoints) is what
/// a private copy of the config keeps.
#[must_use]
pub fn yields_credentials(key: &str) -> bool {
    const KEYS: [&str; 17] = [
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_security_token",
        "aws_credential_expiration",
        "aws_account_id",
        "role_arn",
        "role_session_name",
        "source_profile",
        "credential_source",
        "external_id",
        "mfa_serial",
        "duration_seconds",
        "web_identity_token_file",
        "credential_process",
        "login_session",
        "sso_session",
    ];
    KEYS.contains(&key) || key.starts_with("sso_")
}

/// A config file in which `[default]` has a profile's settings without anything that yields credentials, and the
/// `[services NAME]` section that the profile names, if there is one. Values are as botocore's parser gives them: a
/// block below a key begins with a line break.
pub fn private_config<'v>(
    settings: impl IntoIterator<Item = (&'v str, &'v str)>,
    services: Option<(&str, &[(&str, &str)])>,
) -> String {
    let mut text = String::from("[default]\n");
    for (key, value) in settings.into_iter().filter(|(key, _)| !yields_credentials(key)) {
        entry(&mut text, key, value);
    }
    if let Some((name, settings)) = services {
        text.push_str(&format!("[services {}]\n", sh(name)));
        for (key, value) in settings {
            entry(&mut text, key, value);
        }
    }
    text
}

fn entry(text: &mut String, key: &str, value: &str) {
    let mut lines = value.split('\n');
    let _infallible = writeln!(text, "{key} = {}", lines.next().unwrap_or_default().trim());
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        let _infallible = writeln!(text, "    {line}");
    }
}
