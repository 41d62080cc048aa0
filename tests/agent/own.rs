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

/// One request of that kind, as a form.
#[track_caller]
fn form(aws: &FakeAws, op: &str) -> std::collections::BTreeMap<String, String> {
    let requests = aws.requests();
    requests.iter().find(|request| request.op == op).unwrap_or_else(|| panic!("no {op}")).form.clone()
}

/// The one key id that this request can have given.
#[track_caller]
fn key_of(aws: &FakeAws, op: &str) -> String {
    let requests = aws.requests();
    let asked = requests.iter().rfind(|request| request.op == op && request.status() == 200);
    asked.unwrap_or_else(|| panic!("no {op}")).key_id().unwrap().to_owned()
}

#[test]
fn a_token_file_is_followed_and_its_role_assumes_another() {
    let (home, aws) = scene();
    let mut volume = home.volume("identity", &[("token", "header.first.signature\n")]);
    let token = volume.path("token").display().to_string();
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"default\"\nweb_identity = {{ role_arn = \"{APP}\", token_file = \"{token}\", \
             session_name = \"{{role}}.{{pod}}\", duration = \"20m\" }}\nexpect = {{ sources = [\"role_web_identity\"] }}\n\
             [[role]]\nname = \"far\"\nrole_arn = \"arn:aws:iam::333344445555:role/far\"\n\
             web_identity = {{ role_arn = \"{APP}\", token_file = \"{token}\" }}\n"
        ),
    );
    let body = answer(&agent, "default");
    assert_eq!((&body["RoleArn"], &body["AccountId"]), (&APP.into(), &"222233334444".into()), "{body}");
    // The other role asks with the same token: which of the two came first is nobody's business.
    let requests = aws.requests();
    let asked = requests.iter().find(|request| request.key_id() == body["AccessKeyId"].as_str()).unwrap();
    let asked = &asked.form;
    assert_eq!(asked["WebIdentityToken"], "header.first.signature");
    assert_eq!(
        (asked["RoleSessionName"].as_str(), asked["DurationSeconds"].as_str()),
        ("default.unknown", "1200")
    );
    let body = answer(&agent, "far");
    assert_eq!(body["AccountId"], "333344445555", "{body}");
    assert_eq!(form(&aws, "AssumeRole")["RoleSessionName"], "keyfob-far");
    let source = agent.admin("/status").json()["roles"][1]["source"].clone();
    assert_eq!(source, "role_web_identity");

    // Another token is another fingerprint: the key served must be the new one's.
    let old = served(&agent).unwrap();
    volume.swap(&[("token", "header.second.signature")]);
    let begun = Instant::now();
    while served(&agent).as_ref() == Ok(&old) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let new = served(&agent).unwrap();
    let requests = aws.requests();
    let asked = requests.iter().find(|request| request.key_id() == Some(&new)).unwrap();
    assert_eq!(asked.form["WebIdentityToken"], "header.second.signature");
}

#[test]
fn a_token_process_makes_a_fresh_token_for_each_refresh() {
    let (home, aws) = scene();
    aws.set_generations(true);
    let issuer = script(
        &home,
        "issuer",
        &format!(
            "echo ran >> {log}\necho \"header.$(wc -l < {log}).signature\"\n",
            log = home.path().join("ran").display()
        ),
    );
    let text = format!(
        "[[role]]\nname = \"default\"\nweb_identity = {{ role_arn = \"{APP}\", token_process = [\"{issuer}\"] }}\n"
    );
    let agent = serve(&home, &aws, &text);
    let first = answer(&agent, "default")["AccessKeyId"].clone();
    assert_eq!(first, key_of(&aws, "AssumeRoleWithWebIdentity"));
    std::thread::sleep(Duration::from_millis(1100));
    agent.process.signal(nix::sys::signal::Signal::SIGUSR1);
    assert!(aws.wait_for_calls("AssumeRoleWithWebIdentity", 2, Duration::from_secs(20)));
    let tokens: Vec<_> =
        aws.requests().iter().map(|request| request.form["WebIdentityToken"].clone()).collect();
    assert_eq!(tokens, ["header.1.signature", "header.2.signature"]);
    assert_eq!(ran(&home), 2);

    // The exchange is refused: what is held is served on, and the reason is there.
    aws.sts().set(|sts| sts.expired_identity_token = true);
    std::thread::sleep(Duration::from_millis(1100));
    agent.process.signal(nix::sys::signal::Signal::SIGUSR1);
    let begun = Instant::now();
    while agent.admin("/status").json()["roles"][0]["last_failure"]["code"] != "WI-EXPIRED" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(served(&agent).unwrap().starts_with("ASIA"));
    for text in [agent.log(), agent.admin("/v1/explain/default").json().to_string()] {
        assert!(!text.contains(".signature"), "{text}");
    }
}

#[test]
fn what_a_role_says_of_its_session_reaches_sts() {
    let (home, aws) = scene();
    home.credentials(&static_keys("default", BASE));
    let token = home.write("token", "header.payload.signature").display().to_string();
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"default\"\nrole_arn = \"{APP}\"\nsession_name = \"me\"\nexternal_id = \"outside\"\n\
             policy = '{{\"Statement\": []}}'\ntags = {{ team = \"shop & co\", stage = \"\" }}\n\
             transitive_tags = [\"team\"]\nsource_identity = \"alice\"\n\
             [[role]]\nname = \"plain\"\nrole_arn = \"{APP}\"\nsession_name = \"me\"\nexternal_id = \"outside\"\n\
             [[role]]\nname = \"pod\"\nweb_identity = {{ role_arn = \"{APP}\", token_file = \"{token}\", \
             policy = '{{\"Statement\": [0]}}' }}\n"
        )
        .replace(" & ", " + "),
    );
    let (full, plain) = (answer(&agent, "default"), answer(&agent, "plain"));
    // The key id is a fingerprint of all that was asked for.
    assert_ne!(full["AccessKeyId"], plain["AccessKeyId"]);
    let requests = aws.requests();
    let asked = requests.iter().find(|request| request.key_id() == full["AccessKeyId"].as_str()).unwrap();
    let want = [
        ("Policy", "{\"Statement\": []}"),
        ("Tags.member.1.Key", "stage"),
        ("Tags.member.1.Value", ""),
        ("Tags.member.2.Key", "team"),
        ("Tags.member.2.Value", "shop + co"),
        ("TransitiveTagKeys.member.1", "team"),
        ("SourceIdentity", "alice"),
        ("ExternalId", "outside"),
        ("RoleSessionName", "me"),
    ];
    for (name, value) in want {
        assert_eq!(asked.form.get(name).map(String::as_str), Some(value), "{name}: {asked:?}");
    }
    let asked = requests.iter().find(|request| request.key_id() == plain["AccessKeyId"].as_str()).unwrap();
    let more = asked.form.keys().any(|name| want[..7].iter().any(|(known, _)| name == known));
    assert!(!more, "nothing that was not said: {asked:?}");
    assert!(answer(&agent, "pod")["AccessKeyId"].is_string());
    assert_eq!(form(&aws, "AssumeRoleWithWebIdentity")["Policy"], "{\"Statement\": [0]}");
}

/// Wherever bare keys come from, what is served is a session of theirs; what has a token or a role passes.
#[test]
fn long_term_keys_are_exchanged_for_sessions() {
    let (home, aws) = scene();
    home.shut();
    home.credentials(&static_keys("default", BASE));
    home.config(&format!(
        "[profile written]\naws_access_key_id = {BASE}\naws_secret_access_key = secret-of-{BASE}\n"
    ));
    let helper = helper(&home);
    let at = format!("AWS_ENDPOINT_URL = \"{}\", AWS_REGION = \"eu-west-1\"", aws.url());
    let keys = format!("AWS_ACCESS_KEY_ID = \"{BASE}\", AWS_SECRET_ACCESS_KEY = \"secret-of-{BASE}\", {at}");
    let mint = "static_keys = \"mint\"\n";
    let agent = serve(
        &home,
        &aws,
        &format!(
            "[[role]]\nname = \"default\"\n{mint}duration = \"1h\"\nregion = \"eu-central-1\"\n\
             [[role]]\nname = \"config\"\n{mint}profile = \"written\"\n\
             [[role]]\nname = \"env\"\n{mint}env = {{ {keys} }}\n\
             [[role]]\nname = \"process\"\n{mint}process = [\"{helper}\"]\n\
             [[role]]\nname = \"assumed\"\n{mint}role_arn = \"{APP}\"\n\
             [[role]]\nname = \"node\"\n{mint}sources = [\"imds\"]\n"
        ),
    );
    let minted: Vec<Value> = ["default", "config", "env", "process"].map(|role| answer(&agent, role)).into();
    let status = agent.admin("/status").json();
    for body in &minted {
        let key = body["AccessKeyId"].as_str().unwrap_or_else(|| panic!("{body}"));
        assert!(key.starts_with("ASIA") && !body["Token"].as_str().unwrap().is_empty(), "{body}");
        let requests = aws.requests();
        let asked = requests.iter().find(|request| request.key_id() == Some(key)).unwrap();
        assert_eq!(asked.op, "GetSessionToken");
        assert!(asked.header("authorization").unwrap().contains(&format!("Credential={BASE}/")), "{asked:?}");
    }
    let asked = aws.requests();
    let first = asked.iter().find(|request| request.key_id() == minted[0]["AccessKeyId"].as_str()).unwrap();
    assert_eq!(first.form["DurationSeconds"], "3600");
    assert!(first.header("authorization").unwrap().contains("/eu-central-1/sts/"), "{first:?}");
    assert_eq!(answer(&agent, "assumed")["RoleArn"], APP);
    assert!(answer(&agent, "node")["AccessKeyId"].as_str().unwrap().starts_with("ASIA"));
    assert_eq!(aws.calls("GetSessionToken"), 4, "a role and a node's credentials need none");
    let of = |name: &str| {
        let roles = status["roles"].as_array().unwrap();
        roles.iter().find(|role| role["name"] == name).unwrap().clone()
    };
    for (name, source) in
        [("default", "static_file"), ("config", "static_config"), ("env", "env"), ("process", "role_process")]
    {
        assert_eq!(of(name)["source"], source, "{status}");
        assert!(
            of(name)["warnings"] == serde_json::json!([]) && of(name)["expires_at"].is_string(),
            "{status}"
        );
    }
    assert_eq!(of("default")["region"], "eu-central-1");
}

#[test]
fn keys_that_aws_gives_no_session_for_are_told_with_the_reason() {
    let (home, aws) = scene();
    home.credentials(&static_keys("default", BASE));
    let refuse = |code: &str| {
        let refusal = (1, 403, code.to_owned(), "explicitly denied".to_owned());
        aws.sts().set(|sts| sts.refuse_next = Some(refusal));
    };
    refuse("AccessDenied");
    let agent = serve(&home, &aws, "[[role]]\nname = \"default\"\nstatic_keys = \"mint\"\n");
    let body = answer(&agent, "default");
    assert_eq!(body["cause"], "STS-MINT", "{body}");
    assert!(body["message"].as_str().unwrap().contains("sts:GetSessionToken for the key …0000"), "{body}");
    // The next try is good, and minted sessions are renewed as any credentials are.
    agent.process.signal(nix::sys::signal::Signal::SIGUSR1);
    let begun = Instant::now();
    while served(&agent).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    aws.forget_key(BASE);
    std::thread::sleep(Duration::from_millis(1100));
    agent.process.signal(nix::sys::signal::Signal::SIGUSR1);
    let begun = Instant::now();
    while agent.admin("/status").json()["roles"][0]["last_failure"]["code"] != "KEY-INVALID" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(served(&agent).is_ok(), "the session lasts");
}
