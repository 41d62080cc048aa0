//! Who else can read the keys that were found: every user of the machine, by the mode of a file or the text of a unit.
//!
//! Silent where that cannot be told: a container has no other users to speak of, and of a folder that is mounted into
//! some place the folders above are out of sight. Groups are left alone: whether one is its owner's private group is
//! nothing that modes say.

mod unit;

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};

use super::mounts::{self, of_file};
use super::shell::quoted;
use crate::cause;
use crate::config::env::Env;
use crate::failure::{Failure, Remedy};
use crate::report::{Attempt, KeyKind, Stored};

/// What others can read of what the last of these attempts used.
pub(super) async fn of(walk: &[Attempt], env: &Env, within: Duration) -> Vec<Failure> {
    let used: Vec<Stored> = walk.last().into_iter().flat_map(Attempt::stored).cloned().collect();
    if used.is_empty() {
        return Vec::new();
    }
    let env = env.clone();
    let look =
        tokio::task::spawn_blocking(move || used.iter().filter_map(|one| exposed(one, &env)).collect());
    match tokio::time::timeout(within, look).await {
        Ok(Ok(found)) => found,
        _ => Vec::new(),
    }
}

fn exposed(stored: &Stored, env: &Env) -> Option<Failure> {
    match &stored.file {
        Some(file) => {
            let table = fs::read_to_string(mounts::TABLE).ok()?;
            Open::look(file)
                .filter(|open| seen_from_here(&table, &open.real, env))
                .map(|open| open.told(file))
        }
        None => (stored.kind == KeyKind::LongTerm).then(|| unit::exposed(env)).flatten(),
    }
}

/// Whether the modes that are seen here are all that there are, and there are others whom they could let in.
fn seen_from_here(table: &str, file: &Path, env: &Env) -> bool {
    let container = ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|name| env.filled(name).is_some());
    // The layers of an image, on top of each other: containers are made of them.
    let layers = of_file(table, Path::new("/")).is_none_or(|root| root.kind == "overlay");
    !container && !layers && of_file(table, file).is_some_and(|mount| !mount.is_part())
}

/// A file that everybody can read.
struct Open {
    /// Where links lead to.
    real: PathBuf,
    about: Metadata,
}

impl Open {
    fn look(file: &Path) -> Option<Self> {
        let real = fs::canonicalize(file).ok()?;
        let about = fs::metadata(&real).ok()?;
        let enterable = |folder: &Path| fs::metadata(folder).is_ok_and(|about| about.mode() & 0o001 != 0);
        let open = about.is_file() && about.mode() & 0o004 != 0 && real.ancestors().skip(1).all(enterable);
        open.then_some(Self { real, about })
    }

    fn told(&self, file: &Path) -> Failure {
        let mode = format!("{:04o}", self.about.mode() & 0o7777);
        let owner = Uid::from_raw(self.about.uid());
        let name = User::from_uid(owner).ok().flatten().map(|user| user.name);
        let name = name.map_or_else(|| format!("uid {owner}"), |name| format!("{name} (uid {owner})"));
        let context =
            format!("{} has the mode {mode}: every user of this machine can read it", file.display());
        let close = "let nobody else read it; where others use this machine, make new keys as well";
        Failure::misconfigured(&cause::SEC_READABLE, context)
            .seen("mode", mode)
            .seen("owner", name)
            .mend(Remedy::command(close, self.closing(file)))
    }

    /// Closes it to all but us, whoever owns it.
    fn closing(&self, file: &Path) -> String {
        let (file, us) = (quoted(file.display()), Uid::effective());
        if us.is_root() || us.as_raw() == self.about.uid() {
            return format!("chmod 600 {file}");
        }
        let gid = Gid::effective();
        let group = Group::from_gid(gid).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name);
        format!("sudo chgrp {} {file} && sudo chmod 640 {file}", quoted(group))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const PLAIN: &str = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n26 25 0:30 / /run rw - tmpfs tmpfs rw\n";
    const BOUND: &str =
        "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n27 25 8:1 /srv/x /run/keys ro - ext4 /dev/sda1 rw\n";
    const IMAGE: &str = "25 1 0:50 / / rw - overlay overlay rw\n26 25 0:30 / /run rw - tmpfs tmpfs rw\n";

    #[test]
    fn what_is_mounted_into_a_container_is_nobodys_elses_to_read() {
        let rows: [(&str, &[(&str, &str)], bool); 5] = [
            (PLAIN, &[], true),
            (BOUND, &[], false),
            (IMAGE, &[], false),
            (PLAIN, &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], false),
            (PLAIN, &[("container", "systemd-nspawn")], false),
        ];
        for (table, env, seen) in rows {
            let env: Env = env.iter().copied().collect();
            assert_eq!(seen_from_here(table, Path::new("/run/keys/aws"), &env), seen, "{table} {env:?}");
        }
        assert!(!seen_from_here("", Path::new("/run/keys/aws"), &Env::default()), "nothing is known");
    }

    #[test]
    fn a_file_is_open_when_each_folder_above_it_lets_others_through() {
        let home = tempfile::tempdir().unwrap();
        let (folder, file) = (home.path().join("folder"), home.path().join("folder/keys"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "").unwrap();
        let link = home.path().join("link");
        symlink(&file, &link).unwrap();
        let chmod =
            |path: &Path, mode: u32| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        for (above, between, mode, open) in [
            (0o755, 0o755, 0o644, true),
            (0o711, 0o711, 0o604, true),
            (0o755, 0o755, 0o640, false),
            (0o755, 0o750, 0o644, false),
            (0o700, 0o755, 0o644, false),
        ] {
            chmod(&file, mode);
            chmod(&folder, between);
            chmod(home.path(), above);
            for path in [&file, &link] {
                assert_eq!(
                    Open::look(path).is_some(),
                    open,
                    "{above:o} {between:o} {mode:o} {}",
                    path.display()
                );
            }
        }
        assert!(Open::look(&home.path().join("nothing")).is_none());
    }
}
