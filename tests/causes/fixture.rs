//! One made situation: a small machine as in `tests/parity`, what `explain` must say of it, and how its fix is followed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::parity::situation::{Machine, Situation, User};
use crate::support::{FakeAws, Finished, Run, keyfob};

/// A walk may wait for a metadata service that is silent.
const BOUND: Duration = Duration::from_secs(60);

/// What stands in a fixture beside the situation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The exit status of `explain`.
    #[serde(default)]
    pub exit: i32,
    /// Words that the screen must have.
    #[serde(default)]
    pub says: Vec<String>,
    /// What the program is started by: `setpriv`, `unshare`.
    #[serde(default)]
    pub under: Vec<String>,
    /// Shell lines that furnish the home before the walk.
    #[serde(default)]
    pub before: String,
    /// Why the situation cannot be made here; a unit test feeds what was recorded.
    pub recorded: Option<String>,
    /// How the fix is followed.
    pub mend: Option<Mend>,
    /// Shell lines for `mend = "script"`: what the printed words ask for.
    #[serde(default)]
    pub script: String,
    /// What is otherwise once the fix was followed: fields of the situation, for what a service's owner does.
    pub after: Option<toml::Table>,
    /// The first cause of a mixture.
    pub first: Option<String>,
    /// What people search for.
    #[serde(default)]
    pub title: String,
    /// Why that one brings the user furthest, or why a healthy set-up is unusual and right.
    #[serde(default)]
    pub because: String,
}

/// The part of the first remedy that has one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mend {
    Command,
    Diff,
    /// The fix is in words; the fixture says them in shell.
    Script,
}

#[derive(Debug)]
pub struct Fixture {
    pub name: String,
    pub expected: Expected,
    situation: Situation,
    table: toml::Table,
}

impl Fixture {
    /// Reads one from its table; `name` is the folder's or the entry's.
    pub fn new(name: &str, table: toml::Table) -> Fixture {
        const OURS: [&str; 12] = [
            "exit", "says", "under", "before", "recorded", "mend", "script", "after", "first", "because",
            "title", "code",
        ];
        let (ours, mut rest): (toml::Table, toml::Table) =
            table.into_iter().partition(|(key, _)| OURS.contains(&key.as_str()));
        rest.insert("name".to_owned(), name.into());
        let expected: Expected = ours.try_into().unwrap_or_else(|error| panic!("{name}: {error}"));
        let situation: Situation = rest.clone().try_into().unwrap_or_else(|error| panic!("{name}: {error}"));
        let fixture = Fixture { name: name.to_owned(), expected, situation, table: rest };
        let apart = fixture.expected.under.first().is_some_and(|program| program == "unshare");
        assert!(apart || fixture.situation.strays().is_none(), "{name}: {:?}", fixture.situation.strays());
        fixture
    }

    /// All fixtures that have a folder of their own, by name.
    pub fn folders() -> Vec<(PathBuf, Fixture)> {
        let entries = fs::read_dir(here("")).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> =
            entries.filter(|path| path.join("situation.toml").is_file()).collect();
        folders.sort();
        let read = |folder: PathBuf| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(folder.join("situation.toml")).unwrap();
            let table = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            (folder, Fixture::new(&name, table))
        };
        folders.into_iter().map(read).collect()
    }

    /// The entries of a page, `[[situation]]`s with names.
    pub fn page(file: &str) -> Vec<Fixture> {
        let text = fs::read_to_string(here(file)).unwrap();
        let mut page: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let entries: Vec<toml::Table> = page.remove("situation").unwrap().try_into().unwrap();
        let named = |mut entry: toml::Table| {
            let name = entry.remove("name").unwrap();
            Fixture::new(name.as_str().unwrap(), entry)
        };
        entries.into_iter().map(named).collect()
    }

    /// The code it is about: the folder's name up to a dot.
    pub fn code(&self) -> &str {
        self.name.split('.').next().unwrap()
    }

    /// The machine with its services, furnished.
    pub fn stage(&self, users: &[User]) -> Stage<'_> {
        let aws = FakeAws::spawn_thread();
        self.situation.set(&aws);
        for user in users {
            aws.add_user(&user.key, &user.secret, &user.account, "somebody");
        }
        let machine = self.situation.machine(&aws, Timestamp::now());
        machine.home.shut();
        let stage = Stage { fixture: self, env: machine.env.clone(), aws, machine };
        stage.shell(&self.expected.before);
        stage
    }

    /// The situation with what is otherwise once the fix was followed.
    fn mended(&self) -> Option<Situation> {
        let mut table = self.table.clone();
        table.extend(self.expected.after.clone()?);
        Some(table.try_into().unwrap())
    }
}

pub fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/causes").join(name)
}

/// A machine in such a situation.
pub struct Stage<'a> {
    fixture: &'a Fixture,
    pub aws: FakeAws,
    pub machine: Machine,
    env: BTreeMap<String, String>,
}

impl Stage<'_> {
    /// What people see, 80 columns wide and plain.
    pub fn screen(&self) -> Finished {
        self.keyfob(&["explain", "--local"])
    }

    /// The same on another terminal.
    pub fn screen_on(&self, columns: &str, color: &str) -> String {
        let args = ["explain", "--local", "--color", color];
        self.run(&args).env("COLUMNS", columns).env("LANG", "C.UTF-8").run().stdout
    }

    /// The same for programs.
    pub fn document(&self) -> (Finished, Value) {
        let finished = self.keyfob(&["explain", "--local", "--output", "json"]);
        let document = finished.json();
        (finished, document)
    }

    /// Whether there are credentials.
    pub fn get(&self) -> Finished {
        self.keyfob(&["get", "--output", "json"])
    }

    /// Another program in the same place; its own folder comes first in `PATH`.
    pub fn other(&self, program: &Path, args: &[&str]) -> Finished {
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let run = Run::new(program).args(args).envs(&self.env).env("PATH", path);
        run.dir(self.machine.home.path()).within(BOUND).run()
    }

    fn keyfob(&self, args: &[&str]) -> Finished {
        self.run(args).run()
    }

    fn run(&self, args: &[&str]) -> Run {
        let home = self.machine.home.path();
        let own = home.join("keyfob.toml");
        let config = if own.is_file() { own } else { PathBuf::from("/dev/null") };
        let under: Vec<String> = self.fixture.expected.under.iter().map(|word| self.filled(word)).collect();
        let run = match under.split_first() {
            Some((program, rest)) => Run::new(program).args(rest).arg(keyfob()),
            None => Run::keyfob(),
        };
        let run = run.args(args).arg("--config").arg(config);
        let run = match &self.machine.profile {
            Some(profile) => run.arg("--profile").arg(profile),
            None => run,
        };
        run.envs(&self.env).env("KEYFOB_BINARY", keyfob()).dir(home).within(BOUND)
    }

    fn filled(&self, text: &str) -> String {
        let text = text.replace("{HOME}", &self.machine.home.path().display().to_string());
        let text = text.replace("{CAUSES}", &here("").display().to_string());
        text.replace("{PORT}", &self.aws.addr().port().to_string())
    }

    /// Runs shell lines as whoever sits at the machine; variables that they set or unset stay so.
    fn shell(&self, lines: &str) -> BTreeMap<String, String> {
        let home = self.machine.home.path();
        let script = format!("set -e\n{}\nenv -0\n", self.filled(lines));
        // What `aws` would do is done by a program of that name in the home's `bin`.
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", home.display());
        let run = Run::new("/bin/sh").args(["-c", &script]).envs(&self.env);
        let run = run.env("PATH", &path).env("FAKE_AWS", self.aws.url()).dir(home).run().expect_code(0);
        let said = run.stdout.rsplit_once("\n\0").map_or(run.stdout.as_str(), |(_, env)| env);
        let pairs = said.split('\0').filter_map(|pair| pair.trim_start().split_once('='));
        let mut env: BTreeMap<String, String> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let kept = self.env.get("PATH").cloned().unwrap_or_default();
        env.insert("PATH".to_owned(), kept);
        env.retain(|name, _| !["PWD", "OLDPWD", "SHLVL", "_", "FAKE_AWS"].contains(&name.as_str()));
        env
    }

    /// Follows the fix that was printed.
    pub fn mend(&mut self, mend: Mend, document: &Value) {
        let of_first = |part: &str| {
            let found = fixes(document).into_iter().find_map(|fix| fix.get(part)?.as_str());
            found
                .unwrap_or_else(|| panic!("{}: no fix has a {part}: {document:#}", self.fixture.name))
                .to_owned()
        };
        match mend {
            Mend::Command => self.env = self.shell(&of_first("command")),
            Mend::Script => self.env = self.shell(&self.fixture.expected.script),
            Mend::Diff => {
                let file = of_first("file");
                let patch = Run::new("patch").args(["--quiet", "--posix", &file]).stdin(&of_first("diff"));
                let patch = patch.env("PATH", "/usr/bin:/bin").dir(self.machine.home.path());
                patch.run().expect_code(0);
            }
        }
        if let Some(situation) = self.fixture.mended() {
            situation.set(&self.aws);
        }
    }
}

/// What to do about the first cause, or about what may surprise.
fn fixes(document: &Value) -> Vec<&Value> {
    let causes = document["causes"].as_array().into_iter().flatten();
    let warnings = document["warnings"].as_array().into_iter().flatten();
    let told = causes.chain([&document["failure"]]).chain(warnings).chain([&document["warning"]]);
    told.filter_map(|cause| cause["fix"].as_array()).flatten().collect()
}
