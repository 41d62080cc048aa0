//! Reads the time stamps of answers, files and variables: those that `dateutil` takes and that have a zone.
//!
//! dateutil guesses at almost anything ("Jan 31 2030 noon"); what AWS, its tools and RFC 3339, ISO 8601 and RFC 2822
//! write is read here, and the rest refused. One without a zone makes botocore fail, at the first comparison.

use std::time::SystemTime;

use jiff::Timestamp;

/// The moment, if the text is one.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    // jiff takes more of ISO 8601 than dateutil: a zone's name in brackets.
    let iso = || (!text.contains('[')).then(|| in_zulu(text).parse::<Timestamp>().ok()).flatten();
    let mail = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    iso().or_else(mail).or_else(|| unix_date(text)).map(SystemTime::from)
}

/// What `date -u` prints: `Thu Jan 31 12:00:00 UTC 2030`.
fn unix_date(text: &str) -> Option<Timestamp> {
    let moment = jiff::civil::DateTime::strptime("%a %b %d %H:%M:%S UTC %Y", text).ok()?;
    moment.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// dateutil takes these names for Z.
fn in_zulu(text: &str) -> String {
    let named = ["UTC", "GMT", "Z", "z"].iter().find_map(|zone| text.strip_suffix(zone));
    match named {
        Some(rest) => format!("{}Z", rest.trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_dateutil_reads_with_a_zone_is_read_alike() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_896_091_200);
        let (half, hour) = (Duration::from_micros(500_000), Duration::from_secs(3600));
        let cases = [
            ("2030-01-31T12:00:00Z", noon),
            ("2030-01-31T12:00:00z", noon),
            ("2030-01-31t12:00:00Z", noon),
            (" 2030-01-31T12:00:00Z\n", noon),
            ("2030-01-31T12:00Z", noon),
            ("20300131T120000Z", noon),
            ("2030-01-31 12:00:00+0000", noon),
            ("2030-01-31 12:00:00+00:00", noon),
            ("2030-01-31T12:00:00 UTC", noon),
            ("2030-01-31T12:00:00UTC", noon),
            ("2030-01-31T12:00:00 GMT", noon),
            ("2030-01-31T12:00:00.5Z", noon + half),
            ("2030-01-31T12:00:00,5Z", noon + half),
            ("2030-01-31T12:00:00.500000+00:00", noon + half),
            ("2030-01-31T13:00:00+01:00", noon),
            ("2030-01-31T12:00:00-01", noon + hour),
            ("2030-01-31T12:00:00-0100", noon + hour),
            ("Thu, 31 Jan 2030 12:00:00 GMT", noon),
            ("Thu, 31 Jan 2030 12:00:00 +0000", noon),
            ("Thu Jan 31 12:00:00 UTC 2030", noon),
            ("2030-01-31T12:00:00 Z", noon),
            ("2030-01-31T12:00:00.000000000Z", noon),
        ];
        for (text, moment) in cases {
            assert_eq!(parse(text), Some(moment), "{text:?}");
        }
    }

    #[test]
    fn what_has_no_zone_or_is_no_time_is_refused() {
        let cases = [
            "",
            "soon",
            "2030-01-31",
            "2030-01-31T12:00:00",
            "2030-02-30T12:00:00Z",
            "2030-01-31T25:00:00Z",
            "1893456000",
            "2030-01-31T12:00:00 EST",
            "2030-01-31T12:00:00Z[UTC]",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
