//! A real API server with its etcd, on loopback, and the programs that people talk to it with. No controllers and no
//! kubelet: what is in a cluster is what a test put there, and what admission made of it.
//!
//! ```text
//! let Some(cluster) = Cluster::shared() else { return };
//! let space = cluster.namespace("orders", &["pod-security.kubernetes.io/enforce=restricted"]);
//! cluster.apply(&space, POD).expect_code(0);
//! let pod = cluster.get(&space, "pod", "web");
//! let token = cluster.token_request(&space, "default", "sts.amazonaws.com");
//! ```
//!
//! Tests share one cluster of a version, each in namespaces of its own. It ends with the tests' process, whatever ends
//! that; a cluster of a test's own (`Cluster::start`) ends when it is dropped.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "what a cluster offers, whether or not a test takes it today"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::run::{Finished, Run};
use crate::support::running::Running;
use crate::support::tools::tool;

/// How long etcd and the API server may take together; two seconds are usual.
const START: Duration = Duration::from_secs(120);

/// How long one command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// A version of Kubernetes that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.37, which has policies for mutation as everybody gets them.
    New,
    /// 1.34, where they are in beta and must be asked for.
    Old,
}

impl Version {
    fn program(self) -> &'static str {
        match self {
            Version::New => "kube-apiserver",
            Version::Old => "kube-apiserver-1.34",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Version::New => &[],
            Version::Old => &[
                "--feature-gates=MutatingAdmissionPolicy=true",
                "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
            ],
        }
    }

    /// Whether the older one may be left out: the charts and their tests are those that passed on both.
    fn passed_before(self) -> bool {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/fingerprint");
        let path = std::env::var_os("PATH").unwrap();
        self == Version::Old
            && std::env::var_os("KEYFOB_KUBE").is_none_or(|value| value != "both")
            && Run::new(script).arg("--passed").env("PATH", path).run().code() == Some(0)
    }
}

/// An API server that answers, with a namespace `default` and everything else that it makes of its own.
pub struct Cluster {
    pub version: Version,
    folder: PathBuf,
    address: SocketAddr,
    // Held for the API server, which shares it: nobody else gets the port.
    _port: Socket,
    program: Running,
    kubectl: PathBuf,
    namespaces: AtomicU32,
}

impl Cluster {
    /// The newer cluster that all tests share; nothing where its programs are missing, which is said and counted.
    pub fn shared() -> Option<&'static Cluster> {
        Cluster::shared_of(Version::New)
    }

    /// The shared clusters of every version that is to be looked at.
    pub fn each() -> Vec<&'static Cluster> {
        [Version::New, Version::Old].into_iter().filter_map(Cluster::shared_of).collect()
    }

    fn shared_of(version: Version) -> Option<&'static Cluster> {
        static NEW: OnceLock<Option<Cluster>> = OnceLock::new();
        static OLD: OnceLock<Option<Cluster>> = OnceLock::new();
        let shared = match version {
            Version::New => &NEW,
            Version::Old => &OLD,
        };
        shared.get_or_init(|| Cluster::start(version)).as_ref()
    }

    /// A cluster of the test's own; nothing where its programs are missing, or where the older one has had its turn.
    pub fn start(version: Version) -> Option<Cluster> {
        if version.passed_before() {
            let words =
                "NOT ON 1.34 (tests/kube/passed-on-both): nothing has changed since it passed there\n";
            std::io::stderr().write_all(words.as_bytes()).unwrap();
            return None;
        }
        let (etcd, server, kubectl) = (tool("etcd")?, tool(version.program())?, tool("kubectl")?);
        let folder = tempfile::Builder::new().prefix("kube-").tempdir().unwrap().keep();
        let (port, address) = hold_a_port();
        write_keys(&folder, address);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/serve");
        let run = Run::new(script)
            .arg(&folder)
            .arg(address.port().to_string())
            .args([etcd, server])
            .args(version.flags())
            .env("PATH", std::env::var_os("PATH").unwrap());
        let program = Running::start(&run);
        let namespaces = AtomicU32::new(0);
        let cluster = Cluster { version, folder, address, _port: port, program, kubectl, namespaces };
        cluster.until_ready();
        Some(cluster)
    }

    fn until_ready(&self) {
        let begun = Instant::now();
        loop {
            let trust = self.ca().exists();
            let ready = trust.then(|| self.kubectl(&["get", "--raw", "/readyz"]));
            if ready.as_ref().is_some_and(|ready| ready.code() == Some(0)) {
                break;
            }
            let gone = self.program.wait(Duration::from_millis(100)).is_some();
            let late = begun.elapsed() > START;
            assert!(!gone && !late, "no API server after {:?}: {ready:?}\n{}", begun.elapsed(), self.log());
        }
        let created = |finished: &Finished| finished.code() == Some(0);
        // Made by the API server itself, a moment after it is ready.
        self.until("the namespace default", || {
            Some(self.kubectl(&["create", "serviceaccount", "default"])).filter(created)
        });
    }

    /// The last lines of both programs.
    pub fn log(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            text.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("{}\n{}", tail("etcd.log"), tail("apiserver.log"))
    }

    /// Asks until there is an answer; stops the test after a minute without one.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{what}: not within a minute\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A namespace that nobody else has, with a service account `default` as the controllers would make it.
    pub fn namespace(&self, stem: &str, labels: &[&str]) -> String {
        let name = format!("{stem}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name]).expect_code(0);
        if !labels.is_empty() {
            self.kubectl(&[&["label", "namespace", &name], labels].concat()).expect_code(0);
        }
        self.kubectl(&["--namespace", &name, "create", "serviceaccount", "default"]).expect_code(0);
        name
    }

    pub fn kubectl(&self, args: &[&str]) -> Finished {
        self.run(&self.kubectl, args, "")
    }

    /// Objects as YAML, each checked strictly: an unknown or doubled field is an error.
    pub fn apply(&self, namespace: &str, yaml: &str) -> Finished {
        let fixed = ["--namespace", namespace, "apply", "--server-side", "--validate=strict", "-f", "-"];
        self.run(&self.kubectl, &fixed, yaml)
    }

    /// Like `apply`, for one that must not be there yet.
    pub fn create(&self, namespace: &str, yaml: &str) -> Finished {
        self.run(&self.kubectl, &["--namespace", namespace, "create", "--validate=strict", "-f", "-"], yaml)
    }

    /// What would become of an object: nothing is kept.
    pub fn dry_run(&self, namespace: &str, yaml: &str) -> Finished {
        let fixed = ["--namespace", namespace, "create", "--validate=strict", "--dry-run=server"];
        self.run(&self.kubectl, &[&fixed[..], &["--output", "json", "-f", "-"]].concat(), yaml)
    }

    #[track_caller]
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Value {
        self.kubectl(&["--namespace", namespace, "get", kind, name, "--output", "json"]).expect_code(0).json()
    }

    /// `helm` or another program that reads a kubeconfig, in a folder.
    pub fn program(&self, program: &Path, folder: &Path, args: &[&str]) -> Finished {
        self.prepared(program, args).dir(folder).run()
    }

    fn run(&self, program: &Path, args: &[&str], stdin: &str) -> Finished {
        self.prepared(program, args).stdin(stdin).run()
    }

    fn prepared(&self, program: &Path, args: &[&str]) -> Run {
        let run = Run::new(program).args(args).within(COMMAND);
        run.env("HOME", &self.folder).env("KUBECONFIG", self.kubeconfig())
    }

    /// An administrator's.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Of the API server, which speaks TLS only.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whom to trust there; it vouches for 127.0.0.1.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("certs/apiserver.crt")
    }

    /// A service account's token for ten minutes or more, as the kubelet asks for one.
    #[track_caller]
    pub fn token_request(&self, namespace: &str, service_account: &str, audience: &str) -> String {
        self.token(&["--namespace", namespace, "create", "token", service_account, "--audience", audience])
    }

    /// The same, bound to a pod: its claims name it, and it ends with it.
    #[track_caller]
    pub fn token_of_pod(&self, namespace: &str, service_account: &str, audience: &str, pod: &str) -> String {
        let account = ["--namespace", namespace, "create", "token", service_account, "--audience", audience];
        self.token(&[&account[..], &["--bound-object-kind", "Pod", "--bound-object-name", pod]].concat())
    }

    fn token(&self, args: &[&str]) -> String {
        let token = self.kubectl(args).expect_code(0).stdout.trim().to_owned();
        crate::support::leaks::secret(&token);
        token
    }

    /// `iss` of those tokens.
    pub fn issuer(&self) -> &'static str {
        "https://kubernetes.default.svc"
    }

    /// What those tokens are verified with, as the API server publishes it.
    #[track_caller]
    pub fn jwks(&self) -> Value {
        self.kubectl(&["get", "--raw", "/openid/v1/jwks"]).expect_code(0).json()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The end of its stdin ends it, in order.
        self.program.stdin.take();
        let ended = self.program.wait(Duration::from_secs(40));
        assert!(ended.is_some() || std::thread::panicking(), "the cluster does not stop");
    }
}

/// Bound, and shared with whoever of the same user says that it shares.
fn hold_a_port() -> (Socket, SocketAddr) {
    let begun = Instant::now();
    loop {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        setsockopt(&held, sockopt::ReusePort, &true).unwrap();
        if held.bind(&free.into()).is_ok() {
            return (held, free);
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "no port to be had");
    }
}

/// The key that signs service accounts' tokens, and an administrator with a token of 256 random bits.
fn write_keys(folder: &Path, address: SocketAddr) {
    let key = AsDer::<Pkcs8V1Der<'_>>::as_der(&KeyPair::generate(KeySize::Rsa2048).unwrap()).unwrap();
    let text = aws_smithy_types::base64::encode(key.as_ref());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let begin = "-----BEGIN PRIVATE KEY-----";
    let pem = format!("{begin}\n{}\n{}\n", lines.join("\n"), begin.replace("BEGIN", "END"));
    fs::write(folder.join("issuer.key"), pem).unwrap();

    let mut random = [0; 32];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(folder.join("users.csv"), format!("{token},admin,1,system:masters\n")).unwrap();
    let config = format!(
        "apiVersion: v1
kind: Config
current-context: test
contexts: [{{ name: test, context: {{ cluster: test, user: admin, namespace: default }} }}]
users: [{{ name: admin, user: {{ token: {token} }} }}]
clusters:
  - name: test
    cluster: {{ server: 'https://{address}', certificate-authority: '{}/certs/apiserver.crt' }}
",
        folder.display()
    );
    fs::write(folder.join("kubeconfig"), config).unwrap();
}

#[test]
fn a_cluster_admits_signs_tokens_and_goes_without_a_trace() {
    let Some(cluster) = Cluster::start(Version::New) else { return };
    let space = cluster.namespace("first", &["pod-security.kubernetes.io/enforce=restricted"]);
    let pod =
        "{ apiVersion: v1, kind: Pod, metadata: { name: a }, spec: { containers: [{ name: a, image: a }] } }";
    let refused = cluster.apply(&space, pod);
    assert!(refused.stderr.contains("violates PodSecurity \"restricted"), "{refused:#?}");
    let unknown = cluster.apply("default", &pod.replace("image", "imag"));
    assert!(unknown.stderr.contains("field not declared in schema"), "{unknown:#?}");
    cluster.apply("default", pod).expect_code(0);
    assert_eq!(cluster.get("default", "pod", "a")["spec"]["serviceAccountName"], "default");

    let token = cluster.token_of_pod("default", "default", "sts.amazonaws.com", "a");
    let claims = aws_smithy_types::base64::decode(padded(token.split('.').nth(1).unwrap())).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], cluster.issuer());
    assert_eq!(claims["sub"], "system:serviceaccount:default:default");
    assert_eq!(claims["kubernetes.io"]["pod"]["name"], "a");
    assert_eq!(cluster.jwks()["keys"].as_array().unwrap().len(), 1);

    let folder = cluster.folder.clone();
    drop(cluster);
    assert!(!folder.exists(), "{}", folder.display());
}

/// Of a token's part: base64 as the decoder wants it.
fn padded(part: &str) -> String {
    let standard = part.replace('-', "+").replace('_', "/");
    format!("{standard}{}", "=".repeat((4 - part.len() % 4) % 4))
}
