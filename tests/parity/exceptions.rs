//! Where keyfob differs on purpose: in what, and why a user is better served.

use serde::Deserialize;

use super::answer::Answer;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The situations.
    pub names: Vec<String>,
    /// The differences, all of them, so that another disagreement is not covered.
    pub differences: Vec<String>,
    /// Part of what keyfob says, where it fails.
    #[serde(default)]
    pub says: String,
    /// Why a user is better served.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    exception: Vec<Exception>,
}

pub fn all() -> Vec<Exception> {
    toml::from_str::<Page>(include_str!("exceptions.toml")).unwrap().exception
}

/// How a comparison ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Agree,
    /// They disagree in the way that was written down.
    Excepted,
    /// And why that is not allowed.
    Disagree(&'static str),
}

/// `exception` is the one written down for this situation.
pub fn judge(differences: &[String], keyfob: &Answer, exception: Option<&Exception>) -> Verdict {
    let Some(exception) = exception else {
        return if differences.is_empty() { Verdict::Agree } else { Verdict::Disagree("they disagree") };
    };
    let says = match keyfob {
        Answer::Error(said) => said.contains(&exception.says),
        _ => exception.says.is_empty(),
    };
    if differences.is_empty() {
        Verdict::Disagree("they agree now: delete the exception")
    } else if differences != exception.differences || !says {
        Verdict::Disagree("they disagree, and not as the exception says")
    } else {
        Verdict::Excepted
    }
}

#[test]
fn an_exception_covers_its_own_disagreement_and_nothing_else() {
    let differs = vec!["another account".to_owned()];
    let exception = |differences: &[&str], says: &str| Exception {
        names: vec!["n".to_owned()],
        differences: differences.iter().map(|&line| line.to_owned()).collect(),
        says: says.to_owned(),
        reason: "r".to_owned(),
    };
    let failed = Answer::Error("refused [FILE-EMPTY]".to_owned());
    let told = |differences: &[String], exception: Option<&Exception>| judge(differences, &failed, exception);
    let is_refused = |verdict| matches!(verdict, Verdict::Disagree(_));

    assert_eq!(told(&[], None), Verdict::Agree);
    assert!(is_refused(told(&differs, None)));
    let right = exception(&["another account"], "FILE-EMPTY");
    assert_eq!(told(&differs, Some(&right)), Verdict::Excepted);
    assert!(is_refused(told(&[], Some(&right))));
    assert!(is_refused(told(&differs, Some(&exception(&["another secret"], "")))));
    assert!(is_refused(told(&differs, Some(&exception(&["another account"], "FILE-EACCES")))));
}
