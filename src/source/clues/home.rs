//! Whose home folder was read, and why there is nothing in it.

use std::path::Path;

use super::facts::{Facts, Seen};
use crate::cause;
use crate::failure::{Failure, Remedy};
use crate::source::keys::doubt;
use crate::source::mounts::mounts;
use crate::source::shell::quoted;

/// What cron and its like are called.
const CRONS: [&str; 6] = ["cron", "crond", "CRON", "anacron", "fcron", "dcron"];

/// Each of the reasons that the facts fit, the surest first.
pub(super) fn told(facts: &Facts) -> impl Iterator<Item = Failure> {
    let usual = facts.no_file() && !facts.names_files();
    let found = [sudo(facts), protect(facts), nobody(facts), cron(facts), systemd(facts)];
    found.into_iter().flatten().filter(move |failure| usual || failure.cause == &cause::HOME_SUDO)
}

fn named(folder: &Path) -> String {
    let [config, credentials] = ["config", "credentials"].map(|name| folder.join(".aws").join(name));
    format!(
        "export AWS_CONFIG_FILE={} AWS_SHARED_CREDENTIALS_FILE={}",
        quoted(config.display()),
        quoted(credentials.display())
    )
}

fn sudo(facts: &Facts) -> Option<Failure> {
    let (user, theirs) = (facts.env.filled("SUDO_USER")?, facts.of_sudo.as_ref()?);
    if facts.home.as_ref() == Some(theirs) || facts.names_files() {
        return None;
    }
    let (us, home) = (facts.user.as_deref().unwrap_or("another user"), facts.home_text());
    let context =
        format!("sudo runs this as {us}: {home}/.aws is read, not {}/.aws of {user}", theirs.display());
    let text = format!("name the files of {user}, and let sudo pass the names on");
    Some(
        doubt(&cause::HOME_SUDO, context)
            .mend(Remedy::command(text, named(theirs)))
            .mend(Remedy::new("run it without sudo")),
    )
}

fn protect(facts: &Facts) -> Option<Failure> {
    let home = facts.home.as_ref().filter(|home| home.as_os_str() != "/")?;
    let hidden = matches!(facts.home_seen, Seen::Nothing | Seen::Closed | Seen::Empty);
    let over = mounts(&facts.mounts).filter(|mount| home.starts_with(mount.point)).last()?;
    let near = Path::new(over.point) == home || Some(Path::new(over.point)) == home.parent();
    let near = near && over.point != "/" && over.point != "/tmp";
    let closed = over.root.ends_with("/systemd/inaccessible/dir");
    if !(hidden && near && (over.kind == "tmpfs" || closed)) {
        return None;
    }
    let what = if closed { "a closed folder" } else { "an empty file system" };
    let context = format!("{what} is mounted on {}: {} is hidden", over.point, home.display());
    let folder = home.join(".aws");
    let unit = "keyfob.service";
    let drop_in = format!("[Service]\\nBindReadOnlyPaths={}\\n", folder.display());
    let command = format!(
        "mkdir -p /etc/systemd/system/{unit}.d && printf '{drop_in}' > /etc/systemd/system/{unit}.d/aws.conf && \
         systemctl daemon-reload && systemctl restart {unit}"
    );
    Some(
        doubt(&cause::HOME_PROTECT, context)
            .seen("mount", format!("{} {} {}", over.point, over.kind, over.root))
            .mend(Remedy::command("show the service the folder, with a drop-in of its unit", command)),
    )
}

fn nobody(facts: &Facts) -> Option<Failure> {
    let homeless =
        facts.home.as_ref().is_none_or(|home| home.as_os_str() == "/" || home.as_os_str().is_empty());
    let in_pod = facts.env.filled("KUBERNETES_SERVICE_HOST").is_some();
    if facts.user.is_some() || !homeless || (in_pod && !facts.means_files()) {
        return None;
    }
    let [(config, _), _] = &facts.files;
    let context =
        format!("uid {} is not in the password file, so {} is looked for", facts.uid, config.display());
    Some(
        doubt(&cause::HOME_NOUSER, context)
            .mend(Remedy::command("say where its home folder is", "export HOME=/path/to/home"))
            .mend(Remedy::new("name the files: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE")),
    )
}

fn cron(facts: &Facts) -> Option<Failure> {
    let parent = facts.ancestors.iter().find(|name| CRONS.contains(&name.as_str()))?;
    if facts.means_files() || facts.env.filled("TERM").is_some() {
        return None;
    }
    let context = format!("{parent} runs this with HOME={} and no variable of AWS's", facts.home_text());
    let lines =
        "AWS_CONFIG_FILE=/home/NAME/.aws/config and AWS_SHARED_CREDENTIALS_FILE=/home/NAME/.aws/credentials";
    Some(doubt(&cause::HOME_CRON, context).mend(Remedy::new(format!(
        "write above the line in the crontab: {lines}, and AWS_PROFILE=… if there is one"
    ))))
}

fn systemd(facts: &Facts) -> Option<Failure> {
    let unit = facts.env.filled("INVOCATION_ID").is_some() && facts.env.get("HOME").is_none();
    let user = facts.user.as_deref().unwrap_or_default();
    unit.then(|| {
        let context = format!("systemd runs this as {user} without HOME: {} is taken", facts.home_text());
        let line = "Environment=AWS_CONFIG_FILE=/home/NAME/.aws/config AWS_SHARED_CREDENTIALS_FILE=/home/NAME/.aws/credentials";
        doubt(&cause::HOME_SYSTEMD, context)
            .mend(Remedy::new(format!("add to [Service] of the unit, with `systemctl edit UNIT`: {line}")))
            .mend(Remedy::new("User=NAME of who has the files"))
    })
}
