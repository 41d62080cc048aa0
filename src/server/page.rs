//! `/status` for a browser: first what is wrong, why and what to do, then how each role stands and its last walk.

mod walk;

use std::time::SystemTime;

use super::html::{Html, Tone};
use super::status::{Explanation, FailureStatus, RoleStatus, State, Status, Walk};
use crate::clock::stamp;
use crate::failure::Remedy;
use crate::moment;

/// A role, and its last walk once there is one.
type Told<'a> = (&'a RoleStatus, Option<&'a Walk>);

/// The whole page; the role that needs somebody most comes first.
pub(super) fn page(status: &Status, explanations: &[Explanation], now: SystemTime) -> String {
    let mut roles: Vec<Told<'_>> =
        explanations.iter().filter_map(|one| Some((one.role.as_ref()?, one.walk.as_ref()))).collect();
    roles.sort_by_key(|(role, _)| std::cmp::Reverse(tone(role)));
    let (headline, tone) = headline(status, &roles);
    let mut html = Html::default();
    html.put("<a class=\"skip\" href=\"#page\">To the roles</a>\n<header id=\"state\">\n<small>keyfob</small>\n<h1 class=\"")
        .put(tone.class())
        .put("\">")
        .text(&headline)
        .put("</h1>\n</header>\n<p id=\"lost\" role=\"alert\" class=\"bad\" hidden>The agent does not answer: what stands here is old.</p>\n")
        .put("<main id=\"page\" tabindex=\"-1\">\n");
    problems(&mut html, status);
    // With several the causes are what matters, and shall stand close to each other.
    let alone = roles.iter().filter(|(role, _)| !role.usable).count() == 1;
    for told in roles {
        role(&mut html, told, alone && !told.0.usable, now);
    }
    agent(&mut html, status);
    let now = stamp(now);
    html.put("<p><small>As of <time id=\"now\" datetime=\"")
        .text(&now)
        .put("\">")
        .text(&whole(&now))
        .put("</time>. The page keeps itself up to date; selected text holds it.</small></p>\n</main>\n<footer>\n")
        .put("<nav aria-label=\"More of this agent\"><small><a href=\"/metrics\">Metrics</a> · <a href=\"/readyz\">Readiness</a> · ")
        .put("<code>keyfob explain</code> says the same in a terminal</small></nav>\n</footer>\n");
    html.document(&headline, tone)
}

fn headline(status: &Status, roles: &[Told<'_>]) -> (String, Tone) {
    let count = |wanted: &dyn Fn(&RoleStatus) -> bool| roles.iter().filter(|(role, _)| wanted(role)).count();
    let of = |number: usize, one: &str, many: &str| match (number, roles) {
        (1, [(role, _)]) => format!("Role \"{}\" {one}", role.name),
        (1, _) => format!("1 of {} roles {one}", roles.len()),
        (2, [_, _]) => format!("Both roles {many}"),
        _ if number == roles.len() => format!("All {number} roles {many}"),
        _ => format!("{number} of {} roles {many}", roles.len()),
    };
    let without = count(&|role| tone(role) == Tone::Bad);
    let waiting = count(&|role| role.state == State::Starting);
    let shaky = count(&|role| matches!(role.state, State::RefreshFailing | State::Extended));
    if without > 0 {
        return (of(without, "has no credentials", "have no credentials"), Tone::Bad);
    }
    if shaky > 0 {
        let text = of(
            shaky,
            "has credentials, and cannot refresh them",
            "have credentials, and cannot refresh them",
        );
        return (text, Tone::Warn);
    }
    if waiting > 0 {
        return (
            of(waiting, "is being looked for the first time", "are being looked for the first time"),
            Tone::Warn,
        );
    }
    let text = of(roles.len(), "has credentials", "have credentials");
    if status.problems.is_empty() {
        (text, Tone::Good)
    } else {
        (format!("{text}, a new configuration is refused"), Tone::Warn)
    }
}

fn tone(role: &RoleStatus) -> Tone {
    match role.state {
        State::Failing | State::Expired => Tone::Bad,
        State::Starting | State::RefreshFailing | State::Extended => Tone::Warn,
        State::Ok => Tone::Good,
    }
}

fn words(state: State) -> &'static str {
    match state {
        State::Starting => "the first walk is under way",
        State::Ok => "has credentials",
        State::RefreshFailing => "has credentials, the last refresh failed",
        State::Extended => "serves credentials past their expiry: instance metadata is down",
        State::Expired => "no credentials: those it had are expired",
        State::Failing => "no credentials",
    }
}

fn problems(html: &mut Html, status: &Status) {
    if status.problems.is_empty() {
        return;
    }
    html.put("<section class=\"is-bad\" aria-labelledby=\"problems\">\n<h2 id=\"problems\">The configuration on disk is not in force</h2>\n<ol>\n");
    for problem in &status.problems {
        html.put("<li><code>").text(&problem.at).put("</code>: ").text(&problem.is);
        html.put("; wanted ").text(&problem.want).put("</li>\n");
    }
    html.put("</ol>\n</section>\n");
}

fn role(html: &mut Html, (role, walk): Told<'_>, open: bool, now: SystemTime) {
    let tone = tone(role);
    html.put("<section class=\"is-").put(tone.class()).put("\" aria-labelledby=\"role-").text(&role.name);
    html.put("\">\n<div class=\"top\"><h2 id=\"role-").text(&role.name).put("\">").text(&role.name);
    html.put("</h2><strong class=\"").put(tone.class()).put("\">").put(words(role.state)).put("</strong>");
    if let Some(since) = &role.failing_since {
        html.put("<small>failing since ").text(&clock(since, now));
        match role.failures {
            1 => html.put(", once</small>"),
            many => html.put(", ").text(&many.to_string()).put(" times</small>"),
        };
    }
    html.put("</div>\n");
    if let Some(failure) = &role.last_failure {
        cause(html, failure);
    }
    facts(html, role, now);
    for warning in &role.warnings {
        html.put("<h3 class=\"warn\">Also know</h3>\n");
        cause(html, warning);
    }
    if let Some(walk) = walk {
        also(html, role, walk);
        walk::steps(html, role, walk, open, now);
    }
    html.put("</section>\n");
}

fn cause(html: &mut Html, failure: &FailureStatus) {
    html.put("<p class=\"cause\"><code class=\"code\">")
        .text(&failure.code)
        .put("</code> ")
        .text(&failure.message);
    html.put("</p>\n");
    reason(html, failure);
}

fn reason(html: &mut Html, failure: &FailureStatus) {
    html.put("<dl class=\"say\">\n<dt>why</dt><dd>").text(&failure.why).put("</dd>\n");
    for (index, fix) in failure.fix.iter().enumerate() {
        remedy(html, if index == 0 { "fix" } else { "or" }, fix);
    }
    html.put("</dl>\n");
}

fn remedy(html: &mut Html, word: &'static str, fix: &Remedy) {
    html.put("<dt>").put(word).put("</dt><dd>").text(&fix.text);
    if let Some(command) = &fix.command {
        html.put("<pre><code>").text(command).put("</code></pre>");
    }
    if let Some(diff) = &fix.diff {
        html.put("<pre><code>").text(fix.file.as_deref().unwrap_or_default()).put("\n").text(diff.trim_end());
        html.put("</code></pre>");
    }
    html.put("</dd>\n");
}

fn facts(html: &mut Html, role: &RoleStatus, now: SystemTime) {
    html.put("<dl>\n");
    fact(html, "source", role.source.as_deref());
    fact(html, "account", role.account.as_deref());
    moments(
        html,
        if role.state == State::Expired { "expired" } else { "expires" },
        role.expires_at.as_deref(),
        now,
    );
    if role.source.is_some() && role.expires_at.is_none() {
        fact(html, "expires", Some("never: long-term keys"));
    }
    if let Some(at) = &role.next_refresh {
        let left = moment::parse(at).filter(|at| *at > now);
        let away = left.map_or_else(|| "now".to_owned(), |at| moment::relative(at, now));
        html.put("<div><dt>next walk</dt><dd><time data-in=\"due\" datetime=\"")
            .text(at)
            .put("\">")
            .text(&away);
        html.put("</time><br><small>").text(&clock(at, now)).put("</small></dd></div>\n");
    }
    moments(html, "last success", role.last_success.as_deref(), now);
    fact(html, "key ends with", role.key_suffix.as_deref());
    fact(html, "region", role.region.as_deref());
    fact(html, "readiness", (!role.required).then_some("does not wait for it"));
    html.put("</dl>\n");
}

fn fact(html: &mut Html, name: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        html.put("<div><dt>").put(name).put("</dt><dd>").text(value).put("</dd></div>\n");
    }
}

fn moments(html: &mut Html, name: &'static str, at: Option<&str>, now: SystemTime) {
    let Some(at) = at else { return };
    html.put("<div><dt>").put(name).put("</dt><dd>");
    relative(html, at, now);
    html.put("<br><small>").text(&clock(at, now)).put("</small></dd></div>\n");
}

/// How far away it is; the script counts on.
fn relative(html: &mut Html, at: &str, now: SystemTime) {
    let away = moment::parse(at).map_or_else(|| at.to_owned(), |at| moment::relative(at, now));
    html.put("<time data-in datetime=\"").text(at).put("\">").text(&away).put("</time>");
}

fn also(html: &mut Html, role: &RoleStatus, walk: &Walk) {
    if role.last_failure.is_none() || walk.also.is_empty() {
        return;
    }
    html.put("<h3>Also worth a look</h3>\n");
    for (index, other) in walk.also.iter().enumerate() {
        html.put("<details id=\"also-").text(&index.to_string()).put("-").text(&role.name);
        html.put("\"><summary><code class=\"code\">").text(&other.code).put("</code> ").text(&other.message);
        html.put("</summary>\n");
        reason(html, other);
        html.put("</details>\n");
    }
}

fn agent(html: &mut Html, status: &Status) {
    html.put("<section aria-labelledby=\"agent\">\n<h2 id=\"agent\">The agent</h2>\n<dl>\n");
    fact(html, "version", Some(&status.version));
    fact(html, "process", Some(&status.pid.to_string()));
    fact(html, "ready", Some(if status.ready { "yes" } else { "no" }));
    fact(html, "endpoint", status.endpoint.as_deref());
    fact(html, "listens on", Some(&status.credentials_addresses.join(", ")));
    fact(html, "token's file", Some(&status.token_file.display().to_string()));
    html.put("</dl>\n</section>\n");
}

/// A moment for people; its day only where that is another one.
fn clock(at: &str, now: SystemTime) -> String {
    let today = stamp(now);
    let text = whole(at);
    match (today.get(..10), text.split_once(' ')) {
        (Some(today), Some((day, time))) if day == today => time.to_owned(),
        _ => text,
    }
}

fn whole(at: &str) -> String {
    at.replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_comes_with_its_command_and_its_change_as_text() {
        let fix = Remedy {
            text: "rename <it>".to_owned(),
            command: Some("aws sso login --profile 'a&b'".to_owned()),
            file: Some("/home/u/.aws/config".to_owned()),
            diff: Some("@@ -1 +1,1 @@\n-[prdo]\n+[prod]\n".to_owned()),
        };
        let mut html = Html::default();
        remedy(&mut html, "fix", &fix);
        let page = html.document("t", Tone::Bad);
        let said = "<dt>fix</dt><dd>rename &lt;it&gt;<pre><code>aws sso login --profile &#39;a&amp;b&#39;</code></pre>\
                    <pre><code>/home/u/.aws/config\n@@ -1 +1,1 @@\n-[prdo]\n+[prod]</code></pre></dd>";
        assert!(page.contains(said), "{page}");
    }

    #[test]
    fn a_moment_has_its_day_only_where_that_is_another() {
        let now = moment::parse("2026-11-24T10:00:00Z").unwrap();
        assert_eq!(clock("2026-11-24T09:00:01Z", now), "09:00:01 UTC");
        assert_eq!(clock("2026-11-25T09:00:01Z", now), "2026-11-25 09:00:01 UTC");
    }
}
