//! The journal's message catalogue is that of the causes, and systemd reads it.

use std::path::Path;

use keyfob::cause;
use keyfob::telemetry::journal::{catalogue, message_id};

use crate::support::Run;
use crate::support::tools::tool;

#[test]
fn the_journals_catalogue_is_that_of_the_causes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/keyfob.catalog");
    if std::env::var_os("KEYFOB_WRITE").is_some_and(|value| value == "1") {
        std::fs::write(&path, catalogue()).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == catalogue(), "{} is not up to date: run with KEYFOB_WRITE=1", path.display());
    assert_eq!(shipped.matches("\n-- ").count(), cause::catalogue().count());
}

#[test]
fn systemd_compiles_the_catalogue_and_finds_every_cause_in_it() {
    let Some(journalctl) = tool("journalctl") else { return };
    // A root of the test's own: the machine's catalogue is neither read nor written.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/systemd/catalog");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(root.path().join("var/lib/systemd/catalog")).unwrap();
    std::fs::write(folder.join("keyfob.catalog"), catalogue()).unwrap();
    let at = format!("--root={}", root.path().display());
    let run =
        |what: &str| Run::new(&journalctl).args([at.as_str(), what]).env("SYSTEMD_LOG_LEVEL", "info").run();
    let built = run("--update-catalog").expect_code(0);
    assert!(!built.stderr.to_lowercase().contains("invalid"), "{built:?}");
    let list = run("--list-catalog").expect_code(0).stdout;
    assert_eq!(list.lines().count(), cause::catalogue().count(), "{list}");
    for cause in cause::catalogue() {
        let line = list.lines().find(|line| line.starts_with(&message_id(cause.code)));
        let line = line.unwrap_or_else(|| panic!("{} is not in\n{list}", cause.code));
        assert!(line.contains(&format!("keyfob: {} [{}]", cause.title, cause.code)), "{line}");
    }
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let whole = joined(&run("--dump-catalog").expect_code(0).stdout);
    for cause in cause::catalogue() {
        assert!(whole.contains(&joined(cause.why)), "{}", cause.code);
        assert!(cause.fix.iter().all(|fix| whole.contains(&joined(fix))), "{}", cause.code);
    }
}
