//! Tells a walk to a person: a line for each source, then the cause of what decided, why, and what to do.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::exit::Exit;
use super::moment;
use super::stop::Stop;
use super::terminal::{Paint, Tone};
use crate::failure::Remedy;
use crate::server::status::{CallStatus, Explanation, FailureStatus, RoleStatus, Step};

/// The widest line that is broken on purpose.
const WIDTH: usize = 100;
/// Where what a source says begins.
const MARGIN: usize = 28;

/// What is told, and how.
#[derive(Clone, Debug)]
pub struct Telling<'a> {
    /// The walk, and where the role stands if an agent keeps it.
    pub explanation: &'a Explanation,
    /// Why there is nothing usable, or why the last refresh failed.
    pub failure: Option<&'a FailureStatus>,
    /// What works now and may surprise.
    pub warnings: &'a [FailureStatus],
    /// Who walked, as people say it: `agent at 127.0.0.1:5398`.
    pub origin: &'a str,
    /// The status that the command ends with.
    pub exit: Exit,
    /// Now.
    pub now: SystemTime,
    /// Colours.
    pub paint: Paint,
    /// Whether the terminal has more than ASCII.
    pub unicode: bool,
}

impl Telling<'_> {
    /// The whole text; what to do comes last.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.heading();
        let steps = self.explanation.walk.as_ref().map_or(&[][..], |walk| &walk.attempts);
        for step in steps {
            self.step(&mut text, step, 0);
        }
        let _infallible = write!(text, "\n{}\n", self.verdict(steps));
        if let Some(failure) = self.failure {
            let title = self.paint.paint(Tone::Strong, "Most likely cause");
            self.cause(&mut text, &title, failure);
        }
        for other in self.also() {
            let title = self.paint.paint(Tone::Warn, "Also worth a look");
            let _infallible = writeln!(text, "\n{title}  {}  {}", other.code, hanging(&other.message, 2));
            if let Some(fix) = other.fix.first() {
                remedy(&mut text, "fix", fix);
            }
        }
        for warning in self.warnings {
            let title = self.paint.paint(Tone::Warn, "Also know");
            self.cause(&mut text, &title, warning);
        }
        text.push_str(&self.more());
        text
    }

    fn heading(&self) -> String {
        let name = &self.explanation.name;
        let when = self.explanation.walk.as_ref().map_or("no walk has ended yet".to_owned(), |walk| {
            let at = moment::parse(&walk.started_at);
            let age = at.map_or(walk.started_at.clone(), |at| moment::relative(at, self.now));
            format!("walked {age} ({})", walk.trigger)
        });
        let about = self.paint.paint(Tone::Dim, format!("{}; {when}", self.origin));
        format!("Looking for AWS credentials for role \"{name}\"   {about}\n\n")
    }

    fn step(&self, text: &mut String, step: &Step, depth: usize) {
        let (tone, sign) = self.sign(step);
        let name = format!("{}{}", "  ".repeat(depth), step.source);
        let name =
            self.paint.padded(if tone == Tone::Dim { Tone::Dim } else { Tone::Strong }, &name, MARGIN - 6);
        let mut says = match &step.failure {
            Some(failure) => failure.message.clone(),
            None => self.provided(step),
        };
        if let Some(failure) = step.failure.as_ref().filter(|_| tone != Tone::Dim) {
            says = format!("{says} [{}] {} ms", failure.code, step.took_ms);
        }
        let says = hanging(&says, MARGIN);
        let _infallible = writeln!(
            text,
            "  {}  {name} {}",
            self.paint.padded(tone, sign, 2).trim_end(),
            self.paint.paint(tone_of(tone), says)
        );
        if tone == Tone::Dim {
            return;
        }
        let evidence = step.failure.iter().flat_map(|failure| failure.evidence.iter().cloned());
        let failed = step.failure.is_some();
        // What the sentence says already is not said again.
        let told =
            |look: &&String| step.failure.as_ref().is_some_and(|failure| look.contains(&failure.message));
        let looked = step.looks.iter().filter(|look| failed && !told(look)).cloned();
        for line in evidence.chain(looked).chain(step.calls.iter().map(call)) {
            let line = hanging(&line, MARGIN);
            let _infallible = writeln!(text, "{:MARGIN$}{}", "", self.paint.paint(Tone::Dim, line));
        }
        for hop in &step.hops {
            self.step(text, hop, depth + 1);
        }
    }

    fn provided(&self, step: &Step) -> String {
        let at = step.expires_at.as_deref().and_then(moment::parse);
        match at {
            Some(at) => format!("credentials, expiry {}", moment::relative(at, self.now)),
            None => "credentials without expiry".to_owned(),
        }
    }

    fn sign(&self, step: &Step) -> (Tone, &'static str) {
        let asked_for = step.failure.as_ref().is_some_and(|failure| failure.kind != "not_configured");
        let (tone, sign, ascii) = match step.outcome.as_str() {
            "provided" => (Tone::Good, "✓", "ok"),
            "failed" => (Tone::Bad, "✗", "x"),
            _ if asked_for => (Tone::Warn, "!", "!"),
            _ => (Tone::Dim, "–", "-"),
        };
        (tone, if self.unicode { sign } else { ascii })
    }

    fn verdict(&self, steps: &[Step]) -> String {
        let usable = self.explanation.role.as_ref().map_or(self.failure.is_none(), |role| role.usable);
        let failed = steps.iter().filter(|step| step.outcome == "failed").count();
        let consulted =
            steps.iter().filter(|step| step.source != "profile" || step.outcome == "failed").count();
        if !usable {
            let sentence = format!("No usable credentials ({consulted} sources consulted, {failed} failed).");
            return self.paint.paint(Tone::Bad, sentence);
        }
        let good = self.paint.paint(Tone::Good, "Usable credentials");
        match &self.explanation.role {
            Some(role) => format!("{good}{}", self.standing(role)),
            None => {
                let source = self.explanation.walk.as_ref().and_then(|walk| walk.source.clone());
                format!("{good} from {}.", source.unwrap_or_default())
            }
        }
    }

    fn standing(&self, role: &RoleStatus) -> String {
        let when = |stamp: &Option<String>| {
            stamp.as_deref().and_then(moment::parse).map(|at| moment::relative(at, self.now))
        };
        let mut parts = Vec::new();
        parts.extend(role.source.as_ref().map(|source| format!(" from {source}")));
        parts.extend(role.account.as_ref().map(|account| format!("account {account}")));
        parts
            .push(when(&role.expires_at).map_or("no expiry".to_owned(), |expiry| format!("expiry {expiry}")));
        parts.extend(when(&role.next_refresh).map(|next| format!("next look {next}")));
        if role.failures > 0 {
            let since =
                when(&role.failing_since).map(|since| format!(", the first {since}")).unwrap_or_default();
            parts.push(format!("the last {} looks failed{since}", role.failures));
        }
        format!("{}.", parts.join(", "))
    }

    fn cause(&self, text: &mut String, title: &str, failure: &FailureStatus) {
        let code = self.paint.paint(Tone::Strong, &failure.code);
        let _infallible = writeln!(text, "\n{title}  {code}  {}", hanging(&failure.message, 2));
        let _infallible = writeln!(text, "  why   {}", hanging(&failure.why, 8));
        for (index, fix) in failure.fix.iter().enumerate() {
            let word = if index == 0 { "fix" } else { "or" };
            remedy(text, word, fix);
        }
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
        format!("\n{}\n", self.paint.paint(Tone::Dim, parts.join("   ")))
    }
}

/// A command and a change of a file stand on lines of their own, unbroken, to be copied.
fn remedy(text: &mut String, word: &str, remedy: &Remedy) {
    let _infallible = writeln!(text, "  {word:<5} {}", hanging(&remedy.text, 8));
    if let Some(command) = &remedy.command {
        let _infallible = writeln!(text, "          {command}");
    }
    if let (Some(file), Some(diff)) = (&remedy.file, &remedy.diff) {
        let _infallible = writeln!(text, "          {file}");
        for line in diff.lines() {
            let _infallible = writeln!(text, "          {line}");
        }
    }
}

/// What is good needs no colour in its words.
fn tone_of(tone: Tone) -> Tone {
    if tone == Tone::Good { Tone::Strong } else { tone }
}

fn call(call: &CallStatus) -> String {
    let ended = match (call.status, &call.code, &call.error) {
        (Some(status), Some(code), _) => format!("{status} {code}"),
        (Some(status), None, _) => status.to_string(),
        (None, _, Some(error)) => error.clone(),
        (None, _, None) => "no answer".to_owned(),
    };
    let request = call.request_id.as_ref().map(|id| format!(" (request id {id})")).unwrap_or_default();
    format!("{} {}: {ended}, {} ms{request}", call.operation, call.url, call.took_ms)
}

/// The text broken at spaces, every further line indented.
fn hanging(text: &str, indent: usize) -> String {
    // Lines that were laid out stay as they are.
    if text.contains('\n') {
        return text.replace('\n', &format!("\n{:indent$}", ""));
    }
    let room = WIDTH.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let length = lines.last().map_or(0, |line: &String| line.chars().count());
        if length > 0 && length + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{:indent$}", ""))
}

/// What it means for the exit status that a failure decided.
#[must_use]
pub fn exit_of(failure: Option<&FailureStatus>) -> Exit {
    failure.map_or(Exit::Good, |failure| Stop::from(failure.clone()).exit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cause;
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

    fn tell(explanation: &Explanation, unicode: bool) -> String {
        let failure = explanation.walk.as_ref().unwrap().failure.clone();
        let telling = Telling {
            explanation,
            failure: failure.as_ref(),
            warnings: &[],
            origin: "here, as uid 0",
            exit: exit_of(failure.as_ref()),
            now: NOW,
            paint: Paint::NONE,
            unicode,
        };
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
        let text = tell(&refused(), true);
        assert!(
            text.starts_with(
                "Looking for AWS credentials for role \"app\"   here, as uid 0; walked now (operator)\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n  –  env                    AWS_ACCESS_KEY_ID is not set\n"), "{text}");
        assert!(
            text.contains("\n  ✗  web_identity           STS refused role app [WI-TRUST] 212 ms\n"),
            "{text}"
        );
        assert!(text.contains("\n                            sub=web\n"), "{text}");
        let call = "AssumeRoleWithWebIdentity https://sts.eu-west-1.amazonaws.com/:";
        assert!(
            text.contains(call) && joined(&text).contains("403 AccessDenied, 212 ms (request id 7f3e)"),
            "{text}"
        );
        assert!(text.contains("\nNo usable credentials (2 sources consulted, 1 failed).\n"), "{text}");
        assert!(text.contains("\nMost likely cause  WI-TRUST  STS refused role app\n  why   "), "{text}");
        let (fix, more) =
            (text.find("\n  fix   ").unwrap(), text.find("More: keyfob explain --code WI-TRUST").unwrap());
        assert!(fix < more && text.ends_with("exit 4\n"), "{text}");
    }

    #[test]
    fn a_plain_terminal_gets_plain_signs() {
        let text = tell(&refused(), false);
        assert!(text.contains("\n  -  env ") && text.contains("\n  x  web_identity "), "{text}");
    }

    #[test]
    fn credentials_are_told_with_their_expiry() {
        let expires_at = Some(NOW + Duration::from_secs(3600));
        let text = tell(&walk(vec![attempt(SourceKind::Imds, Outcome::Provided { expires_at })]), true);
        assert!(text.contains("✓  imds                   credentials, expiry in 1 h\n"), "{text}");
    }

    #[test]
    fn long_sentences_hang() {
        let text = hanging(&"word ".repeat(40), 8);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("        word")), "{text}");
    }
}
