//! What the demo's agent is made of: the main job on defaults, in a private folder, against the demo's own AWS.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::env::Env;
use crate::config::{Auth, Config, Listen, Role, Vars};
use crate::credentials::RoleName;

/// One role, `default`, the whole chain; free ports; tokens in that folder, never those of a service.
#[must_use]
pub fn config(aws: &str, folder: &Path) -> Config {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    // boto's own file can also be the machine's: one that is not there hides it.
    let boto = folder.join(".boto").to_string_lossy().into_owned();
    let vars = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.to_owned()), ("BOTO_CONFIG", boto)];
    let vars = Vars(vars.map(|(name, value)| (name.to_owned(), value)).into());
    Config {
        listen: Listen { credentials: vec![free.into()], admin: Some(free), ..Listen::default() },
        auth: Auth {
            token_file: Some(folder.join("token")),
            token_mode: 0o400,
            admin_token_file: Some(folder.join("admin.token")),
        },
        roles: vec![Role { env: Some(vars), ..Role::named(RoleName::default_role()) }],
        ..Config::default()
    }
}

/// All that the agent sees of the environment: a home that is empty, so that no file of anybody's is found.
#[must_use]
pub fn env(folder: &Path) -> Env {
    let home = folder.to_string_lossy();
    Env::from([("HOME", home.as_ref())])
}
