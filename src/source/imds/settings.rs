//! How instance metadata is reached: what environment and profile may say, and botocore's checks of it.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::clipped;
use crate::cause;
use crate::failure::Failure;

const IPV4: &str = "http://169.254.169.254/";
const IPV6: &str = "http://[fd00:ec2::254]/";

/// How instance metadata is reached, as environment and profile say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// In place of the link-local address; an empty one counts as none.
    pub endpoint: Option<String>,
    /// `ipv4` or `ipv6`, in any case.
    pub endpoint_mode: Option<String>,
    /// Never go on without a token.
    pub v1_disabled: bool,
    /// `AWS_EC2_METADATA_DISABLED` is "true" in any case.
    pub disabled: bool,
    /// Until a connection stands, and again until the answer is there.
    pub timeout: Duration,
    /// For each request.
    pub attempts: u32,
}

impl Default for Settings {
    /// botocore's: IPv4, one attempt of one second.
    fn default() -> Self {
        Self {
            endpoint: None,
            endpoint_mode: None,
            v1_disabled: false,
            disabled: false,
            timeout: Duration::from_secs(1),
            attempts: 1,
        }
    }
}

impl Settings {
    /// Looks at the endpoint and its mode. botocore does so before any source is asked.
    ///
    /// # Errors
    /// The mode is unknown, or the endpoint is no URL.
    pub fn check(&self) -> Result<(), Failure> {
        let bad = |sentence: String| Err(Failure::misconfigured(&cause::IMDS_ENDPOINT, sentence));
        if let Some(mode) = &self.endpoint_mode
            && !["ipv4", "ipv6"].iter().any(|known| mode.eq_ignore_ascii_case(known))
        {
            return bad(format!("the metadata endpoint mode is {mode:?}, not ipv4 or ipv6"));
        }
        match self.configured() {
            Some(endpoint) if !valid_uri(endpoint) => {
                bad(format!("the metadata endpoint {:?} is no URL", clipped(endpoint)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn configured(&self) -> Option<&str> {
        self.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty())
    }

    pub(super) fn base(&self) -> &str {
        let ipv6 = self.endpoint_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        self.configured().unwrap_or(if ipv6 { IPV6 } else { IPV4 })
    }
}

/// botocore's `is_valid_uri`: a scheme or at least `//`, and a host of DNS labels or an IPv6 address.
fn valid_uri(text: &str) -> bool {
    if text.contains(['\t', '\r', '\n']) {
        return false;
    }
    let text = text.trim_start_matches(|c| c <= ' ');
    let rest = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).map_or(text, |(_, rest)| rest);
    let Some(rest) = rest.strip_prefix("//") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('[') != authority.contains(']') {
        return false;
    }
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    // What stands before a bracket is nobody's concern, in Python too.
    if let Some((_, bracketed)) = place.split_once('[') {
        let host = bracketed.split(']').next().unwrap_or_default();
        let (host, zone) = host.split_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)));
        return host.parse::<Ipv6Addr>().is_ok() && zone != Some("");
    }
    let host = place.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 255 && host.split('.').all(label)
}

fn is_scheme(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(inner)
}

fn label(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (1..=63).contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn endpoint_and_mode_are_checked_as_botocore_checks_them() {
        let with = |endpoint: Option<&str>, mode: Option<&str>| Settings {
            endpoint: endpoint.map(str::to_owned),
            endpoint_mode: mode.map(str::to_owned),
            ..Settings::default()
        };
        let good = [
            (None, None, "http://169.254.169.254/"),
            (None, Some("IPv4"), "http://169.254.169.254/"),
            (None, Some("ipv6"), "http://[fd00:ec2::254]/"),
            (Some(""), Some("IPV6"), "http://[fd00:ec2::254]/"),
            (Some("http://127.0.0.1:1338"), Some("ipv6"), "http://127.0.0.1:1338"),
            (Some("http://[::1]:80"), None, "http://[::1]:80"),
            (Some("http://[fe80::1%eth0]/"), None, "http://[fe80::1%eth0]/"),
            (Some("HTTP://X"), None, "HTTP://X"),
            (Some("http://imds.local./p"), None, "http://imds.local./p"),
            (Some("http://user:pw@host/"), None, "http://user:pw@host/"),
            // No URL for us either, but botocore says so only when it asks.
            (Some("ftp://x/"), None, "ftp://x/"),
            (Some("http://x:port/"), None, "http://x:port/"),
            (Some("http://x?y"), None, "http://x?y"),
            (Some(" //x"), None, " //x"),
        ];
        for (endpoint, mode, base) in good {
            let settings = with(endpoint, mode);
            assert_eq!((settings.check(), settings.base()), (Ok(()), base));
        }
        let bad = [
            (None, Some("")),
            (None, Some("ipv5")),
            (Some("localhost:123"), None),
            (Some("/x"), None),
            (Some("http://a b"), None),
            (Some("http://x\n"), None),
            (Some("http://x_y"), None),
            (Some("http://-x"), None),
            (Some("http://x..y"), None),
            (Some("http://[nonsense]"), None),
            (Some("http://[::1"), None),
            (Some("http://::1]"), None),
            (Some("http://[fe80::1%]/"), None),
            (Some("http//x"), None),
            (Some("1http://x"), None),
            (Some("http://"), None),
        ];
        for (endpoint, mode) in bad {
            let failure = with(endpoint, mode).check().unwrap_err();
            assert_eq!(
                (failure.cause.code, failure.kind),
                ("IMDS-ENDPOINT", FailureKind::Misconfigured),
                "{endpoint:?}"
            );
        }
    }
}
