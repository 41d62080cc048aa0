//! Joins the two AWS files into profiles, as botocore's `load_config` and `Session.full_config` do.
//!
//! A profile is `[profile NAME]` or `[default]` in the config file and plainly `[NAME]` in the credentials file; where
//! both files have a key, the credentials file's wins. Every value remembers the file and line it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::ini::{Entry, Ini, Section, Value};
use crate::cause;
use crate::failure::Failure;
use crate::source::text::shell_words;

/// Both files, joined.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    by_name: BTreeMap<String, Profile>,
    services: BTreeMap<String, Profile>,
    sso_sessions: BTreeMap<String, Profile>,
}

/// The settings of one profile or other section.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    settings: BTreeMap<String, Setting>,
}

/// One value, with its place.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it says.
    pub value: Value,
    /// The file it stands in.
    pub file: Arc<Path>,
    /// The line of its key, counted from 1.
    pub line: usize,
}

impl Profiles {
    /// The profiles of the config file, alone.
    #[must_use]
    pub fn of_config(ini: &Ini, file: &Arc<Path>) -> Self {
        let mut all = Self::default();
        for section in &ini.sections {
            all.place(section, file);
        }
        all
    }

    /// Adds what the credentials file says, which wins.
    pub fn add_credentials(&mut self, ini: &Ini, file: &Arc<Path>) {
        for section in &ini.sections {
            let profile = self.by_name.entry(section.name.clone()).or_default();
            profile.settings.extend(Profile::of(section, file).settings);
        }
    }

    /// botocore looks at how the name begins, then for exactly two words: `[profilex y]` is the profile y, and
    /// `[profile a b]` is nothing.
    fn place(&mut self, section: &Section, file: &Arc<Path>) {
        let name = section.name.as_str();
        let (map, two_words) = if name.starts_with("profile") {
            (&mut self.by_name, true)
        } else if name.starts_with("sso-session") {
            (&mut self.sso_sessions, true)
        } else if name.starts_with("services") {
            (&mut self.services, true)
        } else if name == "default" {
            (&mut self.by_name, false)
        } else {
            return;
        };
        let key = if two_words { second_of_two(name) } else { Some(name.to_owned()) };
        if let Some(key) = key {
            // A later section of the same name replaces the earlier one whole.
            map.insert(key, Profile::of(section, file));
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.by_name.get(name)
    }

    /// The section `[services NAME]`.
    #[must_use]
    pub fn services(&self, name: &str) -> Option<&Profile> {
        self.services.get(name)
    }

    /// The section `[sso-session NAME]`.
    #[must_use]
    pub fn sso_session(&self, name: &str) -> Option<&Profile> {
        self.sso_sessions.get(name)
    }

    /// The names of all profiles.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

fn second_of_two(name: &str) -> Option<String> {
    let mut words = shell_words(name).ok()?.into_iter();
    let (_, second) = (words.next()?, words.next()?);
    words.next().is_none().then_some(second)
}

impl Profile {
    /// The settings of one section of one file.
    #[must_use]
    pub fn of(section: &Section, file: &Arc<Path>) -> Self {
        let setting =
            |entry: &Entry| Setting { value: entry.value.clone(), file: Arc::clone(file), line: entry.line };
        Self { settings: section.entries.iter().map(|(key, entry)| (key.clone(), setting(entry))).collect() }
    }

    /// Whether nothing stands there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// All settings, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    /// Whether the key stands there, with whatever value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    /// The setting of that key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// The value of that key, possibly empty.
    ///
    /// # Errors
    /// An indented block where text is wanted: botocore stumbles over that in various ways, always with an error.
    pub fn text(&self, key: &str) -> Result<Option<&str>, Failure> {
        self.settings.get(key).map(|setting| setting.text(key)).transpose()
    }

    /// The text of that key; an indented block counts as nothing.
    #[must_use]
    pub fn plain(&self, key: &str) -> Option<&str> {
        self.text(key).ok().flatten()
    }

    /// Whether any of the two static keys stands there.
    #[must_use]
    pub fn has_static_key(&self) -> bool {
        self.has("aws_access_key_id") || self.has("aws_secret_access_key")
    }

    /// `a role is to be assumed with other credentials`: web identity with a `role_arn` is another source.
    #[must_use]
    pub fn assumes_role(&self) -> bool {
        self.has("role_arn") && !self.has("web_identity_token_file")
    }
}

impl Setting {
    /// The value as text.
    ///
    /// # Errors
    /// An indented block.
    pub fn text(&self, key: &str) -> Result<&str, Failure> {
        match &self.value {
            Value::Text(text) => Ok(text),
            Value::Nested(_) => {
                let context = format!("{self}: {key} is an indented block where text is wanted");
                Err(Failure::misconfigured(&cause::PROFILE_VALUE, context))
            }
        }
    }

    /// A value inside an indented block.
    #[must_use]
    pub fn inner(&self, key: &str) -> Option<&str> {
        match &self.value {
            Value::Nested(block) => block.get(key).map(|text| text.as_str()),
            Value::Text(_) => None,
        }
    }
}

/// The place: `path:line`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
