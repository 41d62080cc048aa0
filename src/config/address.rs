//! Where credentials are served: an IP address with a port, or a Unix socket.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address of the credentials listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// With its port; 0 is a free one.
    Tcp(SocketAddr),
    /// The path of a socket.
    Unix(PathBuf),
}

/// The longest path that the kernel takes for a socket.
const LONGEST: usize = 107;

impl Address {
    /// The IP address, if it is one: all that SDKs can reach.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().is_loopback())
    }

    /// Whether nothing routes to it from elsewhere: loopback, or link-local as the metadata service's own address is.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.is_near()
            || self.tcp().is_some_and(|address| match address.ip() {
                IpAddr::V4(ip) => ip.is_link_local(),
                IpAddr::V6(ip) => ip.is_unicast_link_local(),
            })
    }

    /// Whether it names one place: port 0 is another one each time.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.tcp().is_none_or(|address| address.port() != 0)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for Address {
    /// What was wanted.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix("unix:") else {
            let want = "an IP address with a port, such as \"127.0.0.1:5397\" or \"[::1]:5397\", or a Unix socket, such as \
                        \"unix:/run/keyfob/keyfob.sock\"";
            return text.parse().map(Self::Tcp).map_err(|_| want.to_owned());
        };
        if !path.starts_with('/') || path.ends_with('/') || path.chars().any(char::is_control) {
            return Err("the absolute path of a socket after \"unix:\", such as \
                        \"unix:/run/keyfob/keyfob.sock\""
                .to_owned());
        }
        if path.len() > LONGEST {
            return Err(format!(
                "a path of at most {LONGEST} bytes: the kernel takes no longer one for a socket"
            ));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in ["127.0.0.1:5397", "[::1]:0", "unix:/run/keyfob/keyfob.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_socket_is_near_and_one_place() {
        let [socket, free, far] =
            ["unix:/s", "127.0.0.1:0", "0.0.0.0:1"].map(|text| text.parse::<Address>().unwrap());
        assert_eq!([socket.is_near(), free.is_near(), far.is_near()], [true, true, false]);
        assert_eq!([socket.is_fixed(), free.is_fixed(), far.is_fixed()], [true, false, true]);
        assert_eq!((socket.tcp(), far.tcp().map(|at| at.port())), (None, Some(1)));
    }

    #[test]
    fn a_socket_has_an_absolute_path_that_the_kernel_takes() {
        let long = |bytes: usize| format!("unix:/{}", "x".repeat(bytes - 1));
        assert!(long(107).parse::<Address>().is_ok());
        assert!(long(108).parse::<Address>().unwrap_err().starts_with("a path of at most 107 bytes"));
        for wrong in ["unix:", "unix:run/k.sock", "unix:/run/", "unix:@name", "unix:/a\nb"] {
            assert!(wrong.parse::<Address>().unwrap_err().starts_with("the absolute path"), "{wrong}");
        }
    }
}
