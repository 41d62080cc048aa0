//! Roles are assumed, chained and refused as STS does it.

use std::time::Duration;

use super::signing::{Call, KEY, SECRET, element, with_user};
use crate::support::FakeAws;
use crate::support::aws::{Outcome, Trouble};
use crate::support::raw::{Reply, request};

const ROLE: &str = "arn:aws:iam::444455556666:role/team/app";

fn assume(extra: &str) -> String {
    format!("Action=AssumeRole&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=s1{extra}")
}

fn call(aws: &FakeAws, body: &str) -> Reply {
    let call = Call { body, ..Call::default() };
    call.send(aws)
}

/// Calls with the keys of an earlier answer.
fn call_as(aws: &FakeAws, keys: &Reply, body: &str) -> Reply {
    let call = Call {
        key: element(keys, "AccessKeyId"),
        secret: element(keys, "SecretAccessKey"),
        token: Some(element(keys, "SessionToken")),
        body,
        ..Call::default()
    };
    call.send(aws)
}

fn key(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{reply:#?}");
    element(reply, "AccessKeyId")
}

fn refusal(reply: &Reply) -> (u16, &str) {
    (reply.status, element(reply, "Code"))
}

#[test]
fn keys_of_a_role_work_and_name_the_role() {
    let aws = with_user();
    let keys = call(&aws, &assume(""));
    let arn = "arn:aws:sts::444455556666:assumed-role/app/s1";
    assert_eq!(element(&keys, "Arn"), arn);
    let who = call_as(&aws, &keys, super::signing::WHO);
    assert_eq!((who.status, element(&who, "Arn")), (200, arn));
    let call = Call {
        key: key(&keys),
        secret: element(&keys, "SecretAccessKey"),
        token: Some("IQoJ-not-this-one"),
        ..Call::default()
    };
    assert_eq!(refusal(&call.send(&aws)), (403, "InvalidClientTokenId"));
    let call = Call { token: None, ..call };
    assert_eq!(refusal(&call.send(&aws)), (403, "InvalidClientTokenId"));
    let secrets = aws.secrets();
    for name in ["SecretAccessKey", "SessionToken"] {
        assert!(secrets.iter().any(|secret| secret == element(&keys, name)));
    }
    assert!(secrets.iter().any(|secret| secret == SECRET));
}

#[test]
fn the_same_question_gets_the_same_key_and_another_question_another() {
    let (aws, other) = (with_user(), with_user());
    let first = call(&aws, &assume(""));
    let again = call(&other, &assume(""));
    assert_eq!(key(&first), key(&again));
    assert_ne!(element(&first, "SecretAccessKey"), element(&again, "SecretAccessKey"));
    for extra in ["&ExternalId=abc", "&DurationSeconds=900", "&Policy=p", "&RoleSessionName=s2"] {
        assert_ne!(key(&call(&aws, &assume(extra))), key(&first), "{extra}");
    }
    let chained = call_as(&aws, &first, &assume(""));
    assert_ne!(key(&chained), key(&first));
    let generated = |name: &str| {
        let reply = call(&aws, &assume(&format!("&RoleSessionName={name}")));
        key(&reply).to_owned()
    };
    assert_eq!(generated("botocore-session-1"), generated("keyfob-x"));
}

#[test]
fn generations_make_each_refresh_another_key() {
    let aws = with_user();
    let plain = call(&with_user(), &assume(""));
    aws.set_generations(true);
    let (first, second) = (call(&aws, &assume("")), call(&aws, &assume("")));
    assert_eq!(key(&plain), key(&first));
    assert_ne!(key(&first), key(&second));
    for keys in [&first, &second] {
        assert_eq!(call_as(&aws, keys, super::signing::WHO).status, 200);
    }
}

#[test]
fn expired_sessions_are_refused_as_expired() {
    let aws = with_user();
    aws.sts().set(|sts| sts.life = Some(-1));
    let keys = call(&aws, &assume(""));
    let reply = call_as(&aws, &keys, super::signing::WHO);
    assert_eq!(refusal(&reply), (403, "ExpiredToken"));
}

#[test]
fn bad_parameters_are_validation_errors() {
    let aws = with_user();
    for body in [
        assume("&DurationSeconds=899"),
        assume("&DurationSeconds=43201"),
        assume("&RoleSessionName=a"),
        assume("&RoleSessionName=a%20b"),
        assume("&ExternalId=x"),
        assume("&RoleArn=app"),
        assume("&RoleArn=arn%3Aaws%3Aiam%3A%3A4444%3Arole%2Fapp"),
        assume("&TokenCode=1"),
        "Action=AssumeRole&Version=2011-06-15".to_owned(),
    ] {
        let reply = call(&aws, &body);
        assert_eq!(refusal(&reply), (400, "ValidationError"), "{body}");
    }
    let keys = call(&aws, &assume(""));
    let reply = call_as(&aws, &keys, &assume("&DurationSeconds=3601"));
    assert_eq!(refusal(&reply), (400, "ValidationError"));
    let reply = call(&aws, "Action=Nothing&Version=2011-06-15");
    assert_eq!(refusal(&reply), (400, "InvalidAction"));
}

#[test]
fn trust_is_what_the_test_says() {
    let aws = with_user();
    aws.sts().set(|sts| {
        sts.denied.insert(ROLE.to_owned());
    });
    let reply = call(&aws, &assume(""));
    assert_eq!(refusal(&reply), (403, "AccessDenied"));
    assert_eq!(
        element(&reply, "Message"),
        format!(
            "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
        )
    );
    aws.sts().reset();
    let id = "shibboleth".to_owned();
    aws.sts().set(|sts| sts.external_ids = [(ROLE.to_owned(), id)].into());
    assert_eq!(refusal(&call(&aws, &assume(""))), (403, "AccessDenied"));
    assert_eq!(call(&aws, &assume("&ExternalId=shibboleth")).status, 200);
}

#[test]
fn mfa_wants_the_code() {
    let aws = with_user();
    let mfa = |code: &str| {
        let extra = format!("&SerialNumber=arn:aws:iam::1:mfa/alice&TokenCode={code}");
        call(&aws, &assume(&extra))
    };
    assert_eq!(refusal(&mfa("000000")), (403, "AccessDenied"));
    assert_eq!(mfa("123456").status, 200);
}

#[test]
fn session_tokens_are_for_users_only() {
    let aws = with_user();
    let body = "Action=GetSessionToken&Version=2011-06-15";
    let keys = call(&aws, body);
    let who = call_as(&aws, &keys, super::signing::WHO);
    assert_eq!(element(&who, "Arn"), "arn:aws:iam::111122223333:user/alice");
    let reply = call_as(&aws, &keys, body);
    assert_eq!(refusal(&reply), (403, "AccessDenied"));
}

#[test]
fn web_identity_needs_no_signature() {
    let aws = FakeAws::spawn_thread();
    let ask = |token: &str| {
        let body = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=pod&WebIdentityToken={token}"
        );
        request(aws.addr(), "POST", "/", &[], &body)
    };
    let keys = ask("one-token");
    assert_eq!(key(&keys), key(&ask("one-token")));
    assert_ne!(key(&keys), key(&ask("another-token")));
    assert_eq!(call_as(&aws, &keys, super::signing::WHO).status, 200);
    aws.sts().set(|sts| sts.bad_identity_token = true);
    assert_eq!(refusal(&ask("one-token")), (400, "InvalidIdentityToken"));
    aws.sts().reset();
    aws.sts().set(|sts| sts.expired_identity_token = true);
    assert_eq!(refusal(&ask("one-token")), (400, "ExpiredTokenException"));
    aws.sts().reset();
    aws.sts().set(|sts| {
        sts.denied.insert(ROLE.to_owned());
    });
    assert_eq!(refusal(&ask("one-token")), (403, "AccessDenied"));
}

#[test]
fn the_next_calls_fail_as_ordered_and_then_no_more() {
    let aws = with_user();
    aws.sts().set(|sts| {
        sts.throttle_next = 2;
        sts.fail_next = 1;
        let message = "no credits".to_owned();
        sts.refuse_next = Some((1, 402, "PaymentRequired".to_owned(), message));
    });
    let codes: Vec<_> = (0..5).map(|_| call(&aws, &assume(""))).collect();
    let codes: Vec<_> = codes.iter().map(|reply| reply.status).collect();
    assert_eq!(codes, [400, 400, 500, 402, 200]);
    let code = |n: usize| match aws.requests().remove(n).outcome {
        Outcome::Answered { code, .. } => code,
        other => format!("{other:?}"),
    };
    assert_eq!([code(0), code(2)], ["Throttling", "InternalFailure"]);
}

#[test]
fn the_journal_tells_what_was_asked_and_answered() {
    let aws = with_user();
    assert!(!aws.wait_for_calls("AssumeRole", 1, Duration::from_millis(1)));
    let reply = call(&aws, &assume("&ExternalId=a%2Bb+c"));
    assert!(aws.wait_for_calls("AssumeRole", 1, Duration::ZERO));
    let entry = aws.requests().remove(0);
    assert_eq!(entry.form["ExternalId"], "a+b c");
    assert_eq!((entry.status(), entry.key_id()), (200, Some(key(&reply))));
    assert!(entry.header("authorization").unwrap().contains(KEY));
    assert_eq!(aws.issued(key(&reply)).unwrap().identity.account(), "444455556666");
    aws.clear_requests();
    assert_eq!(aws.calls("AssumeRole"), 0);
}

#[test]
fn a_hung_call_is_seen_while_it_hangs() {
    let aws = with_user();
    aws.sts().set(|sts| sts.trouble = Some(Trouble::Hang));
    let addr = aws.addr();
    let client = std::thread::spawn(move || {
        let mut wire = crate::support::raw::Wire::connect(addr);
        let body = super::signing::WHO;
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        wire.send(format!("{head}{body}").as_bytes()).unwrap();
        wire.closes()
    });
    assert!(aws.wait_for_calls("GetCallerIdentity", 1, Duration::from_secs(5)));
    drop(aws);
    assert!(client.join().unwrap(), "dropping the fake ends its connections");
}
