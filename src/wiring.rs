//! Which variables point an application at the agent, and which would lead it elsewhere: one table, seven writers.
//!
//! SDKs ask keys, profiles and web identities before a container endpoint, so those variables have to go; the AWS
//! files have to be out of sight as well where the application is ours to start (`exec`, `demo`).

mod private;

use std::borrow::Cow;

pub use private::{private_config, yields_credentials};

/// The address to fetch credentials from.
pub const ENDPOINT: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The file with the token to send along.
pub const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Set to `true`, so that nothing falls through to the host's own role.
pub const NO_METADATA: &str = "AWS_EC2_METADATA_DISABLED";
/// The region as most SDKs read it, and as botocore does.
pub const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Everything that any SDK asks before a container endpoint, or that would make it ask another one.
pub const CONTRADICT: [&str; 18] = [
    // Keys and tokens; the second spellings are those of older Java, Go and Ruby SDKs.
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    // Profiles.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    // Web identity.
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    // Container endpoints: the relative one wins over ours, and a token would over its file in Java.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// What to set and what to unset for an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Names and values; never a secret.
    pub set: Vec<(String, String)>,
    /// Names.
    pub unset: Vec<Cow<'static, str>>,
}

impl Wiring {
    /// Points at the endpoint. A region in the caller's environment wins over the one that is known.
    #[must_use]
    pub fn new(endpoint: &str, token_file: &str, region: Option<&str>, caller: &dyn Caller) -> Self {
        let fixed = [(ENDPOINT, endpoint), (TOKEN_FILE, token_file), (NO_METADATA, "true")];
        let mut wiring = Self::default();
        for (name, value) in fixed {
            wiring.put(name, value);
        }
        let theirs = REGIONS.map(|name| caller.value(name).filter(|value| !value.is_empty()));
        let known = theirs.into_iter().flatten().next().or(region);
        for (name, own) in REGIONS.into_iter().zip(theirs) {
            if let Some(region) = own.or(known) {
                wiring.put(name, region);
            }
        }
        wiring.unset.extend(CONTRADICT.map(Cow::Borrowed));
        wiring
    }

    /// Puts the AWS files out of sight, which beat a container endpoint. `config` is a private copy without
    /// credentials. Never an empty path: JS then reads the file at its usual place.
    #[must_use]
    pub fn without_aws_files(mut self, config: &str) -> Self {
        self.put("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        self.put("AWS_CONFIG_FILE", config);
        self.put("BOTO_CONFIG", "/dev/null");
        self.unset.push(Cow::Borrowed("AWS_CREDENTIAL_FILE"));
        self
    }

    /// Sends everything to the demo's own AWS: `aws` is its address, `proxy` refuses whatever leaves the machine.
    #[must_use]
    pub fn for_demo(mut self, aws: &str, proxy: &str, caller: &dyn Caller) -> Self {
        const NEAR: &str = "127.0.0.1,localhost";
        // The last two make SDKs refuse an endpoint that is given to them. The other shell's variables are not known
        // here: the one endpoint that would spoil the demo's first call goes in any case.
        const ASTRAY: [&str; 4] = [
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            "AWS_ENDPOINT_URL_STS",
            "AWS_USE_FIPS_ENDPOINT",
            "AWS_USE_DUALSTACK_ENDPOINT",
        ];
        self.put("AWS_ENDPOINT_URL", aws);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            self.put(name, proxy);
        }
        for name in ["NO_PROXY", "no_proxy"] {
            let theirs = caller.value(name).unwrap_or_default().split(',').map(str::trim);
            let kept = theirs.filter(|entry| !entry.is_empty() && !lets_aws_through(entry));
            let kept: Vec<&str> = kept.chain([NEAR]).collect();
            self.put(name, &kept.join(","));
        }
        self.unset.extend(ASTRAY.map(Cow::Borrowed));
        let mut services = caller.names();
        services.retain(|name| name.starts_with("AWS_ENDPOINT_URL_") && !ASTRAY.contains(&name.as_str()));
        self.unset.extend(services.into_iter().map(Cow::Owned));
        self
    }

    fn put(&mut self, name: &str, value: &str) {
        self.set.push((name.to_owned(), value.to_owned()));
    }

    /// The variables that are set at the caller's and would win over the endpoint.
    pub fn contradicted<'w>(&'w self, caller: &dyn Caller) -> Vec<&'w str> {
        let set = |name: &&Cow<'static, str>| caller.value(name).is_some();
        self.unset.iter().filter(set).map(|name| name.as_ref()).collect()
    }

    /// As text for whoever reads that format.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Sh => self.lines(|name, value| format!("export {name}={}", sh(value)), Some("unset")),
            Format::Fish => {
                self.lines(|name, value| format!("set -gx {name} {}", fish(value)), Some("set -e"))
            }
            Format::Dotenv => self.lines(|name, value| format!("{name}={}", dotenv(value)), None),
            Format::Docker => {
                self.lines(|name, value| sh(&format!("--env={name}={value}")).into_owned(), None)
            }
            Format::Github => self.lines(github, None),
            Format::Systemd => {
                let lines = self.lines(|name, value| format!("{name}={}", systemd(value)), None);
                // An environment file cannot unset; this line tells the unit's author what can.
                format!("# in the unit: UnsetEnvironment={}\n{lines}", self.unset.join(" "))
            }
            Format::Json => self.json(),
        }
    }

    fn lines(&self, set: impl Fn(&str, &str) -> String, unset: Option<&str>) -> String {
        let mut text = String::new();
        for name in self.unset.iter().filter(|_| unset.is_some()) {
            text.push_str(&format!("{} {name}\n", unset.unwrap_or_default()));
        }
        for (name, value) in &self.set {
            text.push_str(&set(name, value));
            text.push('\n');
        }
        text
    }

    fn json(&self) -> String {
        let set: serde_json::Map<String, serde_json::Value> =
            self.set.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        format!("{:#}\n", serde_json::json!({ "set": set, "unset": self.unset }))
    }
}

/// Whether an entry of `NO_PROXY` sends requests for AWS past a proxy, as it does where AWS is reached privately.
fn lets_aws_through(entry: &str) -> bool {
    let with_port = entry.rsplit_once(':').filter(|(host, _)| !host.contains(':'));
    let name = with_port.map_or(entry, |(host, _)| host).trim_start_matches(['*', '.']).to_ascii_lowercase();
    ["amazonaws.com", "amazonaws.com.cn", "api.aws"]
        .iter()
        .any(|domain| name.is_empty() || within(&name, domain) || within(domain, &name))
}

/// Whether a name is that domain or in it.
fn within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The environment of whoever asks for the wiring.
pub trait Caller {
    /// A variable's value, empty or not.
    fn value(&self, name: &str) -> Option<&str>;
    /// The names of all variables.
    fn names(&self) -> Vec<String>;
}

/// Who reads the wiring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// sh, bash, zsh: for `eval`.
    Sh,
    /// fish: for `source`.
    Fish,
    /// A `.env` file.
    Dotenv,
    /// Options of `docker run`.
    Docker,
    /// The file that `GITHUB_ENV` names.
    Github,
    /// A file for `EnvironmentFile=`.
    Systemd,
    /// Programs.
    Json,
}

impl Format {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Sh, Self::Fish, Self::Dotenv, Self::Docker, Self::Github, Self::Systemd, Self::Json];

    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Fish => "fish",
            Self::Dotenv => "dotenv",
            Self::Docker => "docker",
            Self::Github => "github",
            Self::Systemd => "systemd",
            Self::Json => "json",
        }
    }

    /// The format of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Whether the format can take variables away; where it cannot, the caller has to be told.
    #[must_use]
    pub const fn unsets(self) -> bool {
        matches!(self, Self::Sh | Self::Fish | Self::Json)
    }
}

/// One word of a POSIX shell.
#[must_use]
pub fn sh(value: &str) -> Cow<'_, str> {
    if plain(value) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
    }
}

fn fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

fn dotenv(value: &str) -> Cow<'_, str> {
    if plain(value) {
        return Cow::Borrowed(value);
    }
    if !value.contains(['\'', '\n', '\r', '\\']) {
        // Nothing is interpolated in single quotes, in any of the dialects.
        return Cow::Owned(format!("'{value}'"));
    }
    Cow::Owned(double_quoted(value).replace('\n', r"\n").replace('\r', r"\r"))
}

fn systemd(value: &str) -> Cow<'_, str> {
    if plain(value) { Cow::Borrowed(value) } else { Cow::Owned(double_quoted(value)) }
}

fn double_quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// Several lines need a delimiter that the value does not contain.
fn github(name: &str, value: &str) -> String {
    if !value.contains(['\n', '\r']) {
        return format!("{name}={value}");
    }
    let mut end = String::from("END");
    while value.contains(&end) {
        end.push('_');
    }
    format!("{name}<<{end}\n{value}\n{end}")
}

fn plain(value: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    !value.is_empty() && value.chars().all(harmless)
}

#[cfg(test)]
mod tests;
