//! What is told of steps beside their sentence: how many there were, and what was seen, looked at and asked.

use std::collections::BTreeSet;

use crate::cli::layout::{filled, hanging};
use crate::server::status::{CallStatus, Step};

/// The longest name of a source among a step and its hops.
pub(super) fn longest(step: &Step, depth: usize) -> usize {
    let hops = step.hops.iter().map(|hop| longest(hop, depth + 1)).max().unwrap_or_default();
    hops.max(step.source.chars().count() + 2 * depth)
}

/// Whether one sentence says what the other does.
pub(super) fn same_words(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// How many sources were asked and what became of them.
pub(super) fn counted(steps: &[Step]) -> String {
    let failed = steps.iter().filter(|step| step.outcome == "failed").count();
    let consulted = steps.iter().filter(|step| step.source != "profile" || step.outcome == "failed").count();
    let is_blocked = |step: &&Step| step.failure.as_ref().is_some_and(|failure| failure.code == "KF-POLICY");
    let blocked = steps.iter().filter(is_blocked).count();
    let sources = if consulted == 1 { "source" } else { "sources" };
    let blocked = if blocked == 0 { String::new() } else { format!(", {blocked} blocked by policy") };
    format!("{consulted} {sources} consulted, {failed} failed{blocked}")
}

/// What was seen, looked at and asked, each once; what the sentence or a request says already is not said again.
pub(super) fn details(steps: &[&Step], indent: usize, width: usize) -> Vec<String> {
    let failures = || steps.iter().filter_map(|step| step.failure.as_ref());
    let calls: Vec<&CallStatus> = steps.iter().flat_map(|step| &step.calls).collect();
    let calls: Vec<Vec<String>> = calls.chunk_by(|one, next| is_again(one, next)).filter_map(call).collect();
    let in_a_call = |fact: &str| {
        let value = fact.strip_prefix("status=").or(fact.strip_prefix("code="));
        let value = value.or(fact.strip_prefix("request_id="));
        value.is_some_and(|value| calls.iter().flatten().any(|piece| piece.contains(value)))
    };
    let mut said = BTreeSet::new();
    let facts = failures().flat_map(|failure| &failure.evidence).filter(|fact| !in_a_call(fact));
    let facts: Vec<&String> = facts.filter(|fact| said.insert(fact.as_str())).collect();
    let (short, long): (Vec<&String>, Vec<&String>) =
        facts.into_iter().partition(|fact| !fact.contains('\n'));
    let told = |look: &&String| failures().any(|failure| look.contains(&failure.message));
    let looks = steps.iter().flat_map(|step| &step.looks).filter(|look| !told(look));
    let looks: Vec<&String> = looks.filter(|look| said.insert(look.as_str())).collect();
    let short = (!short.is_empty()).then(|| filled(short, "   ", indent, indent, width));
    let rest = long.into_iter().chain(looks).map(|line| hanging(line, indent, indent, width));
    let calls = calls.iter().map(|call| filled(call, " ", indent, indent, width));
    short.into_iter().chain(rest).chain(calls).collect()
}

/// Whether a request was made once more and ended the same way, without an answer that could be asked for.
fn is_again(one: &CallStatus, next: &CallStatus) -> bool {
    let told = |call: &CallStatus| CallStatus { took_ms: 0, ..call.clone() };
    one.request_id.is_none() && told(one) == told(next)
}

/// Pieces that stay whole: `AssumeRole`, the address, `403 AccessDenied`, `212 ms`, the request's id, `5 times`.
fn call(calls: &[&CallStatus]) -> Option<Vec<String>> {
    let call = calls.first()?;
    let ended = match (call.status, &call.code, &call.error) {
        (Some(status), Some(code), _) => vec![format!("{status} {code},")],
        (Some(status), None, _) => vec![format!("{status},")],
        (None, _, Some(error)) => format!("{error},").split_whitespace().map(str::to_owned).collect(),
        (None, _, None) => vec!["no answer,".to_owned()],
    };
    let begun = [call.operation.clone(), format!("{}:", call.url)];
    let took = format!("{} ms", calls.iter().map(|call| call.took_ms).sum::<u64>());
    let times = (calls.len() > 1).then(|| format!("in {} tries", calls.len()));
    let request = call.request_id.as_ref().map(|id| format!("(request id {id})"));
    Some(begun.into_iter().chain(ended).chain([took]).chain(times).chain(request).collect())
}
