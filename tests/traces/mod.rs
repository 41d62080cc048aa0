//! Traces as a real collector gets them, and an agent whose collector is unwell.

mod collector;
mod failed;
mod sink;
mod tls;
mod unwell;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::aws::FakeAws;
use crate::support::home::TempHome;
use crate::support::serving::Serving;

const SOON: Duration = Duration::from_secs(20);
const ROLE: &str = "arn:aws:iam::222233334444:role/app";
const KEYS: &str = "AKIABASE000000000000";

/// Two roles on one agent: `good` lives on keys in a file, `bad` assumes a role that STS refuses.
struct Scene {
    home: TempHome,
    aws: FakeAws,
}

impl Scene {
    fn new() -> Scene {
        let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
        let secret = format!("secret-of-{KEYS}");
        aws.add_user(KEYS, &secret, "123456789012", "alice");
        let keys = format!("aws_access_key_id = {KEYS}\naws_secret_access_key = {secret}\n");
        home.credentials(&format!("[base]\n{keys}[good]\n{keys}"));
        home.config(&format!(
            "[profile bad]\nrole_arn = {ROLE}\nsource_profile = base\nregion = eu-west-1\n"
        ));
        let roles =
            ["good", "bad"].map(|name| format!("[[role]]\nname = \"{name}\"\nprofile = \"{name}\"\n"));
        home.write("keyfob.toml", &roles.concat());
        std::fs::create_dir_all(home.path().join("run")).unwrap();
        let scene = Scene { home, aws };
        scene.deny(true);
        scene
    }

    fn deny(&self, deny: bool) {
        self.aws.sts().set(|sts| sts.denied = if deny { [ROLE.to_owned()].into() } else { [].into() });
    }

    fn env(&self) -> Vec<(String, String)> {
        let mut env = self.home.env();
        env.extend(self.aws.env());
        env.push(("RUNTIME_DIRECTORY".to_owned(), self.home.path().join("run").display().to_string()));
        env
    }

    /// An agent that sends its traces there, at once.
    #[track_caller]
    fn serve(&self, endpoint: &str, more: &[(&str, &str)]) -> Serving {
        let mut env = self.env();
        let ours = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
        env.extend(ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = self.home.path().join("keyfob.toml");
        Serving::start(&["--config", config.to_str().unwrap()], env)
    }
}

/// The body of the first refusal that says why, with these headers.
#[track_caller]
fn refusal(agent: &Serving, headers: &[(&str, &str)]) -> Value {
    let (begun, token) = (Instant::now(), agent.token());
    let mut all = vec![("Authorization", token.as_str())];
    all.extend(headers);
    loop {
        let reply = crate::support::raw::get(agent.bound.credentials, "/v1/credentials/bad", &all);
        let body = reply.json();
        if reply.status == 503 && body["cause"] != "KF-WARMING" {
            return body;
        }
        assert!(begun.elapsed() < SOON, "{body}\n{}", agent.log());
    }
}

/// The fields of the first line that says this of that role.
#[track_caller]
fn line(agent: &Serving, role: &str, message: &str) -> Value {
    let of = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let said = line["message"].as_str()?.contains(message);
        (said && line["role"] == role).then_some(line)
    };
    let found = agent.process.stderr.find(SOON, of);
    found.unwrap_or_else(|| panic!("nothing says {message:?} of {role}:\n{}", agent.log()))
}
