//! The files in which sign-ins are kept: read as botocore reads them, refreshed under a lock, written back whole.
//!
//! botocore takes no lock, so a process of its own may still refresh at the same moment. Whoever writes, writes another
//! file and renames it: what is there is always one whole state.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::profile::files::forbidden;
use super::reading;
use crate::cause::Cause;
use crate::failure::{Failure, FailureKind};
use crate::file::{self, Kind, Stamp};
use crate::report::{KeyKind, Notes, Stored};

/// The content of such a file.
pub(super) type Kept = Map<String, Value>;

/// A sign-in's file.
#[derive(Clone, Debug)]
pub(super) struct CacheFile {
    /// Where.
    pub(super) path: PathBuf,
    /// For a file that is not there.
    pub(super) absent: &'static Cause,
    /// For one that cannot be used.
    pub(super) unusable: &'static Cause,
}

/// Our turn: it ends when this is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "it is held, and closed in the end")] Option<File>);

/// Between two looks whether it is our turn.
const PAUSE: Duration = Duration::from_millis(50);

impl CacheFile {
    /// What is there, noted as read.
    ///
    /// # Errors
    /// No file, one that may not be read, or one that is no JSON object.
    pub(super) async fn read(&self, within: Duration, notes: &mut Notes) -> Result<Kept, Failure> {
        let (stamp, content) = reading::stamped(&self.path, within).await?;
        self.note(stamp, notes);
        notes.stored = Some(Stored { file: Some(self.path.clone()), kind: KeyKind::Other });
        let bytes = content.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                let context = format!("there is no {}", self.path.display());
                Failure::misconfigured(self.absent, context)
            }
            io::ErrorKind::PermissionDenied => {
                Failure { kind: FailureKind::Misconfigured, ..forbidden(&self.path, self.unusable) }
            }
            _ => self.unusable(&format!("cannot be read: {error}")),
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(kept)) => Ok(kept),
            _ => Err(self.unusable("is no JSON object")),
        }
    }

    /// Only the last state that was seen counts: that of our own writing must not look like somebody else's.
    fn note(&self, stamp: Stamp, notes: &mut Notes) {
        let of_ours = |look: &crate::report::Look| matches!(look, crate::report::Look::File { path, .. } if *path == self.path);
        notes.looked.retain(|look| !of_ours(look));
        notes.file(Kind::SsoCache, &self.path, stamp);
    }

    /// What is wrong with the file.
    pub(super) fn unusable(&self, what: &str) -> Failure {
        Failure::malformed(self.unusable, format!("{} {what}", self.path.display()))
    }

    /// Waits until nobody else of us refreshes. The folder is locked, so that nothing is left lying in it.
    ///
    /// # Errors
    /// Somebody else takes longer than that.
    pub(super) async fn turn(&self, within: Duration) -> Result<Turn, Failure> {
        let folder = self.folder().to_owned();
        let wait = async {
            let opened = tokio::task::spawn_blocking(move || File::open(folder)).await;
            let Ok(Ok(folder)) = opened else { return Turn(None) };
            loop {
                match folder.try_lock() {
                    Ok(()) => return Turn(Some(folder)),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                    // A file system without locks: then there is none.
                    Err(TryLockError::Error(_)) => return Turn(None),
                }
            }
        };
        tokio::time::timeout(within, wait).await.map_err(|_| {
            let context =
                format!("{} is being refreshed by somebody else since {within:?}", self.path.display());
            Failure::new(FailureKind::TimedOut, self.unusable, context)
        })
    }

    /// Room for the next state, made before a refresh token is spent on it.
    ///
    /// # Errors
    /// The folder takes no file.
    pub(super) async fn draft(&self) -> Result<Draft, Failure> {
        let folder = self.folder().to_owned();
        let made = tokio::task::spawn_blocking(move || Draft::make(&folder)).await;
        made.map_err(io::Error::other).flatten().map_err(|error| {
            let context = format!("the folder of {} cannot be written to: {error}", self.path.display());
            Failure::misconfigured(self.unusable, context)
        })
    }

    /// Puts the state in the place of the file.
    ///
    /// # Errors
    /// What the system said.
    pub(super) async fn replace(&self, draft: Draft, kept: Kept, notes: &mut Notes) -> Result<(), Failure> {
        let path = self.path.clone();
        let write = move || {
            let text = Zeroizing::new(Value::Object(kept).to_string());
            draft.place(text.as_bytes(), &path).map(|()| file::stamp(&path))
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(io::Error::other).flatten();
        let stamp = written.map_err(|error| self.unusable(&format!("could not be written: {error}")))?;
        self.note(stamp, notes);
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }
}

/// As the files are named.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file that is to take the place of another. Dropped before that, it is gone.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    path: PathBuf,
}

impl Draft {
    fn make(folder: &Path) -> io::Result<Self> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| io::Error::other("the system gives no randomness"))?;
        // As botocore names its own: nobody takes it for a token.
        let path = folder.join(format!("tmp{:016x}.tmp", u64::from_ne_bytes(nonce)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    fn place(mut self, bytes: &[u8], path: &Path) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_all()?;
        std::fs::rename(&self.path, path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _placed = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cause;

    const WITHIN: Duration = Duration::from_secs(20);

    fn cache(folder: &Path) -> CacheFile {
        let path = folder.join("token.json");
        CacheFile { path, absent: &cause::SSO_NOLOGIN, unusable: &cause::SSO_CACHE }
    }

    async fn code(file: &CacheFile) -> &'static str {
        file.read(WITHIN, &mut Notes::default()).await.unwrap_err().cause.code
    }

    #[tokio::test]
    async fn what_is_no_object_is_told_from_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = cache(folder.path());
        assert_eq!(code(&file).await, "SSO-NOLOGIN");
        for text in ["", "[]", "{", "\"x\"", "{\"a\": \"\u{e9}\"} x"] {
            std::fs::write(&file.path, text).unwrap();
            assert_eq!(code(&file).await, "SSO-CACHE", "{text}");
        }
        std::fs::write(&file.path, b"{\"a\": \"\xe9\"}").unwrap();
        assert_eq!(code(&file).await, "SSO-CACHE");
        std::fs::remove_file(&file.path).unwrap();
        std::fs::create_dir(&file.path).unwrap();
        assert_eq!(code(&file).await, "SSO-NOLOGIN");
    }

    #[tokio::test]
    async fn a_new_state_takes_the_place_of_the_old_one_whole_and_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, mut notes) = (cache(folder.path()), Notes::default());
        std::fs::write(&file.path, "{\"a\": 1}").unwrap();
        let mut kept = file.read(WITHIN, &mut notes).await.unwrap();
        kept.insert("b".to_owned(), Value::from("x"));
        let draft = file.draft().await.unwrap();
        file.replace(draft, kept, &mut notes).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file.path).unwrap(), r#"{"a":1,"b":"x"}"#);
        assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file.draft().await.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left lying");
        match notes.looked.as_slice() {
            [crate::report::Look::File { stamp, .. }] => assert_eq!(*stamp, file::stamp(&file.path)),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = cache(folder.path());
        let first = file.turn(WITHIN).await.unwrap();
        let late = file.turn(Duration::from_millis(200)).await.unwrap_err();
        assert_eq!((late.kind, late.cause.code), (FailureKind::TimedOut, "SSO-CACHE"));
        let (second, ()) = tokio::join!(file.turn(WITHIN), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(first);
        });
        drop(second.unwrap());
        let nowhere = cache(Path::new("/no/such/folder"));
        nowhere.turn(WITHIN).await.unwrap();
        assert_eq!(nowhere.draft().await.unwrap_err().cause.code, "SSO-CACHE");
    }
}
