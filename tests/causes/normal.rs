//! What changes from run to run, made the same: moments, ports, identifiers, who runs the tests and where.

use std::collections::BTreeMap;

use serde_json::Value;

/// Replacements of a machine's own words, longest first.
pub struct Normal {
    words: Vec<(String, String)>,
}

impl Normal {
    /// For a home and a port of the fakes.
    pub fn new(home: &str, port: u16) -> Normal {
        // As long as what it stands for, so that lines break at the same word.
        let mut words = vec![(home.to_owned(), format!("{:_<width$}", "/home/app", width = home.len()))];
        words.push((format!(":{port}"), ":50000".to_owned()));
        let uid = nix::unistd::Uid::current();
        let user = nix::unistd::User::from_uid(uid).ok().flatten();
        words.extend(user.map(|user| (format!("{} (uid {uid})", user.name), "app (uid 1000)".to_owned())));
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
        words.push((host, "host".to_owned()));
        Normal { words }
    }

    pub fn text(&self, text: &str) -> String {
        let text = self.words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let text = any_key(&just_now(&text));
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars() {
            if c.is_ascii_alphanumeric() || "-:.+_".contains(c) {
                word.push(c);
                continue;
            }
            flush(&mut out, &mut word, c);
            out.push(c);
        }
        flush(&mut out, &mut word, ' ');
        out
    }

    /// Numbers that measure go to 0; texts are as in [`Normal::text`].
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| match value {
                    Value::Number(_) if measures(key) => (key.clone(), Value::from(0)),
                    _ => (key.clone(), self.json(value)),
                })
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::String(text) => Value::from(self.text(text)),
            other => other.clone(),
        }
    }
}

/// A busy machine takes a second to tell.
fn just_now(text: &str) -> String {
    let told = text.split_once("walked ").and_then(|(before, after)| {
        let (when, rest) = after.split_once(" (operator)")?;
        when.ends_with(" ago").then(|| format!("{before}walked just now (operator){rest}"))
    });
    told.unwrap_or_else(|| text.to_owned())
}

/// The end of a key id, which is made anew for each session.
fn any_key(text: &str) -> String {
    let mut parts = text.split(", key ...");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + ", key ...0000" + part.get(4..).unwrap_or_default())
}

fn measures(key: &str) -> bool {
    let ends = ["_ms", "_s", "_seconds", "pid", "uid", "gid", "size", "mtime"];
    ends.iter().any(|end| key.ends_with(end))
}

/// As signatures have it: `20260102T030405Z`.
fn compact(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z' && bytes[..8].iter().all(u8::is_ascii_digit)
}

/// A word that is a moment, an identifier or a number of milliseconds loses what is chance in it.
fn flush(out: &mut String, word: &mut String, next: char) {
    let taken = std::mem::take(word);
    let trimmed = taken.trim_end_matches(['.', ':', '-']);
    let tail = &taken[trimmed.len()..];
    let digits = trimmed.bytes().filter(u8::is_ascii_digit).count();
    let hex = trimmed.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let moment =
        trimmed.len() >= 20 && trimmed.ends_with('Z') && trimmed.as_bytes()[4] == b'-' && digits >= 14;
    let opaque = hex
        && digits > 0
        && trimmed.replace('-', "").len() >= 16
        && !trimmed.bytes().all(|b| b.is_ascii_digit());
    let number = digits == trimmed.len() && digits > 0;
    match () {
        () if compact(trimmed) => out.push_str("20260102T030405Z"),
        () if moment => out.push_str("2026-01-02T03:04:05Z"),
        () if opaque => out.extend(trimmed.chars().map(|c| if c == '-' { c } else { '0' })),
        () if number && next == ' ' => out.push_str(trimmed),
        () => out.push_str(trimmed),
    }
    out.push_str(tail);
}

/// A screen as it is compared: lines may break elsewhere, and what was measured is 0.
pub fn loose(text: &str) -> String {
    let text = just_now(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let units: BTreeMap<&str, ()> = ["ms", "s", "min", "h", "d"].map(|unit| (unit, ())).into();
    let mut out = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).map_or("", |next| next.trim_end_matches([',', '.', ';', ')', ']']));
        let number = word.trim_start_matches(['(', '[']).bytes().all(|b| b.is_ascii_digit());
        out.push(if number && units.contains_key(next) { "0" } else { word });
    }
    out.join(" ")
}
