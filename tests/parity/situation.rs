//! The situations as they are written down, and the small machines that are made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::support::{FakeAws, TempHome, leaks};

type Texts = BTreeMap<String, String>;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Situation {
    pub name: String,
    /// What is being compared, where the name does not say it.
    #[serde(default)]
    pub why: String,
    pub profile: Option<String>,
    #[serde(default)]
    env: Texts,
    config: Option<String>,
    credentials: Option<String>,
    #[serde(default)]
    files: Texts,
    #[serde(default)]
    raw: Texts,
    #[serde(default)]
    fakes: Vec<Fake>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Fake {
    Sts,
    Imds,
    Container,
}

/// A user of the fake STS.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub key: String,
    pub secret: String,
    pub account: String,
}

/// One home with its files, and the whole environment of the program that runs there.
pub struct Machine {
    pub home: TempHome,
    pub env: BTreeMap<String, String>,
    pub profile: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    situation: Vec<Situation>,
    #[serde(default)]
    user: Vec<User>,
}

/// All situations, and the users of their STS.
pub fn all() -> (Vec<Situation>, Vec<User>) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(here("situations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let (mut situations, mut users) = (Vec::new(), Vec::new());
    for path in files {
        let page: Page = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        situations.extend(page.situation);
        users.extend(page.user);
    }
    (situations, users)
}

pub fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity").join(name)
}

impl Situation {
    /// A machine of its own for each program: the same content below another home.
    pub fn machine(&self, aws: &FakeAws) -> Machine {
        let home = TempHome::new();
        let path = home.path().display().to_string();
        let fill = |text: &str| {
            let text = text.replace("{HOME}", &path).replace("{CONTAINER}", &aws.container_url("/container"));
            ["{STS}", "{IMDS}"].iter().fold(text, |text, name| text.replace(name, &aws.url()))
        };
        for (name, text) in [(".aws/config", &self.config), (".aws/credentials", &self.credentials)] {
            text.iter().for_each(|text| drop(home.write(name, &fill(text))));
        }
        for (name, text) in &self.files {
            home.write(name, &fill(text));
        }
        for (name, text) in &self.raw {
            let text = fill(text);
            leaks::secrets_of_file(&text);
            let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
            fs::write(home.path().join(name), bytes).unwrap();
        }
        let mut env = self.base(&path);
        env.extend(self.env.iter().map(|(name, value)| (name.clone(), fill(value))));
        for (name, value) in &env {
            leaks::secret_variable(name, value);
        }
        Machine { home, env, profile: self.profile.clone() }
    }

    /// What every machine has.
    fn base(&self, home: &str) -> Texts {
        let mut env: Texts = [
            ("HOME", home),
            ("PATH", "/usr/bin:/bin"),
            ("BOTO_CONFIG", "/dev/null"),
            // Nothing leaves this machine, even if an endpoint were forgotten: AWS's own are all behind TLS.
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if !self.fakes.contains(&Fake::Imds) {
            env.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
        }
        env
    }

    /// Why this situation could reach the real link-local addresses, which no test may.
    pub fn strays(&self) -> Option<&'static str> {
        let texts = || self.env.values().chain(&self.config).chain(self.files.values());
        let named = |place: &str| texts().any(|text| text.contains(place));
        let relative = self.env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let disabled = self.env.get("AWS_EC2_METADATA_DISABLED");
        let metadata = self.fakes.contains(&Fake::Imds);
        if metadata && !named("{IMDS}") {
            Some("metadata is on and not pointed at the fake")
        } else if !metadata && disabled.is_some() {
            Some("metadata may be on, and the fake is not asked for")
        } else if relative.is_some_and(|uri| !uri.is_empty()) {
            Some("a relative URI leads to 169.254.170.2")
        } else if ["169.254.", "fd00:ec2:"].iter().any(|place| named(place)) {
            Some("a link-local address is named")
        } else {
            None
        }
    }
}
