//! keyfob serves the credentials that boto3 would find, kept fresh, to every AWS SDK; and says why when there are none.

pub mod agent;
pub mod aws;
pub mod cause;
pub mod chain;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod event;
pub mod failure;
pub mod file;
pub mod http;
pub mod keeper;
pub mod report;
pub mod roster;
pub mod secret;
pub mod server;
pub mod shutdown;
pub mod source;
pub mod telemetry;
pub mod watcher;
pub mod wiring;
