//! How AWS files are read, oddity by oddity: keyfob's parser and the installed botocore are asked each time, and what was
//! once written down of botocore's answers is what it still answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyfob::source::profile::ini::{Fault, Ini, Value};
use keyfob::source::profile::merge::{Profile, Profiles};
use serde::Deserialize;

use super::oracle::pinned;
use super::situation::here;
use crate::sdk::python;
use crate::support::run::skip;
use crate::support::{Run, TempHome};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

/// A row of `ini/quirks.toml`, which says what the fields are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    config: Option<String>,
    credentials: Option<String>,
    #[serde(default = "usual")]
    ask: Vec<String>,
    is: Option<String>,
    #[serde(default)]
    absent: bool,
    refused: Option<usize>,
    says: Option<String>,
}

fn usual() -> Vec<String> {
    ["p", "x"].map(str::to_owned).into()
}

/// All sections that count, of either kind of file, by name; each with its keys. `Err`: a file is refused.
type Found = Result<BTreeMap<String, BTreeMap<String, serde_json::Value>>, Option<Fault>>;

impl Row {
    /// The bytes of the two files, a character for each.
    fn files(&self) -> [Option<String>; 2] {
        [&self.config, &self.credentials].map(|text| text.as_deref().map(repeated))
    }

    /// What the row says of these answers; the text is what is wrong with one of them.
    fn judge(&self, found: &Found) -> Result<(), String> {
        let said = match (found, self.refused) {
            (Err(_), Some(_)) => return Ok(()),
            (Err(fault), None) => return Err(format!("a file is refused: {fault:?}")),
            (Ok(_), Some(_)) => return Err("no file is refused".to_owned()),
            (Ok(found), None) => found,
        };
        let ask: Vec<String> = self.ask.iter().map(|word| of_bytes(word)).collect();
        let section = said.get(&ask[0]);
        let value = match &ask[1..] {
            [] => section.map(|_| serde_json::Value::from("there")),
            [key] => section.and_then(|keys| keys.get(key)).cloned(),
            [key, inner] => section.and_then(|keys| keys.get(key)?.get(inner)).cloned(),
            _ => return Err("no such question".to_owned()),
        };
        let wanted = self.is.as_ref().map(|text| serde_json::Value::from(of_bytes(&repeated(text))));
        let shown = |value: &Option<serde_json::Value>| format!("{:.100}", format!("{value:?}"));
        if value == wanted {
            return Ok(());
        }
        Err(format!("{ask:?} is {} and not {}", shown(&value), shown(&wanted)))
    }
}

/// `<<3*ab>>` is `ababab`.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<<") else { return text.to_owned() };
    let (inner, after) = rest.split_once(">>").unwrap();
    let (count, what) = inner.split_once('*').unwrap();
    format!("{before}{}{after}", what.repeat(count.parse().unwrap()))
}

/// Characters that stand for bytes.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap()).collect()
}

fn of_bytes(text: &str) -> String {
    String::from_utf8(bytes(text)).unwrap()
}

/// keyfob's answer, by the parser and the merger that every walk uses.
fn ours([config, credentials]: &[Option<String>; 2]) -> Found {
    let parse = |text: &Option<String>| Ini::parse(&bytes(text.as_deref().unwrap_or_default())).map_err(Some);
    let (config, credentials) = (parse(config)?, parse(credentials)?);
    let file: Arc<Path> = Arc::from(Path::new("file"));
    let mut all = Profiles::of_config(&config, &file);
    all.add_credentials(&credentials, &file);
    let mut found: BTreeMap<_, _> =
        all.names().map(|name| (name.to_owned(), keys(all.get(name).unwrap()))).collect();
    // The other two kinds have no list of their own: their names are words of the config file.
    for (kind, get) in [("sso-session", Profiles::sso_session as Getter), ("services", Profiles::services)] {
        for section in &config.sections {
            let name = section.name.strip_prefix(kind).unwrap_or_default().trim();
            if let Some(profile) = get(&all, name) {
                found.insert(format!("{kind} {name}"), keys(profile));
            }
        }
    }
    Ok(found)
}

type Getter = for<'a> fn(&'a Profiles, &str) -> Option<&'a Profile>;

fn keys(profile: &Profile) -> BTreeMap<String, serde_json::Value> {
    let value = |value: &Value| match value {
        Value::Text(text) => serde_json::Value::from(text.as_str()),
        Value::Nested(block) => {
            block.iter().map(|(key, text)| (key.clone(), serde_json::Value::from(text.as_str()))).collect()
        }
    };
    profile.iter().map(|(key, setting)| (key.to_owned(), value(&setting.value))).collect()
}

fn rows() -> Vec<Row> {
    let Table { row } = toml::from_str(include_str!("ini/quirks.toml")).unwrap();
    let mut names = BTreeSet::new();
    for row in &row {
        assert!(names.insert(&row.name), "{} is there twice", row.name);
        let answers = [row.is.is_some(), row.absent, row.refused.is_some()];
        assert_eq!(answers.iter().filter(|given| **given).count(), 1, "{}: one answer is wanted", row.name);
        assert_eq!(row.refused.is_some(), row.says.is_some(), "{}: a refusal says something", row.name);
    }
    row
}

/// What the rows are called.
pub fn names() -> BTreeSet<String> {
    rows().into_iter().map(|row| row.name).collect()
}

/// botocore's answers to all rows, in one go.
fn theirs(rows: &[Row]) -> Vec<Found> {
    let asked: Vec<_> = rows
        .iter()
        .map(|row| {
            let [config, credentials] = row.files();
            serde_json::json!({ "config": config, "credentials": credentials })
        })
        .collect();
    let oracle = Run::new(python()).arg("-I").arg(here("ini/oracle.py"));
    let said = oracle.stdin(&serde_json::Value::from(asked).to_string()).within(Duration::from_secs(120));
    let said = said.run().expect_code(0);
    let said: Vec<Option<Vec<BTreeMap<String, _>>>> = serde_json::from_str(&said.stdout).unwrap();
    said.into_iter().map(|row| Ok(row.ok_or(None)?.into_iter().flatten().collect())).collect()
}

#[test]
fn every_oddity_is_read_as_the_installed_botocore_reads_it() {
    if !python().is_file() {
        return skip("botocore is not there; run `make clients`");
    }
    let rows = rows();
    assert!(rows.len() >= 150, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (row, theirs) in rows.iter().zip(theirs(&rows)) {
        let ours = ours(&row.files());
        for (who, found) in [("keyfob", &ours), ("botocore", &theirs)] {
            if let Err(why) = row.judge(found) {
                wrong.push(format!("{}: {who}: {why}", row.name));
            }
        }
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs)
            && ours != theirs
        {
            wrong.push(format!("{}: they differ elsewhere: {ours:.300?} | {theirs:.300?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    super::tell(&format!(
        "{} oddities of AWS files are read as botocore {} reads them\n",
        rows.len(),
        pinned()
    ));
}

/// A file that botocore refuses: the program says which, where and what, and shows no value.
#[test]
fn a_refused_file_is_told_with_its_place_and_a_sentence() {
    let refused: Vec<Row> = rows().into_iter().filter(|row| row.refused.is_some()).collect();
    assert!(refused.len() >= 25, "{} refusals", refused.len());
    for row in refused {
        let home = TempHome::new();
        std::fs::create_dir_all(home.path().join(".aws")).unwrap();
        let paths = ["config", "credentials"].map(|name| home.path().join(".aws").join(name));
        let files = row.files();
        for (path, text) in paths.iter().zip(&files) {
            text.iter().for_each(|text| std::fs::write(path, bytes(text)).unwrap());
        }
        // The first that is refused; the other one may be fine.
        let bad = |text: &Option<String>| ours(&[text.clone(), None]).is_err();
        let path: &PathBuf = &paths[files.iter().position(bad).unwrap()];
        let run = Run::keyfob().args(["get", "--config", "/dev/null"]).envs(home.env());
        let done = run.env("AWS_EC2_METADATA_DISABLED", "true").run().expect_code(4);
        let place = format!("{}:{}: ", path.display(), row.refused.unwrap());
        let sentence = done.stderr.lines().find_map(|line| line.split_once(&place)).map(|(_, rest)| rest);
        let sentence = sentence.unwrap_or_else(|| panic!("{}: no {place} in {done:#?}", row.name));
        let says = row.says.unwrap();
        assert!(sentence.contains(&says), "{}: `{says}` is not in `{sentence}`", row.name);
        assert!(done.stderr.contains("[FILE-PARSE]"), "{}: {done:#?}", row.name);
        assert!(!done.stderr.contains("wJalr"), "{}: a secret is shown", row.name);
    }
}

/// The tables of our unit tests hold botocore's answers of the day they were written: they still are its answers.
#[test]
fn the_tables_of_the_unit_tests_are_not_stale() {
    if !python().is_file() {
        return skip("botocore is not there; run `make clients`");
    }
    Run::new(python()).arg("-I").arg(here("tables.py")).arg("--check").run().expect_code(0);
}
