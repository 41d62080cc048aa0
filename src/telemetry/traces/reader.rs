//! Reads one variable at a time and keeps what was wrong and where each value came from.

use super::span::cut;
use crate::config::Problem;
use crate::config::env::Env;

/// The environment under a reader's eyes.
#[derive(Debug)]
pub(super) struct Reader<'e> {
    env: &'e Env,
    /// Every variable that was asked for, whether it is set or not.
    pub(super) asked: Vec<&'static str>,
    /// What cannot be used.
    pub(super) problems: Vec<Problem>,
    /// What is in force.
    pub(super) rows: Vec<Row>,
}

/// A value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub key: &'static str,
    /// Masked where it may be a secret.
    pub value: String,
    /// The variable that says so, or `default`.
    pub origin: &'static str,
}

/// Why a value cannot be used: what was wanted.
pub(super) type Parsed<T> = Result<T, String>;

impl<'e> Reader<'e> {
    pub(super) fn new(env: &'e Env) -> Self {
        Self { env, asked: Vec::new(), problems: Vec::new(), rows: Vec::new() }
    }

    /// The first of these variables that is not empty.
    pub(super) fn first(&mut self, names: &[&'static str]) -> Option<(&'static str, &'e str)> {
        self.asked.extend(names);
        names.iter().find_map(|name| Some((*name, self.env.filled(name)?.trim())))
    }

    /// What a variable means; one that cannot be used is as one that is not set.
    pub(super) fn read<T>(
        &mut self,
        names: &[&'static str],
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<(&'static str, T)> {
        // In an address this may stand behind a password.
        self.take(names, parse, |text| !text.contains('@'))
    }

    /// The same of a value that may hold a secret: it is not shown.
    pub(super) fn read_hidden<T>(
        &mut self,
        names: &[&'static str],
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<(&'static str, T)> {
        self.take(names, parse, |_| false)
    }

    fn take<T>(
        &mut self,
        names: &[&'static str],
        parse: impl FnOnce(&str) -> Parsed<T>,
        may_be_shown: fn(&str) -> bool,
    ) -> Option<(&'static str, T)> {
        let (name, text) = self.first(names)?;
        let want = match parse(text) {
            Ok(value) => return Some((name, value)),
            Err(want) => want,
        };
        let is = if may_be_shown(text) {
            format!("{:?}", cut(text, 80))
        } else {
            format!("a text of {} characters (not shown)", text.chars().count())
        };
        self.problem(name, is, want);
        None
    }

    pub(super) fn problem(&mut self, at: &str, is: String, want: impl Into<String>) {
        self.problems.push(Problem { at: at.to_owned(), is, want: want.into() });
    }

    /// Notes what is in force.
    pub(super) fn row(&mut self, key: &'static str, value: impl Into<String>, origin: Option<&'static str>) {
        self.rows.push(Row { key, value: value.into(), origin: origin.unwrap_or("default") });
    }

    /// A value with a default, noted as `show` writes it.
    pub(super) fn valued<T>(
        &mut self,
        key: &'static str,
        names: &[&'static str],
        default: T,
        parse: impl FnOnce(&str) -> Parsed<T>,
        show: impl FnOnce(&T) -> String,
    ) -> T {
        let found = self.read(names, parse);
        let origin = found.as_ref().map(|(name, _)| *name);
        let value = found.map_or(default, |(_, value)| value);
        self.row(key, show(&value), origin);
        value
    }
}

/// `a=1,b=2`, values percent-encoded; the first thing that is wrong spoils it all, as the specification has it.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (name, value) = member.split_once('=')?;
            let name = decoded(name.trim()).filter(|name| !name.is_empty())?;
            // What comes after a semicolon are a member's properties, which nobody uses.
            let value = value.split(';').next().unwrap_or_default();
            Some((name, decoded(value.trim())?))
        })
        .collect()
}

/// Undoes percent-encoding; `None` where it is broken.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (&digits, after) = after.split_first_chunk::<2>()?;
        let digits = std::str::from_utf8(digits.as_slice()).ok().filter(|hex| !hex.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn pairs_are_taken_apart_and_decoded_or_refused_whole() {
        let of = |text| pairs(text).map(|all| all.into_iter().map(|(k, v)| format!("{k}:{v}")).collect());
        let cases: [(&str, Option<Vec<&str>>); 9] = [
            ("a=1,b=2", Some(vec!["a:1", "b:2"])),
            (" a = x%20y%2C , b=%C3%A9,", Some(vec!["a:x y,", "b:é"])),
            ("a=b=c", Some(vec!["a:b=c"])),
            ("a=", Some(vec!["a:"])),
            ("a=1;prop=x", Some(vec!["a:1"])),
            ("a", None),
            ("=1", None),
            ("a=%2", None),
            ("a=%zz,b=1", None),
        ];
        for (text, wanted) in cases {
            let found: Option<Vec<String>> = of(text);
            let found: Option<Vec<&str>> = found.as_ref().map(|all| all.iter().map(String::as_str).collect());
            assert_eq!(found, wanted, "{text}");
        }
    }
}
