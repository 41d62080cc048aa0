//! Trust in servers: the system's certificates or named ones, loaded when the first https request is made and not before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::broken::{Broken, Step};
use super::{Stream, issuer};
use crate::file;

/// Certificates that somebody named, as files of PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Who may have signed the server's, in place of all that the system trusts.
    pub authority: Option<PathBuf>,
    /// Our own certificate and its key, for servers that ask for one.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Servers that are trusted for showing exactly the first certificate of one of these files, whatever it says; files
    /// that cannot be read are passed over.
    pub known: Box<[PathBuf]>,
}

/// The certificates that are trusted. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    named: Arc<Certificates>,
    loaded: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl Trust {
    /// In these; they are read when they are needed.
    #[must_use]
    pub fn new(named: Certificates) -> Self {
        Self { named: Arc::new(named), loaded: Arc::default() }
    }

    /// Speaks TLS over a connection to that host, within that time.
    ///
    /// # Errors
    /// Whoever is there is not trusted, or did not come to an end with it.
    pub(crate) async fn handshake<S: Stream>(
        &self,
        host: &str,
        stream: S,
        patience: Duration,
    ) -> Result<TlsStream<S>, Broken> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Broken::new(Step::Address, "the host is no name a certificate could have"))?;
        let config = self.loaded.get_or_try_init(|| load(Arc::clone(&self.named))).await?;
        let connector = TlsConnector::from(Arc::clone(config));
        match timeout(patience, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(refused(&error).with("host", host)),
            Err(_) => Err(Broken::new(Step::AnswerTimeout, format!("no TLS handshake in {patience:?}"))),
        }
    }
}

/// Reading some hundred certificates takes milliseconds that others should not wait for.
async fn load(named: Arc<Certificates>) -> Result<Arc<ClientConfig>, Broken> {
    let loading = tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        match &named.authority {
            None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
            Some(path) => match roots.add_parsable_certificates(bundle(path)?) {
                (0, _) => return Err(useless(path, "none of its certificates can be read")),
                added => added,
            },
        };
        let known = named.known.iter().filter_map(|path| chain(path).ok()?.into_iter().next()).collect();
        config(roots, known, named.own.as_ref())
    });
    match loading.await {
        Ok(config) => config.map(Arc::new),
        Err(error) => Err(Broken::new(Step::Handshake, error.to_string())),
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Broken> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|error| unusable_file(path, &error))
}

/// Certificates in PEM, at least one, with whatever stands between them.
fn bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>, Broken> {
    let bytes = file::read(path).1.map_err(|error| unusable_file(path, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) if bytes.trim_ascii().is_empty() => Err(useless(path, "it is empty")),
        Ok(_) if bytes.starts_with(&[0x30, 0x82]) => Err(useless(path, "it is DER, and PEM is wanted")),
        Ok(_) => Err(useless(path, &format!("its {} bytes hold no certificate in PEM", bytes.len()))),
        Err(error) => Err(unusable_file(path, &error)),
    }
}

fn useless(path: &Path, what: &str) -> Broken {
    Broken::new(Step::Certificate, format!("{} cannot be used: {what}", path.display()))
}

fn unusable_file(path: &Path, error: &dyn error::Error) -> Broken {
    useless(path, &error.to_string())
}

fn config(
    roots: RootCertStore,
    known: Vec<CertificateDer<'static>>,
    own: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, Broken> {
    if roots.is_empty() && known.is_empty() {
        return Err(Broken::new(Step::Certificate, "there are no trusted certificates at all"));
    }
    let unusable = |error: &dyn error::Error| Broken::new(Step::Handshake, error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let mut verifier =
        Verifier { authorities: None, known, algorithms: provider.signature_verification_algorithms };
    if !roots.is_empty() {
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        verifier.authorities = Some(authorities.build().map_err(|error| unusable(&error))?);
    }
    // "Dangerous" is any verifier but rustls's own; this one asks rustls's own about all that it does not know itself.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let Some((certificate, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let pem = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable_file(key, &error))?;
    let with_key = builder.with_client_auth_cert(chain(certificate)?, pem);
    with_key.map_err(|error| unusable_file(certificate, &error))
}

fn refused(error: &std::io::Error) -> Broken {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            let broken =
                Broken::new(Step::Certificate, format!("the server's certificate is not trusted: {why}"));
            let unknown = why.downcast_ref::<UnknownIssuer>();
            match unknown.and_then(|unknown| unknown.name.as_ref()) {
                Some(issuer) => broken.with("issuer", issuer),
                None => broken,
            }
        }
        Some(rustls::Error::InvalidCertificate(why)) => {
            Broken::new(Step::Certificate, format!("the server's certificate is not accepted: {why}"))
        }
        Some(other) => Broken::new(Step::Handshake, format!("TLS: {other}")),
        None => Broken::new(Step::Handshake, format!("the TLS handshake was cut off: {error}")),
    }
}

/// rustls's verifier, which does not say whom it does not trust, and certificates that need none.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    known: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct UnknownIssuer {
    name: Option<String>,
    /// Somebody of that name is known, with another key.
    alike: bool,
}

impl fmt::Display for UnknownIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) if self.alike => write!(f, "issued by another {name:?} than the one known here"),
            Some(name) => write!(f, "issued by {name:?}, which is not known here"),
            None => f.write_str("its issuer is not known here"),
        }
    }
}

impl error::Error for UnknownIssuer {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.known.iter().any(|known| known == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = |alike| {
            let unknown = UnknownIssuer { name: issuer::of(end_entity), alike };
            CertificateError::Other(OtherError(Arc::new(unknown))).into()
        };
        let authorities = self.authorities.as_ref().ok_or_else(|| unknown(false))?;
        let verdict =
            authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.map_err(|error| match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => unknown(false),
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => unknown(true),
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::clock::Clock;
    use crate::http::{Ask, Client};
    use crate::report::Notes;

    // An authority and a certificate of its for 127.0.0.1, good until 2126; made with openssl for this test alone.
    const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBxDCCAWmgAwIBAgIUJpMI04Ymbq0aDFb5pQvJKKkj6hQwCgYIKoZIzj0EAwIw
NjEUMBIGA1UECgwLRXhhbXBsZSBPcmcxHjAcBgNVBAMMFUludGVyY2VwdGluZyBQ
cm94eSBDQTAgFw0yNjExMjMxNTU1MTBaGA8yMTI2MTAzMDE1NTUxMFowNjEUMBIG
A1UECgwLRXhhbXBsZSBPcmcxHjAcBgNVBAMMFUludGVyY2VwdGluZyBQcm94eSBD
QTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL285URyHVC4COWtRBbUusUHSBoW
pKGuyKuLSqFef5u/i9Fl4jhlbWjgMTWd9DAhIclc7wMDvOMlPeA3YtF9ueyjUzBR
MB0GA1UdDgQWBBTN6/Euv4U/4wmphlw2RtmepYfBajAfBgNVHSMEGDAWgBTN6/Eu
v4U/4wmphlw2RtmepYfBajAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA
MEYCIQDFP/Bfv3YdLXDTx6ulzOorD9oqDesBROUpLpKaC5nZ+wIhAMCOc1iDPOC+
Vez39WCHLu6Ox+qhsEQAyEn0sRwzslbh
-----END CERTIFICATE-----";
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIByzCCAXGgAwIBAgIUXq5X8SsGWTeLT2ec7DYn3VPsSvgwCgYIKoZIzj0EAwIw
NjEUMBIGA1UECgwLRXhhbXBsZSBPcmcxHjAcBgNVBAMMFUludGVyY2VwdGluZyBQ
cm94eSBDQTAgFw0yNjExMjMxNTU1MTBaGA8yMTI2MTAzMDE1NTUxMFowEzERMA8G
A1UEAwwIZW5kcG9pbnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR5x+cSR+4V
Q5Z4NEyeTqR2obl94ITaNsRbOnMFgPQsbhQHibwKyl8kIiEKcClNvlhayl9ll0ty
s21WceT5hZ9Ko34wfDAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCQYDVR0T
BAIwADATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQUXZx8UEpEQeI4ex5l
oQNZYtARVBwwHwYDVR0jBBgwFoAUzevxLr+FP+MJqYZcNkbZnqWHwWowCgYIKoZI
zj0EAwIDSAAwRQIgH075m3UEoykPm/9JQo8pyqpclKxzV5epuN9pLc6lk0UCIQCG
C1oULMRfJ19ouwTQDflu1EVwMs3tK/Ee/neWsfjhww==
-----END CERTIFICATE-----";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvfEagI6pu/zhYp0B
DR+S72vEMJb6EvVxtZHJyOrG/OyhRANCAAR5x+cSR+4VQ5Z4NEyeTqR2obl94ITa
NsRbOnMFgPQsbhQHibwKyl8kIiEKcClNvlhayl9ll0tys21WceT5hZ9K
-----END PRIVATE KEY-----";

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// Serves one https request and returns what the client made of it.
    async fn request(trust: Trust) -> Result<u16, Broken> {
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der(CERTIFICATE)], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                stream.write_all(b"HTTP/1.1 204 N\r\n\r\n").await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let ask = Ask::get("container", "GET credentials", url, Duration::from_secs(5));
        let client = Client { trust, ..Client::new(Clock::host()) };
        let mut notes = Notes::default();
        let answer = tokio::select! {
            answer = client.send(ask, &mut notes) => answer,
            () = serve => unreachable!("the client went without a word"),
        };
        answer.map(|answer| answer.status)
    }

    #[tokio::test]
    async fn a_stranger_is_refused_and_named() {
        let broken = request(Trust::default()).await.unwrap_err();
        // A system without any certificates says that instead.
        assert_eq!(broken.step, Step::Certificate);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if !roots.is_empty() {
            assert!(broken.to_string().contains("Intercepting Proxy CA"), "{broken}");
        }
        let failure = broken.failure("the endpoint");
        assert_eq!(failure.cause.code, "TLS-CA");
        assert!(broken.connected() && !broken.may_pass());
    }

    #[tokio::test]
    async fn a_trusted_server_is_answered() {
        let mut roots = RootCertStore::empty();
        roots.add(der(AUTHORITY)).unwrap();
        let trust = Trust::default();
        trust.loaded.set(Arc::new(config(roots, Vec::new(), None).unwrap())).unwrap();
        assert_eq!(request(trust).await, Ok(204));
    }

    #[tokio::test]
    async fn a_named_authority_is_trusted_in_place_of_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, AUTHORITY).unwrap();
        let named =
            |path: &Path| Certificates { authority: Some(path.to_owned()), ..Certificates::default() };
        assert_eq!(request(Trust::new(named(&path))).await, Ok(204));
        let missing = folder.path().join("none.pem");
        let broken = request(Trust::new(named(&missing))).await.unwrap_err();
        assert_eq!(broken.step, Step::Certificate);
        assert!(broken.to_string().contains("none.pem"), "{broken}");
    }

    #[tokio::test]
    async fn a_server_that_is_known_needs_no_authority() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.pem");
        let known = || Trust::new(Certificates { known: [path.clone()].into(), ..Certificates::default() });
        std::fs::write(&path, CERTIFICATE).unwrap();
        assert_eq!(request(known()).await, Ok(204));
        // Another one's is no reason to trust it.
        std::fs::write(&path, AUTHORITY).unwrap();
        assert_eq!(request(known()).await.unwrap_err().step, Step::Certificate);
    }

    #[test]
    fn a_system_without_certificates_says_so() {
        let broken = config(RootCertStore::empty(), Vec::new(), None).unwrap_err();
        assert_eq!(broken.step, Step::Certificate);
    }

    #[test]
    fn the_issuer_is_read_from_the_certificate_and_never_from_garbage() {
        let der = der(CERTIFICATE);
        assert_eq!(issuer::of(&der).as_deref(), Some("Intercepting Proxy CA"));
        for end in 0..der.len() {
            // Every torn certificate: any answer but a panic.
            let _any = issuer::of(&der[..end]);
        }
        assert_eq!(issuer::of(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
