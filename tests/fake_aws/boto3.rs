//! The real boto3 takes the fake for AWS, whichever way its credentials come.

use super::signing::{KEY, SECRET};
use crate::sdk::python;
use crate::support::run::skip;
use crate::support::{FakeAws, Run, TempHome};

const WHO: &str = "
import boto3
me = boto3.client('sts').get_caller_identity()
print(me['Arn'], boto3.Session().get_credentials().access_key)
";

fn who(aws: &FakeAws, home: &TempHome, more: &[(&str, &str)]) -> Option<(String, String)> {
    if !python().is_file() {
        skip("boto3 is not there; run `make clients`");
        return None;
    }
    // With an endpoint of its own, boto3's STS wants to be told a region.
    let run = Run::new(python()).args(["-c", WHO]).env("AWS_DEFAULT_REGION", "eu-west-1");
    let run = run.envs(aws.env()).envs(home.env()).envs(more.iter().copied());
    let done = run.run().expect_code(0);
    let (arn, key) = done.stdout.trim().split_once(' ').unwrap();
    Some((arn.to_owned(), key.to_owned()))
}

#[test]
fn with_user_keys() {
    let aws = super::signing::with_user();
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let Some(me) = who(&aws, &TempHome::new(), &keys) else {
        return;
    };
    let arn = "arn:aws:iam::111122223333:user/alice".to_owned();
    assert_eq!(me, (arn, KEY.to_owned()));
}

#[test]
fn through_a_chain_of_roles() {
    let aws = super::signing::with_user();
    let home = TempHome::new();
    home.credentials(&format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    home.config(
        "[profile one]\nrole_arn = arn:aws:iam::222233334444:role/one\nsource_profile = base\nexternal_id = abc\n\
         [profile two]\nrole_arn = arn:aws:iam::333344445555:role/two\nsource_profile = one\nrole_session_name = me\n",
    );
    let Some((arn, key)) = who(&aws, &home, &[("AWS_PROFILE", "two")]) else {
        return;
    };
    assert_eq!(arn, "arn:aws:sts::333344445555:assumed-role/two/me");
    let Some((_, again)) = who(&aws, &home, &[("AWS_PROFILE", "two")]) else {
        return;
    };
    assert_eq!(key, again, "another process asks the same question");
    let first = aws.requests().remove(0);
    assert_eq!(first.form["ExternalId"], "abc");
    assert!(first.form["RoleSessionName"].starts_with("botocore-session-"));
}

#[test]
fn from_instance_metadata() {
    let aws = FakeAws::spawn_thread();
    let Some((arn, key)) = who(&aws, &TempHome::new(), &[]) else {
        return;
    };
    let role = "arn:aws:sts::123456789012:assumed-role/instance-role/i-0123456789abcdef0";
    assert_eq!(arn, role);
    assert!(aws.issued(&key).is_some());
    assert!(aws.calls("PutToken") > 0 && aws.calls("GetRole") > 0);
}

#[test]
fn from_a_container_endpoint_with_a_token_file() {
    let aws = FakeAws::spawn_thread();
    aws.container().set(|container| container.authorization = Some("letmein".to_owned()));
    let home = TempHome::new();
    let file = home.write("token", "letmein").display().to_string();
    let uri = aws.container_url("/container/app");
    let vars = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file),
    ];
    let Some((arn, _)) = who(&aws, &home, &vars) else {
        return;
    };
    let role = "arn:aws:sts::123456789012:assumed-role/task-role/container";
    assert_eq!(arn, role);
    assert_eq!(aws.calls("PutToken"), 0);
}

#[test]
fn with_a_web_identity() {
    let aws = FakeAws::spawn_thread();
    let home = TempHome::new();
    let file = home.write("jwt", "header.payload.signature");
    let vars = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::222233334444:role/pod"),
        ("AWS_ROLE_SESSION_NAME", "pod-1"),
    ];
    let Some((arn, _)) = who(&aws, &home, &vars) else {
        return;
    };
    assert_eq!(arn, "arn:aws:sts::222233334444:assumed-role/pod/pod-1");
}
