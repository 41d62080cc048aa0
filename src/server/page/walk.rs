//! The last walk, source by source: what was found, why not, what was looked at and asked.

use std::time::SystemTime;

use super::{relative, remedy};
use crate::server::html::Html;
use crate::server::status::{CallStatus, FailureStatus, RoleStatus, Step, Walk};

/// The whole walk, to be opened.
pub(super) fn steps(html: &mut Html, role: &RoleStatus, walk: &Walk, open: bool, now: SystemTime) {
    html.put("<details id=\"walk-").text(&role.name).put("\"").put(if open { " open" } else { "" });
    html.put("><summary>The last walk, step by step: ");
    relative(html, &walk.started_at, now);
    html.put(", ")
        .text(&walk.took_ms.to_string())
        .put(" ms (")
        .text(&walk.trigger)
        .put(")</summary>\n<ol>\n");
    let told = walk.failure.as_ref().map_or("", |failure| failure.code.as_str());
    for one in &walk.attempts {
        step(html, one, told, now);
    }
    html.put("</ol>\n<p><small>Trace <code>").text(&walk.trace_id).put("</code></small></p>\n</details>\n");
}

/// One source; what was `told` above is not said again.
fn step(html: &mut Html, step: &Step, told: &str, now: SystemTime) {
    let asked = step.failure.as_ref().is_some_and(|failure| failure.kind != "not_configured");
    html.put(match step.outcome.as_str() {
        "provided" => "<li><span class=\"sign good\" role=\"img\" aria-label=\"provided\">✓</span>",
        "failed" => "<li><span class=\"sign bad\" role=\"img\" aria-label=\"failed\">✗</span>",
        _ if asked => "<li><span class=\"sign warn\" role=\"img\" aria-label=\"no use\">!</span>",
        _ => "<li class=\"skipped\"><span class=\"sign\" role=\"img\" aria-label=\"skipped\">–</span>",
    });
    html.put("<code class=\"code\">").text(&step.source).put("</code> ");
    // A step within says the same, and what it looked at.
    let within = step.hops.iter().any(|hop| hop.failure == step.failure);
    match (&step.failure, &step.expires_at) {
        (Some(_), _) if asked && within => _ = html.put("failed on the way:"),
        (Some(failure), _) => _ = html.text(&failure.message),
        (None, Some(at)) => relative(html.put("credentials, expiry "), at, now),
        (None, None) => _ = html.put("credentials without expiry"),
    }
    if let Some(failure) = step.failure.as_ref().filter(|_| asked && !within) {
        html.put(" <code class=\"code\">").text(&failure.code).put("</code>");
        notes(html, step, failure);
        if failure.code != told
            && let Some(fix) = failure.fix.first()
        {
            html.put("<dl class=\"say\">");
            remedy(html, "fix", fix);
            html.put("</dl>");
        }
    }
    step.calls.iter().for_each(|one| note(html, &call(one)));
    if !step.hops.is_empty() && (asked || step.failure.is_none()) {
        html.put("\n<ol>\n");
        step.hops.iter().for_each(|hop| self::step(html, hop, told, now));
        html.put("</ol>");
    }
    html.put("</li>\n");
}

fn notes(html: &mut Html, step: &Step, failure: &FailureStatus) {
    let looked = step.looks.iter().filter(|look| !look.contains(&failure.message));
    failure.evidence.iter().chain(looked).for_each(|line| note(html, line));
}

fn note(html: &mut Html, line: &str) {
    html.put("<p class=\"note\">").text(line).put("</p>");
}

fn call(call: &CallStatus) -> String {
    let status = call.status.map(|status| status.to_string());
    let error = call.error.clone().filter(|_| status.is_none());
    let ended: Vec<String> = [status, call.code.clone(), error].into_iter().flatten().collect();
    let ended = if ended.is_empty() { "no answer".to_owned() } else { ended.join(" ") };
    let request = call.request_id.as_ref().map(|id| format!(" (request id {id})")).unwrap_or_default();
    format!("{} {}: {ended}, {} ms{request}", call.operation, call.url, call.took_ms)
}
