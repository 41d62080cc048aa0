//! A fake AWS on a loopback port: instance metadata, container credentials, STS with real signature checks, SSO and
//! Sign-In.
//!
//! It runs on a thread of its own, so a test may block on a child process that talks to it. A key id
//! tells who asked for what (see `mint`), so a right key proves the whole path that led to it.

mod container;
mod imds;
mod journal;
pub mod knobs;
mod mint;
mod port;
mod server;
pub mod sign_in;
mod sts;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use journal::{Entry, Face, Outcome};
pub use knobs::{Container, Imds, Knobs, Listing, Shape, SignIn, Sts, Trouble};
pub use mint::{Issued, sha256_hex};
pub use sts::Provider;

use journal::Journal;
use mint::Mint;
use port::Port;

/// The account of everything that does not come from a role's ARN or a user's registration.
pub const ACCOUNT: &str = "123456789012";

/// What all connections share.
pub struct World {
    pub started: std::time::Instant,
    pub journal: Journal,
    pub mint: Mutex<Mint>,
    pub imds: Knobs<Imds>,
    pub container: Knobs<Container>,
    pub sts: Knobs<Sts>,
    pub sign_in: Knobs<SignIn>,
    pub metadata_tokens: Mutex<Vec<imds::SessionToken>>,
    /// Bytes of endless bodies that clients have taken.
    pub streamed: std::sync::atomic::AtomicU64,
}

/// A running fake; dropping it closes its port and every connection.
pub struct FakeAws {
    port: Port,
    world: Arc<World>,
}

impl FakeAws {
    /// For async tests: the same as [`FakeAws::spawn_thread`], ready when it returns.
    pub async fn start() -> FakeAws {
        FakeAws::spawn_thread()
    }

    /// Binds a free loopback port and serves it from a thread with its own runtime.
    pub fn spawn_thread() -> FakeAws {
        let world = Arc::new(World {
            started: std::time::Instant::now(),
            journal: Journal::default(),
            mint: Mutex::new(Mint::new()),
            imds: Knobs::default(),
            container: Knobs::default(),
            sts: Knobs::default(),
            sign_in: Knobs::default(),
            metadata_tokens: Mutex::default(),
            streamed: 0.into(),
        });
        FakeAws { port: Port::open(Arc::clone(&world)), world }
    }

    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `http://127.0.0.1:PORT`, without a slash: good for `AWS_ENDPOINT_URL` and the metadata endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Cuts every connection and refuses new ones, until [`FakeAws::come_back`].
    pub fn go_dark(&self) {
        self.port.listen(false);
    }

    /// Listens again, at the same address.
    pub fn come_back(&self) {
        self.port.listen(true);
    }

    /// The full URI of a container endpoint, e.g. `container_url("/container/app")`.
    pub fn container_url(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// The variables that point STS and instance metadata of any SDK here. Containers are opt-in.
    pub fn env(&self) -> Vec<(String, String)> {
        ["AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT"]
            .map(|name| (name.to_owned(), self.url()))
            .into()
    }

    pub fn imds(&self) -> &Knobs<Imds> {
        &self.world.imds
    }

    pub fn container(&self) -> &Knobs<Container> {
        &self.world.container
    }

    pub fn sts(&self) -> &Knobs<Sts> {
        &self.world.sts
    }

    pub fn sign_in(&self) -> &Knobs<SignIn> {
        &self.world.sign_in
    }

    /// Registers long-term keys of an IAM user.
    pub fn add_user(&self, key_id: &str, secret: &str, account: &str, user: &str) {
        self.mint().add_user(key_id, secret, account, user);
    }

    /// Deletes the keys, long-term or handed out: from now on they are unknown.
    pub fn forget_key(&self, key_id: &str) {
        self.mint().forget(key_id);
    }

    /// With generations, asking the same question again gives other keys; the first answer stays what it is without.
    pub fn set_generations(&self, on: bool) {
        self.mint().generations = on;
    }

    /// Moves the clock by which AWS judges signatures and stamps expiry, in seconds.
    pub fn set_skew(&self, seconds: i64) {
        self.mint().skew = seconds;
    }

    /// What was handed out under this key id, newest issue.
    pub fn issued(&self, key_id: &str) -> Option<Issued> {
        self.mint().issued(key_id).cloned()
    }

    /// Every secret key and session token that exists here: handed out or registered, and metadata session tokens.
    pub fn secrets(&self) -> Vec<String> {
        let mut all = self.mint().secrets();
        let tokens = self.world.metadata_tokens.lock().unwrap();
        all.extend(tokens.iter().map(|token| token.value.clone()));
        all
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Entry> {
        self.world.journal.entries()
    }

    /// How often an operation was asked for: an STS action, or one of `PutToken`, `ListRoles`, `GetRole`,
    /// `GetAvailabilityZone`, `GetRegion`, `OtherMetadata`, `ContainerCredentials`, `PodIdentity`, `GetRoleCredentials`,
    /// `CreateToken`, `CreateOAuth2Token`, `Connect` (to a proxy), `Unknown`.
    pub fn calls(&self, op: &str) -> usize {
        self.world.journal.calls(op)
    }

    /// Forgets the requests so far, so that counters start at 0.
    pub fn clear_requests(&self) {
        self.world.journal.clear();
    }

    /// Blocks until `op` has arrived `n` times; false when `bound` passes first.
    pub fn wait_for_calls(&self, op: &str, n: usize, bound: Duration) -> bool {
        self.world.journal.wait(op, n, bound)
    }

    /// The same for async tests.
    pub async fn calls_reach(&self, op: &str, n: usize, bound: Duration) -> bool {
        self.world.journal.reach(op, n, bound).await
    }

    /// Bytes of endless bodies that were written to clients.
    pub fn streamed(&self) -> u64 {
        self.world.streamed.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn mint(&self) -> std::sync::MutexGuard<'_, Mint> {
        self.world.mint.lock().unwrap()
    }
}
