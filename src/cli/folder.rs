//! A folder that only this user may enter and that goes when the command ends.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::mkdtemp;

use crate::config::env::Env;

/// The folder; dropped, it is removed with all that is in it.
#[derive(Debug)]
pub struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// A new one in `XDG_RUNTIME_DIR`, which is memory and this user's, else where temporary files go.
    ///
    /// # Errors
    /// What the system said of the last place that was tried.
    pub fn new(env: &Env) -> io::Result<Self> {
        let places = [env.filled("XDG_RUNTIME_DIR"), env.filled("TMPDIR"), Some("/tmp")];
        let mut last = io::ErrorKind::NotFound.into();
        for place in places.into_iter().flatten().map(Path::new).filter(|place| place.is_absolute()) {
            // mkdtemp makes it with mode 0700, whatever the umask.
            match mkdtemp(&place.join("keyfob-XXXXXX")) {
                Ok(path) => return Ok(Self(path)),
                Err(error) => last = io::Error::from(error),
            }
        }
        Err(last)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a new file inside that only this user may read.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What is left is in a folder that nobody else may enter.
        let _left = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_goes_with_all_that_is_in_it() {
        let base = tempfile::tempdir().unwrap();
        let env = Env::from([("XDG_RUNTIME_DIR", base.path().to_str().unwrap())]);
        let folder = PrivateFolder::new(&env).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        let file = folder.write("config", "[default]\n").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(folder.write("config", "again").is_err());
        drop(folder);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_does_not_work_is_passed_over() {
        let base = tempfile::tempdir().unwrap();
        let temp = base.path().to_str().unwrap();
        for runtime in ["", "relative", "/proc/nothing"] {
            let folder =
                PrivateFolder::new(&Env::from([("XDG_RUNTIME_DIR", runtime), ("TMPDIR", temp)])).unwrap();
            assert!(folder.0.starts_with(base.path()), "{runtime}");
        }
    }
}
