//! The client programs themselves, against the fake AWS alone: what they report later about keyfob can be trusted.

use std::time::Duration;

use super::{Identity, Sdk};
use crate::support::{FakeAws, TempHome};

const TOKEN: &str = "letmein";
const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/task-role/container";

/// A container endpoint that wants a token from a file, as keyfob's does.
fn container(aws: &FakeAws, home: &TempHome) -> Vec<(String, String)> {
    aws.container().set(|container| container.authorization = Some(TOKEN.to_owned()));
    let token_file = home.write("token", TOKEN).display().to_string();
    let wiring = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.container_url("/container/app")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
        ("AWS_ENDPOINT_URL", aws.url()),
    ];
    let wiring = wiring.into_iter().map(|(name, value)| (name.to_owned(), value));
    wiring.chain(home.env()).collect()
}

#[test]
fn every_client_is_who_its_credentials_say() {
    let home = TempHome::new();
    for sdk in Sdk::ALL {
        let aws = FakeAws::spawn_thread();
        let Some(me) = sdk.identity(container(&aws, &home)) else { continue };
        let wanted = Identity { account: "123456789012".to_owned(), arn: ROLE.to_owned() };
        assert_eq!(me, wanted, "{sdk:?}");
        assert_eq!((aws.calls("ContainerCredentials"), aws.calls("GetCallerIdentity")), (1, 1), "{sdk:?}");
    }
}

#[test]
fn every_program_says_which_key_it_found_and_until_when() {
    let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
    for sdk in Sdk::PROGRAMS {
        let Some(found) = sdk.credentials(container(&aws, &home)) else { continue };
        let key = found["AccessKeyId"].as_str().unwrap();
        assert!(aws.issued(key).is_some(), "{sdk:?}: {key}");
        let expiration = found["expiration"].as_str().unwrap();
        assert!(expiration.len() == 20 && expiration.ends_with('Z'), "{sdk:?}: {expiration}");
        let account = sdk.keeps_the_account().then_some("123456789012");
        assert_eq!(found["account"].as_str(), account, "{sdk:?}");
    }
}

#[test]
fn a_loop_counts_the_calls_that_fail() {
    let home = TempHome::new();
    for sdk in Sdk::PROGRAMS {
        let aws = FakeAws::spawn_thread();
        let refusal = (1, 403, "AccessDenied".to_owned(), "not this time".to_owned());
        aws.sts().set(|sts| sts.refuse_next = Some(refusal));
        let Some(count) = sdk.repeat(2, Duration::from_millis(50), container(&aws, &home)) else { continue };
        assert_eq!(count["failures"], 1, "{sdk:?}: {count}");
        assert!(count["first"].as_str().unwrap().contains("AccessDenied"), "{sdk:?}: {count}");
        assert!(count["calls"].as_u64().unwrap() > 3, "{sdk:?}: {count}");
    }
}

#[test]
fn a_client_without_credentials_fails_and_says_so() {
    let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
    let mut env = container(&aws, &home);
    home.write("token", "wrong");
    env.push(("AWS_METADATA_SERVICE_TIMEOUT".to_owned(), "1".to_owned()));
    for sdk in Sdk::ALL {
        let Some(done) = sdk.run(&["identity"], Duration::from_secs(60), env.iter().cloned()) else {
            continue;
        };
        assert_ne!(done.code(), Some(0), "{sdk:?}");
        let said = if sdk == Sdk::Cli { done.stderr.clone() } else { done.json()["message"].to_string() };
        assert!(said.contains("redential"), "{sdk:?}: {done:#?}");
    }
    assert_eq!(aws.calls("GetCallerIdentity"), 0);
}
