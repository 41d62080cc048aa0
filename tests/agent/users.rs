//! Roles that only some users of the machine may have: who asks is what the kernel says, on TCP and on Unix sockets.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::support::run::{Run, skip};
use crate::support::tools::tool;

/// Sends one request to a port or a socket, and prints the answer.
const CLIENT: &str = r#"
use IO::Socket::INET; use IO::Socket::UNIX;
my ($at, $path, $token) = @ARGV;
my $way = $at =~ m{^/} ? IO::Socket::UNIX->new(Peer => $at) : IO::Socket::INET->new(PeerAddr => $at);
die "cannot connect: $!" unless $way;
print $way "GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: $token\r\nConnection: close\r\n\r\n";
print while <$way>;
"#;

/// An agent whose role `app` is for users 0 and 12345, and whose role `everybody` says nothing.
struct Stage {
    home: TempHome,
    agent: Serving,
    socket: PathBuf,
    perl: PathBuf,
}

impl Stage {
    /// Begun by the words of `before`, such as another namespace.
    #[track_caller]
    fn new(before: &[&str], users: &str) -> Option<Stage> {
        if !nix::unistd::geteuid().is_root() {
            skip("only root can ask as somebody else");
            return None;
        }
        let (perl, home) = (tool("perl")?, TempHome::new());
        home.credentials(&static_keys("default", "AKIDEXAMPLE"));
        let socket = home.path().join("k.sock");
        let config = home.write("keyfob.toml", &configuration(&socket, users)).display().to_string();
        let program = crate::support::keyfob().display().to_string();
        let words = [before, &[&program, "serve", "--log-format", "json", "--config", &config]].concat();
        let run = Run::new(words[0]).args(&words[1..]).envs(bare(&home));
        let agent = Serving::launch(&run).unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
        Some(Stage { home, agent, socket, perl })
    }

    /// Status and cause of what that user is told.
    fn ask(&self, user: u32, at: &str, role: &str) -> (u16, String) {
        let ids = [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()];
        let path = format!("/v1/credentials/{role}");
        let run = Run::new("setpriv").args(ids).arg(&self.perl).args([
            "-e",
            CLIENT,
            at,
            &path,
            &self.agent.token(),
        ]);
        let answer =
            run.env("PATH", std::env::var("PATH").unwrap()).dir(Path::new("/")).run().expect_code(0).stdout;
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{answer}"));
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        (status, body.get("cause").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    fn ways(&self) -> [String; 2] {
        [self.agent.bound.credentials.to_string(), self.socket.display().to_string()]
    }

    #[track_caller]
    fn tells(&self, user: u32, status: u16) {
        let cause = if status == 200 { "" } else { "KF-PEER" };
        for way in self.ways() {
            assert_eq!(self.ask(user, &way, "app"), (status, cause.to_owned()), "user {user} at {way}");
        }
    }
}

fn configuration(socket: &Path, users: &str) -> String {
    format!(
        "[listen]\ncredentials = [\"127.0.0.1:0\", \"unix:{}\"]\nadmin = \"127.0.0.1:0\"\n\
         [[role]]\nname = \"app\"\nallow = {{ uids = [{users}] }}\n[[role]]\nname = \"everybody\"\n",
        socket.display()
    )
}

#[test]
fn only_the_roles_users_have_it_and_a_reload_changes_who_they_are() {
    let Some(stage) = Stage::new(&[], "0, 12345") else { return };
    served_at(&stage.agent, "/v1/credentials/everybody", 200);
    stage.tells(0, 200);
    stage.tells(12345, 200);
    stage.tells(12346, 403);
    for way in stage.ways() {
        assert_eq!(stage.ask(12346, &way, "everybody").0, 200, "{way}");
        assert_eq!(stage.ask(12346, &way, "nobody").0, 404, "{way}");
    }
    let metrics = stage.agent.admin("/metrics").body;
    let denied = "keyfob_auth_rejections_total{reason=\"peer_denied\"} 2";
    assert!(metrics.lines().any(|line| line.trim_end_matches(".0") == denied), "{metrics}");
    stage.home.write("keyfob.toml", &configuration(&stage.socket, "12346"));
    let begun = Instant::now();
    while stage.ask(12346, &stage.ways()[0], "app").0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", stage.agent.log());
    }
    stage.tells(12346, 200);
    stage.tells(12345, 403);
    // The list of roles names those only whom this user may have.
    let reply = stage.agent.credentials("/v1/credentials/nobody");
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("this token opens: everybody"), "{message}");
}

#[test]
fn a_number_that_stands_for_users_of_other_namespaces_is_nobodys() {
    // In the machine's own namespace it is a user like any other.
    let Some(stage) = Stage::new(&[], "0, 65534") else { return };
    served_at(&stage.agent, "/v1/credentials/app", 200);
    stage.tells(65534, 200);
    drop(stage);
    // Where only root has a number, everybody else is 65534.
    let Some(stage) = Stage::new(&["unshare", "--user", "--map-root-user"], "0, 65534") else { return };
    served_at(&stage.agent, "/v1/credentials/app", 200);
    stage.tells(0, 200);
    stage.tells(65534, 403);
    stage.tells(12345, 403);
}

#[test]
fn a_machine_that_keeps_the_question_from_us_has_a_table_to_read() {
    // As our unit does: no netlink. The launcher forbids that family to whatever it becomes.
    let Some(python) = tool("python3") else { return };
    let python = python.display().to_string();
    let Some(stage) = Stage::new(&[&python, "-c", WITHOUT_NETLINK], "0, 12345") else { return };
    served_at(&stage.agent, "/v1/credentials/app", 200);
    stage.tells(0, 200);
    stage.tells(12345, 200);
    stage.tells(12346, 403);
}

/// A filter of seccomp(2) that answers socket(AF_NETLINK) with EAFNOSUPPORT; then the program.
const WITHOUT_NETLINK: &str = r"
import ctypes, os, platform, struct, sys
number = {'x86_64': 41, 'aarch64': 198}[platform.machine()]
rule = lambda code, yes, no, value: struct.pack('HBBI', code, yes, no, value)
rules = b''.join([
    rule(0x20, 0, 0, 0),                 # the call's number
    rule(0x15, 0, 3, number),
    rule(0x20, 0, 0, 16),                # its first argument
    rule(0x15, 0, 1, 16),                # AF_NETLINK
    rule(0x06, 0, 0, 0x00050000 | 97),   # EAFNOSUPPORT
    rule(0x06, 0, 0, 0x7fff0000),        # allowed
])
kept = ctypes.create_string_buffer(rules)
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('rules', ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(rules) // 8, ctypes.addressof(kept))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
";

/// Waits for the first walk.
#[track_caller]
fn served_at(agent: &Serving, path: &str, status: u16) {
    let begun = Instant::now();
    while agent.credentials(path).status != status {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}
