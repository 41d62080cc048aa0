//! One process as /proc shows it: who it is, what it was started with, and the files that it sees.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::judge::Content;
use super::root::{Mapping, Root, Who};
use crate::config::env::Env;

/// Ticks of `starttime` a second: the same on every machine that Linux still runs on.
const TICKS: u64 = 100;
/// The bits of `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH`.
const WHATEVER_MODES_SAY: u64 = 0b110;

/// A process that lives.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: u32,
    /// What it calls itself; `comm`.
    pub command: String,
    /// By name, where there is one.
    pub user: String,
    pub started: SystemTime,
    /// The service of systemd that it belongs to.
    pub unit: Option<Unit>,
    /// As it was when the program was started: what it has set since is not to be seen.
    pub env: Env,
    /// Whether 127.0.0.1 is the same place to it as to us.
    pub near: bool,
    root: Root,
}

/// A unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub name: String,
    /// Of a user's own manager.
    pub of_user: bool,
}

/// Why a process cannot be looked at.
#[derive(Debug)]
pub(super) enum Unseen {
    /// There is none of that number.
    Gone,
    /// It has ended, and nobody has waited for it.
    Ended,
    /// Another user's.
    Closed(String),
    /// Something else.
    Broken(io::Error),
}

impl Process {
    /// Looks at it.
    pub(super) fn look(pid: u32) -> Result<Self, Unseen> {
        let at = PathBuf::from(format!("/proc/{pid}"));
        let text = |name: &str| Ok::<_, Unseen>(String::from_utf8_lossy(&read(&at.join(name))?).into_owned());
        let stat = text("stat")?;
        let (state, ticks) = state_and_start(&stat).ok_or(Unseen::Gone)?;
        if matches!(state, 'Z' | 'X') {
            return Err(Unseen::Ended);
        }
        let (command, status) = (text("comm")?.trim_end_matches('\n').to_owned(), text("status")?);
        let who = Who {
            uids: Mapping::parse(&text("uid_map")?),
            gids: Mapping::parse(&text("gid_map")?),
            ..who(&status)
        };
        let user = user(who.uid);
        let closed = |unseen| match unseen {
            Unseen::Broken(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Unseen::Closed(format!("{command}, of {user}"))
            }
            other => other,
        };
        let env = env(&read(&at.join("environ")).map_err(closed)?);
        let folder = fs::File::open(at.join("root")).map_err(|error| closed(unseen(error)))?;
        let inner = who.uids.inside(who.uid).unwrap_or(who.uid);
        let root = Root::new(folder.into(), current(&at), who);
        let env = with_home(env, inner, &root);
        let (started, unit) = (since_boot(ticks), text("cgroup").ok().and_then(|text| unit(&text)));
        let near = same_network(&at);
        Ok(Self { pid, command, user, started, unit, env, near, root })
    }

    /// Reads a file as the process would.
    pub(super) fn read(&self, path: &Path) -> io::Result<Content> {
        self.root.read(path)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Unseen> {
    fs::read(path).map_err(unseen)
}

fn unseen(error: io::Error) -> Unseen {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) | (_, Some(nix::libc::ESRCH)) => Unseen::Gone,
        _ => Unseen::Broken(error),
    }
}

/// The fields 3 and 22 of `stat`; the second, the command, may hold anything.
fn state_and_start(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn since_boot(ticks: u64) -> SystemTime {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(boot + ticks / TICKS)
}

/// What counts for files: the fourth number, after the real, effective and saved one.
fn who(status: &str) -> Who {
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let numbers = |name: &str| line(name).split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (uids, gids): (Vec<u32>, Vec<u32>) = (numbers("Uid:"), numbers("Gid:"));
    let capable = u64::from_str_radix(line("CapEff:").trim(), 16).unwrap_or(0);
    Who {
        uid: uids.last().copied().unwrap_or(u32::MAX),
        gid: gids.last().copied().unwrap_or(u32::MAX),
        groups: numbers("Groups:"),
        privileged: capable & WHATEVER_MODES_SAY != 0,
        ..Who::default()
    }
}

fn user(uid: u32) -> String {
    let known = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    known.map_or_else(|| format!("uid {uid}"), |user| user.name)
}

/// Of a name that stands twice Python takes the first.
fn env(bytes: &[u8]) -> Env {
    let text = String::from_utf8_lossy(bytes);
    let mut pairs: Vec<_> = text.split('\0').filter_map(|pair| pair.split_once('=')).collect();
    pairs.reverse();
    pairs.into_iter().collect()
}

/// The home folder, where the environment says nothing, is that of its own password file.
fn with_home(env: Env, uid: u32, root: &Root) -> Env {
    if env.get("HOME").is_some() {
        return env;
    }
    let users = root.read(Path::new("/etc/passwd")).map(|content| content.bytes);
    let home = users.ok().and_then(|users| home_of(&String::from_utf8_lossy(&users), uid));
    // `~` stays as it stands for a user without home; a path of nowhere is as good.
    let home = home.unwrap_or_else(|| "~".to_owned());
    env.iter().chain([("HOME", home.as_str())]).collect()
}

fn home_of(users: &str, uid: u32) -> Option<String> {
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = lines.find(|fields| fields.get(2).and_then(|number| number.parse().ok()) == Some(uid))?;
    own.get(5).map(|home| (*home).to_owned())
}

/// Links of /proc name files as we see them: what lies before the process's root goes.
fn current(at: &Path) -> PathBuf {
    let link = |name| fs::read_link(at.join(name)).unwrap_or_else(|_| "/".into());
    let (current, root) = (link("cwd"), link("root"));
    let inner = current.strip_prefix(root).map(|inner| Path::new("/").join(inner));
    inner.unwrap_or(current)
}

/// Unknown is near.
fn same_network(at: &Path) -> bool {
    let network = |at: &Path| fs::read_link(at.join("ns/net")).ok();
    match (network(at), network(Path::new("/proc/self"))) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    }
}

/// Of the hierarchy that is systemd's.
fn unit(cgroup: &str) -> Option<Unit> {
    let path = |line: &'_ str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        (controllers.is_empty() || controllers == "name=systemd").then(|| path.to_owned())
    };
    let name = |path: String| {
        let name = path.rsplit('/').next().filter(|name| name.ends_with(".service"))?.to_owned();
        Some(Unit { of_user: path.contains("/user@") && !name.starts_with("user@"), name })
    };
    cgroup.lines().filter_map(path).find_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_be_called_anything() {
        let rest = "S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1";
        for command in ["sleep", "a b", ") Z 1 (", "(("] {
            assert_eq!(state_and_start(&format!("7 ({command}) {rest}\n")), Some(('S', 4711)), "{command}");
        }
        assert_eq!(state_and_start("7 (x) Z 1"), None);
    }

    #[test]
    fn the_unit_is_the_last_word_of_systemds_own_hierarchy() {
        let unit = |text| unit(text).map(|unit| (unit.name, unit.of_user));
        let found = |name: &str, of_user| Some((name.to_owned(), of_user));
        for (text, wanted) in [
            ("0::/system.slice/app.service\n", found("app.service", false)),
            (
                "9:name=systemd:/system.slice/app@1.service\n4:memory:/x.service\n0::/\n",
                found("app@1.service", false),
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n",
                found("web.service", true),
            ),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
            ("4:memory:/app.service\n0::/\n", None),
            ("0::/system.slice/app.service/payload\n", None),
        ] {
            assert_eq!(unit(text), wanted, "{text}");
        }
    }

    #[test]
    fn who_it_is_for_files_stands_last() {
        let status =
            "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapEff:\t0000000000000004\n";
        let found = who(status);
        assert_eq!((found.uid, found.gid, found.groups, found.privileged), (4, 8, vec![9, 10], true));
        assert!(!who(&status.replace("04\n", "01\n")).privileged);
    }

    #[test]
    fn an_environment_is_read_as_python_reads_it() {
        let found = env(b"A=1\0B=x=y\0A=2\0EMPTY=\0nothing\0\0");
        assert_eq!(found, Env::from([("A", "1"), ("B", "x=y"), ("EMPTY", "")]));
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1000::/home/app:/bin/sh\n";
        assert_eq!(home_of(users, 1000).as_deref(), Some("/home/app"));
        assert_eq!(home_of(users, 7), None);
    }

    #[test]
    fn this_process_is_seen() {
        let seen = Process::look(std::process::id()).unwrap();
        assert!(seen.near && seen.read(Path::new("Cargo.toml")).unwrap().regular);
        assert!(matches!(Process::look(u32::MAX), Err(Unseen::Gone)));
    }
}
