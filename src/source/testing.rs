//! What the tests of the sources share: surroundings that can be asked, and a home folder with AWS files.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::{Lineup, Surroundings};
use crate::aws::{SignIn, Sts};
use crate::clock::Clock;
use crate::config::env::Env;
use crate::failure::{Failure, FailureKind};
use crate::http;
use crate::report::Notes;

pub(super) fn surroundings() -> Surroundings {
    let (clock, attempt_timeout) = (Clock::host(), Duration::from_secs(10));
    let http = http::Client::new(clock.clone());
    let sts = Sts::new(attempt_timeout, http.clone());
    let sign_in = SignIn::new(attempt_timeout, http.clone());
    let process_timeout = Some(Duration::from_secs(20));
    let own = Arc::new(ArcSwap::from_pointee(Vec::new()));
    let (renews, codes, walk) = (true, None, Vec::new());
    Surroundings { clock, http, sts, sign_in, renews, attempt_timeout, process_timeout, own, codes, walk }
}

/// The same where these addresses are our own.
pub(super) fn around(own: &[SocketAddr]) -> Arc<Surroundings> {
    let own = Arc::new(ArcSwap::from_pointee(own.to_vec()));
    Arc::new(Surroundings { own, ..surroundings() })
}

/// A folder of its own with AWS files in it.
pub(super) struct Home {
    folder: tempfile::TempDir,
    vars: Vec<(String, String)>,
}

impl Home {
    /// Metadata is off, so that nothing is asked that a test did not set up.
    pub(super) fn with(config: &str, credentials: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vars = Vec::new();
        let mut home = Self { folder, vars };
        home.write("config", config);
        home.write("credentials", credentials);
        for (name, file) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
            home.set(name, home.path(file).to_str().unwrap().to_owned());
        }
        home.set("BOTO_CONFIG", "");
        home.set("AWS_EC2_METADATA_DISABLED", "true");
        home.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        home
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `HOME` in the text stands for the folder.
    pub(super) fn write(&self, name: &str, text: &str) {
        let text = text.replace("HOME", self.folder.path().to_str().unwrap());
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.vars.retain(|(known, _)| known != name);
        let value = value.into().replace("HOME", self.folder.path().to_str().unwrap());
        self.vars.push((name.to_owned(), value));
    }

    pub(super) fn env(&self) -> Env {
        self.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// Walks a lineup as the chain does: `kind KEYID[@account]`, `kind! CODE` where it stops, or `nothing`.
pub(super) async fn walked(lineup: &dyn Lineup) -> (String, Option<Failure>, Notes) {
    let mut notes = Notes::default();
    let sources = match lineup.sources(&mut notes).await {
        Ok(sources) => sources,
        Err(failure) => return (format!("profile! {}", failure.cause.code), Some(failure), notes),
    };
    for source in sources {
        let kind = source.kind();
        match source.fetch(&mut notes).await {
            Ok(found) => {
                let mut told = format!("{kind} {}", found.access_key_id);
                if let Some(account) = found.account_id {
                    write!(told, "@{account}").unwrap();
                }
                return (told, None, notes);
            }
            Err(failure) if failure.kind == FailureKind::NotConfigured => {}
            Err(failure) => return (format!("{kind}! {}", failure.cause.code), Some(failure), notes),
        }
    }
    ("nothing".to_owned(), None, notes)
}
