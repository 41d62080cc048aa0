//! What the text of one variable means, or what was wanted in its place.

use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::reader::{Parsed, pairs};
use crate::config::duration;
use crate::http;
use crate::secret::Secret;

/// The known ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Exporter {
    Otlp,
    Console,
    None,
}

pub(super) fn truth(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn exporter(text: &str) -> Parsed<Exporter> {
    match text.to_ascii_lowercase().as_str() {
        "otlp" => Ok(Exporter::Otlp),
        "console" => Ok(Exporter::Console),
        "none" => Ok(Exporter::None),
        _ => Err("otlp, console or none".to_owned()),
    }
}

pub(super) fn share(text: &str) -> Parsed<f64> {
    let share: Option<f64> = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share from 0 to 1".to_owned())
}

pub(super) fn address(text: &str) -> Parsed<Uri> {
    let usable = |url: &Uri| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some()
            && http::port(url).is_some()
    };
    let want = || "an address such as http://127.0.0.1:4318".to_owned();
    text.parse().ok().filter(usable).ok_or_else(want)
}

pub(super) fn headers(text: &str) -> Parsed<Vec<(HeaderName, Secret)>> {
    let want = || "name=value pairs with commas between, each value percent-encoded".to_owned();
    let pairs = pairs(text).ok_or_else(want)?;
    let header = |(name, value): (String, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        HeaderValue::from_str(&value).ok()?;
        Some((name, Secret::new(value)))
    };
    pairs.into_iter().map(header).collect::<Option<_>>().ok_or_else(want)
}

pub(super) fn millis(text: &str) -> Parsed<Duration> {
    text.parse().map(Duration::from_millis).map_err(|_| "a number of milliseconds".to_owned())
}

pub(super) fn positive(text: &str) -> Parsed<Duration> {
    let want = || "a number of milliseconds above 0".to_owned();
    millis(text).ok().filter(|length| !length.is_zero()).ok_or_else(want)
}

pub(super) fn count(text: &str) -> Parsed<usize> {
    let count = text.parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| format!("a number from 1 to {MOST}"))
}

/// A queue of a hundred thousand spans is some 50 MB.
const MOST: usize = 100_000;

pub(super) fn shown(length: &Duration) -> String {
    duration::print(*length)
}
