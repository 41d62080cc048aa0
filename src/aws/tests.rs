//! STS as a raw HTTP server: what is sent, what is made of the answers, how often it is tried.

use futures_util::future::join_all;

use super::*;
use crate::clock::Clock;
use crate::http::fake::{Fake, Reply, closed, ok, silent};
use FailureKind::{AlreadyExpired, Denied, Misconfigured, Throttled, Unreachable};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";
const EXPIRY: u64 = 1_896_091_200;

fn sts(attempt_timeout: Duration) -> Sts {
    Sts::new(attempt_timeout, http::Client::new(Clock::host()))
}

fn caller(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKIACALLER0000000001".to_owned(),
        secret_access_key: Secret::new("callers-secret"),
        session_token: token.map(Secret::new),
        expires_at: None,
        account_id: None,
        role_arn: None,
    }
}

fn asked() -> AssumeRole {
    AssumeRole {
        role_arn: ROLE.to_owned(),
        session_name: "me".to_owned(),
        external_id: Some("ext&id".to_owned()),
        duration: Some(900),
        ..AssumeRole::default()
    }
}

fn web() -> WebIdentity {
    let token = Secret::new("header.payload.signature");
    WebIdentity {
        role_arn: ROLE.to_owned(),
        session_name: "me".to_owned(),
        token,
        duration: None,
        policy: None,
    }
}

fn at(fake: &Fake) -> Place {
    Place { region: Some("eu-west-1".to_owned()), endpoint: Some(fake.url("")), ..Place::default() }
}

fn granted(operation: &str) -> Reply {
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>\
         <AssumedRoleUser><AssumedRoleId>AROA:me</AssumedRoleId>\
         <Arn>arn:aws:sts::111122223333:assumed-role/app/me</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>ASIAGRANTED</AccessKeyId><SecretAccessKey>granted-secret</SecretAccessKey>\
         <SessionToken>granted-token</SessionToken><Expiration>2030-01-31T12:00:00Z</Expiration></Credentials>\
         </{operation}Result><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></{operation}Response>"
    );
    ok(body)
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>req-2</RequestId></ErrorResponse>"
    );
    Reply::Status(status, body)
}

#[tokio::test]
async fn a_role_is_assumed_with_the_callers_signature() {
    let fake = Fake::serving(|_| granted("AssumeRole"));
    let mut notes = Notes::default();
    let sts = sts(Duration::from_secs(5));
    let found =
        sts.assume_role(&caller(Some("callers-token")), &asked(), &at(&fake), &mut notes).await.unwrap();
    assert_eq!(found.access_key_id, "ASIAGRANTED");
    assert_eq!(found.secret_access_key, Secret::new("granted-secret"));
    assert_eq!(found.session_token, Some(Secret::new("granted-token")));
    assert_eq!(found.expires_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(EXPIRY)));
    assert_eq!(found.account_id.unwrap().as_str(), "111122223333");
    assert_eq!(found.role_arn.as_deref(), Some(ROLE));
    let heard = fake.heard().remove(0);
    for part in [
        "POST / HTTP/1.1\r\n",
        "Credential=AKIACALLER0000000001/",
        "/eu-west-1/sts/aws4_request",
        "x-amz-security-token: callers-token\r\n",
        "Action=AssumeRole&",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fapp",
        "RoleSessionName=me",
        "ExternalId=ext%26id",
        "DurationSeconds=900",
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
    let call = &notes.calls[0];
    assert_eq!((call.service, call.operation, call.status), ("sts", "AssumeRole", Some(200)));
    assert_eq!(call.request_id.as_deref(), Some("req-1"));
    let noted = format!("{notes:?}");
    assert!(!noted.contains("-token") && !noted.contains("secret"), "{noted}");
}

#[tokio::test]
async fn an_empty_session_token_is_not_sent() {
    let fake = Fake::serving(|_| granted("AssumeRole"));
    let sts = sts(Duration::from_secs(5));
    sts.assume_role(&caller(Some("")), &asked(), &at(&fake), &mut Notes::default()).await.unwrap();
    assert!(!fake.heard()[0].contains("x-amz-security-token"));
}

#[tokio::test]
async fn a_web_identity_is_exchanged_without_a_signature() {
    let fake = Fake::serving(|_| granted("AssumeRoleWithWebIdentity"));
    let mut notes = Notes::default();
    let sts = sts(Duration::from_secs(5));
    let found = sts.assume_role_with_web_identity(&web(), &at(&fake), &mut notes).await.unwrap();
    assert_eq!((found.access_key_id.as_str(), found.role_arn.as_deref()), ("ASIAGRANTED", Some(ROLE)));
    let heard = fake.heard().remove(0);
    assert!(heard.contains("WebIdentityToken=header.payload.signature"), "{heard}");
    assert!(!heard.to_lowercase().contains("authorization:"));
    assert!(!format!("{notes:?}").contains("payload"));
}

#[tokio::test]
async fn without_a_region_the_global_endpoint_is_signed_for_its_home() {
    let fake = Fake::serving(|_| granted("AssumeRole"));
    let place = Place { region: None, endpoint: Some(fake.url("")), ..Place::default() };
    let sts = sts(Duration::from_secs(5));
    sts.assume_role(&caller(None), &asked(), &place, &mut Notes::default()).await.unwrap();
    assert!(fake.heard()[0].contains("/us-east-1/sts/aws4_request"));
}

#[tokio::test]
async fn a_refusal_says_which_region_was_taken_when_none_is_set() {
    let fake = Fake::serving(|_| refused(403, "SignatureDoesNotMatch", "scoped to a valid region"));
    let sts = sts(Duration::from_secs(5));
    for (region, said) in [(None, true), (Some("eu-west-1".to_owned()), false)] {
        let place = Place { region, endpoint: Some(fake.url("")), ..Place::default() };
        let none = sts.assume_role(&caller(None), &asked(), &place, &mut Notes::default()).await;
        let failure = none.unwrap_err();
        assert_eq!(failure.context.contains("(no region is set: us-east-1 is taken)"), said, "{failure}");
    }
}

/// Which address would be asked, without asking it: time is over before a name can be resolved.
async fn address(region: Option<&str>) -> String {
    let place = Place { region: region.map(str::to_owned), endpoint: None, ..Place::default() };
    let mut notes = Notes::default();
    let none = sts(Duration::from_micros(1)).assume_role(&caller(None), &asked(), &place, &mut notes).await;
    assert!(none.is_err());
    notes.calls.first().map(|call| call.url.clone()).unwrap_or_default()
}

#[tokio::test]
async fn each_region_has_its_own_address() {
    let cases = [
        (None, "https://sts.amazonaws.com/"),
        (Some("aws-global"), "https://sts.amazonaws.com/"),
        (Some("us-east-1"), "https://sts.us-east-1.amazonaws.com/"),
        (Some("eu-west-1"), "https://sts.eu-west-1.amazonaws.com/"),
        (Some("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn/"),
        (Some("us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com/"),
    ];
    for (region, url) in cases {
        assert_eq!(address(region).await, url, "{region:?}");
    }
}

type Refusal = (u16, &'static str, &'static str, &'static str, FailureKind, usize);

const REFUSALS: [Refusal; 15] = [
    (403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole", "STS-DENIED", Denied, 1),
    (
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
        "KEY-EXPIRED",
        AlreadyExpired,
        1,
    ),
    (
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        "KEY-INVALID",
        Denied,
        1,
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match",
        "KEY-INVALID",
        Denied,
        1,
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20200101T000000Z is now earlier than x",
        "CLOCK",
        Denied,
        1,
    ),
    (403, "SignatureDoesNotMatch", "Signature not yet current: 2 is still later than x", "CLOCK", Denied, 1),
    (400, "RequestExpired", "Request has expired.", "CLOCK", Denied, 1),
    (
        403,
        "RegionDisabledException",
        "STS is not activated in this region",
        "STS-REGION-OFF",
        Misconfigured,
        1,
    ),
    (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        "STS-CHAIN1H",
        Misconfigured,
        1,
    ),
    (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        "STS-VALIDATION",
        Misconfigured,
        1,
    ),
    (400, "Throttling", "Rate exceeded", "STS-THROTTLE", Throttled, 5),
    (429, "Whatever", "", "STS-THROTTLE", Throttled, 5),
    (500, "InternalFailure", "", "AWS-5XX", Unreachable, 5),
    (503, "ServiceUnavailable", "", "AWS-5XX", Unreachable, 5),
    (400, "SomethingNew", "of tomorrow", "UNKNOWN", Denied, 1),
];

#[tokio::test]
async fn refusals_of_a_role_have_their_causes() {
    let ask = |(status, code, message, cause, kind, tries): Refusal| async move {
        let fake = Fake::serving(move |_| refused(status, code, message));
        let mut notes = Notes::default();
        let sts = sts(Duration::from_secs(20));
        let failure = sts.assume_role(&caller(None), &asked(), &at(&fake), &mut notes).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), (cause, kind), "{failure}");
        assert_eq!((failure.fact("code"), failure.fact("request_id")), (Some(code), Some("req-2")));
        assert_eq!(failure.fact("status"), Some(status.to_string().as_str()));
        assert!(
            failure.context.contains(ROLE) && failure.context.contains("sts:AssumeRole for"),
            "{failure}"
        );
        assert_eq!((fake.heard().len(), notes.calls.len()), (tries, tries), "{failure}");
        assert_eq!((notes.calls[0].status, notes.calls[0].code.as_deref()), (Some(status), Some(code)));
    };
    join_all(REFUSALS.map(ask)).await;
}

#[tokio::test]
async fn refusals_of_a_web_identity_have_their_causes() {
    let cases = [
        ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "WI-TRUST", Denied),
        (
            "ExpiredTokenException",
            "Token expired: current date/time 1 must be before the expiration date/time 0",
            "WI-EXPIRED",
            AlreadyExpired,
        ),
        (
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for https://x",
            "WI-ISSUER",
            Denied,
        ),
        (
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider, please reference",
            "WI-JWKS",
            Unreachable,
        ),
        ("InvalidIdentityToken", "Incorrect token audience", "WI-AUD", Denied),
        ("InvalidIdentityToken", "The ID Token provided is not a valid JWT.", "WI-TOKEN", Denied),
        ("IDPRejectedClaim", "", "WI-TRUST", Denied),
    ];
    let ask = |(code, message, cause, kind): (&'static str, &'static str, &'static str, FailureKind)| async move {
        let fake = Fake::serving(move |_| refused(400, code, message));
        let sts = sts(Duration::from_secs(20));
        let failure =
            sts.assume_role_with_web_identity(&web(), &at(&fake), &mut Notes::default()).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), (cause, kind), "{failure}");
    };
    join_all(cases.map(ask)).await;
    let fake = Fake::serving(|_| refused(400, "IDPCommunicationError", "no answer"));
    let sts = sts(Duration::from_secs(20));
    let failure =
        sts.assume_role_with_web_identity(&web(), &at(&fake), &mut Notes::default()).await.unwrap_err();
    assert_eq!(
        (failure.cause.code, fake.heard().len()),
        ("WI-JWKS", 5),
        "botocore tries this one again, too"
    );
}

#[tokio::test]
async fn no_secret_is_quoted() {
    let repeating = "The Canonical String should have been x-amz-security-token:callers-token";
    for code in ["SignatureDoesNotMatch", "AccessDenied"] {
        let fake = Fake::serving(move |_| refused(403, code, &format!("{repeating}\n{}", "x".repeat(9000))));
        let sts = sts(Duration::from_secs(5));
        let mut notes = Notes::default();
        let failure = sts
            .assume_role(&caller(Some("callers-token")), &asked(), &at(&fake), &mut notes)
            .await
            .unwrap_err();
        let told = format!("{failure:?}{notes:?}");
        assert!(
            !told.contains("callers-token") && told.len() < 2000 && !failure.context.contains('\n'),
            "{told}"
        );
    }
    let fake = Fake::serving(|_| refused(400, "InvalidIdentityToken", "bad: header.payload.signature"));
    let sts = sts(Duration::from_secs(5));
    let failure =
        sts.assume_role_with_web_identity(&web(), &at(&fake), &mut Notes::default()).await.unwrap_err();
    assert!(!format!("{failure:?}").contains("payload"), "{failure}");
}

#[tokio::test]
async fn what_is_not_sts_is_told_from_sts() {
    let html = "<html><body>Please sign in</body></html>";
    let empty = "<AssumeRoleResponse><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>";
    let cases: Vec<(Reply, &str, FailureKind)> = vec![
        (ok(html), "AWS-ANSWER", FailureKind::Malformed),
        (ok(""), "AWS-ANSWER", FailureKind::Malformed),
        (ok(empty), "AWS-ANSWER", FailureKind::Malformed),
        (Reply::Status(502, html.to_owned()), "AWS-5XX", FailureKind::Unreachable),
        (Reply::Status(403, html.to_owned()), "AWS-ANSWER", FailureKind::Malformed),
        (Reply::Status(302, String::new()), "AWS-ANSWER", FailureKind::Malformed),
        (Reply::Flood, "NET-OTHER", FailureKind::Malformed),
    ];
    let ask = |(reply, code, kind): (Reply, &'static str, FailureKind)| async move {
        let fake = Fake::serving(move |_| match &reply {
            Reply::Status(status, body) => Reply::Status(*status, body.clone()),
            _ => Reply::Flood,
        });
        let sts = sts(Duration::from_secs(20));
        let failure =
            sts.assume_role(&caller(None), &asked(), &at(&fake), &mut Notes::default()).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), (code, kind), "{failure}");
    };
    join_all(cases.into_iter().map(ask)).await;
}

#[tokio::test]
async fn what_cannot_be_reached_says_how_far_it_came() {
    let (silent, _queue) = silent();
    let refused = format!("http://{}", closed());
    let cases = [
        (refused, "NET-REFUSED", FailureKind::Unreachable),
        (format!("http://{silent}"), "NET-TIMEOUT", FailureKind::TimedOut),
        ("http://no-such-name.invalid".to_owned(), "NET-DNS", FailureKind::Unreachable),
        ("http://bad host".to_owned(), "STS-VALIDATION", FailureKind::Misconfigured),
    ];
    let ask = |(endpoint, code, kind): (String, &'static str, FailureKind)| async move {
        let place = Place { region: None, endpoint: Some(endpoint), ..Place::default() };
        let sts = sts(Duration::from_secs(6));
        let mut notes = Notes::default();
        let failure = sts.assume_role(&caller(None), &asked(), &place, &mut notes).await.unwrap_err();
        assert_eq!((failure.cause.code, failure.kind), (code, kind), "{failure}");
        assert!(notes.calls.len() <= 5);
    };
    join_all(cases.map(ask)).await;
}

#[tokio::test]
async fn one_call_ends_with_its_attempt_however_often_it_was_tried() {
    let fake = Fake::serving(|_| Reply::Hang);
    let mut notes = Notes::default();
    let sts = sts(Duration::from_millis(500));
    let begun = tokio::time::Instant::now();
    let failure = sts.assume_role(&caller(None), &asked(), &at(&fake), &mut notes).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(notes.calls.len(), 1);
    assert!(notes.calls[0].error.is_some());
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_tries_in_the_notes() {
    let fake = Fake::serving(|_| Reply::Hang);
    let mut notes = Notes::default();
    let (sts, caller, asked, place) = (sts(Duration::from_secs(60)), caller(None), asked(), at(&fake));
    let call = sts.assume_role(&caller, &asked, &place, &mut notes);
    assert!(timeout(Duration::from_millis(300), call).await.is_err());
    assert_eq!(notes.calls.len(), 1);
}

#[tokio::test]
async fn when_time_is_over_the_last_try_says_why() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let fake = Fake::serving(move |_| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => refused(503, "ServiceUnavailable", ""),
        false => Reply::Hang,
    });
    let mut notes = Notes::default();
    let sts = sts(Duration::from_millis(1500));
    let failure = sts.assume_role(&caller(None), &asked(), &at(&fake), &mut notes).await.unwrap_err();
    assert_eq!((failure.cause.code, failure.fact("status")), ("AWS-5XX", Some("503")), "{failure}");
    assert!(failure.context.contains("given up after 1.5s"), "{failure}");
}
