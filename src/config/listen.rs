//! `[listen]`: where the agent listens, and how it shows itself there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::Address;

/// `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Credentials addresses.
    pub credentials: Vec<Address>,
    /// Admin address; `None` is off.
    pub admin: Option<SocketAddr>,
    /// Whether a credentials address may be other than loopback.
    pub expose: bool,
    /// More names accepted in `Host`, lower case.
    pub hosts: Vec<String>,
    /// IP TTL of answers on listeners that are not loopback.
    pub ttl: u32,
    /// Whether the metadata service's paths are answered too.
    pub imds: bool,
    /// TLS on credentials addresses that are IP addresses.
    pub tls: Option<KeyPair>,
    /// TLS on the admin address.
    pub admin_tls: Option<KeyPair>,
}

/// A certificate and its private key, as files of PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The listener's own certificate first.
    pub cert: PathBuf,
    /// Not encrypted.
    pub key: PathBuf,
}

impl KeyPair {
    /// Both files.
    #[must_use]
    pub fn paths(&self) -> [&Path; 2] {
        [&self.cert, &self.key]
    }
}

/// What `listen.imds` needs: a session of the metadata service is opened without a token, so that whoever reaches the
/// address would have the role.
pub const METADATA_STAYS: &str =
    "a loopback or link-local address; or listen.imds = false: it gives credentials to whoever reaches it";

impl Default for Listen {
    fn default() -> Self {
        Self {
            credentials: vec![SocketAddr::from(([127, 0, 0, 1], 5397)).into()],
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 5398))),
            expose: false,
            hosts: Vec::new(),
            ttl: 1,
            imds: false,
            tls: None,
            admin_tls: None,
        }
    }
}
