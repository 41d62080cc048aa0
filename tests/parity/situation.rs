//! The situations as they are written down, and the small machines that are made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::requests::shown;
use crate::support::aws::sign_in::{key_pem, login_cache, sso_cache};
use crate::support::aws::{Listing, Shape, Trouble};
use crate::support::{FakeAws, TempHome, leaks};

/// The role that most situations assume.
const ROLE: &str = "arn:aws:iam::123456789012:role/app";

/// How AWS writes a moment.
const STAMP: &str = "%Y-%m-%dT%H:%M:%SZ";

pub type Texts = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Situation {
    pub name: String,
    /// What is being compared, where the name does not say it.
    #[serde(default, skip_serializing_if = "usual")]
    pub why: String,
    #[serde(skip_serializing_if = "usual")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "usual")]
    pub fakes: Vec<Fake>,
    /// Of what every machine has, the variables that this one has not.
    #[serde(default, skip_serializing_if = "usual")]
    pub without: Vec<String>,
    #[serde(skip_serializing_if = "usual")]
    pub config: Option<String>,
    #[serde(skip_serializing_if = "usual")]
    pub credentials: Option<String>,
    #[serde(default, skip_serializing_if = "usual")]
    pub env: Texts,
    #[serde(default, skip_serializing_if = "usual")]
    pub files: Texts,
    #[serde(default, skip_serializing_if = "usual")]
    pub raw: Texts,
    /// What the fakes do otherwise than usual.
    #[serde(default, skip_serializing_if = "usual")]
    pub imds: Metadata,
    #[serde(default, skip_serializing_if = "usual")]
    pub container: Endpoint,
    #[serde(default, skip_serializing_if = "usual")]
    pub sts: Service,
    #[serde(default, skip_serializing_if = "usual")]
    pub sign_in: SignIn,
}

/// What a situation says nothing of.
fn usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Statuses in place of answers, a body in place of the credentials.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    #[serde(skip_serializing_if = "usual")]
    pub v1: bool,
    #[serde(skip_serializing_if = "usual")]
    pub token: Option<Wrong>,
    #[serde(skip_serializing_if = "usual")]
    pub list: Option<Wrong>,
    #[serde(skip_serializing_if = "usual")]
    pub role: Option<Wrong>,
    #[serde(skip_serializing_if = "usual")]
    pub listing: Option<Lines>,
    #[serde(skip_serializing_if = "usual")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "usual")]
    pub life: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoint {
    #[serde(skip_serializing_if = "usual")]
    pub authorization: Option<String>,
    #[serde(skip_serializing_if = "usual")]
    pub status: Option<Wrong>,
    #[serde(skip_serializing_if = "usual")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "usual")]
    pub life: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    #[serde(skip_serializing_if = "usual")]
    pub denied: Option<String>,
    /// The external id that the role `app` asks for.
    #[serde(skip_serializing_if = "usual")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "usual")]
    pub refuse: Option<(u16, String)>,
    #[serde(skip_serializing_if = "usual")]
    pub life: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignIn {
    #[serde(skip_serializing_if = "usual")]
    pub refuse: BTreeMap<String, (u16, String)>,
    #[serde(skip_serializing_if = "usual")]
    pub without: Vec<String>,
    #[serde(skip_serializing_if = "usual")]
    pub life: Option<i64>,
    #[serde(skip_serializing_if = "usual")]
    pub token_life: Option<i64>,
    #[serde(skip_serializing_if = "usual")]
    pub status: Option<Wrong>,
}

/// A status; 0 is no answer for as long as somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Wrong(pub u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lines {
    None,
    Two,
    Newline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fake {
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

impl Machine {
    /// What stands in the files of sign-ins, moments aside: their form is what counts.
    pub fn sign_ins(&self) -> Vec<String> {
        let folders = [".aws/sso/cache", ".aws/login/cache"].map(|name| self.home.path().join(name));
        let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        let mut all: Vec<String> = files
            .map(|file| {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).unwrap_or_else(|error| error.to_string());
                let text =
                    serde_json::from_str::<Value>(&text).map_or(text, |kept| timeless(kept).to_string());
                format!("{name}: {text}")
            })
            .collect();
        all.sort();
        all
    }
}

fn timeless(kept: Value) -> Value {
    match kept {
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, timeless(value))).collect(),
        Value::String(text) => match jiff::fmt::strtime::parse(STAMP, &text) {
            Ok(_) => Value::from(STAMP),
            Err(_) => Value::from(shown(&text)),
        },
        other => other,
    }
}

/// `{sso:NAME}` and `{login:NAME}` are the files of such sign-ins.
fn file_name(name: &str) -> String {
    let inner = |start: &str| name.strip_prefix(start)?.strip_suffix('}');
    match (inner("{sso:"), inner("{login:")) {
        (Some(name), _) => sso_cache(name),
        (_, Some(name)) => login_cache(name),
        _ => name.to_owned(),
    }
}

/// `{+60}` is the moment in a minute, `{-60}` that a minute ago.
fn moments(text: &str, now: Timestamp) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let moment = part.split_once('}').and_then(|(inner, rest)| {
            let seconds = inner.strip_prefix('+').or(inner.starts_with('-').then_some(inner))?;
            let at = now + SignedDuration::from_secs(seconds.parse().ok()?);
            Some(format!("{}{rest}", at.strftime(STAMP)))
        });
        filled += &moment.unwrap_or_else(|| format!("{{{part}"));
    }
    filled
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    situation: Vec<Situation>,
    #[serde(default, skip_serializing)]
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

/// The one situation in a text.
pub fn read(text: &str) -> Result<Situation, toml::de::Error> {
    toml::from_str::<Page>(text).map(|mut page| page.situation.remove(0))
}

pub fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity").join(name)
}

impl Situation {
    /// As it would be written down here.
    pub fn toml(&self) -> String {
        toml::to_string_pretty(&Page { situation: vec![self.clone()], user: Vec::new() }).unwrap()
    }

    /// A machine of its own for each program: the same content below another home.
    pub fn machine(&self, aws: &FakeAws, now: Timestamp) -> Machine {
        let home = TempHome::new();
        let path = home.path().display().to_string();
        let fill = |text: &str| {
            let text = moments(text, now).replace("{KEY}", &key_pem().replace('\n', "\\n"));
            let text = text.replace("{HOME}", &path).replace("{CONTAINER}", &aws.container_url("/container"));
            let text = text.replace("{PORT}", &aws.addr().port().to_string());
            ["{STS}", "{IMDS}", "{AWS}"].iter().fold(text, |text, name| text.replace(name, &aws.url()))
        };
        for (name, text) in [(".aws/config", &self.config), (".aws/credentials", &self.credentials)] {
            text.iter().for_each(|text| drop(home.write(name, &fill(text))));
        }
        for (name, text) in &self.files {
            home.write(&file_name(name), &fill(text));
        }
        for (name, text) in &self.raw {
            let text = fill(text);
            leaks::secrets_of_file(&text);
            let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
            fs::write(home.path().join(name), bytes).unwrap();
        }
        let mut env = self.base(&path, &aws.url());
        env.retain(|name, _| !self.without.contains(name));
        env.extend(self.env.iter().map(|(name, value)| (name.clone(), fill(value))));
        for (name, value) in &env {
            leaks::secret_variable(name, value);
        }
        Machine { home, env, profile: self.profile.clone() }
    }

    /// Turns the fake as the situation wants it.
    pub fn set(&self, aws: &FakeAws) {
        let trouble = |wrong: Option<Wrong>| match wrong? {
            Wrong(0) => Some(Trouble::Hang),
            Wrong(status) => Trouble::status(status),
        };
        let shape = |body: &Option<String>| body.clone().map_or(Shape::Full, Shape::Raw);
        let Situation { imds, container, sts, sign_in, .. } = self;
        aws.imds().set(|fake| {
            fake.v1 = imds.v1;
            fake.token = trouble(imds.token);
            fake.list = trouble(imds.list);
            fake.role = trouble(imds.role);
            fake.listing = match imds.listing {
                None => Listing::One,
                Some(Lines::None) => Listing::Empty,
                Some(Lines::Two) => Listing::Two,
                Some(Lines::Newline) => Listing::TrailingNewline,
            };
            fake.shape = shape(&imds.body);
            fake.life = imds.life.unwrap_or(fake.life);
        });
        aws.container().set(|fake| {
            fake.authorization.clone_from(&container.authorization);
            fake.trouble = trouble(container.status);
            fake.shape = shape(&container.body);
            fake.life = container.life.unwrap_or(fake.life);
        });
        aws.sign_in().set(|fake| {
            fake.refuse.clone_from(&sign_in.refuse);
            fake.without.clone_from(&sign_in.without);
            fake.life = sign_in.life.unwrap_or(fake.life);
            fake.token_life = sign_in.token_life.unwrap_or(fake.token_life);
            fake.trouble = trouble(sign_in.status);
        });
        aws.sts().set(|fake| {
            fake.regions.extend(["ap-south-1", "us-west-2"].map(str::to_owned));
            fake.denied.extend(sts.denied.clone());
            fake.external_ids.extend(sts.external_id.iter().map(|id| (ROLE.to_owned(), id.clone())));
            let refuse = |(status, code): &(u16, String)| (u32::MAX, *status, code.clone(), "no".to_owned());
            fake.refuse_next = sts.refuse.as_ref().map(refuse);
            fake.life = sts.life;
        });
    }

    /// What every machine has.
    fn base(&self, home: &str, proxy: &str) -> Texts {
        let mut env: Texts = [
            ("HOME", home),
            ("PATH", "/usr/bin:/bin"),
            ("BOTO_CONFIG", "/dev/null"),
            // AWS's own endpoints are all behind TLS: the fake sees which one is asked for, and lets nobody through.
            ("HTTPS_PROXY", proxy),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let (name, value) = if self.fakes.contains(&Fake::Imds) {
            // On a busy machine even a loopback answer may take a second, the usual limit.
            ("AWS_METADATA_SERVICE_TIMEOUT", "3")
        } else {
            ("AWS_EC2_METADATA_DISABLED", "true")
        };
        env.insert(name.to_owned(), value.to_owned());
        env
    }

    /// Why this situation could reach the real link-local addresses, which no test may.
    pub fn strays(&self) -> Option<&'static str> {
        let texts = || self.env.values().chain(&self.config).chain(self.files.values());
        let named = |place: &str| texts().any(|text| text.contains(place));
        let relative = self.env.contains_key("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let disabled = self.env.get("AWS_EC2_METADATA_DISABLED");
        let metadata = self.fakes.contains(&Fake::Imds);
        if metadata && !["{IMDS}", "http://127.0.0.1:1"].iter().any(|place| named(place)) {
            Some("metadata is on and not pointed at the fake or a closed port")
        } else if !metadata && disabled.is_some() {
            Some("metadata may be on, and the fake is not asked for")
        } else if relative {
            Some("a relative URI leads to 169.254.170.2")
        } else if ["169.254.", "fd00:ec2:"].iter().any(|place| named(place)) {
            Some("a link-local address is named")
        } else {
            None
        }
    }
}
