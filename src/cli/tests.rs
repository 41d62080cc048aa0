//! Holds the words of the command line: what is understood, what is refused, with which status.

use super::args::{Admin, Cli, Command, GetOutput};
use super::*;

fn understood(words: &str) -> Cli {
    Cli::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{words}: {error}"))
}

fn refused(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    Cli::try_parse_from(words).expect_err("is refused").to_string()
}

#[test]
fn the_words_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_go_before_or_after_the_command() {
    for words in ["keyfob --admin 127.0.0.1:9 status", "keyfob status --admin 127.0.0.1:9"] {
        assert_eq!(understood(words).global.admin, Some(Admin::At("127.0.0.1:9".parse().unwrap())));
    }
    assert_eq!(understood("keyfob serve --admin off").global.admin, Some(Admin::Off));
}

#[test]
fn each_command_of_the_contract_is_understood() {
    for words in [
        "keyfob serve --config /f --profile p --listen 127.0.0.1:1 --admin off",
        "keyfob get app --output env",
        "keyfob get --profile p --output process",
        "keyfob get app --agent",
        "keyfob explain app --output json --now",
        "keyfob explain --profile p --local",
        "keyfob explain --code KF-LOOP",
        "keyfob explain --list-codes",
        "keyfob explain --schema",
        "keyfob exec app --wait 30s -- cmd -x --profile y",
        "keyfob exec --profile p --keep-aws-files -- cmd",
        "keyfob env app --format systemd",
        "keyfob status --output json",
        "keyfob refresh app --drop",
        "keyfob wait --timeout 5s a b",
        "keyfob check --config /f --print",
        "keyfob demo",
        "keyfob demo -- cmd",
        "keyfob get --color never --quiet --log-format json",
    ] {
        understood(words);
    }
}

#[test]
fn what_is_after_the_dashes_is_the_commands() {
    let Command::Exec(exec) = understood("keyfob exec app -- cmd --profile y -h").command else { panic!() };
    assert_eq!(exec.command, ["cmd", "--profile", "y", "-h"]);
    assert_eq!(exec.whose.profile, None);
    let Command::Get(get) = understood("keyfob get").command else { panic!() };
    assert_eq!(get.output, None::<GetOutput>);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_was_wanted() {
    let table = [
        ("keyfob exec app", "CMD"),
        ("keyfob exec --", "CMD"),
        ("keyfob get app --profile p", "cannot be used with"),
        ("keyfob get --agent --profile p", "cannot be used with"),
        ("keyfob get a/b", "wanted 1 to 64 letters"),
        ("keyfob get --profile=", "wanted a name"),
        ("keyfob explain --now --local", "cannot be used with"),
        ("keyfob wait --timeout 60", "wanted a length of time"),
        ("keyfob exec --wait soon -- cmd", "wanted a length of time"),
        ("keyfob status --admin localhost:1", "wanted an IP address with a port"),
        ("keyfob serve --log-format xml", "wanted auto, text, json or journald"),
        ("keyfob env --format zsh", "possible values: sh, fish, dotenv, docker, github, systemd, json"),
        ("keyfob stauts", "status"),
    ];
    for (words, says) in table {
        let text = refused(words);
        assert!(text.contains(says), "{words}: {text}");
    }
}

#[test]
fn wrong_words_have_the_status_of_their_command() {
    let status = |words: &str| {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let why = Cli::try_parse_from(&words).expect_err("nothing to do").kind();
        misunderstood(&words, why).code()
    };
    assert_eq!(status("keyfob get --nonsense"), 2);
    assert_eq!(status("keyfob nonsense"), 2);
    assert_eq!(status("keyfob exec --nonsense -- cmd"), 125);
    assert_eq!(status("keyfob --quiet exec"), 125);
    assert_eq!(status("keyfob demo --nonsense -- cmd"), 125);
    assert_eq!(status("keyfob demo --nonsense"), 2);
    assert_eq!(status("keyfob --version"), 0);
    assert_eq!(status("keyfob exec --help"), 0);
}

#[test]
fn the_environment_is_the_caller_of_the_wiring() {
    let env = Env::from([("A", "1"), ("B", "")]);
    assert_eq!((env.value("A"), env.value("B"), env.value("C")), (Some("1"), Some(""), None));
    assert_eq!(env.names(), ["A", "B"]);
}
