//! `keyfob demo` as a new user tries it, on a machine where AWS has long been set up.

mod busy;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::sdk::{Sdk, python};
use crate::support::run::skip;
use crate::support::{Finished, Run, Running, raw};
use busy::{Busy, mode};

const ME: &str = "arn:aws:sts::111122223333:assumed-role/keyfob-demo/i-0de30de30de30de30";
const BOUND: Duration = Duration::from_secs(30);

/// `keyfob demo -- python3 -c SCRIPT`; None: skipped.
fn python_in_demo(user: &Busy, script: &str) -> Option<Finished> {
    if !python().is_file() {
        skip("build/venv is not there; run `make clients`");
        return None;
    }
    Some(user.demo().args(["--", "python3", "-c", script]).run())
}

/// The demo, once it has printed what to paste.
#[track_caller]
fn staying(run: Run) -> Running {
    let demo = Running::start(&run);
    assert!(demo.stdout.says(BOUND, "keyfob --admin"), "{}\n{}", demo.stdout.text(), demo.stderr.text());
    demo
}

#[test]
fn every_client_is_the_demos_and_the_user_is_left_alone() {
    let user = Busy::new();
    for sdk in Sdk::ALL {
        let Some(run) = sdk.under(user.demo().arg("--"), &["identity"]) else { continue };
        let done = run.run().expect_code(0);
        assert!(done.stdout.contains(ME), "{sdk:?}: {done:#?}");
        assert!(!done.stderr.contains("keyfob"), "{sdk:?}: {done:#?}");
        user.is_untouched();
    }
}

#[test]
fn what_is_printed_works_in_another_shell() {
    let user = Busy::new();
    let demo = staying(user.demo());
    if !python().is_file() {
        return skip("build/venv is not there; run `make clients`");
    }
    // The whole of it is pasted, the boto3 line included; then somebody types another command.
    let typed = format!("{}\naws sts get-caller-identity --query Arn --output text\n", demo.stdout.text());
    let shell = Run::new("/bin/sh").envs(user.env()).stdin(&typed).run().expect_code(0);
    assert_eq!(shell.stdout, format!("{ME}\n{ME}\n"), "{shell:#?}");
    assert_eq!(shell.stderr, "");
    assert!(demo.stop().success());
    user.is_untouched();
}

#[test]
fn the_boto3_line_is_there_and_no_secret() {
    let user = Busy::new();
    let demo = staying(user.demo());
    let text = demo.stdout.text();
    let folders = user.folders();
    assert_eq!(folders.len(), 1, "{folders:?}");
    assert_eq!(mode(&folders[0]), "700");
    let token = fs::read_to_string(folders[0].join("token")).unwrap();
    assert!(token.len() > 31 && !text.contains(&token) && !demo.stderr.text().contains(&token));
    for line in [
        "unset AWS_PROFILE",
        "unset AWS_ENDPOINT_URL_STS",
        "unset AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "export AWS_SHARED_CREDENTIALS_FILE=/dev/null",
        "export BOTO_CONFIG=/dev/null",
        "export AWS_REGION=eu-north-1",
        "export NO_PROXY=corp.example,127.0.0.1,localhost",
        r#"python3 -c 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'"#,
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line} not in\n{text}");
    }
    let config = text.lines().find_map(|line| line.strip_prefix("export AWS_CONFIG_FILE=")).unwrap();
    assert_eq!(fs::read_to_string(config).unwrap(), "[default]\nregion = us-east-1\n");
    drop(demo);
    user.is_untouched();
}

#[test]
fn status_and_metrics_are_where_it_says() {
    let user = Busy::new();
    let demo = staying(user.demo());
    let text = demo.stdout.text();
    let at = |path: &str| {
        let url = text.split_whitespace().find_map(|word| word.strip_prefix("http://")?.strip_suffix(path));
        url.unwrap().parse::<SocketAddr>().unwrap()
    };
    let status = raw::get(at("/status"), "/status", &[]).json();
    let role = &status["roles"][0];
    assert_eq!((role["name"].as_str(), role["source"].as_str()), (Some("default"), Some("imds")), "{status}");
    let metrics = raw::get(at("/metrics"), "/metrics", &[]).body;
    assert!(metrics.contains("keyfob_credentials_available{role=\"default\"} 1"), "{metrics}");
    let asked = Run::keyfob().args(["--admin", &at("/status").to_string(), "status"]).run();
    assert!(asked.expect_code(0).stdout.contains("imds"));
}

#[test]
fn a_fish_gets_its_own_words() {
    let user = Busy::new();
    let demo = staying(user.demo().env("SHELL", "/usr/bin/fish"));
    let text = demo.stdout.text();
    assert!(text.contains("\nset -e AWS_PROFILE\n") && text.contains("\nset -gx AWS_REGION "), "{text}");
}

#[test]
fn it_ends_when_told_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let user = Busy::new();
        let demo = staying(user.demo());
        demo.signal(Signal::SIGUSR1);
        assert!(demo.wait(Duration::from_millis(100)).is_none(), "USR1 makes it look again, no more");
        demo.signal(signal);
        let status = demo.wait(BOUND).expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal} {}", demo.stderr.text());
        user.is_untouched();
    }
}

#[test]
fn the_commands_status_is_its_own() {
    let user = Busy::new();
    let table: [(&[&str], i32); 5] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["no-such-program-anywhere"], 127),
        (&["/etc/passwd"], 126),
    ];
    for (command, status) in table {
        let done = user.demo().arg("--").args(command).run().expect_code(status);
        assert_eq!(done.stderr.is_empty(), !(126..=127).contains(&status), "{done:#?}");
        assert_eq!(done.stdout, "");
        user.is_untouched();
    }
}

#[test]
fn signals_are_the_commands() {
    let user = Busy::new();
    let script = "trap 'exit 9' TERM; trap 'echo hup' HUP; trap 'echo usr1' USR1; echo ready
        while :; do sleep 0.05; done";
    // A shell cannot trap what was ignored when it began, as HUP is under nohup: tests may run so.
    let demo = Running::start(&user.demo().args(["--", "env", "--default-signal", "sh", "-c", script]));
    assert!(demo.stdout.says(BOUND, "ready"), "{}", demo.stderr.text());
    for (signal, says) in [(Signal::SIGHUP, "hup"), (Signal::SIGUSR1, "usr1")] {
        demo.signal(signal);
        assert!(demo.stdout.says(BOUND, says), "{signal}");
    }
    demo.signal(Signal::SIGTERM);
    assert_eq!(demo.wait(BOUND).unwrap().code(), Some(9));
    let demo = Running::start(&user.demo().args(["--", "sh", "-c", "echo ready; exec sleep 1000"]));
    assert!(demo.stdout.says(BOUND, "ready"), "{}", demo.stderr.text());
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.wait(BOUND).unwrap().code(), Some(130));
    user.is_untouched();
}

#[test]
fn a_signal_at_any_moment_ends_it_and_leaves_nothing() {
    for delay in (0..24).map(|step| Duration::from_millis(step * 5)) {
        let user = Busy::new();
        let demo = Running::start(&user.demo().args(["--", "sleep", "1000"]));
        assert!(demo.wait(delay).is_none());
        demo.signal(Signal::SIGTERM);
        let status = demo.wait(BOUND).expect("it ends");
        // In its very first moments it has done nothing yet that is worth more than to be gone.
        assert!(status.code() == Some(143) || status.signal() == Some(15), "{delay:?}: {status}");
        user.is_untouched();
    }
}

#[test]
fn nothing_leaves_the_machine() {
    let user = Busy::new();
    let old = "
import boto3, urllib.request
try:
    boto3.client('sts', endpoint_url='https://sts.eu-north-1.amazonaws.com').get_caller_identity()
except Exception as error:
    print(type(error).__name__)
for url in ['https://sts.amazonaws.com/', 'http://sts.amazonaws.com/']:
    try:
        urllib.request.urlopen(url)
    except Exception as error:
        print(error)
";
    let Some(done) = python_in_demo(&user, old) else { return };
    let said: Vec<&str> = done.stdout.lines().collect();
    let expected = [
        "ProxyConnectionError",
        "<urlopen error Tunnel connection failed: 403 this client predates AWS_ENDPOINT_URL>",
        "HTTP Error 403: this client predates AWS_ENDPOINT_URL",
    ];
    assert_eq!(said, expected, "{done:#?}");
    let told: Vec<&str> = done.stderr.lines().map(|line| line.split(" was not").next().unwrap()).collect();
    let places = [
        "keyfob: sts.eu-north-1.amazonaws.com:443",
        "keyfob: sts.amazonaws.com:443",
        "keyfob: sts.amazonaws.com",
    ];
    assert_eq!(told, places, "{done:#?}");
    user.is_untouched();
}

#[test]
fn other_services_say_that_they_are_not_here() {
    let user = Busy::new();
    let script = "
import boto3
from botocore.exceptions import ClientError
for service, ask in [('s3', 'list_buckets'), ('ec2', 'describe_instances'), ('dynamodb', 'list_tables')]:
    try:
        getattr(boto3.client(service), ask)()
    except ClientError as error:
        print(error.response['Error']['Code'])
";
    let Some(done) = python_in_demo(&user, script) else { return };
    assert_eq!(done.stdout, "NotInTheDemo\n".repeat(3), "{done:#?}");
}

#[test]
fn strangers_keys_are_refused_as_aws_does() {
    let user = Busy::new();
    let script = "
import boto3
from botocore.exceptions import ClientError
own = boto3.Session().get_credentials().get_frozen_credentials()
for key, token in [('AKIAIOSFODNN7EXAMPLE', None), (own.access_key, 'not-the-token'), (own.access_key, own.token)]:
    client = boto3.client('sts', aws_access_key_id=key, aws_secret_access_key='x', aws_session_token=token)
    try:
        print(client.get_caller_identity()['Account'])
    except ClientError as error:
        print(error.response['Error']['Code'])
print(own.access_key[:8], len(own.access_key), 'DEMO' in own.secret_key, 'DEMO' in own.token)
";
    let Some(done) = python_in_demo(&user, script) else { return };
    let expected = "InvalidClientTokenId\nInvalidClientTokenId\n111122223333\nASIADEMO 20 True True\n";
    assert_eq!(done.stdout, expected, "{done:#?}");
}
