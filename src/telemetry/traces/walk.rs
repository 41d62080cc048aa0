//! A finished walk as spans: the walk, each source asked, each request made, with the times they had.

use std::borrow::Cow;

use hyper::Uri;

use super::choice::Story;
use super::span::{Kind, Link, Parent, Span, nth_of, root_of};
use crate::failure::Failure;
use crate::http;
use crate::report::{Attempt, Call, Outcome, Resolution, SpanId};
use crate::telemetry::labels;

/// The spans of a walk, the walk's own first. `failure` is why its answer was not taken.
pub(super) fn spans(walk: &Resolution, failure: Option<&Failure>, story: &Story) -> Vec<Span> {
    let mut tree = Tree { walk, spans: Vec::new() };
    let mut root = tree.span("credentials.resolve", Kind::Internal, None);
    (root.start, root.took) = (walk.started, walk.took);
    root.set("keyfob.role", walk.role.as_str());
    root.set("keyfob.trigger", walk.trigger.as_str());
    root.set_some("keyfob.source", walk.winner().map(|source| source.as_str()));
    root.set("keyfob.attempt", story.attempt);
    if story.repeats > 0 {
        root.set("keyfob.repeat_count", story.repeats);
    }
    if story.recovered {
        root.set("keyfob.recovered", true);
    }
    if let Some(failure) = failure {
        root.set("error.type", failure.cause.code);
        root.set("keyfob.fix", failure.fix());
        root.error = Some(failure.context.clone());
    }
    root.links.extend(story.first.map(|first| Link::to(first, "first_failure")));
    tree.spans.push(root);
    for attempt in &walk.attempts {
        tree.attempt(attempt, root_of(walk.trace));
    }
    tree.spans
}

struct Tree<'a> {
    walk: &'a Resolution,
    spans: Vec<Span>,
}

impl Tree<'_> {
    fn span(&self, name: impl Into<Cow<'static, str>>, kind: Kind, parent: Option<SpanId>) -> Span {
        let id = nth_of(self.walk.trace, self.spans.len() as u64);
        let mut span = Span::new(name, kind, self.walk.trace, id);
        span.parent = parent.map(|id| Parent { id, remote: false });
        span
    }

    fn attempt(&mut self, attempt: &Attempt, parent: SpanId) {
        let name = format!("credentials.source {}", attempt.source);
        let mut span = self.span(name, Kind::Internal, Some(parent));
        (span.start, span.took) = (attempt.started, attempt.took);
        span.set("keyfob.source", attempt.source.as_str());
        match &attempt.outcome {
            Outcome::Provided { .. } => span.set("keyfob.source.result", "found"),
            // The chain went on: nothing that went wrong here is an error of the walk.
            Outcome::Skipped(failure) => {
                let (result, reason) = labels::skipped(failure);
                span.set("keyfob.source.result", result);
                span.set_some("keyfob.source.reason", Some(reason).filter(|reason| !reason.is_empty()));
            }
            Outcome::Failed(failure) => {
                span.set("keyfob.source.result", "failed");
                span.set("error.type", failure.cause.code);
                span.error = Some(failure.context.clone());
            }
        }
        let id = span.id;
        self.spans.push(span);
        for hop in &attempt.notes.hops {
            self.attempt(hop, id);
        }
        let mut before: Option<(&Call, u64)> = None;
        for call in &attempt.notes.calls {
            let again = before.filter(|(last, _)| last.operation == call.operation && last.url == call.url);
            let resent = again.map_or(0, |(_, resent)| resent + 1);
            self.call(call, attempt, resent, id);
            before = Some((call, resent));
        }
    }

    fn call(&mut self, call: &Call, attempt: &Attempt, resent: u64, parent: SpanId) {
        let url: Option<Uri> = call.url.parse().ok();
        let method = call.operation.split(' ').next().filter(|word| matches!(*word, "GET" | "PUT"));
        let template = method.map(|_| template(call, url.as_ref()));
        let name = match (method, template) {
            (Some(method), Some(template)) => format!("{method} {template}"),
            _ => format!("{}.{}", service(call.service), call.operation),
        };
        let mut span = self.span(name, Kind::Client, Some(parent));
        (span.start, span.took) = (call.started, call.took);
        if template.is_none() {
            span.set("rpc.system.name", "aws-api");
            span.set("rpc.system", "aws-api");
            span.set("rpc.service", service(call.service));
            span.set("rpc.method", call.operation);
            let region = url.as_ref().and_then(region_of).or(attempt.notes.region.as_deref());
            span.set_some("cloud.region", region.or(self.walk.region()));
        }
        span.set("http.request.method", method.unwrap_or("POST"));
        span.set_some("url.template", template);
        span.set_some("server.address", url.as_ref().map(http::bare_host));
        span.set_some("server.port", url.as_ref().and_then(http::port));
        span.set_some("http.response.status_code", call.status);
        span.set_some("aws.request_id", call.request_id.as_deref());
        if resent > 0 {
            span.set("http.request.resend_count", resent);
        }
        if let Some((kind, sentence)) = trouble(call) {
            span.set("error.type", kind);
            span.error = Some(sentence);
        }
        self.spans.push(span);
    }
}

/// What was wrong with a call: how far it came without an answer, else AWS's word, else the status.
fn trouble(call: &Call) -> Option<(String, String)> {
    if let Some(error) = &call.error {
        // The conventions' word for an error that has none of its own.
        return Some((call.broke_at.unwrap_or("_OTHER").to_owned(), error.clone()));
    }
    let status = call.status.filter(|status| *status >= 400)?.to_string();
    let kind = call.code.clone().unwrap_or_else(|| status.clone());
    Some((kind, format!("answered {status}")))
}

/// As AWS's own service ids are written.
fn service(name: &str) -> &str {
    match name {
        "sts" => "STS",
        "sso" => "SSO",
        "sso_oidc" => "SSO OIDC",
        "signin" => "Signin",
        "roles_anywhere" => "RolesAnywhere",
        other => other,
    }
}

/// The path without what differs from one machine to the next.
fn template(call: &Call, url: Option<&Uri>) -> &'static str {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let path = url.map_or("", Uri::path);
    match call.service {
        "imds" if path.ends_with(ROLES) => ROLES,
        "imds" if path.contains(ROLES) => "/latest/meta-data/iam/security-credentials/{role}",
        "imds" if path.contains("/latest/api/token") => "/latest/api/token",
        "imds" if path.contains("/placement/region") => "/latest/meta-data/placement/region",
        "imds" if path.contains("/placement/availability-zone") => {
            "/latest/meta-data/placement/availability-zone/"
        }
        // ECS tells tasks apart by it.
        "container" if path.starts_with("/v2/credentials/") => "/v2/credentials/{id}",
        "container" if path == "/v1/credentials" => "/v1/credentials",
        "sso" => "/federation/credentials",
        "sso_oidc" => "/token",
        "signin" => "/v1/token",
        _ => "{path}",
    }
}

/// `sts.eu-west-1.amazonaws.com`, `portal.sso.…`, `oidc.…`, each also with `-fips`; `eu-west-1.signin.aws.amazon.com`.
fn region_of(url: &Uri) -> Option<&str> {
    let mut labels = url.host()?.split('.');
    let (first, second) = (labels.next()?, labels.next()?);
    let region = match first {
        "portal" => labels.next()?,
        _ if second == "signin" => first,
        _ if ["sts", "oidc", "signin"].iter().any(|service| first.starts_with(service)) => second,
        _ => return None,
    };
    let regional = region.contains('-') && region.ends_with(|last: char| last.is_ascii_digit());
    regional.then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_the_hosts_of_aws() {
        for (host, region) in [
            ("sts.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("sts-fips.us-gov-west-1.api.aws", Some("us-gov-west-1")),
            ("portal.sso.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("portal.sso-fips.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("oidc.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("eu-west-1.signin.aws.amazon.com", Some("eu-west-1")),
            ("signin-fips.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sts.amazonaws.com", None),
            ("portal.example.com", None),
            ("127.0.0.1", None),
            ("localhost", None),
        ] {
            assert_eq!(region_of(&format!("https://{host}/").parse().unwrap()), region, "{host}");
        }
    }
}
