//! The sources of the network against the fake AWS, which checks signatures, sessions and tokens as AWS does.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use keyfob::aws::{AssumeRole, Place, SignIn, Sts, WebIdentity};
use keyfob::clock::Clock;
use keyfob::config::env::Env;
use keyfob::credentials::Credentials;
use keyfob::failure::{Failure, FailureKind};
use keyfob::http::Client;
use keyfob::report::Notes;
use keyfob::secret::Secret;
use keyfob::source::container::Container;
use keyfob::source::imds::{Imds, Settings};
use keyfob::source::{Source, Surroundings};

use crate::support::FakeAws;
use crate::support::aws::{Shape, Trouble};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

fn around() -> Arc<Surroundings> {
    let (clock, attempt_timeout) = (Clock::host(), Duration::from_secs(10));
    let http = Client::new(clock.clone());
    let sts = Sts::new(attempt_timeout, http.clone());
    let own = Arc::new(ArcSwap::from_pointee(Vec::new()));
    let sign_in = SignIn::new(attempt_timeout, http.clone());
    let (process_timeout, renews, codes, walk) = (None, false, None, Vec::new());
    Arc::new(Surroundings {
        clock,
        http,
        sts,
        sign_in,
        renews,
        attempt_timeout,
        process_timeout,
        own,
        codes,
        walk,
    })
}

fn imds(aws: &FakeAws) -> Imds {
    Imds::new(Settings { endpoint: Some(aws.url()), ..Settings::default() }, around())
}

async fn metadata(aws: &FakeAws) -> Result<Credentials, Failure> {
    imds(aws).fetch(&mut Notes::default()).await
}

async fn assume(aws: &FakeAws, caller: &Credentials) -> Result<Credentials, Failure> {
    let ask = AssumeRole {
        role_arn: ROLE.to_owned(),
        session_name: "session".to_owned(),
        duration: Some(900),
        ..AssumeRole::default()
    };
    let place = Place { region: Some("eu-west-1".to_owned()), endpoint: Some(aws.url()), ..Place::default() };
    around().sts.assume_role(caller, &ask, &place, &mut Notes::default()).await
}

fn user(aws: &FakeAws, secret: &str) -> Credentials {
    aws.add_user("AKIAUSER000000000001", "right-secret", "123456789012", "jane");
    Credentials {
        access_key_id: "AKIAUSER000000000001".to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: None,
        expires_at: None,
        account_id: None,
        role_arn: None,
    }
}

fn code(outcome: Result<Credentials, Failure>) -> (&'static str, FailureKind) {
    let failure = outcome.unwrap_err();
    (failure.cause.code, failure.kind)
}

#[tokio::test]
async fn a_role_is_assumed_with_what_metadata_handed_out() {
    let aws = FakeAws::start().await;
    let instance = metadata(&aws).await.unwrap();
    let issued = aws.issued(&instance.access_key_id).unwrap();
    assert!(instance.secret_access_key.matches(issued.secret.as_bytes()));
    let role = assume(&aws, &instance).await.unwrap();
    assert_eq!(role.account_id.clone().unwrap().as_str(), "111122223333");
    assert_eq!(role.role_arn.as_deref(), Some(ROLE));
    let again = assume(&aws, &role).await.unwrap();
    assert_ne!(again.access_key_id, role.access_key_id, "a role's own session is another caller");
}

#[tokio::test]
async fn a_role_is_assumed_with_a_containers_credentials() {
    let aws = FakeAws::start().await;
    aws.container().set(|container| container.authorization = Some("secret-token".to_owned()));
    let url = aws.container_url("/container/app");
    let of = |token: &str| {
        let vars = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token),
        ];
        Container::from_env(&Env::from(vars), around()).unwrap()
    };
    let found = of("secret-token").fetch(&mut Notes::default()).await.unwrap();
    assert_eq!(found.account_id.clone().unwrap().as_str(), "123456789012");
    assume(&aws, &found).await.unwrap();
    let refused = of("wrong").fetch(&mut Notes::default()).await;
    assert_eq!(code(refused), ("CONT-DENIED", FailureKind::Denied));
    assert_eq!(aws.calls("ContainerCredentials"), 4, "a refusal is asked three times, as botocore does");
}

#[tokio::test]
async fn a_gigabyte_from_a_container_ends_at_the_cap() {
    let aws = FakeAws::start().await;
    aws.container().set(|container| container.shape = Shape::Endless);
    let url = aws.container_url("/container/app");
    let env = Env::from([("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())]);
    let outcome = Container::from_env(&env, around()).unwrap().fetch(&mut Notes::default()).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.cause.code, failure.kind), ("CONT-JSON", FailureKind::Malformed));
    assert!(failure.context.contains("larger than 65536 bytes"), "{failure}");
    assert!(aws.streamed() < 32 * 1024 * 1024, "{} bytes", aws.streamed());
}

#[tokio::test]
async fn aws_refuses_for_the_reason_we_name() {
    let aws = FakeAws::start().await;
    assume(&aws, &user(&aws, "right-secret")).await.unwrap();
    assert_eq!(code(assume(&aws, &user(&aws, "wrong-secret")).await), ("KEY-INVALID", FailureKind::Denied));
    aws.set_skew(3600);
    assert_eq!(code(assume(&aws, &user(&aws, "right-secret")).await), ("CLOCK", FailureKind::Denied));
    aws.set_skew(-3600);
    assert_eq!(code(assume(&aws, &user(&aws, "right-secret")).await), ("CLOCK", FailureKind::Denied));
    aws.set_skew(0);
    aws.sts().set(|sts| sts.denied = [ROLE.to_owned()].into());
    assert_eq!(code(assume(&aws, &user(&aws, "right-secret")).await), ("STS-DENIED", FailureKind::Denied));
    aws.sts().reset();
    let caller = user(&aws, "right-secret");
    aws.forget_key(&caller.access_key_id);
    assert_eq!(code(assume(&aws, &caller).await), ("KEY-INVALID", FailureKind::Denied));
}

#[tokio::test]
async fn an_expired_caller_is_said_to_be_expired() {
    let aws = FakeAws::start().await;
    aws.imds().set(|imds| imds.life = -60);
    let dead = metadata(&aws).await.unwrap();
    assert!(dead.expired(Clock::host().now()), "the true expiry comes along");
    assert_eq!(code(assume(&aws, &dead).await), ("KEY-EXPIRED", FailureKind::AlreadyExpired));
}

#[tokio::test]
async fn throttling_and_a_failure_are_tried_again() {
    let aws = FakeAws::start().await;
    aws.sts().set(|sts| (sts.throttle_next, sts.fail_next) = (1, 1));
    assume(&aws, &user(&aws, "right-secret")).await.unwrap();
    assert_eq!(aws.calls("AssumeRole"), 3);
}

#[tokio::test]
async fn a_web_identity_is_exchanged_and_refused_as_aws_does() {
    let aws = FakeAws::start().await;
    let place = Place { region: None, endpoint: Some(aws.url()), ..Place::default() };
    let ask = |token: &str| {
        let (sts, place, token) = (around().sts.clone(), place.clone(), Secret::new(token));
        async move {
            let ask = WebIdentity {
                role_arn: ROLE.to_owned(),
                session_name: "pod".to_owned(),
                token,
                duration: None,
                policy: None,
            };
            sts.assume_role_with_web_identity(&ask, &place, &mut Notes::default()).await
        }
    };
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcHAifQ.c2ln";
    let found = ask(jwt).await.unwrap();
    assert_eq!(found.account_id.unwrap().as_str(), "111122223333");
    aws.sts().set(|sts| sts.expired_identity_token = true);
    assert_eq!(code(ask(jwt).await), ("WI-EXPIRED", FailureKind::AlreadyExpired));
    aws.sts().set(|sts| (sts.expired_identity_token, sts.bad_identity_token) = (false, true));
    assert_eq!(code(ask(jwt).await), ("WI-ISSUER", FailureKind::Denied));
}

#[tokio::test]
async fn metadata_that_goes_dark_is_unreachable_and_comes_back() {
    let aws = FakeAws::start().await;
    metadata(&aws).await.unwrap();
    aws.go_dark();
    assert_eq!(code(metadata(&aws).await), ("IMDS-OFF", FailureKind::Unreachable));
    aws.come_back();
    metadata(&aws).await.unwrap();
    aws.imds().set(|imds| imds.token = Some(Trouble::Hang));
    assert_eq!(code(metadata(&aws).await), ("IMDS-HOP", FailureKind::TimedOut));
    aws.imds().set(|imds| (imds.token, imds.list) = (None, Trouble::status(404)));
    assert_eq!(code(metadata(&aws).await), ("IMDS-NOPROFILE", FailureKind::Denied));
    assert_eq!(imds(&aws).region(&mut Notes::default()).await.as_deref(), Some("eu-west-1"));
}
