//! What a span is: plain data, before anybody encodes it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::report::{SpanId, TraceId};

/// One span, finished.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<Parent>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    pub(super) start: SystemTime,
    pub(super) took: Duration,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) links: Vec<Link>,
    /// What went wrong; `None` leaves the status unset.
    pub(super) error: Option<String>,
}

/// The span that a span is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) id: SpanId,
    /// Whether another process made it.
    pub(super) remote: bool,
}

/// Which side of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Internal,
    Server,
    Client,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

/// Another trace that belongs to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// What it is to this one.
    pub(super) why: &'static str,
}

impl Span {
    /// Without attributes.
    pub(super) fn new(name: impl Into<Cow<'static, str>>, kind: Kind, trace: TraceId, id: SpanId) -> Self {
        Self {
            trace,
            id,
            parent: None,
            name: name.into(),
            kind,
            start: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            attributes: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    /// Adds an attribute.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, value.into()));
    }

    /// Adds an attribute where there is a value.
    pub(super) fn set_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        self.attributes.extend(value.map(|value| (name, value.into())));
    }
}

impl Link {
    /// To a walk's trace.
    pub(super) fn to(trace: TraceId, why: &'static str) -> Self {
        Self { trace, span: root_of(trace), why }
    }
}

/// The id of a walk's first span. It follows from the trace's, so that a link needs to remember nothing else.
pub(super) fn root_of(trace: TraceId) -> SpanId {
    nth_of(trace, 0)
}

/// The id of a walk's n-th span: unique within the trace, and never the zeros that mean "none".
pub(super) fn nth_of(trace: TraceId, n: u64) -> SpanId {
    let TraceId([a, b, c, d, e, f, g, h, ..]) = trace;
    let first = u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1 << 63;
    SpanId((first.wrapping_add(n) | 1 << 63).to_be_bytes())
}

/// Where a span ends for a reader: not in the middle of a page.
pub(super) fn cut(text: &str, room: usize) -> String {
    text.chars().take(room).collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        const ROOM: usize = 1024;
        Self::Text(cut(text, ROOM))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}
