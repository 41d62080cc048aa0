//! Moments as people read them: `in 43 min`, `2 h ago`.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// A time stamp of ours or AWS's.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

/// How far away a moment is.
#[must_use]
pub fn relative(at: SystemTime, now: SystemTime) -> String {
    match at.duration_since(now) {
        Ok(ahead) if ahead.as_secs() == 0 => "now".to_owned(),
        Err(behind) if behind.duration().as_secs() == 0 => "just now".to_owned(),
        Ok(ahead) => format!("in {}", length(ahead)),
        Err(behind) => format!("{} ago", length(behind.duration())),
    }
}

/// The two largest units at most, and only one from a day on.
#[must_use]
pub fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) if minutes < 10 && !seconds.is_multiple_of(60) => {
            format!("{minutes} min {} s", seconds % 60)
        }
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well() {
        let table = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (754, "12 min"),
            (3600, "1 h"),
            (5400, "1 h 30 min"),
            (86_400, "1 day"),
            (400_000, "4 days"),
        ];
        for (seconds, text) in table {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn moments_are_ahead_or_behind() {
        let now = parse("2026-01-01T00:00:00Z").unwrap();
        assert_eq!(relative(parse("2026-01-01T00:43:00Z").unwrap(), now), "in 43 min");
        assert_eq!(relative(parse("2025-12-31T22:00:00+00:00").unwrap(), now), "2 h ago");
        assert_eq!(
            (relative(now, now).as_str(), relative(now, now + Duration::from_millis(5)).as_str()),
            ("now", "just now")
        );
        assert_eq!(parse("soon"), None);
    }
}
