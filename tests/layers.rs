//! Holds the crate to its shape: imports point down, telemetry observes from outside, secrets open in few places.

#[path = "layers/paths.rs"]
mod paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use paths::{calls_method, without_tests};

/// Who may import whom: a module sees lower rows only.
const ROWS: [&[&str]; 8] = [
    &[
        "clock",
        "moment",
        "secret",
        "shutdown",
        "credentials",
        "cause",
        "failure",
        "file",
        "config",
        "wiring",
        "program",
    ],
    &["source", "aws", "http", "report"],
    &["chain", "event", "watcher", "diagnosis"],
    &["keeper"],
    &["roster", "telemetry", "supervisor"],
    &["server"],
    &["agent"],
    &["main", "cli", "demo"],
];

/// The only steps sideways: from, to.
const SIDEWAYS: &[(&str, &str)] = &[
    ("credentials", "secret"),
    ("failure", "cause"),
    ("config", "secret"),
    ("config", "credentials"),
    ("config", "file"),
    ("source", "aws"),
    ("source", "http"),
    ("source", "report"),
    ("aws", "http"),
    ("aws", "report"),
    ("http", "report"),
    ("watcher", "event"),
    ("main", "cli"),
    ("cli", "demo"),
];

/// Forbidden although the row is lower: telemetry is told, it never asks.
const NEVER: &[(&str, &str)] = &[("telemetry", "keeper"), ("telemetry", "roster")];

/// Crates that only these modules may name.
const KEPT_TO: &[(&str, &[&str])] =
    &[("tracing", &["telemetry", "main"]), ("prometheus_client", &["telemetry"]), ("prost", &["telemetry"])];

/// The files that may read a secret's text, and do: what goes out to AWS and to clients, what is taken out of texts.
const EXPOSING: &[&str] = &[
    "aws/mod.rs",
    "aws/refusal.rs",
    "aws/sign_in.rs",
    "cli/get.rs",
    "http.rs",
    "http/proxy.rs",
    "server/reply.rs",
    "server/token_disk.rs",
    "source/container.rs",
    "source/login.rs",
    "source/sso/token.rs",
    "telemetry/traces/export.rs",
];

/// Lines of a file before its tests.
const LENGTH: usize = 330;

/// One file of `src`.
struct Source {
    /// From the crate's root: `keeper/judge.rs`.
    name: String,
    text: String,
}

impl Source {
    /// `keeper/judge.rs` is `["keeper", "judge"]`.
    fn module(&self) -> Vec<&str> {
        let words = self.name.trim_end_matches(".rs").split('/');
        words.filter(|word| *word != "mod").collect()
    }

    /// The row's word for it.
    fn top(&self) -> &str {
        self.module()[0]
    }

    /// What is compiled for tests only: a file of its own, or nothing of this one.
    fn is_test(&self) -> bool {
        self.module().last() == Some(&"tests")
    }

    fn lines_before_tests(&self) -> usize {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    }
}

/// All of `src` but the map, whose list of modules is no import.
fn sources() -> Vec<Source> {
    let root = root().join("src");
    let mut found = Vec::new();
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        if path.extension().is_some_and(|ending| ending == "rs") && name != "lib.rs" {
            found.push(Source { name, text: fs::read_to_string(path).unwrap() });
        }
    }
    assert!(found.len() > 20, "src was not found");
    found
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every file under a folder; what builds leave behind is not ours.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (name, kind) = (entry.file_name(), entry.file_type().unwrap());
        let foreign = [".git", "target", "build", "node_modules"].iter().any(|folder| name == *folder);
        if kind.is_dir() && !foreign {
            found.extend(files(&entry.path()));
        } else if kind.is_file() && !foreign {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// What is wrong with `from` importing `to`.
fn refusal(from: &str, to: &str) -> Option<String> {
    if from == to || SIDEWAYS.contains(&(from, to)) {
        return None;
    }
    if NEVER.contains(&(from, to)) {
        return Some(format!("{from} must never see {to}"));
    }
    match (row(from), row(to)) {
        (Some(high), Some(low)) if low < high => None,
        (Some(from_row), Some(to_row)) => Some(format!("{from} (row {from_row}) sees {to} (row {to_row})")),
        (None, _) => Some(format!("{from} is in no row")),
        (_, None) => Some(format!("{to} is in no row")),
    }
}

fn import_problems(source: &Source) -> BTreeSet<String> {
    let home = source.module();
    let own = if source.top() == "main" { "keyfob" } else { "crate" };
    let found = paths::paths(paths::tokens(&source.text), &home);
    let ours = found.iter().filter(|path| path[0] == own || path[0] == "crate");
    let imported = ours.filter_map(|path| path.get(1));
    let mut problems: BTreeSet<_> = imported.filter_map(|to| refusal(source.top(), to)).collect();
    problems.extend(row(source.top()).is_none().then(|| "it is in no row".to_owned()));
    problems
}

fn foreign_problems(source: &Source) -> BTreeSet<String> {
    if source.is_test() {
        return BTreeSet::new();
    }
    let found = paths::paths(without_tests(paths::tokens(&source.text)), &source.module());
    let misplaced = |path: &paths::Path| {
        let (_, homes) = KEPT_TO.iter().find(|(name, _)| path[0] == *name)?;
        (!homes.contains(&source.top())).then(|| format!("names {}", path.join("::")))
    };
    let spawns = |path: &paths::Path| {
        let end = path.iter().rev().take(2).map(String::as_str).collect::<Vec<_>>();
        let spawn = matches!(*end, ["spawn" | "spawn_local", "tokio" | "task"] | ["JoinSet", ..]);
        (spawn && source.top() != "shutdown").then(|| format!("spawns: {}", path.join("::")))
    };
    found.iter().filter_map(|path| misplaced(path).or_else(|| spawns(path))).collect()
}

/// Stops the test with everything that is wrong, not the first thing.
#[track_caller]
fn assert_none(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
}

#[track_caller]
fn assert_each(judge: impl Fn(&Source) -> BTreeSet<String>) {
    let named = |source: Source| {
        let problems = judge(&source);
        problems.into_iter().map(move |problem| format!("src/{}: {problem}", source.name))
    };
    assert_none(sources().into_iter().flat_map(named));
}

#[test]
fn imports_point_down() {
    assert_each(import_problems);
}

#[test]
fn every_module_of_the_map_has_a_row() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules: Vec<_> =
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 10, "the map was not read");
    assert_none(modules.iter().filter(|name| row(name).is_none()).map(|name| format!("{name} is in no row")));
}

#[test]
fn telemetry_is_the_only_observer_and_shutdown_the_only_spawner() {
    assert_each(foreign_problems);
}

#[test]
fn secrets_open_in_the_listed_files_only() {
    let opens = |source: &Source| {
        !source.is_test() && calls_method(without_tests(paths::tokens(&source.text)), "expose")
    };
    let found: BTreeSet<_> = sources().into_iter().filter(opens).map(|source| source.name).collect();
    let listed: BTreeSet<_> = EXPOSING.iter().map(|name| (*name).to_owned()).collect();
    let unlisted = found.difference(&listed).map(|name| format!("{name} opens a secret and is not listed"));
    let stale = listed.difference(&found).map(|name| format!("{name} is listed and opens none"));
    assert_none(unlisted.chain(stale));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    assert_each(|source| {
        let lines = source.lines_before_tests();
        let long = (!source.is_test() && lines > LENGTH).then(|| format!("{lines} lines before its tests"));
        let mute = (!source.text.starts_with("//! ")).then(|| "does not open with what it is for".to_owned());
        long.into_iter().chain(mute).collect()
    });
}

#[test]
fn nothing_speaks_of_places_outside_the_repository() {
    // Put together here, so that this file does not name them either.
    let outside = [["/wo", "rk/"].concat(), ["/tmp", "/wt"].concat(), ["../", "shared"].concat()];
    let mut read = 0;
    let named = files(&root()).into_iter().flat_map(|path| {
        read += 1;
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let said: Vec<_> = outside.iter().filter(|word| text.contains(*word)).cloned().collect();
        said.into_iter().map(move |word| format!("{} speaks of {word}", path.display()))
    });
    assert_none(named.collect::<Vec<_>>());
    assert!(read > 40, "the repository was not found");
}

mod judges {
    //! The rules themselves, on snippets that break them.

    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn an_import_upwards_is_a_problem() {
        let bad = [
            (
                "keeper/mod.rs",
                "use crate::{secret::Secret, server::reply};",
                "keeper (row 3) sees server (row 5)",
            ),
            (
                "keeper/judge.rs",
                "fn f() { super::super::roster::all() }",
                "keeper (row 3) sees roster (row 4)",
            ),
            ("chain.rs", "use super::event::Event;", "chain (row 2) sees event (row 2)"),
            ("telemetry/logs.rs", "use crate::keeper::Handle;", "telemetry must never see keeper"),
            ("clock.rs", "use crate::tools::Tool;", "tools is in no row"),
            ("tools.rs", "", "it is in no row"),
        ];
        for (name, text, problem) in bad {
            assert_eq!(import_problems(&source(name, text)), [problem.to_owned()].into(), "{name}");
        }
    }

    #[test]
    fn an_import_downwards_or_of_ones_own_is_none() {
        let good = [
            ("keeper/mod.rs", "mod judge; use crate::{chain::Chain, keeper::judge}; use self::judge::judge;"),
            ("source/container.rs", "use super::Source; use crate::http; use crate::report::Notes;"),
            ("main.rs", "use keyfob::cli; fn main() { keyfob::agent::run() }"),
            ("server/mod.rs", "// use crate::cli;\nconst S: &str = \"crate::cli\";"),
        ];
        for (name, text) in good {
            assert_eq!(import_problems(&source(name, text)), BTreeSet::new(), "{name}");
        }
    }

    #[test]
    fn logging_or_spawning_elsewhere_is_a_problem() {
        let bad = [
            ("keeper/mod.rs", "fn f() { tracing::info!(\"x\"); }"),
            ("server/mod.rs", "use tracing::{info, warn};"),
            ("server/mod.rs", "fn f() { tokio::spawn(async {}); }"),
            ("server/mod.rs", "use tokio::{net::TcpListener, task::spawn};"),
            ("agent.rs", "use tokio::task; fn f() { task::spawn(async {}); }"),
            ("event.rs", "use prometheus_client::registry::Registry;"),
        ];
        for (name, text) in bad {
            assert_ne!(foreign_problems(&source(name, text)), BTreeSet::new(), "{name}: {text}");
        }
        let good = [
            ("telemetry/logs.rs", "use tracing::info;"),
            ("shutdown.rs", "fn f() { tokio::spawn(async {}); }"),
            ("http.rs", "fn f() { tokio::task::spawn_blocking(|| {}); self.tasks.spawn(x); }"),
            ("http.rs", "#[cfg(test)] mod tests { fn f() { tokio::spawn(async {}); } }"),
        ];
        for (name, text) in good {
            assert_eq!(foreign_problems(&source(name, text)), BTreeSet::new(), "{name}: {text}");
        }
    }

    #[test]
    fn only_lines_before_the_tests_count() {
        let text = "//! x\n\nfn f() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(source("clock.rs", text).lines_before_tests(), 3);
    }
}
