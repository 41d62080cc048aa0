//! What a profile says about SSO, itself or through its `[sso-session]` (`SSOProvider._load_sso_config`).

use crate::cause;
use crate::failure::Failure;
use crate::source::profile::merge::{Profile, Profiles, Setting};

/// All that is needed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) account: String,
    pub(super) role: String,
    pub(super) start_url: String,
    pub(super) region: String,
    /// The `[sso-session]`, whose token can be refreshed.
    pub(super) session: Option<String>,
    /// Where it stands, and what.
    pub(super) said: Vec<(Setting, String)>,
}

const OF_PROFILE: [&str; 2] = ["sso_role_name", "sso_account_id"];
const OF_SESSION: [&str; 2] = ["sso_start_url", "sso_region"];

impl Settings {
    /// Why nobody knows where to ask.
    pub(super) fn no_region(&self) -> Failure {
        let said = self.said.iter().find(|(_, said)| said.starts_with("sso_region"));
        let place = said.map_or_else(String::new, |(setting, _)| format!("{setting}: "));
        Failure::misconfigured(&cause::SSO_CONFIG, format!("{place}sso_region is empty"))
    }

    /// What the token's file is named after.
    pub(super) fn cached_under(&self) -> &str {
        self.session.as_ref().unwrap_or(&self.start_url)
    }
}

/// The settings of a profile that names an account or a role.
pub(super) fn of(name: &str, profiles: &Profiles) -> Result<Option<Settings>, Failure> {
    let Some(profile) = profiles.get(name).filter(|profile| OF_PROFILE.iter().any(|key| profile.has(key)))
    else {
        return Ok(None);
    };
    let session =
        profile.text("sso_session")?.map(|named| section(name, profile, named, profiles)).transpose()?;
    let find = |key: &str| session.and_then(|(_, own)| own.setting(key)).or_else(|| profile.setting(key));
    let missing: Vec<&str> =
        OF_PROFILE.into_iter().chain(OF_SESSION).filter(|key| find(key).is_none()).collect();
    if !missing.is_empty() {
        let context = format!("profile {name} uses SSO and has no {}", missing.join(", no "));
        return Err(Failure::misconfigured(&cause::SSO_CONFIG, context));
    }
    let mut said = Vec::new();
    let mut text = |key: &str| {
        let Some(setting) = find(key) else { return Ok(String::new()) };
        let text = setting.text(key)?.to_owned();
        if text.is_empty() && OF_PROFILE.contains(&key) {
            return Err(Failure::misconfigured(&cause::SSO_CONFIG, format!("{setting}: {key} is empty")));
        }
        said.push((setting.clone(), format!("{key} = {text}")));
        Ok::<_, Failure>(text)
    };
    let [role, account] = [text("sso_role_name")?, text("sso_account_id")?];
    let [start_url, region] = [text("sso_start_url")?, text("sso_region")?];
    let session = session.map(|(named, _)| named.to_owned());
    Ok(Some(Settings { account, role, start_url, region, session, said }))
}

/// The section, which must agree with the profile wherever both speak, and must know its own address and region.
fn section<'a>(
    name: &str,
    profile: &Profile,
    named: &'a str,
    profiles: &'a Profiles,
) -> Result<(&'a str, &'a Profile), Failure> {
    let refused = |context: String| Err(Failure::misconfigured(&cause::SSO_CONFIG, context));
    let Some(section) = profiles.sso_session(named) else {
        return refused(format!(
            "profile {name} names sso_session = {named}: there is no section [sso-session {named}]"
        ));
    };
    for (key, setting) in section.iter() {
        if let Some(own) = profile.setting(key).filter(|own| own.value != setting.value) {
            return refused(format!("{own} and {setting} say different things about {key}"));
        }
    }
    match OF_SESSION.iter().find(|key| !section.has(key)) {
        Some(key) => refused(format!("[sso-session {named}], which profile {name} names, has no {key}")),
        None => Ok((named, section)),
    }
}
