//! Trust in servers: the system's certificates, loaded when the first https request is made and not before.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::broken::{Broken, Step};

/// The certificates that are trusted. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust(Arc<OnceCell<Arc<ClientConfig>>>);

impl Trust {
    pub(super) async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
        patience: Duration,
    ) -> Result<TlsStream<TcpStream>, Broken> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Broken::new(Step::Address, "the host is no name a certificate could have"))?;
        let config = self.0.get_or_try_init(load).await?;
        let connector = TlsConnector::from(Arc::clone(config));
        match timeout(patience, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(Broken::new(Step::AnswerTimeout, format!("no TLS handshake in {patience:?}"))),
        }
    }
}

/// Reading some hundred certificates takes milliseconds that others should not wait for.
async fn load() -> Result<Arc<ClientConfig>, Broken> {
    let loading = tokio::task::spawn_blocking(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        config(roots)
    });
    let broken = |text: String| Broken::new(Step::Handshake, text);
    let config = loading.await.map_err(|error| broken(error.to_string()))?;
    config.map(Arc::new).map_err(|error| broken(error.to_string()))
}

fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn refused(error: &std::io::Error) -> Broken {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => {
            Broken::new(Step::Certificate, format!("the server's certificate was not accepted: {why}"))
        }
        Some(other) => Broken::new(Step::Handshake, format!("TLS: {other}")),
        None => Broken::new(Step::Handshake, format!("the TLS handshake was cut off: {error}")),
    }
}
