//! Which names in `Host` mean this machine: the defence against names that were made to point here (DNS rebinding).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a `Host` value is ours: a literal loopback or link-local address, `localhost`, or one of `hosts` (lower
/// case), with any port or none.
#[must_use]
pub(super) fn ours(value: &str, hosts: &[String]) -> bool {
    let Some(name) = without_port(value) else { return false };
    match name {
        Name::Bracketed(inner) => match inner.parse::<Ipv6Addr>() {
            Ok(address) => address.is_loopback() || address.is_unicast_link_local() || listed(inner, hosts),
            Err(_) => false,
        },
        // What nearly everybody sends; the rest is parsed.
        Name::Plain("127.0.0.1" | "localhost") => true,
        Name::Plain(inner) => {
            let near = inner.parse::<Ipv4Addr>().is_ok_and(|at| at.is_loopback() || at.is_link_local());
            near || inner.eq_ignore_ascii_case("localhost") || listed(inner, hosts)
        }
    }
}

enum Name<'a> {
    Bracketed(&'a str),
    Plain(&'a str),
}

fn without_port(value: &str) -> Option<Name<'_>> {
    if let Some(rest) = value.strip_prefix('[') {
        let (inner, after) = rest.split_once(']')?;
        return port(after).then_some(Name::Bracketed(inner));
    }
    let end = value.find(':').unwrap_or(value.len());
    let (name, after) = value.split_at(end);
    port(after).then_some(Name::Plain(name))
}

/// Nothing, or a colon and a port number.
fn port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|b| b.is_ascii_digit()) && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => text.is_empty(),
    }
}

fn listed(name: &str, hosts: &[String]) -> bool {
    hosts.iter().any(|host| host.trim_matches(['[', ']']).eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::ours;

    #[test]
    fn literal_near_addresses_and_localhost_are_ours() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:5397",
            "127.9.9.9:1",
            "169.254.170.2",
            "169.254.170.2:80",
            "localhost",
            "LocalHost:80",
            "[::1]",
            "[::1]:5397",
            "[fe80::1]:80",
            "127.0.0.1:",
        ] {
            assert!(ours(host, &[]), "{host}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for host in [
            "",
            ":80",
            "example.com",
            "example.com:5397",
            "127.0.0.1.example.com",
            "localhost.example.com",
            "localhost.",
            "10.0.0.1",
            "0.0.0.0",
            "0177.0.0.1",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[fd00:ec2::23]",
            "[::ffff:10.0.0.1]",
            "127.0.0.1:http",
            "127.0.0.1:99999",
            "127.0.0.1:80:80",
            "user@127.0.0.1",
            "127.0.0.1, example.com",
        ] {
            assert!(!ours(host, &[]), "{host}");
        }
    }

    #[test]
    fn configured_names_are_ours_in_any_case() {
        let hosts = ["agent.internal".to_owned(), "fd00:ec2::23".to_owned(), "10.1.2.3".to_owned()];
        for host in ["agent.internal", "Agent.Internal:80", "[fd00:ec2::23]:80", "10.1.2.3:9"] {
            assert!(ours(host, &hosts), "{host}");
        }
        assert!(!ours("other.internal", &hosts));
    }
}
