//! What there is to know of the machine: who we are, whose child, what our home folder is made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::config::env::Env;
use crate::source::profile::files::places;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Seen {
    Nothing,
    /// Something that may not be looked into or read.
    Closed,
    /// A folder with nothing in it.
    Empty,
    There,
}

/// The machine around a walk that found nothing.
#[derive(Clone, Debug)]
pub(in crate::source) struct Facts {
    pub env: Env,
    pub uid: u32,
    /// As the password file knows us.
    pub user: Option<String>,
    pub home: Option<PathBuf>,
    pub home_seen: Seen,
    /// The config file and the credentials file.
    pub files: [(PathBuf, Seen); 2],
    /// `/proc/self/mountinfo`.
    pub mounts: String,
    /// Our parent, its parent and so on, by the names of their programs.
    pub ancestors: Vec<String>,
    /// What says that this is a container.
    pub container: Option<String>,
    /// The home folder of who called sudo, where there is a `.aws` in it.
    pub of_sudo: Option<PathBuf>,
    /// SELinux refuses what its rules do not allow.
    pub enforcing: bool,
    /// The permissions let us read the file that we may not read.
    pub mode_allows: bool,
    /// SELinux's label of that file.
    pub label: Option<String>,
}

impl Facts {
    /// Looks everything up; blocking.
    pub(super) fn gather(env: Env) -> Self {
        let uid = Uid::effective();
        let home = env.home();
        let files = places(&env).map(|path| (path.clone(), seen(&path)));
        let closed = files.iter().find(|(_, seen)| *seen == Seen::Closed).map(|(path, _)| path.clone());
        Self {
            uid: uid.as_raw(),
            user: User::from_uid(uid).ok().flatten().map(|user| user.name),
            home_seen: home.as_deref().map_or(Seen::Nothing, seen),
            home,
            files,
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
            ancestors: ancestors(),
            container: container(&env),
            of_sudo: of_sudo(&env),
            enforcing: fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1"),
            mode_allows: closed.as_deref().is_some_and(mode_allows),
            label: None,
            env,
        }
    }

    /// Neither AWS file gave anything.
    pub(super) fn no_file(&self) -> bool {
        self.files.iter().all(|(_, seen)| *seen != Seen::There)
    }

    /// Somebody counts on the files: a profile or a file is named.
    pub(super) fn means_files(&self) -> bool {
        let names = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
        names.into_iter().any(|name| self.env.filled(name).is_some())
    }

    /// The variables that say where the files are.
    pub(super) fn names_files(&self) -> bool {
        ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"]
            .into_iter()
            .any(|name| self.env.filled(name).is_some())
    }

    /// The home folder for a sentence.
    pub(super) fn home_text(&self) -> String {
        self.home.as_ref().map_or_else(|| "no home folder".to_owned(), |home| home.display().to_string())
    }
}

fn seen(path: &Path) -> Seen {
    let error = match fs::metadata(path) {
        Ok(about) if about.is_dir() => match fs::read_dir(path) {
            Ok(mut entries) => return if entries.next().is_none() { Seen::Empty } else { Seen::There },
            Err(error) => error,
        },
        Ok(about) if !about.is_file() => return Seen::There,
        Ok(_) => match fs::File::open(path) {
            Ok(_) => return Seen::There,
            Err(error) => error,
        },
        Err(error) => error,
    };
    if error.kind() == io::ErrorKind::PermissionDenied { Seen::Closed } else { Seen::Nothing }
}

/// As far as `/proc` tells; a process that hides its parent ends the list.
fn ancestors() -> Vec<String> {
    const MOST: usize = 32;
    let parent = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (before, after) = stat.rsplit_once(") ")?;
        let name = before.split_once('(')?.1.to_owned();
        Some((name, after.split_whitespace().nth(1)?.to_owned()))
    };
    let mut names = Vec::new();
    let mut next = parent("self").map(|(_, pid)| pid);
    while let Some((name, pid)) = next.as_deref().filter(|pid| *pid != "0").and_then(parent) {
        names.push(name);
        next = Some(pid).filter(|_| names.len() < MOST);
    }
    names
}

fn container(env: &Env) -> Option<String> {
    let named = env.filled("container").map(|name| format!("container={name}"));
    let pod = env.filled("KUBERNETES_SERVICE_HOST").map(|_| "KUBERNETES_SERVICE_HOST".to_owned());
    let marks = ["/.dockerenv", "/run/.containerenv"].into_iter().find(|mark| Path::new(mark).exists());
    pod.or(named).or(marks.map(str::to_owned))
}

fn of_sudo(env: &Env) -> Option<PathBuf> {
    let user = env.filled("SUDO_USER")?;
    let home = match env.filled("SUDO_HOME") {
        Some(home) => PathBuf::from(home),
        None => User::from_name(user).ok().flatten()?.dir,
    };
    home.join(".aws").is_dir().then_some(home)
}

/// Whether the mode of the file would let this user read it.
fn mode_allows(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(about) = fs::metadata(path) else { return false };
    let groups = nix::unistd::getgroups().unwrap_or_default();
    let group =
        groups.into_iter().chain([nix::unistd::Gid::effective()]).any(|gid| gid.as_raw() == about.gid());
    let needed = match () {
        () if about.uid() == Uid::effective().as_raw() => 0o400,
        () if group => 0o040,
        () => 0o004,
    };
    about.mode() & needed != 0
}
