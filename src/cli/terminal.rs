//! Where answers and remarks go: stdout carries the answer, stderr everything else, colours only where they are seen.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use super::args::{Color, Global};
use super::exit::Exit;
use super::layout;
use super::stop::Stop;
use crate::config::env::Env;
use crate::telemetry::logs;

/// Both streams of the process.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// For the answer.
    pub out: Paint,
    /// For everything else.
    pub err: Paint,
    /// Whether people see more than ASCII.
    pub unicode: bool,
    /// How wide both are.
    widths: [usize; 2],
    quiet: bool,
}

/// How text is laid out for a stream.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Colours.
    pub paint: Paint,
    /// Whether there is more than ASCII.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
}

/// Whether a stream takes colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

/// What a word says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Look here.
    Warn,
    /// This is wrong.
    Bad,
    /// Not important.
    Dim,
    /// A heading.
    Strong,
}

impl Paint {
    /// No colours.
    pub const NONE: Self = Self(false);

    /// Whether there are colours.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.0
    }

    /// The text in a tone, padded to a width that colours do not count for.
    #[must_use]
    pub fn padded(self, tone: Tone, text: &str, width: usize) -> String {
        let pad = width.saturating_sub(text.chars().count());
        format!("{}{:pad$}", self.paint(tone, text), "")
    }

    /// The text in a tone.
    pub fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        let code = match tone {
            _ if !self.0 => return text.to_string(),
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl Terminal {
    /// As the flags and the environment want it.
    #[must_use]
    pub fn new(global: &Global, env: &Env) -> Self {
        let of = |stream: bool| Paint(colours(global.color, env, stream));
        let (out, err) = (of(io::stdout().is_terminal()), of(io::stderr().is_terminal()));
        let widths = [layout::width(&io::stdout(), env), layout::width(&io::stderr(), env)];
        Self { out, err, unicode: unicode(env), widths, quiet: global.quiet }
    }

    /// How an answer is laid out.
    #[must_use]
    pub fn of_answers(&self) -> Manner {
        Manner { paint: self.out, unicode: self.unicode, width: self.widths[0] }
    }

    /// How a remark is laid out.
    #[must_use]
    pub fn of_remarks(&self) -> Manner {
        Manner { paint: self.err, unicode: self.unicode, width: self.widths[1] }
    }

    /// Writes the answer.
    ///
    /// # Errors
    /// Nobody can read it. A reader that has gone away has read enough: that is no error.
    pub fn answer(&self, text: &str) -> Result<(), Stop> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Stop::internal("cannot write to stdout", error))
            }
            _ => Ok(()),
        }
    }

    /// Says something that is not the answer, unless it is to be quiet.
    pub fn remark(&self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Says something that must be heard.
    pub fn complain(&self, text: &str) {
        // What was logged before stands before it.
        logs::finish();
        // With stderr gone there is nobody left to tell.
        let _unheard = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says why a command ends without its answer.
    pub fn last_words(&self, stop: &Stop) {
        if !stop.says.is_empty() {
            let tone = if stop.exit == Exit::Good { Tone::Good } else { Tone::Bad };
            self.complain(&format!("{} {}", self.err.paint(tone, "keyfob:"), stop.says));
        }
        for hint in &stop.hints {
            self.complain(&format!("  {}", hint.trim_end().replace('\n', "\n    ")));
        }
    }
}

/// The first of these that is set decides, as in the C library.
fn unicode(env: &Env) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env.filled(name));
    let name = locale.unwrap_or_default().to_ascii_lowercase();
    name.contains("utf-8") || name.contains("utf8")
}

fn colours(asked: Color, env: &Env, terminal: bool) -> bool {
    match asked {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if env.filled("NO_COLOR").is_some() => false,
        Color::Auto if env.filled("CLICOLOR_FORCE").is_some_and(|force| force != "0") => true,
        Color::Auto => terminal && env.get("TERM") != Some("dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_where_they_are_seen_or_asked_for() {
        let table: [(Color, &[(&str, &str)], bool, bool); 9] = [
            (Color::Auto, &[], true, true),
            (Color::Auto, &[], false, false),
            (Color::Auto, &[("NO_COLOR", "1")], true, false),
            (Color::Auto, &[("NO_COLOR", "")], true, true),
            (Color::Auto, &[("TERM", "dumb")], true, false),
            (Color::Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Color::Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Color::Always, &[("NO_COLOR", "1")], false, true),
            (Color::Never, &[("CLICOLOR_FORCE", "1")], true, false),
        ];
        for (asked, env, terminal, colour) in table {
            let env: Env = env.iter().copied().collect();
            assert_eq!(colours(asked, &env, terminal), colour, "{asked:?} {env:?} {terminal}");
        }
    }

    #[test]
    fn padding_counts_what_is_seen() {
        assert_eq!(Paint(false).padded(Tone::Good, "ok", 4), "ok  ");
        assert_eq!(Paint(true).padded(Tone::Good, "ok", 4), "\x1b[32mok\x1b[0m  ");
        assert_eq!(Paint(false).padded(Tone::Good, "longer", 4), "longer");
    }
}
