//! The commands as people and scripts use them: what they print, how they end, what they leave behind.

mod asking;
mod exec;
mod get;
mod schema;
mod screens;
mod serve;
mod shadows;

use std::time::Duration;

use serde_json::Value;

use crate::support::home::TempHome;
use crate::support::run::{Finished, Run};
use crate::support::serving::Serving;

const ID: &str = "AKIAFROMTHEFILE00001";
const SECRET: &str = "a-secret-from-the-file";

/// Keys of a profile `default`, and a process for a profile `helper`.
fn furnished() -> TempHome {
    let home = TempHome::new();
    home.credentials(&format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"));
    let document = home.write(
        "document.json",
        r#"{"Version": 1, "AccessKeyId": "ASIAFROMTHEHELPER001", "SecretAccessKey": "a-secret-of-the-helper",
            "SessionToken": "a-token-of-the-helper", "Expiration": "2099-01-01T00:00:00Z", "AccountId": "111122223333"}"#,
    );
    home.config(&format!(
        "[default]\nregion = eu-west-1\n[profile helper]\nregion = eu-north-1\noutput = json\n\
         credential_process = cat {}\n[profile broken]\ncredential_process = false\n",
        document.display()
    ));
    home
}

/// Nothing of the machine's but `PATH`; the metadata service is off.
fn bare(home: &TempHome) -> Vec<(String, String)> {
    let mut env = home.env();
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    for (name, value) in [
        ("PATH", std::env::var("PATH").unwrap().as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("RUNTIME_DIRECTORY", run.to_str().unwrap()),
        ("XDG_RUNTIME_DIR", run.to_str().unwrap()),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    env
}

fn keyfob(home: &TempHome, args: &[&str]) -> Run {
    Run::keyfob().args(args).envs(bare(home))
}

#[track_caller]
fn ends(home: &TempHome, args: &[&str], code: i32) -> Finished {
    keyfob(home, args).run().expect_code(code)
}

/// What is left of private folders.
fn left_behind(home: &TempHome) -> Vec<String> {
    let entries = std::fs::read_dir(home.path().join("run")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("keyfob-")).collect()
}

const SOON: Duration = Duration::from_secs(10);
