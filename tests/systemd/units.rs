//! The unit and its drop-ins, as systemd's own tools read them. No manager is started.

use std::path::Path;

use super::machine::ours;
use super::*;
use crate::support::tools::tool;
use crate::support::{Finished, Run, keyfob};

/// The most exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE: &str = "15";

/// A folder with the units as they would be installed, but for the place of the binary, and these drop-ins.
fn installed(drop_ins: &[&str]) -> TempHome {
    let folder = TempHome::new();
    for unit in ["keyfob.service", "keyfob.socket"] {
        if let Ok(text) = std::fs::read_to_string(ours(unit)) {
            folder.write(unit, &text.replace("/usr/bin/keyfob", &keyfob().display().to_string()));
        }
    }
    for name in drop_ins {
        let text = std::fs::read_to_string(ours(&format!("examples/{name}"))).unwrap();
        folder.write(&format!("keyfob.service.d/{name}"), &text);
    }
    folder
}

fn examples() -> Vec<String> {
    let listed = std::fs::read_dir(ours("examples")).unwrap();
    let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.filter(|name| name.ends_with(".conf")).collect();
    assert!(names.len() >= 3, "the examples were not found");
    names
}

fn analyze(program: &Path, words: &[&str], unit: &Path) -> Finished {
    Run::new(program)
        .args(words)
        .arg(unit)
        .env("SYSTEMD_UNIT_PATH", unit.parent().unwrap().display().to_string() + ":")
        .run()
}

#[test]
fn units_and_every_drop_in_are_understood_without_a_remark() {
    let Some(program) = tool("systemd-analyze") else { return };
    let mut drop_ins: Vec<Vec<String>> = examples().into_iter().map(|name| vec![name]).collect();
    drop_ins.push(Vec::new());
    for with in drop_ins {
        let with: Vec<&str> = with.iter().map(String::as_str).collect();
        let folder = installed(&with);
        let read = analyze(&program, &["verify"], &folder.path().join("keyfob.service")).expect_code(0);
        assert_eq!((read.stdout.as_str(), read.stderr.as_str()), ("", ""), "{with:?}");
    }
    // Silence means something: a drop-in that is wrong is remarked upon.
    let folder = installed(&[]);
    folder.write("keyfob.service.d/wrong.conf", "[Service]\nNoSuchSetting=yes\n");
    let read = analyze(&program, &["verify"], &folder.path().join("keyfob.service"));
    assert!(read.stderr.contains("NoSuchSetting"), "{read:?}");
}

#[test]
fn the_service_is_exposed_no_more_than_it_must_be() {
    let Some(program) = tool("systemd-analyze") else { return };
    let words = ["security", "--offline=true", "--no-pager", "--threshold"];
    let judged = |folder: &TempHome, most: &str| {
        let words: Vec<&str> = words.iter().copied().chain([most]).collect();
        analyze(&program, &words, &folder.path().join("keyfob.service"))
    };
    judged(&installed(&[]), EXPOSURE).expect_code(0);
    assert_ne!(judged(&installed(&[]), "5").code(), Some(0), "nothing is judged");
}

#[test]
fn the_user_can_be_made_and_owns_what_the_unit_says() {
    let Some(program) = tool("systemd-sysusers") else { return };
    let root = TempHome::new();
    std::fs::create_dir_all(root.path().join("etc")).unwrap();
    let under = format!("--root={}", root.path().display());
    Run::new(program).arg(under).arg(ours("keyfob.sysusers")).run().expect_code(0);
    let made = std::fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(made.starts_with("keyfob:x:") && made.trim_end().ends_with(":/usr/sbin/nologin"), "{made}");
    let unit = std::fs::read_to_string(ours("keyfob.service")).unwrap();
    let users = std::fs::read_to_string(ours("keyfob.sysusers")).unwrap();
    let folders = std::fs::read_to_string(ours("keyfob.tmpfiles")).unwrap();
    assert!(unit.contains("\nUser=keyfob\nGroup=keyfob\n") && users.contains("\nu keyfob "));
    assert!(folders.contains("\nd /etc/keyfob 0750 root keyfob "));
}
