//! The real SDKs through `keyfob serve`, told by environment variables alone, for every kind of source.

use std::time::Duration;

use super::{Identity, Sdk};
use crate::support::{FakeAws, Run, Serving, TempHome};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "eu-west-1";

/// An AWS that knows alice, and a home for the agent.
struct Stage {
    aws: FakeAws,
    home: TempHome,
}

impl Stage {
    fn new() -> Stage {
        let aws = FakeAws::spawn_thread();
        aws.add_user(KEY, SECRET, "111122223333", "alice");
        Stage { aws, home: TempHome::new() }
    }

    /// The agent with these variables besides those that point it at the fake AWS.
    #[track_caller]
    fn serve(&self, vars: &[(&str, &str)]) -> Serving {
        Serving::start(&[], self.env(vars))
    }

    fn env(&self, vars: &[(&str, &str)]) -> Vec<(String, String)> {
        let runtime = self.home.path().join("run");
        std::fs::create_dir_all(&runtime).unwrap();
        let mut env = self.home.env();
        env.extend(self.aws.env());
        env.push(("RUNTIME_DIRECTORY".to_owned(), runtime.display().to_string()));
        env.push(("AWS_DEFAULT_REGION".to_owned(), REGION.to_owned()));
        env.extend(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env
    }

    /// What an application of another user gets: the wiring, a region, the fake in place of AWS, an empty home.
    fn client(&self, agent: &Serving, home: &TempHome) -> Vec<(String, String)> {
        let mut env = agent.client_env();
        env.extend(home.env());
        env.push(("AWS_ENDPOINT_URL".to_owned(), self.aws.url()));
        env.extend(["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name.to_owned(), REGION.to_owned())));
        env
    }

    /// Every SDK is this identity, through the agent and nobody else.
    #[track_caller]
    fn everyone_is(&self, agent: &Serving, account: &str, arn: &str) {
        let home = TempHome::new();
        let wanted = Identity { account: account.to_owned(), arn: arn.to_owned() };
        for sdk in Sdk::ALL {
            let Some(me) = sdk.identity(self.client(agent, &home)) else { continue };
            assert_eq!(me, wanted, "{sdk:?}\n{}", agent.log());
        }
        self.everyone_holds_what_is_served(agent, &home);
    }

    #[track_caller]
    fn everyone_holds_what_is_served(&self, agent: &Serving, home: &TempHome) {
        let served = agent.credentials("/v1/credentials").json();
        for sdk in Sdk::PROGRAMS {
            let Some(found) = sdk.credentials(self.client(agent, home)) else { continue };
            assert_eq!(found["AccessKeyId"], served["AccessKeyId"], "{sdk:?}");
            assert!(found["expiration"].is_string(), "{sdk:?}: {found}");
            if sdk != Sdk::JavaScript {
                assert_eq!(
                    found.get("account"),
                    Some(served.get("AccountId").unwrap_or(&serde_json::Value::Null))
                );
            }
        }
        let log = agent.log();
        let secrets = self.aws.secrets();
        assert!(!secrets.iter().any(|secret| log.contains(secret)), "a secret was logged");
    }
}

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

/// Long-term keys have no token, and the Rust SDK signs with the empty one: AWS refuses it, as README says.
#[track_caller]
fn everyone_but_rust_is_alice(stage: &Stage, agent: &Serving) {
    let home = TempHome::new();
    for sdk in Sdk::ALL {
        let env = stage.client(agent, &home);
        if sdk == Sdk::Rust {
            let Some(done) = sdk.run(&["identity"], Duration::from_secs(60), env) else { continue };
            assert!(done.json()["message"].as_str().unwrap().contains("InvalidClientTokenId"), "{done:#?}");
        } else {
            let Some(me) = sdk.identity(env) else { continue };
            assert_eq!(me, Identity { account: "111122223333".to_owned(), arn: ALICE.to_owned() }, "{sdk:?}");
        }
    }
    stage.everyone_holds_what_is_served(agent, &home);
}

#[test]
fn keys_in_the_environment() {
    let stage = Stage::new();
    let agent = stage.serve(&[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    everyone_but_rust_is_alice(&stage, &agent);
}

/// The session that long-term keys are exchanged for has a token: it works everywhere, in Rust as well.
#[test]
fn long_term_keys_that_are_minted() {
    let stage = Stage::new();
    stage
        .home
        .credentials(&format!("[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    let config = stage.home.write("keyfob.toml", "[[role]]\nname = \"default\"\nstatic_keys = \"mint\"\n");
    let agent = stage.serve(&[("KEYFOB_CONFIG", config.to_str().unwrap())]);
    stage.everyone_is(&agent, "111122223333", ALICE);
    assert_eq!(stage.aws.calls("GetSessionToken"), 1, "one question, whoever asks us");
}

#[test]
fn keys_in_the_credentials_file() {
    let stage = Stage::new();
    let keys = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    stage.home.credentials(&format!("[work]\n{keys}"));
    let agent = stage.serve(&[("AWS_PROFILE", "work")]);
    everyone_but_rust_is_alice(&stage, &agent);
}

#[test]
fn a_role_assumed_from_a_profile() {
    let stage = Stage::new();
    stage.home.credentials(&format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    stage.home.config(
        "[default]\nrole_arn = arn:aws:iam::222233334444:role/app\nsource_profile = base\nrole_session_name = me\n",
    );
    let agent = stage.serve(&[]);
    stage.everyone_is(&agent, "222233334444", "arn:aws:sts::222233334444:assumed-role/app/me");
    assert_eq!(stage.aws.calls("AssumeRole"), 1, "one question, whoever asks us");
}

#[test]
fn a_web_identity() {
    let stage = Stage::new();
    let token = stage.home.write("jwt", "header.payload.signature").display().to_string();
    let agent = stage.serve(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", "arn:aws:iam::333344445555:role/pod"),
        ("AWS_ROLE_SESSION_NAME", "pod-1"),
    ]);
    stage.everyone_is(&agent, "333344445555", "arn:aws:sts::333344445555:assumed-role/pod/pod-1");
    assert_eq!(stage.aws.calls("AssumeRoleWithWebIdentity"), 1);
}

#[test]
fn a_process() {
    let stage = Stage::new();
    // What a helper prints is what the container endpoint of the fake hands out, under the names of a process.
    let token = stage.aws.container_url("/container/app");
    let script = stage.home.write(
        "helper.py",
        &format!(
            "import json, urllib.request\n\
             found = json.load(urllib.request.urlopen('{token}'))\n\
             found['SessionToken'] = found.pop('Token')\n\
             print(json.dumps({{'Version': 1, **found}}))\n"
        ),
    );
    let python = super::python();
    if !python.is_file() {
        return crate::support::run::skip("a helper in Python cannot run; run `make clients`");
    }
    let command = format!("{} {}", python.display(), script.display());
    stage.home.config(&format!("[default]\ncredential_process = {command}\n"));
    let agent = stage.serve(&[]);
    stage.everyone_is(&agent, "123456789012", "arn:aws:sts::123456789012:assumed-role/task-role/container");
}

#[test]
fn a_container_endpoint() {
    let stage = Stage::new();
    stage.aws.container().set(|container| container.authorization = Some("upstream".to_owned()));
    let uri = stage.aws.container_url("/container/app");
    let agent = stage.serve(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "upstream"),
    ]);
    stage.everyone_is(&agent, "123456789012", "arn:aws:sts::123456789012:assumed-role/task-role/container");
    assert_eq!(stage.aws.calls("ContainerCredentials"), 1);
}

#[test]
fn instance_metadata() {
    let stage = Stage::new();
    let agent = stage.serve(&[]);
    let role = "arn:aws:sts::123456789012:assumed-role/instance-role/i-0123456789abcdef0";
    stage.everyone_is(&agent, "123456789012", role);
    assert_eq!(stage.aws.calls("GetRole"), 1);
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
    stage.home.credentials(&format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    stage.home.config("[default]\nrole_arn = arn:aws:iam::222233334444:role/app\nsource_profile = base\n");
    let agent = stage.serve(&[]);
    let (stage, agent) = (&stage, &agent);
    std::thread::scope(|scope| {
        for sdk in Sdk::PROGRAMS {
            scope.spawn(move || {
                let home = TempHome::new();
                let env = stage.client(agent, &home);
                let Some(count) = sdk.repeat(150, Duration::from_millis(100), env) else { return };
                assert_eq!(count["failures"], 0, "{sdk:?}: {count}\n{}", agent.log());
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
    stage.home.credentials(&format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    stage.home.config("[default]\nrole_arn = arn:aws:iam::222233334444:role/app\nsource_profile = base\n");
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
