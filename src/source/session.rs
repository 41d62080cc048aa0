//! What one walk sees: the environment, the AWS files as they are now, the profile chosen, and the settings around it.
//!
//! botocore's session works these out before any source is asked, which is why a file that cannot be parsed or a
//! profile that does not exist ends the walk even where the environment holds keys.

mod manner;

use std::time::Duration;

use super::meant;
use super::profile::files::Files;
use super::profile::merge::{Profile, Profiles};
use super::text::{as_url, has_host, int, is_true};
use crate::aws::{Place, Variant};
use crate::cause;
use crate::config::env::Env;
use crate::failure::Failure;
use crate::report::Notes;
use crate::source::imds;

/// Who chose the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The role's configuration or the command line: botocore's explicit profile, which hides the environment.
    Explicitly,
    /// That variable.
    By(&'static str),
    /// Nobody: it is `default`, which may be missing.
    Nobody,
}

/// What one walk sees.
#[derive(Clone, Debug)]
pub struct Session {
    /// The role's environment.
    pub env: Env,
    /// Both files, apart.
    pub files: Files,
    /// Both files, joined.
    pub profiles: Profiles,
    /// The name of the profile.
    pub profile: String,
    /// Who chose it.
    pub chosen: Chosen,
}

/// In seconds.
const LONGEST_TIMEOUT: u64 = 3600;

/// botocore asks in this order; the CLI's second version asks the other way round.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];

/// The profile's name and who chose it, from an explicit name or the environment. An empty variable counts.
#[must_use]
pub fn choose(explicit: Option<&str>, env: &Env) -> (String, Chosen) {
    if let Some(name) = explicit {
        return (name.to_owned(), Chosen::Explicitly);
    }
    let set = PROFILE_VARIABLES.into_iter().find_map(|name| env.get(name).map(|value| (name, value)));
    match set {
        Some((variable, name)) => (name.to_owned(), Chosen::By(variable)),
        None => ("default".to_owned(), Chosen::Nobody),
    }
}

impl Session {
    /// Reads both files and chooses the profile.
    ///
    /// # Errors
    /// A file that cannot be parsed; a profile that was asked for and does not exist.
    pub async fn open(
        env: &Env,
        explicit: Option<&str>,
        within: Duration,
        notes: &mut Notes,
    ) -> Result<Self, Failure> {
        for name in PROFILE_VARIABLES {
            notes.variable(name, env.get(name));
        }
        let files = Files::read(env, within, notes).await?;
        let session = Self::of(env, explicit, files);
        match session.chosen {
            Chosen::Nobody => Ok(session),
            _ if session.profiles.get(&session.profile).is_some() => Ok(session),
            _ => Err(meant::unknown(&session)),
        }
    }

    /// A session over these files, whether or not its profile exists.
    #[must_use]
    pub fn of(env: &Env, explicit: Option<&str>, files: Files) -> Self {
        let mut profiles = Profiles::of_config(&files.config.ini, &files.config.path);
        profiles.add_credentials(&files.credentials.ini, &files.credentials.path);
        let (profile, chosen) = choose(explicit, env);
        Self { env: env.clone(), files, profiles, profile, chosen }
    }

    /// Whether the environment's keys and web identity are left aside.
    #[must_use]
    pub fn explicit(&self) -> bool {
        self.chosen == Chosen::Explicitly
    }

    /// The settings of the chosen profile; nothing when it is the absent `default`.
    #[must_use]
    pub fn settings(&self) -> Option<&Profile> {
        self.profiles.get(&self.profile)
    }

    /// A value from the environment, else from the profile: botocore's way for most settings. A variable that is set
    /// and empty wins.
    fn value(&self, variable: &str, key: &str) -> Option<&str> {
        self.env.get(variable).or_else(|| self.settings()?.plain(key))
    }

    /// The region. botocore does not know `AWS_REGION`; everybody else does, so it comes last, if it is one at all.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let first = self.value("AWS_DEFAULT_REGION", "region");
        // One that cannot be used is no reason to fail where botocore would not have looked at it.
        let last = || self.env.filled("AWS_REGION").filter(|region| is_host_label(region));
        first.filter(|region| !region.is_empty()).or_else(last)
    }

    /// How the metadata service is to be asked. A timeout or a number of attempts below nothing is nothing.
    ///
    /// # Errors
    /// Numbers that are none.
    pub fn metadata(&self) -> Result<imds::Settings, Failure> {
        let timeout = self.number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout")?;
        let attempts = self.number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts")?;
        let (endpoint, mode) = ("ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode");
        let endpoint = self.value("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint);
        let mode = self.value("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", mode);
        let ipv6 = self.value("AWS_IMDS_USE_IPV6", "imds_use_ipv6").is_some_and(is_true).then_some("ipv6");
        let v1 = self.value("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
        Ok(imds::Settings {
            endpoint: endpoint.filter(|given| !given.is_empty()).map(str::to_owned),
            endpoint_mode: mode.or(ipv6).map(str::to_owned),
            v1_disabled: v1.is_some_and(is_true),
            disabled: self.env.get("AWS_EC2_METADATA_DISABLED").is_some_and(is_true),
            // An attempt has a deadline of its own; a longer one here only overflows.
            timeout: Duration::from_secs(timeout.unwrap_or(1).min(LONGEST_TIMEOUT)),
            attempts: u32::try_from(attempts.unwrap_or(1)).unwrap_or(u32::MAX),
        })
    }

    fn number(&self, variable: &str, key: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.value(variable, key) else { return Ok(None) };
        let number = int(text).map(|number| u64::try_from(number).unwrap_or(0));
        number.map(Some).ok_or_else(|| self.strange(variable, key, "not a whole number"))
    }

    /// What this variable or key says cannot be.
    fn strange(&self, variable: &str, key: &str, wanted: &str) -> Failure {
        let setting = || self.settings().and_then(|settings| settings.setting(key));
        let place = match self.env.get(variable) {
            Some(_) => variable.to_owned(),
            None => setting().map_or_else(String::new, |setting| format!("{setting}: {key}")),
        };
        let text = self.value(variable, key).unwrap_or_default();
        Failure::misconfigured(&cause::PROFILE_VALUE, format!("{place} is `{text}`, {wanted}"))
    }

    /// Where STS is asked.
    ///
    /// # Errors
    /// A region that is no host label; a `services` section that does not exist; an unknown kind of endpoint.
    pub fn sts(&self) -> Result<Place, Failure> {
        self.place("sts", self.region())
    }

    /// Where a service is asked in a region, by the service's name in `services` sections.
    ///
    /// # Errors
    /// As for STS.
    pub fn place(&self, service: &str, region: Option<&str>) -> Result<Place, Failure> {
        self.sso_session_is_whole()?;
        if let Some(region) = region.filter(|region| !is_host_label(region)) {
            let context = format!("the region `{}` cannot be part of a host name", region.escape_debug());
            return Err(Failure::misconfigured(&cause::PROFILE_VALUE, context));
        }
        let (region, variant) = (region.map(str::to_owned), self.variant()?);
        let variant = Variant { legacy: variant.legacy && service == "sts", ..variant };
        let endpoint = self.endpoint(service)?.map(|url| as_url(&url).to_owned());
        if let Some(url) = endpoint.as_deref().filter(|url| !has_host(url)) {
            let context = format!("the endpoint `{url}` that is set for {service} is no URL with a host");
            return Err(Failure::misconfigured(&cause::PROFILE_VALUE, context));
        }
        Ok(Place { region, endpoint, variant, manner: self.manner()? })
    }

    /// botocore makes no client of any service for a profile whose `sso_session` could give no token
    /// (`SSOTokenProvider._load_sso_config`).
    fn sso_session_is_whole(&self) -> Result<(), Failure> {
        let Some(setting) = self.settings().and_then(|profile| profile.setting("sso_session")) else {
            return Ok(());
        };
        let named = setting.text("sso_session")?;
        let section = self.profiles.sso_session(named);
        let lacks = |key: &&str| section.is_none_or(|section| !section.has(key));
        let Some(key) = ["sso_start_url", "sso_region"].into_iter().find(lacks) else { return Ok(()) };
        let context = match section {
            Some(_) => format!("{setting}: sso_session = {named}, and [sso-session {named}] has no {key}"),
            None => {
                format!("{setting}: sso_session = {named}, and there is no section [sso-session {named}]")
            }
        };
        Err(Failure::misconfigured(&cause::SSO_CONFIG, context))
    }

    /// botocore refuses a strange word for STS's endpoints whichever service is asked.
    fn variant(&self) -> Result<Variant, Failure> {
        let is_on = |variable: &str, key: &str| self.value(variable, key).is_some_and(is_true);
        let (variable, key) = ("AWS_STS_REGIONAL_ENDPOINTS", "sts_regional_endpoints");
        let legacy = match self.value(variable, key) {
            None | Some("" | "regional") => false,
            Some("legacy") => true,
            Some(_) => return Err(self.strange(variable, key, "neither `legacy` nor `regional`")),
        };
        Ok(Variant {
            fips: is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            dual_stack: is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
            legacy,
        })
    }

    /// `ConfiguredEndpointProvider`: the service's own variable, the general one, the service's own setting, the
    /// general one; empty ones do not count.
    fn endpoint(&self, service: &str) -> Result<Option<String>, Failure> {
        let ignored = self.value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
        if ignored.is_some_and(is_true) {
            return Ok(None);
        }
        let own = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
        if let Some(url) = [&own, "AWS_ENDPOINT_URL"].into_iter().find_map(|name| self.env.filled(name)) {
            return Ok(Some(url.to_owned()));
        }
        let Some(profile) = self.settings() else { return Ok(None) };
        if let Some(url) = self.endpoint_of_services(profile, service)? {
            return Ok(Some(url));
        }
        let url = profile.text("endpoint_url")?;
        Ok(url.filter(|url| !url.is_empty()).map(str::to_owned))
    }

    fn endpoint_of_services(&self, profile: &Profile, service: &str) -> Result<Option<String>, Failure> {
        let Some(setting) = profile.setting("services") else { return Ok(None) };
        let name = setting.text("services")?;
        let Some(services) = self.profiles.services(name).filter(|section| !section.is_empty()) else {
            let context = format!("{setting}: services = {name}, and there is no section [services {name}]");
            return Err(Failure::misconfigured(&cause::PROFILE_VALUE, context));
        };
        let Some(own) = services.setting(service) else { return Ok(None) };
        let Some(url) = own.inner("endpoint_url") else {
            // Text instead of a block is an error in botocore; a block without the key is not.
            return own.text(service).map_or(Ok(None), |_| {
                let context = format!("{own}: {service} must be followed by an indented block");
                Err(Failure::misconfigured(&cause::PROFILE_VALUE, context))
            });
        };
        Ok(Some(url.to_owned()).filter(|url| !url.is_empty()))
    }
}

/// `validate_region_name`.
fn is_host_label(region: &str) -> bool {
    (1..=63).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !region.starts_with('-')
        && !region.ends_with('-')
        && !region.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::profile::files::AwsFile;
    use super::super::profile::ini::Ini;
    use super::*;

    fn session(env: &[(&str, &str)], config: &str, credentials: &str) -> Session {
        let file = |name: &str, text: &str| AwsFile {
            path: Arc::from(Path::new(name)),
            ini: Ini::parse(text.as_bytes()).unwrap(),
            unreadable: None,
        };
        let files = Files { config: file("config", config), credentials: file("credentials", credentials) };
        Session::of(&env.iter().copied().collect(), None, files)
    }

    fn region(env: &[(&str, &str)], config: &str) -> Option<String> {
        session(env, config, "").region().map(str::to_owned)
    }

    #[test]
    fn the_region_is_botocores_and_then_everybody_elses() {
        let config = "[default]\nregion = file";
        let all = [("AWS_REGION", "new"), ("AWS_DEFAULT_REGION", "old")];
        assert_eq!(region(&all, config).as_deref(), Some("old"));
        assert_eq!(region(&all[..1], config).as_deref(), Some("file"));
        assert_eq!(region(&all[..1], "").as_deref(), Some("new"));
        assert_eq!(region(&[("AWS_DEFAULT_REGION", "")], config), None);
        assert_eq!(region(&[("AWS_REGION", " eu-west-1")], ""), None);
        assert_eq!(region(&[], ""), None);
    }

    fn endpoint(env: &[(&str, &str)], config: &str) -> String {
        match session(env, config, "").sts() {
            Ok(place) => place.endpoint.unwrap_or_else(|| "-".to_owned()),
            Err(failure) => failure.cause.code.to_owned(),
        }
    }

    /// Each row was compared with `ConfiguredEndpointProvider` of botocore 1.43.11.
    #[test]
    fn the_endpoint_of_sts_is_found_where_botocore_finds_it() {
        let (own, general) = (("AWS_ENDPOINT_URL_STS", "http://own"), ("AWS_ENDPOINT_URL", "http://general"));
        let full = "[default]\nservices = s\nendpoint_url = http://file\n[services s]\nsts =\n  endpoint_url = http://service\n";
        let other = "[default]\nservices = s\nendpoint_url = http://file\n[services s]\ns3 =\n  endpoint_url = http://service\n";
        let gone = "[default]\nservices = s\nendpoint_url = http://file\n";
        let text = "[default]\nservices = s\n[services s]\nsts = x\n";
        let ignored = format!("{full}[default ]\n")
            .replace("endpoint_url = http://file", "ignore_configured_endpoint_urls = True");
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
        assert_eq!(endpoint(&[own, general], full), "http://own");
        assert_eq!(endpoint(&[("AWS_ENDPOINT_URL_STS", ""), general], full), "http://general");
        assert_eq!(endpoint(&[], full), "http://service");
        assert_eq!(endpoint(&[], other), "http://file");
        assert_eq!(endpoint(&[], gone), "PROFILE-VALUE");
        assert_eq!(endpoint(&[general], gone), "http://general");
        assert_eq!(endpoint(&[], text), "PROFILE-VALUE");
        assert_eq!(endpoint(&[own, ignore], full), "-");
        assert_eq!(endpoint(&[own], &ignored), "-");
        assert_eq!(endpoint(&[own, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1")], &ignored), "http://own");
        for strange in ["own", "own:80", "http://", "http://a_b", "http://-a", "\"http://own\""] {
            assert_eq!(endpoint(&[("AWS_ENDPOINT_URL_STS", strange)], ""), "PROFILE-VALUE", "{strange}");
        }
        assert_eq!(endpoint(&[("AWS_DEFAULT_REGION", "eu_west")], ""), "PROFILE-VALUE");
    }

    #[test]
    fn the_kind_of_endpoint_comes_from_the_environment_and_then_the_profile() {
        let config = "[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = TRUE\nsts_regional_endpoints = legacy";
        let variant =
            |env: &[(&str, &str)], config: &str| session(env, config, "").sts().map(|place| place.variant);
        let all = Variant { fips: true, dual_stack: true, legacy: true };
        assert_eq!(variant(&[], config), Ok(all));
        assert_eq!(variant(&[("AWS_USE_FIPS_ENDPOINT", "1")], config), Ok(Variant { fips: false, ..all }));
        assert_eq!(
            variant(&[("AWS_STS_REGIONAL_ENDPOINTS", "")], config),
            Ok(Variant { legacy: false, ..all })
        );
        assert_eq!(variant(&[], ""), Ok(Variant::default()));
        let bad = variant(&[("AWS_STS_REGIONAL_ENDPOINTS", "LEGACY")], "").unwrap_err();
        assert_eq!(bad.context, "AWS_STS_REGIONAL_ENDPOINTS is `LEGACY`, neither `legacy` nor `regional`");
    }

    #[test]
    fn metadata_settings_come_from_the_environment_and_then_the_profile() {
        let config = "[default]\nmetadata_service_timeout = 3\nmetadata_service_num_attempts = 4\n\
                      ec2_metadata_service_endpoint = http://file\nec2_metadata_v1_disabled = True\nimds_use_ipv6 = true";
        let of_file = session(&[], config, "").metadata().unwrap();
        assert_eq!((of_file.timeout, of_file.attempts), (Duration::from_secs(3), 4));
        assert_eq!(of_file.endpoint.as_deref(), Some("http://file"));
        assert_eq!((of_file.endpoint_mode.as_deref(), of_file.v1_disabled), (Some("ipv6"), true));
        let env = [
            ("AWS_METADATA_SERVICE_TIMEOUT", " 7 "),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "-1"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", ""),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4"),
            ("AWS_EC2_METADATA_V1_DISABLED", "yes"),
            ("AWS_EC2_METADATA_DISABLED", "True"),
        ];
        let of_env = session(&env, config, "").metadata().unwrap();
        assert_eq!((of_env.timeout, of_env.attempts), (Duration::from_secs(7), 0));
        assert_eq!((of_env.endpoint, of_env.endpoint_mode.as_deref()), (None, Some("IPv4")));
        assert_eq!((of_env.v1_disabled, of_env.disabled), (false, true));
        assert_eq!(session(&[], "", "").metadata().unwrap(), imds::Settings::default());
        let bad = session(&[], "[default]\nmetadata_service_timeout = 1s", "").metadata().unwrap_err();
        assert_eq!(bad.context, "config:2: metadata_service_timeout is `1s`, not a whole number");
    }
}
