//! What the agent says to a NOTIFY_SOCKET of the test's own.

use std::fs::Permissions;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use super::*;
use crate::support::{Run, Serving, leaks};

/// In systemd's place: every datagram that came.
pub struct Ear {
    socket: UnixDatagram,
    pub heard: Vec<String>,
}

impl Ear {
    fn of(socket: UnixDatagram) -> Ear {
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Ear { socket, heard: Vec::new() }
    }

    /// On a path in that home; also the address for the agent.
    fn at_path(home: &TempHome) -> (Ear, String) {
        let path = home.path().join("notify");
        (Ear::at(&path), path.display().to_string())
    }

    /// On a path where everybody may speak to it.
    pub fn at(path: &Path) -> Ear {
        // One that an ear before this one has left.
        let _gone = std::fs::remove_file(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let socket = UnixDatagram::bind(path).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        Ear::of(socket)
    }

    /// Under a name that is no file.
    fn abstract_one() -> (Ear, String) {
        let name = format!("keyfob-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        (Ear::of(socket), format!("@{name}"))
    }

    /// Waits for the next datagram that fits, after those that were waited for before.
    #[track_caller]
    pub fn next(&mut self, fits: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        let mut seen = vec![0; 8192];
        while begun.elapsed() < SOON {
            if let Ok(count) = self.socket.recv(&mut seen) {
                let text = String::from_utf8(seen[..count].to_vec()).unwrap();
                leaks::look("the supervisor", &text);
                self.heard.push(text.clone());
                if fits(&text) {
                    return text;
                }
            }
        }
        panic!("not said within {SOON:?}; said was: {:#?}", self.heard);
    }
}

fn started(env: Vec<(String, String)>, address: &str, more: &[(&str, &str)]) -> Serving {
    let mut env = env;
    env.push(("NOTIFY_SOCKET".to_owned(), address.to_owned()));
    env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Serving::start(&[], env)
}

#[test]
fn readiness_signs_of_life_and_the_end_are_told() {
    let (home, env) = furnished();
    for (mut ear, address) in [Ear::at_path(&home), Ear::abstract_one()] {
        // Short, so that signs of life must come more often than the runtime's own five seconds.
        let agent = started(env.clone(), &address, &[("WATCHDOG_USEC", "1000000")]);
        let ready = ear.next(|text| text.starts_with("READY=1"));
        assert_eq!(ready, "READY=1\nSTATUS=role default has credentials");
        let begun = Instant::now();
        for _ in 0..4 {
            ear.next(|text| text == "WATCHDOG=1");
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "systemd would have ended it");
        assert_eq!(agent.process.stop().code(), Some(0));
        ear.next(|text| text == "STOPPING=1\nSTATUS=ending");
    }
}

#[test]
fn a_watchdog_for_another_process_gets_no_sign_of_life() {
    let (home, env) = furnished();
    let (mut ear, address) = Ear::at_path(&home);
    let agent = started(env, &address, &[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")]);
    agent.process.stop();
    ear.next(|text| text.starts_with("STOPPING=1"));
    assert!(ear.heard.iter().all(|text| text != "WATCHDOG=1"), "{:?}", ear.heard);
}

#[test]
fn without_credentials_it_is_ready_and_says_why_it_has_nothing_until_it_has_some() {
    let (home, env) = furnished();
    let (mut ear, address) = Ear::at_path(&home);
    home.credentials("");
    let _agent = started(env, &address, &[]);
    let ready = ear.next(|text| text.starts_with("READY=1"));
    assert!(ready.contains("STATUS=no credentials; role default: "), "{ready}");
    assert!(ready.contains("[KF-NOTHING]") && ready.contains("fix: "), "{ready}");
    home.credentials(&format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"));
    ear.next(|text| text == "STATUS=role default has credentials");
}

#[test]
fn a_reload_is_announced_with_its_time_and_ended_also_when_it_is_refused() {
    let (home, env) = furnished();
    let (mut ear, address) = Ear::at_path(&home);
    let config = home.write("keyfob.toml", "[[role]]\nname = \"default\"\n");
    let mut env = env;
    env.push(("KEYFOB_CONFIG".to_owned(), config.display().to_string()));
    let agent = started(env, &address, &[]);
    ear.next(|text| text.starts_with("READY=1"));
    let micros = || Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap()).as_micros();
    let before = micros();
    agent.process.signal(Signal::SIGHUP);
    let begins = ear.next(|text| text.starts_with("RELOADING=1\n"));
    let stamp: u128 = begins.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!((before..=micros()).contains(&stamp), "{before} {stamp}");
    ear.next(|text| text == "READY=1");
    home.write("keyfob.toml", "[[role]]\nname = 7\n");
    let refused = ear.next(|text| text.starts_with("READY=1\nSTATUS="));
    assert!(
        refused.contains("the new configuration is refused") && refused.contains("keyfob.toml:2"),
        "{refused}"
    );
}

#[test]
fn a_start_that_fails_says_why() {
    let (home, mut env) = furnished();
    let (mut ear, address) = Ear::at_path(&home);
    env.push(("NOTIFY_SOCKET".to_owned(), address));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let ended = Run::keyfob().args(["serve", "--listen", &at, "--admin", "off"]).envs(env.clone()).run();
    ended.expect_code(2);
    let status = ear.next(|text| text.starts_with("STATUS="));
    assert!(
        status.contains(&format!("{at} is taken by process")) && status.contains("[KF-PORT]"),
        "{status}"
    );
    env.retain(|(name, _)| name != "NOTIFY_SOCKET");
    env.push(("NOTIFY_SOCKET".to_owned(), "vsock:2:1".to_owned()));
    let ended = Run::keyfob().args(["serve", "--listen", "127.0.0.1:0"]).envs(env).run().expect_code(2);
    assert!(ended.stderr.contains("NOTIFY_SOCKET cannot be used"), "{ended:?}");
}

#[test]
fn programs_of_a_walk_are_not_the_service() {
    let (home, env) = furnished();
    let (mut ear, address) = Ear::at_path(&home);
    let seen = home.path().join("seen");
    let answer =
        r#"{"Version": 1, "AccessKeyId": "ASIAFROMTHEHELPER002", "SecretAccessKey": "another-secret"}"#;
    let helper = home.write("helper", &format!("env > {}; echo '{answer}'\n", seen.display()));
    home.credentials("");
    home.config(&format!("[default]\ncredential_process = sh {}\n", helper.display()));
    let more =
        [("WATCHDOG_USEC", "9000000"), ("LISTEN_PID", "1"), ("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "x")];
    let _agent = started(env, &address, &more);
    ear.next(|text| text.starts_with("READY=1"));
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("KEYFOB_WALK="), "the helper was not run by a walk");
    let inherited: Vec<_> = keyfob::supervisor::VARIABLES
        .into_iter()
        .filter(|name| seen.lines().any(|line| line.starts_with(&format!("{name}="))))
        .collect();
    assert_eq!(inherited, [""; 0]);
}
