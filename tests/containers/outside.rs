//! What a container finds outside: names that are answered, and AWS behind TLS.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::network::{Door, Network};
use crate::support::tools::tool;
use crate::support::{Run, TempHome};

/// An authority of our own and the certificate it gave a server.
pub struct Authority {
    home: TempHome,
}

impl Authority {
    /// None: skipped for want of openssl.
    pub fn with_server(name: &str) -> Option<Authority> {
        let openssl = tool("openssl")?;
        let home = TempHome::new();
        let run = |command: &str| {
            let ended = Run::new(&openssl).args(command.split(' ')).dir(home.path()).envs(home.env());
            ended.run().expect_code(0);
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-authority -days 2"));
        run(&format!(
            "req {key} -keyout server.key -out server.csr -subj /CN=server -addext subjectAltName=DNS:{name}"
        ));
        run(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out server.pem",
        );
        Some(Authority { home })
    }

    pub fn certificate(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// A door with TLS.
    pub fn in_front_of(&self, network: &Network, at: &str, to: SocketAddr) -> Door {
        let path = |name: &str| self.home.path().join(name);
        let chain = CertificateDer::pem_file_iter(path("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(path("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        network.door_with(at, move |guest| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                guest.set_nonblocking(true).unwrap();
                let guest = tokio::net::TcpStream::from_std(guest).unwrap();
                // A client that does not trust us is no failure of ours.
                let Ok(mut guest) = acceptor.accept(guest).await else { return };
                let Ok(mut host) = tokio::net::TcpStream::connect(to).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut guest, &mut host).await;
            });
        })
    }
}

/// A name server that knows one address for everybody.
pub struct Names {
    asked: Arc<Mutex<Vec<String>>>,
    closing: Arc<AtomicBool>,
    answering: Option<thread::JoinHandle<()>>,
}

impl Names {
    pub fn answer_with(network: &Network, address: Ipv4Addr) -> Names {
        let socket = network.inside(|| UdpSocket::bind("127.0.0.1:53").unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (asked, closing) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (heard, seen) = (Arc::clone(&asked), Arc::clone(&closing));
        let answering = thread::spawn(move || {
            let mut question = [0; 512];
            while !seen.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                let (name, answer) = answer(&question[..length], address);
                heard.lock().unwrap().push(name);
                let _ = socket.send_to(&answer, from);
            }
        });
        Names { asked, closing, answering: Some(answering) }
    }

    /// Every name that was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(answering) = self.answering.take() {
            let _ = answering.join();
        }
    }
}

/// The name, and an answer: this address where one of version 4 is asked for, else that there is none (RFC 1035, 4.1).
fn answer(question: &[u8], address: Ipv4Addr) -> (String, Vec<u8>) {
    let (mut name, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    let end = at + 5;
    let wants_v4 = question[at + 1..at + 3] == [0, 1];
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(wants_v4), 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    if wants_v4 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    (name.join("."), answer)
}

/// A web server that answers one request a connection.
pub struct Web(Door);

impl Web {
    /// The head of a request in, status and body out.
    pub fn serve(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Web(Door::open(listener, move |mut guest| {
            let head: Vec<_> = BufReader::new(&guest)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let (status, body) = answer(&head.join("\n"));
            let head =
                format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = guest.write_all(head.as_bytes()).and_then(|()| guest.write_all(&body));
        }))
    }

    pub fn at(&self) -> SocketAddr {
        self.0.at
    }
}
