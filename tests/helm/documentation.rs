//! A chart's schema has every key, its default and its meaning; values.yaml and the tables of README are made of it.

use saphyr::{LoadableYamlNode, Yaml};

use super::charts::{hold, path, text};
use crate::monitoring::files::json;

const HEAD: &str = "# Made from values.schema.json, which also says what is allowed. After a change there:\n\
                    #   KEYFOB_WRITE=1 cargo test --test main helm::documentation\n";

/// A key with a meaning.
pub struct Entry {
    /// From the top: `image.tag`.
    pub place: Vec<String>,
    /// JSON.
    pub default: Option<String>,
    meaning: String,
}

/// A schema's keys in their own order, which a JSON map would not keep.
fn entries(properties: &Yaml<'_>, above: &[String]) -> Vec<Entry> {
    let mut all = Vec::new();
    for (key, schema) in properties.as_mapping().unwrap() {
        let place = [above, &[key.as_str().unwrap().to_owned()]].concat();
        let get = |name: &str| schema.as_mapping_get(name);
        if let Some(meaning) = get("description") {
            let default = get("default").map(|default| json(default).to_string());
            all.push(Entry { place, default, meaning: meaning.as_str().unwrap().to_owned() });
        } else if let Some(inner) = get("properties") {
            all.extend(entries(inner, &place));
        }
    }
    all
}

/// The keys of a chart, or those of a definition in its schema.
pub fn read(chart: &str, definition: Option<&str>) -> Vec<Entry> {
    let text = text(&format!("{chart}/values.schema.json"));
    let schema = Yaml::load_from_str(&text).unwrap().remove(0);
    let inside = |node: &Yaml<'_>| entries(node.as_mapping_get("properties").unwrap(), &[]);
    let found = match definition {
        None => inside(&schema),
        Some(name) => inside(schema.as_mapping_get("$defs").unwrap().as_mapping_get(name).unwrap()),
    };
    assert!(found.len() > 10, "{chart}: {} keys", found.len());
    found
}

fn values(entries: &[Entry]) -> String {
    let mut text = HEAD.to_owned();
    let mut open: &[String] = &[];
    for Entry { place, default, meaning } in entries {
        let (key, groups) = place.split_last().unwrap();
        if groups.is_empty() || groups != open {
            text.push('\n');
        }
        for (depth, group) in
            groups.iter().enumerate().filter(|(depth, group)| open.get(*depth) != Some(group))
        {
            text.push_str(&format!("{}{group}:\n", "  ".repeat(depth)));
        }
        open = groups;
        let indent = "  ".repeat(groups.len());
        for line in wrapped(meaning, 110) {
            text.push_str(&format!("{indent}# {line}\n"));
        }
        text.push_str(&format!("{indent}{key}: {}\n", default.as_deref().unwrap()));
    }
    text
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().unwrap();
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + word.len() < width {
            last.push_str(&format!(" {word}"));
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn table(entries: &[Entry]) -> String {
    let row = |entry: &Entry| {
        let key = entry.place.join(".");
        let meaning = entry.meaning.replace('|', "\\|");
        match &entry.default {
            Some(default) => format!("| `{key}` | `{default}` | {meaning} |\n"),
            None => format!("| `{key}` | {meaning} |\n"),
        }
    };
    let head = match entries.first().and_then(|entry| entry.default.as_ref()) {
        Some(_) => "| key | default | meaning |\n|---|---|---|\n",
        None => "| key | meaning |\n|---|---|\n",
    };
    let rows: String = entries.iter().map(row).collect();
    format!("{head}{rows}")
}

/// Puts a table between its marks.
#[track_caller]
fn filled(readme: &str, name: &str, table: &str) -> String {
    let (begin, end) =
        (format!("<!-- {name}: made from values.schema.json -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("README has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("README has no {end}"));
    format!("{before}{begin}\n{table}\n{end}{after}")
}

#[test]
fn values_and_tables_are_those_of_the_schema() {
    for chart in ["keyfob-lib", "keyfob"] {
        let keys = read(chart, None);
        let folder = path(chart);
        let block = if chart == "keyfob" {
            "\n# The library's values: keyfob-lib/README.md.\nkeyfob: {}\n"
        } else {
            ""
        };
        hold(&folder.join("values.yaml"), &format!("{}{block}", values(&keys)));
        let mut readme = filled(&text(&format!("{chart}/README.md")), "values", &table(&keys));
        if chart == "keyfob-lib" {
            readme = filled(&readme, "roles", &table(&read(chart, Some("role"))));
        }
        hold(&folder.join("README.md"), &readme);
    }
}

#[test]
fn every_key_of_a_schema_has_a_meaning_and_every_table_is_closed() {
    fn walk(node: &serde_json::Value, place: &str, told: bool, found: &mut usize) {
        let Some(properties) = node["properties"].as_object() else { return };
        assert_eq!(node["additionalProperties"], false, "{place} takes keys that nobody knows");
        for (key, schema) in properties {
            let place = format!("{place}.{key}");
            let left_open = ["global", "keyfob"].contains(&key.as_str()) && place.matches('.').count() == 1;
            let group = schema["properties"].is_object();
            // What a described key has inside is told by its description.
            let told = told || schema["description"].is_string();
            assert!(left_open || group || told, "{place} has no meaning");
            *found += 1;
            walk(schema, &place, told, found);
        }
    }
    for chart in ["keyfob-lib", "keyfob"] {
        let schema: serde_json::Value =
            serde_json::from_str(&text(&format!("{chart}/values.schema.json"))).unwrap();
        let mut found = 0;
        walk(&schema, "", false, &mut found);
        walk(&schema["$defs"]["role"], "role", false, &mut found);
        assert!(found > 20, "{chart}: {found} keys");
    }
}
