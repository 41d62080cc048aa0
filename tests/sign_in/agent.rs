//! An agent that lives on a sign-in: it refreshes, does not wake itself by what it writes, and notices a new sign-in.

use std::time::{Duration, Instant};

use super::*;
use crate::support::Serving;

const BOUND: Duration = Duration::from_secs(30);

fn start(scene: &Scene, profile: &str) -> Serving {
    let run = scene.home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let mut env = scene.env();
    env.push(("RUNTIME_DIRECTORY".to_owned(), run.display().to_string()));
    Serving::start(&["--profile", profile], env)
}

/// What is served, or why nothing is.
fn served(agent: &Serving) -> String {
    let body = agent.credentials("/v1/credentials").json();
    let field = body.get("AccessKeyId").or_else(|| body.get("cause"));
    field.and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[track_caller]
fn until(agent: &Serving, what: &str, fits: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let now = served(agent);
        if fits(&now) {
            return now;
        }
        assert!(begun.elapsed() < BOUND, "{what}: still {now}\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_key(text: &str) -> bool {
    text.starts_with("ASIA")
}

#[test]
fn a_sign_in_is_prolonged_and_what_was_written_wakes_nobody() {
    let scene = Scene::ending_in(-60);
    let agent = start(&scene, "sso");
    until(&agent, "the first credentials", is_key);
    // Longer than the watcher takes to notice a change and the keeper to follow it.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((scene.aws.calls("CreateToken"), scene.aws.calls("GetRoleCredentials")), (1, 1));
    let text = agent.admin("/metrics").body;
    for series in [
        "keyfob_upstream_requests_total{service=\"sso\",operation=\"GetRoleCredentials\",outcome=\"success\",code=\"200\"} 1",
        "keyfob_upstream_requests_total{service=\"sso_oidc\",operation=\"CreateToken\",outcome=\"success\",code=\"200\"} 1",
        "keyfob_watched_files{kind=\"sso_cache\"} 1",
        "keyfob_token_file_expiration_timestamp_seconds{kind=\"sso\"} ",
    ] {
        assert!(text.contains(series), "{series}\n{text}");
    }
}

#[test]
fn a_new_sign_in_ends_the_trouble_at_once() {
    let scene = Scene::ending_in(-60);
    scene.aws.sign_in().set(|fake| {
        fake.refuse.insert("CreateToken".to_owned(), (400, "InvalidGrantException".to_owned()));
    });
    let agent = start(&scene, "sso");
    until(&agent, "the refusal", |now| now == "SSO-EXPIRED");
    scene.sso(3600);
    until(&agent, "credentials of the new sign-in", is_key);
}

#[test]
fn a_login_is_prolonged_again_and_again() {
    let scene = Scene::ending_in(3600);
    scene.aws.sign_in().set(|fake| fake.once = true);
    let agent = start(&scene, "login");
    assert_eq!(until(&agent, "what is cached", is_key), "ASIALOGINLOGINLOGIN0");
    scene.login(30);
    let second = until(&agent, "refreshed credentials", |now| is_key(now) && now != "ASIALOGINLOGINLOGIN0");
    assert_eq!(scene.aws.calls("CreateOAuth2Token"), 1);
    let mut kept = whole(&scene.login_file());
    assert_eq!(kept["accessToken"]["accessKeyId"].as_str(), Some(second.as_str()));
    kept["accessToken"]["expiresAt"] = stamp(30).into();
    scene.home.replace(&login_cache("me"), &kept.to_string());
    until(&agent, "credentials after those", |now| is_key(now) && now != second);
    let text = agent.admin("/metrics").body;
    let series = "keyfob_upstream_requests_total{service=\"signin\",operation=\"CreateOAuth2Token\",outcome=\"success\",code=\"200\"} 2";
    assert!(text.contains(series), "{text}");
}
