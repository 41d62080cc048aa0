//! The audit log's own file: appended to, made anew when somebody has moved it away.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::record::Record;
use crate::telemetry::logs::{AUDIT, losses};

/// A file that records are written to.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    open: Option<fs::File>,
    /// Whether the last record could not be written. Part of it may have been.
    failed: bool,
}

/// Opens it for more, and makes it if it is not there: readable by its owner only.
pub(super) fn open(path: &Path) -> io::Result<fs::File> {
    // A pipe that nobody reads is an error, not a reason to wait.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    fs::File::options().append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, failed: false }
    }

    /// Writes a record. A failure is said once, until it works again.
    pub(super) fn write(&mut self, record: &Record) {
        let written = self.append(&record.as_json());
        let (before, path) = (std::mem::replace(&mut self.failed, written.is_err()), self.path.display());
        match written {
            Ok(()) if before => info!(target: AUDIT, %path, "the audit log is written again"),
            Ok(()) => {}
            Err(error) => {
                losses::AUDIT.add(1);
                if !before {
                    warn!(target: AUDIT, %path, %error, "the audit log cannot be written: records are lost");
                }
            }
        }
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if !self.is_in_place() {
            match open(&self.path) {
                Ok(file) => self.open = Some(file),
                // Where it was moved to is better than nowhere.
                Err(error) if self.open.is_none() => return Err(error),
                Err(_) => {}
            }
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        // What was left of a record that failed ends here.
        let begin = if self.failed { "\n" } else { "" };
        file.write_all(format!("{begin}{line}").as_bytes())
    }

    /// Whether the open file is still the one of that name.
    fn is_in_place(&self) -> bool {
        let file = |about: fs::Metadata| (about.dev(), about.ino());
        let opened = self.open.as_ref().and_then(|open| open.metadata().ok()).map(file);
        opened.is_some() && opened == fs::metadata(&self.path).ok().map(file)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::telemetry::audit::record::tests::record;

    fn lines(path: &Path) -> usize {
        fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty()).count()
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.json"), folder.path().join("audit.json.1"));
        let mut file = File::new(&path);
        file.write(&record());
        file.write(&record());
        fs::rename(&path, &moved).unwrap();
        file.write(&record());
        assert_eq!((lines(&moved), lines(&path)), (2, 1));
        fs::remove_file(&path).unwrap();
        file.write(&record());
        assert_eq!(lines(&path), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_there_is_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.json");
        fs::write(&path, "{}\n").unwrap();
        File::new(&path).write(&record());
        assert_eq!(lines(&path), 2);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_a_loss_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/audit.json");
        let mut file = File::new(&path);
        file.write(&record());
        assert!(file.failed);
        fs::create_dir(path.parent().unwrap()).unwrap();
        file.write(&record());
        assert!(!file.failed);
        assert_eq!(lines(&path), 1);
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(open(&path).unwrap_err().raw_os_error(), Some(nix::libc::ENXIO));
    }
}
