//! What the containers of a pod share: a network that leads nowhere, mounts, and the end of all their processes.
//!
//! The first process in it reads its stdin: when the test is gone, however it went, stdin ends, the process ends, and
//! the kernel ends every other process of the namespace and takes the mounts away.

use std::fs::File;
use std::path::Path;
use std::process::ChildStdin;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use crate::support::run::skip;
use crate::support::tools::tool;
use crate::support::{Finished, Run, Running};

/// The pod's address, by which a kubelet knows it: probes do not come from loopback.
pub const ADDRESS: &str = "10.244.0.7";

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
const START: Duration = Duration::from_secs(20);

/// Namespaces, and a folder for what is in them; both gone when dropped.
pub struct Sandbox {
    first: Running,
    stdin: Mutex<Option<ChildStdin>>,
    pid: String,
    folder: TempDir,
}

impl Sandbox {
    /// None where the tools are missing, or the user is not root: the test that asks is skipped.
    pub fn ready() -> Option<Sandbox> {
        for name in ["unshare", "nsenter", "setpriv", "ip", "bash"] {
            tool(name)?;
        }
        if !nix::unistd::geteuid().is_root() {
            skip("pods are played by root only: users, mounts and networks of their own");
            return None;
        }
        let own = ["--net", "--mount", "--pid", "--fork", "--kill-child"];
        let begin = format!(
            "ip link set lo up && ip address add {ADDRESS}/32 dev lo && read -r pid _ < /proc/self/stat && echo $pid && exec cat"
        );
        let mut first =
            Running::start(&Run::new("unshare").env("PATH", PATH).args(own).args(["sh", "-c", &begin]));
        let pid = first.stdout.find(START, |line| Some(line.to_owned()));
        let pid = pid.unwrap_or_else(|| panic!("no namespaces: {}", first.stderr.text()));
        let stdin = Mutex::new(first.stdin.take());
        Some(Sandbox { first, stdin, pid, folder: TempDir::new().unwrap() })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Does it in the pod's network; sockets made there stay there.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.pid)).unwrap();
        let there = thread::spawn(move || {
            setns(network, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A program in the pod's network, mounts and processes, with namespaces of its own for the last two.
    pub fn contained(&self) -> Run {
        let enter = ["--target", &self.pid, "--net", "--mount", "--pid", "--"];
        let own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"];
        Run::new("nsenter").env("PATH", PATH).args(enter).args(own)
    }

    /// A program in the namespaces and the root of the container whose first process this is.
    pub fn within(&self, pid: i32) -> Run {
        let pid = pid.to_string();
        Run::new("nsenter").env("PATH", PATH).args(["--target", &pid, "--all", "--root", "--wd", "--"])
    }

    /// A folder in memory that all containers can mount.
    pub fn memory(&self, folder: &Path, options: &str) {
        let enter = ["--target", &self.pid, "--mount", "--", "mount", "-t", "tmpfs", "-o", options, "none"];
        let mounted: Finished = Run::new("nsenter").env("PATH", PATH).args(enter).arg(folder).run();
        mounted.expect_code(0);
    }

    /// Ends every process in it.
    pub fn close(&self) {
        drop(self.stdin.lock().unwrap().take());
        self.first.wait(START);
    }
}
