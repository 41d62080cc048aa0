//! Spans as OTLP has them: the protobuf messages of a trace export, those fields of them that we use.

use std::time::SystemTime;

use prost::Message;

use super::resource::Resource;
use super::span::{Kind, Link, Span, Value};

/// Sampled; and whether the parent is another process's, said in two bits.
const SAMPLED: u32 = 0x01;
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// The body of an export.
pub(super) fn body(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let scope = Scope { name: "keyfob".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let spans = spans.iter().map(SpanMessage::from).collect();
    let of_resource = ResourceSpans {
        resource: Some(ResourceMessage {
            attributes: resource.0.iter().map(KeyValue::of_resource).collect(),
        }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
    };
    Export { resource_spans: vec![of_resource] }.encode_to_vec()
}

/// How many spans the collector did not take of an export that it took otherwise, and why.
pub(super) fn rejected(answer: &[u8]) -> (u64, String) {
    let partial = Exported::decode(answer).ok().and_then(|exported| exported.partial_success);
    let partial = partial.unwrap_or_default();
    (partial.rejected_spans.try_into().unwrap_or_default(), partial.error_message)
}

/// Nanoseconds since 1970.
pub(super) fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<ResourceMessage>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMessage {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<LinkMessage>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct LinkMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    attributes: Vec<KeyValue>,
    #[prost(fixed32, tag = "6")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// One of these: an alternative of protobuf's looks the same on the wire.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(bool, optional, tag = "2")]
    truth: Option<bool>,
    #[prost(int64, optional, tag = "3")]
    number: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Exported {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

impl From<&Span> for SpanMessage {
    fn from(span: &Span) -> Self {
        const ERROR: i32 = 2;
        let remote = span.parent.is_some_and(|parent| parent.remote);
        Self {
            trace_id: span.trace.0.to_vec(),
            span_id: span.id.0.to_vec(),
            parent_span_id: span.parent.map(|parent| parent.id.0.to_vec()).unwrap_or_default(),
            name: span.name.to_string(),
            kind: match span.kind {
                Kind::Internal => 1,
                Kind::Server => 2,
                Kind::Client => 3,
            },
            start_time_unix_nano: nanos(span.start),
            end_time_unix_nano: nanos(span.start + span.took),
            attributes: span.attributes.iter().map(|(name, value)| KeyValue::new(name, value)).collect(),
            links: span.links.iter().map(LinkMessage::from).collect(),
            status: span.error.clone().map(|message| Status { message, code: ERROR }),
            flags: SAMPLED | REMOTE_KNOWN | if remote { REMOTE } else { 0 },
        }
    }
}

impl From<&Link> for LinkMessage {
    fn from(link: &Link) -> Self {
        Self {
            trace_id: link.trace.0.to_vec(),
            span_id: link.span.0.to_vec(),
            attributes: vec![KeyValue::new("keyfob.link", &link.why.into())],
            flags: SAMPLED | REMOTE_KNOWN,
        }
    }
}

impl KeyValue {
    fn new(key: &str, value: &Value) -> Self {
        let mut any = AnyValue::default();
        match value {
            Value::Text(text) => any.text = Some(text.clone()),
            Value::Number(number) => any.number = Some(*number),
            Value::Truth(truth) => any.truth = Some(*truth),
        }
        Self { key: key.to_owned(), value: Some(any) }
    }

    fn of_resource((key, value): (&String, &Value)) -> Self {
        Self::new(key, value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::span::Parent;
    use super::*;
    use crate::report::{SpanId, TraceId};

    #[test]
    fn a_span_is_encoded_as_the_protocol_says() {
        let mut span = Span::new("n", Kind::Client, TraceId([1; 16]), SpanId([2; 8]));
        span.parent = Some(Parent { id: SpanId([3; 8]), remote: true });
        (span.start, span.took) = (SystemTime::UNIX_EPOCH + Duration::from_nanos(5), Duration::from_nanos(2));
        span.set("k", 7_u16);
        span.error = Some("e".to_owned());
        let bytes = body(&Resource::default(), &[span]);
        let spans = &Export::decode(bytes.as_slice()).unwrap().resource_spans[0].scope_spans[0].spans;
        let encoded = spans[0].encode_to_vec();
        let mut wanted = vec![0x0a, 16];
        wanted.extend([1; 16]);
        wanted.extend([0x12, 8, 2, 2, 2, 2, 2, 2, 2, 2, 0x22, 8, 3, 3, 3, 3, 3, 3, 3, 3, 0x2a, 1, b'n']);
        wanted.extend([0x30, 3, 0x39, 5, 0, 0, 0, 0, 0, 0, 0, 0x41, 7, 0, 0, 0, 0, 0, 0, 0]);
        wanted.extend([0x4a, 7, 0x0a, 1, b'k', 0x12, 2, 0x18, 7]);
        wanted.extend([0x7a, 5, 0x12, 1, b'e', 0x18, 2]);
        wanted.extend([0x85, 0x01, 0x01, 0x03, 0, 0]);
        assert_eq!(encoded, wanted);
    }

    #[test]
    fn what_the_collector_did_not_take_is_read_and_garbage_is_nothing() {
        assert_eq!(rejected(&[]), (0, String::new()));
        assert_eq!(rejected(&[0x0a, 5, 0x08, 3, 0x12, 1, b'x']), (3, "x".to_owned()));
        assert_eq!(rejected(b"<html>"), (0, String::new()));
    }
}
