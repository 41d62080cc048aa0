//! keyfob and nginx, each pinned to a core and answering the same request with the same bytes.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::free_port;
use super::{binary, pinned, untold};
use crate::support::{FakeAws, Run, Running, Serving, TempHome, raw};

/// What a load needs to know of a server.
pub struct Server {
    pub pid: i32,
    pub addr: SocketAddr,
    pub token: String,
}

/// Path of the credentials.
pub const PATH: &str = "/v1/credentials";

/// Long-term keys with a token as long as STS's, good for a day: nothing is refreshed while we measure.
pub fn long_lived_keys() -> Vec<(String, String)> {
    let expiry = std::time::SystemTime::now() + Duration::from_hours(24);
    let expiry = jiff::Timestamp::try_from(expiry).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let vars = [
        ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLE".repeat(42)),
        ("AWS_CREDENTIAL_EXPIRATION", expiry),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    vars.map(|(name, value)| (name.to_owned(), value)).into()
}

/// An agent, and what it needs to live.
pub struct Keyfob {
    serving: Serving,
    _home: TempHome,
    _aws: Option<FakeAws>,
}

impl Keyfob {
    /// Keys from the environment.
    pub fn start(core: &str) -> Keyfob {
        let home = TempHome::new();
        let serving = launch(core, &home, long_lived_keys());
        Keyfob { serving, _home: home, _aws: None }
    }

    /// Keys from the environment, with all telemetry on: metrics, log, an audit file, traces to a collector that never
    /// hears of anything, since nothing fails.
    pub fn told(core: &str, audit: bool) -> Keyfob {
        let home = TempHome::new();
        let audit = if audit { home.path().join("audit.json") } else { "off".into() };
        let file = home
            .write("keyfob.toml", &format!("[telemetry]\naudit = {audit:?}\n[[role]]\nname = \"default\"\n"));
        let run = pinned(core, &binary().display().to_string())
            .args([
                "serve",
                "--log-format",
                "json",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(file)
            .envs(home.env())
            .envs(long_lived_keys())
            .envs([("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", free_port()))]);
        Keyfob { serving: ready(&run), _home: home, _aws: None }
    }

    /// The same without any.
    pub fn untold(core: &str) -> Keyfob {
        let home = TempHome::new();
        let run = pinned(core, &untold().display().to_string()).envs(home.env()).envs(long_lived_keys());
        Keyfob { serving: ready(&run), _home: home, _aws: None }
    }

    /// A role assumed at a fake STS, once at the start and once more on a signal.
    pub fn assuming_a_role(core: &str) -> Keyfob {
        let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
        let (key, secret) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        aws.add_user(key, secret, "111122223333", "alice");
        home.config(&format!(
            "[default]\nregion = eu-west-1\nrole_arn = arn:aws:iam::222233334444:role/app\nsource_profile = base\n\
             [profile base]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        ));
        let serving = launch(core, &home, aws.env());
        let bound = Duration::from_secs(10);
        assert!(aws.wait_for_calls("AssumeRole", 1, bound), "{}", serving.log());
        // One walk by signal a role and second: the first one counts.
        std::thread::sleep(Duration::from_secs(2));
        serving.process.signal(Signal::SIGUSR1);
        assert!(aws.wait_for_calls("AssumeRole", 2, bound), "{}", serving.log());
        std::thread::sleep(Duration::from_secs(1));
        Keyfob { serving, _home: home, _aws: Some(aws) }
    }

    pub fn server(&self) -> Server {
        let pid = self.serving.process.pid();
        Server { pid, addr: self.serving.bound.credentials, token: self.serving.token() }
    }

    /// The body that it serves.
    pub fn answer(&self) -> (Server, String) {
        let reply = self.serving.credentials(PATH);
        assert_eq!(reply.status, 200, "{}", reply.body);
        (self.server(), reply.body)
    }
}

fn launch(core: &str, home: &TempHome, vars: Vec<(String, String)>) -> Serving {
    let run = pinned(core, &binary().display().to_string())
        .args(["serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .envs(home.env())
        .envs(vars);
    ready(&run)
}

fn ready(run: &Run) -> Serving {
    let serving = Serving::launch(run).unwrap_or_else(|log| panic!("keyfob did not start:\n{log}"));
    let first = std::time::Instant::now();
    while serving.credentials(PATH).status != 200 {
        assert!(first.elapsed() < Duration::from_secs(10), "no credentials: {}", serving.log());
    }
    serving
}

/// nginx in one process, with the same check of the token and no log.
pub struct Nginx {
    running: Running,
    addr: SocketAddr,
    token: String,
    _home: TempHome,
}

impl Nginx {
    /// Serves what the other one answered.
    pub fn start(core: &str, (like, body): &(Server, String)) -> Nginx {
        let (home, addr) = (TempHome::new(), free_port());
        let folder = home.path().display().to_string();
        let token = like.token.clone();
        let config = home.write("nginx.conf", &config(&folder, addr, &token, body));
        let run = pinned(core, "/usr/sbin/nginx").args(["-p", &folder, "-c"]).arg(config);
        let nginx = Nginx { running: Running::start(&run), addr, token, _home: home };
        let first = std::time::Instant::now();
        while std::net::TcpStream::connect(addr).is_err() {
            assert!(first.elapsed() < Duration::from_secs(10), "{}", nginx.running.stderr.text());
        }
        let reply = raw::get(addr, PATH, &[("Authorization", &nginx.token)]);
        assert_eq!((reply.status, &reply.body), (200, body));
        nginx
    }

    pub fn server(&self) -> Server {
        Server { pid: self.running.pid(), addr: self.addr, token: self.token.clone() }
    }
}

/// keepalive_requests: nginx closes a connection after 1,000 requests unless told otherwise; keyfob never does.
fn config(folder: &str, addr: SocketAddr, token: &str, body: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
access_log off; server_tokens off; default_type application/json; {temporary}
keepalive_requests 1000000000; keepalive_timeout 30s; client_header_timeout 30s;
server {{
listen {addr};
location = {PATH} {{
add_header Cache-Control no-store;
if ($http_authorization != '{token}') {{ return 401; }}
return 200 '{body}';
}}
}}
}}
"
    )
}
