//! Reads what instance metadata hands out: the name of the role, and the document with its credentials.

use serde_json::Value;

use crate::cause;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::http::Answer;
use crate::secret::Secret;
use crate::source::answer::Fields;

pub(super) fn first_line(listed: &Answer) -> Result<String, Failure> {
    let text = listed.text().unwrap_or_default();
    let role = text.trim().lines().next().map(str::trim).unwrap_or_default();
    if role.is_empty() {
        return Err(Failure::denied(&cause::IMDS_NOPROFILE, "instance metadata lists no role"));
    }
    if role.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'?' | b'#' | b'/')) {
        let sentence = format!("instance metadata lists {:?}, which is no role", clipped(role));
        return Err(Failure::malformed(&cause::IMDS_JSON, sentence));
    }
    Ok(role.to_owned())
}

pub(super) fn credentials(role: &str, document: &Answer) -> Result<Credentials, Failure> {
    let strange =
        |why: &str| Failure::malformed(&cause::IMDS_JSON, format!("instance metadata {why} for {role}"));
    let Ok(Value::Object(fields)) = serde_json::from_slice(&document.body) else {
        return Err(strange("answered JSON that is not an object"));
    };
    let code = fields.get("Code").and_then(Value::as_str);
    let fields = Fields(&fields);
    let build = || -> Result<Credentials, String> {
        Ok(Credentials {
            access_key_id: fields.key("AccessKeyId")?,
            secret_access_key: Secret::new(fields.key("SecretAccessKey")?),
            session_token: fields.nullable("Token")?.map(Secret::new),
            expires_at: Some(fields.time("Expiration")?),
            account_id: None,
            role_arn: None,
        })
    };
    match (build(), code) {
        // botocore does not look at Code as long as the fields are there.
        (Ok(found), _) => Ok(found),
        (Err(_), Some(code)) if code != "Success" => Err(no_credentials(role, code)),
        (Err(why), _) => Err(strange(&why)),
    }
}

fn no_credentials(role: &str, code: &str) -> Failure {
    let cause = match code {
        "AssumeRoleUnauthorizedAccess" => &cause::IMDS_TRUST,
        _ => &cause::IMDS_EMPTYPROFILE,
    };
    let code = clipped(code);
    Failure::denied(cause, format!("instance metadata has no credentials for {role}: {code}"))
        .seen("code", code)
}

pub(super) fn clipped(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect()
}
