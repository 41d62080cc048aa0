//! The sign-in services of the fake refuse what AWS refuses: no token, a spent one, a proof that proves nothing.

use crate::support::aws::sign_in::{key_pem, login_cache};
use crate::support::raw::{Reply, request};
use crate::support::{FakeAws, Run, TempHome};

fn login(aws: &FakeAws, proof: Option<&str>) -> Reply {
    let body = r#"{"clientId": "c", "grantType": "refresh_token", "refreshToken": "r"}"#;
    let headers: Vec<_> = proof.map(|proof| ("DPoP", proof)).into_iter().collect();
    request(aws.addr(), "POST", "/v1/token", &headers, body)
}

fn error(reply: &Reply) -> String {
    let header = reply.header("x-amzn-errortype").unwrap_or_default();
    format!("{} {}", reply.status, header.split(':').next().unwrap())
}

#[test]
fn a_role_is_for_whoever_has_a_token() {
    let aws = FakeAws::spawn_thread();
    aws.sign_in().set(|fake| _ = fake.revoked.insert("revoked".to_owned()));
    let ask = |token: &[(&str, &str)], query: &str| {
        let path = format!("/federation/credentials?{query}");
        request(aws.addr(), "GET", &path, token, "")
    };
    let good = ask(&[("x-amz-sso_bearer_token", "t")], "role_name=a&account_id=1");
    assert_eq!(good.status, 200);
    let other = ask(&[("x-amz-sso_bearer_token", "t")], "role_name=a&account_id=2");
    let key = |reply: &Reply| reply.json()["roleCredentials"]["accessKeyId"].clone();
    assert_ne!(key(&good), key(&other));
    assert_eq!(error(&ask(&[], "role_name=a&account_id=1")), "401 UnauthorizedException");
    let revoked = [("x-amz-sso_bearer_token", "revoked")];
    assert_eq!(error(&ask(&revoked, "role_name=a&account_id=1")), "401 UnauthorizedException");
    assert_eq!(error(&ask(&[("x-amz-sso_bearer_token", "t")], "role_name=a")), "400 InvalidRequestException");
}

#[test]
fn a_refresh_token_is_good_once_where_it_is_so() {
    let aws = FakeAws::spawn_thread();
    let body = r#"{"clientId": "c", "clientSecret": "s", "grantType": "refresh_token", "refreshToken": "r"}"#;
    let ask = || request(aws.addr(), "POST", "/token", &[], body);
    assert_eq!((ask().status, ask().status), (200, 200));
    aws.sign_in().set(|fake| fake.once = true);
    assert_eq!(error(&ask()), "400 InvalidGrantException");
}

#[test]
fn a_proof_is_good_for_one_request_at_one_time_to_one_address() {
    let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
    home.config("[default]\nlogin_session = me\nregion = eu-west-1\n");
    let kept = serde_json::json!({
        "accessToken": {
            "accessKeyId": "ASIALOGINLOGINLOGIN0", "secretAccessKey": "secret-of-login-0",
            "sessionToken": "token-of-login-0", "accountId": "123456789012", "expiresAt": "2020-01-31T12:00:00Z",
        },
        "refreshToken": "login-refresh-token-0", "dpopKey": key_pem(), "clientId": "c",
    });
    home.write(&login_cache("me"), &kept.to_string());
    // The next proof is made for a time that the fake does not take, so that it stays unused.
    aws.set_skew(1000);
    let get = || Run::keyfob().args(["get", "--config", "/dev/null"]).envs(home.env()).envs(aws.env());
    get().run().expect_code(4);
    let proof = aws.requests().last().unwrap().header("dpop").unwrap().to_owned();
    assert_eq!(error(&login(&aws, Some(&proof))), "400 AccessDeniedException", "another time");
    aws.set_skew(0);
    assert_eq!(error(&login(&aws, None)), "400 AccessDeniedException");
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(error(&login(&aws, Some(&forged))), "400 AccessDeniedException", "forged");
    assert_eq!(login(&aws, Some(&proof)).status, 200);
    assert_eq!(error(&login(&aws, Some(&proof))), "400 AccessDeniedException", "used before");
    get().run().expect_code(0);
}
