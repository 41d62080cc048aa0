//! One log line as data, and how it looks to a person and to a program.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::is_ours;
use crate::clock::stamp;

/// Bytes of one value; what is longer is cut, and shows it.
const LONGEST_VALUE: usize = 64 * 1024;

/// What was said, when, how loudly, and what goes with it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::telemetry) struct Line {
    pub(in crate::telemetry) at: SystemTime,
    pub(in crate::telemetry) level: Level,
    pub(in crate::telemetry) message: String,
    pub(in crate::telemetry) fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// A line of our own about the log itself.
    pub(in crate::telemetry) fn new(at: SystemTime, level: Level, message: String) -> Self {
        Self { at, level, message, fields: Vec::new() }
    }

    pub(super) fn of(event: &Event<'_>, at: SystemTime) -> Self {
        let about = event.metadata();
        let mut line = Self::new(at, *about.level(), String::new());
        event.record(&mut line);
        if !is_ours(about.target()) {
            line.fields.push(("target", about.target().into()));
        }
        line
    }

    /// The text of a field.
    pub(in crate::telemetry) fn text_of(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name)?.1.as_str()
    }

    /// For a person: time, level, message, then the fields.
    pub(in crate::telemetry) fn as_text(&self, ansi: bool) -> String {
        let paint = |code: &str, text: &str| {
            if ansi { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let (level, colour) = match self.level {
            Level::ERROR => ("ERROR", "31"),
            Level::WARN => ("WARN ", "33"),
            Level::INFO => ("INFO ", "32"),
            Level::DEBUG => ("DEBUG", "34"),
            Level::TRACE => ("TRACE", "35"),
        };
        let mut text = format!("{} {} ", paint("2", &stamp(self.at)), paint(colour, level));
        tame(&mut text, &self.message);
        let mut fields = String::new();
        for (name, value) in &self.fields {
            let _infallible = match value {
                Value::String(value) if plain(value) => write!(fields, " {name}={value}"),
                Value::String(value) => write!(fields, " {name}={value:?}"),
                value => write!(fields, " {name}={value}"),
            };
        }
        if !fields.is_empty() {
            text.push(' ');
            text.push_str(&paint("2", &fields));
        }
        text.push('\n');
        text
    }

    /// For a program: an object of JSON.
    pub(in crate::telemetry) fn as_json(&self) -> String {
        let stamp = jiff::Timestamp::try_from(self.at).unwrap_or(jiff::Timestamp::MAX);
        let mut text = format!("{{\"timestamp\":\"{stamp:.6}\",\"level\":\"{}\"", self.level);
        let message = Value::from(self.message.as_str());
        let _infallible = write!(text, ",\"message\":{message}");
        for (name, value) in &self.fields {
            let _infallible = write!(text, ",{}:{value}", Value::from(*name));
        }
        text.push_str("}\n");
        text
    }

    fn add(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

/// Whether a value can stand without quotes.
fn plain(value: &str) -> bool {
    !value.is_empty() && !value.chars().any(|c| c.is_whitespace() || c.is_control() || "\"=\\".contains(c))
}

/// Adds text that may come from elsewhere: it must not steer a terminal or look like a line of its own.
pub(in crate::telemetry) fn tame(to: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { to.extend(c.escape_default()) } else { to.push(c) }
    }
}

/// The text, or as much of it as a line may carry.
fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_VALUE {
        text.truncate(text.floor_char_boundary(LONGEST_VALUE));
        text.push('…');
    }
    text
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = bounded(format!("{value:?}"));
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = bounded(value.to_owned());
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, text.into());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, fields: &[(&'static str, Value)]) -> Line {
        let fields = fields.to_vec();
        Line { at: SystemTime::UNIX_EPOCH, level: Level::WARN, message: message.to_owned(), fields }
    }

    #[test]
    fn a_person_reads_the_message_before_the_fields() {
        let line = line("no credentials", &[("role", "app".into()), ("fix", "do \"it\"".into())]);
        let text = "1970-01-01T00:00:00Z WARN  no credentials  role=app fix=\"do \\\"it\\\"\"\n";
        assert_eq!(line.as_text(false), text);
        let ansi = "\x1b[2m1970-01-01T00:00:00Z\x1b[0m \x1b[33mWARN \x1b[0m no credentials \x1b[2m role=app";
        assert!(line.as_text(true).starts_with(ansi), "{:?}", line.as_text(true));
    }

    #[test]
    fn a_program_reads_one_object() {
        let line = line("a\nb", &[("role", "app".into()), ("count", 3.into()), ("good", true.into())]);
        let json = r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"WARN","message":"a\nb","role":"app","count":3,"good":true}"#;
        assert_eq!(line.as_json(), format!("{json}\n"));
    }

    #[test]
    fn foreign_text_neither_steers_a_terminal_nor_makes_a_line() {
        let hostile = "x\x1b[2J\r\n2026 INFO all is well\u{9b}";
        let line = line(hostile, &[("why", hostile.into())]);
        for text in [line.as_text(false), line.as_json()] {
            let inner = text.strip_suffix('\n').unwrap();
            assert!(!inner.contains(['\x1b', '\r', '\n']), "{text:?}");
        }
        assert!(!line.as_text(false).contains('\u{9b}'));
    }

    #[test]
    fn a_value_without_end_is_cut_between_characters() {
        assert_eq!(bounded("é".repeat(LONGEST_VALUE)).len(), LONGEST_VALUE + '…'.len_utf8());
        assert_eq!(bounded("short".to_owned()), "short");
    }
}
