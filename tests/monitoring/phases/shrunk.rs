//! The shipped rules, with every minute a second.

use std::path::{Path, PathBuf};

/// Copies of these files in a folder, windows, waits and ages divided by 60.
pub fn shrunk(files: &[PathBuf], folder: &Path) -> Vec<PathBuf> {
    let copy = |file: &PathBuf| {
        let copy = folder.join(file.file_name().unwrap());
        std::fs::write(&copy, text(&std::fs::read_to_string(file).unwrap())).unwrap();
        copy
    };
    files.iter().map(copy).collect()
}

fn text(rules: &str) -> String {
    // An age is compared as a number of seconds.
    let rules = rules.replace("< 900", "< 15").replace("> 120", "> 2");
    ["[", "for: ", "offset "].iter().fold(rules, |rules, before| {
        let mut pieces = rules.split(before);
        let first = pieces.next().unwrap().to_owned();
        pieces.fold(first, |text, piece| text + before + &duration(piece))
    })
}

/// A piece that may begin with a duration.
fn duration(piece: &str) -> String {
    let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
    let (number, rest) = piece.split_at(digits);
    let unit = rest.chars().next().unwrap_or(' ');
    let (Ok(number), Some(factor)) = (number.parse::<u64>(), factor(unit)) else { return piece.to_owned() };
    format!("{}s{}", number * factor, &rest[1..])
}

/// Seconds in place of what the unit says.
fn factor(unit: char) -> Option<u64> {
    match unit {
        'm' => Some(1),
        'h' => Some(60),
        'd' => Some(1440),
        _ => None,
    }
}

#[test]
fn minutes_become_seconds_and_names_stay() {
    let rules =
        "record: a:increase15m\nexpr: x[15m] offset 1h < 900 and y[6h:1m]\nfor: 5m\nkeep_firing_for: 10m\n";
    let wanted =
        "record: a:increase15m\nexpr: x[15s] offset 60s < 15 and y[360s:1m]\nfor: 5s\nkeep_firing_for: 10s\n";
    assert_eq!(text(rules), wanted);
}
