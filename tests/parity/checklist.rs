//! Whose tests we went through: each scenario of botocore's own tests of credentials and of other SDKs' test data is mapped to
//! what stands for it here, which must exist, or has its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::oracle::pinned;
use super::{ini, situation};

#[derive(Deserialize)]
struct Theirs {
    /// The release whose tests these are.
    botocore: String,
    #[serde(flatten)]
    files: BTreeMap<String, BTreeMap<String, Scenarios>>,
}

/// By their name.
type Scenarios = BTreeMap<String, Ours>;

/// What stands for a scenario.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ours {
    One(String),
    Several(Vec<String>),
}

impl Ours {
    fn all(&self) -> &[String] {
        match self {
            Ours::One(one) => std::slice::from_ref(one),
            Ours::Several(all) => all,
        }
    }
}

/// What there is here to stand for something.
struct Here {
    situations: BTreeSet<String>,
    quirks: BTreeSet<String>,
    /// Of tests, `PATH::NAME`.
    tests: BTreeSet<String>,
}

impl Here {
    fn look() -> Here {
        let mut tests = BTreeSet::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["src", "tests"] {
            collect(root, &root.join(folder), &mut tests);
        }
        let situations = situation::all().0.into_iter().map(|situation| situation.name).collect();
        Here { situations, quirks: ini::names(), tests }
    }

    /// Whether that is here; the text is what is wrong.
    fn has(&self, ours: &str) -> Result<Kind, String> {
        let found = |there: &BTreeSet<String>, name: &str, kind| {
            there.contains(name).then_some(kind).ok_or_else(|| format!("there is no `{ours}`"))
        };
        match ours.split_once(' ') {
            Some(("situation", name)) => found(&self.situations, name, Kind::Covered),
            Some(("quirk", name)) => found(&self.quirks, name, Kind::Covered),
            Some(("test", name)) => found(&self.tests, name, Kind::Covered),
            Some(("not", rest)) => match rest.strip_prefix("ours: ") {
                Some(why) if why.len() > 15 => Ok(Kind::NotOurs),
                _ => Err(format!("no reason: `{ours}`")),
            },
            _ => Err(format!("`{ours}` is neither a situation, a quirk, a test nor a reason")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Covered,
    NotOurs,
}

/// Every function that is marked as a test, by the file it stands in.
fn collect(root: &Path, folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(root).unwrap().display();
            for part in text.split("#[test]").skip(1).chain(text.split("#[tokio::test").skip(1)) {
                let name = part.split_once("fn ").and_then(|(_, rest)| rest.split_once(['(', '<']));
                tests.extend(name.map(|(name, _)| format!("{file}::{name}")));
            }
        }
    }
}

/// How many are covered, and how many are not ours; stops at whatever has no counterpart.
#[track_caller]
fn count<'a>(here: &Here, pages: impl Iterator<Item = (String, &'a Scenarios)>) -> (usize, usize) {
    let (mut covered, mut not_ours, mut wrong) = (0, 0, Vec::new());
    for (page, scenarios) in pages {
        for (scenario, ours) in scenarios {
            let kinds: Result<Vec<Kind>, String> = ours.all().iter().map(|one| here.has(one)).collect();
            match kinds.as_deref() {
                Ok([Kind::NotOurs]) => not_ours += 1,
                Ok([]) => wrong.push(format!("{page} {scenario}: nothing stands for it")),
                Ok(kinds) if kinds.contains(&Kind::NotOurs) => {
                    wrong.push(format!("{page} {scenario}: it is ours and not ours"));
                }
                Ok(_) => covered += 1,
                Err(why) => wrong.push(format!("{page} {scenario}: {why}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    (covered, not_ours)
}

fn botocores(here: &Here) -> (usize, usize) {
    let theirs: Theirs = toml::from_str(include_str!("checklist.toml")).unwrap();
    assert_eq!(theirs.botocore, pinned(), "raise the checklist with botocore: look at what its tests gained");
    let pages = theirs.files.iter().flat_map(|(file, classes)| {
        classes.iter().map(move |(class, scenarios)| (format!("{file} {class}"), scenarios))
    });
    count(here, pages)
}

fn elsewhere(here: &Here) -> (usize, usize) {
    let pages: BTreeMap<String, Scenarios> = toml::from_str(include_str!("elsewhere.toml")).unwrap();
    count(here, pages.iter().map(|(page, scenarios)| (page.clone(), scenarios)))
}

#[test]
fn every_scenario_of_others_has_ours_or_a_reason_and_the_figures_are_those_told() {
    let here = Here::look();
    assert!(here.tests.len() > 300, "{} tests found", here.tests.len());
    let (theirs, others) = (botocores(&here), elsewhere(&here));
    assert!(theirs.0 + theirs.1 >= 400 && others.0 >= 150, "{theirs:?} {others:?}");
    let told = [
        format!("{} situations", here.situations.len()),
        format!("{} oddities of AWS files", here.quirks.len()),
        format!("{} scenarios of botocore's own tests: {} have ours", theirs.0 + theirs.1, theirs.0),
        format!("{} of other SDKs' public tests: {} have ours", others.0 + others.1, others.0),
    ];
    let readme = include_str!("situations/README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let untold: Vec<&String> = told.iter().filter(|figure| !readme.contains(figure.as_str())).collect();
    assert!(untold.is_empty(), "situations/README.md does not say: {untold:#?}");
}

#[test]
fn what_is_not_there_stands_for_nothing() {
    let here = Here::look();
    for good in [
        "situation env-keys",
        "quirk CRLF",
        "test src/source/profile/ini.rs::parses_as_botocore_does",
        "test src/source/container.rs::a_token_that_is_no_header_value_is_not_sent",
        "not ours: because of something",
    ] {
        assert!(here.has(good).is_ok(), "{good}");
    }
    for bad in ["situation none", "quirk none", "test src/lib.rs::none", "not ours: ", "env-keys", "not here"]
    {
        assert!(here.has(bad).is_err(), "{bad}");
    }
}
