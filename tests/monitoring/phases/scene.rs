//! An agent with a few roles, applications that ask it, and a fake AWS that can be told to refuse.
//!
//! `orders` and `reports` are assumed through STS, `ingest` with a web identity token, `billing` is the instance's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::super::loopback::Loopback;
use crate::support::aws::FakeAws;
use crate::support::home::TempHome;
use crate::support::raw;
use crate::support::run::Run;
use crate::support::serving::{Bound, Serving};

const BASE: &str = "AKIABASE000000000000";

pub const ROLES: [&str; 4] = ["orders", "billing", "reports", "ingest"];

/// Asks every role again and again, as applications do, until it is dropped.
struct Applications {
    habits: Arc<Habits>,
    threads: Vec<JoinHandle<()>>,
}

/// What they do until told otherwise.
#[derive(Default)]
struct Habits {
    over: AtomicBool,
    /// One of them has no token.
    intruder: AtomicBool,
    /// Roles that an operator refreshes every few seconds.
    refreshed: Mutex<Vec<&'static str>>,
}

pub struct Scene {
    home: TempHome,
    pub aws: FakeAws,
    agent: Option<Serving>,
    bound: Bound,
    applications: Applications,
    collector: Loopback,
}

pub fn arn(role: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{role}")
}

impl Scene {
    pub fn begin() -> Scene {
        let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
        aws.set_generations(true);
        aws.imds().set(|imds| imds.life = 5400);
        aws.sts().set(|sts| sts.life = Some(3600));
        aws.add_user(BASE, &secret(), "111122223333", "ops");
        home.credentials(&base_keys());
        let token = home.write("web.token", &token::jwt(3600));
        let assumed = |role| format!("[profile {role}]\nrole_arn = {}\nsource_profile = base\n", arn(role));
        let web = format!(
            "[profile ingest]\nrole_arn = {}\nweb_identity_token_file = {}\n",
            arn("ingest"),
            token.display()
        );
        home.config(&(["orders", "reports", "audit"].map(assumed).concat() + &web));
        configure(&home, &ROLES);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let collector = Loopback::serve(|_, _| Some(String::new()));
        let agent = launch(&home, &aws, &collector, any, any);
        let bound = agent.bound.clone();
        let applications = Applications::begin(&bound, &agent.token(), &admin_token(&home));
        let scene = Scene { home, aws, agent: Some(agent), bound, applications, collector };
        scene.insist(&["billing", "orders"]);
        scene
    }

    pub fn admin(&self) -> SocketAddr {
        self.bound.admin
    }

    pub fn agent(&self) -> &Serving {
        self.agent.as_ref().unwrap()
    }

    /// From now on nobody may assume these, and everybody all others.
    pub fn deny(&self, roles: &[&str]) {
        let denied = roles.iter().map(|role| arn(role)).collect();
        self.aws.sts().set(|sts| sts.denied = denied);
    }

    /// What STS hands out from now on lives so many seconds.
    pub fn life(&self, seconds: i64) {
        self.aws.sts().set(|sts| sts.life = Some(seconds));
    }

    /// Whether somebody without a token asks as well.
    pub fn intruder(&self, on: bool) {
        self.applications.habits.intruder.store(on, Ordering::Relaxed);
    }

    /// An operator has these roles refreshed every few seconds.
    pub fn insist(&self, roles: &[&'static str]) {
        *self.applications.habits.refreshed.lock().unwrap() = roles.to_vec();
    }

    /// A walk now, as `keyfob refresh` asks for it.
    pub fn refresh(&self, role: &str) {
        refresh(self.bound.admin, &admin_token(&self.home), role, "");
    }

    /// The same, and what is held is dropped.
    pub fn drop_and_refresh(&self, role: &str) {
        refresh(self.bound.admin, &admin_token(&self.home), role, "?drop=true");
    }

    /// Writes the configuration with these roles; the agent sees it.
    pub fn configure(&self, roles: &[&str]) {
        configure(&self.home, roles);
    }

    /// An edit of the AWS credentials file that changes nothing that matters.
    pub fn edit_credentials(&self, note: &str) {
        self.home.credentials(&format!("{}# {note}\n", base_keys()));
    }

    /// A configuration that is refused, different each time.
    pub fn misconfigure(&self, note: &str) {
        self.home.write("keyfob.toml", &format!("# {note}\n[listen\n"));
    }

    /// The web identity token of `ingest`, with so many seconds to live.
    pub fn web_token(&self, seconds: i64) {
        self.home.replace("web.token", &token::jwt(seconds));
    }

    /// The agent ends and another begins at the same addresses.
    pub fn restart(&mut self) {
        self.agent = None;
        self.agent =
            Some(launch(&self.home, &self.aws, &self.collector, self.bound.credentials, self.bound.admin));
    }
}

fn secret() -> String {
    format!("secret-of-{BASE}")
}

fn base_keys() -> String {
    format!("[base]\naws_access_key_id = {BASE}\naws_secret_access_key = {}\n", secret())
}

fn configure(home: &TempHome, roles: &[&str]) {
    let role = |role: &&str| match *role {
        "billing" => "[[role]]\nname = \"billing\"\nsources = [\"imds\"]\n".to_owned(),
        other => format!("[[role]]\nname = \"{other}\"\nprofile = \"{other}\"\n"),
    };
    let admin = home.path().join("admin.token").display().to_string();
    let roles: String = roles.iter().map(role).collect();
    home.write(
        "keyfob.toml",
        &format!("[auth]\nadmin_token_file = \"{admin}\"\n[telemetry]\nidentity = true\n{roles}"),
    );
}

fn launch(
    home: &TempHome,
    aws: &FakeAws,
    collector: &Loopback,
    credentials: SocketAddr,
    admin: SocketAddr,
) -> Serving {
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let run = Run::keyfob()
        .args(["serve", "--log-format", "json", "--config"])
        .arg(home.path().join("keyfob.toml"))
        .args(["--listen", &credentials.to_string(), "--admin", &admin.to_string()])
        .envs(home.env())
        .envs(aws.env())
        .env("RUNTIME_DIRECTORY", run)
        .env("PATH", std::env::var("PATH").unwrap())
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address()));
    Serving::launch(&run).unwrap_or_else(|log| panic!("{log}"))
}

fn admin_token(home: &TempHome) -> String {
    let token = std::fs::read_to_string(home.path().join("admin.token")).unwrap();
    crate::support::leaks::secret(&token);
    token
}

fn refresh(admin: SocketAddr, token: &str, role: &str, query: &str) -> u16 {
    let path = format!("/v1/refresh/{role}{query}");
    raw::request(admin, "POST", &path, &[("Authorization", token)], "").status
}

impl Applications {
    fn begin(bound: &Bound, token: &str, admin_token: &str) -> Applications {
        let habits = Arc::new(Habits::default());
        let (at, admin) = (bound.credentials, bound.admin);
        let (token, admin_token) = (token.to_owned(), admin_token.to_owned());
        let (of_client, of_operator) = (Arc::clone(&habits), Arc::clone(&habits));
        let client = move || {
            for turn in 0_usize.. {
                let path = format!("/v1/credentials/{}", ROLES[turn % ROLES.len()]);
                ask(at, "GET", &path, &token);
                if of_client.intruder.load(Ordering::Relaxed) {
                    ask(at, "GET", &path, "guessed");
                }
                if of_client.over_within(Duration::from_millis(100)) {
                    return;
                }
            }
        };
        let operator = move || {
            while !of_operator.over_within(Duration::from_secs(4)) {
                let roles = of_operator.refreshed.lock().unwrap().clone();
                roles
                    .iter()
                    .for_each(|role| ask(admin, "POST", &format!("/v1/refresh/{role}"), &admin_token));
            }
        };
        Applications { habits, threads: vec![thread::spawn(client), thread::spawn(operator)] }
    }
}

impl Habits {
    /// Whether it is over, at the latest after this long.
    fn over_within(&self, long: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < long && !self.over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50).min(long));
        }
        self.over.load(Ordering::Relaxed)
    }
}

/// Whatever comes back, if anything: the agent may be between two lives.
fn ask(at: SocketAddr, method: &str, path: &str, token: &str) {
    let bound = Duration::from_secs(10);
    let Ok(mut stream) = TcpStream::connect_timeout(&at, bound) else { return };
    let _ = stream.set_read_timeout(Some(bound));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    );
    let mut answer = Vec::new();
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
}

impl Drop for Applications {
    fn drop(&mut self) {
        self.habits.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

mod token {
    //! Tokens as an identity provider makes them, but for the signature, which nobody here verifies.

    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    pub fn jwt(seconds: i64) -> String {
        let exp = jiff::Timestamp::now().as_second() + seconds;
        let claims = serde_json::json!({ "iss": "https://issuer.test", "sub": "ingest", "aud": "sts.amazonaws.com", "exp": exp });
        let head = encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        let token = format!("{head}.{}.{}", encode(claims.to_string().as_bytes()), encode(b"no signature"));
        crate::support::leaks::secret(&token);
        token
    }

    fn encode(bytes: &[u8]) -> String {
        let group = |three: &[u8]| {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - three.len()));
            let digits = (0..=three.len()).map(move |at| (bits >> (18 - 6 * at)) & 63);
            digits.map(|digit| char::from(DIGITS[digit as usize])).collect::<String>()
        };
        bytes.chunks(3).map(group).collect()
    }
}
