//! Credentials through a Unix socket: its file, who may ask, what the audit log says of who asked.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::support::{Run, Serving};

/// What a GET through the socket brings; the fields stand between its first line and `Connection`.
fn get(socket: &Path, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// `serve` with an IP address and this socket.
fn run(home: &TempHome, env: &[(String, String)], socket: &Path, more: &str) -> Run {
    let listen = format!(
        "[listen]\ncredentials = [\"127.0.0.1:0\", \"unix:{}\"]\nadmin = \"127.0.0.1:0\"\n{more}",
        socket.display()
    );
    let config = home.write("keyfob.toml", &listen);
    Run::keyfob()
        .args(["serve", "--log-format", "json", "--config", config.to_str().unwrap()])
        .envs(env.to_vec())
}

#[test]
fn credentials_come_through_a_socket_whatever_host_is_named_and_only_with_the_token() {
    let (home, env) = furnished();
    let socket = home.path().join("k.sock");
    let agent = Serving::launch(&run(&home, &env, &socket, "")).unwrap();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o7777, 0o660);
    let token = agent.token();
    let authorization = ("Authorization", token.as_str());
    for host in [&[][..], &[("Host", "keyfob")], &[("Host", "a"), ("Host", "b")]] {
        let fields: Vec<_> = host.iter().copied().chain([authorization]).collect();
        let (status, body) = get(&socket, "/v1/credentials", &fields);
        assert_eq!(status, 200, "{host:?} {body}");
        assert!(body.contains(ID), "another one's credentials");
    }
    assert_eq!(get(&socket, "/v1/credentials", &[]).0, 401);
    assert_eq!(get(&socket, "/v1/credentials", &[authorization, ("Via", "1.1 proxy")]).0, 403);
    let admin = agent.bound.admin.to_string();
    let status = Run::keyfob().args(["status", "--admin", &admin]).envs(env.clone()).run().expect_code(0);
    let line = format!("credentials  {} unix:{}", agent.bound.credentials, socket.display());
    assert!(status.stdout.contains(&line), "{status:?}");
    assert_eq!(agent.process.stop().code(), Some(0));
    assert!(!socket.exists(), "the socket outlives the agent");
}

#[test]
fn the_audit_log_names_who_came_through_the_socket() {
    let (home, env) = furnished();
    let socket = home.path().join("k.sock");
    let audit = home.path().join("audit.json");
    let more = format!("[telemetry]\naudit = \"{}\"\n", audit.display());
    let agent = Serving::launch(&run(&home, &env, &socket, &more)).unwrap();
    assert_eq!(get(&socket, "/v1/credentials", &[("Authorization", &agent.token())]).0, 200);
    let begun = Instant::now();
    let line = loop {
        let text = std::fs::read_to_string(&audit).unwrap_or_default();
        if let Some(line) = text.lines().next() {
            break serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(begun.elapsed() < SOON, "nothing is written: {}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(line["peer_address"], format!("unix:{}", socket.display()));
    assert_eq!(line["peer_pid"], std::process::id());
    assert_eq!(line["peer_uid"], nix::unistd::Uid::current().as_raw());
    assert_eq!(line["peer_exe"], std::env::current_exe().unwrap().display().to_string());
}

#[test]
fn a_socket_that_another_agent_listens_on_is_left_to_it_and_one_left_over_is_replaced() {
    let (home, env) = furnished();
    let socket = home.path().join("k.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let first = Serving::launch(&run(&home, &env, &socket, "")).unwrap();
    let second = run(&home, &env, &socket, "").run().expect_code(2);
    let owner = format!("unix:{} is taken by process {} (keyfob)", socket.display(), first.process.pid());
    assert!(second.stderr.contains(&format!("{owner} [KF-SOCKET]")), "{second:?}");
    assert_eq!(get(&socket, "/v1/credentials", &[("Authorization", &first.token())]).0, 200);
    let nowhere = home.path().join("gone/k.sock");
    let third = run(&home, &env, &nowhere, "").run().expect_code(2);
    assert!(third.stderr.contains("gone does not exist"), "{third:?}");
}

#[test]
fn sdks_are_not_pointed_at_a_socket() {
    let (home, env) = furnished();
    let socket = home.path().join("k.sock");
    let config = home.write(
        "keyfob.toml",
        &format!("[listen]\ncredentials = [\"unix:{}\"]\nadmin = \"127.0.0.1:0\"\n", socket.display()),
    );
    let serve = Run::keyfob()
        .args(["serve", "--log-format", "json", "--config", config.to_str().unwrap()])
        .envs(env.clone());
    let agent = crate::support::Running::start(&serve);
    let admin = agent.stderr.find(SOON, |line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.get("admin_address")?.as_str().map(str::to_owned)
    });
    let admin = admin.unwrap_or_else(|| panic!("{}", agent.stderr.text()));
    let asked = Run::keyfob().args(["env", "--admin", &admin]).envs(env).run().expect_code(5);
    assert!(asked.stderr.contains("SDKs do not speak Unix sockets"), "{asked:?}");
}
