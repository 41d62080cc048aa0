//! `exec`: the command's status, its signals, what it sees and what is left when it is gone.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use super::*;
use crate::support::raw;
use crate::support::running::Running;

/// The command's own variables.
fn seen(ended: &Finished) -> BTreeMap<String, String> {
    let pairs = ended.stdout.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_status_is_the_commands_own() {
    let home = furnished();
    let table = [
        (&["exec", "--", "true"][..], 0),
        (&["exec", "--", "sh", "-c", "exit 7"], 7),
        (&["exec", "--", "sh", "-c", "kill -9 $$"], 137),
        (&["exec", "--", "/no/such/program"], 127),
        (&["exec", "--", "/etc"], 126),
        (&["exec", "--profile", "broken", "--", "true"], 125),
        (&["exec", "nobody", "--", "true"], 125),
        (&["exec", "--config", "/no/such/file", "--", "true"], 125),
        (&["exec"], 125),
        (&["exec", "--nonsense", "--", "true"], 125),
    ];
    for (args, code) in table {
        ends(&home, args, code);
        assert_eq!(left_behind(&home), Vec::<String>::new(), "{args:?}");
    }
}

#[test]
fn without_credentials_the_command_is_not_started_and_stderr_says_why() {
    let home = furnished();
    let mark = home.path().join("started");
    let touch = format!("touch {}", mark.display());
    let ended = ends(&home, &["exec", "--profile", "broken", "--", "sh", "-c", &touch], 125);
    assert!(!mark.exists() && ended.stdout.is_empty());
    assert!(ended.stderr.contains("[PROC-EXIT]") && ended.stderr.contains("fix "), "{ended:?}");
    assert!(ended.stderr.contains("the command was not started"), "{ended:?}");
}

#[test]
fn credentials_that_come_in_time_are_waited_for() {
    let home = furnished();
    let run = keyfob(&home, &["exec", "--profile", "late", "--wait", "20s", "--", "echo", "started"]);
    let none = keyfob(&home, &["exec", "--profile", "late", "--", "true"]).run().expect_code(125);
    assert!(none.took < SOON, "{none:?}");
    let running = Running::start(&run);
    std::thread::sleep(Duration::from_millis(500));
    home.replace(
        ".aws/credentials",
        &format!("[late]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"),
    );
    assert!(running.stdout.says(SOON, "started"), "{}", running.stderr.text());
}

#[test]
fn the_command_sees_the_endpoint_and_nothing_that_beats_it() {
    let home = furnished();
    let env = [
        ("AWS_PROFILE", "helper"),
        ("AWS_SESSION_TOKEN", "a-token-of-old-times"),
        ("AWS_CREDENTIAL_FILE", "/x"),
        ("KEYFOB_WALK", "role:outer"),
        ("MINE", "stays"),
    ];
    let ended = keyfob(&home, &["exec", "--", "env"]).envs(env).run().expect_code(0);
    let seen = seen(&ended);
    let value = |name: &str| seen.get(name).map(String::as_str);
    let endpoint = value("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap();
    assert!(
        endpoint.starts_with("http://127.0.0.1:") && endpoint.ends_with("/v1/credentials/default"),
        "{endpoint}"
    );
    assert_eq!(value("AWS_EC2_METADATA_DISABLED"), Some("true"));
    assert_eq!((value("AWS_REGION"), value("AWS_DEFAULT_REGION")), (Some("eu-north-1"), Some("eu-north-1")));
    assert_eq!(
        (value("AWS_SHARED_CREDENTIALS_FILE"), value("BOTO_CONFIG")),
        (Some("/dev/null"), Some("/dev/null"))
    );
    assert_eq!((value("KEYFOB_WALK"), value("MINE")), (Some("role:outer"), Some("stays")));
    for gone in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_FILE", "AWS_ACCESS_KEY_ID"] {
        assert_eq!(value(gone), None, "{gone}");
    }
    let kept = keyfob(&home, &["exec", "--keep-aws-files", "--", "env"]).env("AWS_REGION", "mine").run();
    assert!(
        kept.stdout.contains("AWS_REGION=mine") && kept.stdout.contains("AWS_DEFAULT_REGION=mine"),
        "{kept:?}"
    );
    assert!(!kept.stdout.contains("AWS_CONFIG_FILE") && !kept.stdout.contains("/dev/null"), "{kept:?}");
}

#[test]
fn the_private_copy_has_settings_and_no_way_to_credentials() {
    let home = furnished();
    let script = "cat $AWS_CONFIG_FILE; stat -c %a $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE $(dirname $AWS_CONFIG_FILE)";
    let ended = ends(&home, &["exec", "--profile", "helper", "--", "sh", "-c", script], 0);
    assert_eq!(ended.stdout, "[default]\noutput = json\nregion = eu-north-1\n400\n700\n");
}

#[test]
fn the_endpoint_serves_while_the_command_runs_and_is_gone_with_it() {
    let home = furnished();
    let script = "cat $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; echo \" $AWS_CONTAINER_CREDENTIALS_FULL_URI\"; read line";
    let mut running = Running::start(&keyfob(&home, &["exec", "--", "sh", "-c", script]));
    let (token, uri) = running
        .stdout
        .find(SOON, |line| line.split_once(' ').map(|(token, uri)| (token.to_owned(), uri.to_owned())))
        .unwrap_or_else(|| panic!("{}", running.stderr.text()));
    let address = uri.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
    let reply = raw::get(address, "/v1/credentials/default", &[("Authorization", &token)]);
    assert_eq!((reply.status, reply.json()["AccessKeyId"].as_str()), (200, Some(ID)));
    assert_eq!(left_behind(&home).len(), 1);
    drop(running.stdin.take());
    assert!(running.wait(SOON).is_some());
    assert!(std::net::TcpStream::connect::<std::net::SocketAddr>(address).is_err());
    assert_eq!(left_behind(&home), Vec::<String>::new());
}

#[test]
fn every_signal_goes_to_the_command() {
    let home = furnished();
    let script = "for s in HUP INT QUIT USR1 USR2; do trap \"echo got $s\" $s; done; trap 'echo got TERM; exit 9' TERM; \
                  echo ready; while :; do sleep 0.05; done";
    // A shell cannot trap what was ignored when it began, as HUP is under nohup: tests may run so.
    let command = ["exec", "--", "env", "--default-signal", "sh", "-c", script];
    let running = Running::start(&keyfob(&home, &command));
    assert!(running.stdout.says(SOON, "ready"), "{}", running.stderr.text());
    let signals =
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTERM];
    for signal in signals {
        running.signal(signal);
        let name = signal.as_str().trim_start_matches("SIG");
        assert!(running.stdout.says(SOON, &format!("got {name}")), "{name}: {}", running.stdout.text());
    }
    assert_eq!(running.wait(SOON).and_then(|status| status.code()), Some(9));
    assert_eq!(left_behind(&home), Vec::<String>::new());
}

#[test]
fn a_signal_before_the_command_ends_all() {
    let home = furnished();
    home.config("[profile slow]\ncredential_process = sleep 30\n");
    let running = Running::start(&keyfob(&home, &["exec", "--profile", "slow", "--", "echo", "never"]));
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(SOON).and_then(|status| status.code()), Some(143));
    assert_eq!((running.stdout.text().as_str(), left_behind(&home).len()), ("", 0));
}
