//! What is found and served: credentials, where they came from, and the names they are kept under.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::secret::Secret;

/// One set of AWS credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Not secret, yet shown by its last four characters only.
    pub access_key_id: String,
    /// Signs requests.
    pub secret_access_key: Secret,
    /// Present for temporary credentials.
    pub session_token: Option<Secret>,
    /// Absent for long-term keys and for sources that name none.
    pub expires_at: Option<SystemTime>,
    /// As the source named it; never guessed from the key id.
    pub account_id: Option<AccountId>,
    /// The role these are a session of, where the source says so.
    pub role_arn: Option<String>,
}

impl Credentials {
    /// Whether the credentials are past their expiry (botocore: expired from the very second on).
    #[must_use]
    pub fn expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Life left; `None` for credentials without expiry, zero when past it.
    #[must_use]
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        self.expires_at.map(|at| at.duration_since(now).unwrap_or_default())
    }

    /// Long-term keys carry no session token; an empty one counts as none.
    #[must_use]
    pub fn is_long_term(&self) -> bool {
        self.expires_at.is_none() && self.session_token.as_ref().is_none_or(Secret::is_empty)
    }

    /// The last four characters of the key id: enough to recognise it, safe to print.
    #[must_use]
    pub fn key_suffix(&self) -> String {
        suffix(&self.access_key_id)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &format_args!("…{}", self.key_suffix()))
            .field("expires_at", &self.expires_at)
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}

/// The last four characters of a key id, or nothing of one too short to hide.
#[must_use]
pub fn suffix(key_id: &str) -> String {
    let count = key_id.chars().count();
    if count < 8 { String::new() } else { key_id.chars().skip(count - 4).collect() }
}

/// An AWS account number as a source named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// Takes any text that is not empty: sources are not consistent enough to insist on twelve digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The account field of an ARN (`arn:partition:service:region:ACCOUNT:resource`), if it has one.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut fields = arn.splitn(6, ':');
        (fields.next() == Some("arn")).then_some(())?;
        let account = fields.nth(3)?;
        fields.next()?;
        Self::parse(account)
    }

    /// The number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configured name under which one set of credentials is kept: `[A-Za-z0-9._-]`, 1 to 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// The name if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        (fits && plain).then(|| Self(text.into()))
    }

    /// The role that exists without any configuration.
    #[must_use]
    pub fn default_role() -> Self {
        Self("default".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that a map of roles is searched by text.
impl std::borrow::Borrow<str> for RoleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where credentials can come from, in the order botocore asks (`create_credential_resolver`), then our own.
/// The order of the variants is the order of the chain: "higher" means earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// The AWS files themselves: read, merged and the profile chosen, before any source is asked.
    Profile,
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Env,
    /// A profile with `role_arn`.
    ProfileAssumeRole,
    /// A profile with `web_identity_token_file`.
    ProfileWebIdentity,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    WebIdentity,
    /// A profile with `sso_account_id` or `sso_role_name`.
    Sso,
    /// Keys in the credentials file.
    StaticFile,
    /// A profile with `login_session`.
    Login,
    /// A profile with `credential_process`.
    Process,
    /// Keys in the config file.
    StaticConfig,
    /// `AWS_CREDENTIAL_FILE` and the files of boto 2.
    BotoFile,
    /// An ECS-style container endpoint.
    Container,
    /// The same protocol at the addresses of EKS Pod Identity.
    EksPodIdentity,
    /// EC2 instance metadata.
    Imds,
    /// A command of our own configuration.
    RoleProcess,
    /// A web identity of our own configuration.
    RoleWebIdentity,
    /// IAM Roles Anywhere.
    RolesAnywhere,
}

impl SourceKind {
    /// All kinds, in chain order.
    pub const ALL: [Self; 17] = [
        Self::Profile,
        Self::Env,
        Self::ProfileAssumeRole,
        Self::ProfileWebIdentity,
        Self::WebIdentity,
        Self::Sso,
        Self::StaticFile,
        Self::Login,
        Self::Process,
        Self::StaticConfig,
        Self::BotoFile,
        Self::Container,
        Self::EksPodIdentity,
        Self::Imds,
        Self::RoleProcess,
        Self::RoleWebIdentity,
        Self::RolesAnywhere,
    ];

    /// The name in configuration, labels, JSON and text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Env => "env",
            Self::ProfileAssumeRole => "profile_assume_role",
            Self::ProfileWebIdentity => "profile_web_identity",
            Self::WebIdentity => "web_identity",
            Self::Sso => "sso",
            Self::StaticFile => "static_file",
            Self::Login => "login",
            Self::Process => "process",
            Self::StaticConfig => "static_config",
            Self::BotoFile => "boto_file",
            Self::Container => "container",
            Self::EksPodIdentity => "eks_pod_identity",
            Self::Imds => "imds",
            Self::RoleProcess => "role_process",
            Self::RoleWebIdentity => "role_web_identity",
            Self::RolesAnywhere => "roles_anywhere",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether the kind is something a profile says (`profile` in a list of sources stands for these).
    #[must_use]
    pub const fn of_profile(self) -> bool {
        matches!(
            self,
            Self::Profile
                | Self::ProfileAssumeRole
                | Self::ProfileWebIdentity
                | Self::Sso
                | Self::StaticFile
                | Self::Login
                | Self::Process
                | Self::StaticConfig
        )
    }

    /// Whether asking the source is a network call, so that a failure may pass by itself.
    #[must_use]
    pub const fn of_network(self) -> bool {
        matches!(
            self,
            Self::ProfileAssumeRole
                | Self::ProfileWebIdentity
                | Self::WebIdentity
                | Self::Sso
                | Self::Login
                | Self::Container
                | Self::EksPodIdentity
                | Self::Imds
                | Self::RoleWebIdentity
                | Self::RolesAnywhere
        )
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_names_are_plain_and_short() {
        for good in ["a", "default", "web-7.x_y", &"r".repeat(64)] {
            assert!(RoleName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", "a\n", &"r".repeat(65)] {
            assert!(RoleName::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn account_is_the_fifth_field_of_an_arn() {
        let of = |arn: &str| AccountId::of_arn(arn).map(|a| a.to_string());
        assert_eq!(of("arn:aws:sts::123456789012:assumed-role/r/s").as_deref(), Some("123456789012"));
        assert_eq!(of("arn:aws:s3:::bucket"), None);
        assert_eq!(of("role/x"), None);
        assert_eq!(of("arn:aws:iam::123456789012"), None);
    }

    #[test]
    fn debug_hides_all_but_four_characters() {
        let keys = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: Secret::new("hidden"),
            session_token: Some(Secret::new("hidden")),
            expires_at: None,
            account_id: None,
            role_arn: None,
        };
        let text = format!("{keys:?}");
        assert!(text.contains("MPLE") && !text.contains("AKIA") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn every_source_has_a_name_that_parses_back() {
        for kind in SourceKind::ALL {
            assert_eq!(SourceKind::parse(kind.as_str()), Some(kind));
        }
    }
}
