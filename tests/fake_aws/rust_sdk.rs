//! The official Rust SDK takes the fake for AWS: it reads its XML, its refusals and its metadata.

use std::time::{Duration, SystemTime};

use aws_config::imds::client::Client as Metadata;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::signing::{KEY, SECRET, with_user};
use crate::support::FakeAws;

const ROLE: &str = "arn:aws:iam::444455556666:role/app";

fn client(aws: &FakeAws, keys: impl ProvideCredentials + 'static) -> Client {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(aws.url())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build();
    Client::from_conf(config)
}

fn user() -> Credentials {
    Credentials::from_keys(KEY, SECRET, None)
}

/// The code of a refusal.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    error.code().unwrap_or("none").to_owned()
}

#[tokio::test]
async fn assumes_a_role_and_is_it() {
    let aws = with_user();
    let sts = client(&aws, user());
    let ask = sts.assume_role().role_arn(ROLE).role_session_name("s1").duration_seconds(900);
    let answer = ask.send().await.unwrap();
    let keys = answer.credentials.unwrap();
    let expires = SystemTime::try_from(*keys.expiration()).unwrap();
    let life = expires.duration_since(SystemTime::now()).unwrap();
    assert!(life > Duration::from_secs(890) && life <= Duration::from_secs(900));
    let token = Some(keys.session_token().to_owned());
    let keys = Credentials::from_keys(keys.access_key_id(), keys.secret_access_key(), token);
    let me = client(&aws, keys).get_caller_identity().send().await.unwrap();
    assert_eq!(me.arn(), Some("arn:aws:sts::444455556666:assumed-role/app/s1"));
}

#[tokio::test]
async fn understands_refusals_and_retries_what_aws_says_to_retry() {
    let aws = with_user();
    aws.sts().set(|sts| {
        sts.denied.insert(ROLE.to_owned());
    });
    let sts = client(&aws, user());
    let ask = || sts.assume_role().role_arn(ROLE).role_session_name("s1").send();
    let refusal = ask().await.unwrap_err();
    assert_eq!(code(&refusal), "AccessDenied");
    aws.sts().reset();
    aws.sts().set(|sts| sts.throttle_next = 1);
    aws.clear_requests();
    assert!(ask().await.is_ok());
    assert_eq!(aws.calls("AssumeRole"), 2);
    let empty_token = Credentials::from_keys(KEY, SECRET, Some(String::new()));
    let refusal = client(&aws, empty_token).get_caller_identity().send().await;
    assert_eq!(code(&refusal.unwrap_err()), "InvalidClientTokenId");
}

#[tokio::test]
async fn finds_the_role_of_the_instance() {
    let aws = FakeAws::start().await;
    let metadata = Metadata::builder().endpoint(aws.url()).unwrap().build();
    let provider = ImdsCredentialsProvider::builder().imds_client(metadata).build();
    let me = client(&aws, provider).get_caller_identity().send().await.unwrap();
    assert_eq!(me.arn(), Some("arn:aws:sts::123456789012:assumed-role/instance-role/i-0123456789abcdef0"));
}
