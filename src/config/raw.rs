//! Reads the file's tree key by key: whatever does not fit becomes a problem with its place, and reading goes on.
//!
//! serde would stop at the first error; whoever repairs a configuration wants all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// Which line of the file each key was read from.
pub(super) type Lines = BTreeMap<String, usize>;

/// What reading a file has brought up so far.
#[derive(Debug)]
pub(super) struct Findings<'t> {
    path: &'t Path,
    text: &'t str,
    problems: Vec<(usize, Problem)>,
    lines: Lines,
    /// Lines that are not TOML: what the parser makes of them is a guess and not worth a second problem.
    broken: BTreeSet<usize>,
}

impl<'t> Findings<'t> {
    /// Nothing yet.
    pub(super) fn new(text: &'t str, path: &'t Path) -> Self {
        let (problems, lines, broken) = (Vec::new(), Lines::new(), BTreeSet::new());
        Self { path, text, problems, lines, broken }
    }

    /// Reports the lines that are not TOML; returns the text without those at which the parser would stop.
    pub(super) fn legible(&mut self) -> String {
        let mut text = self.text.to_owned();
        loop {
            let (_, errors) = DeTable::parse_recoverable(&text);
            self.syntax(&errors);
            // The parser recovers from everything but this: it reads nothing after such a line.
            let stops = errors.iter().find(|error| error.message().starts_with("key with no value"));
            let Some(at) = stops.and_then(toml::de::Error::span) else { return text };
            let Some(blanked) = blank_line(&text, at.start) else { return text };
            text = blanked;
        }
    }

    fn syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let line = self.line(error.span().map_or(0, |span| span.start));
            // One slip makes the parser complain several times about its line.
            if self.broken.insert(line) {
                let is = format!("not TOML: {}", error.message());
                let at = format!("{}:{line}", self.path.display());
                let want = "a line such as `key = \"value\"`".to_owned();
                self.problems.push((line, Problem { at, is, want }));
            }
        }
    }

    /// The tree's outermost table.
    pub(super) fn top<'d>(&'d mut self, table: &'d DeTable<'d>) -> Section<'d, 't> {
        Section { findings: self, key: String::new(), line: 1, table: Some(table), known: Vec::new() }
    }

    /// Whether the file has lines that are not TOML, so that something missing may only be unreadable.
    pub(super) fn torn(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Where each key was read, or every problem in the order of the file.
    pub(super) fn finish(mut self) -> Result<Lines, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(self.lines);
        }
        self.problems.sort_by_key(|(line, _)| *line);
        Err(self.problems.into_iter().map(|(_, problem)| problem).collect())
    }

    fn add(&mut self, line: usize, key: &str, is: String, want: String) {
        if self.broken.contains(&line) {
            return;
        }
        let at = format!("{}:{line} {key}", self.path.display());
        self.problems.push((line, Problem { at, is, want }));
    }

    /// Counted from 1.
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }
}

/// One element of a list, with its place.
#[derive(Debug)]
pub(super) struct Item<T> {
    /// What was read.
    pub(super) value: T,
    key: String,
    line: usize,
}

/// One table of the file, or the place where it is missing.
#[derive(Debug)]
pub(super) struct Section<'d, 't> {
    findings: &'d mut Findings<'t>,
    key: String,
    line: usize,
    table: Option<&'d DeTable<'d>>,
    known: Vec<&'static str>,
}

impl<'d, 't> Section<'d, 't> {
    /// A value, if it is there and `kind` can read it; `kind` says what it wanted otherwise.
    pub(super) fn read<T, W: Into<String>>(
        &mut self,
        key: &'static str,
        kind: impl FnOnce(&DeValue<'_>) -> Result<T, W>,
    ) -> Option<T> {
        self.read_as(key, shown, kind)
    }

    /// The same for a value that must not be shown.
    pub(super) fn read_hidden<T, W: Into<String>>(
        &mut self,
        key: &'static str,
        kind: impl FnOnce(&DeValue<'_>) -> Result<T, W>,
    ) -> Option<T> {
        self.read_as(key, hidden, kind)
    }

    fn read_as<T, W: Into<String>>(
        &mut self,
        key: &'static str,
        show: fn(&DeValue<'_>) -> String,
        kind: impl FnOnce(&DeValue<'_>) -> Result<T, W>,
    ) -> Option<T> {
        let (line, value) = self.find(key)?;
        match kind(value) {
            Ok(read) => Some(read),
            Err(want) => {
                let place = self.place(key);
                self.findings.add(line, &place, show(value), want.into());
                None
            }
        }
    }

    /// A list, if it is there; elements that `kind` cannot read are left out and reported.
    pub(super) fn list<T, W: Into<String>>(
        &mut self,
        key: &'static str,
        elements: &str,
        kind: impl Fn(&DeValue<'_>) -> Result<T, W>,
    ) -> Option<Vec<Item<T>>> {
        let (line, value) = self.find(key)?;
        let place = self.place(key);
        let DeValue::Array(array) = value else {
            self.findings.add(line, &place, shown(value), format!("a list of {elements}"));
            return None;
        };
        let mut items = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let (key, line) = (format!("{place}[{index}]"), self.findings.line(element.span().start));
            match kind(element.get_ref()) {
                Ok(value) => items.push(Item { value, key, line }),
                Err(want) => self.findings.add(line, &key, shown(element.get_ref()), want.into()),
            }
        }
        Some(items)
    }

    /// A table inside this one; absent, it reads as one without keys.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'_, 't> {
        let place = self.place(key);
        let mut table = None;
        let mut at = self.line;
        if let Some((line, value)) = self.find(key) {
            at = line;
            match value {
                DeValue::Table(found) => table = Some(found),
                other => self.findings.add(line, &place, shown(other), format!("a table: [{place}]")),
            }
        }
        Section { findings: &mut *self.findings, key: place, line: at, table, known: Vec::new() }
    }

    /// The tables of an array (`[[role]]`), each read by `each`.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut each: impl FnMut(Section<'_, 't>) -> Option<T>,
    ) -> Vec<Item<T>> {
        let place = self.place(key);
        let Some((line, value)) = self.find(key) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.findings.add(
                line,
                &place,
                shown(value),
                format!("tables headed [[{place}]], in double brackets"),
            );
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let (key, line) = (format!("{place}[{index}]"), self.findings.line(element.span().start));
            let DeValue::Table(table) = element.get_ref() else {
                let is = shown(element.get_ref());
                self.findings.add(line, &key, is, format!("a table headed [[{place}]]"));
                continue;
            };
            let (table, known) = (Some(table), Vec::new());
            let section = Section { findings: &mut *self.findings, key: key.clone(), line, table, known };
            if let Some(value) = each(section) {
                all.push(Item { value, key, line });
            }
        }
        all
    }

    /// Every key and value of this table, read by `kind`; values are never shown. Nothing is unknown here.
    pub(super) fn entries<T, W: Into<String>>(
        &mut self,
        kind: impl Fn(&str, &DeValue<'_>) -> Result<T, W>,
    ) -> Vec<(String, T)> {
        let mut all = Vec::new();
        for (name, value) in self.table.into_iter().flatten() {
            let line = self.findings.line(name.span().start);
            let place = self.place(name.get_ref());
            match kind(name.get_ref(), value.get_ref()) {
                Ok(read) => all.push((name.get_ref().to_string(), read)),
                Err(want) => self.findings.add(line, &place, hidden(value.get_ref()), want.into()),
            }
            self.findings.lines.insert(place, line);
        }
        all
    }

    /// Refuses a key that a later version will know.
    pub(super) fn later(&mut self, key: &'static str, what: &str) {
        if let Some((line, value)) = self.find(key) {
            let place = self.place(key);
            let want = format!("nothing: a later version brings {what}");
            self.findings.add(line, &place, shown(value), want);
        }
    }

    /// Reports something about a key of this table; the table's own line where the key is absent.
    pub(super) fn problem(&mut self, key: &'static str, is: impl Into<String>, want: impl Into<String>) {
        let line = self.find(key).map_or(self.line, |(line, _)| line);
        let place = self.place(key);
        self.findings.add(line, &place, is.into(), want.into());
    }

    /// Reports something about an element of a list.
    pub(super) fn problem_at<T>(&mut self, item: &Item<T>, is: impl Into<String>, want: impl Into<String>) {
        self.findings.add(item.line, &item.key, is.into(), want.into());
    }

    /// Whether the table has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.keys().any(|name| name.get_ref() == key))
    }

    /// Whether the key is there with a list of nothing.
    pub(super) fn has_empty(&self, key: &str) -> bool {
        let found = self.table.and_then(|table| entry(table, key));
        found.is_some_and(|(_, value)| value.get_ref().as_array().is_some_and(|all| all.is_empty()))
    }

    /// Whether the table itself is there.
    pub(super) fn present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether something missing may only be unreadable.
    pub(super) fn torn(&self) -> bool {
        self.findings.torn()
    }

    /// Reports every key that was not asked for.
    pub(super) fn close(self) {
        for (name, value) in self.table.into_iter().flatten() {
            let name_text: &str = name.get_ref();
            if self.known.contains(&name_text) {
                continue;
            }
            let kind = if matches!(value.get_ref(), DeValue::Table(_)) {
                "an unknown table"
            } else {
                "an unknown key"
            };
            let want = match nearest(name_text, self.known.iter().copied()) {
                Some(near) => format!("a known one: did you mean `{near}`?"),
                None => format!("one of {}", self.known.join(", ")),
            };
            let line = self.findings.line(name.span().start);
            let place = self.place(name_text);
            self.findings.add(line, &place, kind.to_owned(), want);
        }
    }

    fn find(&mut self, key: &'static str) -> Option<(usize, &'d DeValue<'d>)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (name, value) = entry(self.table?, key)?;
        let line = self.findings.line(name.span().start);
        let place = self.place(key);
        self.findings.lines.insert(place, line);
        Some((line, value.get_ref()))
    }

    fn place(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }
}

/// The text with spaces instead of the line at an offset, so that all places stay where they are.
fn blank_line(text: &str, offset: usize) -> Option<String> {
    let mut start = 0;
    let mut blanked = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let here = (start..start + line.len()).contains(&offset.min(text.len().saturating_sub(1)));
        start += line.len();
        let content = line.trim_end_matches('\n');
        if !here || content.trim().is_empty() {
            return line.to_owned();
        }
        blanked = true;
        line.replace(content, &" ".repeat(content.len()))
    });
    let text: String = lines.collect();
    blanked.then_some(text)
}

type Entry<'d> = (&'d Spanned<std::borrow::Cow<'d, str>>, &'d Spanned<DeValue<'d>>);

fn entry<'d>(table: &'d DeTable<'d>, key: &str) -> Option<Entry<'d>> {
    table.iter().find(|(name, _)| name.get_ref() == key)
}

/// What stands in the file, short enough for one line.
fn shown(value: &DeValue<'_>) -> String {
    const ROOM: usize = 80;
    match value {
        DeValue::String(text) if text.chars().count() > ROOM => {
            let head: String = text.chars().take(ROOM).collect();
            format!("{head:?} and more")
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(at) => at.to_string(),
        DeValue::Array(all) if all.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// What kind of thing stands in the file.
fn hidden(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("a text of {} characters (not shown)", text.chars().count()),
        other => format!("something else than a text: {} (not shown)", other.type_str()),
    }
}

/// The known word that is closest, if it is close enough to be meant.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let ranked = known.map(|other| (distance(&word.to_ascii_lowercase(), other), other));
    ranked.filter(|(steps, _)| *steps <= limit).min_by_key(|(steps, _)| *steps).map(|(_, other)| other)
}

/// Edits that turn one word into the other: insert, delete, replace, swap of neighbours.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let cell = |back: usize, column: usize| {
                rows.len()
                    .checked_sub(back)
                    .and_then(|at| rows.get(at)?.get(column))
                    .copied()
                    .unwrap_or(usize::MAX / 2)
            };
            let left = row.last().copied().unwrap_or_default() + 1;
            let mut best = left.min(cell(1, j + 1) + 1).min(cell(1, j) + usize::from(a != b));
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                best = best.min(cell(2, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let cases = [
            ("", "", 0),
            ("a", "", 1),
            ("profil", "profile", 1),
            ("porfile", "profile", 1),
            ("abc", "xyz", 3),
        ];
        for (from, to, steps) in cases {
            assert_eq!(distance(from, to), steps, "{from} {to}");
        }
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        let known = ["credentials", "admin", "expose", "ttl"];
        assert_eq!(nearest("credential", known.into_iter()), Some("credentials"));
        assert_eq!(nearest("Admin", known.into_iter()), Some("admin"));
        assert_eq!(nearest("tl", known.into_iter()), Some("ttl"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
