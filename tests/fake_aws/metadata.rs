//! Instance metadata and container endpoints answer, and fail, as the real ones.

use std::time::Duration;

use super::signing::{Call, element};
use crate::support::FakeAws;
use crate::support::aws::{Face, Listing, Outcome, Shape, Trouble};
use crate::support::raw::{Reply, Wire, get, request};

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aws-ec2-metadata-token";

fn token(aws: &FakeAws) -> Reply {
    request(aws.addr(), "PUT", "/latest/api/token", &[(TTL, "21600")], "")
}

fn look(aws: &FakeAws, path: &str) -> Reply {
    get(aws.addr(), path, &[(TOKEN, &token(aws).body)])
}

/// Whose keys a JSON answer holds, as STS says it.
fn owner(aws: &FakeAws, keys: &Reply) -> String {
    let keys = keys.json();
    let call = Call {
        key: keys["AccessKeyId"].as_str().unwrap(),
        secret: keys["SecretAccessKey"].as_str().unwrap(),
        token: keys["Token"].as_str(),
        ..Call::default()
    };
    let reply = call.send(aws);
    match reply.status {
        200 => element(&reply, "Arn").to_owned(),
        _ => element(&reply, "Code").to_owned(),
    }
}

#[test]
fn a_session_token_opens_role_and_placement() {
    let aws = FakeAws::spawn_thread();
    assert_eq!(token(&aws).header(&TTL.to_lowercase()), Some("21600"));
    for path in [ROLES, ROLES.trim_end_matches('/')] {
        assert_eq!(look(&aws, path).body, "instance-role");
    }
    let keys = look(&aws, &format!("{ROLES}instance-role"));
    let json = keys.json();
    assert_eq!((json["Code"].as_str(), json["Type"].as_str()), (Some("Success"), Some("AWS-HMAC")));
    assert!(json["LastUpdated"].is_string() && json.get("AccountId").is_none());
    let expires: jiff::Timestamp = json["Expiration"].as_str().unwrap().parse().unwrap();
    let life = expires.duration_since(jiff::Timestamp::now());
    assert!((21_590..=21_600).contains(&life.as_secs()));
    let role = "arn:aws:sts::123456789012:assumed-role/instance-role/i-0123456789abcdef0";
    assert_eq!(owner(&aws, &keys), role);
    for path in ["availability-zone", "availability-zone/"] {
        let path = format!("/latest/meta-data/placement/{path}");
        assert_eq!(look(&aws, &path).body, "eu-west-1a");
    }
    assert_eq!(look(&aws, "/latest/meta-data/placement/region").body, "eu-west-1");
    for path in [format!("{ROLES}other"), "/latest/meta-data/iam/security-credentials-extended/".to_owned()] {
        assert_eq!(look(&aws, &path).status, 404, "{path}");
    }
    assert_eq!(aws.calls("ListRoles"), 2);
    assert_eq!(aws.requests()[0].face, Face::Imds);
}

#[test]
fn no_token_no_answer_unless_v1_is_allowed() {
    let aws = FakeAws::spawn_thread();
    assert_eq!(get(aws.addr(), ROLES, &[]).status, 401);
    assert_eq!(get(aws.addr(), ROLES, &[(TOKEN, "made-up")]).status, 401);
    aws.imds().set(|imds| imds.v1 = true);
    assert_eq!(get(aws.addr(), ROLES, &[]).status, 200);
    assert_eq!(get(aws.addr(), ROLES, &[(TOKEN, "made-up")]).status, 401);
    for ttl in ["0", "21601", "x", ""] {
        let reply = request(aws.addr(), "PUT", "/latest/api/token", &[(TTL, ttl)], "");
        assert_eq!(reply.status, 400, "{ttl}");
    }
    let forwarded = [(TTL, "60"), ("X-Forwarded-For", "10.0.0.1")];
    let reply = request(aws.addr(), "PUT", "/latest/api/token", &forwarded, "");
    assert_eq!(reply.status, 403);
    assert_eq!(get(aws.addr(), "/latest/api/token", &[]).status, 405);
}

#[test]
fn metadata_fails_in_the_ways_that_were_ordered() {
    let aws = FakeAws::spawn_thread();
    let path = format!("{ROLES}instance-role");
    for (listing, text) in [
        (Listing::Empty, ""),
        (Listing::Two, "instance-role\nsecond-role"),
        (Listing::TrailingNewline, "instance-role\n"),
    ] {
        aws.imds().set(|imds| imds.listing = listing);
        assert_eq!(look(&aws, ROLES).body, text);
    }
    aws.imds().set(|imds| imds.list = Trouble::status(500));
    assert_eq!(look(&aws, ROLES).status, 500);
    aws.imds().set(|imds| imds.role = Trouble::status(404));
    assert_eq!(look(&aws, &path).status, 404);
    aws.imds().reset();
    let failure = Shape::Failure("AssumeRoleUnauthorizedAccess".into(), "EC2 cannot".into());
    aws.imds().set(|imds| imds.shape = failure);
    assert_eq!(look(&aws, &path).json()["Code"], "AssumeRoleUnauthorizedAccess");
    aws.imds().set(|imds| imds.shape = Shape::Without(vec!["Token"]));
    assert!(look(&aws, &path).json().get("Token").is_none());
    aws.imds().set(|imds| imds.shape = Shape::NotJson);
    assert!(look(&aws, &path).body.starts_with('<'));
    aws.imds().reset();
    aws.imds().set(|imds| imds.life = -60);
    assert_eq!(owner(&aws, &look(&aws, &path)), "ExpiredToken");
    aws.imds().set(|imds| imds.token = Trouble::status(403));
    assert_eq!(token(&aws).status, 403);
    aws.imds().set(|imds| imds.all = Some(Trouble::Cut));
    let mut wire = Wire::connect(aws.addr());
    wire.send(b"GET /latest/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(wire.closes());
    assert_eq!(aws.requests().pop().unwrap().outcome, Outcome::Cut);
}

#[test]
fn containers_answer_under_three_paths() {
    let aws = FakeAws::spawn_thread();
    let task = get(aws.addr(), "/v2/credentials/abc", &[]);
    let pod = get(aws.addr(), "/v1/credentials", &[("Authorization", "jwt")]);
    let other = get(aws.addr(), "/container/app", &[]);
    let keys: std::collections::BTreeSet<String> =
        [&task, &pod, &other].iter().map(|reply| reply.json()["AccessKeyId"].to_string()).collect();
    assert_eq!(keys.len(), 3);
    assert_eq!(task.json()["RoleArn"], "arn:aws:iam::123456789012:role/task-role");
    assert_eq!(pod.json()["AccountId"], "123456789012");
    assert!(pod.json().get("RoleArn").is_none());
    let role = "arn:aws:sts::123456789012:assumed-role/task-role/container";
    assert_eq!(owner(&aws, &other), role);
    assert_eq!((aws.calls("PodIdentity"), aws.calls("ContainerCredentials")), (1, 2));
    aws.container().set(|container| {
        container.show_account = false;
        container.show_role_arn = false;
        container.show_token = false;
    });
    let bare = get(aws.addr(), "/container/app", &[]).json();
    let names: Vec<&String> = bare.as_object().unwrap().keys().collect();
    assert_eq!(names, ["AccessKeyId", "Expiration", "SecretAccessKey"]);
}

#[test]
fn containers_want_the_whole_authorization_value() {
    let aws = FakeAws::spawn_thread();
    let ask = |value: &str| get(aws.addr(), "/container/app", &[("Authorization", value)]).status;
    aws.container().set(|container| container.authorization = Some("Basic abc".to_owned()));
    assert_eq!([ask("Basic abc"), ask("abc"), ask("basic abc")], [200, 401, 401]);
    assert_eq!(get(aws.addr(), "/container/app", &[]).status, 401);
}

#[test]
fn an_endless_body_costs_only_what_the_client_takes() {
    let aws = FakeAws::spawn_thread();
    aws.container().set(|container| container.shape = Shape::Endless);
    let mut wire = Wire::connect(aws.addr());
    wire.send(b"GET /container/app HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(aws.wait_for_calls("ContainerCredentials", 1, Duration::from_secs(5)));
    assert!(!wire.closes());
    drop(wire);
    assert!(aws.streamed() < 1 << 30);
}

#[tokio::test]
async fn async_tests_can_wait_for_calls() {
    let aws = FakeAws::start().await;
    let addr = aws.addr();
    let client = tokio::task::spawn_blocking(move || get(addr, "/container/app", &[]));
    let bound = Duration::from_secs(5);
    assert!(aws.calls_reach("ContainerCredentials", 1, bound).await);
    assert_eq!(client.await.unwrap().status, 200);
    let short = Duration::from_millis(5);
    assert!(!aws.calls_reach("ContainerCredentials", 2, short).await);
}

#[test]
fn the_fake_goes_dark_and_comes_back_at_the_same_address() {
    let aws = FakeAws::spawn_thread();
    let mut kept = Wire::connect(aws.addr());
    kept.send(b"GET /container/x HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(kept.reply().unwrap().status, 200);
    aws.go_dark();
    aws.go_dark();
    assert!(kept.closes());
    let refused = std::net::TcpStream::connect(aws.addr()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    aws.come_back();
    aws.come_back();
    assert_eq!(get(aws.addr(), "/container/x", &[]).status, 200);
}
