//! Why, for every cause: a folder each with a small machine on which it really comes about, and what `explain` says there.
//!
//! `KEYFOB_WRITE=1 cargo test --test main causes::` records the screens and documents anew; `KEYFOB_CAUSES=ENV-` picks by
//! name; `KEYFOB_SCREENS=FOLDER` leaves every screen there, at 80 and 120 columns, plain and coloured, to be looked at.
//! README.md here says what a fixture holds.

mod everywhere;
mod fixture;
mod normal;
mod symptoms;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fixture::{Fixture, Stage, here};
use normal::{Normal, loose};
use serde::Deserialize;
use serde_json::Value;

use crate::parity::situation;
use crate::support::home::others_are_in_sight;

const WORKERS: usize = 4;

/// Runs each, and collects what is wrong.
fn each<T: Sync>(
    all: &[T],
    name: impl Fn(&T) -> &str + Sync,
    look: impl Fn(&T) -> Result<(), String> + Sync,
) {
    let picked = std::env::var("KEYFOB_CAUSES").unwrap_or_default();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !name(one).contains(&picked) {
                        continue;
                    }
                    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(one)));
                    let said = ended.unwrap_or_else(|panic| Err(words(&*panic)));
                    if let Err(why) = said {
                        wrong.lock().unwrap().push(format!("{}: {why}", name(one)));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} are wrong\n\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// The codes of the likeliest cause and of what may surprise.
fn named(document: &Value) -> (Option<&str>, Vec<&str>) {
    let first = document["causes"][0]["code"].as_str().or(document["failure"]["code"].as_str());
    let warnings = document["warnings"].as_array().into_iter().flatten().chain([&document["warning"]]);
    (first, warnings.filter_map(|warning| warning["code"].as_str()).collect())
}

/// Every screen as people see it, for their eyes: `tests/cli/screens.rs` holds what can be held.
#[test]
fn screens_are_left_for_eyes_that_ask_for_them() {
    let Some(folder) = std::env::var_os("KEYFOB_SCREENS") else { return };
    let (_, users) = situation::all();
    each(
        &Fixture::folders(),
        |(_, fixture)| &fixture.name,
        |(_, fixture)| {
            for (columns, color) in [("80", "never"), ("80", "always"), ("120", "never"), ("120", "always")] {
                let name = format!("{}.{columns}.{color}", fixture.name);
                let screen = fixture.stage(&users).screen_on(columns, color);
                fs::write(Path::new(&folder).join(name), screen).unwrap();
            }
            Ok(())
        },
    );
}

#[test]
fn every_cause_is_named_where_it_comes_about_and_its_fix_works() {
    let (_, users) = situation::all();
    let all = Fixture::folders();
    let mended = AtomicUsize::new(0);
    each(
        &all,
        |(_, fixture)| &fixture.name,
        |(folder, fixture)| {
            let unseen = || fixture.code() == "SEC-READABLE" && !others_are_in_sight();
            if fixture.expected.recorded.is_some() || unseen() {
                return Ok(());
            }
            let mut stage = fixture.stage(&users);
            let document = explained(folder, fixture, &stage)?;
            if let Some(mend) = fixture.expected.mend {
                stage.mend(mend, &document);
                let got = stage.get();
                if got.code() != Some(0) {
                    return Err(format!("the fix does not help: {}", got.stderr));
                }
                // A warning never kept credentials away: that it is gone is what tells.
                if fixture.expected.exit == 0 && named(&stage.document().1).1.contains(&fixture.code()) {
                    return Err("the fix was followed, and it is warned all the same".to_owned());
                }
                mended.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        },
    );
    tell(&format!("causes: {} fixtures, {} of their fixes followed\n", all.len(), mended.into_inner()));
}

/// Both renderings, held to what is on record.
fn explained(folder: &Path, fixture: &Fixture, stage: &Stage<'_>) -> Result<Value, String> {
    let expected = &fixture.expected;
    let before = tree(stage.machine.home.path());
    let screen = stage.screen();
    let (finished, document) = stage.document();
    let after = tree(stage.machine.home.path());
    if after != before {
        // What stands in them may be a secret.
        let changed: BTreeSet<_> = before.symmetric_difference(&after).map(|entry| &entry.0).collect();
        return Err(format!("explain changed the home: {changed:?}"));
    }
    let said = format!("{}{}", screen.stdout, screen.stderr);
    if (screen.code(), finished.code()) != (Some(expected.exit), Some(expected.exit)) {
        return Err(format!(
            "exit {:?} and {:?}, not {}\n{said}",
            screen.code(),
            finished.code(),
            expected.exit
        ));
    }
    let (first, warnings) = named(&document);
    let code = fixture.code();
    if first != Some(code) && !(expected.exit == 0 && warnings.contains(&code)) {
        return Err(format!("named {first:?}, warned of {warnings:?}\n{said}"));
    }
    let flat = loose(&said);
    if let Some(missing) = expected.says.iter().find(|words| !flat.contains(loose(words).as_str())) {
        return Err(format!("does not say {missing:?}\n{said}"));
    }
    let normal = Normal::new(&stage.machine.home.path().display().to_string(), stage.aws.addr().port());
    let document_text = format!("{:#}\n", normal.json(&document));
    hold(&folder.join("screen.txt"), &normal.text(&screen.stdout), loose)?;
    hold(&folder.join("explain.json"), &document_text, loose)?;
    Ok(document)
}

/// What is in a folder: path, mode, moment of the last change in nanoseconds, and the bytes of files.
fn tree(folder: &Path) -> BTreeSet<(PathBuf, u32, i128, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        let bytes = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let changed = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        found.insert((path.clone(), about.mode(), changed, bytes));
        if about.is_dir() {
            found.extend(tree(&path));
        }
    }
    found
}

/// As `KEYFOB_WRITE=1` recorded it.
fn hold(file: &Path, wanted: &str, as_compared: impl Fn(&str) -> String) -> Result<(), String> {
    if std::env::var_os("KEYFOB_WRITE").is_some_and(|value| value == "1") {
        let found = fs::read_to_string(file).unwrap_or_default();
        if as_compared(&found) != as_compared(wanted) {
            fs::write(file, wanted).unwrap();
        }
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    if as_compared(&found) == as_compared(wanted) {
        return Ok(());
    }
    Err(format!("{} is not what was seen (KEYFOB_WRITE=1 records it anew):\n{wanted}", file.display()))
}

/// Several things wrong at once: the first cause named is the one whose repair brings the user furthest.
#[test]
fn of_several_causes_the_most_helpful_is_named_first() {
    let (_, users) = situation::all();
    let all = Fixture::page("mixtures.toml");
    assert!(all.len() >= 40, "only {} mixtures", all.len());
    each(
        &all,
        |fixture| &fixture.name,
        |fixture| {
            let expected = &fixture.expected;
            assert!(expected.because.len() > 20, "not argued");
            let (finished, document) = fixture.stage(&users).document();
            let first = named(&document).0;
            if first != expected.first.as_deref() || finished.code() != Some(expected.exit) {
                let also = &document["causes"];
                return Err(format!("named {first:?}, exit {:?}; all: {also:#}", finished.code()));
            }
            Ok(())
        },
    );
}

/// A set-up that is right, however unusual, gives no word of warning.
#[test]
fn what_is_well_is_left_in_peace() {
    let (_, users) = situation::all();
    let all = Fixture::page("healthy.toml");
    assert!(all.len() >= 20, "only {} healthy set-ups", all.len());
    each(
        &all,
        |fixture| &fixture.name,
        |fixture| {
            assert!(fixture.expected.because.len() > 10, "not argued");
            let stage = fixture.stage(&users);
            let (finished, document) = stage.document();
            let (first, warnings) = named(&document);
            let quiet = first.is_none() && warnings.is_empty() && document["verdict"] == "ok";
            if finished.code() != Some(0) || !quiet {
                return Err(format!("exit {:?}, {first:?}, {warnings:?}: {document:#}", finished.code()));
            }
            Ok(())
        },
    );
}

/// Where a cause comes about that is no fixture's: a test that names the code, or why there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    #[serde(default)]
    test: BTreeMap<String, String>,
    #[serde(default)]
    missing: BTreeMap<String, String>,
}

#[test]
fn every_code_has_a_fixture_or_a_test_or_a_reason_why_not() {
    let text = fs::read_to_string(here("elsewhere.toml")).unwrap();
    let elsewhere: Elsewhere = toml::from_str(&text).unwrap();
    let fixtures: BTreeSet<String> =
        Fixture::folders().iter().map(|(_, fixture)| fixture.code().to_owned()).collect();
    let codes: BTreeSet<&str> = keyfob::cause::catalogue().map(|cause| cause.code).collect();
    let mut wrong = Vec::new();
    for code in &codes {
        let known = [
            fixtures.contains(*code),
            elsewhere.test.contains_key(*code),
            elsewhere.missing.contains_key(*code),
        ];
        if known.iter().filter(|known| **known).count() != 1 {
            wrong.push(format!("{code}: fixture, test elsewhere, reason: {known:?}"));
        }
    }
    let stale = fixtures.iter().chain(elsewhere.test.keys()).chain(elsewhere.missing.keys());
    wrong.extend(
        stale.filter(|code| !codes.contains(code.as_str())).map(|code| format!("{code}: no such cause")),
    );
    for (code, place) in &elsewhere.test {
        wrong.extend(unnamed(code, place));
    }
    let made = fixtures.len() + elsewhere.test.len();
    tell(&format!("causes: {made} of {} come about in a test\n", codes.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `tests/agent/own.rs::a_name`: the file has that test, and names the cause by code or constant.
fn unnamed(code: &str, place: &str) -> Option<String> {
    let (file, test) = place.split_once("::")?;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let Ok(text) = fs::read_to_string(path) else { return Some(format!("{code}: no file {file}")) };
    let known = text.contains(&format!("fn {test}("))
        && (text.contains(code) || text.contains(&code.replace('-', "_")));
    (!known).then(|| format!("{code}: {place} does not name it"))
}

/// Past the test runner, which shows nothing of a test that passes.
fn tell(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
