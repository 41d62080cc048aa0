//! Sources of our own configuration, in a running agent: what they ask for, how they fail, what the agent tells of it.

use std::os::unix::fs::PermissionsExt;

use super::*;

const BASE: &str = "AKIABASE000000000000";
const APP: &str = "arn:aws:iam::222233334444:role/app";

/// A home, and an AWS that knows alice.
fn scene() -> (TempHome, FakeAws) {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.add_user(BASE, &format!("secret-of-{BASE}"), "123456789012", "alice");
    (home, aws)
}

/// A script that can be executed.
fn script(home: &TempHome, name: &str, text: &str) -> String {
    let path = home.write(name, &format!("#!/bin/sh\n{text}"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn serve(home: &TempHome, aws: &FakeAws, text: &str) -> Serving {
    let config = home.write("keyfob.toml", text);
    Serving::start(&["--config", config.to_str().unwrap()], with_aws(home, aws))
}

/// A helper that prints alice's keys, and counts how often.
fn helper(home: &TempHome) -> String {
    let text = format!(
        "echo ran >> {log}\n\
         printf '{{\"Version\":1,\"AccessKeyId\":\"{BASE}\",\"SecretAccessKey\":\"secret-of-{BASE}\"}}'\n",
        log = home.path().join("ran").display(),
    );
    script(home, "helper", &text)
}

fn ran(home: &TempHome) -> usize {
    std::fs::read_to_string(home.path().join("ran")).unwrap_or_default().lines().count()
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
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_process_of_the_roles_own_is_served_and_its_role_assumed_with_it() {
    let (home, aws) = scene();
    // Neither keys in the files nor broken files matter to it.
    home.credentials("broken\n");
    let helper = helper(&home);
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"bare\"\nprocess = [\"{helper}\"]\nexpect = {{ sources = [\"role_process\"] }}\n\
             [[role]]\nname = \"app\"\nprocess = [\"helper\"]\nrole_arn = \"{APP}\"\n\
             env = {{ AWS_ENDPOINT_URL = \"{url}\", AWS_REGION = \"eu-central-1\", PATH = \"{path}\" }}\n",
            url = aws.url(),
            path = format_args!("{}:/usr/bin:/bin", home.path().display()),
        ),
    );
    assert_eq!(answer(&agent, "bare")["AccessKeyId"], BASE);
    let body = answer(&agent, "app");
    assert_eq!((&body["RoleArn"], &body["AccountId"]), (&APP.into(), &"222233334444".into()), "{body}");
    let requests = aws.requests();
    let asked = requests.iter().find(|request| request.op == "AssumeRole").unwrap();
    let signed = asked.header("authorization").unwrap();
    assert!(signed.contains(&format!("{BASE}/")) && signed.contains("/eu-central-1/sts/"), "{signed}");
    assert_eq!(ran(&home), 2);

    let status = agent.admin("/status").json();
    let sources: Vec<_> = status["roles"].as_array().unwrap().iter().map(|role| &role["source"]).collect();
    assert_eq!(sources, ["role_process", "role_process"], "{status}");
    let metrics = String::from_utf8(agent.admin("/metrics").body.into()).unwrap();
    assert!(metrics.contains("keyfob_source_active{role=\"bare\",source=\"role_process\"} 1"), "{metrics}");
    let walk = agent.admin("/v1/explain/bare").json()["walk"].clone();
    assert_eq!(walk["source"], "role_process", "{walk}");
    assert_eq!(walk["attempts"][1]["looks"][0], format!("{helper}: ended with status 0"), "{walk}");
}

#[test]
fn a_process_that_hangs_is_ended_and_one_that_fails_is_quoted() {
    let (home, aws) = scene();
    let child = home.path().join("child");
    let hangs = script(&home, "hangs", &format!("sleep 600 & echo $! > {}; wait\n", child.display()));
    let fails = script(&home, "fails", "echo 'no lease for you' >&2; exit 7\n");
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[refresh]\nprocess_timeout = \"1s\"\n[[role]]\nname = \"hangs\"\nprocess = [\"{hangs}\"]\n\
             [[role]]\nname = \"fails\"\nprocess = [\"{fails}\", \"--key\", \"hush-argument\"]\n"
        ),
    );
    let body = answer(&agent, "hangs");
    assert_eq!(body["cause"], "PROC-TIMEOUT", "{body}");
    let pid = std::fs::read_to_string(child).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let begun = Instant::now();
    // Gone, or dead and waiting for somebody to notice.
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
    let body = answer(&agent, "fails");
    assert_eq!(body["cause"], "PROC-EXIT", "{body}");
    assert!(body["message"].as_str().unwrap().contains("exit status: 7: no lease for you"), "{body}");
    for text in [
        agent.log(),
        agent.admin("/status").json().to_string(),
        agent.admin("/v1/explain/fails").json().to_string(),
    ] {
        assert!(!text.contains("hush-argument"), "{text}");
    }
}

/// Another command is another role, and so nothing of the old one is served.
#[test]
fn a_reload_with_another_process_makes_a_new_role() {
    let (home, aws) = scene();
    let (old, new) = (helper(&home), script(&home, "new", "sleep 3; exit 1\n"));
    let role = |command: &str| format!("[[role]]\nname = \"default\"\nprocess = [\"{command}\"]\n");
    let agent = serve(&home, &aws, &role(&old));
    first(&agent, BASE);
    home.write("keyfob.toml", &role(&new));
    served_within(&agent, Duration::from_secs(20), "KF-WARMING", &[BASE]);
    served_within(&agent, Duration::from_secs(20), "PROC-EXIT", &["KF-WARMING"]);
    home.write("keyfob.toml", &role(&old));
    served_within(&agent, Duration::from_secs(20), BASE, &["PROC-EXIT", "KF-WARMING"]);
}

#[test]
fn a_process_that_leads_back_to_its_role_ends_at_once() {
    let (home, aws) = scene();
    let keyfob = crate::support::run::keyfob().display().to_string();
    let config = home.path().join("keyfob.toml").display().to_string();
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"default\"\nprocess = [\"{keyfob}\", \"get\", \"--config\", \"{config}\"]\n"
        ),
    );
    first(&agent, "KF-LOOP");
}
