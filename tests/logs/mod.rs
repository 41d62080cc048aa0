//! What the binary writes down: its log wherever that goes, the journal's catalogue, the audit log.

mod audit;
mod catalogue;
pub mod journal;
mod last_lines;
mod stuck;

use std::time::{Duration, Instant};

use crate::support::TempHome;

const SOON: Duration = Duration::from_secs(20);

/// A home with a role `app` that has keys and a role `bad` that has none, and these further settings.
fn furnished(telemetry: &str) -> TempHome {
    let home = TempHome::new();
    home.credentials(
        "[good]\naws_access_key_id = AKIAEXAMPLE00000WXYZ\naws_secret_access_key = secret-of-good\n",
    );
    home.config("[profile broken]\ncredential_process = false\n");
    let roles =
        "[[role]]\nname = \"app\"\nprofile = \"good\"\n[[role]]\nname = \"bad\"\nprofile = \"broken\"\n";
    home.write("keyfob.toml", &format!("[telemetry]\n{telemetry}\n{roles}"));
    std::fs::create_dir_all(home.path().join("run")).unwrap();
    home
}

/// Nothing of the machine's but `PATH`; the token is kept in the home.
fn bare(home: &TempHome) -> Vec<(String, String)> {
    let mut env = home.env();
    let folder = home.path().display();
    env.push(("PATH".to_owned(), std::env::var("PATH").unwrap()));
    env.push(("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()));
    env.push(("RUNTIME_DIRECTORY".to_owned(), format!("{folder}/run")));
    env.push(("KEYFOB_CONFIG".to_owned(), format!("{folder}/keyfob.toml")));
    env
}

/// Looks until there is something to see.
#[track_caller]
fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < SOON, "{what}: not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
