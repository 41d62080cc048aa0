//! Keeps the chain from asking our own endpoint: it would wait for its own answer.

use std::net::{IpAddr, SocketAddr};

use hyper::Uri;

use crate::cause;
use crate::failure::{Failure, FailureKind};
use crate::http;

/// The failure if the address is one of our own listeners. It counts as not configured: an agent that is wired to
/// itself, as its applications are, has no other source in that variable.
pub(super) fn guard(url: &Uri, own: &[SocketAddr]) -> Option<Failure> {
    let port = http::port(url)?;
    let host = http::bare_host(url);
    own.iter().any(|listener| listener.port() == port && same_host(host, listener.ip())).then(|| {
        let sentence = format!("{} is keyfob's own endpoint: not asked", http::shown(url));
        Failure::new(FailureKind::NotConfigured, &cause::KF_LOOP, sentence)
    })
}

/// Names are not resolved; every way to say loopback is one.
fn same_host(host: &str, listener: IpAddr) -> bool {
    let named: Option<IpAddr> = host.parse().ok();
    let here = host.eq_ignore_ascii_case("localhost")
        || named.is_some_and(|ip| ip.to_canonical().is_loopback() || ip.is_unspecified());
    match listener {
        _ if listener.is_loopback() || listener.is_unspecified() => here || named == Some(listener),
        _ => named.map(|ip| ip.to_canonical()) == Some(listener.to_canonical()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_our_own_address_is_found() {
        let own: Vec<SocketAddr> =
            ["127.0.0.1:5397", "[::1]:5398", "192.0.2.7:80"].map(|text| text.parse().unwrap()).into();
        let cases = [
            ("http://127.0.0.1:5397/v1/credentials", true),
            ("http://127.9.9.9:5397/", true),
            ("http://localhost:5397/", true),
            ("http://LOCALHOST:5398/", true),
            ("http://[::1]:5397/", true),
            ("http://[::ffff:127.0.0.1]:5397/", true),
            ("http://0.0.0.0:5397/", true),
            ("http://user@127.0.0.1:5397/", true),
            ("http://192.0.2.7/", true),
            ("https://192.0.2.7/", false),
            ("http://127.0.0.1:80/", false),
            ("http://127.0.0.1:5396/", false),
            ("http://192.0.2.8/", false),
            ("http://169.254.170.2:5397/", false),
        ];
        for (url, ours) in cases {
            let failure = guard(&url.parse().unwrap(), &own);
            assert_eq!(failure.is_some(), ours, "{url}");
            if let Some(failure) = failure {
                assert!(failure.kind.falls_through());
                assert_eq!(failure.cause.code, "KF-LOOP");
            }
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_by_loopback() {
        let own = ["0.0.0.0:80".parse().unwrap()];
        assert!(guard(&"http://127.0.0.1/".parse().unwrap(), &own).is_some());
        assert!(guard(&"http://169.254.169.254/".parse().unwrap(), &own).is_none());
    }
}
