//! Collects what is wrong with a configuration file, and the lines on which its keys stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::DeTable;

use super::Problem;

/// Which line of the file each key was read from.
pub(super) type Lines = BTreeMap<String, usize>;

/// What reading a file has brought up so far.
#[derive(Debug)]
pub(super) struct Findings<'t> {
    path: &'t Path,
    text: &'t str,
    problems: Vec<(usize, Problem)>,
    pub(super) lines: Lines,
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

    /// Takes one more, unless the line is broken anyway.
    pub(super) fn add(&mut self, line: usize, key: &str, is: String, want: String) {
        if self.broken.contains(&line) {
            return;
        }
        let at = format!("{}:{line} {key}", self.path.display());
        self.problems.push((line, Problem { at, is, want }));
    }

    /// Counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
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
