//! The agent inside the sandbox of its unit: that it lives there, and that the sandbox holds.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::machine::{Machine, ours};
use super::notify::Ear;
use super::*;
use crate::support::run::skip;
use crate::support::{Serving, leaks};

const KEYS: &str =
    "[default]\naws_access_key_id = AKIASYSTEMD000000001\naws_secret_access_key = a-secret-of-the-service\n";

/// The service with these examples, as systemd would tell it to report.
fn started(machine: &Machine, examples: &[&str]) -> (Serving, Ear) {
    let ear = Ear::at(&machine.at("/run/systemd/notify"));
    let run = machine.keyfob(examples).args(["--set", "NOTIFY_SOCKET=/run/systemd/notify"]);
    let agent = Serving::launch(&run).unwrap_or_else(|log| panic!("the service does not start:\n{log}"));
    (agent, ear)
}

#[test]
fn it_starts_with_nothing_and_says_why_then_serves_and_reloads_and_ends() {
    let Some(machine) = Machine::boot(|_| ()) else { return };
    let (agent, mut ear) = started(&machine, &[]);
    let ready = ear.next(|text| text.contains("READY=1"));
    assert!(ready.contains("STATUS=no credentials; role default: ") && ready.contains("fix: "), "{ready}");
    let Some(refused) = machine.boto3("member") else { return };
    assert!(refused.code() == Some(1) && refused.stdout.contains("KF-NOTHING"), "{refused:?}");
    assert_eq!(agent.bound.token_file.to_str(), Some("/run/keyfob/token"));
    // By now the administrator writes the keys, readable for the service.
    machine.shared("/etc/keyfob/aws/credentials", KEYS);
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    let found = machine.boto3("member").unwrap().expect_code(0);
    assert_eq!(found.json()["AccessKeyId"], ID);
    let kept_out = machine.boto3("stranger").unwrap().expect_code(1);
    assert!(
        kept_out.stdout.contains("/run/keyfob/token") && kept_out.stdout.contains("ermission"),
        "{kept_out:?}"
    );
    let status = machine.user("stranger").args(["keyfob", "status"]).run().expect_code(0);
    assert!(status.stdout.contains("default") && status.stdout.contains("static_file"), "{status:?}");
    machine.shared("/etc/keyfob/keyfob.toml", "[[role]]\nname = \"default\"\nsources = [\"env\"]\n");
    ear.next(|text| text.contains("no credentials; role default"));
    let main = format!("MAINPID={}", agent.process.pid());
    machine.keyfob(&[]).args(["--line", "ExecReload", "--set", &main]).run().expect_code(0);
    ear.next(|text| text.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    ear.next(|text| text.starts_with("READY=1"));
    agent.process.signal(Signal::SIGTERM);
    assert_eq!(agent.process.wait(SOON).and_then(|status| status.code()), Some(0), "{}", agent.log());
    ear.next(|text| text.starts_with("STOPPING=1"));
}

/// What a program tries that has taken over the service, one word an outcome.
const TRIES: &str = r#"
import ctypes, errno, json, mmap, os, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
def outcome(try_it):
    try:
        result = try_it()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done" if result is None else result
def call(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
def family(number):
    socket.socket(number, socket.SOCK_RAW if number != socket.AF_UNIX else socket.SOCK_STREAM).close()
def touch(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
def realtime():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
def own(path):
    touch(path)
    os.chmod(path, 0o4755)
tries = {
    "packet": lambda: family(socket.AF_PACKET),
    "netlink": lambda: family(socket.AF_NETLINK),
    "unix": lambda: family(socket.AF_UNIX),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "chroot": lambda: os.chroot("/tmp"),
    "user namespace": lambda: call("unshare", 0x10000000),
    "ptrace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "kexec": lambda: call("syscall", 246, 0, 0, 0, 0),
    "write and execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "personality": lambda: call("personality", 0x0040000),
    "realtime": realtime,
    "suid": lambda: own("/tmp/suid"),
    "processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "another user": lambda: os.setuid(0),
    "its program": lambda: touch("/usr/bin/keyfob"),
    "its configuration": lambda: touch("/etc/keyfob/more"),
    "a home": lambda: os.listdir("/home"),
    "its folder": lambda: touch("/run/keyfob/more"),
    "its logs": lambda: touch("/var/log/keyfob/more"),
    "the first process": lambda: os.listdir("/proc/1"),
    "the kernel": lambda: os.listdir("/proc/sys"),
    "connections": lambda: str(len(open("/proc/self/net/tcp").read()) > 0),
    "devices": lambda: ",".join(sorted(os.listdir("/dev"))),
    "core": lambda: str(resource.getrlimit(resource.RLIMIT_CORE)),
}
print(json.dumps({name: outcome(one) for name, one in tries.items()}))
"#;

fn tried(machine: &Machine, examples: &[&str]) -> Option<Value> {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        skip("the sandbox shows /usr only, and there is no /usr/bin/python3");
        return None;
    }
    let done = machine.keyfob(examples).args(["--", "/usr/bin/python3", "-c", TRIES]).run().expect_code(0);
    Some(done.json())
}

#[test]
fn what_the_unit_forbids_is_refused_and_each_drop_in_allows_what_it_says() {
    let Some(machine) = Machine::boot(|_| ()) else { return };
    let Some(found) = tried(&machine, &[]) else { return };
    let wanted = [
        ("packet", "EAFNOSUPPORT"),
        ("netlink", "EAFNOSUPPORT"),
        ("unix", "done"),
        ("mount", "EPERM"),
        ("chroot", "EPERM"),
        ("user namespace", "EPERM"),
        ("ptrace", "EPERM"),
        ("kexec", "EPERM"),
        ("write and execute", "EPERM"),
        ("personality", "EPERM"),
        ("realtime", "EPERM"),
        ("suid", "EPERM"),
        ("processors", "EPERM"),
        ("another user", "EPERM"),
        ("its program", "EACCES"),
        ("its configuration", "EROFS"),
        ("a home", "EACCES"),
        ("its folder", "done"),
        ("its logs", "done"),
        ("the first process", "ENOENT"),
        ("the kernel", "ENOENT"),
        ("connections", "True"),
        ("devices", "fd,full,log,null,random,shm,stderr,stdin,stdout,tty,urandom,zero"),
        ("core", "(0, 0)"),
    ];
    for (name, wanted) in wanted {
        assert_eq!(found[name], wanted, "{name}");
    }
    assert_eq!(found.as_object().unwrap().len(), wanted.len());
    let relaxed = [
        ("credential-process.conf", &["write and execute", "processors"][..]),
        ("audit.conf", &["netlink"]),
        ("roles-anywhere.conf", &[]),
    ];
    machine.write("/etc/keyfob/private/certificate.pem", 0o600, "");
    machine.write("/etc/keyfob/private/key.pem", 0o600, "");
    for (drop_in, allowed) in relaxed {
        let found = tried(&machine, &[drop_in]).unwrap();
        for (name, refused) in wanted {
            let wanted = if allowed.contains(&name) { "done" } else { refused };
            assert_eq!(found[name], wanted, "{drop_in}: {name}");
        }
    }
}

/// Asks once and stays connected until its stdin ends, as an SDK does: it can be looked for.
const STAYS: &str = r#"
import socket, sys
token = open("/run/keyfob/token").read()
client = socket.create_connection(("127.0.0.1", 5397))
client.sendall(f"GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
print(client.recv(64).split(b"\r\n")[0].decode(), flush=True)
sys.stdin.read()
"#;

#[test]
fn who_asks_is_known_with_and_without_the_kernels_answer_and_nobody_looks_into_the_agent() {
    let furnish = |disk: &TempHome| {
        machine::put(
            disk,
            "/etc/keyfob/keyfob.toml",
            0o644,
            "[telemetry]\naudit = \"/var/log/keyfob/audit.json\"\n",
        );
        machine::put(disk, "/etc/keyfob/aws/credentials", 0o644, KEYS);
    };
    for examples in [&[][..], &["audit.conf"]] {
        let Some(machine) = Machine::boot(furnish) else { return };
        let (agent, mut ear) = started(&machine, examples);
        ear.next(|text| text.contains("READY=1"));
        let client = crate::support::Running::start(&machine.user("member").args(["python3", "-c", STAYS]));
        assert!(client.stdout.says(SOON, "200 OK"), "{}", client.stderr.text());
        let path = machine.at("/var/log/keyfob/audit.json");
        let begun = std::time::Instant::now();
        let record = loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(line) = text.lines().next() {
                leaks::look("the audit log", &text);
                break serde_json::from_str::<Value>(line).unwrap();
            }
            assert!(begun.elapsed() < SOON, "no record with {examples:?}");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(
            (&record["outcome"], &record["peer_uid"]),
            (&"handed_out".into(), &2001.into()),
            "{examples:?} {record}"
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        closed(&machine, agent.process.pid());
    }
}

/// Neither another program of its user nor a core dump shows what the agent holds.
fn closed(machine: &Machine, pid: i32) {
    let said = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let status = said("status");
    let words: Vec<String> =
        status.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2"] {
        assert!(words.iter().any(|word| word == line), "{line}\n{status}");
    }
    let core = said("limits").lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
    assert!(core.split_whitespace().filter(|word| *word == "0").count() == 2, "{core}");
    for name in ["environ", "mem", "maps"] {
        let read = machine.user("keyfob").args(["head", "-c", "1", &format!("/proc/{pid}/{name}")]).run();
        assert!(read.code() == Some(1) && read.stderr.contains("ermission denied"), "{read:?}");
    }
}

#[test]
fn a_setting_that_is_not_tried_here_is_an_error() {
    let Some(machine) = Machine::boot(|_| ()) else { return };
    let more = machine.at("/more.conf");
    std::fs::write(&more, "[Service]\nPrivateNetwork=yes\n").unwrap();
    let refused = machine.service(&ours("keyfob.service"), &[more]).run();
    assert!(refused.code() == Some(1) && refused.stderr.contains("PrivateNetwork"), "{refused:?}");
}
