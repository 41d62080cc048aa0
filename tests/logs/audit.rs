//! The audit log as its readers find it: who asked, what came of it, and never a secret.

use std::path::Path;

use serde_json::Value;

use super::{bare, furnished, soon};
use crate::support::raw::Wire;
use crate::support::{Run, Serving, TempHome, leaks};

/// An agent whose audit log is a file of the home.
fn audited() -> (TempHome, Serving) {
    let home = furnished("");
    let path = home.path().join("audit.json");
    let config = std::fs::read_to_string(home.path().join("keyfob.toml")).unwrap();
    home.write("keyfob.toml", &config.replace("[telemetry]", &format!("[telemetry]\naudit = {path:?}")));
    let agent = Serving::start(&[], bare(&home));
    // Not by asking for them: that would be a record already.
    let available = "keyfob_credentials_available{role=\"app\"} 1";
    soon("credentials", || agent.admin("/metrics").body.contains(available).then_some(()));
    (home, agent)
}

fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    leaks::look("the audit log", &text);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for a record that fits.
#[track_caller]
fn record(path: &Path, fits: impl Fn(&Value) -> bool) -> Value {
    soon("the record", || records(path).into_iter().find(&fits))
}

/// A connection that stays open, as an SDK's does.
struct Client {
    wire: Wire,
    agent: String,
    token: String,
}

impl Client {
    fn of(agent: &Serving, name: &str) -> Self {
        let wire = Wire::connect(agent.bound.credentials);
        Self { wire, agent: name.to_owned(), token: agent.token() }
    }

    fn get(&mut self, path: &str) -> u16 {
        let Self { agent, token, .. } = self;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nAuthorization: {token}\r\n\r\n"
        );
        self.wire.send(head.as_bytes()).unwrap();
        self.wire.reply().unwrap().status
    }
}

#[test]
fn who_got_credentials_is_written_down_with_process_user_and_program() {
    let (home, agent) = audited();
    let path = home.path().join("audit.json");
    let mut client = Client::of(&agent, "the-test/1.0");
    assert_eq!(client.get("/v1/credentials/app"), 200);
    let pid = std::process::id();
    let found = record(&path, |record| record["peer_pid"] == pid && record["status"] == 200);
    let exe = std::env::current_exe().unwrap();
    let uid = nix::unistd::Uid::current().as_raw();
    for (name, wanted) in [
        ("outcome", Value::from("handed_out")),
        ("status", 200.into()),
        ("role", "app".into()),
        ("source", "static_file".into()),
        ("key", "WXYZ".into()),
        ("cache", "hit".into()),
        ("peer_pid", pid.into()),
        ("peer_uid", uid.into()),
        ("peer_exe", exe.to_str().unwrap().into()),
        ("repeats", 0.into()),
    ] {
        assert_eq!(found[name], wanted, "{name} in {found}");
    }
    assert!(found["peer_address"].as_str().unwrap().starts_with("127.0.0.1:"), "{found}");
    let left = found["remaining_seconds"].as_u64().unwrap();
    assert!((1790..=1800).contains(&left), "{found}");
}

#[test]
fn the_same_again_is_a_count_that_is_told_at_the_end() {
    let (home, agent) = audited();
    let path = home.path().join("audit.json");
    let mut client = Client::of(&agent, "busy");
    assert!((0..500).all(|_| client.get("/v1/credentials/app") == 200));
    assert_eq!(client.get("/v1/credentials/none"), 404);
    record(&path, |record| record["status"] == 404);
    let handed_out =
        || records(&path).into_iter().filter(|record| record["status"] == 200).collect::<Vec<_>>();
    // This client, and this client while it was still being looked for.
    assert!(handed_out().len() <= 2, "{:?}", handed_out());
    agent.process.stop();
    let told: u64 = handed_out().iter().map(|record| 1 + record["repeats"].as_u64().unwrap()).sum();
    assert_eq!(told, 500, "{:?}", handed_out());
}

#[test]
fn a_stranger_is_written_down_without_the_roles_name() {
    let (home, agent) = audited();
    let path = home.path().join("audit.json");
    let mut client = Client::of(&agent, "stranger");
    client.token = "a-token-that-opens-nothing".to_owned();
    assert_eq!(client.get("/v1/credentials/app"), 401);
    let found = record(&path, |record| record["user_agent"] == "stranger");
    assert_eq!((&found["outcome"], &found["reason"]), (&"refused".into(), &"bad_token".into()), "{found}");
    assert_eq!(found.get("role"), None, "{found}");
    client.token = agent.token();
    assert_eq!(client.get("/v1/credentials/bad"), 503);
    let found = record(&path, |record| record["role"] == "bad");
    assert_eq!(
        (&found["outcome"], &found["reason"]),
        (&"unavailable".into(), &"PROC-EXIT".into()),
        "{found}"
    );
}

#[test]
fn a_file_that_was_rotated_away_is_made_anew() {
    let (home, agent) = audited();
    let (path, moved) = (home.path().join("audit.json"), home.path().join("audit.json.1"));
    let mut client = Client::of(&agent, "before");
    assert_eq!(client.get("/v1/credentials/app"), 200);
    record(&path, |record| record["role"] == "app");
    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(client.get("/v1/credentials/nobody"), 404);
    record(&path, |record| record["status"] == 404);
    assert!(records(&moved).iter().all(|record| record["status"] != 404));
}

#[test]
fn a_file_that_cannot_be_made_is_a_problem_at_the_start() {
    let home = furnished("audit = \"/nowhere/to/be/found/audit.json\"");
    let ended = Run::keyfob().args(["serve", "--listen", "127.0.0.1:0", "--admin", "off"]).envs(bare(&home));
    let ended = ended.run().expect_code(2);
    assert!(
        ended.stderr.contains("telemetry.audit: \"/nowhere/to/be/found/audit.json\": No such file"),
        "{ended:?}"
    );
}

#[test]
fn switched_on_it_is_written_to_the_log() {
    let home = furnished("audit = \"on\"");
    let agent = Serving::start(&[], bare(&home));
    agent.credentials("/v1/credentials/app");
    assert!(
        agent.process.stderr.says(super::SOON, "\"message\":\"credentials handed out\",\"role\":\"app\"")
    );
}
