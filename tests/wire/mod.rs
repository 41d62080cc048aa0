//! How requests leave keyfob: to which host, signed for which region, through which proxy, trusting whom, how often; with
//! the real binary, a real proxy and real TLS in front of the fake AWS, and botocore asked the same beside it.

mod bundle;
mod gate;
mod mfa;
mod oracle;
mod places;
mod proxies;
mod tries;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gate::{Gate, Relay, vouched};
use oracle::Oracle;

use crate::support::aws::Entry;
use crate::support::papers::Papers;
use crate::support::{FakeAws, Finished, Run, TempHome};

type Vars = BTreeMap<String, String>;

const ROLE: &str = "arn:aws:iam::123456789012:role/app";

const CONFIG: &str = "\
    [profile role]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = base\n\
    role_session_name = wired\nexternal_id = ext-1\nduration_seconds = 1800\n";

const CREDENTIALS: &str =
    "[base]\naws_access_key_id = AKIABASEBASEBASE0001\naws_secret_access_key = secret-of-base\n";

/// A home whose profile `role` assumes a role, the fake AWS, TLS in front of it, and a botocore that is asked the same.
struct Stage {
    aws: FakeAws,
    home: TempHome,
    papers: Arc<Papers>,
    front: Relay,
    oracle: Oracle,
}

impl Stage {
    /// With an authority of its own; None where a tool is missing.
    #[track_caller]
    fn new() -> Option<Stage> {
        Stage::with(&Arc::new(Papers::make()?))
    }

    #[track_caller]
    fn with(papers: &Arc<Papers>) -> Option<Stage> {
        let home = TempHome::new();
        home.config(CONFIG);
        home.credentials(CREDENTIALS);
        let aws = FakeAws::spawn_thread();
        aws.add_user("AKIABASEBASEBASE0001", "secret-of-base", "123456789012", "base");
        vouched(papers, "localhost");
        let front = Relay::tls(papers, aws.addr());
        let oracle = Oracle::start(home.path())?;
        Some(Stage { aws, home, papers: Arc::clone(papers), front, oracle })
    }

    fn ca(&self) -> String {
        self.papers.path("ca.pem").display().to_string()
    }

    /// A proxy that leads to the fake.
    fn gate(&self, login: Option<&str>) -> Gate {
        Gate { tunnels: self.front.addr, plain: self.aws.addr(), login: login.map(str::to_owned) }
    }

    fn env(&self, more: &[(&str, &str)]) -> Vars {
        let home = self.home.path().display().to_string();
        let base =
            [("HOME", home.as_str()), ("AWS_EC2_METADATA_DISABLED", "true"), ("BOTO_CONFIG", "/dev/null")];
        base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn keyfob(&self, profile: &str, env: &Vars) -> Finished {
        get(profile, env)
    }
}

fn get(profile: &str, env: &Vars) -> Finished {
    Run::keyfob()
        .args(["get", "--config", "/dev/null", "--output", "json", "--profile", profile])
        .envs(env)
        .run()
}

/// The key id, or all that was said.
fn key(done: &Finished) -> Result<String, String> {
    match done.code() {
        Some(0) => Ok(done.json()["access_key_id"].as_str().unwrap().to_owned()),
        _ => Err(done.stderr.clone()),
    }
}

/// What reached AWS: operation, host and whom the signature is for, one line a request.
fn reached(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let scope = entry.header("authorization").map_or_else(String::new, |text| {
            let scope = text.split_once("Credential=").unwrap().1.split(',').next().unwrap();
            let parts: Vec<&str> = scope.split('/').collect();
            format!("signed for {} in {}", parts[3], parts[2])
        });
        format!("{} at {} {scope}", entry.op, entry.header("host").unwrap_or("nobody"))
    };
    entries.iter().map(line).collect()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
