//! The README beside the units, typed on a machine to throw away; and the unit of an application there.

use std::path::{Path, PathBuf};

use super::machine::{Machine, ours, put};
use super::notify::Ear;
use super::*;
use crate::sdk::Sdk;
use crate::support::{Run, Serving, keyfob};

/// What needs a manager, a terminal or an AWS of its own: not typed here.
const NOT_HERE: [&str; 5] = ["systemctl ", "journalctl -t ", "usermod ", "eval ", "aws "];

/// The lines that README tells to type under this heading, without those that cannot be typed here.
fn told(heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(ours("README.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let lines: Vec<_> = blocks.flat_map(str::lines).collect();
    assert!(!lines.is_empty(), "{heading} tells to type nothing");
    let plain = lines.into_iter().map(|line| line.trim_start_matches("sudo ").to_owned());
    plain.filter(|line| !NOT_HERE.iter().any(|start| line.starts_with(start))).collect()
}

/// Types a line as root in the source's folder; `sudo -u` is a change of user, the binary is the one under test.
fn typed(machine: &Machine, line: &str) -> crate::support::Finished {
    let (user, line) = match line.strip_prefix("-u keyfob ") {
        Some(line) => ("keyfob", line),
        None => ("root", line),
    };
    let line = line.replace("target/release/keyfob", &keyfob().display().to_string());
    let root = env!("CARGO_MANIFEST_DIR");
    machine.user(user).args(["sh", "-c", &format!("cd {root} && {line}")]).run()
}

fn launched(machine: &Machine, drop_ins: &[PathBuf]) -> (Serving, Ear) {
    let ear = Ear::at(&machine.at("/run/systemd/notify"));
    let unit = machine.at("/etc/systemd/system/keyfob.service");
    let run = machine.service(&unit, drop_ins).args(["--set", "NOTIFY_SOCKET=/run/systemd/notify"]);
    (Serving::launch(&run).unwrap_or_else(|log| panic!("{log}")), ear)
}

const KEYS: &str =
    "[default]\naws_access_key_id = AKIASYSTEMD000000001\naws_secret_access_key = a-secret-of-the-service\n";

#[test]
fn what_the_readme_tells_to_type_works_from_nothing_to_the_end() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let furnish =
        |disk: &TempHome| std::fs::create_dir_all(disk.path().join("var/lib/systemd/catalog")).unwrap();
    let shown = [here.join("deploy"), keyfob().parent().unwrap().to_owned()];
    let Some(machine) = Machine::bare(furnish, &shown) else { return };
    let install = told("Install");
    assert!(install.len() == 8, "{install:?}");
    for line in &install {
        let done = typed(&machine, line).expect_code(0);
        assert!(
            !line.contains("sysusers keyfob") || done.stderr.contains("Creating user 'keyfob'"),
            "{done:?}"
        );
    }
    let (agent, mut ear) = launched(&machine, &[]);
    ear.next(|text| text.contains("STATUS=no credentials; role default: "));
    for line in told("Why not?") {
        // Nothing is wrong with the configuration, as there is none; and there are no credentials.
        let code = if line.ends_with("check") { 0 } else { 3 };
        let done = typed(&machine, &line);
        assert!(matches!(done.code(), Some(3..=5)) || done.code() == Some(code), "{line}: {done:?}");
    }
    for line in told("Give it something") {
        typed(&machine, &line).expect_code(0);
    }
    std::fs::write(machine.at("/etc/keyfob/aws/credentials"), KEYS).unwrap();
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    for line in told("Does it work?").iter().chain(&told("Why not?")) {
        typed(&machine, line).expect_code(0);
    }
    assert_eq!(agent.process.stop().code(), Some(0));
    drop(ear);
    machine.write("/etc/keyfob/private/credentials", 0o600, KEYS);
    std::fs::remove_file(machine.at("/etc/keyfob/aws/credentials")).unwrap();
    for line in told("Drop-ins") {
        typed(&machine, &line).expect_code(0);
    }
    let drop_in = machine.at("/etc/systemd/system/keyfob.service.d/load-credential.conf");
    let (agent, mut ear) = launched(&machine, &[drop_in]);
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    assert_eq!(agent.process.stop().code(), Some(0));
    assert_eq!(told("Socket activation"), [""; 0], "systemctl alone");
    for line in told("Remove") {
        if !line.starts_with("userdel") {
            typed(&machine, &line).expect_code(0);
        }
    }
    let left = typed(&machine, "find /etc /usr/bin /usr/local -name '*keyfob*'").expect_code(0).stdout;
    assert_eq!(left.trim(), "/etc/systemd/system/keyfob.service.d", "what is left is the drop-in's folder");
}

#[test]
fn an_application_with_the_lines_of_the_example_has_credentials_when_it_starts() {
    let furnish = |disk: &TempHome| put(disk, "/etc/keyfob/aws/credentials", 0o644, KEYS);
    let Some(machine) = Machine::boot(furnish) else { return };
    let app = || machine.service(&ours("examples/app.service"), &[]);
    let run = machine.keyfob(&[]);
    let _agent = Serving::launch(&run).unwrap_or_else(|log| panic!("{log}"));
    app().args(["--line", "ExecStartPre"]).run().expect_code(0);
    // Beside what the unit says, what a careless administrator has given to every unit.
    let careless = machine.at("/careless.conf");
    std::fs::write(
        &careless,
        "[Service]\nEnvironment=AWS_PROFILE=mine AWS_ACCESS_KEY_ID=AKIAOFSOMEBODYELSE01\n",
    )
    .unwrap();
    let run = machine.service(&ours("examples/app.service"), &[careless]).arg("--");
    let Some(run) = Sdk::Boto3.under(run, &["credentials"]) else { return };
    assert_eq!(run.run().expect_code(0).json()["AccessKeyId"], ID);
    let env = app().args(["--", "env"]).run().expect_code(0).stdout;
    let wired: Run = machine.user("app").args(["keyfob", "env", "--format", "json"]);
    let wanted = wired.run().expect_code(0).json();
    for name in wanted["set"].as_object().unwrap().keys() {
        assert!(env.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}");
    }
}
