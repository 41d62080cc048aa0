//! Files as another process sees them: links are followed inside its root, and what its user may not read stays closed.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use super::judge::Content;

/// As many as the kernel follows.
const LINKS: usize = 40;
const SEARCH: u32 = 0o1;
const READ: u32 = 0o4;

/// What one process sees of the file system.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
    /// Where relative paths begin, as a path inside the root.
    current: PathBuf,
    who: Who,
}

/// Who reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Who {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// Whether modes stand in nobody's way: `CAP_DAC_OVERRIDE` or `CAP_DAC_READ_SEARCH`, for users and groups of its
    /// own namespace.
    pub privileged: bool,
    pub uids: Mapping,
    pub gids: Mapping,
}

/// Numbers of a user namespace: the first one inside, the first one here, and how many.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping(pub Vec<[u32; 3]>);

impl Mapping {
    /// The text of `/proc/PID/uid_map`.
    pub(super) fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
            Some([numbers.next()??, numbers.next()??, numbers.next()??])
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// What a number of ours is inside; nothing for one that has no place there.
    pub(super) fn inside(&self, number: u32) -> Option<u32> {
        let of = |[inside, here, count]: &[u32; 3]| {
            number
                .checked_sub(*here)
                .filter(|offset| offset < count)
                .and_then(|offset| inside.checked_add(offset))
        };
        self.0.iter().find_map(of)
    }
}

impl Who {
    /// POSIX modes, and nothing beyond: what lists of access and other guards forbid is not known here.
    fn may(&self, about: &FileStat, want: u32) -> bool {
        let shift = match about {
            _ if about.st_uid == self.uid => 6,
            _ if about.st_gid == self.gid || self.groups.contains(&about.st_gid) => 3,
            _ => 0,
        };
        let known = || self.uids.inside(about.st_uid).is_some() && self.gids.inside(about.st_gid).is_some();
        (about.st_mode >> shift) & want == want || (self.privileged && known())
    }
}

impl Root {
    pub(super) fn new(folder: OwnedFd, current: PathBuf, who: Who) -> Self {
        Self { folder, current, who }
    }

    /// The file at that path.
    ///
    /// # Errors
    /// What the process would be told, too.
    pub(super) fn read(&self, path: &Path) -> io::Result<Content> {
        let file = self.find(path)?;
        let about = fstat(&file)?;
        if !self.who.may(&about, READ) {
            return Err(Errno::EACCES.into());
        }
        // The file that was found, whatever its name leads to by now.
        let bytes = crate::file::read(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))).1?;
        Ok(Content { bytes: bytes.into(), regular: kind(&about) == SFlag::S_IFREG })
    }

    /// Goes from folder to folder, each held open: nobody who swaps a folder for a link leads us out of the root.
    fn find(&self, path: &Path) -> nix::Result<OwnedFd> {
        let (mut passed, mut links) = (Vec::<OwnedFd>::new(), 0);
        let mut ahead = words(&self.current.join(path));
        while let Some(word) = ahead.pop() {
            match word.to_str() {
                Some("/") => passed.clear(),
                Some(".") => {}
                // Above the root is the root.
                Some("..") => drop(passed.pop()),
                _ => {
                    let next = self.step(passed.last().unwrap_or(&self.folder), &word)?;
                    if kind(&fstat(&next)?) != SFlag::S_IFLNK {
                        passed.push(next);
                        continue;
                    }
                    links += 1;
                    if links > LINKS {
                        return Err(Errno::ELOOP);
                    }
                    ahead.extend(words(Path::new(&readlinkat(&next, "")?)));
                }
            }
        }
        passed.pop().map_or_else(|| self.step(&self.folder, &OsString::from(".")), Ok)
    }

    fn step(&self, folder: &OwnedFd, name: &OsString) -> nix::Result<OwnedFd> {
        if !self.who.may(&fstat(folder)?, SEARCH) {
            return Err(Errno::EACCES);
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(folder, name.as_os_str(), flags, Mode::empty())
    }
}

fn kind(about: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT
}

/// The last one first.
fn words(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|word| word.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A root in a folder of the test's own, seen by its owner.
    fn root(folder: &Path, who: Who) -> Root {
        Root::new(fs::File::open(folder).unwrap().into(), "/home".into(), who)
    }

    fn me() -> Who {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        Who { uid, gid, ..Who::default() }
    }

    fn text(root: &Root, path: &str) -> Result<String, io::ErrorKind> {
        let content = root.read(Path::new(path)).map_err(|error| error.kind())?;
        Ok(String::from_utf8(content.bytes.to_vec()).unwrap())
    }

    #[test]
    fn links_and_dots_stay_inside_the_root() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("root");
        for folder in ["etc", "home", "mnt/secret"] {
            fs::create_dir_all(inner.join(folder)).unwrap();
        }
        fs::write(outer.path().join("etc"), "outside").unwrap();
        fs::write(inner.join("etc/boto.cfg"), "inside").unwrap();
        fs::write(inner.join("home/near"), "near").unwrap();
        for (link, target) in [
            ("absolute", "/etc/boto.cfg"),
            ("relative", "../etc/boto.cfg"),
            ("above", "../../../../etc/boto.cfg"),
            ("twice", "/home/absolute"),
            ("out", &format!("{}/etc", outer.path().display())),
            ("round", "/home/round"),
        ] {
            symlink(target, inner.join("home").join(link)).unwrap();
        }
        symlink("/etc", inner.join("mnt/secret/folder")).unwrap();
        let root = root(&inner, me());
        for path in [
            "/etc/boto.cfg",
            "/../etc/./boto.cfg",
            "/home/absolute",
            "relative",
            "above",
            "twice",
            "/mnt/secret/folder/boto.cfg",
            "/mnt/secret/folder/../etc/boto.cfg",
        ] {
            assert_eq!(text(&root, path).as_deref(), Ok("inside"), "{path}");
        }
        assert_eq!(text(&root, "near").as_deref(), Ok("near"));
        for path in ["out", "/home/out", "gone", "/etc/boto.cfg/x"] {
            assert!(text(&root, path).is_err(), "{path}");
        }
        assert_eq!(root.find(Path::new("round")).unwrap_err(), Errno::ELOOP);
        assert_eq!(text(&root, "/").unwrap_err(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn what_the_process_may_not_read_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "t").unwrap();
        let (own, other) = (me(), Who { uid: 4_000_001, gid: 4_000_002, ..Who::default() });
        let member = Who { groups: vec![own.gid], ..other.clone() };
        let whole = Mapping(vec![[0, 0, u32::MAX]]);
        let mighty = Who { privileged: true, uids: whole.clone(), gids: whole, ..other.clone() };
        let elsewhere = Who { uids: Mapping(vec![[0, 4_000_000, 10]]), ..mighty.clone() };
        // Whether the owner, the group's member, anybody, root, and another namespace's root may read it.
        for (folder_mode, mode, may) in [
            (0o755, 0o644, [true, true, true, true, true]),
            (0o755, 0o440, [true, true, false, true, false]),
            (0o755, 0o400, [true, false, false, true, false]),
            (0o700, 0o644, [true, false, false, true, false]),
            (0o755, 0o044, [false, true, true, true, true]),
        ] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(folder_mode)).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let judged = [&own, &member, &other, &mighty, &elsewhere].map(|who| {
                let root = root(folder.path(), who.clone());
                root.find(Path::new("/token")).is_ok_and(|found| who.may(&fstat(&found).unwrap(), READ))
            });
            assert_eq!(judged, may, "{folder_mode:o} {mode:o}");
        }
    }

    #[test]
    fn numbers_of_another_namespace_are_found() {
        let map = Mapping::parse("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(
            [1000, 100_000, 165_535].map(|number| map.inside(number)),
            [Some(0), Some(1), Some(65_536)]
        );
        assert_eq!([0, 999, 1001, 165_536].map(|number| map.inside(number)), [None; 4]);
        assert_eq!(Mapping::parse("0 0 4294967295").inside(12), Some(12));
    }
}
