//! The agent as a library, in this very process: real SDKs fetch through it, and it ends in order.

use std::sync::Arc;
use std::thread;

use keyfob::agent::{self, Control, Ended, Options};
use keyfob::clock::Clock;
use keyfob::config::Config;
use keyfob::config::env::Env;
use keyfob::server::{About, Passed};
use keyfob::telemetry;

use super::*;
use crate::sdk::Sdk;

const ROLE: &str = "arn:aws:iam::222233334444:role/app";

/// Runs an agent with this environment on a thread of its own; the thread ends with how the agent ended.
fn start(env: &[(String, String)]) -> (About, Control, thread::JoinHandle<Ended>) {
    let env: Env = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut config = Config::default();
            config.listen.credentials = vec!["127.0.0.1:0".parse().unwrap()];
            config.listen.admin = None;
            let (same, clock) = (config.clone(), Clock::host());
            let agent = agent::start(Options {
                telemetry: telemetry::build(&config.telemetry, &env, clock.clone()),
                config,
                passed: Passed::default(),
                watch: None,
                reread: Arc::new(move || Ok(same.clone())),
                env,
                clock,
                unnamed: false,
                codes: None,
            });
            let agent = agent.unwrap();
            tell.send((agent.about().clone(), agent.control())).unwrap();
            agent.run().await
        })
    });
    let (about, control) = told.recv_timeout(Duration::from_secs(10)).unwrap();
    (about, control, thread)
}

#[test]
fn every_sdk_fetches_through_an_agent_in_this_process() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.add_user("AKIABASE000000000000", "base-secret", "123456789012", "alice");
    home.credentials(
        "[base]\naws_access_key_id = AKIABASE000000000000\naws_secret_access_key = base-secret\n",
    );
    home.config(&format!("[default]\nrole_arn = {ROLE}\nsource_profile = base\n"));
    let (about, control, thread) = start(&with_aws(&home, &aws));
    let client_home = TempHome::new();
    let mut client = client_home.env();
    client.extend(
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/v1/credentials", about.credentials[0])),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", about.token_file.display().to_string()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_ENDPOINT_URL", aws.url()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    for sdk in Sdk::ALL {
        if let Some(me) = sdk.identity(client.clone()) {
            assert_eq!(me.account, "222233334444", "{sdk:?}");
        }
    }
    assert_eq!(aws.calls("AssumeRole"), 1, "one walk for all of them");
    control.stop();
    let begun = Instant::now();
    while !thread.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the agent does not end");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(thread.join().unwrap(), Ended::Stopped));
}
