//! Reads an AWS file exactly as botocore does, down to what it refuses, and keeps the line of every value.
//!
//! botocore uses Python's `RawConfigParser` in strict mode: `=` and `:` both divide, keys are folded to lower case,
//! a deeper line continues the value above, `[DEFAULT]` is inherited by every section, nothing is cut off after a
//! value, and a name that stands twice is an error (`botocore.configloader.raw_config_parse`).

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::source::text::{is_space, lines, strip, strip_end, universal_newlines};

/// The name of the section that every other one inherits.
const INHERITED: &str = "DEFAULT";

/// A file, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    /// In the order of the file; names are unique.
    pub sections: Vec<Section>,
    /// The line of `[DEFAULT]`, if it stands there.
    pub inherited: Option<usize>,
}

/// One section with what it inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets, as it stands there.
    pub name: String,
    /// Of the header, counted from 1.
    pub line: usize,
    /// By key, in lower case.
    pub entries: BTreeMap<String, Entry>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What stands there.
    pub value: Value,
    /// Of the key, counted from 1.
    pub line: usize,
}

/// What stands after a key. It may be a secret: `Debug` shows its shape only.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Text; with `\n` where lines were continued.
    Text(Zeroizing<String>),
    /// An indented block below an empty value. Its keys keep their case.
    Nested(BTreeMap<String, Zeroizing<String>>),
}

/// Why a file cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// Of the character that is wrong, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// The line with everything left out that could be a secret; empty when the sentence says it all.
    pub shown: String,
    /// What `sed` does about it, and what that is in words.
    pub mend: Option<(String, String)>,
}

impl Ini {
    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// The first thing that makes botocore refuse the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|error| not_text(bytes, error.valid_up_to()))?;
        let text = Zeroizing::new(universal_newlines(text));
        let mut reading = Reading::default();
        for (index, line) in text.split('\n').enumerate() {
            reading.take(index + 1, line)?;
        }
        reading.finish()
    }

    /// The section of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Nested(block) => f.debug_set().entries(block.keys()).finish(),
        }
    }
}

/// A value as it grows: its lines, each with its number.
type Pieces = Vec<(usize, Zeroizing<String>)>;

#[derive(Default)]
struct Part {
    name: String,
    line: usize,
    options: BTreeMap<String, (usize, Pieces)>,
}

/// Where the parser stands.
#[derive(Default)]
struct Reading {
    inherited: Part,
    parts: Vec<Part>,
    /// Which part lines go to: `None` before the first header.
    current: Option<Current>,
    /// The key that a deeper line would continue.
    key: Option<String>,
    indent: usize,
}

#[derive(Clone, Copy)]
enum Current {
    Inherited,
    Last,
}

impl Reading {
    fn take(&mut self, number: usize, line: &str) -> Result<(), Fault> {
        let value = strip(line);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            self.extend(number, "");
            return Ok(());
        }
        // Counted in characters, as Python does: only the comparison matters.
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if self.key.is_some() && indent > self.indent {
            self.extend(number, value);
            return Ok(());
        }
        self.indent = indent;
        match (header(value), self.current) {
            (Some(name), _) => self.open(number, name),
            (None, None) => Err(fault(number, "text before the first [section]", value)),
            (None, Some(current)) => self.option(number, value, current),
        }
    }

    fn part(&mut self, current: Current) -> &mut Part {
        match (current, self.parts.last_mut()) {
            (Current::Last, Some(last)) => last,
            _ => &mut self.inherited,
        }
    }

    /// A blank line is part of the value above as well: trailing ones fall away at the end.
    fn extend(&mut self, number: usize, text: &str) {
        let (Some(key), Some(current)) = (self.key.clone(), self.current) else { return };
        if let Some((_, pieces)) = self.part(current).options.get_mut(&key) {
            pieces.push((number, Zeroizing::new(text.to_owned())));
        }
    }

    fn open(&mut self, number: usize, name: &str) -> Result<(), Fault> {
        self.key = None;
        if name == INHERITED {
            self.current = Some(Current::Inherited);
            self.inherited.line = number;
            return Ok(());
        }
        if let Some(first) = self.parts.iter().find(|part| part.name == name) {
            let what = format!("section [{name}] stands twice, first in line {}", first.line);
            return Err(said(number, what));
        }
        self.parts.push(Part { name: name.to_owned(), line: number, options: BTreeMap::new() });
        self.current = Some(Current::Last);
        Ok(())
    }

    fn option(&mut self, number: usize, text: &str, current: Current) -> Result<(), Fault> {
        let Some((key, value)) = text.split_once(['=', ':']) else {
            return Err(fault(number, "a line with neither `=` nor `:`", text));
        };
        let key = strip_end(key).to_lowercase();
        if key.is_empty() {
            return Err(fault(number, "a line that begins with its `=` or `:`", text));
        }
        let options = &mut self.part(current).options;
        if let Some((first, _)) = options.get(&key) {
            let what = format!("{} stands twice in its section, first in line {first}", plain(&key));
            let text = format!("remove line {number}, or line {first}: each key may stand once");
            return Err(Fault { mend: Some((text, format!("{number}d"))), ..said(number, what) });
        }
        let piece = (number, Zeroizing::new(strip(value).to_owned()));
        options.insert(key.clone(), (number, vec![piece]));
        self.key = Some(key);
        Ok(())
    }

    fn finish(self) -> Result<Ini, Fault> {
        let mut sections = Vec::new();
        for part in self.parts {
            let mut entries = BTreeMap::new();
            for (key, (line, pieces)) in self.inherited.options.iter().chain(&part.options) {
                // What a section says itself comes second and wins; a broken inherited block it replaces is not read.
                let own = part.options.get(key).is_some_and(|(at, _)| at != line);
                if !own {
                    entries.insert(key.clone(), Entry { value: joined(pieces)?, line: *line });
                }
            }
            sections.push(Section { name: part.name, line: part.line, entries });
        }
        let inherited = Some(self.inherited.line).filter(|line| *line > 0);
        Ok(Ini { sections, inherited })
    }
}

/// `[name]`: everything up to the last bracket of the line; what follows it is not looked at.
fn header(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('[')?;
    let end = inner.rfind(']')?;
    inner.get(..end).filter(|name| !name.is_empty())
}

fn joined(pieces: &Pieces) -> Result<Value, Fault> {
    let text: Vec<&str> = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
    let text = Zeroizing::new(text.join("\n"));
    let text = strip_end(&text);
    if text.starts_with('\n') { nested(pieces) } else { Ok(Value::Text(Zeroizing::new(text.to_owned()))) }
}

fn nested(pieces: &Pieces) -> Result<Value, Fault> {
    let mut block = BTreeMap::new();
    for (number, piece) in pieces {
        for line in lines(piece).map(strip).filter(|line| !line.is_empty()) {
            let Some((key, value)) = line.split_once('=') else {
                return Err(fault(*number, "a line without `=` in an indented block", line));
            };
            block.insert(strip(key).to_owned(), Zeroizing::new(strip(value).to_owned()));
        }
    }
    Ok(Value::Nested(block))
}

fn not_text(bytes: &[u8], at: usize) -> Fault {
    let before = bytes.get(..at).unwrap_or_default();
    let line = universal_newlines(&String::from_utf8_lossy(before)).matches('\n').count() + 1;
    said(line, "bytes that are not UTF-8".to_owned())
}

/// A sentence that says it all.
fn said(line: usize, what: String) -> Fault {
    Fault { line, column: 1, what, shown: String::new(), mend: None }
}

fn fault(line: usize, what: &str, text: &str) -> Fault {
    if text.starts_with('\u{feff}') {
        let what = "a byte order mark, which botocore does not accept: save the file as UTF-8 without BOM";
        let mend = ("remove the mark", format!("{line}s/^\\xef\\xbb\\xbf//"));
        return Fault { mend: Some((mend.0.to_owned(), mend.1)), ..said(line, what.to_owned()) };
    }
    let what = match text.strip_prefix('[') {
        Some(rest) if rest.starts_with(']') => "a section without a name",
        Some(_) => "a section without its closing bracket",
        None => what,
    };
    let shown = masked(text);
    let known = shown.strip_suffix(" …").filter(|key| !key.contains(' '));
    let (column, mend) = match known {
        Some(key) => {
            let script = format!("{line}s/^\\([[:space:]]*{key}\\)[[:space:]][[:space:]]*/\\1 = /");
            (key.chars().count() + 1, Some((format!("put `=` between {key} and its value"), script)))
        }
        None if text.starts_with('[') && !text.starts_with("[]") => {
            let mend = (format!("close the bracket in line {line}"), format!("{line}s/[[:space:]]*$/]/"));
            (text.chars().count() + 1, Some(mend))
        }
        None => (1, None),
    };
    let mend = match (what.starts_with("text before"), shown.contains('=')) {
        (true, true) => Some(("put a section above it".to_owned(), format!("{line}i [default]"))),
        _ => mend,
    };
    Fault { column, mend, shown, ..said(line, what.to_owned()) }
}

/// A line without anything that could be a secret: of an option only its key, of other text nothing but a word
/// that is plainly a key's name.
fn masked(text: &str) -> String {
    if let Some(inner) = text.strip_prefix('[') {
        let word =
            ["profile", "default", "sso-session", "services"].into_iter().find(|w| inner.starts_with(w));
        return word.map_or_else(|| "[…".to_owned(), |word| format!("[{word}…"));
    }
    let word: &str = text.split(|c: char| is_space(c) || matches!(c, '=' | ':')).next().unwrap_or_default();
    match (plain(word), text.contains(['=', ':'])) {
        ("…", _) => "…".to_owned(),
        (key, true) => format!("{key} = …"),
        (key, false) => format!("{key} …"),
    }
}

/// The key if it looks like one; a pasted secret, which would have capitals, does not.
fn plain(key: &str) -> &str {
    let tame = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let known = ["aws_", "role_", "sso_", "source_", "credential_", "region", "output"];
    let named = known.iter().any(|start| key.to_ascii_lowercase().starts_with(start)) && key.len() < 40;
    if named || (!key.is_empty() && key.len() < 40 && key.bytes().all(tame) && key.contains('_')) {
        key
    } else {
        "…"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Row {
        /// Characters stand for bytes.
        text: String,
        /// Sections, keys and values; `null` where botocore raises.
        parsed: Option<BTreeMap<String, BTreeMap<String, serde_json::Value>>>,
    }

    fn told(ini: &Ini) -> BTreeMap<String, BTreeMap<String, serde_json::Value>> {
        let value = |value: &Value| match value {
            Value::Text(text) => serde_json::Value::from(text.as_str()),
            Value::Nested(block) => block
                .iter()
                .map(|(key, text)| (key.clone(), serde_json::Value::from(text.as_str())))
                .collect(),
        };
        let section = |section: &Section| {
            section.entries.iter().map(|(key, entry)| (key.clone(), value(&entry.value))).collect()
        };
        ini.sections.iter().map(|found| (found.name.clone(), section(found))).collect()
    }

    /// Written by `tests/parity/tables.py` from what `raw_config_parse` of the installed botocore does.
    #[test]
    fn parses_as_botocore_does() {
        let rows: Vec<Row> =
            serde_json::from_str(include_str!("../../../tests/parity/tables/ini.json")).unwrap();
        assert!(rows.len() >= 70);
        for Row { text, parsed } in rows {
            let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c as u32).unwrap()).collect();
            let got = Ini::parse(&bytes).ok();
            assert_eq!(got.as_ref().map(told), parsed, "{text:?}");
        }
    }

    #[test]
    fn values_know_their_line() {
        let ini = Ini::parse(b"# c\r\n[a]\rx = 1\n\n  more\n[DEFAULT]\ny=2\n").unwrap();
        let section = ini.section("a").unwrap();
        assert_eq!(section.line, 2);
        assert_eq!(section.entries.get("x").unwrap().line, 3);
        assert_eq!(section.entries.get("y").unwrap().line, 7);
    }

    #[test]
    fn a_fault_names_the_line_and_shows_no_value() {
        let rows: [(&[u8], usize, &str); 10] = [
            (b"aws_secret_access_key = wJalrXUtnFEMI", 1, "aws_secret_access_key = \u{2026}"),
            (b"[a]\nwJalrXUtnFEMI/K7MDENG", 2, "\u{2026}"),
            (b"[a]\naws_secret_access_key wJalrXUtnFEMI", 2, "aws_secret_access_key \u{2026}"),
            (b"[a]\n\n= wJalrXUtnFEMI", 3, "\u{2026}"),
            (b"wJalrXUtnFEMI=x", 1, "\u{2026}"),
            (b"[a]\ns3 =\n  wJalrXUtnFEMI", 3, "\u{2026}"),
            (b"[profile a\nx=1", 1, "[profile\u{2026}"),
            (b"[a]\nx=1\nX=2", 3, ""),
            (b"[a]\n[b]\n[a]", 3, ""),
            (b"[a]\r\nx=\xff", 2, ""),
        ];
        for (bytes, line, shown) in rows {
            let fault = Ini::parse(bytes).unwrap_err();
            assert_eq!((fault.line, fault.shown.as_str()), (line, shown), "{}", fault.what);
            assert!(!format!("{fault:?}").contains("wJalr"));
        }
        let marked = Ini::parse("\u{feff}[default]".as_bytes()).unwrap_err();
        assert!(marked.what.contains("byte order mark"));
    }

    #[test]
    fn debug_shows_no_value() {
        let ini = Ini::parse(b"[a]\naws_secret_access_key = wJalr\ns =\n  k = wJalr").unwrap();
        assert!(!format!("{ini:?}").contains("wJalr"));
    }
}
