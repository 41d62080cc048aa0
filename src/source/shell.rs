//! Words for a shell: what is printed to be pasted must mean what it says, whatever a path holds.

use std::fmt::Display;

/// The word, in quotes where a shell would read it as something else.
pub fn quoted(word: impl Display) -> String {
    let word = word.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `sed` on lines of a file; `script` is put in quotes.
pub(super) fn sed(script: &str, file: impl Display) -> String {
    format!("sed -i {} {}", quoted(script), quoted(file))
}

/// The text as `sed` takes it on either side of a substitution with `|`. A dot may stay what it is: it means itself too.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r"\|&[]*^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        for (word, want) in
            [("/a/b-c", "/a/b-c"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$(x)", "'$(x)'")]
        {
            assert_eq!(quoted(word), want);
        }
        assert_eq!(sed("3d", "/h/my file"), "sed -i 3d '/h/my file'");
        assert_eq!(literal("a.b[1]|"), r"a.b\[1\]\|");
    }
}
