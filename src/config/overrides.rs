//! Flags that stand above the file, now and after every reload.

use std::net::SocketAddr;

use super::parse::Loaded;
use super::{Address, Config, LogFormat, METADATA_STAYS, Problem};

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--profile`: of the role that exists without configuration.
    pub profile: Option<String>,
    /// `--listen`: instead of all credentials addresses.
    pub listen: Option<Address>,
    /// `--admin`: instead of the admin address; inside, `None` is off.
    pub admin: Option<Option<SocketAddr>>,
    /// `--log-format`.
    pub log_format: Option<LogFormat>,
}

impl Overrides {
    /// The configuration with the flags above it.
    ///
    /// # Errors
    /// Flags that do not go with the file.
    pub fn apply(&self, loaded: &Loaded) -> Result<Config, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |at: &str, is: String, want: &str| {
            problems.push(Problem { at: at.to_owned(), is, want: want.to_owned() });
        };
        let mut config = loaded.config.clone();
        if let Some(profile) = &self.profile {
            match (loaded.lines.get("role"), &loaded.path, config.roles.first_mut()) {
                (Some(line), Some(path), _) => {
                    let is = format!("\"{profile}\", and {}:{line} configures roles", path.display());
                    wrong("--profile", is, "no roles beside it; or the profile in a role of the file");
                }
                (_, _, Some(role)) => role.profile = Some(profile.clone()),
                _ => {}
            }
        }
        if let Some(address) = &self.listen {
            if !address.is_near() && !config.listen.expose {
                let want = "a loopback address; or listen.expose = true in the configuration";
                wrong("--listen", format!("{address} is not loopback"), want);
            }
            if config.listen.imds && !address.is_linked() {
                wrong(
                    "--listen",
                    format!("{address} is not loopback, and listen.imds = true"),
                    METADATA_STAYS,
                );
            }
            config.listen.credentials = vec![address.clone()];
        }
        if let Some(admin) = self.admin {
            config.listen.admin = admin;
        }
        let admin = config.listen.admin.filter(|admin| admin.port() != 0);
        let shared = admin.filter(|admin| config.listen.credentials.contains(&Address::Tcp(*admin)));
        if let (Some(address), true) = (shared, self.listen.is_some() || self.admin.is_some()) {
            let flag = if self.admin.is_some() { "--admin" } else { "--listen" };
            let want = "another port: credentials and admin never share one";
            wrong(flag, format!("{address} is both the credentials and the admin address"), want);
        }
        if let Some(format) = self.log_format {
            config.telemetry.log_format = format;
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// The flag that decides a key, if one does.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<&'static str> {
        match key {
            "role[0].profile" => self.profile.as_ref().map(|_| "--profile"),
            "listen.credentials" => self.listen.as_ref().map(|_| "--listen"),
            "listen.admin" => self.admin.map(|_| "--admin"),
            "telemetry.log_format" => self.log_format.map(|_| "--log-format"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn nothing_configured() -> Loaded {
        Loaded { config: Config::default(), path: None, lines: BTreeMap::new() }
    }

    #[test]
    fn flags_stand_above_the_file() {
        let flags = Overrides {
            profile: Some("prod".to_owned()),
            listen: Some("127.0.0.1:6000".parse().unwrap()),
            admin: Some(None),
            log_format: Some(LogFormat::Json),
        };
        let config = flags.apply(&nothing_configured()).unwrap();
        assert_eq!(config.roles[0].profile.as_deref(), Some("prod"));
        assert_eq!(config.listen.credentials, ["127.0.0.1:6000".parse().unwrap()]);
        assert_eq!((config.listen.admin, config.telemetry.log_format), (None, LogFormat::Json));
    }

    #[test]
    fn metadata_is_not_served_to_other_machines_by_a_flag_either() {
        let mut loaded = nothing_configured();
        (loaded.config.listen.imds, loaded.config.listen.expose) = (true, true);
        let listen = |at: &str| Overrides { listen: Some(at.parse().unwrap()), ..Overrides::default() };
        assert!(listen("169.254.169.254:80").apply(&loaded).is_ok());
        let wrong = listen("0.0.0.0:80").apply(&loaded).unwrap_err();
        let is =
            "--listen: 0.0.0.0:80 is not loopback, and listen.imds = true; wanted a loopback or link-local";
        assert!(wrong.len() == 1 && wrong[0].to_string().starts_with(is), "{wrong:?}");
    }

    #[test]
    fn flags_that_do_not_go_with_the_file_are_all_named() {
        let lines = BTreeMap::from([("role".to_owned(), 3)]);
        let loaded = Loaded { path: Some(PathBuf::from("k.toml")), lines, ..nothing_configured() };
        let flags = Overrides {
            profile: Some("prod".to_owned()),
            listen: Some("0.0.0.0:5398".parse().unwrap()),
            admin: Some(Some("0.0.0.0:5398".parse().unwrap())),
            log_format: None,
        };
        let wrong: Vec<String> = flags.apply(&loaded).unwrap_err().iter().map(ToString::to_string).collect();
        let expected = [
            "--profile: \"prod\", and k.toml:3 configures roles; wanted no roles beside it; or the profile in a role of \
             the file",
            "--listen: 0.0.0.0:5398 is not loopback; wanted a loopback address; or listen.expose = true in the \
             configuration",
            "--admin: 0.0.0.0:5398 is both the credentials and the admin address; wanted another port: credentials and \
             admin never share one",
        ];
        assert_eq!(wrong, expected);
    }
}
