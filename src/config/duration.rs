//! Lengths of time as people write them: `20m`, `1h30m`, `500ms`.

use std::time::Duration;

/// The units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Whole numbers with units, longest unit first and each at most once; `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// The same length as [`parse`] reads it; parts below a millisecond are dropped.
#[must_use]
pub fn print(length: Duration) -> String {
    let mut left = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, millis) in UNITS {
        if left >= millis {
            text.push_str(&format!("{}{name}", left / millis));
            left %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let cases = [
            ("20m", Some(1_200_000)),
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("1d2h3m4s5ms", Some(93_784_005)),
            ("500ms", Some(500)),
            ("0s", Some(0)),
            ("90m", Some(5_400_000)),
            ("007s", Some(7_000)),
            ("", None),
            ("20", None),
            ("0", None),
            ("m", None),
            ("20 m", None),
            (" 20m", None),
            ("20m ", None),
            ("1.5h", None),
            ("-1s", None),
            ("+1s", None),
            ("1m1h", None),
            ("1m1m", None),
            ("5min", None),
            ("5M", None),
            ("1h30", None),
            ("٣s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for (length, text) in
            [(0, "0s"), (1, "1ms"), (1_200_000, "20m"), (5_400_000, "1h30m"), (86_400_000, "1d")]
        {
            let length = Duration::from_millis(length);
            assert_eq!(print(length), text);
            assert_eq!(parse(text), Some(length));
        }
    }
}
