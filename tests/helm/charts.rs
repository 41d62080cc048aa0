//! The charts with their dependencies in place, in a folder of the test's own, and helm to render them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::monitoring::files::documents;
use crate::support::run::{Finished, Run};
use crate::support::tools::tool;

/// Every chart of the repository; the first is the library.
pub const CHARTS: [&str; 3] = ["keyfob-lib", "keyfob", "example"];

/// The cluster that is rendered for; a helm that somebody built has an old one in mind.
pub const CLUSTER: [&str; 2] = ["--kube-version", "1.34"];

/// What a cluster has that runs the Prometheus operator.
pub const WITH_OPERATOR: [&str; 2] = ["--api-versions", "monitoring.coreos.com/v1"];

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm").join(name)
}

#[track_caller]
pub fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Holds a generated file to what it must be, or writes it with `KEYFOB_WRITE=1`.
#[track_caller]
pub fn hold(file: &Path, wanted: &str) {
    if std::env::var_os("KEYFOB_WRITE").is_some_and(|value| value == "1") {
        fs::write(file, wanted).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let first = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    let name = file.display();
    assert!(
        found == wanted,
        "{name} is stale (KEYFOB_WRITE=1 writes it anew), first at (is, must be): {first:?}"
    );
}

/// helm, and a copy of the charts as `helm dependency build` leaves them.
pub struct Charts {
    helm: PathBuf,
    folder: TempDir,
}

impl Charts {
    /// `None` where there is no helm: the test that asks is skipped.
    pub fn ready() -> Option<Charts> {
        let charts = Charts { helm: tool("helm")?, folder: TempDir::new().unwrap() };
        for name in CHARTS {
            copy(&path(name), &charts.folder.path().join(name));
        }
        for name in &CHARTS[1..] {
            charts.run(&["dependency", "build", "--skip-refresh", name]).expect_code(0);
        }
        Some(charts)
    }

    pub fn run(&self, args: &[&str]) -> Finished {
        self.by(&self.helm, args)
    }

    /// The same with another helm.
    pub fn by(&self, helm: &Path, args: &[&str]) -> Finished {
        let run = Run::new(helm).args(args).dir(self.folder.path()).within(Duration::from_secs(60));
        run.env("HOME", self.folder.path()).run()
    }

    /// Where the copies are, for a helm that talks to a cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes a file of this copy.
    #[track_caller]
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, &text.replace(from, to));
    }

    /// Writes a file of this copy.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    /// `helm template` for a release of the chart's own name; the values are YAML.
    pub fn template(&self, chart: &str, values: &str, args: &[&str]) -> Finished {
        self.write("values.yaml", values);
        let fixed = ["template", chart, chart, "--namespace", "billing", "--values", "values.yaml"];
        self.run(&[&fixed[..], &CLUSTER, args].concat())
    }

    /// What `helm install` would say at its end: `helm template` keeps quiet about it.
    #[track_caller]
    pub fn notes(&self, chart: &str, args: &[&str]) -> String {
        let notes = fs::read_to_string(self.folder.path().join(chart).join("templates/NOTES.txt")).unwrap();
        let object = "kind: Notes\nmetadata: { name: notes }\ntext: {{ include \"notes\" . | toJson }}\n";
        let template = format!("{{{{ define \"notes\" }}}}{notes}{{{{ end }}}}\n{object}");
        self.write(&format!("{chart}/templates/notes.yaml"), &template);
        let objects = self.objects(chart, "", args);
        find(&objects, "Notes", "notes")["text"].as_str().unwrap().to_owned()
    }

    /// Every object that is rendered.
    #[track_caller]
    pub fn objects(&self, chart: &str, values: &str, args: &[&str]) -> Vec<Value> {
        let rendered = self.template(chart, values, args).expect_code(0);
        documents(&rendered.stdout).into_iter().filter(|object| !object.is_null()).collect()
    }
}

/// The one object of that kind whose name ends so.
#[track_caller]
pub fn find<'o>(objects: &'o [Value], kind: &str, ending: &str) -> &'o Value {
    let fits = |object: &&Value| {
        object["kind"] == kind
            && object["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(ending))
    };
    let found: Vec<_> = objects.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{kind} …{ending}");
    found[0]
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if !entry.file_type().unwrap().is_dir() {
            fs::copy(entry.path(), target).unwrap();
        } else if name != "charts" {
            copy(&entry.path(), &target);
        }
    }
}
