//! Why something did not work: a kind from a closed set, a cause from the catalogue, and what was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;

/// How a failure is treated: whether the chain goes on, how soon to try again, which exit status it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Nobody asked for this source.
    NotConfigured,
    /// Asked for, in a way that cannot work.
    Misconfigured,
    /// The other side understood and refused.
    Denied,
    /// The other side could not be reached.
    Unreachable,
    /// No answer within the deadline.
    TimedOut,
    /// The other side asked us to slow down.
    Throttled,
    /// An answer that cannot be understood.
    Malformed,
    /// Credentials that are dead already.
    AlreadyExpired,
}

impl FailureKind {
    /// The name in JSON and text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Misconfigured => "misconfigured",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Malformed => "malformed",
            Self::AlreadyExpired => "already_expired",
        }
    }

    /// Whether the chain asks the next source: only where nobody asked for this one.
    #[must_use]
    pub const fn falls_through(self) -> bool {
        matches!(self, Self::NotConfigured)
    }

    /// Whether trying again soon can help: the short backoff (contract 4).
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut | Self::Throttled | Self::AlreadyExpired)
    }

    /// The exit status of the command line (contract 1): 3, 4 or 5.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::NotConfigured => 3,
            Self::Misconfigured | Self::Denied | Self::Malformed | Self::AlreadyExpired => 4,
            Self::Unreachable | Self::TimedOut | Self::Throttled => 5,
        }
    }
}

/// One fact that was observed on the way to a failure; never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What the fact is about: `status`, `request_id`, `stderr`, `mode`.
    pub name: &'static str,
    /// What was seen.
    pub value: String,
}

/// One thing to do about a failure: in words and, where one helps, as a command or as a change of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// An instruction. No secret, ever.
    pub text: String,
    /// The same for a shell, ready to be pasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The file that `diff` is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A unified diff without context lines, as `patch FILE` takes it: what stands around a line may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Remedy {
    /// In words alone.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// What to do about a cause in general.
    #[must_use]
    pub fn of(cause: &Cause) -> Vec<Self> {
        cause.fix.iter().copied().map(Self::new).collect()
    }

    /// In words, and as a command.
    pub fn command(text: impl Into<String>, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..Self::new(text) }
    }

    /// In words, and as one changed line of a file, counted from 1; a line that becomes nothing goes away.
    pub fn line(text: impl Into<String>, file: impl fmt::Display, line: usize, old: &str, new: &str) -> Self {
        let diff = match new {
            "" => format!("@@ -{line} +{before},0 @@\n-{old}\n", before = line.saturating_sub(1)),
            _ => {
                let added: String = new.lines().map(|line| format!("+{line}\n")).collect();
                format!("@@ -{line} +{line},{count} @@\n-{old}\n{added}", count = new.lines().count())
            }
        };
        Self { file: Some(file.to_string()), diff: Some(diff), ..Self::new(text) }
    }
}

/// On one line, for logs and bodies.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.command.as_ref().map_or(Ok(()), |command| write!(f, ": `{command}`"))
    }
}

/// A failure, raised where the knowledge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How it is treated.
    pub kind: FailureKind,
    /// The known reason.
    pub cause: &'static Cause,
    /// A sentence that names the thing: the variable, the file and line, the host. No secret, ever.
    pub context: String,
    /// What was seen.
    pub evidence: Vec<Fact>,
    /// What to do in this very case, most likely first; where there is none, the cause's own words serve.
    pub remedies: Vec<Remedy>,
}

impl Failure {
    /// A failure of that kind and cause; the context names the thing it happened to.
    pub fn new(kind: FailureKind, cause: &'static Cause, context: impl Into<String>) -> Self {
        Self { kind, cause, context: context.into(), evidence: Vec::new(), remedies: Vec::new() }
    }

    /// Nobody asked for this source: the chain goes on.
    pub fn not_configured(context: impl Into<String>) -> Self {
        Self::new(FailureKind::NotConfigured, &crate::cause::KF_NOTHING, context)
    }

    /// Asked for in a way that cannot work.
    pub fn misconfigured(cause: &'static Cause, context: impl Into<String>) -> Self {
        Self::new(FailureKind::Misconfigured, cause, context)
    }

    /// Understood and refused.
    pub fn denied(cause: &'static Cause, context: impl Into<String>) -> Self {
        Self::new(FailureKind::Denied, cause, context)
    }

    /// An answer that cannot be understood.
    pub fn malformed(cause: &'static Cause, context: impl Into<String>) -> Self {
        Self::new(FailureKind::Malformed, cause, context)
    }

    /// Adds a fact that was observed.
    #[must_use]
    pub fn seen(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.evidence.push(Fact { name, value: value.to_string() });
        self
    }

    /// Adds a thing to do in this very case.
    #[must_use]
    pub fn mend(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }

    /// What to do, most likely first: made for this case, else as the catalogue says. Never empty.
    #[must_use]
    pub fn fixes(&self) -> Vec<Remedy> {
        if self.remedies.is_empty() { Remedy::of(self.cause) } else { self.remedies.clone() }
    }

    /// The first thing to do, on one line.
    #[must_use]
    pub fn fix(&self) -> String {
        let own = self.remedies.first().map(ToString::to_string);
        own.unwrap_or_else(|| self.cause.fix.first().copied().unwrap_or_default().to_owned())
    }

    /// How sure the cause is: `certain` where a server said so, `likely` where what is here contradicts itself, `possible`
    /// where it is an inference from what is missing.
    #[must_use]
    pub fn confidence(&self) -> &'static str {
        let answered = || ["status", "code", "request_id"].iter().any(|name| self.fact(name).is_some());
        match self.kind {
            FailureKind::NotConfigured => "possible",
            FailureKind::Denied | FailureKind::Throttled => "certain",
            _ if answered() => "certain",
            _ => "likely",
        }
    }

    /// The value of a fact.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.evidence.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.context, self.cause.code)
    }
}

impl std::error::Error for Failure {}
