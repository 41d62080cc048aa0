//! Signatures are checked for real: the official signer passes, every flaw gets AWS's own refusal.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;

use crate::support::FakeAws;
use crate::support::raw::{Reply, request};

pub const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// A fake with one user.
pub fn with_user() -> FakeAws {
    let aws = FakeAws::spawn_thread();
    aws.add_user(KEY, SECRET, "111122223333", "alice");
    aws
}

/// A signed call, and what about it may be wrong.
pub struct Call<'a> {
    pub key: &'a str,
    pub secret: &'a str,
    pub token: Option<&'a str>,
    pub region: &'a str,
    pub service: &'a str,
    pub time: SystemTime,
    pub body: &'a str,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Call {
            key: KEY,
            secret: SECRET,
            token: None,
            region: "eu-west-1",
            service: "sts",
            time: SystemTime::now(),
            body: WHO,
        }
    }
}

impl Call<'_> {
    pub fn send(&self, aws: &FakeAws) -> Reply {
        let token = self.token.map(str::to_owned);
        let keys = Credentials::new(self.key, self.secret, token, None, "test").into();
        let params = SigningParams::builder()
            .identity(&keys)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let form = ("content-type", "application/x-www-form-urlencoded");
        let body = SignableBody::Bytes(self.body.as_bytes());
        let url = format!("{}/", aws.url());
        let signable = SignableRequest::new("POST", &url, [form].into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let headers: Vec<_> = instructions.headers().chain([form]).collect();
        request(aws.addr(), "POST", "/", &headers, self.body)
    }
}

/// The text of the first element of this name.
pub fn element<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let (_, rest) = reply.body.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str, text: &str) {
    assert_eq!((reply.status, element(reply, "Code")), (status, code));
    let message = element(reply, "Message");
    assert!(message.contains(text), "{message}");
    assert_eq!(element(reply, "Type"), "Sender");
    assert_eq!(reply.header("x-amzn-requestid"), Some(element(reply, "RequestId")));
}

#[test]
fn a_right_signature_is_told_who_it_is() {
    let aws = with_user();
    let reply = Call::default().send(&aws);
    assert_eq!(reply.status, 200, "{reply:#?}");
    assert_eq!(element(&reply, "Arn"), "arn:aws:iam::111122223333:user/alice");
    assert_eq!(element(&reply, "Account"), "111122223333");
    assert!(element(&reply, "UserId").starts_with("AIDA"));
}

#[test]
fn a_wrong_secret_does_not_match() {
    let call = Call { secret: "wrong", ..Call::default() };
    let reply = call.send(&with_user());
    assert_refused(&reply, 403, "SignatureDoesNotMatch", "we calculated");
}

#[test]
fn an_unknown_key_is_invalid_and_a_forgotten_one_is_unknown() {
    let aws = with_user();
    let call = Call { key: "AKIAUNKNOWN", ..Call::default() };
    assert_refused(&call.send(&aws), 403, "InvalidClientTokenId", "is invalid");
    aws.forget_key(KEY);
    let reply = Call::default().send(&aws);
    assert_refused(&reply, 403, "InvalidClientTokenId", "is invalid");
}

#[test]
fn an_empty_token_is_not_no_token() {
    let call = Call { token: Some(""), ..Call::default() };
    let reply = call.send(&with_user());
    assert_refused(&reply, 403, "InvalidClientTokenId", "is invalid");
}

#[test]
fn a_region_or_service_that_is_not_ours_is_refused() {
    let aws = with_user();
    let call = Call { region: "mars-north-1", ..Call::default() };
    let text = "Credential should be scoped to a valid region";
    assert_refused(&call.send(&aws), 403, "SignatureDoesNotMatch", text);
    aws.sts().set(|sts| {
        sts.regions.insert("mars-north-1".to_owned());
    });
    assert_eq!(call.send(&aws).status, 200);
    let call = Call { service: "s3", ..Call::default() };
    let text = "scoped to correct service: 'sts'";
    assert_refused(&call.send(&aws), 403, "SignatureDoesNotMatch", text);
}

#[test]
fn clocks_that_differ_by_more_than_a_quarter_of_an_hour_are_refused() {
    let aws = with_user();
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let at = |time| {
        let call = Call { time, ..Call::default() };
        call.send(&aws)
    };
    let now = SystemTime::now();
    let early = at(now - minutes(16));
    assert_refused(&early, 403, "SignatureDoesNotMatch", "Signature expired: ");
    let late = at(now + minutes(16));
    assert_refused(&late, 403, "SignatureDoesNotMatch", "not yet current: ");
    assert_eq!(at(now - minutes(14)).status, 200);
    assert_eq!(at(now + minutes(14)).status, 200);
    aws.set_skew(3600);
    assert_eq!(at(now + minutes(60)).status, 200);
    assert_refused(&at(now), 403, "SignatureDoesNotMatch", "Signature expired: ");
}

#[test]
fn a_body_changed_on_the_way_does_not_match() {
    let aws = with_user();
    Call::default().send(&aws);
    let sent = aws.requests().remove(0);
    let names = ["authorization", "x-amz-date", "content-type"];
    let headers: Vec<_> = names.iter().map(|name| (*name, sent.header(name).unwrap())).collect();
    let replay = request(aws.addr(), "POST", "/", &headers, WHO);
    assert_eq!(replay.status, 200);
    let body = format!("{WHO}&More=1");
    let reply = request(aws.addr(), "POST", "/", &headers, &body);
    assert_refused(&reply, 403, "SignatureDoesNotMatch", "we calculated");
}

#[test]
fn malformed_and_missing_authorization_is_refused() {
    let aws = with_user();
    let reply = request(aws.addr(), "POST", "/", &[], WHO);
    assert_refused(&reply, 403, "MissingAuthenticationToken", "missing");
    for header in [
        "Basic YTpi",
        "AWS4-HMAC-SHA256 Credential=a/b/c/sts/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00",
    ] {
        let reply = request(aws.addr(), "POST", "/", &[("Authorization", header)], WHO);
        assert_refused(&reply, 400, "IncompleteSignature", "");
    }
}
