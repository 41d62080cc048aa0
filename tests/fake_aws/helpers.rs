//! The other helpers keep their word: homes, bounded runs, raw bytes.

use std::fs;
use std::time::Duration;

use crate::support::raw::Wire;
use crate::support::run::which;
use crate::support::{FakeAws, Finished, Run, Running, Serving, TempHome, keyfob};

fn sh(script: &str) -> Run {
    Run::new("/bin/sh").args(["-c", script])
}

#[test]
fn a_program_sees_only_the_variables_it_was_given() {
    let run = Run::new(which("env").unwrap()).env("ONLY", "this");
    assert_eq!(run.run().expect_code(0).stdout, "ONLY=this\n");
    let echo = sh("cat; echo wrong >&2; exit 7").stdin("in");
    let done = echo.run().expect_code(7);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("in", "wrong\n"));
    done.expect_none_of(&["right".to_owned()]);
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let run = sh("echo begun; sleep 1000 & sleep 1000").within(Duration::from_millis(300));
    let done: Finished = run.run();
    assert_eq!((done.code(), done.stdout.as_str()), (None, "begun\n"));
    assert!(done.took < Duration::from_secs(10));
}

#[test]
fn files_change_in_place_by_rename_and_by_link() {
    use std::os::unix::fs::MetadataExt;
    let home = TempHome::new();
    let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let config = home.config("[default]\n");
    let first = inode(&config);
    assert_eq!(first, inode(&home.config("[default]\nregion = x\n")));
    home.replace(".aws/config", "[profile a]\n");
    assert_ne!(first, inode(&config));
    assert_eq!(fs::read_to_string(home.config_path()).unwrap(), "[profile a]\n");
    assert_eq!(home.credentials(""), home.credentials_path());
    let mut volume = home.volume("secret", &[("token", "one"), ("ca", "c")]);
    let token = volume.path("token");
    assert_eq!(fs::read_to_string(&token).unwrap(), "one");
    let link = fs::read_link(&token).unwrap();
    volume.swap(&[("token", "two"), ("ca", "c")]);
    assert_eq!(fs::read_to_string(&token).unwrap(), "two");
    assert_eq!(fs::read_link(&token).unwrap(), link, "only ..data moved");
}

#[test]
fn a_head_may_come_byte_by_byte_and_a_connection_may_live_on() {
    let aws = FakeAws::spawn_thread();
    let mut wire = Wire::connect(aws.addr());
    for _ in 0..2 {
        let head = b"GET /container/x HTTP/1.1\r\nHost: x\r\n\r\n";
        wire.send_bytewise(head).unwrap();
        assert_eq!(wire.reply().unwrap().status, 200);
    }
}

/// Stands in for the agent until it is there: a line as it logs it, then silence until TERM.
#[test]
fn serving_reads_the_addresses_and_ends_by_term() {
    assert!(keyfob().is_file());
    let home = TempHome::new();
    let file = home.write("token", "t");
    let line = format!(
        r#"{{"level":"info","credentials_address":"127.0.0.1:1","admin_address":"127.0.0.1:2","token_file":"{}"}}"#,
        file.display()
    );
    let script = "trap 'exit 0' TERM; echo starting >&2; echo \"$LINE\" >&2; while :; do sleep 0.05; done";
    let serving = Serving::launch(&sh(script).env("LINE", line)).unwrap();
    assert_eq!(serving.bound.admin.port(), 2);
    assert_eq!(serving.token(), "t");
    let log = &serving.process.stderr;
    assert!(log.says(Duration::from_secs(5), "starting"));
    let status = serving.process.stop();
    assert!(status.success(), "{status} {}", serving.log());
    let failed = Serving::launch(&sh("echo port taken >&2; exit 2"));
    assert_eq!(failed.err().as_deref(), Some("port taken"));
}

#[test]
fn a_running_program_is_talked_to_and_ended() {
    use std::io::Write;
    let script = "trap 'echo got it' USR1; read line; echo \"$line\"; while :; do sleep 0.05; done";
    let mut running = Running::start(&sh(script));
    running.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let bound = Duration::from_secs(5);
    assert!(running.stdout.says(bound, "hello"));
    running.signal(nix::sys::signal::Signal::SIGUSR1);
    assert!(running.stdout.says(bound, "got it"));
    assert!(running.wait(Duration::ZERO).is_none());
    assert!(!running.stop().success());
}
