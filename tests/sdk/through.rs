//! The real SDKs through `keyfob serve`, told by environment variables alone: what they are handed, and how they live with
//! credentials that end, an agent that is restarted, and a wrong token.

use std::time::Duration;

use super::Sdk;
use super::kinds::{KEYS, Stage, works};
use crate::support::{Run, Serving, TempHome};

/// The row of README's first table for what ends and is replaced.
const REPLACED: &str = "sessions of 15 seconds, for as long as the program runs";
const ROLE: &str = "[default]\nrole_arn = arn:aws:iam::222233334444:role/app\nsource_profile = base\n";

/// Keys with a life and an account, and long-term keys, which are given one that never ends for long.
#[test]
fn programs_hold_what_is_served_and_know_until_when() {
    for config in [ROLE, ""] {
        let stage = Stage::new();
        stage.home.credentials(&format!("[{}]\n{KEYS}", if config.is_empty() { "default" } else { "base" }));
        stage.home.config(config);
        let agent = stage.serve(&[]);
        let home = TempHome::new();
        let served = agent.credentials("/v1/credentials").json();
        for sdk in Sdk::PROGRAMS {
            let Some(found) = sdk.credentials(stage.client(&agent, &home)) else { continue };
            assert_eq!(found["AccessKeyId"], served["AccessKeyId"], "{sdk:?}");
            assert!(found["expiration"].is_string(), "{sdk:?}: {found}");
            if sdk.keeps_the_account() {
                assert_eq!(
                    found.get("account"),
                    Some(served.get("AccountId").unwrap_or(&serde_json::Value::Null)),
                    "{sdk:?}"
                );
            }
        }
        let log = agent.log();
        assert!(!stage.aws.secrets().iter().any(|secret| log.contains(secret)), "a secret was logged");
    }
}

#[test]
fn a_client_with_the_wrong_token_gets_nothing() {
    let stage = Stage::new();
    let agent = stage.serve(&[]);
    let home = TempHome::new();
    let wrong = home.write("token", "not-the-token").display().to_string();
    let mut env = stage.client(&agent, &home);
    env.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), wrong));
    for sdk in Sdk::ALL {
        let Some(done) = sdk.run(&["identity"], Duration::from_secs(60), env.iter().cloned()) else {
            continue;
        };
        assert_ne!(done.code(), Some(0), "{sdk:?}");
    }
    assert_eq!(stage.aws.calls("GetCallerIdentity"), 0);
}

/// The agent says its life is short: every SDK asks again in time, and not one call of theirs fails.
#[test]
fn credentials_of_fifteen_seconds_never_fail_a_client() {
    let stage = Stage::new();
    stage.aws.sts().set(|sts| sts.life = Some(15));
    stage.aws.set_generations(true);
    stage.home.credentials(&format!("[base]\n{KEYS}"));
    stage.home.config(ROLE);
    let agent = stage.serve(&[]);
    let (stage, agent) = (&stage, &agent);
    std::thread::scope(|scope| {
        for sdk in Sdk::PROGRAMS {
            scope.spawn(move || {
                let home = TempHome::new();
                let env = stage.client(agent, &home);
                let Some(count) = sdk.repeat(150, Duration::from_millis(100), env) else { return };
                let fine = if count["failures"] == 0 { "yes" } else { "**no**" };
                assert_eq!(works(REPLACED, sdk), fine, "{sdk:?}: {count}\n{}", agent.log());
                assert!(count["calls"].as_u64().unwrap() > 300, "{sdk:?}: {count}");
            });
        }
    });
    let walks = stage.aws.calls("AssumeRole");
    assert!(walks >= 10, "{walks} walks in ten lives\n{}", agent.log());
}

/// The agent is restarted under clients at work, on the same address: the token stays, and not one call fails.
#[test]
fn a_restart_fails_no_client() {
    let stage = Stage::new();
    stage.aws.sts().set(|sts| sts.life = Some(15));
    stage.home.credentials(&format!("[base]\n{KEYS}"));
    stage.home.config(ROLE);
    let mut agent = stage.serve(&[]);
    let (at, token) = (agent.bound.credentials.to_string(), agent.token());
    let home = TempHome::new();
    let env = stage.client(&agent, &home);
    std::thread::scope(|scope| {
        for sdk in Sdk::PROGRAMS {
            let env = env.clone();
            scope.spawn(move || {
                let Some(count) = sdk.repeat(20, Duration::from_millis(100), env) else { return };
                assert_eq!(count["failures"], 0, "{sdk:?}: {count}");
                assert!(count["calls"].as_u64().unwrap() > 30, "{sdk:?}: {count}");
            });
        }
        for _ in 0..3 {
            std::thread::sleep(Duration::from_secs(5));
            assert!(agent.process.stop().success(), "{}", agent.log());
            let again = Run::keyfob()
                .args(["serve", "--log-format", "json", "--admin", "127.0.0.1:0", "--listen", &at])
                .envs(stage.env(&[]));
            agent = Serving::launch(&again).unwrap();
            assert_eq!(agent.token(), token);
        }
    });
}
