//! A machine while it is made up: sections in place of text.

use std::fmt::Write;

use super::dice::Dice;
use crate::parity::situation::Situation;

#[derive(Default)]
pub struct Draft {
    /// All but the two files.
    pub rest: Situation,
    pub config: File,
    pub credentials: File,
}

/// Sections by what stands between their brackets.
#[derive(Default)]
pub struct File(Vec<(String, Vec<(String, String)>)>);

impl File {
    /// Adds to a section, which is made when it is not there; what stands there already stays.
    pub fn add(&mut self, section: &str, key: &str, value: &str) {
        let place = self.0.iter().position(|(name, _)| name == section);
        let place = place.unwrap_or_else(|| self.section(section));
        let lines = &mut self.0[place].1;
        if !lines.iter().any(|(known, _)| known == key) {
            lines.push((key.to_owned(), value.to_owned()));
        }
    }

    pub fn adds(&mut self, section: &str, lines: &[(&str, &str)]) {
        lines.iter().for_each(|(key, value)| self.add(section, key, value));
    }

    /// A section of that name even where there is one already.
    pub fn section(&mut self, name: &str) -> usize {
        self.0.push((name.to_owned(), Vec::new()));
        self.0.len() - 1
    }

    /// A line in the last section, even where there is one like it already.
    pub fn line(&mut self, key: &str, value: &str) {
        self.0.last_mut().unwrap().1.push((key.to_owned(), value.to_owned()));
    }

    fn text(&self, style: &Style) -> Option<String> {
        let mut text = String::new();
        for (name, lines) in &self.0 {
            writeln!(text, "[{name}]{}", style.after).unwrap();
            for (key, value) in lines {
                let key = if style.upper { key.to_uppercase() } else { key.clone() };
                writeln!(text, "{key}{}{value}{}", style.equals, style.after).unwrap();
            }
            text += style.between;
        }
        (!self.0.is_empty()).then(|| text.replace('\n', style.newline))
    }
}

/// How somebody writes files; it should not matter.
struct Style {
    equals: &'static str,
    newline: &'static str,
    between: &'static str,
    after: &'static str,
    upper: bool,
}

impl Style {
    fn some(dice: &mut Dice) -> Style {
        Style {
            equals: dice.usually(70, &[" = ", "=", " =", "= ", "\t=\t", ": "]),
            newline: dice.usually(90, &["\n", "\r\n"]),
            between: dice.usually(70, &["", "\n", "# a remark\n", "; another\n", "\n  # indented\n", "  \n"]),
            after: dice.usually(90, &["", " ", "\t"]),
            upper: dice.chance(4),
        }
    }
}

/// How the configuration file calls a profile.
pub fn header(dice: &mut Dice, profile: &str) -> String {
    match profile {
        "default" => dice.usually(85, &["default", "profile default"]).to_owned(),
        name if name.contains(' ') => format!("profile \"{name}\""),
        name if dice.chance(15) => format!("profile \"{name}\""),
        name => format!("profile {name}"),
    }
}

impl Draft {
    pub fn env(&mut self, name: &str, value: &str) {
        self.rest.env.insert(name.to_owned(), value.to_owned());
    }

    pub fn file(&mut self, name: &str, text: &str) {
        self.rest.files.insert(name.to_owned(), text.to_owned());
    }

    /// With both files written out.
    pub fn situation(self, dice: &mut Dice) -> Situation {
        let (config, credentials) =
            (self.config.text(&Style::some(dice)), self.credentials.text(&Style::some(dice)));
        Situation { config, credentials, ..self.rest }
    }
}
