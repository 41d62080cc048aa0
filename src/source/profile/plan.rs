//! Works out how a role profile gets its credentials: which roles are assumed, in which order, and what with.
//!
//! Pure: from profiles to a plan or the reason why there is none, with botocore's rules and refusals
//! (`AssumeRoleProvider`).

use std::path::PathBuf;

use super::merge::{Profile, Profiles, Setting};
use crate::cause;
use crate::failure::{Failure, Remedy};
use crate::source::meant::nearest;
use crate::source::shell::{literal, sed};
use crate::source::text::int;

/// A chain of roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the first role is assumed with.
    pub base: Base,
    /// The roles, innermost first; the last one's credentials are the profile's.
    pub hops: Vec<Hop>,
}

/// Where a chain of roles begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// With the credentials of a profile, its own roles left aside.
    Profile(String),
    /// With a source that `credential_source` names.
    Named(CredentialSource),
}

/// The three words of `credential_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The environment's keys, even where an explicit profile hides them.
    Environment,
    /// The container endpoint.
    EcsContainer,
    /// The metadata service.
    Ec2InstanceMetadata,
}

/// One role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The profile that asks for it.
    pub profile: String,
    /// The role.
    pub role_arn: String,
    /// Where `role_arn` stands: `path:line`.
    pub place: String,
    /// `None` is a generated one.
    pub session_name: Option<String>,
    /// As it stands in the profile.
    pub external_id: Option<String>,
    /// In seconds; botocore drops one that is no whole number.
    pub duration: Option<i32>,
    /// Where that stands: file, and line counted from 1.
    pub duration_at: Option<(PathBuf, usize)>,
    /// The device whose code goes along.
    pub mfa: Option<Device>,
}

/// An MFA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its serial number, or its ARN.
    pub serial: String,
    /// Where `mfa_serial` stands: `path:line`.
    pub place: String,
}

impl CredentialSource {
    /// The word as it must be written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "Environment",
            Self::EcsContainer => "EcsContainer",
            Self::Ec2InstanceMetadata => "Ec2InstanceMetadata",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Environment, Self::EcsContainer, Self::Ec2InstanceMetadata];
        all.into_iter().find(|source| source.as_str() == word)
    }
}

/// The plan of a profile; `None` when it assumes no role.
///
/// # Errors
/// What botocore refuses before it asks anybody.
pub fn plan(profiles: &Profiles, name: &str) -> Result<Option<Plan>, Failure> {
    let Some(first) = profiles.get(name).filter(|profile| profile.assumes_role()) else {
        return Ok(None);
    };
    let (mut hops, mut visited) = (Vec::new(), vec![name.to_owned()]);
    let (mut current, mut profile) = (name.to_owned(), first);
    let base = loop {
        let (hop, next) = hop(profiles, &current, profile)?;
        hops.push(hop);
        let (source, setting) = match next {
            Next::Named(source) => break Base::Named(source),
            Next::Profile(source, setting) => (source, setting),
        };
        let Some(found) = profiles.get(source) else {
            return Err(missing(profiles, &current, source, setting));
        };
        if visited.iter().any(|seen| seen == source) && !(source == current && found.has_static_key()) {
            return Err(looped(&visited, source, setting));
        }
        visited.push(source.to_owned());
        // Static keys in the middle of a chain end it, whatever else stands beside them.
        if found.has_static_key() || !found.assumes_role() {
            break Base::Profile(source.to_owned());
        }
        (current, profile) = (source.to_owned(), found);
    };
    hops.reverse();
    Ok(Some(Plan { base, hops }))
}

enum Next<'a> {
    Named(CredentialSource),
    Profile(&'a str, &'a Setting),
}

fn hop<'a>(profiles: &Profiles, name: &str, profile: &'a Profile) -> Result<(Hop, Next<'a>), Failure> {
    let own = |key: &str| profile.text(key).map(|text| text.map(str::to_owned));
    let place = profile.setting("role_arn").map(ToString::to_string).unwrap_or_default();
    let next = next(profiles, name, profile, &place)?;
    let duration = profile.text("duration_seconds")?.and_then(int);
    let device = |setting: &Setting| -> Result<Device, Failure> {
        Ok(Device { serial: setting.text("mfa_serial")?.to_owned(), place: setting.to_string() })
    };
    let hop = Hop {
        profile: name.to_owned(),
        role_arn: own("role_arn")?.unwrap_or_default(),
        place,
        session_name: own("role_session_name")?.filter(|given| !given.is_empty()),
        external_id: own("external_id")?,
        // Numbers beyond STS's own type are beyond its limits too: it shall say so.
        duration: duration.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX)),
        mfa: profile.setting("mfa_serial").map(device).transpose()?,
        duration_at: profile
            .setting("duration_seconds")
            .map(|setting| (setting.file.to_path_buf(), setting.line)),
    };
    Ok((hop, next))
}

fn next<'a>(profiles: &Profiles, name: &str, profile: &'a Profile, place: &str) -> Result<Next<'a>, Failure> {
    let (by_word, by_profile) = (profile.setting("credential_source"), profile.setting("source_profile"));
    match (by_word, by_profile) {
        (Some(word), Some(other)) => Err(both(profiles, name, word, other)),
        (None, None) => Err(none(profiles, name, profile, place)),
        (Some(setting), None) => {
            let word = setting.text("credential_source")?;
            CredentialSource::parse(word).map(Next::Named).ok_or_else(|| strange(name, word, setting))
        }
        (None, Some(setting)) => Ok(Next::Profile(setting.text("source_profile")?, setting)),
    }
}

fn both(profiles: &Profiles, name: &str, word: &Setting, other: &Setting) -> Failure {
    let context = format!("profile {name} has source_profile ({other}) and credential_source ({word})");
    let usable = other.text("source_profile").is_ok_and(|source| profiles.get(source).is_some());
    let (drop, keep) = if usable { (word, "source_profile") } else { (other, "credential_source") };
    let text = format!("keep {keep}, and remove the other ({drop})");
    let command = sed(&format!("{}d", drop.line), drop.file.display());
    Failure::misconfigured(&cause::PROFILE_BOTHSOURCES, context).mend(Remedy::command(text, command))
}

fn none(profiles: &Profiles, name: &str, profile: &Profile, place: &str) -> Failure {
    let context =
        format!("{place}: profile {name} has role_arn, and neither source_profile nor credential_source");
    let failure = Failure::misconfigured(&cause::PROFILE_NOSOURCE, context);
    // With keys of its own a profile may be its own source.
    let with_keys = |other: &&str| profiles.get(other).is_some_and(Profile::has_static_key);
    match ([name, "default"].into_iter().find(with_keys), profile.setting("role_arn")) {
        (Some(source), Some(at)) => {
            let script = format!("{}a source_profile = {source}", at.line);
            let text = format!("assume it with the keys of profile {source}");
            failure.mend(Remedy::command(text, sed(&script, at.file.display())))
        }
        _ => failure,
    }
}

fn strange(name: &str, word: &str, setting: &Setting) -> Failure {
    let context = format!("{setting}: profile {name} has credential_source = {word}");
    let failure = Failure::misconfigured(&cause::PROFILE_BADSOURCE, context);
    let known = [
        CredentialSource::Environment,
        CredentialSource::EcsContainer,
        CredentialSource::Ec2InstanceMetadata,
    ];
    match nearest(word, known.into_iter().map(CredentialSource::as_str)) {
        Some(near) => failure.mend(replaced(setting, near)),
        None => failure,
    }
}

/// Another value in the setting's line.
fn replaced(setting: &Setting, value: &str) -> Remedy {
    let script = format!("{}s|[=:].*|= {}|", setting.line, literal(value));
    Remedy::command(format!("write {value} in its place"), sed(&script, setting.file.display()))
}

fn missing(profiles: &Profiles, name: &str, source: &str, setting: &Setting) -> Failure {
    let context = format!("{setting}: profile {name} has source_profile = {source}, which does not exist");
    let failure = Failure::misconfigured(&cause::PROFILE_SOURCEMISSING, context);
    match nearest(source, profiles.names().filter(|other| *other != name)) {
        Some(near) => failure.mend(replaced(setting, near)),
        None => failure,
    }
}

fn looped(visited: &[String], source: &str, setting: &Setting) -> Failure {
    let path = visited.join(" → ");
    let context = format!("{setting}: source_profile goes in a circle: {path} → {source}");
    let last = visited.last().map_or("", String::as_str);
    let text = format!(
        "break the circle: in profile {last} replace source_profile by keys, credential_process or credential_source, \
         or let it name a profile that has them"
    );
    Failure::misconfigured(&cause::PROFILE_LOOP, context).mend(Remedy::new(text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::ini::Ini;
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        let path = |name: &str| Arc::from(Path::new(name));
        let mut all = Profiles::of_config(&Ini::parse(config.as_bytes()).unwrap(), &path("config"));
        all.add_credentials(&Ini::parse(credentials.as_bytes()).unwrap(), &path("credentials"));
        all
    }

    /// `base < innermost < … < outermost`, or the code of the failure, or `-`.
    fn told(config: &str, credentials: &str) -> String {
        match plan(&profiles(config, credentials), "a") {
            Ok(None) => "-".to_owned(),
            Err(failure) => failure.cause.code.to_owned(),
            Ok(Some(plan)) => {
                let base = match plan.base {
                    Base::Profile(name) => name,
                    Base::Named(source) => source.as_str().to_owned(),
                };
                plan.hops.iter().fold(base, |text, hop| format!("{text} < {}", hop.role_arn))
            }
        }
    }

    #[derive(serde::Deserialize)]
    struct Row {
        config: String,
        credentials: String,
        want: String,
    }

    /// Written by `tests/parity/tables.py` from what `AssumeRoleProvider` of the installed botocore does.
    #[test]
    fn follows_sources_as_botocore_does() {
        let rows: Vec<Row> =
            serde_json::from_str(include_str!("../../../tests/parity/tables/plan.json")).unwrap();
        assert!(rows.len() >= 30);
        for Row { config, credentials, want } in rows {
            assert_eq!(told(&config, &credentials), want, "{config}\n--\n{credentials}");
        }
    }

    #[test]
    fn a_circle_is_printed() {
        let config = "[profile a]\nrole_arn=R\nsource_profile=b\n[profile b]\nrole_arn=Q\nsource_profile=a";
        let failure = plan(&profiles(config, ""), "a").unwrap_err();
        assert_eq!(failure.context, "config:6: source_profile goes in a circle: a → b → a");
    }

    #[test]
    fn a_hop_takes_what_the_profile_says_about_the_session() {
        let said = |more: &str| {
            let config = format!("[profile a]\nrole_arn=R\ncredential_source=Environment\n{more}");
            plan(&profiles(&config, ""), "a").unwrap().unwrap().hops.remove(0)
        };
        assert_eq!(said("duration_seconds=900").duration, Some(900));
        assert_eq!(said("duration_seconds=15m").duration, None);
        assert_eq!(said("duration_seconds=99999999999").duration, Some(i32::MAX));
        assert_eq!(said("role_session_name=").session_name, None);
        assert_eq!(said("role_session_name=me").session_name.as_deref(), Some("me"));
        assert_eq!(said("external_id=42").external_id.as_deref(), Some("42"));
        assert_eq!(said("").place, "config:2");
    }
}
