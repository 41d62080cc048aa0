//! What README shows on its first screen is what the programs print.

use std::time::Duration;

use crate::support::aws::knobs::Trouble;
use crate::support::run::skip;
use crate::support::{FakeAws, Run, TempHome};

/// The console block of README: each command with the lines under it.
fn shown() -> Vec<(&'static str, Vec<&'static str>)> {
    let text = include_str!("../../README.md");
    let block = text.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let commands = block.split("$ ").skip(1).map(|part| {
        let (command, output) = part.split_once('\n').unwrap();
        (command, output.lines().filter(|line| !line.is_empty() && line.trim() != "...").collect())
    });
    commands.collect()
}

#[test]
fn the_failure_on_the_first_screen_is_what_boto3_and_keyfob_say() {
    let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
    aws.imds().set(|imds| imds.list = Trouble::status(404));
    let shown = shown();
    let [(first, theirs), (second, ours)] = shown.as_slice() else { panic!("{shown:?}") };
    let (python, script) = first.split_once(" -c ").unwrap();
    assert_eq!((python, *second), ("python3", "keyfob explain"));
    let explain =
        Run::keyfob().args(["explain", "--local"]).envs(home.env()).envs(aws.env()).env("COLUMNS", "120");
    let explain = explain.run().expect_code(4);
    assert!(ours.len() > 6, "{ours:?}");
    for line in ours {
        // How long it took stands at the end.
        assert!(
            explain.stdout.lines().any(|said| said.starts_with(line)),
            "not said: {line}\n{}",
            explain.stdout
        );
    }
    let boto3 = super::python();
    if !boto3.is_file() {
        return skip("boto3 is not there; run `make clients`");
    }
    let boto3 = Run::new(boto3).args(["-c", script.trim_matches('\'')]).within(Duration::from_secs(60));
    let said = boto3.envs(home.env()).envs(aws.env()).run().expect_code(1).stderr;
    assert_eq!(theirs.as_slice(), [said.lines().last().unwrap()]);
}
