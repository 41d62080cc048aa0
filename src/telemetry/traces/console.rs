//! Spans as lines of JSON, for a person who tries it out.

use serde_json::{Map, Value as Json, json};

use super::span::{Kind, Span, Value};
use super::wire::nanos;

/// One line, named as OTLP names things in JSON.
pub(super) fn line(span: &Span) -> String {
    let attributes: Map<String, Json> =
        span.attributes.iter().map(|(name, value)| ((*name).to_owned(), json(value))).collect();
    let links = span.links.iter().map(|link| {
        json!({ "traceId": link.trace.to_string(), "spanId": link.span.to_string(), "keyfob.link": link.why })
    });
    let line = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "parentSpanId": span.parent.map(|parent| parent.id.to_string()),
        "name": span.name,
        "kind": match span.kind {
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
        },
        "startTimeUnixNano": nanos(span.start).to_string(),
        "endTimeUnixNano": nanos(span.start + span.took).to_string(),
        "attributes": attributes,
        "links": links.collect::<Vec<_>>(),
        "status": span.error.as_ref().map(|message| json!({ "code": "error", "message": message })),
    });
    line.to_string()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Truth(truth) => (*truth).into(),
    }
}
