//! Finds the word that was meant.

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
