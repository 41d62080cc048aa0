//! Sockets that somebody else listens on, and hands over: served, and no connection lost while agents come and go.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::*;
use crate::support::tools::tool;
use crate::support::{Run, Serving, raw};

/// Takes sockets from whoever sends them, gives them the numbers that systemd would, and becomes the program.
const LAUNCHER: &str = "
import fcntl, os, socket, sys
way, names, program = sys.argv[1], sys.argv[2], sys.argv[3:]
with socket.socket(socket.AF_UNIX) as giver:
    giver.connect(way)
    _, given, _, _ = socket.recv_fds(giver, 1, 8)
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in given]
for place, fd in enumerate(high):
    os.dup2(fd, 3 + place)
for fd in high:
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)))
if names:
    os.environ['LISTEN_FDNAMES'] = names
os.execv(program[0], program)
";

const TOKEN: &str = "the-token-of-a-test-that-is-long-enough";

/// A home with a token that clients know before there is an agent.
fn furnished_with_a_token() -> (TempHome, Vec<(String, String)>) {
    let (home, env) = furnished();
    let token = home.write("run/token", TOKEN);
    std::fs::set_permissions(token, std::fs::Permissions::from_mode(0o440)).unwrap();
    (home, env)
}

/// An agent that is handed these sockets under these names, and told other addresses in vain; or its log.
fn launch_or_log(
    home: &TempHome,
    env: &[(String, String)],
    names: &str,
    sockets: &[i32],
) -> Option<Result<Serving, String>> {
    launch_in(&[], home, env, names, sockets)
}

/// The same, begun by the words of `before`: in another namespace.
fn launch_in(
    before: &[&str],
    home: &TempHome,
    env: &[(String, String)],
    names: &str,
    sockets: &[i32],
) -> Option<Result<Serving, String>> {
    let python = tool("python3")?;
    let way = home.path().join("way");
    let _left = std::fs::remove_file(&way);
    let giver = UnixListener::bind(&way).unwrap();
    let words: Vec<_> = before.iter().map(Into::into).chain([python]).collect();
    let run = Run::new(&words[0])
        .args(&words[1..])
        .args(["-c", LAUNCHER, way.to_str().unwrap(), names])
        .arg(crate::support::keyfob())
        .args(["serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .envs(env.to_vec());
    thread::scope(|scope| {
        scope.spawn(|| {
            let (taker, _) = giver.accept().unwrap();
            let (something, given) = ([std::io::IoSlice::new(b"x")], [ControlMessage::ScmRights(sockets)]);
            sendmsg::<()>(taker.as_raw_fd(), &something, &given, MsgFlags::empty(), None).unwrap();
        });
        Some(Serving::launch(&run))
    })
}

fn launch(home: &TempHome, env: &[(String, String)], names: &str, sockets: &[i32]) -> Option<Serving> {
    Some(launch_or_log(home, env, names, sockets)?.unwrap_or_else(|log| panic!("{log}")))
}

/// Connects and asks; the answer may come later.
fn ask(at: SocketAddr) -> TcpStream {
    say(TcpStream::connect(at).unwrap())
}

fn say(mut stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!(
        "GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer).unwrap_or_else(|error| format!("lost: {error}"))
}

#[test]
fn passed_sockets_win_over_configured_addresses() {
    let (home, env) = furnished_with_a_token();
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = home.path().join("passed.sock");
    let file = UnixListener::bind(&path).unwrap();
    let operators = TcpListener::bind("127.0.0.1:0").unwrap();
    let sockets = [clients.as_raw_fd(), file.as_raw_fd(), operators.as_raw_fd()];
    let Some(agent) = launch(&home, &env, "credentials:keyfob.socket:admin", &sockets) else { return };
    assert_eq!(agent.bound.credentials, clients.local_addr().unwrap());
    assert_eq!(agent.bound.admin, operators.local_addr().unwrap());
    assert_eq!(agent.credentials("/v1/credentials").status, 200);
    assert_eq!(raw::get(agent.bound.admin, "/livez", &[]).status, 200);
    assert!(agent.log().contains(&format!("unix:{}", path.display())), "{}", agent.log());
    assert_eq!(agent.process.stop().code(), Some(0));
    assert!(path.exists(), "the file was not the agent's to remove");
}

#[test]
fn without_names_all_sockets_are_for_clients_and_a_strange_name_is_refused() {
    let (home, env) = furnished_with_a_token();
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let Some(agent) = launch(&home, &env, "", &[clients.as_raw_fd()]) else { return };
    assert_eq!(agent.bound.credentials, clients.local_addr().unwrap());
    assert_ne!(agent.bound.admin.port(), 0, "admin is bound as configured");
    drop(agent);
    let refused = launch_or_log(&home, &env, "web", &[clients.as_raw_fd()]).unwrap().err().unwrap();
    assert!(refused.contains("is named \"web\": wanted credentials or admin"), "{refused}");
}

#[test]
fn who_came_before_the_agent_is_served_by_it() {
    let (home, env) = furnished_with_a_token();
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = clients.local_addr().unwrap();
    for _ in 0..2 {
        let early: Vec<_> = (0..5).map(|_| ask(at)).collect();
        let Some(agent) = launch(&home, &env, "credentials", &[clients.as_raw_fd()]) else { return };
        for stream in early {
            let answer = answer(stream);
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(ID), "{answer}");
        }
        assert_eq!(agent.process.stop().code(), Some(0));
    }
}

#[test]
fn who_has_connected_and_not_asked_yet_when_the_agent_ends_may_still_ask() {
    let (home, env) = furnished_with_a_token();
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = clients.local_addr().unwrap();
    let Some(agent) = launch(&home, &env, "credentials", &[clients.as_raw_fd()]) else { return };
    let silent = TcpStream::connect(at).unwrap();
    // Whoever came later was answered, so this one is in.
    assert!(answer(ask(at)).starts_with("HTTP/1.1 200 "));
    agent.process.signal(nix::sys::signal::Signal::SIGTERM);
    let answer = answer(say(silent));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(agent.process.wait(SOON).and_then(|status| status.code()), Some(0));
}

#[test]
fn a_restart_loses_nobody() {
    let (home, env) = furnished_with_a_token();
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = clients.local_addr().unwrap();
    let Some(mut agent) = launch(&home, &env, "credentials", &[clients.as_raw_fd()]) else { return };
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let crowd: Vec<_> = (0..4)
        .map(|_| {
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            thread::spawn(move || {
                let mut lost = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let answer = answer(ask(at));
                    asked.fetch_add(1, Ordering::Relaxed);
                    if !answer.starts_with("HTTP/1.1 200 ") {
                        lost.push(answer);
                    }
                }
                lost
            })
        })
        .collect();
    for _ in 0..5 {
        let before = asked.load(Ordering::Relaxed);
        let begun = std::time::Instant::now();
        while asked.load(Ordering::Relaxed) < before + 50 {
            assert!(begun.elapsed() < SOON, "nobody is served");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(agent.process.stop().code(), Some(0));
        agent = launch(&home, &env, "credentials", &[clients.as_raw_fd()]).unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let lost: Vec<String> = crowd.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(lost, [""; 0], "of {}", asked.load(Ordering::Relaxed));
}

#[test]
fn whoever_comes_from_another_network_cannot_be_known_and_gets_no_role_that_is_for_some_users() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::run::skip("only root can make a network namespace");
    }
    let (home, env) = furnished_with_a_token();
    let config = "[[role]]\nname = \"everybody\"\n[[role]]\nname = \"mine\"\nallow = { uids = [0] }\n";
    let config = home.write("keyfob.toml", config).display().to_string();
    let env: Vec<_> = env.into_iter().chain([("KEYFOB_CONFIG".to_owned(), config)]).collect();
    let [credentials, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let sockets = [credentials.as_raw_fd(), admin.as_raw_fd()];
    for (before, status) in [(&[][..], 200), (&["unshare", "--net"][..], 403)] {
        let Some(agent) = launch_in(before, &home, &env, "credentials:admin", &sockets) else { return };
        let agent = agent.unwrap_or_else(|log| panic!("{log}"));
        let get = |role: &str| {
            let path = format!("/v1/credentials/{role}");
            raw::get(agent.bound.credentials, &path, &[("Authorization", TOKEN)])
        };
        assert_eq!(get("everybody").status, 200, "{before:?}");
        let reply = get("mine");
        assert_eq!(reply.status, status, "{before:?}: {}", reply.body);
        if status == 403 {
            assert!(reply.body.contains("cannot be known"), "{}", reply.body);
        }
    }
}
