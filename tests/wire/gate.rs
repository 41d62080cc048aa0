//! What stands between a program and AWS: a real proxy, plain or over TLS, and real TLS in front of the fake.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::support::papers::Papers;

/// Something that listens; it ends with its value.
pub struct Relay {
    pub addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    runtime: Option<Runtime>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What a proxy does.
#[derive(Clone)]
pub struct Gate {
    /// Where tunnels lead, whatever was asked for.
    pub tunnels: SocketAddr,
    /// Where plain requests go.
    pub plain: SocketAddr,
    /// The `Proxy-Authorization` that it wants.
    pub login: Option<String>,
}

impl Relay {
    /// TLS for whatever name is asked for, and plain behind it.
    pub fn tls(papers: &Arc<Papers>, behind: SocketAddr) -> Relay {
        let papers = Arc::clone(papers);
        Relay::start(move |stream, _heads| {
            let papers = Arc::clone(&papers);
            async move {
                let Ok(begun) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else { return };
                let Some(name) = begun.client_hello().server_name().map(str::to_owned) else { return };
                let config = tokio::task::spawn_blocking(move || vouched(&papers, &name));
                if let Ok(mut stream) = begun.into_stream(config.await.unwrap()).await {
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut behind).await;
                }
            }
        })
    }

    /// A proxy; over TLS where there is a certificate.
    pub fn proxy(gate: Gate, papers: Option<(&Papers, &str)>) -> Relay {
        let acceptor = papers.map(|(papers, name)| TlsAcceptor::from(config(papers, name)));
        Relay::start(move |stream, heads| {
            let (acceptor, gate) = (acceptor.clone(), gate.clone());
            async move {
                let stream: Box<dyn Stream> = match acceptor {
                    None => Box::new(stream),
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => return,
                    },
                };
                gate.pass(stream, &heads).await;
            }
        })
    }

    fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static,
    ) -> Relay {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (addr, heads) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let noted = Arc::clone(&heads);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noted)));
            }
        });
        Relay { addr, heads, runtime: Some(runtime) }
    }

    /// What was asked of the proxy since the last time: the first line, and its login.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Gate {
    async fn pass(&self, mut stream: Box<dyn Stream>, heads: &Mutex<Vec<String>>) {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let first = text.lines().next().unwrap().to_owned();
        let login = text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
        });
        heads.lock().unwrap().push(format!("{first} login {login:?}"));
        if self.login.is_some() && login != self.login {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\n\
                           content-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(refusal.as_bytes()).await;
            return;
        }
        let tunnel = first.starts_with("CONNECT ");
        let mut behind = TcpStream::connect(if tunnel { self.tunnels } else { self.plain }).await.unwrap();
        if tunnel {
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        } else {
            behind.write_all(&head).await.unwrap();
        }
        let _ = copy_bidirectional(&mut stream, &mut behind).await;
    }
}

/// With a certificate for that name, which is made the first time: nobody who waits for it should be in a hurry.
pub fn vouched(papers: &Papers, name: &str) -> Arc<ServerConfig> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one_by_one = ONE.lock().unwrap();
    if !papers.path(&format!("{name}.pem")).exists() {
        papers.issue(name, &format!("DNS:{name}"));
    }
    config(papers, name)
}

fn config(papers: &Papers, name: &str) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(papers.path(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(papers.path(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(config)
}
