//! The binary at work: files that change, sources that die, crowds, restarts, and input from hell.

mod bad_input;
mod crowd;
mod env_files;
mod files;
mod in_process;
mod metrics;
mod outage;
mod own;
mod roles;
mod tls;
mod users;
mod warnings;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::aws::FakeAws;
use crate::support::home::TempHome;
use crate::support::serving::Serving;

/// What the contract allows between a change and its being noticed.
const NOTICED: Duration = Duration::from_secs(2);

/// The agent's environment: a home of the test's own, a folder for the token, and no metadata service.
fn bare(home: &TempHome) -> Vec<(String, String)> {
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let mut env = home.env();
    env.push(("RUNTIME_DIRECTORY".to_owned(), run.display().to_string()));
    env.push(("PATH".to_owned(), std::env::var("PATH").unwrap()));
    env.push(("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()));
    env
}

/// The same with the fake's metadata service and STS in place.
fn with_aws(home: &TempHome, aws: &FakeAws) -> Vec<(String, String)> {
    let mut env = bare(home);
    env.retain(|(name, _)| name != "AWS_EC2_METADATA_DISABLED");
    env.extend(aws.env());
    env.push(("AWS_DEFAULT_REGION".to_owned(), "eu-west-1".to_owned()));
    env
}

/// A credentials file with one profile of long-term keys.
fn static_keys(profile: &str, id: &str) -> String {
    format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = secret-of-{id}\n")
}

/// The key id served now, or the cause why none is.
fn served(agent: &Serving) -> Result<String, String> {
    let reply = agent.credentials("/v1/credentials");
    let body = reply.json();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if reply.status == 200 { Ok(text("AccessKeyId")) } else { Err(text("cause")) }
}

/// Asks until the answer fits, for as long as the bound; every answer until then must be allowed.
#[track_caller]
fn served_within(agent: &Serving, bound: Duration, want: &str, meanwhile: &[&str]) {
    let begun = Instant::now();
    loop {
        let now = served(agent).unwrap_or_else(|cause| cause);
        if now == want {
            return;
        }
        assert!(meanwhile.contains(&now.as_str()), "served {now}, which is neither {want} nor {meanwhile:?}");
        assert!(begun.elapsed() < bound, "still {now} after {bound:?}, wanted {want}\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first answer of all may take a moment.
#[track_caller]
fn first(agent: &Serving, want: &str) {
    served_within(agent, Duration::from_secs(10), want, &["KF-WARMING"]);
}
