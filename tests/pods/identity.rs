//! Web identity from the API server's key to STS's answer: tokens that are the pod's, and tokens that are not.

use serde_json::json;

use super::scene::{ROLE, Scene};
use crate::support::raw;

#[test]
fn an_agent_that_can_get_nothing_says_why_in_the_pods_status() {
    let cases = [
        (
            json!({ "webIdentity": { "audience": "somebody.else" } }),
            4,
            ["WI-AUD", "request the token with the audience that the provider in IAM lists"],
        ),
        (json!({ "roles": [{ "name": "default", "sources": ["env"] }] }), 3, ["KF-NOTHING", "fix"]),
    ];
    for (values, code, words) in cases {
        let Some(scene) = Scene::ready() else { return };
        let mut values = values;
        values["startup"] = json!({ "deadlineSeconds": 3 });
        scene.install(&values);
        let pod = scene.play(&scene.admitted("deployment"));
        pod.wait("the agent's end", |state| state.containers["keyfob"].last.is_some());
        let last = pod.seen("keyfob").last.unwrap();
        assert_eq!(last.code, code, "{}", last.message);
        assert!(last.message.len() <= 2048 && last.message.lines().count() <= 80);
        let said: Vec<_> = last.message.split_whitespace().collect();
        let end = said[said.len().saturating_sub(80)..].join(" ");
        for word in words {
            assert!(end.contains(word), "{word}\n{}", last.message);
        }
        pod.wait("another try", |state| state.containers["keyfob"].starts == 2);
        pod.delete();
        let started = |line: &String| line.ends_with(" started") && !line.starts_with("keyfob");
        assert!(!pod.story().iter().any(started), "{}", pod.told());
    }
}

#[test]
fn sts_takes_the_tokens_of_this_account_only() {
    let Some(scene) = Scene::ready() else { return };
    let (cluster, space) = (scene.cluster, scene.namespace.as_str());
    cluster.kubectl(&["--namespace", space, "create", "serviceaccount", "example"]).expect_code(0);
    let good = cluster.token_request(space, "example", "sts.amazonaws.com");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let others = cluster.token_request(space, "default", "sts.amazonaws.com");
    let other_claims = others.rsplit_once('.').unwrap().0.split_once('.').unwrap().1;
    let cases = [
        (good.clone(), "<AssumedRoleId>"),
        (cluster.token_request(space, "example", "somebody.else"), "Incorrect token audience"),
        (others.clone(), "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        // The claims of one token under the signature of another.
        (format!("{head}.{other_claims}.{signature}"), "retrieve verification key"),
        ("no.token.at-all".to_owned(), "not a valid JWT"),
    ];
    let addr = scene.aws.addr();
    for (token, expected) in cases {
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=test&RoleArn={ROLE}&WebIdentityToken={token}"
        );
        let answer = scene.inside(move || raw::request(addr, "POST", "/", &[], &form)).body;
        assert!(answer.contains(expected), "wanted {expected}");
    }
    let elsewhere = json!("https://somewhere.else");
    scene.aws.sts().set(|sts| sts.provider.as_mut().unwrap().issuer = elsewhere.to_string());
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=test&RoleArn={ROLE}&WebIdentityToken={good}"
    );
    let answer = scene.inside(move || raw::request(addr, "POST", "/", &[], &form)).body;
    assert!(answer.contains("No OpenIDConnect provider found"), "wanted another issuer to be refused");
}
