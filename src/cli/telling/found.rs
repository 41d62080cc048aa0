//! What was found, as it may be shown: a table.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::when;
use crate::cli::terminal::Manner;
use crate::clock::stamp;
use crate::credentials::{Credentials, SourceKind};
use crate::server::status::RoleStatus;

/// Credentials, as they may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The source that gave them.
    pub source: Option<String>,
    /// Whose they are, if the source said so.
    pub account: Option<String>,
    /// Last four characters of the key id.
    pub key_suffix: Option<String>,
    /// Their own expiry.
    pub expires_at: Option<String>,
    /// When an agent looks again.
    pub next_refresh: Option<String>,
}

impl Found {
    /// What a walk that no agent made gave.
    #[must_use]
    pub fn here(source: Option<SourceKind>, found: &Credentials) -> Self {
        Self {
            source: source.map(|source| source.to_string()),
            account: found.account_id.as_ref().map(ToString::to_string),
            key_suffix: Some(found.key_suffix()),
            expires_at: found.expires_at.map(stamp),
            next_refresh: None,
        }
    }

    /// What an agent serves for a role.
    #[must_use]
    pub fn of(role: &RoleStatus) -> Option<Self> {
        let RoleStatus { source, account, key_suffix, expires_at, next_refresh, .. } = role.clone();
        role.usable.then_some(Self { source, account, key_suffix, expires_at, next_refresh })
    }

    /// A row each: source, identity, expiry, the next look.
    pub(super) fn table(&self, manner: Manner, now: SystemTime) -> String {
        let more = if manner.unicode { "…" } else { "..." };
        let account = self.account.as_ref().map(|account| format!("account {account}"));
        let key = self.key_suffix.as_ref().map(|suffix| format!("key {more}{suffix}"));
        let identity = account.into_iter().chain(key).collect::<Vec<_>>().join(", ");
        let expiry = self.expires_at.as_deref();
        let expiry = expiry.map_or("none".to_owned(), |at| format!("{} ({at})", when(at, now)));
        let rows = [
            ("source", self.source.clone()),
            ("identity", Some(identity)),
            ("expiry", Some(expiry)),
            ("next refresh", self.next_refresh.as_deref().map(|at| when(at, now))),
        ];
        let rows = rows.into_iter().filter_map(|(name, value)| Some((name, value?)));
        rows.filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("  {name:<13} {value}\n"))
            .collect()
    }
}
