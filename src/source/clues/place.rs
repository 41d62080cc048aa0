//! Why the AWS files are not where they were looked for, or may not be read.

use std::path::Path;

use super::facts::{Facts, Seen};
use crate::cause;
use crate::failure::{Failure, Remedy};
use crate::source::keys::{doubt, export};
use crate::source::meant::nearest;
use crate::source::shell::quoted;

const VARIABLES: [&str; 2] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
/// Names that nobody reads, or that mean another kind of file, and what was meant.
const MISNAMED: [(&str, &str); 5] = [
    ("AWS_CREDENTIALS_FILE", VARIABLES[1]),
    ("AWS_SHARED_CREDENTIAL_FILE", VARIABLES[1]),
    ("AWS_CREDENTIAL_FILE", VARIABLES[1]),
    ("AWS_SHARED_CONFIG_FILE", VARIABLES[0]),
    ("AWS_CONFIGURATION_FILE", VARIABLES[0]),
];

/// Each of the reasons that the facts fit, the surest first.
pub(super) fn told(facts: &Facts) -> impl Iterator<Item = Failure> {
    [sandbox(facts), selinux(facts), misnamed(facts), wrong(facts), not_mounted(facts)].into_iter().flatten()
}

fn selinux(facts: &Facts) -> Option<Failure> {
    let (path, _) = facts.files.iter().find(|(_, seen)| *seen == Seen::Closed)?;
    if !(facts.enforcing && facts.mode_allows) {
        return None;
    }
    let folder = path.parent().unwrap_or(path);
    let context =
        format!("{} may not be read although its mode allows it, and SELinux is enforcing", path.display());
    let failure = doubt(&cause::FILE_SELINUX, context).seen("uid", facts.uid).seen("selinux", "enforcing");
    let failure = match &facts.context {
        Some(context) => failure.seen("context", context),
        None => failure,
    };
    Some(if facts.container.is_some() {
        failure.mend(Remedy::new(format!(
            "mount it with `:z` behind it: --volume SOURCE:{}:ro,z",
            folder.display()
        )))
    } else {
        let command = format!("restorecon -Rv {}", quoted(folder.display()));
        failure.mend(Remedy::command("give the files the labels that belong there", command))
    })
}

fn sandbox(facts: &Facts) -> Option<Failure> {
    let (kind, name) = match (facts.env.filled("SNAP_NAME"), facts.env.filled("FLATPAK_ID")) {
        (Some(name), _) => ("snap", name),
        (None, Some(name)) => ("flatpak", name),
        (None, None) => return None,
    };
    if !facts.no_file() {
        return None;
    }
    let [(config, _), _] = &facts.files;
    let real = facts.env.filled("SNAP_REAL_HOME").map(|home| format!(", and {home}/.aws is not seen"));
    let context = format!(
        "this runs in the {kind} {name}, where {} is looked for{}",
        config.display(),
        real.unwrap_or_default()
    );
    let command = match kind {
        "snap" => format!("snap connect {name}:personal-files"),
        _ => format!("flatpak override --user --filesystem=~/.aws:ro {name}"),
    };
    Some(
        doubt(&cause::FILE_SANDBOX, context)
            .mend(Remedy::command("grant it the folder", command))
            .mend(Remedy::new("install the program without confinement")),
    )
}

/// A variable of another name that leads to a file.
fn misnamed(facts: &Facts) -> Option<Failure> {
    let named = MISNAMED.into_iter().filter(|(_, right)| facts.env.filled(right).is_none());
    let found = named.filter_map(|(name, right)| Some((name, right, facts.env.filled(name)?)));
    let (name, right, value) = found.into_iter().find(|(_, _, value)| {
        // Paths are as botocore expands them for the variable that was meant.
        crate::source::paths::expand(value, &facts.env).is_file()
    })?;
    let context = match name {
        "AWS_CREDENTIAL_FILE" => {
            format!("{name} is `{value}`, and {name} is for the key files of the first EC2 tools")
        }
        _ => format!("{name} is `{value}`, and is not read"),
    };
    let command = format!("export {right}=\"${name}\"");
    Some(
        doubt(&cause::FILE_WRONGPATH, context)
            .mend(Remedy::command(format!("the variable is {right}"), command)),
    )
}

/// A path with nothing at its end.
fn wrong(facts: &Facts) -> Option<Failure> {
    let named = VARIABLES.into_iter().zip(&facts.files);
    // An empty one, or /dev/null, is how a file is left out on purpose.
    let absent = |variable: &str, seen| seen == Seen::Nothing && facts.env.filled(variable).is_some();
    // There the unit of the service looks for files that somebody may put there: to begin with nobody has.
    let offered = |path: &Path| path.starts_with("/etc/keyfob");
    let (variable, (path, _)) =
        named.rev().find(|(variable, (path, seen))| absent(variable, *seen) && !offered(path))?;
    let failure =
        doubt(&cause::FILE_WRONGPATH, format!("{variable} leads to {}, which is not there", path.display()));
    Some(match beside(path) {
        Some(near) => {
            let text = format!("there is {near}");
            failure.mend(Remedy::command(text, export(variable, near)))
        }
        None => failure.mend(Remedy::command(
            format!("correct {variable}, or unset it: ~/.aws is read then"),
            format!("unset {variable}"),
        )),
    })
}

/// The file of nearly that name, or of that name in the folder `.aws` beside it.
fn beside(path: &Path) -> Option<String> {
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let below = folder.join(".aws").join(name);
    if below.is_file() {
        return Some(below.display().to_string());
    }
    let files = std::fs::read_dir(folder).ok()?.flatten().filter(|entry| entry.path().is_file());
    let names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(folder.join(near).display().to_string())
}

fn not_mounted(facts: &Facts) -> Option<Failure> {
    let mark = facts.container.as_ref()?;
    // In most containers nobody means a file at all.
    let means = facts.means_files() || mark.starts_with("container=");
    let home = facts.home.as_ref()?;
    let absent = facts.files.iter().all(|(_, seen)| *seen == Seen::Nothing);
    if !(means && absent) || home.join(".aws").is_dir() {
        return None;
    }
    let folder = home.join(".aws");
    let context = format!("this runs in a container ({mark}), and there is no {}", folder.display());
    let (kept, command) = if mark.starts_with("KUBE") {
        ("mount a secret with the files", None)
    } else {
        let target = quoted(format!("{}", folder.display()));
        ("mount the host's folder", Some(format!("docker run --volume \"$HOME/.aws\":{target}:ro …")))
    };
    let first = Remedy { command, ..Remedy::new(kept) };
    Some(
        doubt(&cause::FILE_NOTMOUNTED, context).mend(first).mend(Remedy::new(
            "pass keys on as variables: --env AWS_ACCESS_KEY_ID --env AWS_SECRET_ACCESS_KEY",
        )),
    )
}
