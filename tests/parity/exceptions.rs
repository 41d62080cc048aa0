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
    /// Covers situations that chance made up, too.
    pub pattern: Option<Pattern>,
    /// Why a user is better served.
    pub reason: String,
}

/// What a situation of no name must have, beside the difference, to be excepted for the same reason.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// In the situation as it is written down, all of them.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Where botocore fails, it says one of these.
    #[serde(default)]
    pub botocore: Vec<String>,
    /// Variables of which one is there, and without which nothing differs, or only for another reason.
    #[serde(default)]
    pub without: Vec<String>,
    /// Differences that may come of the same, beside those of the exception or in their place.
    #[serde(default)]
    pub may: Vec<String>,
}

impl Exception {
    /// Whether this is why the two differ on a situation of no name.
    pub fn covers(
        &self,
        situation: &str,
        differences: &[String],
        keyfob: &Answer,
        botocore: &Answer,
    ) -> bool {
        let Some(pattern) = &self.pattern else { return false };
        let known = |one: &String| self.differences.contains(one) || pattern.may.contains(one);
        let same = !differences.is_empty() && differences.iter().all(known);
        same && pattern.texts.iter().all(|text| contains_in_any_case(situation, text))
            && is_said(keyfob, &self.says)
            && (pattern.botocore.is_empty() || pattern.botocore.iter().any(|part| is_said(botocore, part)))
    }
}

/// INI options are read in any case, so a situation may write them in any.
fn contains_in_any_case(situation: &str, text: &str) -> bool {
    situation.to_lowercase().contains(&text.to_lowercase())
}

fn is_said(answer: &Answer, part: &str) -> bool {
    match answer {
        Answer::Error(said) => said.contains(part),
        _ => part.is_empty(),
    }
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
    let says = is_said(keyfob, &exception.says);
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
        pattern: None,
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

#[test]
fn a_pattern_covers_what_has_all_of_it() {
    let differs = vec!["another account".to_owned()];
    let failed = |said: &str| Answer::Error(said.to_owned());
    let pattern = Pattern {
        texts: vec!["A = ".to_owned()],
        botocore: vec!["NoRegion".to_owned()],
        ..Pattern::default()
    };
    let exception = Exception {
        names: Vec::new(),
        differences: differs.clone(),
        says: "[OWN]".to_owned(),
        pattern: Some(pattern),
        reason: "r".to_owned(),
    };
    let covers = |situation: &str, differs: &[String], ours: &str, theirs: &str| {
        exception.covers(situation, differs, &failed(ours), &failed(theirs))
    };
    assert!(covers("A = 1", &differs, "no [OWN]", "NoRegion: x"));
    assert!(!covers("B = 1", &differs, "no [OWN]", "NoRegion: x"));
    assert!(!covers("A = 1", &[], "no [OWN]", "NoRegion: x"));
    assert!(!covers("A = 1", &differs, "no [OTHER]", "NoRegion: x"));
    assert!(!covers("A = 1", &differs, "no [OWN]", "NoCredentials: x"));
}
