//! Beside the token, a file a role for `EnvironmentFile=` of its clients' units: the wiring, never a secret.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Auth;
use crate::config::env::Env;
use crate::roster::{Entry, Roster};
use crate::server::About;
use crate::server::status::region;
use crate::wiring::{Format, Wiring};

/// How such a file begins: others are not ours to replace or to remove.
const MARK: &str = "# Written by keyfob, and again when something changes";
/// There is no secret in it; its folder says who comes that far.
const MODE: u32 = 0o644;

/// The folder for the files, where it is ours: one that systemd made for us, or that we chose for the token.
pub(super) fn folder(auth: &Auth, env: &Env, token: &Path) -> Option<PathBuf> {
    let folder = token.parent()?;
    let given = env.filled("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next()).map(Path::new);
    (auth.token_file.is_none() || given == Some(folder)).then(|| folder.to_owned())
}

/// Writes what has changed and removes the files of roles that are gone; tells every file with which that did not work.
pub(super) fn write(folder: &Path, about: &About, roster: &Roster) -> Vec<String> {
    let Some(endpoint) = &about.endpoint else { return Vec::new() };
    let mut trouble = Vec::new();
    let mut wanted = BTreeSet::new();
    for entry in roster.iter() {
        let path = folder.join(format!("{}.env", entry.role.name));
        let text = text(endpoint, &about.token_file, entry);
        trouble.extend(put(&path, &text).err().map(|error| format!("{}: {error}", path.display())));
        wanted.insert(path);
    }
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()) {
        let of_a_role = path.extension() == Some(OsStr::new("env")) && !wanted.contains(&path);
        if of_a_role && ours(&path) {
            trouble.extend(fs::remove_file(&path).err().map(|error| format!("{}: {error}", path.display())));
        }
    }
    trouble
}

fn text(endpoint: &str, main: &Path, entry: &Entry) -> String {
    let role = &entry.role;
    let endpoint = format!("{endpoint}/v1/credentials/{}", role.name);
    let token = role.tokens.first().map_or(main, PathBuf::as_path);
    let region = region(entry, &entry.handle.load());
    // Nobody's environment: what a unit sets itself is not known here.
    let wiring = Wiring::new(&endpoint, &token.to_string_lossy(), region.as_deref(), &Env::default());
    format!("{MARK}, for EnvironmentFile= of a unit.\n{}", wiring.write(Format::Systemd))
}

fn ours(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_file())
        && crate::file::read(path).1.is_ok_and(|bytes| bytes.starts_with(MARK.as_bytes()))
}

/// Whole or not at all.
fn put(path: &Path, text: &str) -> io::Result<()> {
    if crate::file::read(path).1.is_ok_and(|bytes| bytes == text.as_bytes()) {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() && !ours(path) {
        return Err(io::Error::other("there is a file that we did not write"));
    }
    let draft = path.with_extension(format!("env.{}", std::process::id()));
    let written = draft_of(&draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _never_made = fs::remove_file(&draft);
    }
    written
}

fn draft_of(draft: &Path, text: &str) -> io::Result<()> {
    // One that was left over by an agent of the same number is in nobody's way.
    let _left_over = fs::remove_file(draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(MODE))
}
