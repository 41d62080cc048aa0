//! Tells a walk to a person: a line for each source, then the cause of what decided, why, and what to do.

mod details;
mod found;

use std::fmt::Write as _;
use std::time::SystemTime;

use super::exit::Exit;
use super::layout::{filled, hanging};
use super::moment;
use super::stop::Stop;
use super::terminal::{Manner, Tone};
use crate::clock::stamp;
use crate::failure::Remedy;
use crate::server::status::{Explanation, FailureStatus, RoleStatus, Step};
use details::{counted, details, longest, same_words};
pub use found::Found;

/// What is told, and how.
#[derive(Clone, Debug)]
pub struct Telling<'a> {
    /// The walk, and where the role stands if an agent keeps it.
    pub explanation: &'a Explanation,
    /// Why there is nothing usable, or why the last refresh failed.
    pub failure: Option<&'a FailureStatus>,
    /// What works now and may surprise.
    pub warnings: &'a [FailureStatus],
    /// Who walked and where, as people say it: `agent at 127.0.0.1:5398`, `region eu-west-1`.
    pub origin: &'a [String],
    /// What was found, where it may be used.
    pub found: Option<Found>,
    /// The command that looks again once the fix was followed.
    pub again: Option<&'a str>,
    /// How much is told of what went well.
    pub detail: Detail,
    /// The status that the command ends with.
    pub exit: Exit,
    /// Now.
    pub now: SystemTime,
    /// Where it is read.
    pub manner: Manner,
}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What was seen where something is wrong.
    #[default]
    Wrong,
    /// What every source looked at.
    All,
    /// And how long each took.
    Times,
}

impl Telling<'_> {
    /// The whole text; what to do comes last.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.heading();
        let walk = self.explanation.walk.as_ref();
        let steps = walk.map_or(&[][..], |walk| &walk.attempts);
        // Of interest where something is wrong: what would come next once that is mended.
        let beyond = walk.filter(|_| self.found.is_none() || self.detail >= Detail::All);
        let beyond = beyond.map_or(&[][..], |walk| &walk.beyond);
        let names = beyond.iter().map(|step| step.source.chars().count());
        let names = names.chain(steps.iter().map(|step| longest(step, 0)));
        let column = MARGIN + names.max().unwrap_or_default();
        for step in steps {
            self.step(&mut text, step, 0, column);
        }
        for step in beyond {
            self.line(&mut text, Tone::Dim, &step.source, step.says.split_whitespace(), column);
        }
        let _infallible = write!(text, "\n{}", self.verdict(steps));
        if let Some(failure) = self.failure {
            self.cause(&mut text, Tone::Strong, "Most likely cause", failure);
            if let Some(again) = self.again {
                let _infallible = writeln!(text, "  then  {again}");
            }
        }
        for other in self.also() {
            self.other(&mut text, other);
        }
        for warning in self.warnings {
            self.cause(&mut text, Tone::Warn, "Also know", warning);
        }
        text.push_str(&self.more());
        text
    }

    fn heading(&self) -> String {
        let walk = self.explanation.walk.as_ref();
        let when = walk.map_or("no walk has ended yet".to_owned(), |walk| {
            format!("walked {} ({})", self.when(&walk.started_at), walk.trigger)
        });
        let about = self.origin.iter().chain([&when]);
        let about = self.manner.paint.paint(Tone::Dim, filled(about, "; ", 2, 2, self.manner.width));
        format!("Looking for AWS credentials for role \"{}\"\n  {about}\n\n", self.explanation.name)
    }

    /// A source and, where something is wrong with it, what was seen.
    fn step(&self, text: &mut String, step: &Step, depth: usize, column: usize) {
        let (tone, paint) = (Self::tone(step), self.manner.paint);
        let name = format!("{}{}", "  ".repeat(depth), step.source);
        self.line(text, tone, &name, self.says(step, tone), column);
        // A hop that failed is the step's own failure: it is told once.
        let (same, hops): (Vec<_>, Vec<_>) = step.hops.iter().partition(|hop| {
            hop.failure.is_some() && message(hop.failure.as_ref()) == message(step.failure.as_ref())
        });
        let wrong = step.failure.is_some() && tone != Tone::Dim;
        if wrong || self.detail >= Detail::All {
            let told = std::iter::once(step).chain(same).collect::<Vec<_>>();
            for line in details(&told, column, self.manner.width) {
                let _infallible = writeln!(text, "{:column$}{}", "", paint.paint(Tone::Dim, line));
            }
        }
        for hop in hops.into_iter().filter(|_| tone != Tone::Dim) {
            self.step(text, hop, depth + 1, column);
        }
    }

    fn line<T: AsRef<str>>(
        &self,
        text: &mut String,
        tone: Tone,
        name: &str,
        says: impl IntoIterator<Item = T>,
        column: usize,
    ) {
        let name_tone = if tone == Tone::Dim { Tone::Dim } else { Tone::Strong };
        let says = filled(says, " ", column, column, self.manner.width);
        let paint = self.manner.paint;
        let _infallible = writeln!(
            text,
            "  {} {} {}",
            paint.padded(tone, sign(tone, self.manner.unicode), 2),
            paint.padded(name_tone, name, column + 1 - MARGIN),
            paint.paint(tone_of(tone), says)
        );
    }

    fn tone(step: &Step) -> Tone {
        let asked_for = step.failure.as_ref().is_some_and(|failure| failure.kind != "not_configured");
        match step.outcome.as_str() {
            "provided" => Tone::Good,
            "failed" => Tone::Bad,
            _ if asked_for => Tone::Warn,
            _ => Tone::Dim,
        }
    }

    /// The words of a source's line; what belongs together is one of them.
    fn says(&self, step: &Step, tone: Tone) -> Vec<String> {
        let words = step.failure.as_ref().map_or_else(|| self.provided(step), |why| why.message.clone());
        let mut words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let code = step.failure.as_ref().filter(|_| tone != Tone::Dim).map(|why| format!("[{}]", why.code));
        let took = code.is_some() || self.detail >= Detail::Times;
        let took = took.then(|| format!("{} ms", step.took_ms));
        let tail = code.into_iter().chain(took).collect::<Vec<_>>().join("  ");
        words.extend((!tail.is_empty()).then_some(tail));
        words
    }

    fn provided(&self, step: &Step) -> String {
        match step.expires_at.as_deref() {
            Some(at) => format!("credentials, expiry {}", self.when(at)),
            None => "credentials without expiry".to_owned(),
        }
    }

    fn verdict(&self, steps: &[Step]) -> String {
        let history = self.explanation.role.as_ref().and_then(|role| self.history(role));
        let history = history.map(|told| format!("{}\n", hanging(&told, 0, 0, self.manner.width)));
        let history = history.unwrap_or_default();
        let Some(found) = &self.found else {
            let sentence = format!("No usable credentials ({}).", counted(steps));
            return format!("{}\n{history}", self.manner.paint.paint(Tone::Bad, sentence));
        };
        let well = self.failure.is_none() && self.warnings.is_empty();
        let well = if well { "Everything needed is in place.\n" } else { "" };
        let title = self.manner.paint.paint(Tone::Good, "Usable credentials");
        format!("{title}\n{}{history}{well}", found.table(self.manner, self.now))
    }

    /// Since when looks have failed, and when the last good one was.
    fn history(&self, role: &RoleStatus) -> Option<String> {
        let since = role.failing_since.as_deref().filter(|_| role.failures > 0)?;
        let times = if role.failures == 1 { "once".to_owned() } else { format!("{} times", role.failures) };
        let before = match role.last_success.as_deref() {
            Some(at) => format!("the last good look was at {}", self.clock_time(at)),
            None => "no look has been good since the agent started".to_owned(),
        };
        Some(format!("Failing since {}, {times}; {before}.", self.clock_time(since)))
    }

    /// `14:02:11 UTC (23 min ago)`, with the day when that is another one.
    fn clock_time(&self, at: &str) -> String {
        let today = stamp(self.now);
        let (day, time) = at.split_once('T').unwrap_or(("", at));
        let time = time.trim_end_matches('Z');
        let day = if today.starts_with(day) { String::new() } else { format!("{day} ") };
        format!("{day}{time} UTC ({})", self.when(at))
    }

    fn when(&self, stamp: &str) -> String {
        when(stamp, self.now)
    }

    fn cause(&self, text: &mut String, tone: Tone, title: &str, failure: &FailureStatus) {
        // An agent of an earlier version sends no title.
        let general = if failure.title.is_empty() { &failure.message } else { &failure.title };
        self.titled(text, tone, title, &failure.code, general);
        if !same_words(general, &failure.message) {
            let _infallible = writeln!(text, "  seen  {}", self.hung(&failure.message));
        }
        let _infallible = writeln!(text, "  why   {}", self.hung(&failure.why));
        for (index, fix) in failure.fix.iter().enumerate() {
            self.remedy(text, if index == 0 { "fix" } else { "or" }, fix);
        }
    }

    fn other(&self, text: &mut String, other: &FailureStatus) {
        self.titled(text, Tone::Warn, "Also worth a look", &other.code, &other.message);
        if let Some(fix) = other.fix.first() {
            self.remedy(text, "fix", fix);
        }
    }

    /// A command and a change of a file stand on lines of their own, unbroken, to be copied.
    fn remedy(&self, text: &mut String, word: &str, remedy: &Remedy) {
        let _infallible = writeln!(text, "  {word:<5} {}", self.hung(&remedy.text));
        let change = remedy.file.iter().zip(&remedy.diff);
        let change = change.flat_map(|(file, diff)| std::iter::once(file.as_str()).chain(diff.lines()));
        for line in remedy.command.as_deref().into_iter().chain(change) {
            let _infallible = writeln!(text, "          {line}");
        }
    }

    fn hung(&self, text: &str) -> String {
        hanging(text, 8, 8, self.manner.width)
    }

    /// A heading of its own: the code, and what it is about in a sentence.
    fn titled(&self, text: &mut String, tone: Tone, title: &str, code: &str, says: &str) {
        let begun = title.chars().count() + code.chars().count() + 4;
        let says = hanging(says, begun, 2, self.manner.width);
        let paint = self.manner.paint;
        let _infallible =
            writeln!(text, "\n{}  {}  {says}", paint.paint(tone, title), paint.paint(Tone::Strong, code));
    }

    /// What else may be the reason; not while credentials are held, when only the last refresh has failed.
    fn also(&self) -> &[FailureStatus] {
        let walk = self.explanation.walk.as_ref();
        walk.filter(|_| self.failure.is_some()).map_or(&[], |walk| walk.also.as_slice())
    }

    fn more(&self) -> String {
        let mut parts = Vec::new();
        if let Some(failure) = self.failure.or(self.warnings.first()) {
            parts.push(format!("More: keyfob explain --code {}", failure.code));
        }
        parts.extend(self.explanation.walk.as_ref().map(|walk| format!("trace {}", walk.trace_id)));
        parts.push(format!("exit {}", self.exit.code()));
        let parts = filled(parts, "   ", 0, 0, self.manner.width);
        format!("\n{}\n", self.manner.paint.paint(Tone::Dim, parts))
    }
}

/// What stands around a source's name.
const MARGIN: usize = 7;

fn when(stamp: &str, now: SystemTime) -> String {
    moment::parse(stamp).map_or_else(|| stamp.to_owned(), |at| moment::relative(at, now))
}

fn sign(tone: Tone, unicode: bool) -> &'static str {
    match (tone, unicode) {
        (Tone::Good, true) => "✓",
        (Tone::Good, false) => "ok",
        (Tone::Bad, true) => "✗",
        (Tone::Bad, false) => "x",
        (Tone::Dim, true) => "–",
        (Tone::Dim, false) => "-",
        _ => "!",
    }
}

fn message(failure: Option<&FailureStatus>) -> Option<&str> {
    failure.map(|failure| failure.message.as_str())
}

/// What is good needs no colour in its words.
fn tone_of(tone: Tone) -> Tone {
    if tone == Tone::Good { Tone::Strong } else { tone }
}

/// What it means for the exit status that a failure decided.
#[must_use]
pub fn exit_of(failure: Option<&FailureStatus>) -> Exit {
    failure.map_or(Exit::Good, |failure| Stop::from(failure.clone()).exit)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;
    use crate::cause;
    use crate::cli::terminal::Paint;
    use crate::credentials::{RoleName, SourceKind};
    use crate::failure::Failure;
    use crate::report::{Attempt, Call, Notes, Outcome, Resolution, TraceId, Trigger};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn attempt(source: SourceKind, outcome: Outcome) -> Attempt {
        let mut notes = Notes::default();
        if source == SourceKind::WebIdentity {
            notes.calls.push(Call {
                service: "sts",
                operation: "AssumeRoleWithWebIdentity",
                url: "https://sts.eu-west-1.amazonaws.com/".to_owned(),
                started: NOW,
                took: Duration::from_millis(212),
                status: Some(403),
                code: Some("AccessDenied".to_owned()),
                request_id: Some("7f3e".to_owned()),
                error: None,
                broke_at: None,
                date: None,
            });
        }
        Attempt { source, started: NOW, took: Duration::from_millis(212), notes, outcome }
    }

    fn walk(attempts: Vec<Attempt>) -> Explanation {
        let walk = Resolution {
            role: RoleName::default_role(),
            trace: TraceId::random(),
            trigger: Trigger::Operator,
            started: NOW,
            took: Duration::ZERO,
            attempts,
            credentials: None,
        };
        Explanation::of_walk(&RoleName::parse("app").unwrap(), &walk)
    }

    fn tell(explanation: &Explanation, change: impl FnOnce(&mut Telling<'_>)) -> String {
        let failure = explanation.walk.as_ref().unwrap().failure.clone();
        let origin = ["here, as uid 0".to_owned(), "region eu-west-1".to_owned()];
        let mut telling = Telling {
            explanation,
            failure: failure.as_ref(),
            warnings: &[],
            origin: &origin,
            found: None,
            again: Some("keyfob explain --local"),
            detail: Detail::default(),
            exit: exit_of(failure.as_ref()),
            now: NOW,
            manner: Manner { paint: Paint::NONE, unicode: true, width: 80 },
        };
        change(&mut telling);
        telling.text()
    }

    fn refused() -> Explanation {
        walk(vec![
            attempt(
                SourceKind::Env,
                Outcome::Skipped(Failure::not_configured("AWS_ACCESS_KEY_ID is not set")),
            ),
            attempt(
                SourceKind::WebIdentity,
                Outcome::Failed(Failure::denied(&cause::WI_TRUST, "STS refused role app").seen("sub", "web")),
            ),
        ])
    }

    fn joined(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_source_has_its_line_and_the_fix_comes_last() {
        let text = tell(&refused(), |_| ());
        assert!(
            text.starts_with(
                "Looking for AWS credentials for role \"app\"\n  here, as uid 0; region eu-west-1; walked now (operator)\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n  –  env           AWS_ACCESS_KEY_ID is not set\n"), "{text}");
        assert!(text.contains("\n  ✗  web_identity  STS refused role app [WI-TRUST]  212 ms\n"), "{text}");
        assert!(text.contains("\n                   sub=web\n"), "{text}");
        let call = "AssumeRoleWithWebIdentity https://sts.eu-west-1.amazonaws.com/:";
        assert!(
            joined(&text).contains(&format!("{call} 403 AccessDenied, 212 ms (request id 7f3e)")),
            "{text}"
        );
        assert!(text.contains("\nNo usable credentials (2 sources consulted, 1 failed).\n"), "{text}");
        assert!(text.contains("\nMost likely cause  WI-TRUST  the role's trust policy"), "{text}");
        let (fix, more) =
            (text.find("\n  fix   ").unwrap(), text.find("More: keyfob explain --code WI-TRUST").unwrap());
        assert!(fix < more && text.ends_with("exit 4\n"), "{text}");
    }

    #[test]
    fn a_plain_terminal_gets_plain_signs() {
        let text = tell(&refused(), |telling| telling.manner.unicode = false);
        assert!(text.contains("\n  -  env ") && text.contains("\n  x  web_identity "), "{text}");
    }

    #[test]
    fn what_was_found_is_a_table_and_nothing_more_is_needed() {
        let expires_at = Some(NOW + Duration::from_secs(3600));
        let walk = walk(vec![attempt(SourceKind::Imds, Outcome::Provided { expires_at })]);
        let found = Found {
            source: Some("imds".to_owned()),
            account: Some("123456789012".to_owned()),
            key_suffix: Some("WXYZ".to_owned()),
            expires_at: expires_at.map(stamp),
            next_refresh: expires_at.map(stamp),
        };
        let well = |telling: &mut Telling<'_>| (telling.failure, telling.found) = (None, Some(found.clone()));
        let text = tell(&walk, well);
        assert!(text.contains("\n  ✓  imds  credentials, expiry in 1 h\n"), "{text}");
        let table = "\nUsable credentials\n  source        imds\n  identity      account 123456789012, key …WXYZ\n  \
                     expiry        in 1 h (1970-01-01T01:00:00Z)\n  next refresh  in 1 h\n\
                     Everything needed is in place.\n";
        assert!(text.contains(table), "{text}");
        static DOUBT: LazyLock<FailureStatus> =
            LazyLock::new(|| (&Failure::misconfigured(&cause::KF_STATIC, "bare keys")).into());
        let text = tell(&walk, |telling| {
            well(telling);
            telling.warnings = std::slice::from_ref(&*DOUBT);
        });
        assert!(!text.contains("Everything needed") && text.contains("\n  seen  bare keys\n"), "{text}");
    }

    #[test]
    fn more_is_told_when_it_is_asked_for() {
        let detail = |detail| tell(&refused(), |telling| telling.detail = detail);
        let (usual, times) = (detail(Detail::Wrong), detail(Detail::Times));
        assert!(
            usual.contains("AWS_ACCESS_KEY_ID is not set\n") && !usual.contains("not set 212"),
            "{usual}"
        );
        assert!(times.contains("AWS_ACCESS_KEY_ID is not set 212 ms\n"), "{times}");
    }

    #[test]
    fn a_failure_of_a_hop_is_told_once() {
        let failed =
            Failure::denied(&cause::STS_DENIED, "STS refused it").seen("status", 403).seen("sub", "x");
        let mut outer = attempt(SourceKind::ProfileAssumeRole, Outcome::Failed(failed.clone()));
        let mut hop = attempt(SourceKind::WebIdentity, Outcome::Failed(failed));
        hop.source = SourceKind::ProfileAssumeRole;
        outer.notes.hops.push(attempt(SourceKind::StaticFile, Outcome::Provided { expires_at: None }));
        outer.notes.hops.push(hop);
        let text = tell(&walk(vec![outer]), |_| ());
        let steps = text.split("No usable").next().unwrap();
        assert_eq!(steps.matches("STS refused it").count(), 1, "{text}");
        assert_eq!((steps.matches("sub=x").count(), steps.matches("403").count()), (1, 1), "{text}");
        assert!(steps.contains("✓    static_file"), "{text}");
    }
}
