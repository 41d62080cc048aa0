//! A snapshot of the environment: the only reader of the process's own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Vars;

/// Variables as one role's chain sees them. Values can be secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The process's environment. Bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// The value, empty or not.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value unless it is empty.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// This environment with all `AWS_*` and `BOTO_CONFIG` replaced by a role's own variables.
    #[must_use]
    pub fn with(&self, own: &Vars) -> Self {
        let inherited = self.0.iter().filter(|(name, _)| !name.starts_with("AWS_") && *name != "BOTO_CONFIG");
        let all = inherited.chain(&own.0);
        Self(all.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// This environment without those variables.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The home folder as Python's `expanduser` finds it: `HOME`, else the password file.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        if let Some(home) = self.get("HOME") {
            return Some(home.into());
        }
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::current()).ok()??;
        Some(user.dir)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Env {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_own_variables_replace_all_of_aws() {
        let process =
            Env::from([("AWS_PROFILE", "prod"), ("BOTO_CONFIG", "/b"), ("HOME", "/h"), ("PATH", "/bin")]);
        let own = Vars([("AWS_CONFIG_FILE".to_owned(), "/c".to_owned())].into());
        let seen = process.with(&own);
        assert_eq!(seen, Env::from([("AWS_CONFIG_FILE", "/c"), ("HOME", "/h"), ("PATH", "/bin")]));
    }

    #[test]
    fn debug_shows_no_value() {
        let text = format!("{:?}", Env::from([("AWS_SECRET_ACCESS_KEY", "wJalr")]));
        assert!(text.contains("AWS_SECRET_ACCESS_KEY") && !text.contains("wJalr"));
    }
}
