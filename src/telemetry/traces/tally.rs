//! How many spans went out and how many were lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why spans were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// There was no room for them.
    QueueFull,
    /// The collector could not be reached, or was not well, for too long.
    Unreachable,
    /// The collector did not want them.
    Refused,
    /// The process ended first.
    Shutdown,
}

impl Loss {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::Unreachable, Self::Refused, Self::Shutdown];

    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The count, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<(u64, BTreeMap<Loss, u64>)>>);

impl Tally {
    /// These arrived.
    pub fn exported(&self, spans: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 += spans;
    }

    /// These will not.
    pub fn dropped(&self, why: Loss, spans: u64) {
        if spans > 0 {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).1.entry(why).or_default() += spans;
        }
    }

    /// What arrived, and what did not.
    #[must_use]
    pub fn now(&self) -> (u64, BTreeMap<Loss, u64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
