//! The profile that was meant, where the one that was asked for does not exist.

use super::keys::{doubt, export, is_placeholder};
use super::profile::files::AwsFile;
use super::session::{Chosen, Session};
use crate::cause;
use crate::failure::{Failure, FailureKind, Remedy};

/// The profile asked for does not exist: what was probably meant.
pub(super) fn unknown(session: &Session) -> Failure {
    let name = &session.profile;
    let (config, credentials) = (&session.files.config, &session.files.credentials);
    let asked = match session.chosen {
        Chosen::By(variable) => format!("{variable} names the profile `{name}`, which"),
        _ => format!("the profile `{name}`"),
    };
    let context =
        format!("{asked} is in neither {} nor {}", config.path.display(), credentials.path.display());
    let fail = |cause, more: &str| Failure::misconfigured(cause, format!("{context}{more}"));
    if let Some(blind) = config.unreadable.as_ref().or(credentials.unreadable.as_ref()) {
        let failure = fail(blind.cause, &format!("; and {}", blind.context));
        return Failure { evidence: blind.evidence.clone(), remedies: blind.remedies.clone(), ..failure };
    }
    if let Some(other) = section(session) {
        let failure = fail(other.cause, &format!("; {}", other.context));
        return Failure { remedies: other.remedies, ..failure };
    }
    if is_placeholder(name) {
        return listed(session, fail(&cause::ENV_LITERAL, "; it is a placeholder that nobody has filled in"));
    }
    if let Some(place) = glued(session, name) {
        return Failure { kind: FailureKind::Misconfigured, ..place };
    }
    let variable = match session.chosen {
        Chosen::By(variable) => Some(variable),
        _ => None,
    };
    match (nearest(name, session.profiles.names()), variable) {
        (Some(near), variable) => {
            let failure = fail(&cause::PROFILE_UNKNOWN, &format!("; did you mean `{near}`?"));
            let text = format!("use the profile {near}");
            failure.mend(match variable {
                Some(variable) => Remedy::command(text, export(variable, near)),
                None => Remedy::new(text),
            })
        }
        // Only `default` is not asked for by everybody who leaves the variable alone.
        (None, Some(variable)) => listed(session, fail(&cause::PROFILE_UNKNOWN, "")).mend(Remedy::command(
            format!("unset {variable}, so that the default profile and the other sources are asked"),
            format!("unset {variable}"),
        )),
        (None, None) => listed(session, fail(&cause::PROFILE_UNKNOWN, "")),
    }
}

/// What there is instead.
fn listed(session: &Session, failure: Failure) -> Failure {
    const SHOWN: usize = 8;
    let names: Vec<&str> = session.profiles.names().take(SHOWN).collect();
    let text = if names.is_empty() {
        "add the profile: `[profile NAME]` in the config file, `[NAME]` in the credentials file".to_owned()
    } else {
        format!("correct the name, or add the profile; there are: {}", names.join(", "))
    };
    failure.mend(Remedy::new(text))
}

/// A section that was written for the chosen profile and is not read as one.
pub(super) fn section(session: &Session) -> Option<Failure> {
    let name = session.profile.as_str();
    let (config, credentials) = (&session.files.config, &session.files.credentials);
    let is_default = name == "default";
    let renamed = |file: &AwsFile, old: &str, new: &str, cause| {
        let line = file.ini.section(old).map(|section| section.line).or(file.ini.inherited)?;
        let path = file.path.display();
        let text = format!("write [{new}] in line {line} of {path}");
        let context = format!("{path}:{line}: the section is [{old}] and must be [{new}]");
        let (old, new) = (format!("[{old}]"), format!("[{new}]"));
        Some(doubt(cause, context).mend(Remedy::line(text, path, line, &old, &new)))
    };
    let there = |file: &AwsFile, section: &str| file.ini.section(section).is_some();
    let long = format!("profile {name}");
    if !is_default && there(config, name) {
        return renamed(config, name, &long, &cause::PROFILE_PREFIX);
    }
    if there(credentials, &long) {
        let cause = if is_default { &cause::PROFILE_DEFAULT } else { &cause::PROFILE_PREFIX2 };
        return renamed(credentials, &long, name, cause);
    }
    if !is_default {
        return None;
    }
    [config, credentials].into_iter().find_map(|file| {
        let sections = file.ini.sections.iter().map(|section| section.name.as_str());
        let near = sections.filter(|found| *found != "default").find(|found| {
            let bare = found.strip_prefix("profile ").unwrap_or(found);
            bare.trim().eq_ignore_ascii_case("default") && *found != "profile default"
        });
        let inherited = file.ini.inherited.filter(|_| !there(file, "default")).map(|_| "DEFAULT");
        renamed(file, near.or(inherited)?, "default", &cause::PROFILE_DEFAULT)
    })
}

/// The profile's section at the end of somebody else's value.
fn glued(session: &Session, name: &str) -> Option<Failure> {
    [&session.files.config, &session.files.credentials].into_iter().find_map(|file| {
        super::clues::glue(file).filter(|(glued, _)| glued.ends_with(name)).map(|(_, failure)| failure)
    })
}

/// The name that differs least, if it differs little.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wanted.trim().to_lowercase();
    let allowed = (folded.chars().count() / 2).clamp(1, 3);
    let near = names.map(|name| (distance(&folded, &name.to_lowercase()), name));
    near.filter(|(apart, _)| *apart <= allowed).min_by_key(|(apart, _)| *apart).map(|(_, name)| name)
}

/// Letters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, up), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            next.push((left + 1).min(up + 1).min(diagonal + usize::from(x != *y)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found() {
        let near = |wanted: &str, names: &[&'static str]| nearest(wanted, names.iter().copied());
        assert_eq!(near("prdo", &["dev", "prod"]), Some("prod"));
        assert_eq!(near("PROD", &["prod"]), Some("prod"));
        assert_eq!(near("prod-eu", &["prod-us", "prod-eu2"]), Some("prod-eu2"));
        assert_eq!(near("x", &["production"]), None);
        assert_eq!(near("x", &[]), None);
    }
}
