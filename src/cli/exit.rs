//! What each exit status means: one table for all commands.

use crate::failure::FailureKind;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Usable credentials, or the question was answered.
    Good,
    /// A fault of ours.
    Internal,
    /// Bad usage or configuration, or a port that is taken.
    Usage,
    /// No source has anything configured.
    Nothing,
    /// A configured source refused, is malformed, misconfigured or expired.
    Refused,
    /// Unreachable, timed out, throttled; or no agent there.
    Unreachable,
    /// Usable, but about to break (`--strict` only).
    Brittle,
    /// `exec` and `demo -- CMD`: a failure of ours, so that CMD was not started.
    NotStarted,
    /// `exec` and `demo -- CMD`: CMD is there and cannot be run.
    NotExecutable,
    /// `exec` and `demo -- CMD`: CMD is not there.
    NotFound,
    /// The status that CMD ended with.
    Status(u8),
    /// The signal that ended CMD.
    Signal(u8),
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Nothing => 3,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::Brittle => 6,
            Self::NotStarted => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Status(status) => status,
            Self::Signal(number) => number.saturating_add(128),
        }
    }

    /// What a failure means for the exit status.
    #[must_use]
    pub const fn of(kind: FailureKind) -> Self {
        match kind.exit_code() {
            3 => Self::Nothing,
            5 => Self::Unreachable,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_number() {
        let table = [
            (Exit::Good, 0),
            (Exit::Internal, 1),
            (Exit::Usage, 2),
            (Exit::Nothing, 3),
            (Exit::Refused, 4),
            (Exit::Unreachable, 5),
            (Exit::Brittle, 6),
            (Exit::NotStarted, 125),
            (Exit::NotExecutable, 126),
            (Exit::NotFound, 127),
            (Exit::Status(7), 7),
            (Exit::Signal(15), 143),
        ];
        for (end, number) in table {
            assert_eq!(end.code(), number, "{end:?}");
        }
    }

    #[test]
    fn each_kind_of_failure_has_its_number() {
        let table = [
            (FailureKind::NotConfigured, 3),
            (FailureKind::Misconfigured, 4),
            (FailureKind::Denied, 4),
            (FailureKind::Malformed, 4),
            (FailureKind::AlreadyExpired, 4),
            (FailureKind::Unreachable, 5),
            (FailureKind::TimedOut, 5),
            (FailureKind::Throttled, 5),
        ];
        for (kind, number) in table {
            assert_eq!(Exit::of(kind).code(), number, "{kind:?}");
        }
    }
}
