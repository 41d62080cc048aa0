//! The packages: made twice, installed where nothing is lost by it, and their pages and completions held to the command
//! line.

mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::support::run::skip;
use crate::support::tools::tool;
use crate::support::{Run, TempHome, keyfob};

/// `MODE OWNER PATH` of everything that a fresh installation has.
const FILES: &str = include_str!("files.txt");
const LONG: Duration = Duration::from_secs(300);

/// What `deploy/package` made of the binary under test.
#[derive(Clone)]
struct Packed {
    deb: PathBuf,
    tarball: PathBuf,
    /// Of both, each time.
    bytes: Vec<[Vec<u8>; 2]>,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a tool of the machine needs to be found and to find its own.
fn machine() -> Vec<(&'static str, String)> {
    let names = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    names.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?))).collect()
}

/// Made once for all tests, in two runs. None: skipped.
fn packed() -> Option<Packed> {
    static MADE: Mutex<Option<Packed>> = Mutex::new(None);
    for name in ["cargo-deb", "dpkg-deb", "dpkg-shlibdeps", "strip"] {
        tool(name)?;
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.is_none() {
        let runs = [pack(), pack()];
        let [_, (deb, tarball)] = runs.each_ref().map(|(paths, _)| paths.clone());
        *made = Some(Packed { deb, tarball, bytes: runs.map(|(_, bytes)| bytes).into() });
    }
    made.clone()
}

fn pack() -> ((PathBuf, PathBuf), [Vec<u8>; 2]) {
    let target = keyfob().parent().unwrap().parent().unwrap();
    let done = Run::new("bash")
        .args(["deploy/package", "debug"])
        .dir(project())
        .envs(machine())
        .env("CARGO_TARGET_DIR", target)
        .within(LONG)
        .run()
        .expect_code(0);
    let said: Vec<_> = done.stdout.lines().map(|line| project().join(line)).collect();
    let [tarball, deb] = said.try_into().unwrap_or_else(|said| panic!("two packages are wanted: {said:?}"));
    let bytes = [fs::read(&deb).unwrap(), fs::read(&tarball).unwrap()];
    ((deb, tarball), bytes)
}

#[test]
fn the_same_sources_make_the_same_bytes() {
    let Some(packed) = packed() else { return };
    let [first, second] = &packed.bytes[..] else { panic!("two runs") };
    assert!(first[0] == second[0], "the Debian package is another one each time");
    assert!(first[1] == second[1], "the tarball is another one each time");
}

#[test]
fn the_tarball_installs_what_the_package_does() {
    let Some(packed) = packed() else { return };
    let home = TempHome::new();
    let run = |program: &str, words: &[&str]| Run::new(program).args(words).dir(home.path()).envs(machine());
    run("tar", &["-xzf", packed.tarball.to_str().unwrap(), "--strip-components=1"]).run().expect_code(0);
    let root = home.path().join("image");
    let install = || run("sh", &["install.sh"]).env("DESTDIR", &root).run().expect_code(0);
    install();
    let found = files(&root, &root);
    let wanted = FILES.lines().filter_map(|line| {
        let [mode, _, path] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        (mode.starts_with('-') && !path.starts_with("/run/")).then(|| format!("{mode} {path}"))
    });
    same(&found, &wanted.collect());

    let program = root.join("usr/bin/keyfob");
    let version = Run::new(&program).arg("--version").run().expect_code(0).stdout;
    assert_eq!(version.trim_end(), format!("keyfob {}", env!("CARGO_PKG_VERSION")));
    Run::new(&program).args(["demo", "--", "true"]).envs(machine()).run().expect_code(0);

    let configuration = root.join("etc/keyfob/keyfob.toml");
    fs::write(&configuration, "# mine\n").unwrap();
    install();
    assert_eq!(fs::read_to_string(&configuration).unwrap(), "# mine\n");
}

#[track_caller]
fn same(found: &BTreeSet<String>, wanted: &BTreeSet<String>) {
    let (more, less): (Vec<_>, Vec<_>) =
        (found.difference(wanted).collect(), wanted.difference(found).collect());
    assert!(more.is_empty() && less.is_empty(), "not in files.txt: {more:#?}; only there: {less:#?}");
}

/// `MODE PATH` of all files under a folder.
fn files(root: &Path, folder: &Path) -> BTreeSet<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            found.extend(files(root, &path));
            continue;
        }
        let bits = about.permissions().mode();
        let letters = (0..9).rev().zip("rwxrwxrwx".chars());
        let mode: String =
            letters.map(|(bit, letter)| if bits >> bit & 1 == 1 { letter } else { '-' }).collect();
        found.insert(format!("-{mode} /{}", path.strip_prefix(root).unwrap().display()));
    }
    found
}

/// The package under a later version, with a line more in its default configuration.
fn repacked(first: &Path, home: &TempHome, revision: u32) -> PathBuf {
    let (tree, deb) =
        (home.path().join(format!("tree{revision}")), home.path().join(format!("{revision}.deb")));
    let dpkg = |words: &[&Path], way: &[&str]| {
        Run::new("dpkg-deb").args(way).args(words).envs(machine()).within(LONG).run().expect_code(0)
    };
    dpkg(&[first, &tree], &["--raw-extract"]);
    let change = |name: &str, with: &dyn Fn(String) -> String| {
        let path = tree.join(name);
        let before = fs::read_to_string(&path).unwrap();
        let after = with(before.clone());
        assert_ne!(before, after, "{name} is as it was");
        fs::write(path, after).unwrap();
    };
    change("DEBIAN/control", &|text| text.replace("-1\nArch", &format!("-{revision}\nArch")));
    change("etc/keyfob/keyfob.toml", &|text| format!("{text}# version {revision}\n"));
    dpkg(&[&tree, &deb], &["-Zgzip", "-z1", "--build"]);
    deb
}

/// Lived through by `life.py` in a root of its own, which is not systemd's: `manager.py` plays that part.
fn life() -> Option<Value> {
    let python = tool("python3")?;
    let packed = packed()?;
    let base = project().join("build/tools/root");
    if !base.with_extension("stamp").is_file() {
        skip("build/tools/root is not here: `make tools` makes it");
        return None;
    }
    if !nix::unistd::Uid::effective().is_root() {
        skip("a Debian to throw away takes root");
        return None;
    }
    let home = TempHome::new();
    let [second, third] = [2, 3].map(|revision| repacked(&packed.deb, &home, revision));
    let folder = home.path().join("life");
    fs::create_dir(&folder).unwrap();
    let played = Run::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .arg(python)
        .args(["-B", "tests/packages/life.py"])
        .args([&base, &folder, &packed.deb, &second, &third])
        .dir(project())
        .envs(machine())
        .within(LONG)
        .run()
        .expect_code(0);
    let seen = played.json();
    assert!(seen["failed"].is_null(), "{seen:#}");
    Some(seen)
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

#[test]
fn the_package_is_installed_upgraded_under_load_removed_and_purged() {
    let Some(seen) = life() else { return };
    installed(&seen);
    upgraded(&seen);
    gone(&seen);
}

fn installed(seen: &Value) {
    let files = seen["files"].as_object().unwrap();
    let listed = files.iter().map(|(path, about)| format!("{} {path}", about.as_str().unwrap()));
    same(&listed.collect(), &FILES.lines().map(str::to_owned).collect());
    assert_eq!(seen["links"].as_object().unwrap().len(), 2, "both units are enabled: {}", seen["links"]);
    assert!(seen["user"].as_str().unwrap().ends_with(":/usr/sbin/nologin"), "{}", seen["user"]);
    // A namespace with nothing but loopback has no metadata service either.
    let unconfigured = seen["unconfigured"].as_str().unwrap();
    assert!(unconfigured.starts_with("HTTP/1.1 503 "), "{unconfigured}");
    assert!(unconfigured.contains("\"cause\":\"KF-NOTHING\",\"fix\":\"set up one source"), "{unconfigured}");
    assert_eq!(seen["checked"], "/etc/keyfob/keyfob.toml is right; roles: default\n");
    assert_eq!(seen["catalog"], true, "journalctl -x knows the causes");
    assert!(seen["manual"].as_str().unwrap().starts_with(".TH KEYFOB-SERVE 1 "));
}

fn upgraded(seen: &Value) {
    assert!(seen["crowd"]["asked"].as_u64().unwrap() > 100, "{}", seen["crowd"]);
    assert_eq!(texts(&seen["crowd"]["lost"]), [""; 0], "refused or lost during an upgrade");
    let noticed = texts(&seen["noticed"]);
    assert!(noticed.iter().any(|line| line.contains("ConnectionRefusedError")), "the control: {noticed:?}");
    for is in ["same_token", "replaced", "offered"] {
        assert_eq!(seen[is], true, "{is}");
    }
    assert_eq!((&seen["starts"], &seen["running"]), (&3.into(), &"/usr/bin/keyfob".into()));
    assert!(
        seen["followed"].as_str().unwrap().ends_with("# version 2\n"),
        "an unchanged configuration is replaced"
    );
    assert_eq!(seen["owner"]["/etc/keyfob/keyfob.toml"], "-rw-r----- root:keyfob");
    assert_eq!(seen["mine"], "# mine\n");
    assert_eq!(seen["overruled"], false, "a socket that was disabled is enabled again");
}

fn gone(seen: &Value) {
    let removed = texts(&seen["removed"]);
    for kept in ["/etc/keyfob/keyfob.toml", "/etc/keyfob/aws/credentials", "/var/log/keyfob"] {
        assert!(removed.contains(&kept), "removal took {kept}");
    }
    assert!(!removed.iter().any(|path| path.starts_with("/usr/")), "{removed:?}");
    assert_eq!(seen["closed"], "refused");
    // What apt and dpkg write about themselves.
    let own = |path: &&str| !path.starts_with("/var/log/apt/") && *path != "/var/log/dpkg.log";
    assert_eq!(texts(&seen["purged"]).into_iter().filter(own).collect::<Vec<_>>(), [""; 0]);
    assert_eq!((texts(&seen["missing"]), texts(&seen["run"])), (vec![], vec![]));
}
