//! Text broken to a width: what hangs together stays together, what is to be copied is never broken.

use std::io::IsTerminal;

use terminal_size::{Width, terminal_size_of};

use crate::config::env::Env;

/// Where nobody says how wide it is: a pipe, a file, a log.
pub const PLAIN_WIDTH: usize = 80;
const NARROW: usize = 60;
const WIDE: usize = 120;

/// How wide text for this stream may be, in columns: 60 to 120. `COLUMNS` decides, as it does for other programs, then
/// the terminal.
pub fn width(stream: &(impl IsTerminal + std::os::fd::AsFd), env: &Env) -> usize {
    let told = env.get("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let seen = || terminal_size_of(stream).map(|(Width(columns), _)| usize::from(columns));
    let seen = || stream.is_terminal().then(seen).flatten().filter(|columns| *columns > 0);
    told.or_else(seen).map_or(PLAIN_WIDTH, |columns| columns.clamp(NARROW, WIDE))
}

/// The text broken at spaces, every further line indented; `first` is where it begins. Lines that were laid out stay as
/// they are.
#[must_use]
pub fn hanging(text: &str, first: usize, indent: usize, width: usize) -> String {
    if text.contains('\n') {
        return text.replace('\n', &format!("\n{:indent$}", ""));
    }
    filled(text.split_whitespace(), " ", first, indent, width)
}

/// Pieces in lines, a gap between two of them, none broken; every further line indented.
#[must_use]
pub fn filled<T: AsRef<str>>(
    pieces: impl IntoIterator<Item = T>,
    gap: &str,
    first: usize,
    indent: usize,
    width: usize,
) -> String {
    let (mut text, mut column) = (String::new(), first);
    for (index, piece) in pieces.into_iter().enumerate() {
        let length = piece.as_ref().chars().count();
        let gap = if index == 0 { "" } else { gap };
        if column + gap.len() + length > width && column > indent {
            // No spaces where a line ends.
            text.push_str(gap.trim_end());
            text.push_str(&format!("\n{:indent$}", ""));
            column = indent + length;
        } else {
            text.push_str(gap);
            column += gap.len() + length;
        }
        text.push_str(piece.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentences_hang() {
        let text = hanging(&"word ".repeat(40), 20, 8, 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(text.lines().next().unwrap().chars().count(), 59);
        assert!(text.lines().skip(1).all(|line| line.starts_with("        word")), "{text}");
        assert_eq!(hanging("a\nb", 0, 2, 80), "a\n  b");
    }

    #[test]
    fn pieces_stay_whole() {
        assert_eq!(filled(["one two", "three four"], "; ", 2, 2, 24), "one two; three four");
        assert_eq!(filled(["one two three", "four five"], "; ", 2, 2, 22), "one two three;\n  four five");
        assert_eq!(filled::<&str>([], "; ", 0, 2, 60), "");
    }

    #[test]
    fn the_width_is_told_or_plain_and_has_bounds() {
        let table = [("100", 100), ("20", NARROW), ("400", WIDE), ("0", PLAIN_WIDTH), ("wide", PLAIN_WIDTH)];
        let file = tempfile::tempfile().unwrap();
        for (columns, wanted) in table {
            assert_eq!(width(&file, &Env::from([("COLUMNS", columns)])), wanted, "{columns}");
        }
    }
}
