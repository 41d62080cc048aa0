//! The agent without telemetry: nothing is counted, logged, audited or traced. The measurement takes the difference.
//!
//! It says where it listens in the one line that the agent's first log line is for those who start it.
#![expect(clippy::print_stderr, reason = "that line goes where the log would")]

use std::net::SocketAddr;
use std::sync::Arc;

use keyfob::agent::{self, Options};
use keyfob::clock::Clock;
use keyfob::config::Config;
use keyfob::config::env::Env;
use keyfob::event::Observers;
use keyfob::server::Passed;
use keyfob::telemetry::{self, Telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (mut config, env, clock) = (Config::default(), Env::of_process(), Clock::host());
    config.listen.credentials = vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()];
    config.listen.admin = Some(([127, 0, 0, 1], 0).into());
    let told = telemetry::build(&config.telemetry, &env, clock.clone());
    let same = config.clone();
    let started = agent::start(Options {
        telemetry: Telemetry { observers: Observers::default(), ..told },
        config,
        passed: Passed::default(),
        watch: None,
        reread: Arc::new(move || Ok(same.clone())),
        env,
        clock,
        unnamed: false,
        codes: None,
    });
    let agent = match started {
        Ok(agent) => agent,
        Err(error) => return eprintln!("{error:?}"),
    };
    let about = agent.about();
    let [at] = about.credentials.as_slice() else { return };
    let line = serde_json::json!({
        "credentials_address": at.to_string(),
        "admin_address": about.admin.map(|at| at.to_string()),
        "token_file": about.token_file,
    });
    eprintln!("{line}");
    // Ended from outside, by a signal nobody handles.
    let _ended = agent.run().await;
}
