//! Which roles there are, and where to read each: data that is swapped whole when the configuration changes.

use std::collections::BTreeMap;

use crate::config::Role;
use crate::credentials::RoleName;
use crate::keeper::Handle;

/// One role that is kept.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As configured.
    pub role: Role,
    /// Where to read it.
    pub handle: Handle,
}

/// All roles that are kept.
#[derive(Clone, Debug, Default)]
pub struct Roster(BTreeMap<RoleName, Entry>);

impl Roster {
    /// These roles.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry.role.name.clone(), entry)).collect())
    }

    /// The role of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// The role that is meant when none is named: `default`, or the only one.
    #[must_use]
    pub fn unnamed(&self) -> Option<&Entry> {
        let only = || self.0.values().next().filter(|_| self.0.len() == 1);
        self.find("default").or_else(only)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }
}
