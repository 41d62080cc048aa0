//! What STS demands of the parameters of a call.

use super::Form;
use super::xml::Refusal;

/// The ARN of an IAM role, taken apart.
pub struct RoleArn {
    pub arn: String,
    pub account: String,
    pub name: String,
}

impl RoleArn {
    pub fn of(form: &Form) -> Result<RoleArn, Refusal> {
        let arn =
            form.get("RoleArn").ok_or_else(|| constraint("null", "roleArn", "Member must not be null"))?;
        if arn.len() < 20 {
            let want = "Member must have length greater than or equal to 20";
            return Err(constraint(arn, "roleArn", want));
        }
        RoleArn::parse(arn).ok_or_else(|| Refusal::invalid(format!("{arn} is invalid")))
    }

    fn parse(arn: &str) -> Option<RoleArn> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", "aws" | "aws-cn" | "aws-us-gov", "iam", "", account, resource] = parts[..] else {
            return None;
        };
        let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let path = resource.strip_prefix("role/")?;
        let name = path.rsplit('/').next()?;
        (digits && !name.is_empty()).then(|| RoleArn {
            arn: arn.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
        })
    }
}

pub fn session_name(form: &Form) -> Result<&str, Refusal> {
    let name = form
        .get("RoleSessionName")
        .ok_or_else(|| constraint("null", "roleSessionName", "Member must not be null"))?;
    if name.len() < 2 {
        let want = "Member must have length greater than or equal to 2";
        return Err(constraint(name, "roleSessionName", want));
    }
    if name.len() > 64 {
        let want = "Member must have length less than or equal to 64";
        return Err(constraint(name, "roleSessionName", want));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !name.chars().all(allowed) {
        let want = "Member must satisfy regular expression pattern: [\\w+=,.@-]*";
        return Err(constraint(name, "roleSessionName", want));
    }
    Ok(name)
}

pub fn external_id(form: &Form) -> Result<(), Refusal> {
    match form.get("ExternalId") {
        Some(id) if id.len() < 2 => {
            let want = "Member must have length greater than or equal to 2";
            Err(constraint(id, "externalId", want))
        }
        _ => Ok(()),
    }
}

pub fn web_identity_token(form: &Form) -> Result<&str, Refusal> {
    let token = form
        .get("WebIdentityToken")
        .ok_or_else(|| constraint("null", "webIdentityToken", "Member must not be null"))?;
    if token.len() < 4 {
        // AWS masks the value of this one.
        let want = "Member must have length greater than or equal to 4";
        return Err(constraint("", "webIdentityToken", want));
    }
    Ok(token)
}

pub fn duration(form: &Form, most: i64) -> Result<Option<i64>, Refusal> {
    let Some(text) = form.get("DurationSeconds") else {
        return Ok(None);
    };
    let Ok(seconds) = text.parse::<i64>() else {
        let want = format!("{text} is not a valid integer");
        return Err(Refusal::new(400, "MalformedInput", want));
    };
    if seconds < 900 {
        let want = "Member must have value greater than or equal to 900";
        return Err(constraint(text, "durationSeconds", want));
    }
    if seconds > most {
        let want = format!("Member must have value less than or equal to {most}");
        return Err(constraint(text, "durationSeconds", &want));
    }
    Ok(Some(seconds))
}

pub fn mfa(form: &Form, code: &str) -> Result<(), Refusal> {
    let given = form.get("TokenCode").map(String::as_str);
    match (form.get("SerialNumber"), given) {
        (None, None) => Ok(()),
        (Some(_), Some(given)) if given == code => Ok(()),
        (Some(_), Some(_)) => {
            Err(Refusal::denied("MultiFactorAuthentication failed with invalid MFA one time pass code. "))
        }
        _ => Err(Refusal::invalid("SerialNumber and TokenCode must both be present or absent")),
    }
}

fn constraint(value: &str, at: &str, want: &str) -> Refusal {
    let value = match value {
        "null" => "null".to_owned(),
        value => format!("'{value}'"),
    };
    Refusal::invalid(format!(
        "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {want}"
    ))
}
