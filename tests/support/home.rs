//! A home folder of a test's own, and the ways in which programs change files in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::run::skip_here;

/// Whether keyfob can tell here who else comes into a home: not in a container, nor where the folder of all homes is bound
/// from elsewhere. Says that something is skipped.
pub fn others_are_in_sight() -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let homes = std::env::temp_dir();
    let mounts = table.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let over = |path: &Path| {
        let above = mounts.clone().filter(|words| path.starts_with(words[4]));
        above.max_by_key(|words| words[4].len()).unwrap()
    };
    let whole = over(&homes)[3] == "/" && !over(Path::new("/")).contains(&"overlay");
    if !whole {
        skip_here(
            "this is a container, or its temporary folder is another machine's: who else reads it is out of sight",
        );
    }
    whole
}

/// A temporary home with an `.aws` folder; gone when dropped.
pub struct TempHome {
    dir: tempfile::TempDir,
}

impl TempHome {
    pub fn new() -> TempHome {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".aws")).unwrap();
        TempHome { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Nobody else can come in: as most homes are.
    pub fn shut(&self) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    pub fn config_path(&self) -> PathBuf {
        self.path().join(".aws/config")
    }

    pub fn credentials_path(&self) -> PathBuf {
        self.path().join(".aws/credentials")
    }

    /// Writes `.aws/config` in place.
    pub fn config(&self, text: &str) -> PathBuf {
        self.write(".aws/config", text)
    }

    /// Writes `.aws/credentials` in place.
    pub fn credentials(&self, text: &str) -> PathBuf {
        self.write(".aws/credentials", text)
    }

    /// Writes a file in place, folders included: the same inode, truncated and filled.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        super::leaks::secrets_of_file(text);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes beside the file and renames over it, as editors and the CLI do: another inode.
    pub fn replace(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = path.with_extension("being-written");
        super::leaks::secrets_of_file(text);
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &path).unwrap();
        path
    }

    /// A folder that changes as a mounted secret does.
    pub fn volume(&self, name: &str, files: &[(&str, &str)]) -> Volume {
        let dir = self.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        let mut volume = Volume::furnished(dir, Furnish { mode: 0o644, user: None, group: None });
        volume.swap(files);
        volume
    }

    /// `HOME` and nothing else: what a program started with it finds is what the test wrote.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![("HOME".to_owned(), self.path().display().to_string())]
    }
}

/// A folder in the Kubernetes manner: files are links to `..data/NAME`, `..data` is a link that is renamed over.
pub struct Volume {
    dir: PathBuf,
    turn: u32,
    furnish: Furnish,
}

/// Mode and owner of a volume's files.
#[derive(Clone, Copy, Debug)]
pub struct Furnish {
    pub mode: u32,
    pub user: Option<u32>,
    pub group: Option<u32>,
}

impl Volume {
    /// In a folder that is there; nothing is in it yet.
    pub fn furnished(dir: PathBuf, furnish: Furnish) -> Volume {
        Volume { dir, turn: 0, furnish }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// All files change at once, with one rename; the old folder goes afterwards.
    pub fn swap(&mut self, files: &[(&str, &str)]) {
        let old = format!("..turn_{}", self.turn);
        self.turn += 1;
        let new = format!("..turn_{}", self.turn);
        fs::create_dir(self.dir.join(&new)).unwrap();
        for (name, text) in files {
            let file = self.dir.join(&new).join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(self.furnish.mode)).unwrap();
            chown(&file, self.furnish.user, self.furnish.group).unwrap();
        }
        symlink(&new, self.dir.join("..data_tmp")).unwrap();
        fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data")).unwrap();
        for (name, _) in files {
            let link = self.dir.join(name);
            if link.symlink_metadata().is_err() {
                symlink(Path::new("..data").join(name), link).unwrap();
            }
        }
        // The first turn has no predecessor.
        let _ = fs::remove_dir_all(self.dir.join(old));
    }
}
