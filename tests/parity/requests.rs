//! What a program asked of the fake AWS, in words that are the same for two programs that asked the same.

use std::collections::BTreeMap;

use crate::support::aws::{Entry, Face, sha256_hex};

/// A line for each request, in order of arrival: what was asked, with what, and what came of it.
pub fn seen(entries: &[Entry]) -> Vec<String> {
    let mut lines: Vec<String> = entries.iter().map(line).collect();
    // How often somebody tries a proxy that refuses is no question to AWS.
    lines.dedup_by(|next, line| next == line && line.starts_with("Connect "));
    lines
}

fn line(entry: &Entry) -> String {
    let Entry { op, method, path, query, .. } = entry;
    let with = match entry.face {
        Face::Sts => format!("{:?} {}", parameters(&entry.form), signer(entry)),
        Face::SignIn => {
            let fields = entry.form.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            format!("{} {}", fields.collect::<Vec<_>>().join(" "), signer(entry))
        }
        Face::Imds => metadata(entry),
        Face::Unknown if op == "Connect" => String::new(),
        Face::Unknown if entry.header("authorization").is_some_and(|how| how.starts_with("AWS4-")) => {
            signer(entry)
        }
        Face::Container | Face::Unknown => format!("authorization {:?}", entry.header("authorization")),
    };
    format!("{op} {method} {path}?{query} {with} → {}", entry.status())
}

/// A text that may be a secret: enough to tell it from others.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(10) {
        Some((end, _)) => format!("{}…{:.8}", &text[..end], sha256_hex(text.as_bytes())),
        None => text.to_owned(),
    }
}

/// A session name that the program made up is no part of the question.
fn parameters(form: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let made_up = |value: &str| {
        let number = value.strip_prefix("botocore-session-").or_else(|| value.strip_prefix("keyfob-"));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let shown = |(name, value)| match name {
        "RoleSessionName" if made_up(value) => (name, "(made up)"),
        _ => (name, value),
    };
    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).map(shown).collect()
}

/// Whose keys signed, and for which region; never the signature.
fn signer(entry: &Entry) -> String {
    let Some(authorization) = entry.header("authorization") else { return "unsigned".to_owned() };
    let scope = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    let parts: Vec<&str> = scope.split([',', '/']).collect();
    let (key, region, service) = match parts[..] {
        [key, _, region, service, ..] => (key, region, service),
        _ => return format!("signed in another way: {authorization}"),
    };
    let token = entry.header("x-amz-security-token").map_or("no token", |_| "a token");
    format!("signed by {key} with {token} for {service} in {region}")
}

fn metadata(entry: &Entry) -> String {
    let life = entry.header("x-aws-ec2-metadata-token-ttl-seconds");
    let token = entry.header("x-aws-ec2-metadata-token").map_or("no token", |_| "a token");
    format!("{token}, life {life:?}")
}
