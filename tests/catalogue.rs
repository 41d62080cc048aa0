//! README's tables name what the code has, and the code has what they name.
//!
//! A table that differs stops its test, which prints the rows as they should be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::CommandFactory;
use keyfob::cli::args::Cli;
use keyfob::config::Config;
use keyfob::config::parse::parse;
use keyfob::telemetry::metrics::NAMES;

/// A table of README: the rows under a heading, cells trimmed, without their code marks.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn under(heading: &str) -> Table {
        let text = include_str!("../README.md");
        let (_, section) =
            text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
        let lines = section.lines().take_while(|line| !line.starts_with('#'));
        let rows = lines.filter(|line| line.starts_with("| ")).map(cells);
        // The first row is the table's head.
        let rows: Vec<_> = rows.skip(1).collect();
        assert!(!rows.is_empty(), "no table under {heading}");
        Table { rows }
    }

    fn first_cells(&self) -> BTreeSet<String> {
        let names: BTreeSet<_> = self.rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(names.len(), self.rows.len(), "a row stands there twice");
        names
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner.split(" | ").map(|cell| unmarked(cell.trim()).to_owned()).collect()
}

/// A cell that is code as a whole, without its marks.
fn unmarked(cell: &str) -> &str {
    let inner = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    inner.filter(|inner| !inner.contains('`')).unwrap_or(cell)
}

/// Names on one side only.
#[track_caller]
fn assert_same(readme: &BTreeSet<String>, code: &BTreeSet<String>) {
    let invented: Vec<_> = readme.difference(code).collect();
    let untold: Vec<_> = code.difference(readme).collect();
    assert!(
        invented.is_empty() && untold.is_empty(),
        "only in README: {invented:?}; only in the code: {untold:?}"
    );
}

/// The keys that a table of the configuration knows: it names them when it meets one that it does not.
fn keys_of(table: &str) -> Vec<String> {
    let unheard_of = "zzzzzzzzzzzzzzzzzzzzzzzz = 1";
    let text = match table {
        "" => unheard_of.to_owned(),
        "role" => format!("[[role]]\nname = \"x\"\n{unheard_of}"),
        "role.web_identity" => format!("[[role]]\nname = \"x\"\nweb_identity = {{ {unheard_of} }}"),
        "role.expect" => format!("[[role]]\nname = \"x\"\nexpect = {{ {unheard_of} }}"),
        other => format!("[{other}]\n{unheard_of}"),
    };
    let problems = parse(&text, Path::new("keyfob.toml")).unwrap_err();
    let known = problems.iter().find_map(|problem| problem.want.strip_prefix("one of "));
    let known = known.unwrap_or_else(|| panic!("{table}: {problems:?}"));
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_configuration_key_is_documented_and_every_documented_key_is_known() {
    let mut tables = keys_of("");
    tables.extend(["role.expect", "role.web_identity"].map(str::to_owned));
    let mut code = BTreeSet::new();
    for table in tables {
        code.extend(keys_of(&table).into_iter().map(|key| format!("{table}.{key}")));
    }
    // Their inner keys stand in rows of their own; a role's variables are named by whoever writes them.
    assert!(code.remove("role.expect") && code.remove("role.web_identity"));
    assert_same(&Table::under("## Configuration").first_cells(), &code);
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    let rows = Table::under("## Configuration").rows;
    let literal = |cell: &str| cell.starts_with(['"', '[', '0', '1']) || ["true", "false"].contains(&cell);
    for row in rows.iter().filter(|row| literal(&row[1])) {
        let (section, key) = row[0].split_once('.').unwrap();
        *sections.entry(section).or_default() += &format!("{key} = {}\n", row[1]);
    }
    let role = sections.remove("role").unwrap();
    let others: String = sections.iter().map(|(name, keys)| format!("[{name}]\n{keys}")).collect();
    let text = format!("{others}[[role]]\nname = \"default\"\n{role}");
    assert!(text.lines().count() > 20, "{text}");
    assert_eq!(parse(&text, Path::new("README.md")), Ok(Config::default()), "{text}");
}

#[test]
fn the_sdk_versions_are_those_that_are_installed() {
    let pinned = concat!(
        include_str!("sdk/requirements.txt"),
        include_str!("sdk/js/package.json"),
        include_str!("sdk/go/go.mod"),
        include_str!("sdk/java/pom.xml"),
    );
    for row in Table::under("## SDKs").rows {
        let version = &row[1];
        let ways = [
            format!("=={version}\n"),
            format!("\"{version}\""),
            format!("/config v{version}\n"),
            format!("<version>{version}</version>"),
        ];
        assert!(ways.iter().any(|way| pinned.contains(way)) || row[0].contains("Rust"), "{row:?}");
    }
}

#[test]
fn every_command_is_documented_and_every_documented_command_is_there() {
    let cli = Cli::command();
    let code = cli.get_subcommands().map(|command| command.get_name().to_owned());
    assert_same(&Table::under("## Commands").first_cells(), &code.collect());
}

#[test]
fn every_cause_is_documented_with_its_own_words() {
    let rows = Table::under("## Causes").rows;
    let wanted = keyfob::cause::catalogue().map(|cause| vec![cause.code.to_owned(), cause.title.to_owned()]);
    let wanted: Vec<_> = wanted.collect();
    let lines: Vec<_> = wanted.iter().map(|row| format!("| `{}` | {} |", row[0], row[1])).collect();
    if rows != wanted && std::env::var_os("KEYFOB_WRITE").is_some_and(|value| value == "1") {
        let (readme, old) = (concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"), rows.iter());
        let old: Vec<_> = old.map(|row| format!("| `{}` | {} |", row[0], row[1])).collect();
        let text = std::fs::read_to_string(readme).unwrap();
        assert!(text.contains(&old.join("\n")), "README's rows are not found again");
        return std::fs::write(readme, text.replace(&old.join("\n"), &lines.join("\n"))).unwrap();
    }
    assert!(rows == wanted, "KEYFOB_WRITE=1 writes the rows that should be:\n{}", lines.join("\n"));
}

#[test]
fn every_metric_is_documented_with_its_kind_and_labels() {
    let rows = Table::under("## Metrics").rows;
    let wanted = NAMES.map(|metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        format!("| `{}` | {} | {labels} | {} |", metric.name, metric.kind.as_str(), metric.help)
    });
    assert!(rows == wanted.each_ref().map(|row| cells(row)), "the rows should be:\n{}", wanted.join("\n"));
}

#[test]
fn every_telemetry_variable_is_documented_and_every_documented_one_is_read() {
    let code = keyfob::telemetry::traces::VARIABLES.map(str::to_owned).into();
    assert_same(&Table::under("## Traces").first_cells(), &code);
}

#[test]
fn every_field_of_an_audit_record_is_documented() {
    let code = keyfob::telemetry::audit::FIELDS.map(str::to_owned);
    assert_same(&Table::under("### Audit log").first_cells(), &code.into());
}

#[test]
fn cells_are_read_as_they_are_written() {
    assert_eq!(cells("| `a.b` | `\"x\"` | why `c` is `d` |"), ["a.b", "\"x\"", "why `c` is `d`"]);
}
