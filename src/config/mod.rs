//! The configuration as the rest of the program sees it: typed, complete, every default filled in.
//!
//! `raw` is the file's shape, `parse` turns it into this (or into every problem at once), `env` reads the environment.

mod address;
pub mod duration;
pub mod env;
mod findings;
mod kinds;
mod listen;
mod near;
pub mod overrides;
pub mod parse;
pub mod print;
mod raw;
mod role;
mod roles;
mod session_name;
mod shown;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use address::Address;
pub use listen::{KeyPair, Listen, METADATA_STAYS};
pub use role::{Argv, Assume, Expect, Mint, Own, Role, StaticKeys, Token, Vars, WebIdentity};
pub use session_name::{Fact, SessionName};

use crate::credentials::RoleName;

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Token files.
    pub auth: Auth,
    /// The time allowed for the first credentials.
    pub startup: Startup,
    /// When credentials are fetched again.
    pub refresh: Refresh,
    /// Logs.
    pub telemetry: Telemetry,
    /// At least one; names are unique.
    pub roles: Vec<Role>,
}

/// `[auth]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The main token; `None` is the first folder that we may use.
    pub token_file: Option<PathBuf>,
    /// Permission bits of a token file that we write.
    pub token_mode: u32,
    /// The admin token; `None` is beside the main one.
    pub admin_token_file: Option<PathBuf>,
}

/// `[startup]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// `None` is to keep trying for ever.
    pub deadline: Option<Duration>,
}

/// `[refresh]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh {
    /// The least life at which credentials are renewed.
    pub before: Duration,
    /// Share of the lead by which a refresh is moved at random, 0 to 0.5.
    pub jitter: f64,
    /// The shortest pause after a failure that may pass by itself; others start at five times this.
    pub retry_min: Duration,
    /// The longest pause after a failure that may pass by itself; others end at five times this.
    pub retry_max: Duration,
    /// For one source in one walk.
    pub attempt_timeout: Duration,
    /// For one process.
    pub process_timeout: Duration,
}

/// `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// The least severe level that is logged.
    pub log_level: LogLevel,
    /// How a line looks.
    pub log_format: LogFormat,
    /// Who got credentials, written down.
    pub audit: Audit,
    /// How much is measured.
    pub metrics: Detail,
    /// Whether `keyfob_identity_info` names accounts and principals.
    pub identity: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_level: LogLevel::Info,
            log_format: LogFormat::Auto,
            audit: Audit::Off,
            metrics: Detail::Full,
            identity: false,
        }
    }
}

/// Where it is written who got credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audit {
    /// Nowhere.
    Off,
    /// In the log.
    On,
    /// In a file of its own, a line of JSON each.
    File(PathBuf),
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    Full,
    /// All but the histograms of single sources and upstream calls.
    Core,
}

/// Severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Failures of ours.
    Error,
    /// Changes for the worse.
    Warn,
    /// Changes.
    Info,
    /// Repeats and detail.
    Debug,
    /// Everything.
    Trace,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
    /// To the journal itself, with fields.
    Journald,
}

/// Something wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: file and line where known, and the key: `keyfob.toml:12 role[2].role_arn`.
    pub at: String,
    /// What stands there.
    pub is: String,
    /// What was wanted.
    pub want: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; wanted {}", self.at, self.is, self.want)
    }
}

impl Default for Config {
    /// One role, `default`, the whole chain, loopback.
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            auth: Auth { token_file: None, token_mode: 0o440, admin_token_file: None },
            startup: Startup { deadline: None },
            refresh: Refresh::default(),
            telemetry: Telemetry::default(),
            roles: vec![Role::named(RoleName::default_role())],
        }
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            before: Duration::from_mins(20),
            jitter: 0.1,
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
            attempt_timeout: Duration::from_secs(10),
            process_timeout: Duration::from_mins(1),
        }
    }
}
