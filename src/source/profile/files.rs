//! Finds and reads the two AWS files for one walk, and says what is wrong with one in words that help.
//!
//! Where botocore sees no file (nothing there, a folder, a pipe, no permission), there is none here either; that a
//! file is there and may not be read is remembered, because it is most likely the reason for what follows.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::ini::{Fault, Ini};
use crate::cause;
use crate::config::env::Env;
use crate::failure::{Failure, FailureKind, Remedy};
use crate::file::{self, Kind, Stamp};
use crate::report::Notes;
use crate::source::keys::{doubt_of_glue, glued};
use crate::source::paths;
use crate::source::shell::{quoted, sed};

/// Both files as they were at one moment.
#[derive(Clone, Debug)]
pub struct Files {
    /// `AWS_CONFIG_FILE`.
    pub config: AwsFile,
    /// `AWS_SHARED_CREDENTIALS_FILE`.
    pub credentials: AwsFile,
}

/// One of the two.
#[derive(Clone, Debug)]
pub struct AwsFile {
    /// Expanded.
    pub path: Arc<Path>,
    /// Empty when there is no file.
    pub ini: Ini,
    /// Why a file that is there could not be read.
    pub unreadable: Option<Failure>,
}

/// Where the two files are.
#[must_use]
pub fn places(env: &Env) -> [PathBuf; 2] {
    [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")]
        .map(|(name, usual)| paths::expand(env.get(name).unwrap_or(usual), env))
}

impl Files {
    /// Two files that say nothing.
    #[must_use]
    pub fn absent(env: &Env) -> Self {
        let [config, credentials] = places(env).map(|path| AwsFile::absent(&path));
        Self { config, credentials }
    }

    /// Reads both, the config file first.
    ///
    /// # Errors
    /// A file that botocore refuses, or one that could not be read in time.
    pub async fn read(env: &Env, within: Duration, notes: &mut Notes) -> Result<Self, Failure> {
        notes.variable("AWS_CONFIG_FILE", env.get("AWS_CONFIG_FILE"));
        notes.variable("AWS_SHARED_CREDENTIALS_FILE", env.get("AWS_SHARED_CREDENTIALS_FILE"));
        let [config, credentials] = places(env);
        // Both are read before either is judged, so that both are watched.
        let config = read(Kind::Config, &config, within, notes).await;
        let credentials = read(Kind::Credentials, &credentials, within, notes).await;
        Ok(Self { config: config?.parse()?, credentials: credentials?.parse()? })
    }
}

impl AwsFile {
    fn absent(path: &Path) -> Self {
        Self { path: Arc::from(path), ini: Ini::default(), unreadable: None }
    }
}

/// A file as it was read.
pub struct Taken {
    /// Where.
    pub path: PathBuf,
    /// `None`: botocore sees no file there.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
    /// Why there are no bytes, where something is there.
    pub unreadable: Option<Failure>,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Taken {
    /// Parses what was read; nothing read is an empty file.
    ///
    /// # Errors
    /// The line that botocore refuses.
    pub fn parse(self) -> Result<AwsFile, Failure> {
        let path: Arc<Path> = Arc::from(self.path.as_path());
        let bytes = self.bytes.unwrap_or_default();
        let ini = Ini::parse(&bytes)
            .map_err(|fault| glue(&path, &bytes).unwrap_or_else(|| unparsable(&path, &fault)))?;
        Ok(AwsFile { path, ini, unreadable: self.unreadable })
    }
}

/// Reads an AWS file off the async threads and notes its stamp.
///
/// # Errors
/// The deadline, and a file beyond all reason.
pub async fn read(kind: Kind, path: &Path, within: Duration, notes: &mut Notes) -> Result<Taken, Failure> {
    let (path, read) = (path.to_owned(), path.to_owned());
    let work = tokio::task::spawn_blocking(move || (read.is_file(), file::read(&read)));
    let Ok(Ok((regular, (stamp, content)))) = tokio::time::timeout(within, work).await else {
        return Err(late(&path, within));
    };
    notes.file(kind, &path, stamp);
    let (bytes, unreadable) = match content {
        Ok(bytes) => (regular.then(|| Zeroizing::new(bytes)), None),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge && regular => {
            let limit = file::LIMIT / (1024 * 1024);
            let context = format!("{} has more than {limit} MiB", path.display());
            return Err(Failure::misconfigured(&cause::FILE_UNREADABLE, context));
        }
        Err(error) => {
            (None, matches!(stamp, Stamp::Unreadable(_)).then(|| unreadable(&path, &error)).flatten())
        }
    };
    Ok(Taken { path, bytes, unreadable })
}

fn late(path: &Path, within: Duration) -> Failure {
    let context = format!("reading {} took longer than {within:?}", path.display());
    Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, context)
}

/// What to say of a file that is there and gave nothing; `None` for what is no file to botocore either.
#[must_use]
pub fn unreadable(path: &Path, error: &io::Error) -> Option<Failure> {
    match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => None,
        io::ErrorKind::PermissionDenied => Some(closed(path)),
        _ => {
            let context = format!("{} cannot be read: {error}", path.display());
            Some(Failure::new(FailureKind::NotConfigured, &cause::FILE_UNREADABLE, context))
        }
    }
}

/// The same with what would let us read it.
fn closed(path: &Path) -> Failure {
    let us = nix::unistd::Uid::effective();
    let failure = forbidden(path, &cause::FILE_EACCES);
    let who = nix::unistd::User::from_uid(us).ok().flatten().map_or_else(|| us.to_string(), |user| user.name);
    let owner = std::fs::metadata(path).map(|about| about.uid());
    let barred = path.ancestors().skip(1).find(|folder| folder.metadata().is_ok());
    match (owner, barred) {
        (Ok(owner), _) if owner == us.as_raw() => {
            let command = format!("chmod u+r {}", quoted(path.display()));
            failure.mend(Remedy::command("let its owner read it", command))
        }
        (Ok(_), _) => {
            let command = format!("chown {who} {}", quoted(path.display()));
            failure.mend(Remedy::command("give it to this user (as root)", command))
        }
        (Err(_), Some(folder)) if folder.file_name().is_some_and(|name| name == ".aws") => {
            let command = format!("chown -R {who} {}", quoted(folder.display()));
            failure.mend(Remedy::command("give the folder to this user (as root)", command))
        }
        (Err(_), _) => failure.mend(Remedy::new(
            "run this as who owns the folder, or copy the files to where this user may read them and name them by \
             AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
        )),
    }
}

/// A file that this user may not read, with whose it is and who we are.
#[must_use]
pub fn forbidden(path: &Path, cause: &'static cause::Cause) -> Failure {
    let us = nix::unistd::Uid::effective();
    let fail = |whose: String| {
        let context = format!("{} may not be read by this user (uid {us}{whose})", path.display());
        Failure::new(FailureKind::NotConfigured, cause, context).seen("uid", us)
    };
    match std::fs::metadata(path) {
        Ok(about) => {
            let mode = format!("{:04o}", about.mode() & 0o7777);
            fail(format!("; it is of uid {} with mode {mode}", about.uid()))
                .seen("owner", about.uid())
                .seen("mode", mode)
        }
        // The folder cannot be entered.
        Err(_) => fail(String::new()).seen("folder", path.parent().unwrap_or(path).display()),
    }
}

/// The place, with the line as far as it may be shown and a mark below the character.
fn unparsable(path: &Path, fault: &Fault) -> Failure {
    let Fault { line, column, what, shown, mend } = fault;
    let said = if shown.is_empty() { String::new() } else { format!(": `{shown}`") };
    let mut failure =
        Failure::misconfigured(&cause::FILE_PARSE, format!("{}:{line}: {what}{said}", path.display()));
    if !shown.is_empty() {
        let column = (*column).min(shown.chars().count());
        let number = line.to_string();
        failure = failure
            .seen("line", format!("\n{number} | {shown}\n{0:1$} | {0:2$}^", "", number.len(), column - 1));
    }
    match mend {
        Some((text, script)) => {
            let text = format!("{text} ({}:{line})", path.display());
            failure.mend(Remedy::command(text, sed(script, path.display())))
        }
        None => failure,
    }
}

/// A section glued to a value makes the keys below it stand twice.
fn glue(path: &Path, bytes: &[u8]) -> Option<Failure> {
    let text = std::str::from_utf8(bytes).ok()?;
    let values = text.lines().enumerate().filter_map(|(index, line)| Some((index, line.split_once('=')?.1)));
    let (index, name) = values.into_iter().find_map(|(index, value)| Some((index, glued(value.trim())?)))?;
    Some(Failure { kind: FailureKind::Misconfigured, ..doubt_of_glue(path, index + 1, name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Look;

    const WITHIN: Duration = Duration::from_secs(5);

    async fn taken(path: &Path) -> (Result<Taken, Failure>, Stamp) {
        let mut notes = Notes::default();
        let taken = read(Kind::Config, path, WITHIN, &mut notes).await;
        match notes.looked.as_slice() {
            [Look::File { path: noted, stamp, .. }] if noted == path => (taken, *stamp),
            other => panic!("{other:?}"),
        }
    }

    /// What `os.path.isfile` says no to is no file, and no failure either.
    #[tokio::test]
    async fn only_a_regular_file_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "[a]").unwrap();
        for path in
            [folder.path(), &fifo, Path::new("/dev/null"), &file.join("below"), &folder.path().join("gone")]
        {
            let taken = taken(path).await.0.unwrap();
            assert!(taken.bytes.is_none() && taken.unreadable.is_none(), "{}", path.display());
        }
        let (read, stamp) = taken(&file).await;
        assert_eq!(read.unwrap().bytes.unwrap().as_slice(), b"[a]");
        assert_eq!(stamp, file::stamp(&file));
    }

    #[tokio::test]
    async fn a_file_beyond_all_reason_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(file::LIMIT + 1).unwrap();
        let failure = taken(file.path()).await.0.unwrap_err();
        assert_eq!(failure.cause.code, "FILE-UNREADABLE");
        assert!(failure.context.ends_with("has more than 4 MiB"), "{}", failure.context);
    }

    #[test]
    fn a_forbidden_file_is_described() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o240)).unwrap();
        let failure = unreadable(file.path(), &io::ErrorKind::PermissionDenied.into()).unwrap();
        let us = nix::unistd::Uid::effective().to_string();
        assert_eq!(failure.cause.code, "FILE-EACCES");
        assert_eq!(failure.fact("mode"), Some("0240"));
        assert_eq!((failure.fact("owner"), failure.fact("uid")), (Some(us.as_str()), Some(us.as_str())));
        assert!(failure.kind.falls_through(), "botocore passes over it");
        let broken = unreadable(file.path(), &io::Error::from_raw_os_error(5)).unwrap();
        assert_eq!(broken.cause.code, "FILE-UNREADABLE");
    }

    #[test]
    fn the_two_places_follow_the_environment() {
        let env = Env::from([("HOME", "/h"), ("AWS_CONFIG_FILE", "$X/c"), ("X", "~/x")]);
        assert_eq!(places(&env), [PathBuf::from("/h/x/c"), PathBuf::from("/h/.aws/credentials")]);
        let empty = Env::from([("HOME", "/h"), ("AWS_SHARED_CREDENTIALS_FILE", "")]);
        assert_eq!(places(&empty), [PathBuf::from("/h/.aws/config"), PathBuf::from("")]);
    }
}
