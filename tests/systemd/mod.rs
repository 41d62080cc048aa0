//! The agent as systemd's service: what it says, the sockets it is given, the units that start it.

mod activation;
mod drop_ins;
mod machine;
pub mod notify;
mod readme;
mod sandbox;
mod sockets;
mod units;

use std::time::Duration;

use crate::support::TempHome;

/// For what comes at once, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

const ID: &str = "AKIASYSTEMD000000001";
const SECRET: &str = "a-secret-of-the-service";

/// A home whose default profile has keys, and the environment of a service that has nothing else.
fn furnished() -> (TempHome, Vec<(String, String)>) {
    let home = TempHome::new();
    home.credentials(&format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"));
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let mut env = home.env();
    for (name, value) in [
        ("PATH", std::env::var("PATH").unwrap().as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("RUNTIME_DIRECTORY", run.to_str().unwrap()),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    (home, env)
}
