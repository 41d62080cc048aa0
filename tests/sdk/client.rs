//! The AWS SDK for Rust as a client of keyfob. It is told nothing but its environment.
//!
//! ```text
//! rust-sdk-client credentials              what the default chain finds
//! rust-sdk-client identity                 who STS says that is
//! rust-sdk-client loop SECONDS PAUSE_MS    the same client asks STS again and again
//! ```
//! Each prints one line of JSON; a failure is `{"error", "message"}` and exit status 1.
#![expect(clippy::print_stdout, reason = "the answer goes to stdout")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_types::date_time::{DateTime, Format};
use aws_smithy_types::error::display::DisplayErrorContext;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

type Answer = Result<Value, Box<dyn Error>>;

async fn credentials() -> Answer {
    let config = aws_config::load_from_env().await;
    let provider = config.credentials_provider().ok_or("no credentials provider")?;
    let found = provider.provide_credentials().await?;
    let expiration = found.expiry().map(|at| DateTime::from_secs(DateTime::from(at).secs()));
    let expiration = expiration.map(|at| at.fmt(Format::DateTime)).transpose()?;
    let account = found.account_id().map(|account| account.as_str().to_owned());
    Ok(json!({ "AccessKeyId": found.access_key_id(), "account": account, "expiration": expiration }))
}

async fn identity() -> Answer {
    let client = aws_sdk_sts::Client::new(&aws_config::load_from_env().await);
    let answer = client.get_caller_identity().send().await?;
    Ok(json!({ "account": answer.account(), "arn": answer.arn() }))
}

async fn repeat(seconds: &str, pause_ms: &str) -> Answer {
    let client = aws_sdk_sts::Client::new(&aws_config::load_from_env().await);
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let pause = Duration::from_millis(pause_ms.parse()?);
    let (mut calls, mut failures, mut first) = (0_u64, 0_u64, None);
    while Instant::now() < end {
        calls += 1;
        if let Err(error) = client.get_caller_identity().send().await {
            failures += 1;
            first.get_or_insert_with(|| DisplayErrorContext(&error).to_string());
        }
        sleep(pause).await;
    }
    Ok(json!({ "calls": calls, "failures": failures, "first": first }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match *words {
        ["credentials"] => credentials().await,
        ["identity"] => identity().await,
        ["loop", seconds, pause_ms] => repeat(seconds, pause_ms).await,
        _ => Err("wanted: credentials, identity, or loop SECONDS PAUSE_MS".into()),
    };
    match answer {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let message = DisplayErrorContext(error.as_ref()).to_string();
            println!("{}", json!({ "error": "SdkError", "message": message }));
            ExitCode::FAILURE
        }
    }
}
