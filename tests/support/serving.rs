//! A running `keyfob serve`, its addresses and its token.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::leaks;
use super::raw::{self, Reply};
use super::run::Run;
use super::running::Running;

const START: Duration = Duration::from_secs(20);

/// Where the agent listens, first of all, and where its token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub credentials: SocketAddr,
    pub admin: SocketAddr,
    pub token_file: PathBuf,
}

/// An agent; ended by TERM when dropped.
pub struct Serving {
    pub bound: Bound,
    /// Its pid, signals, log and end.
    pub process: Running,
}

impl Serving {
    /// Starts `keyfob serve` on free ports with these further arguments and nothing but these variables.
    #[track_caller]
    pub fn start<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        args: &[&str],
        env: impl IntoIterator<Item = (N, V)>,
    ) -> Serving {
        let run = Run::keyfob()
            .args(["serve", "--log-format", "json"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(args)
            .envs(env);
        match Serving::launch(&run) {
            Ok(serving) => serving,
            Err(log) => panic!("keyfob serve did not say where it listens:\n{log}"),
        }
    }

    /// Starts any command line that serves; the error is its log.
    pub fn launch(run: &Run) -> Result<Serving, String> {
        let mut process = Running::start(run);
        drop(process.stdin.take());
        match process.stderr.find(START, parse_bound) {
            Some(bound) => Ok(Serving { bound, process }),
            None => Err(process.stderr.text()),
        }
    }

    /// The credentials token, read anew.
    #[track_caller]
    pub fn token(&self) -> String {
        let token = std::fs::read_to_string(&self.bound.token_file).unwrap();
        leaks::secret(&token);
        token
    }

    /// GET on the credentials listener with the token.
    #[track_caller]
    pub fn credentials(&self, path: &str) -> Reply {
        let token = self.token();
        let reply = raw::get(self.bound.credentials, path, &[("Authorization", &token)]);
        if reply.status != 200 {
            leaks::look("a refusal", &reply.body);
        }
        reply
    }

    /// GET on the admin listener.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Reply {
        let reply = raw::get(self.bound.admin, path, &[]);
        leaks::look("the admin listener", &reply.body);
        reply
    }

    /// The variables that point an SDK at the agent.
    pub fn client_env(&self) -> Vec<(String, String)> {
        let uri = format!("http://{}/v1/credentials", self.bound.credentials);
        let token_file = self.bound.token_file.display().to_string();
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }
}

/// The one place that knows what the agent's first log line looks like.
pub fn parse_bound(line: &str) -> Option<Bound> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = match line.get("fields") {
        Some(fields) => fields,
        None => &line,
    };
    let text = |name: &str| fields.get(name)?.as_str();
    Some(Bound {
        credentials: text("credentials_address")?.split(',').next()?.parse().ok()?,
        admin: text("admin_address")?.parse().ok()?,
        token_file: text("token_file")?.into(),
    })
}
