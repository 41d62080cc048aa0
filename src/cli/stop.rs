//! Why a command ends without its answer: an exit status and what to tell the person who asked.

use std::fmt;

use super::exit::Exit;
use crate::config::Problem;
use crate::failure::Failure;
use crate::server::status::FailureStatus;

/// The end of a command that has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The status.
    pub exit: Exit,
    /// What went wrong; never a secret. Empty where it has been said already.
    pub says: String,
    /// What to do, or more about it, a line each.
    pub hints: Vec<String>,
}

impl Stop {
    /// An end with a sentence.
    pub fn new(exit: Exit, says: impl Into<String>) -> Self {
        Self { exit, says: says.into(), hints: Vec::new() }
    }

    /// An end that needs no more words.
    #[must_use]
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// A fault of ours.
    pub fn internal(what: &str, error: impl fmt::Display) -> Self {
        Self::new(Exit::Internal, format!("{what}: {error}"))
    }

    /// Adds what to do, or more about it.
    #[must_use]
    pub fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// What went wrong and what to do, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let parts: Vec<&str> = std::iter::once(&self.says).chain(&self.hints).map(String::as_str).collect();
        parts.join("; ")
    }

    /// The same with another status: `exec` has its own for all failures of ours.
    #[must_use]
    pub fn with(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl From<Vec<Problem>> for Stop {
    fn from(problems: Vec<Problem>) -> Self {
        let count = problems.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        let hints = problems.iter().map(ToString::to_string).collect();
        Self { exit: Exit::Usage, says: format!("the configuration has {count} {plural}"), hints }
    }
}

impl From<&Failure> for Stop {
    fn from(failure: &Failure) -> Self {
        FailureStatus::from(failure).into()
    }
}

impl From<FailureStatus> for Stop {
    fn from(failure: FailureStatus) -> Self {
        let exit = match failure.exit_code {
            3 => Exit::Nothing,
            5 => Exit::Unreachable,
            _ => Exit::Refused,
        };
        let saw = failure.evidence.iter().map(|fact| format!("saw: {fact}"));
        let why = format!("why: {}", failure.why);
        let fixes = failure.fix.iter().map(|fix| format!("fix: {fix}"));
        let hints = saw.chain([why]).chain(fixes).collect();
        Self { exit, says: format!("{} [{}]", failure.message, failure.code), hints }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause;

    #[test]
    fn a_failure_brings_its_status_its_reason_and_its_fix() {
        let failure = Failure::denied(&cause::KF_LOOP, "profile p leads back").seen("stderr", "words");
        let stop = Stop::from(&failure);
        assert_eq!(stop.exit, Exit::Refused);
        assert_eq!(stop.says, "profile p leads back [KF-LOOP]");
        let begins = ["saw: stderr=words", "why: ", "fix: "];
        assert!(stop.hints.iter().zip(begins).all(|(hint, begin)| hint.starts_with(begin)), "{stop:?}");
    }

    #[test]
    fn problems_are_all_told() {
        let problem = |at: &str| Problem { at: at.to_owned(), is: "1".to_owned(), want: "2".to_owned() };
        let stop = Stop::from(vec![problem("a"), problem("b")]);
        assert_eq!((stop.exit, stop.says.as_str()), (Exit::Usage, "the configuration has 2 problems"));
        assert_eq!(stop.hints, ["a: 1; wanted 2", "b: 1; wanted 2"]);
    }
}
