//! Reads a file for a source: off the async threads, with a deadline, and noted with the stamp of what was read.

use std::io;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::cause;
use crate::failure::{Failure, FailureKind};
use crate::file::{self, Kind, Stamp};
use crate::report::Notes;

/// What is in a file, or why that is not known.
pub(super) type Content = io::Result<Zeroizing<Vec<u8>>>;

/// Reads the file and notes it.
///
/// # Errors
/// The deadline. What the system says is part of the answer.
pub(super) async fn read(
    kind: Kind,
    path: &Path,
    within: Duration,
    notes: &mut Notes,
) -> Result<Content, Failure> {
    let (stamp, content) = stamped(path, within).await?;
    notes.file(kind, path, stamp);
    Ok(content)
}

/// The same for who notes it later.
pub(super) async fn stamped(path: &Path, within: Duration) -> Result<(Stamp, Content), Failure> {
    let read = path.to_owned();
    let work = tokio::task::spawn_blocking(move || file::read(&read));
    let Ok(Ok((stamp, content))) = tokio::time::timeout(within, work).await else {
        let context = format!("reading {} took longer than {within:?}", path.display());
        return Err(Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, context));
    };
    Ok((stamp, content.map(Zeroizing::new)))
}
