//! The catalogue: one [`Cause`] for each known reason why there are no credentials, with what to do about it.
//!
//! The code is the metric's label, the word in logs, bodies and `explain`, and the anchor in the runbook. Codes are
//! never renamed. What was seen in a particular case is in the `Failure`, not here.

mod container;
mod environment;
mod file;
mod home;
mod imds;
mod network;
mod own;
mod process;
mod profile;
mod security;
mod sign_in;
mod sts;
mod web_identity;

pub use container::*;
pub use environment::*;
pub use file::*;
pub use home::*;
pub use imds::*;
pub use network::*;
pub use own::*;
pub use process::*;
pub use profile::*;
pub use security::*;
pub use sign_in::*;
pub use sts::*;
pub use web_identity::*;

/// One known reason for failure.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    /// Stable, upper case, with dashes: `WI-TRUST`.
    pub code: &'static str,
    /// One line: what is wrong.
    pub title: &'static str,
    /// Why that keeps credentials away.
    pub why: &'static str,
    /// What to do, most likely first; each an instruction.
    pub fix: &'static [&'static str],
    /// Where it is said: a function of botocore's, a specification, a page of AWS's, a thread where people met it.
    pub rule: &'static str,
}

impl Cause {
    /// Where more about it stands: a file of the sources and packages, and a place in it.
    #[must_use]
    pub fn docs(&self) -> String {
        format!("deploy/monitoring/runbook.md#{}", self.code)
    }
}

/// The cause of that code.
#[must_use]
pub fn by_code(code: &str) -> Option<&'static Cause> {
    catalogue().find(|cause| cause.code.eq_ignore_ascii_case(code))
}

/// All causes, by family.
pub fn catalogue() -> impl Iterator<Item = &'static Cause> {
    [
        environment::LIST,
        home::LIST,
        file::LIST,
        profile::LIST,
        process::LIST,
        web_identity::LIST,
        sign_in::LIST,
        container::LIST,
        imds::LIST,
        sts::LIST,
        network::LIST,
        security::LIST,
        own::LIST,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for cause in catalogue() {
            assert!(seen.insert(cause.code), "{} twice", cause.code);
            assert!(cause.code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'));
            assert!(
                !cause.fix.is_empty() && !cause.title.is_empty() && !cause.why.is_empty(),
                "{}",
                cause.code
            );
        }
    }

    #[test]
    fn codes_are_found_in_any_case() {
        assert_eq!(by_code("kf-nothing").map(|c| c.code), Some("KF-NOTHING"));
        assert_eq!(by_code("NO-SUCH"), None);
    }
}
