//! Python's ideas of text, where botocore relies on them: white space, line ends, shell words, whole numbers.
//!
//! Rust's own differ in corners (the separators 0x1c to 0x1f are white space to Python only), and a corner is where
//! a file that works for boto3 would be refused by us, or the other way round.

/// Whether Python's `str.isspace` says yes.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip`.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip`.
#[must_use]
pub fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.splitlines` for text in which `\r` has already been translated.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| {
        matches!(c, '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    })
}

/// What a file opened as text hands out: every `\r\n` and lone `\r` is `\n`.
#[must_use]
pub fn universal_newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// `int(text)` for the digits of ASCII; `None` where Python raises. Beyond 64 bits it stays at the end of them.
#[must_use]
pub fn int(text: &str) -> Option<i64> {
    let text = strip(text);
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // An underscore may stand between two digits, and nowhere else.
    let grouped =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    if !grouped {
        return None;
    }
    let size = digits.replace('_', "").parse().unwrap_or(i64::MAX);
    Some(if negative { -size } else { size })
}

/// `ensure_boolean`: "true" in any case, and nothing else.
#[must_use]
pub fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// What `urlsplit` reads: without white space before it.
#[must_use]
pub fn as_url(text: &str) -> &str {
    text.trim_start_matches(|c: char| c <= ' ')
}

/// `is_valid_endpoint_url`: whether a URL names a host that can be one.
#[must_use]
pub fn has_host(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    if let Some(inner) = place.strip_prefix('[') {
        let inner = inner.split_once(']').map_or("", |(inner, _)| inner);
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let host = place.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !url.contains(['\t', '\r', '\n'])
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && host.len() <= 255
        && host.split('.').all(is_label)
}

/// Why a command cannot be split into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// A quote without its end.
    Quote,
    /// A backslash with nothing after it.
    Escape,
}

/// `shlex.split`: quotes and backslashes as a POSIX shell reads them; no variables, no `~`, no pipes, no comments.
///
/// # Errors
/// An open quote or a backslash at the end.
pub fn shell_words(text: &str) -> Result<Vec<String>, Unfinished> {
    let (mut words, mut word, mut started) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
                continue;
            }
            '\'' => single_quoted(&mut chars, &mut word)?,
            '"' => double_quoted(&mut chars, &mut word)?,
            '\\' => word.push(chars.next().ok_or(Unfinished::Escape)?),
            plain => word.push(plain),
        }
        started = true;
    }
    if started {
        words.push(word);
    }
    Ok(words)
}

fn single_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unfinished> {
    loop {
        match chars.next().ok_or(Unfinished::Quote)? {
            '\'' => return Ok(()),
            inner => word.push(inner),
        }
    }
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unfinished> {
    loop {
        match chars.next().ok_or(Unfinished::Quote)? {
            '"' => return Ok(()),
            '\\' => {
                // Between double quotes only the quote and the backslash can be escaped.
                let escaped = chars.next().ok_or(Unfinished::Escape)?;
                if !matches!(escaped, '"' | '\\') {
                    word.push('\\');
                }
                word.push(escaped);
            }
            inner => word.push(inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_shlex_does() {
        let rows: [(&str, Result<&[&str], Unfinished>); 16] = [
            ("", Ok(&[])),
            ("  ", Ok(&[])),
            ("a b", Ok(&["a", "b"])),
            ("a  b\tc\nd\re", Ok(&["a", "b", "c", "d", "e"])),
            ("'a b' \"c d\"", Ok(&["a b", "c d"])),
            ("''", Ok(&[""])),
            ("a'' ''b", Ok(&["a", "b"])),
            ("a\\ b", Ok(&["a b"])),
            (r#""a\"b\\c\d""#, Ok(&[r#"a"b\c\d"#])),
            (r"'a\'", Ok(&[r"a\"])),
            ("'a", Err(Unfinished::Quote)),
            ("\"a", Err(Unfinished::Quote)),
            ("a\\", Err(Unfinished::Escape)),
            ("\"a\\", Err(Unfinished::Escape)),
            ("a #b|c $D ~", Ok(&["a", "#b|c", "$D", "~"])),
            ("a\u{b}b", Ok(&["a\u{b}b"])),
        ];
        for (text, words) in rows {
            let got = shell_words(text);
            let want = words.map(|w| w.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn reads_whole_numbers_as_int_does() {
        for (text, want) in [
            ("900", Some(900)),
            (" 900\n", Some(900)),
            ("+9_00", Some(900)),
            ("-1", Some(-1)),
            ("007", Some(7)),
            ("99999999999999999999", Some(i64::MAX)),
            ("", None),
            ("9.0", None),
            ("_9", None),
            ("9__0", None),
            ("0x10", None),
            ("- 1", None),
            ("900 # s", None),
        ] {
            assert_eq!(int(text), want, "{text:?}");
        }
    }

    #[test]
    fn white_space_is_pythons() {
        assert_eq!(strip("\u{1c} a\u{1f}\u{a0}\u{85}"), "a");
        assert_eq!(strip("\u{feff}a"), "\u{feff}a");
        assert_eq!(lines("a\u{b}b\u{2028}c").collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
