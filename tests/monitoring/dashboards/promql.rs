//! Reads selectors out of PromQL: enough for rules about metrics and matchers, not a parser of all of it.

/// `name{label="value", …}[range]`, and the function that it is the argument of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    /// Label, operator, value.
    pub matchers: Vec<[String; 3]>,
    pub range: Option<String>,
    pub function: Option<String>,
}

impl Selector {
    pub fn matches(&self, label: &str, operator: &str, value: &str) -> bool {
        self.matchers.iter().any(|matcher| matcher == &[label, operator, value])
    }
}

/// Words that stand where a metric could.
const WORDS: [&str; 11] =
    ["and", "or", "unless", "bool", "offset", "group_left", "group_right", "inf", "nan", "start", "end"];
/// Words that a list of labels follows.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Every selector, in order. Variables of Grafana may stand in strings and in ranges.
pub fn selectors(expr: &str) -> Vec<Selector> {
    let (mut found, mut rest) = (Vec::new(), expr);
    // Names before the bracket that was opened last, innermost last.
    let mut calls: Vec<Option<String>> = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = string(rest).1;
        } else if first == '(' {
            calls.push(None);
            rest = &rest[1..];
        } else if first == ')' {
            calls.pop();
            rest = &rest[1..];
        } else if first.is_ascii_digit() {
            // A number, with its exponent or its unit.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if first.is_ascii_alphabetic() || "_:{".contains(first) {
            let (word, after) = word(rest);
            let next = after.trim_start();
            if LISTS.contains(&word) && next.starts_with('(') {
                rest = next.split_once(')').unwrap().1;
            } else if next.starts_with('(') && !WORDS.contains(&word) {
                calls.push(Some(word.to_owned()));
                rest = &next[1..];
            } else if WORDS.contains(&word) || LISTS.contains(&word) || grouped(next) {
                rest = after;
            } else {
                let (matchers, after) = matchers(after);
                let (range, after) = range(after);
                let function = calls.last().cloned().flatten();
                found.push(Selector { metric: word.to_owned(), matchers, range, function });
                rest = after;
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// Whether the word before was an aggregation: `sum by (role) (…)`.
fn grouped(next: &str) -> bool {
    ["by ", "by(", "without ", "without("].iter().any(|start| next.starts_with(start))
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
    text.split_at(end.unwrap_or(text.len()))
}

/// A quoted string, without its quotes, and what follows it.
fn string(text: &str) -> (&str, &str) {
    let inner = &text[1..];
    let end = inner.match_indices('"').find(|(at, _)| !inner[..*at].ends_with('\\'));
    let (end, _) = end.unwrap_or_else(|| panic!("a string without end: {text}"));
    (&inner[..end], &inner[end + 1..])
}

fn matchers(text: &str) -> (Vec<[String; 3]>, &str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (Vec::new(), text) };
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return (found, after);
        }
        let (label, after) = word(rest);
        assert!(!label.is_empty(), "matchers that cannot be read: {text}");
        let after = after.trim_start();
        let quote = after.find('"').unwrap_or_else(|| panic!("a matcher without value: {text}"));
        let (value, after_value) = string(&after[quote..]);
        found.push([label, after[..quote].trim(), value].map(str::to_owned));
        rest = after_value;
    }
}

fn range(text: &str) -> (Option<String>, &str) {
    let inner = text.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    inner.map_or((None, text), |(range, after)| (Some(range.to_owned()), after))
}

#[test]
fn selectors_are_found_with_their_matchers_range_and_function() {
    let found = selectors(
        "sum by (role, reason) (rate(a_total{job=~\"$job\", x!=\"}\"}[$__rate_interval])) / on (role) group_left () b{} > bool 1e3 or vector(0) - c offset 5m",
    );
    let names: Vec<_> = found.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(names, ["a_total", "b", "c"]);
    assert!(found[0].matches("job", "=~", "$job") && found[0].matches("x", "!=", "}"));
    assert_eq!(found[0].range.as_deref(), Some("$__rate_interval"));
    assert_eq!(found[0].function.as_deref(), Some("rate"));
    assert_eq!((&found[1].range, &found[1].function), (&None, &None));
}
