//! A machine to throw away, on which keyfob is installed, and services inside their sandbox (`machine.py`).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::*;
use crate::sdk::{self, Sdk};
use crate::support::run::skip;
use crate::support::tools::tool;
use crate::support::{Finished, Run, Running, keyfob};

/// The machine's users beside root and `keyfob`: who is in the group, who is not, who has a home with AWS files.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh
member:x:2001:2001::/home/member:/bin/sh
stranger:x:2002:2002::/home/stranger:/bin/sh
alice:x:2003:2003::/home/alice:/bin/sh
app:x:2004:2004::/srv:/usr/sbin/nologin
";
const GROUPS: &str = "root:x:0:\nmember:x:2001:\nstranger:x:2002:\nalice:x:2003:\napp:x:2004:\n";

/// Ended when dropped; its disk goes with it.
pub struct Machine {
    running: Running,
    disk: TempHome,
    python: PathBuf,
}

/// A file that comes with keyfob.
pub fn ours(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd").join(name)
}

impl Machine {
    /// Installs keyfob as README says, and what the test adds to the disk. None: skipped.
    pub fn boot(furnish: impl FnOnce(&TempHome)) -> Option<Machine> {
        let (sysusers, tmpfiles) = (tool("systemd-sysusers")?, tool("systemd-tmpfiles")?);
        let disk = bare_disk();
        let under = format!("--root={}", disk.path().display());
        Run::new(sysusers).arg(&under).arg(ours("keyfob.sysusers")).run().expect_code(0);
        let made = Run::new(tmpfiles).args([under.as_str(), "--create"]).arg(ours("keyfob.tmpfiles")).run();
        made.expect_code(0);
        let group = fs::read_to_string(disk.path().join("etc/group")).unwrap();
        disk.write("etc/group", &add_member(&group));
        let bin = disk.path().join("installed/usr/bin");
        fs::create_dir_all(&bin).unwrap();
        // Cargo replaces the file rather than to write into it, and so shall nobody here.
        fs::hard_link(keyfob(), bin.join("keyfob"))
            .or_else(|_| fs::copy(keyfob(), bin.join("keyfob")).map(drop))
            .unwrap();
        furnish(&disk);
        Machine::with(disk, &[])
    }

    /// A machine on which keyfob is not installed yet, and where these paths of the host can be read too.
    pub fn bare(furnish: impl FnOnce(&TempHome), show: &[PathBuf]) -> Option<Machine> {
        let disk = bare_disk();
        for folder in ["bin", "lib", "local"] {
            fs::create_dir_all(disk.path().join("installed/usr").join(folder)).unwrap();
        }
        furnish(&disk);
        Machine::with(disk, show)
    }

    fn with(disk: TempHome, show: &[PathBuf]) -> Option<Machine> {
        let (python, _sets) = (tool("python3")?, tool("systemd-analyze")?);
        if !nix::unistd::Uid::effective().is_root() {
            skip("a machine of its own, with users and mounts, takes root");
            return None;
        }
        let mut run = Run::new(&python).arg(script()).arg("boot").arg(disk.path());
        for path in shown().iter().chain(show) {
            run = run.arg("--show").arg(path);
        }
        let running = Running::start(&run.envs(path()));
        assert!(running.stdout.says(SOON, "up"), "the machine does not start:\n{}", running.stderr.text());
        Some(Machine { running, disk, python })
    }

    /// What the machine has at this path.
    pub fn at(&self, path: &str) -> PathBuf {
        self.disk.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file of root's with this mode.
    pub fn write(&self, path: &str, mode: u32, text: &str) {
        put(&self.disk, path, mode, text);
    }

    /// Writes a file that the group `keyfob` may read, as an administrator does.
    pub fn shared(&self, path: &str, text: &str) {
        let folder = self.at(path).parent().unwrap().to_owned();
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        self.write(path, 0o640, text);
        let groups = fs::read_to_string(self.at("/etc/group")).unwrap();
        let line = groups.lines().find(|line| line.starts_with("keyfob:")).unwrap();
        chown(self.at(path), None, line.split(':').nth(2).and_then(|gid| gid.parse().ok())).unwrap();
    }

    /// The words for `keyfob.service` with these drop-ins, or those of another unit's file.
    pub fn service(&self, unit: &Path, drop_ins: &[PathBuf]) -> Run {
        let pid = self.running.pid().to_string();
        let run = Run::new(&self.python).arg(script()).args(["service", &pid]).arg(unit).args(drop_ins);
        run.envs(path())
    }

    /// `keyfob.service` with these examples.
    pub fn keyfob(&self, examples: &[&str]) -> Run {
        let examples: Vec<_> = examples.iter().map(|name| ours("examples").join(name)).collect();
        self.service(&ours("keyfob.service"), &examples)
    }

    /// A program of a user of this machine, in no sandbox.
    pub fn user(&self, name: &str) -> Run {
        let pid = self.running.pid().to_string();
        Run::new(&self.python).arg(script()).args(["as", &pid, name, "--"])
    }

    /// What boto3 finds as that user with the variables that README tells to set.
    pub fn boto3(&self, user: &str) -> Option<Finished> {
        let run = Sdk::Boto3.under(self.user(user), &["credentials"])?;
        let env = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:5397/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/run/keyfob/token"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        Some(run.envs(env).run())
    }
}

fn bare_disk() -> TempHome {
    let disk = TempHome::new();
    disk.write("etc/passwd", USERS);
    disk.write("etc/group", GROUPS);
    disk
}

/// Writes a file of root's with this mode.
pub fn put(disk: &TempHome, path: &str, mode: u32, text: &str) {
    let path = disk.write(path.trim_start_matches('/'), text);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/machine.py")
}

fn path() -> Vec<(String, String)> {
    vec![("PATH".to_owned(), std::env::var("PATH").unwrap())]
}

fn add_member(groups: &str) -> String {
    let lines = groups.lines().map(|line| {
        let more = if line.starts_with("keyfob:") { "member" } else { "" };
        format!("{line}{more}\n")
    });
    lines.collect()
}

/// Where boto3 is, and the Python that it runs in.
fn shown() -> Vec<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut shown = vec![here.join("tests/sdk")];
    let venv = here.join("build/venv");
    match fs::read_to_string(venv.join("pyvenv.cfg")) {
        Ok(config) => {
            let home = config.lines().find_map(|line| line.strip_prefix("home = ")).unwrap();
            shown.extend(
                Path::new(home).parent().filter(|prefix| *prefix != Path::new("/usr")).map(Path::to_owned),
            );
            shown.push(venv);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
    }
    assert!(sdk::python().starts_with(&here));
    shown
}
