//! Names of traces and spans, and the header by which a caller says that a request is part of a trace of its own.

use std::fmt;

/// Sixteen random bytes that tie a walk's log line, trace, exemplar and error body together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Eight bytes that name a span within its trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// A fresh one. Should the system have no randomness to give, all zero: "no trace" in W3C's words.
    #[must_use]
    pub fn random() -> Self {
        Self(random())
    }
}

impl SpanId {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(random())
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _none = getrandom::fill(&mut bytes);
    bytes
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// The caller's place in a trace of its own (W3C Trace Context, level 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The caller's trace.
    pub trace: TraceId,
    /// The caller's span.
    pub span: SpanId,
    /// Whether the caller keeps its trace.
    pub sampled: bool,
}

impl Traceparent {
    /// Reads `00-TRACE-SPAN-FLAGS`. Later versions may have more behind the flags; version ff is none, nor are ids of
    /// zeros or upper-case digits.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split('-');
        let version = bytes::<1>(parts.next()?)?;
        let (trace, span) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let flags = bytes::<1>(parts.next()?)?;
        let more = parts.next().is_some();
        let known = version != [0xff] && (version != [0] || !more);
        let named = trace != [0; 16] && span != [0; 8];
        let sampled = flags.iter().all(|flags| flags & 1 == 1);
        (known && named).then_some(Self { trace: TraceId(trace), span: SpanId(span), sampled })
    }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    if hex.len() != 2 * N || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_trace_is_read_as_the_standard_has_it() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = Traceparent::parse(good).unwrap();
        assert_eq!(read.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((read.span.to_string(), read.sampled), ("00f067aa0ba902b7".to_owned(), true));
        assert!(!Traceparent::parse(&good.replace("-01", "-00")).unwrap().sampled);
        assert!(Traceparent::parse(&good.replace("00-4", "01-4")).is_some());
        assert!(Traceparent::parse(&(good.replace("00-4", "01-4") + "-more")).is_some());
        let bad = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ];
        for text in bad {
            assert_eq!(Traceparent::parse(text), None, "{text}");
        }
    }
}
