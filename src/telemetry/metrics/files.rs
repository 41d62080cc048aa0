//! Files that are followed, and tokens in them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::seconds;
use crate::file::{Change, Kind};
use crate::report::{Resolution, TokenKind, Trigger};
use crate::telemetry::family::{Family, Number, Value};
use crate::telemetry::labels::{FAILURE, SUCCESS};
use crate::telemetry::names;

pub(super) struct Files {
    watched: Family<Number>,
    events: Family<Counter>,
    reloads: Family<Counter>,
    up: Family<Number>,
    tokens: Family<Number>,
}

impl Files {
    pub(super) fn register(r: &mut Registry) -> Self {
        Self {
            watched: Family::register(r, &names::WATCHED, Number::default),
            events: Family::register(r, &names::FILE_EVENTS, Counter::default),
            reloads: Family::register(r, &names::FILE_RELOADS, Counter::default),
            up: Family::register(r, &names::WATCH_UP, Number::default),
            tokens: Family::register(r, &names::TOKEN_EXPIRATION, Number::default),
        }
    }

    /// So many files are followed; those of other kinds are not.
    pub(super) fn watching(&self, files: &[(Kind, usize)], events: bool) {
        for kind in Kind::ALL {
            let label = Value::Word(kind.as_str());
            let count = files.iter().find(|(known, _)| *known == kind).map(|(_, count)| *count);
            // No agent follows more than fit in 32 bits.
            let count = count.map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            self.watched.show(&label, count);
            self.up.show(&label, count.map(|_| f64::from(u8::from(events))));
        }
    }

    pub(super) fn changed(&self, kind: Kind, change: Change) {
        let labels = [kind.as_str().into(), change.as_str().into()];
        self.events.with(&labels, |count| _ = count.inc());
    }

    /// A file of our own was read again. What is wrong with it has a place and no cause: the log says it.
    pub(super) fn reread(&self, kind: Kind, good: bool) {
        self.reloaded(kind, if good { SUCCESS } else { FAILURE }, "");
    }

    /// A walk read its files again, if it was started by one of them.
    pub(super) fn walked(&self, walk: &Resolution, outcome: &'static str, reason: &'static str) {
        let Trigger::FileChange(changed) = &walk.trigger else { return };
        let kind = walk.inputs().find(|(_, path, _)| *path == changed).map(|(kind, ..)| kind);
        if let Some(kind) = kind {
            self.reloaded(kind, outcome, reason);
        }
    }

    fn reloaded(&self, kind: Kind, outcome: &'static str, reason: &'static str) {
        let labels = [kind.as_str().into(), outcome.into(), reason.into()];
        self.reloads.with(&labels, |count| _ = count.inc());
    }

    /// These are the earliest ends of tokens.
    pub(super) fn tokens(&self, earliest: &BTreeMap<TokenKind, SystemTime>) {
        for kind in [TokenKind::WebIdentity, TokenKind::PodIdentity, TokenKind::Sso] {
            self.tokens.show(&kind.as_str().into(), earliest.get(&kind).copied().map(seconds));
        }
    }
}
