//! What a role's table says.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::SessionName;
use crate::credentials::{AccountId, RoleName, SourceKind};

/// One `[[role]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Unique.
    pub name: RoleName,
    /// An explicit profile, as one chosen in code.
    pub profile: Option<String>,
    /// The sources that may be asked; `None` is all. The order is always botocore's.
    pub sources: Option<Vec<SourceKind>>,
    /// A source of the role's own, in place of the chain.
    pub own: Option<Own>,
    /// A role assumed with what the sources found.
    pub assume: Option<Assume>,
    /// Whether readiness counts it.
    pub required: bool,
    /// What to do with long-term keys.
    pub static_keys: StaticKeys,
    /// Of sessions for long-term keys; `None` where none are made: a role that is assumed has no need of them.
    pub mint: Option<Mint>,
    /// What the credentials must be.
    pub expect: Expect,
    /// Whether another identity may be adopted once nothing usable is held.
    pub allow_drift: bool,
    /// Whether metadata credentials are served past their expiry while the service is down.
    pub imds_extend: bool,
    /// The only tokens that open this role; empty is the main one.
    pub tokens: Vec<PathBuf>,
    /// The only users that may ask for it; `None` is all.
    pub allow: Option<Vec<u32>>,
    /// Replaces all `AWS_*` and `BOTO_CONFIG` of the chain's environment.
    pub env: Option<Vars>,
}

impl Role {
    /// A role with nothing said but its name.
    #[must_use]
    pub fn named(name: RoleName) -> Self {
        Self {
            name,
            profile: None,
            sources: None,
            own: None,
            assume: None,
            required: true,
            static_keys: StaticKeys::AsIs,
            mint: None,
            expect: Expect::default(),
            allow_drift: false,
            imds_extend: true,
            tokens: Vec::new(),
            allow: None,
            env: None,
        }
    }

    /// The region that the role's own table names.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let assumed = self.assume.as_ref().and_then(|assume| assume.region.as_deref());
        let own = match &self.own {
            Some(Own::WebIdentity(identity)) => identity.region.as_deref(),
            _ => None,
        };
        assumed.or(own).or_else(|| self.mint.as_ref()?.region.as_deref())
    }
}

/// The one source of a role that has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// `process`: prints credentials.
    Process(Argv),
    /// `web_identity`: a token that is exchanged for a role's credentials.
    WebIdentity(WebIdentity),
}

impl Own {
    /// The word for it.
    #[must_use]
    pub const fn kind(&self) -> SourceKind {
        match self {
            Self::Process(_) => SourceKind::RoleProcess,
            Self::WebIdentity(_) => SourceKind::RoleWebIdentity,
        }
    }
}

/// `web_identity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The role that the token is good for.
    pub role_arn: String,
    /// Where a token comes from.
    pub token: Token,
    /// The same across refreshes; `None` is `keyfob-NAME`.
    pub session_name: Option<SessionName>,
    /// 15 minutes to 12 hours.
    pub duration: Option<Duration>,
    /// Whose STS is asked.
    pub region: Option<String>,
    /// JSON: what the session may do at most.
    pub policy: Option<String>,
}

/// Where a web identity's token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Somebody else writes it.
    File(PathBuf),
    /// Printed anew for each refresh.
    Process(Argv),
}

/// A program and its arguments, which can be secrets: `Debug` shows the program only.
#[derive(Clone, PartialEq, Eq)]
pub struct Argv(pub Vec<String>);

impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.0.first().map_or("", String::as_str);
        match self.0.len() {
            0 | 1 => f.write_str(program),
            2 => write!(f, "{program} and an argument (not shown)"),
            count => write!(f, "{program} and {} arguments (not shown)", count - 1),
        }
    }
}

impl fmt::Debug for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Variables of a role's own. Their values can be secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Vars(pub BTreeMap<String, String>);

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `role_arn` and what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assume {
    /// The role to assume.
    pub role_arn: String,
    /// Shared with the role's owner; not printed all the same.
    pub external_id: Option<String>,
    /// The same across refreshes; `None` is `keyfob-NAME`.
    pub session_name: Option<SessionName>,
    /// 15 minutes to 12 hours.
    pub duration: Option<Duration>,
    /// Whose STS is asked.
    pub region: Option<String>,
    /// JSON: what the session may do at most.
    pub policy: Option<String>,
    /// Of the session.
    pub tags: BTreeMap<String, String>,
    /// Keys of those that go along when the session assumes a further role.
    pub transitive_tags: Vec<String>,
    /// Stays with the session through every further role.
    pub source_identity: Option<String>,
}

/// `static_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticKeys {
    /// Serve them, and say what that means.
    AsIs,
    /// Serve a session that they are exchanged for (`sts:GetSessionToken`).
    Mint,
    /// Never serve them.
    Refuse,
}

/// How sessions are asked for with `static_keys = "mint"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mint {
    /// 15 minutes to 12 hours; `None` is AWS's own 12 hours.
    pub duration: Option<Duration>,
    /// Whose STS is asked.
    pub region: Option<String>,
}

/// `expect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The only account.
    pub account: Option<AccountId>,
    /// The only sources.
    pub sources: Option<Vec<SourceKind>>,
}
