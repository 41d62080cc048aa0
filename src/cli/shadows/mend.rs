//! What to do about a shadow, in the words of whatever starts the application: a shell, or a unit of systemd.

use super::judge::Mend;
use super::process::{Process, Unit};
use crate::failure::Remedy;
use crate::wiring::sh;

impl Mend {
    /// For a shell, or for what started the process; `wire` prints the wiring.
    pub(super) fn remedy(&self, process: Option<&Process>, wire: &str) -> Remedy {
        match (self, process.map(|process| process.unit.as_ref())) {
            (Self::Words(words), _) => Remedy::new(*words),
            (_, Some(Some(unit))) => self.of_unit(unit, wire),
            (_, of_process) => self.of_shell(of_process.is_some(), wire),
        }
    }

    fn of_shell(&self, started: bool, wire: &str) -> Remedy {
        let place = if started { " where the process is started, and start it anew" } else { "" };
        let (text, command) = match self {
            Self::Unset(names) => ("unset what is in the way", format!("unset {}", names.join(" "))),
            Self::Hide(names) => {
                ("put the file, with all that it says, out of sight", format!("export {}", hiding(names)))
            }
            Self::Wire => ("point it at the agent", format!("eval \"$({wire})\"")),
            Self::Words(words) => return Remedy::new(*words),
        };
        Remedy::command(format!("{text}{place}"), command)
    }

    fn of_unit(&self, unit: &Unit, wire: &str) -> Remedy {
        let name = &unit.name;
        let edit = format!("systemctl {}edit {}", if unit.of_user { "--user " } else { "" }, sh(name));
        let text = |line| format!("put into [Service] of a drop-in of {name}, and restart it: {line}");
        match self {
            Self::Unset(names) => {
                Remedy::command(text(format!("UnsetEnvironment={}", names.join(" "))), edit)
            }
            Self::Hide(names) => Remedy::command(text(format!("Environment={}", hiding(names))), edit),
            Self::Wire => {
                let file = format!("{}.env", name.trim_end_matches(".service"));
                // A user's own manager reads `%h` as the home folder.
                let (theirs, ours) =
                    if unit.of_user { ("%h/.config", "~/.config") } else { ("/etc", "/etc") };
                let text = text(format!("EnvironmentFile={theirs}/{file}"));
                let text = format!("write the wiring to a file; with `{edit}` {text}");
                Remedy::command(text, format!("{wire} --format systemd > {ours}/{}", sh(&file)))
            }
            Self::Words(words) => Remedy::new(*words),
        }
    }
}

fn hiding(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}=/dev/null")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_mended_in_a_drop_in() {
        let mend = |mend: Mend, of_user| {
            let unit = Unit { name: "app.service".to_owned(), of_user };
            let remedy = mend.of_unit(&unit, "keyfob env");
            (remedy.text, remedy.command.unwrap())
        };
        let (text, command) = mend(Mend::Unset(vec!["A", "B"]), false);
        assert!(text.ends_with(": UnsetEnvironment=A B") && text.contains("app.service"), "{text}");
        assert_eq!(command, "systemctl edit app.service");
        let (text, command) = mend(Mend::Hide(vec!["BOTO_CONFIG"]), true);
        assert!(text.ends_with(": Environment=BOTO_CONFIG=/dev/null"), "{text}");
        assert_eq!(command, "systemctl --user edit app.service");
        let (text, command) = mend(Mend::Wire, false);
        assert!(text.contains("EnvironmentFile=/etc/app.env"), "{text}");
        assert_eq!(command, "keyfob env --format systemd > /etc/app.env");
        let (text, command) = mend(Mend::Wire, true);
        assert!(text.contains("EnvironmentFile=%h/.config/app.env"), "{text}");
        assert_eq!(command, "keyfob env --format systemd > ~/.config/app.env");
    }
}
