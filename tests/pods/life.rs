//! The example's chart, installed, admitted and played: from the first credentials to the last.

use std::time::Duration;

use serde_json::{Value, json};

use super::playing::Playing;
use super::scene::{ROLE, Scene};
use super::status::Phase;
use crate::support::aws::Trouble;
use crate::support::{leaks, raw};

/// Total, of an agent that is asked to end.
const SHUTDOWN: Duration = Duration::from_millis(1500);

/// What `app.py` says of one question.
fn answer(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

fn answers(pod: &Playing) -> Vec<Value> {
    pod.log("app").lines().filter_map(answer).collect()
}

#[track_caller]
fn all_good(answers: &[Value]) {
    assert!(!answers.is_empty());
    for answer in answers {
        let arn = answer["arn"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(arn.starts_with("arn:aws:sts::111122223333:assumed-role/example/"), "{arn}");
    }
}

/// The application as it goes on: so many more answers, all of them good.
#[track_caller]
fn goes_on(pod: &Playing) {
    let before = answers(pod).len();
    let seen = std::cell::Cell::new(0);
    pod.line("app", "more", |line| {
        answer(line)?;
        seen.set(seen.get() + 1);
        (seen.get() > before + 3).then_some(())
    });
    all_good(&answers(pod));
}

/// Of an agent in the pod, asked as the application asks.
fn credentials(pod: &Playing, role: &str, token: &str) -> raw::Reply {
    let (path, token) = (format!("/v1/credentials/{role}"), token.to_owned());
    pod.inside(move || raw::get("127.0.0.1:5397".parse().unwrap(), &path, &[("Authorization", &token)]))
}

fn token(pod: &Playing) -> String {
    let token = pod.exec("app", &["cat", "/run/keyfob/token"]).expect_code(0).stdout;
    leaks::secret(&token);
    token
}

#[test]
fn an_application_starts_with_credentials_keeps_them_and_ends_with_them() {
    let Some(scene) = Scene::ready() else { return };
    scene.command(&["python", "/image/app.py", "for-ever"]);
    scene.install(&json!({}));
    scene.aws.sts().set(|sts| sts.trouble = Trouble::status(503));
    let pod = scene.play(&scene.admitted("deployment"));

    pod.wait("probes that fail", |state| state.containers["keyfob"].probed >= 3);
    assert_eq!(pod.story(), ["keyfob started"]);
    scene.aws.sts().set(|sts| sts.trouble = None);
    let first = pod.line("app", "who it is", answer);
    pod.wait("the other container", |state| state.story.len() >= 4);
    assert_eq!(pod.story(), ["keyfob started", "keyfob is up", "app started", "bystander started"]);
    all_good(std::slice::from_ref(&first));
    assert_eq!((&first["uid"], &first["gid"], &first["groups"]), (&json!(10001), &json!(10001), &json!([])));
    goes_on(&pod);
    everybody_has_what_is_his(&pod);
    killed_it_comes_back(&pod, &scene);
    a_changed_configuration_is_followed(&pod, &scene);
    a_new_token_is_used(&pod, &scene);
    deleted_it_ends_last(&pod);
}

/// The token's file is for whom it is mounted, whoever he is; the agent's other folders are its own.
fn everybody_has_what_is_his(pod: &Playing) {
    let token = token(pod);
    assert_eq!(token.len(), 43);
    let listed = pod.exec("app", &["stat", "-c", "%a %u", "/run/keyfob/token"]).expect_code(0).stdout;
    assert_eq!(listed.trim(), "444 65532");
    let kind = pod.exec("app", &["stat", "-f", "-c", "%T", "/run/keyfob"]).expect_code(0).stdout;
    assert_eq!(kind.trim(), "tmpfs");
    for (container, words) in [
        ("app", ["touch", "/run/keyfob/mine"]),
        ("app", ["touch", "/mine"]),
        ("app", ["ls", "/run/keyfob-private"]),
        ("app", ["ls", "/run/keyfob-identity"]),
        ("bystander", ["cat", "/run/keyfob/token"]),
    ] {
        let refused = pod.exec(container, &words);
        assert_eq!(
            (refused.code() == Some(0), refused.stdout.as_str()),
            (false, ""),
            "{container} {words:?}"
        );
    }
    // Who shares the network may ask, and gets nothing without the token.
    assert_eq!(credentials(pod, "default", "").status, 401);
    assert_eq!(credentials(pod, "default", &token).status, 200);
    let agent = pod.exec("keyfob", &["cat", "/proc/1/status"]).expect_code(0).stdout;
    for line in ["Uid:\t65532\t65532\t65532\t65532", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Pid:\t1"]
    {
        assert!(agent.lines().any(|found| found == line), "{line}\n{agent}");
    }
}

fn killed_it_comes_back(pod: &Playing, scene: &Scene) {
    let (before, asked) = (token(pod), scene.aws.calls("AssumeRoleWithWebIdentity"));
    pod.kill("keyfob");
    pod.wait("another agent", |state| {
        state.containers["keyfob"].starts == 2 && state.containers["keyfob"].up
    });
    assert_eq!(pod.seen("keyfob").last.unwrap().code, 137);
    assert_eq!(token(pod), before);
    assert!(scene.aws.calls("AssumeRoleWithWebIdentity") > asked);
    // What a client asked in between is its own affair: an SDK asks again. From now on all is well.
    goes_on(pod);
    assert_eq!(pod.seen("app").starts, 1);
}

fn a_changed_configuration_is_followed(pod: &Playing, scene: &Scene) {
    let token = token(pod);
    assert_eq!(credentials(pod, "second", &token).status, 404);
    let other = "arn:aws:iam::111122223333:role/other";
    let roles = [("default", ROLE), ("second", other)]
        .map(|(name, arn)| json!({ "name": name, "webIdentity": { "roleArn": arn } }));
    scene.install(&json!({ "roles": roles }));
    pod.sync();
    pod.wait("the second role", |_| credentials(pod, "second", &token).status == 200);
    assert_eq!(credentials(pod, "second", &token).json()["RoleArn"], other);
    assert_eq!(pod.seen("keyfob").starts, 2, "as before");
    goes_on(pod);
}

fn a_new_token_is_used(pod: &Playing, scene: &Scene) {
    let asked = scene.aws.calls("AssumeRoleWithWebIdentity");
    pod.renew();
    assert!(
        scene.aws.wait_for_calls("AssumeRoleWithWebIdentity", asked + 2, Duration::from_secs(60)),
        "both roles"
    );
    goes_on(pod);
}

fn deleted_it_ends_last(pod: &Playing) {
    let before = pod.story().len();
    pod.delete();
    let story = pod.story();
    let expected = [
        "deleted",
        "app gets TERM",
        "bystander gets TERM",
        "bystander ended with 0",
        "app ended with 0",
        "keyfob gets TERM",
        "keyfob ended with 0",
    ];
    assert_eq!(story[before..], expected, "{}", pod.told());
    let last: Vec<_> = answers(pod).into_iter().filter(|answer| answer["stopping"] == true).collect();
    assert!(last.len() >= 5, "{last:?}");
    all_good(&last);
    let took = pod.seen("keyfob").took.unwrap();
    assert!(took <= SHUTDOWN, "{took:?}");
}

#[test]
fn the_examples_own_command_has_credentials_and_hears_that_it_shall_end() {
    let Some(scene) = Scene::ready() else { return };
    scene.install(&json!({}));
    let pod = scene.play(&scene.admitted("deployment"));
    let arn = pod.line("app", "who it is", |line| line.contains("\"Arn\"").then(|| line.to_owned()));
    assert!(arn.contains("arn:aws:sts::111122223333:assumed-role/example/"), "{arn}");
    pod.delete();
    assert_eq!(pod.seen("app").last.unwrap().code, 0, "{}", pod.told());
    assert!(!pod.story().iter().any(|told| told.contains("KILL")), "{}", pod.told());
}

#[test]
fn a_jobs_pod_ends_when_its_work_is_done() {
    let Some(scene) = Scene::ready() else { return };
    scene.command(&["python", "/image/app.py", "once"]);
    scene.job();
    scene.install(&json!({}));
    let pod = scene.play(&scene.admitted("job"));
    pod.wait("the end", |state| state.story.last().is_some_and(|last| last.starts_with("keyfob ended")));
    assert_eq!(
        pod.story(),
        [
            "keyfob started",
            "keyfob is up",
            "app started",
            "app ended with 0",
            "the pod has succeeded",
            "keyfob gets TERM",
            "keyfob ended with 0"
        ],
        "{}",
        pod.told()
    );
    all_good(&answers(&pod));
    assert_eq!(pod.phase(), Phase::Succeeded);
    pod.wait("how long it took", |state| state.containers["keyfob"].took.is_some());
    assert!(pod.seen("keyfob").took.unwrap() <= SHUTDOWN);
}

#[test]
fn a_pod_that_only_asks_for_it_by_a_label_has_credentials() {
    let Some(scene) = Scene::ready() else { return };
    let pod = scene.play(&scene.injected(&["python", "/image/app.py", "for-ever"]));
    let first = pod.line("app", "who it is", answer);
    assert_eq!(pod.story(), ["keyfob started", "keyfob is up", "app started"]);
    all_good(std::slice::from_ref(&first));
    goes_on(&pod);
}
