//! Reads what a process printed: its credentials strictly, its complaints without what could be a secret.

use serde_json::{Map, Value};

use crate::credentials::{AccountId, Credentials};
use crate::secret::Secret;
use crate::source::moment;

/// The credentials in what a process printed.
pub(super) fn credentials(stdout: &[u8], account: Option<&str>) -> Result<Credentials, String> {
    let text = std::str::from_utf8(stdout).map_err(|_| "printed bytes that are not UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Err("printed nothing".to_owned());
    }
    let Ok(Value::Object(mut said)) = serde_json::from_str(text) else {
        return Err("printed something that is not a JSON object".to_owned());
    };
    match said.get("Version") {
        // Python's `!= 1` is as generous.
        Some(Value::Number(number)) if number.as_f64() == Some(1.0) => {}
        Some(Value::Bool(true)) => {}
        Some(_) => return Err("printed a Version that is not the number 1".to_owned()),
        None => return Err("printed no Version".to_owned()),
    }
    let expires_at = match optional(&mut said, "Expiration")? {
        Some(text) => Some(
            moment::parse(&text)
                .ok_or_else(|| "printed an Expiration that is no time with a zone".to_owned())?,
        ),
        None => None,
    };
    let own = match said.remove("AccountId") {
        Some(Value::String(id)) if !id.is_empty() => Some(id),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    Ok(Credentials {
        access_key_id: required(&mut said, "AccessKeyId")?,
        secret_access_key: Secret::new(required(&mut said, "SecretAccessKey")?),
        session_token: optional(&mut said, "SessionToken")?
            .filter(|token| !token.is_empty())
            .map(Secret::new),
        expires_at,
        account_id: own.as_deref().or(account).and_then(AccountId::parse),
        role_arn: None,
    })
}

fn optional(said: &mut Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    match said.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("printed a {field} that is not a string")),
    }
}

fn required(said: &mut Map<String, Value>, field: &str) -> Result<String, String> {
    match optional(said, field)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("printed an empty {field}")),
        None => Err(format!("printed no {field}")),
    }
}

/// The end of stderr as it may be shown: printable, and without what could be a key or a token.
pub(super) fn presentable(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(|line| {
        let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        masked(plain.trim())
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Words after which everything is a secret until the line ends.
const TELLING: [&str; 8] = [
    "secretaccesskey",
    "secret_access_key",
    "sessiontoken",
    "session_token",
    "password",
    "bearer",
    "secret=",
    "token=",
];

fn masked(line: &str) -> String {
    let folded = line.to_ascii_lowercase();
    let told = TELLING.iter().filter_map(|word| folded.find(word).map(|at| at + word.len())).min();
    let (shown, hidden) = line.split_at_checked(told.unwrap_or(line.len())).unwrap_or((line, ""));
    let mut out = String::new();
    let mut run = String::new();
    for c in shown.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-') {
            run.push(c);
            continue;
        }
        out.push_str(if random_looking(&run) { "…" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    if !hidden.is_empty() {
        out.push('…');
    }
    out
}

/// A key id, or what is long and mixed enough for a secret: paths and words rarely are, keys always.
fn random_looking(run: &str) -> bool {
    let has = |test: fn(&u8) -> bool| run.as_bytes().iter().any(test);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let key_id = run.len() >= 16 && ["AKIA", "ASIA"].iter().any(|start| run.starts_with(start));
    key_id
        || (run.len() >= 20 && mixed && has(u8::is_ascii_digit))
        || (run.len() >= 40 && mixed)
        || run.len() >= 100
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row was compared with `ProcessProvider` of botocore 1.43.11, but for the empty keys, which it serves.
    #[test]
    fn output_is_read_as_botocore_reads_it() {
        let told = |text: &str| credentials(text.as_bytes(), Some("999")).map(|found| found.access_key_id);
        let keys = r#""AccessKeyId": "K", "SecretAccessKey": "S""#;
        for good in [
            format!("{{\"Version\": 1, {keys}}}"),
            format!(" \n{{\"Version\": 1.0, {keys}}}\n"),
            format!("{{\"Version\": true, {keys}, \"SessionToken\": null}}"),
            format!("{{\"Version\": 2, \"Version\": 1, {keys}, \"More\": []}}"),
            format!("{{\"Version\": 1, {keys}, \"Expiration\": \"2030-01-31T12:00:00+00:00\"}}"),
        ] {
            assert_eq!(told(&good).as_deref(), Ok("K"), "{good}");
        }
        for bad in [
            String::new(),
            "null".to_owned(),
            "[1]".to_owned(),
            format!("{{{keys}}}"),
            format!("{{\"Version\": 2, {keys}}}"),
            format!("{{\"Version\": \"1\", {keys}}}"),
            format!("{{\"Version\": 1, {keys}}} more"),
            format!("\u{feff}{{\"Version\": 1, {keys}}}"),
            "{\"Version\": 1, \"AccessKeyId\": \"K\"}".to_owned(),
            "{\"Version\": 1, \"SecretAccessKey\": \"S\"}".to_owned(),
            "{\"Version\": 1, \"accesskeyid\": \"K\", \"SecretAccessKey\": \"S\"}".to_owned(),
            format!("{{\"Version\": 1, {keys}, \"Expiration\": \"soon\"}}"),
            format!("{{\"Version\": 1, {keys}, \"Expiration\": \"2030-01-31T12:00:00\"}}"),
            "{\"Version\": 1, \"AccessKeyId\": \"\", \"SecretAccessKey\": \"S\"}".to_owned(),
        ] {
            assert!(told(&bad).is_err(), "{bad}");
        }
        assert!(credentials(b"{\"Version\": 1, \"AccessKeyId\": \"\xff\"}", None).is_err());
    }

    #[test]
    fn the_account_is_the_processes_own_or_the_profiles() {
        let account = |own: &str| {
            let text = format!("{{\"Version\":1,\"AccessKeyId\":\"K\",\"SecretAccessKey\":\"S\"{own}}}");
            credentials(text.as_bytes(), Some("999")).unwrap().account_id.unwrap().to_string()
        };
        assert_eq!(account(",\"AccountId\":\"111\""), "111");
        assert_eq!(account(",\"AccountId\":\"\""), "999");
        assert_eq!(account(",\"AccountId\":null"), "999");
        assert_eq!(account(",\"AccountId\":111"), "111");
        assert_eq!(account(""), "999");
    }

    #[test]
    fn paths_and_plain_words_stay_readable() {
        for line in
            ["/opt/vendor/libexec/credential-helper-for-everybody: no such file", "error 403: Forbidden"]
        {
            assert_eq!(masked(line), line);
        }
        assert_eq!(masked("session_token=abc def"), "session_token…");
    }
}
