//! TLS on both listeners: certificates that are read again, and whoever speaks something else.

use std::io::Write;
use std::path::Path;

use super::*;
use crate::support::papers::Papers;
use crate::support::raw::{self, Wire};
use crate::support::run::{Finished, Run};

/// An agent with a certificate for localhost on the credentials listener, and one for its address on the other.
struct Stage {
    papers: Papers,
    home: TempHome,
    agent: Serving,
    config: String,
}

impl Stage {
    #[track_caller]
    fn new() -> Option<Stage> {
        let papers = Papers::make()?;
        papers.issue("clients", "DNS:localhost");
        papers.issue("admin", "IP:127.0.0.1");
        let home = TempHome::new();
        home.credentials(&static_keys("default", "AKIDEXAMPLE"));
        let config = home.write("keyfob.toml", &configuration(&papers)).display().to_string();
        let run =
            Run::keyfob().args(["serve", "--log-format", "json", "--config", &config]).envs(bare(&home));
        let agent = Serving::launch(&run).unwrap();
        Some(Stage { papers, home, agent, config })
    }

    fn ask(&self, args: &[&str]) -> Finished {
        Run::keyfob().args(args).envs(bare(&self.home)).run()
    }

    /// Asks the admin listener, trusting the authority as the rest of the system does.
    fn ask_as_a_stranger(&self, args: &[&str]) -> Finished {
        let admin = format!("https://{}", self.agent.bound.admin);
        let run = Run::keyfob().args(["--admin", &admin]).args(args).envs(bare(&self.home));
        run.env("SSL_CERT_FILE", self.papers.path("ca.pem")).run()
    }

    /// Puts another's papers where the admin listener's are.
    fn replace(&self, name: &str, ending: &str) {
        let [from, draft, to] =
            [format!("{name}.{ending}"), format!("draft.{ending}"), format!("admin.{ending}")]
                .map(|name| self.papers.path(&name));
        std::fs::copy(from, &draft).unwrap();
        std::fs::rename(draft, to).unwrap();
    }

    /// Until `/metrics` says so much more than nothing, which a stranger reads.
    #[track_caller]
    fn counts(&self, series: &str) {
        let begun = Instant::now();
        loop {
            let text = self.openssl_get("/metrics");
            if text.lines().any(|line| line.strip_prefix(series).is_some_and(|rest| rest.trim() != "0")) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no {series}\n{text}\n{}", self.agent.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A client that is not ours.
    fn openssl_get(&self, path: &str) -> String {
        let admin = self.agent.bound.admin.to_string();
        let args = ["s_client", "-quiet", "-verify_quiet", "-ign_eof", "-connect", &admin];
        let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        Run::new("openssl")
            .args(args)
            .env("PATH", std::env::var("PATH").unwrap())
            .stdin(&request)
            .run()
            .stdout
    }
}

fn configuration(papers: &Papers) -> String {
    let pair = |name: &str| {
        let [cert, key] = ["pem", "key"].map(|ending| papers.path(&format!("{name}.{ending}")));
        format!("{{ cert = \"{}\", key = \"{}\" }}", cert.display(), key.display())
    };
    format!(
        "[listen]\ncredentials = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\ntls = {}\nadmin_tls = {}\n",
        pair("clients"),
        pair("admin")
    )
}

#[test]
fn commands_speak_tls_to_whoever_has_the_configured_certificate() {
    let Some(stage) = Stage::new() else { return };
    // The configuration says port 0: the address has to be told, and the certificate is the configuration's.
    let admin = format!("https://{}", stage.agent.bound.admin);
    let ours = ["--config", &stage.config, "--admin", &admin];
    let ask = |args: &[&str]| stage.ask(&[&ours, args].concat());
    ask(&["wait"]).expect_code(0);
    let env = ask(&["env"]).expect_code(0);
    let uri = format!("https://localhost:{}/v1/credentials/default", stage.agent.bound.credentials.port());
    assert!(env.stdout.contains(&format!("AWS_CONTAINER_CREDENTIALS_FULL_URI={uri}\n")), "{env:?}");
    let got = ask(&["get", "--agent", "--output", "json"]).expect_code(0).json();
    assert_eq!(got["access_key_id"], "AKIDEXAMPLE");
    ask(&["refresh"]).expect_code(0);
    let explained = ask(&["explain"]).expect_code(0);
    assert!(explained.stdout.contains(&format!("the agent at {admin}")), "{explained:?}");
    let status = ask(&["status", "--output", "json"]).expect_code(0).json();
    assert_eq!(status["endpoint"], format!("https://localhost:{}", stage.agent.bound.credentials.port()));
}

#[test]
fn a_stranger_needs_the_authority_and_whoever_speaks_plainly_is_told() {
    let Some(stage) = Stage::new() else { return };
    stage.ask_as_a_stranger(&["status"]).expect_code(0);
    let admin = stage.agent.bound.admin;
    let distrust = stage.ask(&["--admin", &format!("https://{admin}"), "status"]).expect_code(5);
    assert!(distrust.stderr.contains("test-authority"), "{distrust:?}");
    let plain = stage.ask(&["--admin", &admin.to_string(), "status"]).expect_code(4);
    assert!(plain.stderr.contains("https://"), "{plain:?}");
    let reply = raw::get(stage.agent.bound.credentials, "/v1/credentials", &[]);
    assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("BadRequest")));
    stage.counts("keyfob_http_connections_rejected_total{reason=\"tls\"}");
    stage.ask(&["serve", "--admin", "https://127.0.0.1:1"]).expect_code(2);
}

#[test]
fn whoever_never_ends_a_handshake_is_let_go_and_counted() {
    let Some(stage) = Stage::new() else { return };
    let mut wire = Wire::connect(stage.agent.bound.credentials);
    wire.read_bound(Duration::from_secs(30));
    // The beginning of a hello.
    wire.send(&[22, 3, 1, 2, 0, 1]).unwrap();
    assert!(wire.closes(), "still waited for");
    stage.counts("keyfob_http_connections_rejected_total{reason=\"tls\"}");
}

#[test]
fn a_new_certificate_is_shown_at_once_and_one_without_its_key_changes_nothing() {
    let Some(stage) = Stage::new() else { return };
    // For a name that this machine does not have: a client that checks it refuses.
    stage.papers.issue("other", "DNS:other.example");
    stage.replace("other", "pem");
    let says = |text: &str| {
        assert!(stage.agent.process.stderr.says(Duration::from_secs(30), text), "{}", stage.agent.log())
    };
    says("certificates refused, those before stay in use");
    says("the key of another certificate");
    stage.counts("keyfob_file_reloads_total{kind=\"ca_bundle\",outcome=\"failure\",reason=\"\"}");
    stage.ask_as_a_stranger(&["status"]).expect_code(0);
    stage.replace("other", "key");
    says("certificates are in order again");
    stage.counts("keyfob_file_reloads_total{kind=\"ca_bundle\",outcome=\"success\",reason=\"\"}");
    let refused = stage.ask_as_a_stranger(&["status"]).expect_code(5);
    assert!(refused.stderr.contains("not accepted"), "{refused:?}");
}

#[test]
fn everything_that_is_wrong_with_the_files_is_said_at_once() {
    let Some(papers) = Papers::make() else { return };
    papers.issue("clients", "DNS:localhost");
    papers.issue("admin", "IP:127.0.0.1");
    let home = TempHome::new();
    let config = home.write("keyfob.toml", &configuration(&papers)).display().to_string();
    let write = |name: &str, text: &str| {
        std::fs::File::create(papers.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
    };
    write("clients.pem", "nothing");
    std::fs::remove_file(papers.path("clients.key")).unwrap();
    std::fs::copy(papers.path("ca.key"), papers.path("admin.key")).unwrap();
    let start = || Run::keyfob().args(["serve", "--config", &config]).envs(bare(&home)).run().expect_code(2);
    let refused = start();
    for said in [
        "listen.tls.cert",
        "no certificate in it",
        "listen.tls.key",
        "not there",
        "listen.admin_tls.key",
        "the key of another certificate",
    ] {
        assert!(refused.stderr.contains(said), "{said}: {refused:?}");
    }
    assert!(!refused.stderr.contains("PRIVATE"), "{refused:?}");
    not_ours_to_read(&papers.path("admin.key"));
    if nix::unistd::geteuid().is_root() {
        // As another user, who may not read the key.
        let run = Run::new("setpriv").args(["--reuid=12345", "--regid=12345", "--clear-groups"]);
        let run = run.arg(crate::support::keyfob()).args(["serve", "--config", &config]);
        let refused = open_to_all(run, &papers, &home).run().expect_code(2);
        assert!(refused.stderr.contains("admin.key: permission denied"), "{refused:?}");
    }
}

fn not_ours_to_read(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Lets another user as far as the files themselves.
fn open_to_all(run: Run, papers: &Papers, home: &TempHome) -> Run {
    use std::os::unix::fs::PermissionsExt;
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    open(papers.path("admin.key").parent().unwrap());
    open(home.path());
    run.envs(home.env()).env("PATH", std::env::var("PATH").unwrap())
}
