//! Reads the file's tree key by key: whatever does not fit becomes a problem with its place, and reading goes on.
//!
//! serde would stop at the first error; whoever repairs a configuration wants all of them at once.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::Findings;
use super::near::nearest;
use super::shown::{hidden, shown};

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
    /// The tree's outermost table.
    pub(super) fn top(findings: &'d mut Findings<'t>, table: &'d DeTable<'d>) -> Self {
        Self { findings, key: String::new(), line: 1, table: Some(table), known: Vec::new() }
    }

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
        self.list_as(key, elements, shown, kind)
    }

    /// The same for a list whose elements must not be shown.
    pub(super) fn list_hidden<T, W: Into<String>>(
        &mut self,
        key: &'static str,
        elements: &str,
        kind: impl Fn(&DeValue<'_>) -> Result<T, W>,
    ) -> Option<Vec<Item<T>>> {
        self.list_as(key, elements, hidden, kind)
    }

    fn list_as<T, W: Into<String>>(
        &mut self,
        key: &'static str,
        elements: &str,
        show: fn(&DeValue<'_>) -> String,
        kind: impl Fn(&DeValue<'_>) -> Result<T, W>,
    ) -> Option<Vec<Item<T>>> {
        let (line, value) = self.find(key)?;
        let place = self.place(key);
        let DeValue::Array(array) = value else {
            self.findings.add(line, &place, show(value), format!("a list of {elements}"));
            return None;
        };
        let mut items = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let (key, line) = (format!("{place}[{index}]"), self.findings.line(element.span().start));
            match kind(element.get_ref()) {
                Ok(value) => items.push(Item { value, key, line }),
                Err(want) => self.findings.add(line, &key, show(element.get_ref()), want.into()),
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

type Entry<'d> = (&'d Spanned<std::borrow::Cow<'d, str>>, &'d Spanned<DeValue<'d>>);

fn entry<'d>(table: &'d DeTable<'d>, key: &str) -> Option<Entry<'d>> {
    table.iter().find(|(name, _)| name.get_ref() == key)
}
