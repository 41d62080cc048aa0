//! Rules and routes in which an hour takes a minute, so that a night can be watched.
//!
//! Durations are divided by 60 wherever they stand: `for`, windows, offsets, waits of the Alertmanager. So are numbers
//! that are compared with times, and numbers compared with events a second are multiplied. Latencies stay: an answer
//! takes as long as it takes, whatever the night.

use std::path::PathBuf;

use serde_json::Value;

use super::files::{RULE_FILES, yaml};

/// How many seconds a second stands for.
pub const FACTOR: u32 = 60;

/// The rule files, shrunk, in that folder; what `Setup::rules` takes.
#[track_caller]
pub fn rule_files(into: &std::path::Path) -> Vec<PathBuf> {
    let write = |name: &&str| {
        let path = into.join(name);
        std::fs::write(&path, shrunk(yaml(name)).to_string()).unwrap();
        path
    };
    // Nobody counts on a number of agents here.
    RULE_FILES.iter().filter(|name| !name.contains("optional")).map(write).collect()
}

/// Any configuration of Prometheus or the Alertmanager, with its durations and thresholds divided.
pub fn shrunk(node: Value) -> Value {
    match node {
        Value::Array(items) => items.into_iter().map(shrunk).collect(),
        Value::Object(pairs) => {
            let pair = |(key, value): (String, Value)| {
                let text = value.as_str().map(str::to_owned);
                let value = match (key.as_str(), text) {
                    ("expr", Some(text)) => expr(&text).into(),
                    ("for" | "keep_firing_for", Some(text)) => duration(&text).into(),
                    ("group_wait" | "group_interval" | "repeat_interval" | "resolve_timeout", Some(text)) => {
                        duration(&text).into()
                    }
                    _ => shrunk(value),
                };
                (key, value)
            };
            Value::Object(pairs.into_iter().map(pair).collect())
        }
        other => other,
    }
}

/// `15m` is `15s`, `30s` is `500ms`.
#[track_caller]
pub fn duration(text: &str) -> String {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => panic!("a duration of one unit: {text}"),
    };
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("a duration: {text}"));
    let millis = number * seconds * 1000 / u64::from(FACTOR);
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// An expression, word by word.
pub fn expr(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, replaced) = match first {
            '"' => {
                let end = rest[1..].find('"').unwrap() + 2;
                (end, rest[..end].to_owned())
            }
            '[' => {
                let end = rest.find(']').unwrap() + 1;
                (end, format!("[{}]", duration(&rest[1..end - 1])))
            }
            _ if word(first) => {
                let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                (end, one(&rest[..end], &out, &rest[end..]))
            }
            _ => (first.len_utf8(), first.to_string()),
        };
        out += &replaced;
        rest = &rest[taken..];
    }
    out
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_:.".contains(c)
}

/// A word, given all before and after it.
fn one(word: &str, before: &str, after: &str) -> String {
    let said = before.trim_end();
    if said.ends_with("offset") {
        return duration(word);
    }
    let Ok(number) = word.parse::<f64>() else { return word.to_owned() };
    // A share of something is no time itself.
    let compared = said.ends_with(['<', '>']) && !after.trim_start().starts_with('*');
    let operand = operand(said);
    let shown = |number: f64| number.to_string();
    let factor = f64::from(FACTOR);
    if compared && (operand.contains("time()") || operand.contains("timestamp(") || operand.contains("skew"))
    {
        shown(number / factor)
    } else if compared && operand.contains("rate(") && !operand.contains("quantile") {
        shown(number * factor)
    } else if said.ends_with(',') && operand.contains("clamp_max(") && operand.contains("_seconds") {
        shown(number / factor)
    } else {
        word.to_owned()
    }
}

/// What a number is compared with: back to the last `and`, `or` or `unless`, braces closed.
fn operand(before: &str) -> &str {
    let starts = [" and ", " or ", " unless ", "\nand ", "\nor ", "\nunless "];
    let start = starts.iter().filter_map(|word| before.rfind(word)).max().unwrap_or(0);
    &before[start..]
}

#[test]
fn durations_are_divided() {
    let shorter = ["15m", "30s", "1h", "6h", "3d", "90s"].map(duration);
    assert_eq!(shorter, ["15s", "500ms", "60s", "360s", "4320s", "1500ms"]);
}

#[test]
fn windows_and_offsets_are_divided_and_names_are_not() {
    assert_eq!(expr("rate(a_5m[5m] offset 15m) unless b:c1h{x=\"[1h]\"} > 3"), {
        "rate(a_5m[5s] offset 15s) unless b:c1h{x=\"[1h]\"} > 3"
    });
}

#[test]
fn numbers_that_mean_time_are_divided_rates_are_multiplied_and_all_others_stay() {
    let mut changed = Vec::new();
    for rule in super::files::rules() {
        let (before, after) = (numbers(&rule.expr), numbers(&expr(&rule.expr)));
        assert_eq!(before.len(), after.len(), "{}", rule.name);
        for (before, after) in before.into_iter().zip(after).filter(|(before, after)| before != after) {
            changed.push(format!("{} {before} {after}", rule.name));
        }
    }
    let wanted = [
        "keyfob:refresh_failures:increase15m 900 15",
        "KeyfobClockSkew 240 4",
        "KeyfobCredentialsExpiringSoon 600 10",
        "KeyfobRefreshOverdue 120 2",
        "KeyfobRefreshFailing 900 15",
        "KeyfobAuthRejections 0.05 3",
        "KeyfobUpstreamThrottled 0.02 1.2",
        "KeyfobClockSkew 60 1",
        "KeyfobTokenFileExpiring 300 5",
        "KeyfobHeartbeatStale 30 0.5",
        "KeyfobIdle 21600 360",
    ];
    assert_eq!(changed, wanted, "a new rule: look at each number and add it here");
}

#[cfg(test)]
fn numbers(expr: &str) -> Vec<String> {
    let words = expr.split(|c: char| !word(c)).filter(|word| word.parse::<f64>().is_ok());
    words.map(str::to_owned).collect()
}
