//! Reads and writes one token file so that no stranger can put another in its place.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::token;
use crate::secret::Secret;

/// A header of ours has room for no more.
const LARGEST: u64 = 8 * 1024;

/// Makes the folder and those above it, for us alone; one that is there stays as it is.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The user we act as.
pub(super) fn us() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The token of the file, `None` when there is no file.
pub(super) fn look(path: &Path) -> Result<Option<Secret>, String> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(Unopened::Absent) => return Ok(None),
        Err(Unopened::Refused(is)) => return Err(is),
    };
    let about = file.metadata().map_err(|error| describe(&error))?;
    if !about.is_file() {
        return Err("no regular file".to_owned());
    }
    if !trusted(&about) {
        return Err(format!("a file of user {}", about.uid()));
    }
    if about.len() > LARGEST {
        return Err(format!("a file of {} bytes", about.len()));
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    (&mut file).take(LARGEST).read_to_end(&mut bytes).map_err(|error| describe(&error))?;
    token::read(&bytes).map(Some).map_err(str::to_owned)
}

fn trusted(about: &Metadata) -> bool {
    about.uid() == us() || about.uid() == 0
}

enum Unopened {
    Absent,
    Refused(String),
}

/// Opens a file but follows no link that a stranger could have laid. Kubernetes mounts secrets through root's links.
fn open(path: &Path) -> Result<File, Unopened> {
    let refused = |error: &io::Error| Unopened::Refused(describe(error));
    // O_NONBLOCK: a FIFO in place of the file must not hold us.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unopened::Absent),
        Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => {
            let link = path.symlink_metadata().map_err(|error| refused(&error))?;
            if !trusted(&link) {
                return Err(Unopened::Refused(format!("a symbolic link of user {}", link.uid())));
            }
            let followed = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
            // A link to nothing is not ours to fill.
            followed.map_err(|error| refused(&error))
        }
        Err(error) => Err(refused(&error)),
    }
}

/// Makes a token and its file. Whoever was faster wins: then that token is read. Says whether it was us.
pub(super) fn make(path: &Path, mode: u32) -> Result<(Secret, bool), String> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(|error| format!("its folder cannot be made: {}", describe(&error)))?;
    }
    let token = token::make()?;
    match write(path, mode, &token) {
        Ok(()) => Ok((token, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let other = look(path)?;
            other.map(|token| (token, false)).ok_or_else(|| "gone again".to_owned())
        }
        Err(error) => Err(describe(&error)),
    }
}

/// Writes the file whole or not at all, with exactly that mode, and never over another.
pub(super) fn write(path: &Path, mode: u32, token: &Secret) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|_| io::Error::other("the system gives no randomness"))?;
    let draft =
        path.with_file_name(format!(".{}.{:016x}", name.to_string_lossy(), u64::from_ne_bytes(nonce)));
    let written = draft_of(&draft, mode, token).and_then(|()| place(&draft, path));
    let _placed_or_never_made = std::fs::remove_file(&draft);
    written
}

fn draft_of(draft: &Path, mode: u32, token: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(token.expose().as_bytes())?;
    // Set rather than asked for at creation, where the umask has its say.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// A hard link never replaces; file systems without them get a rename.
fn place(draft: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => std::fs::rename(draft, path),
        linked => linked,
    }
}

/// What went wrong, in words that fit behind a path.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "not there".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "a read-only file system".to_owned(),
        _ => error.to_string(),
    }
}
