//! Whether the secret of the environment stands in the text of the unit that runs this. systemd.exec(5): variables of a
//! unit "are exposed to unprivileged clients via D-Bus IPC"; those of an `EnvironmentFile=` are not.

use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cause;
use crate::config::env::Env;
use crate::failure::{Failure, Remedy};
use crate::file;

const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// Where the system's manager reads units from, the first that counts first.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// The line of the unit that says the very secret of this environment. The environment itself does not tell where it
/// has its variables from, so nothing less is evidence.
pub(super) fn exposed(env: &Env) -> Option<Failure> {
    let secret = env.filled("INVOCATION_ID").and_then(|_| env.filled(SECRET_KEY))?;
    let control_group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unit = of_control_group(&control_group)?;
    let (path, line) = texts(unit).find_map(|path| {
        let bytes = Zeroizing::new(file::read(&path).1.ok()?);
        let line = said(std::str::from_utf8(&bytes).ok()?, secret)?;
        Some((path, line))
    })?;
    Some(told(unit, &path, line))
}

/// The service of the system's manager that a process is of; units of a user's own manager are shown to that user alone.
fn of_control_group(text: &str) -> Option<&str> {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.filter(|path| !path.contains("/user@")).find_map(service)
}

fn service(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| part.ends_with(".service"))
}

/// The unit's own text and its drop-ins, and those of the template it is made from.
fn texts(unit: &str) -> impl Iterator<Item = PathBuf> {
    let template = unit.split_once('@').map(|(name, _)| format!("{name}@.service"));
    let names: Vec<String> = std::iter::once(unit.to_owned()).chain(template).collect();
    FOLDERS.into_iter().flat_map(move |folder| {
        let of_name = |name: &String| {
            let text = Path::new(folder).join(name);
            std::iter::once(text).chain(drop_ins(&Path::new(folder).join(format!("{name}.d"))))
        };
        names.iter().flat_map(of_name).collect::<Vec<_>>()
    })
}

fn drop_ins(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "conf"));
    paths.sort();
    paths
}

/// The line that says it, counted from 1, whatever setting it belongs to.
fn said(text: &str, secret: &str) -> Option<usize> {
    let wanted = Zeroizing::new(format!("{SECRET_KEY}={secret}"));
    let says = |line: &str| !line.trim_start().starts_with(['#', ';']) && line.contains(wanted.as_str());
    Some(text.lines().position(says)? + 1)
}

fn told(unit: &str, path: &Path, line: usize) -> Failure {
    let place = format!("{}:{line}", path.display());
    let context = format!("{place} says the secret, and `systemctl show {unit}` says it to every user");
    let file = format!(
        "move the keys from {place} to a file of root's with mode 0600, say EnvironmentFile= with its path in their \
         place, then `systemctl daemon-reload` and `systemctl restart {unit}`; where others use this machine, make \
         new keys as well"
    );
    let credential = "keep them as an AWS file: LoadCredential=aws:/etc/keyfob/aws (mode 0600) and \
                      Environment=AWS_SHARED_CREDENTIALS_FILE=%d/aws";
    Failure::misconfigured(&cause::SEC_UNIT, context)
        .seen("unit", unit)
        .mend(Remedy::new(file))
        .mend(Remedy::new(credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_service_that_the_control_group_is_of() {
        let rows = [
            ("0::/system.slice/keyfob.service\n", Some("keyfob.service")),
            ("0::/system.slice/system-app.slice/app@one.service/payload\n", Some("app@one.service")),
            ("9:memory:/x\n1:name=systemd:/system.slice/keyfob.service\n0::/\n", Some("keyfob.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/keyfob.service\n", None),
            ("0::/user.slice/user-1000.slice/session-2.scope\n", None),
            ("0::/\n", None),
            ("", None),
        ];
        for (text, unit) in rows {
            assert_eq!(of_control_group(text), unit, "{text}");
        }
    }

    #[test]
    fn only_a_line_that_counts_and_says_this_secret_is_evidence() {
        let rows = [
            ("[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY=hush\n", Some(2)),
            ("Environment=\"AWS_ACCESS_KEY_ID=AKIA\" \\\n  \"AWS_SECRET_ACCESS_KEY=hush\"\n", Some(2)),
            ("#Environment=AWS_SECRET_ACCESS_KEY=hush\n", None),
            ("  ; Environment=AWS_SECRET_ACCESS_KEY=hush\n", None),
            ("Environment=AWS_SECRET_ACCESS_KEY=another\n", None),
            ("EnvironmentFile=/etc/keyfob/aws.env\nPassEnvironment=AWS_SECRET_ACCESS_KEY\n", None),
        ];
        for (text, line) in rows {
            assert_eq!(said(text, "hush"), line, "{text}");
        }
    }

    #[test]
    fn what_is_told_names_the_line_and_never_says_it() {
        let failure = told("app.service", Path::new("/etc/systemd/system/app.service.d/keys.conf"), 3);
        assert!(failure.context.starts_with("/etc/systemd/system/app.service.d/keys.conf:3 says the secret"));
        assert!(failure.fix().contains("systemctl restart app.service"), "{}", failure.fix());
        assert_eq!(exposed(&Env::from([(SECRET_KEY, "hush")])), None, "no unit runs this");
    }
}
