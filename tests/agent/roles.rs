//! Roles of our own configuration: assumed, expected, bound, with tokens and variables of their own.

use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::*;
use crate::support::raw;
use crate::support::run::Run;

const BASE: &str = "AKIABASE000000000000";
const APP: &str = "arn:aws:iam::222233334444:role/app";

/// A home whose default profile has long-term keys that the fake STS knows.
fn scene() -> (TempHome, FakeAws) {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    let secret = format!("secret-of-{BASE}");
    aws.add_user(BASE, &secret, "123456789012", "alice");
    home.credentials(&static_keys("default", BASE));
    (home, aws)
}

fn configure(home: &TempHome, text: &str) -> PathBuf {
    home.write("keyfob.toml", text)
}

fn serve(home: &TempHome, aws: &FakeAws, text: &str) -> Serving {
    let config = configure(home, text);
    Serving::start(&["--config", config.to_str().unwrap()], with_aws(home, aws))
}

/// The body of the first answer that is not "the first walk is under way".
#[track_caller]
fn answer(agent: &Serving, role: &str) -> Value {
    let begun = Instant::now();
    loop {
        let body = agent.credentials(&format!("/v1/credentials/{role}")).json();
        if body["cause"] != "KF-WARMING" {
            return body;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{}", agent.log());
    }
}

#[test]
fn a_role_is_assumed_with_what_the_sources_found_and_with_all_that_was_configured() {
    let (home, aws) = scene();
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"app\"\nrole_arn = \"{APP}\"\nexternal_id = \"outside\"\nsession_name = \"me\"\n\
             duration = \"20m\"\nregion = \"eu-central-1\"\n"
        ),
    );
    let body = answer(&agent, "app");
    assert_eq!(body["RoleArn"], APP, "{body}");
    assert_eq!(body["AccountId"], "222233334444");
    let requests = aws.requests();
    let asked = requests.iter().find(|request| request.op == "AssumeRole").unwrap();
    let form = |name: &str| asked.form.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    assert_eq!(form("ExternalId"), Some("outside"));
    assert_eq!(form("RoleSessionName"), Some("me"));
    assert_eq!(form("DurationSeconds"), Some("1200"));
    assert!(asked.header("authorization").unwrap().contains("/eu-central-1/sts/"), "{asked:?}");
    let status = agent.admin("/status").json();
    assert_eq!(status["roles"][0]["source"], "static_file");
    assert_eq!(status["roles"][0]["region"], "eu-central-1");
}

#[test]
fn a_session_name_is_the_same_across_refreshes() {
    let (home, aws) = scene();
    aws.set_generations(true);
    let agent = serve(&home, &aws, &format!("[[role]]\nname = \"app\"\nrole_arn = \"{APP}\"\n"));
    answer(&agent, "app");
    std::thread::sleep(Duration::from_millis(1100));
    agent.process.signal(Signal::SIGUSR1);
    assert!(aws.wait_for_calls("AssumeRole", 2, Duration::from_secs(5)));
    let names: Vec<String> = aws
        .requests()
        .iter()
        .filter(|request| request.op == "AssumeRole")
        .map(|request| request.form.iter().find(|(key, _)| *key == "RoleSessionName").unwrap().1.clone())
        .collect();
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0], "keyfob-app");
}

#[test]
fn what_is_not_expected_is_never_served() {
    let (home, aws) = scene();
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"right\"\nrole_arn = \"{APP}\"\nexpect = {{ account = \"222233334444\" }}\n\
             [[role]]\nname = \"wrong\"\nrole_arn = \"{APP}\"\nexpect = {{ account = \"999988887777\" }}\n\
             [[role]]\nname = \"elsewhere\"\nexpect = {{ sources = [\"web_identity\"] }}\n\
             [[role]]\nname = \"long\"\nstatic_keys = \"refuse\"\n"
        ),
    );
    assert_eq!(answer(&agent, "right")["AccountId"], "222233334444");
    assert_eq!(answer(&agent, "wrong")["cause"], "KF-EXPECT");
    assert_eq!(answer(&agent, "elsewhere")["cause"], "KF-EXPECT");
    assert_eq!(answer(&agent, "long")["cause"], "KF-STATIC-REFUSED");
}

#[test]
fn a_role_with_tokens_of_its_own_answers_to_these_alone() {
    let (home, aws) = scene();
    let own = home.path().join("run/app.token");
    let agent = serve(
        &home,
        &aws,
        &format!("[[role]]\nname = \"open\"\n[[role]]\nname = \"app\"\ntokens = [\"{}\"]\n", own.display()),
    );
    assert_eq!(answer(&agent, "open")["AccessKeyId"], BASE);
    let ask = |role: &str, token: &str| {
        let path = format!("/v1/credentials/{role}");
        raw::get(agent.bound.credentials, &path, &[("Authorization", token)]).status
    };
    let (main, own) = (agent.token(), std::fs::read_to_string(own).unwrap());
    assert!(own.len() >= 32 && !own.contains('\n'));
    assert_eq!(ask("app", &own), 200);
    assert_eq!(ask("app", &main), 403);
    assert_eq!(ask("open", &own), 403);
    assert_eq!(ask("no-such-role", &own), 403, "whether it exists or not");
}

#[test]
fn a_subset_of_sources_and_variables_of_a_roles_own() {
    let (home, aws) = scene();
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"node\"\nsources = [\"imds\"]\n\
             [[role]]\nname = \"own\"\nenv = {{ AWS_ACCESS_KEY_ID = \"{OWN}\", AWS_SECRET_ACCESS_KEY = \"own-secret-own-secret\" }}\n\
             [[role]]\nname = \"none\"\nsources = [\"container\"]\n"
        ),
    );
    assert!(answer(&agent, "node")["AccessKeyId"].as_str().unwrap().starts_with("ASIA"));
    assert_eq!(answer(&agent, "own")["AccessKeyId"], OWN);
    assert_eq!(answer(&agent, "none")["cause"], "KF-NOTHING");
}

const OWN: &str = "AKIAOWN0000000000000";

#[test]
fn a_reload_keeps_what_is_held_unless_the_role_is_another_one() {
    let (home, aws) = scene();
    let role = |more: &str| format!("[[role]]\nname = \"app\"\nrole_arn = \"{APP}\"\n{more}");
    let agent = serve(&home, &aws, &role(""));
    let first = answer(&agent, "app")["AccessKeyId"].clone();
    // Another duration is the same role: it is walked again, and serves all the while.
    aws.sts().set(|sts| sts.delay = Duration::from_millis(700));
    configure(&home, &role("duration = \"30m\"\n"));
    let begun = Instant::now();
    loop {
        let body = agent.credentials("/v1/credentials/app").json();
        assert!(body["AccessKeyId"].is_string(), "{body}");
        if body["AccessKeyId"] != first {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", agent.log());
    }
    // Another external id is another role: nothing is held, nothing of the old one is served.
    aws.sts().set(|sts| sts.delay = Duration::from_secs(3));
    configure(&home, &role("external_id = \"other\"\n"));
    let begun = Instant::now();
    while agent.credentials("/v1/credentials/app").json()["cause"] != "KF-WARMING" {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", agent.log());
    }
    assert!(answer(&agent, "app")["AccessKeyId"].is_string());
}

#[test]
fn a_start_up_deadline_ends_with_the_reason_on_the_last_lines() {
    let home = TempHome::new();
    let config = configure(
        &home,
        "[startup]\ndeadline = \"1s\"\n[[role]]\nname = \"default\"\nprofile = \"missing\"\n",
    );
    let ended = Run::keyfob()
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--config", config.to_str().unwrap()])
        .envs(bare(&home))
        .within(Duration::from_secs(20))
        .run();
    assert_eq!(ended.code(), Some(4), "{ended:?}");
    let last: Vec<&str> = ended.stderr.lines().rev().take(12).collect();
    assert!(last.iter().any(|line| line.contains("PROFILE-UNKNOWN")), "{}", ended.stderr);
}
