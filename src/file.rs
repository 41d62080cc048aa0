//! Reading a file together with a stamp of what was read, so that a change can be told from a touch.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// Larger files are refused: no file of ours or of AWS comes near.
pub const LIMIT: u64 = 4 * 1024 * 1024;

/// What a file is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// AWS's `config`.
    Config,
    /// AWS's `credentials`.
    Credentials,
    /// Our own configuration.
    AgentConfig,
    /// A token: ours, or one that a source signs in with.
    Token,
    /// What `aws sso login` or `aws login` left.
    SsoCache,
    /// Certificates and keys: those to trust, and those of our listeners.
    CaBundle,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Config, Self::Credentials, Self::AgentConfig, Self::Token, Self::SsoCache, Self::CaBundle];

    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Credentials => "credentials",
            Self::AgentConfig => "agent_config",
            Self::Token => "token",
            Self::SsoCache => "sso_cache",
            Self::CaBundle => "ca_bundle",
        }
    }
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its content differs.
    Modify,
    /// Another file is in its place, or one where there was none.
    Replace,
    /// It is gone.
    Delete,
    /// Events were lost: anything may have happened.
    Overflow,
}

impl Change {
    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modify => "modify",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Overflow => "overflow",
        }
    }
}

/// What was found at a path.
#[derive(Clone, Copy, Debug)]
pub enum Stamp {
    /// Nothing there.
    Absent,
    /// Something that could not be read, with the system's error number.
    Unreadable(i32),
    /// A file.
    Content {
        /// Of the whole content.
        digest: u64,
        /// In bytes.
        len: u64,
        /// Last written.
        modified: Option<SystemTime>,
        /// Which file it is, whatever its name.
        inode: u64,
    },
}

/// Equal when a reader would see the same: times do not count.
impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Unreadable(a), Self::Unreadable(b)) => a == b,
            (Self::Content { digest: a, len: m, .. }, Self::Content { digest: b, len: n, .. }) => {
                a == b && m == n
            }
            _ => false,
        }
    }
}

impl Eq for Stamp {}

impl Stamp {
    /// What has happened since, if a reader sees a difference.
    #[must_use]
    pub fn change(&self, now: &Self) -> Option<Change> {
        match (self, now) {
            _ if self == now => None,
            (_, Self::Absent) => Some(Change::Delete),
            (Self::Content { inode: a, .. }, Self::Content { inode: b, .. }) if a == b => {
                Some(Change::Modify)
            }
            (Self::Absent | Self::Content { .. }, Self::Content { .. }) => Some(Change::Replace),
            _ => Some(Change::Modify),
        }
    }
}

/// Reads a file of at most [`LIMIT`] bytes. The stamp is of exactly the bytes returned.
///
/// # Errors
/// What the system said; `FileTooLarge` past the limit. The stamp says `Absent` or `Unreadable` then.
pub fn read(path: &Path) -> (Stamp, io::Result<Vec<u8>>) {
    match read_bytes(path) {
        Ok((bytes, about)) => {
            let (digest, len) = (digest(&bytes), bytes.len() as u64);
            let stamp = Stamp::Content { digest, len, modified: about.modified().ok(), inode: about.ino() };
            (stamp, Ok(bytes))
        }
        Err(error) => (stamp_of(&error), Err(error)),
    }
}

/// The stamp alone.
#[must_use]
pub fn stamp(path: &Path) -> Stamp {
    read(path).0
}

fn read_bytes(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    // Without O_NONBLOCK a FIFO in place of a file would hold the reader for ever.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    (&file).take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((bytes, about))
}

fn stamp_of(error: &io::Error) -> Stamp {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Stamp::Absent,
        _ => Stamp::Unreadable(error.raw_os_error().unwrap_or_default()),
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
