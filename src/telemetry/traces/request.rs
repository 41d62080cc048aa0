//! A request that got no credentials, as a span in its caller's trace.

use std::time::SystemTime;

use super::span::{Kind, Link, Parent, Span, cut};
use crate::report::{Served, SpanId, TraceId, Traceparent};

/// The span of a request that ended at `ended`. `walk` is the trace that says why; `repeats` how many other requests
/// failed so before it.
pub(super) fn span(
    served: &Served<'_>,
    caller: Option<&Traceparent>,
    walk: Option<TraceId>,
    repeats: u64,
    ended: SystemTime,
) -> Span {
    const ROUTE: &str = "/v1/credentials/{role}";
    const NAMED: usize = 256;
    let trace = caller.map_or_else(TraceId::random, |caller| caller.trace);
    let mut span = Span::new(format!("{} {ROUTE}", served.method), Kind::Server, trace, SpanId::random());
    span.parent = caller.map(|caller| Parent { id: caller.span, remote: true });
    (span.start, span.took) = (ended.checked_sub(served.took).unwrap_or(ended), served.took);
    span.set("http.request.method", served.method);
    span.set("http.route", ROUTE);
    span.set("http.response.status_code", served.status);
    span.set("url.scheme", "http");
    span.set_some("user_agent.original", served.user_agent().map(|agent| cut(agent, NAMED)));
    span.set_some("keyfob.role", served.role.as_ref().map(|role| role.as_str()));
    if repeats > 0 {
        span.set("keyfob.repeat_count", repeats);
    }
    if let Some((cause, _)) = served.failure {
        span.set("error.type", cause.code);
        span.error = Some(cause.title.to_owned());
    }
    span.links.extend(walk.map(|walk| Link::to(walk, "resolution")));
    span
}
