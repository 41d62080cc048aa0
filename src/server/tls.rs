//! Certificates of the listeners: read at the start, and again when their files change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio_rustls::TlsAcceptor;

use super::token_disk::describe;
use crate::config::{KeyPair, Listen, Problem};
use crate::file::{self, Stamp};

/// The certificates of both listeners; the writing end of each `Identity`.
#[derive(Debug, Default)]
pub struct Certificates {
    credentials: Option<Identity>,
    admin: Option<Identity>,
}

/// What one listener shows of itself. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    key: &'static str,
    files: KeyPair,
    current: Arc<ArcSwap<Loaded>>,
}

/// A certificate that is in use.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
    read: [Stamp; 2],
}

impl Certificates {
    /// Reads what is configured.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files.
    pub fn open(listen: &Listen) -> Result<Self, Vec<Problem>> {
        let read =
            |key, files: &Option<KeyPair>| files.as_ref().map(|files| Identity::open(key, files)).transpose();
        match (read("listen.tls", &listen.tls), read("listen.admin_tls", &listen.admin_tls)) {
            (Ok(credentials), Ok(admin)) => Ok(Self { credentials, admin }),
            (credentials, admin) => {
                let problems = [credentials.err(), admin.err()];
                Err(problems.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Reads every file again. A pair that cannot be used changes nothing, and what is wrong with it is returned.
    pub fn reload(&self) -> Vec<Problem> {
        self.all().filter_map(|identity| identity.reload().err()).flatten().collect()
    }

    /// Every file, for whoever watches them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.all().flat_map(|identity| identity.files.paths())
    }

    /// Of the credentials listeners that have an IP address.
    pub(super) fn credentials(&self) -> Option<&Identity> {
        self.credentials.as_ref()
    }

    /// Of the admin listener.
    pub(super) fn admin(&self) -> Option<&Identity> {
        self.admin.as_ref()
    }

    /// Where clients of this address find credentials: scheme, name and port.
    #[must_use]
    pub fn origin(&self, at: SocketAddr) -> String {
        match &self.credentials {
            None => format!("http://{at}"),
            // The one name for this machine that every SDK takes, where the certificate has no address.
            Some(identity) if at.ip().is_loopback() && !identity.names(at) && identity.named("localhost") => {
                format!("https://localhost:{}", at.port())
            }
            Some(_) => format!("https://{at}"),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Identity> {
        self.credentials.iter().chain(&self.admin)
    }
}

impl Identity {
    fn open(key: &'static str, files: &KeyPair) -> Result<Self, Vec<Problem>> {
        let loaded = load(key, files)?;
        Ok(Self { key, files: files.clone(), current: Arc::new(ArcSwap::from_pointee(loaded)) })
    }

    fn reload(&self) -> Result<(), Vec<Problem>> {
        // Sessions that can be resumed are worth keeping.
        if self.current.load().read == self.files.paths().map(file::stamp) {
            return Ok(());
        }
        self.current.store(Arc::new(load(self.key, &self.files)?));
        Ok(())
    }

    /// What makes a connection safe, with the certificate as it is now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.load().config).into()
    }

    fn names(&self, at: SocketAddr) -> bool {
        self.holds(&ServerName::IpAddress(at.ip().into()))
    }

    fn named(&self, name: &'static str) -> bool {
        ServerName::try_from(name).is_ok_and(|name| self.holds(&name))
    }

    fn holds(&self, name: &ServerName<'_>) -> bool {
        let current = self.current.load();
        let parsed = ParsedCertificate::try_from(&current.leaf);
        parsed.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
    }
}

/// A certificate with its key; both are looked at, whatever is wrong with one.
fn load(at: &'static str, files: &KeyPair) -> Result<Loaded, Vec<Problem>> {
    let problem = |part: &str, path: &PathBuf, is: &str, want: &str| Problem {
        at: format!("{at}.{part}"),
        is: format!("{}: {is}", path.display()),
        want: want.to_owned(),
    };
    let chain = chain(&files.cert).map_err(|is| problem("cert", &files.cert, &is, CHAIN));
    let key = private_key(&files.key).map_err(|is| problem("key", &files.key, &is, KEY));
    let ((cert_read, leaf, chain), (key_read, key)) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
    };
    let config = config(chain, key).map_err(|error| vec![problem("key", &files.key, &error, FITTING)])?;
    Ok(Loaded { config: Arc::new(config), leaf, read: [cert_read, key_read] })
}

const CHAIN: &str = "the server's certificate in PEM, and after it those between it and its authority";
const KEY: &str = "the certificate's private key in PEM, readable by this user and not encrypted";
const FITTING: &str = "the private key of the certificate beside it";

type Chain = Vec<CertificateDer<'static>>;

fn chain(path: &Path) -> Result<(Stamp, CertificateDer<'static>, Chain), String> {
    let (stamp, bytes) = file::read(path);
    let bytes = bytes.map_err(|error| describe(&error))?;
    let read: Result<Chain, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = read.map_err(|error| error.to_string())?;
    let leaf = chain.first().cloned().ok_or_else(|| "no certificate in it".to_owned())?;
    Ok((stamp, leaf, chain))
}

fn private_key(path: &Path) -> Result<(Stamp, PrivateKeyDer<'static>), String> {
    let (stamp, bytes) = file::read(path);
    let bytes = zeroize::Zeroizing::new(bytes.map_err(|error| describe(&error))?);
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => "no private key in it".to_owned(),
        // Its words may hold a line of the file.
        _ => "not a private key in PEM".to_owned(),
    })?;
    Ok((stamp, key))
}

fn config(chain: Chain, key: PrivateKeyDer<'static>) -> Result<ServerConfig, String> {
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => "the key of another certificate".to_owned(),
        error => error.to_string(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
