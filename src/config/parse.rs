//! Turns text and environment into a configuration, or into every problem at once.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::env::Env;
use super::findings::{Findings, Lines};
use super::raw::{Item, Section};
use super::roles::roles;
use super::{
    Address, Auth, Config, KeyPair, Listen, METADATA_STAYS, Problem, Refresh, Startup, Telemetry, kinds,
};

/// The file that is read when none is named.
pub const DEFAULT_PATH: &str = "/etc/keyfob/keyfob.toml";
/// The variable that names a file.
pub const PATH_VARIABLE: &str = "KEYFOB_CONFIG";

/// A configuration and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Complete.
    pub config: Config,
    /// The file; `None` when everything is a default.
    pub path: Option<PathBuf>,
    /// The line of each key that the file has: `role[0].profile` on line 12.
    pub lines: BTreeMap<String, usize>,
}

/// Reads the configuration file: the one given, else the one `KEYFOB_CONFIG` names, else the default one, which may
/// be absent.
///
/// # Errors
/// Every problem of the file; or that it cannot be read.
pub fn load(path: Option<&Path>, env: &Env) -> Result<Loaded, Vec<Problem>> {
    match located(path, env) {
        Some(named) => load_file(&named, false),
        None => load_file(Path::new(DEFAULT_PATH), true),
    }
}

/// The same for whoever only looks for the agent or has no need of its file: a default file that this user may not
/// read counts as absent.
///
/// # Errors
/// As [`load`] otherwise.
pub fn load_if_allowed(path: Option<&Path>, env: &Env) -> Result<Loaded, Vec<Problem>> {
    if located(path, env).is_none() {
        let (_, read) = crate::file::read(Path::new(DEFAULT_PATH));
        if read.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            return Ok(defaults());
        }
    }
    load(path, env)
}

/// Parses the text of a configuration file; `path` is for the problems.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn parse(text: &str, path: &Path) -> Result<Config, Vec<Problem>> {
    read(text, path).map(|(config, _)| config)
}

fn located(path: Option<&Path>, env: &Env) -> Option<PathBuf> {
    path.map(Path::to_owned).or_else(|| env.filled(PATH_VARIABLE).map(PathBuf::from))
}

fn defaults() -> Loaded {
    Loaded { config: Config::default(), path: None, lines: BTreeMap::new() }
}

fn load_file(path: &Path, may_be_absent: bool) -> Result<Loaded, Vec<Problem>> {
    let problem =
        |is: String, want: &str| vec![Problem { at: path.display().to_string(), is, want: want.to_owned() }];
    let bytes = match crate::file::read(path).1 {
        Ok(bytes) => bytes,
        Err(error) if may_be_absent && error.kind() == ErrorKind::NotFound => return Ok(defaults()),
        Err(error) => {
            return Err(problem(format!("cannot be read: {error}"), "a file that this user may read"));
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(problem("is not UTF-8".to_owned(), "a TOML file, which is UTF-8"));
    };
    let (config, lines) = read(&text, path)?;
    Ok(Loaded { config, path: Some(path.to_owned()), lines })
}

fn read(text: &str, path: &Path) -> Result<(Config, Lines), Vec<Problem>> {
    let mut findings = Findings::new(text, path);
    let legible = findings.legible();
    let (tree, _) = DeTable::parse_recoverable(&legible);
    let mut top = Section::top(&mut findings, tree.get_ref());
    let listen = listen(top.section("listen"));
    let auth = auth(top.section("auth"));
    let startup = startup(top.section("startup"));
    let refresh = refresh(top.section("refresh"));
    let telemetry = telemetry(top.section("telemetry"));
    let roles = roles(&mut top, &auth);
    top.close();
    let lines = findings.finish()?;
    Ok((Config { listen, auth, startup, refresh, telemetry, roles }, lines))
}

fn listen(mut at: Section<'_, '_>) -> Listen {
    let default = Listen::default();
    let addresses = at.list("credentials", "addresses, such as [\"127.0.0.1:5397\"]", kinds::address);
    let admin = at.read("admin", kinds::address_or_off).unwrap_or(default.admin);
    let expose = at.read("expose", kinds::flag).unwrap_or(default.expose);
    let hosts = at.list("hosts", "host names", kinds::host).unwrap_or_default();
    let ttl = at.read("ttl", kinds::ttl).unwrap_or(default.ttl);
    let imds = at.read("imds", kinds::flag).unwrap_or(default.imds);
    if let Some(addresses) = &addresses {
        judge_addresses(&mut at, addresses, admin, expose, imds);
    }
    let tls = key_pair(at.section("tls"));
    let admin_tls = key_pair(at.section("admin_tls"));
    at.close();
    let credentials =
        addresses.map_or(default.credentials, |all| all.into_iter().map(|one| one.value).collect());
    let hosts = hosts.into_iter().map(|one| one.value).collect();
    Listen { credentials, admin, expose, hosts, ttl, imds, tls, admin_tls }
}

/// Both or none: one without the other is told.
fn key_pair(mut at: Section<'_, '_>) -> Option<KeyPair> {
    let (cert, key) = (at.read("cert", kinds::path), at.read("key", kinds::path));
    if at.present() && !at.torn() {
        for part in ["cert", "key"] {
            if !at.has(part) {
                at.problem(part, "not there", "both files: { cert = \"/…\", key = \"/…\" }");
            }
        }
    }
    at.close();
    Some(KeyPair { cert: cert?, key: key? })
}

fn judge_addresses(
    at: &mut Section<'_, '_>,
    addresses: &[Item<Address>],
    admin: Option<SocketAddr>,
    expose: bool,
    imds: bool,
) {
    if at.has_empty("credentials") {
        at.problem("credentials", "an empty list", "at least one address");
    }
    for (index, item) in addresses.iter().enumerate() {
        let address = &item.value;
        let fixed = address.is_fixed();
        if !address.is_near() && !expose {
            let want =
                "a loopback address; or listen.expose = true, which lets other machines ask for credentials";
            at.problem_at(item, format!("{address} is not loopback"), want);
        }
        if imds && !address.is_linked() {
            let is = format!("{address} is not loopback, and listen.imds = true");
            at.problem_at(item, is, METADATA_STAYS);
        }
        if fixed && addresses.iter().take(index).any(|before| before.value == *address) {
            at.problem_at(item, format!("{address} stands there twice"), "each address once");
        }
        if fixed && admin.is_some() && admin == address.tcp() {
            let is = format!("{address} is the admin address too");
            at.problem_at(item, is, "another port: credentials and admin never share one");
        }
    }
}

fn auth(mut at: Section<'_, '_>) -> Auth {
    let token_file = at.read("token_file", kinds::path);
    let token_mode = at.read("token_mode", kinds::mode).unwrap_or(0o440);
    let admin_token_file = at.read("admin_token_file", kinds::path);
    if token_file.is_some() && token_file == admin_token_file {
        let want = "another file: neither token opens what the other one does";
        at.problem("admin_token_file", "the same file as auth.token_file", want);
    }
    at.close();
    Auth { token_file, token_mode, admin_token_file }
}

fn startup(mut at: Section<'_, '_>) -> Startup {
    let want = "a length of time up to 1d, such as \"60s\"; \"0s\" keeps trying for ever";
    let deadline = at.read("deadline", kinds::length(Duration::ZERO, DAY, want));
    at.close();
    Startup { deadline: deadline.filter(|deadline| !deadline.is_zero()) }
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn refresh(mut at: Section<'_, '_>) -> Refresh {
    let default = Refresh::default();
    let before =
        at.read("before", kinds::length(SECOND, DAY, "a length of time from 1s to 1d, such as \"20m\""));
    let jitter = at.read("jitter", kinds::share(0.5));
    let pause = || kinds::length(SECOND, HOUR, "a length of time from 1s to 1h, such as \"60s\"");
    let retry_min = at.read("retry_min", pause()).unwrap_or(default.retry_min);
    let retry_max = at.read("retry_max", pause()).unwrap_or(default.retry_max);
    if retry_min > retry_max {
        let is = format!("{} is longer than retry_max", super::duration::print(retry_min));
        at.problem("retry_min", is, "at most refresh.retry_max");
    }
    let limit = || {
        let want = "a length of time from 100ms to 1h, such as \"10s\"";
        kinds::length(Duration::from_millis(100), HOUR, want)
    };
    let attempt_timeout = at.read("attempt_timeout", limit());
    let process_timeout = at.read("process_timeout", limit());
    at.close();
    Refresh {
        before: before.unwrap_or(default.before),
        jitter: jitter.unwrap_or(default.jitter),
        retry_min,
        retry_max,
        attempt_timeout: attempt_timeout.unwrap_or(default.attempt_timeout),
        process_timeout: process_timeout.unwrap_or(default.process_timeout),
    }
}

fn telemetry(mut at: Section<'_, '_>) -> Telemetry {
    let default = Telemetry::default();
    let read = Telemetry {
        log_level: at.read("log_level", kinds::log_level).unwrap_or(default.log_level),
        log_format: at.read("log_format", kinds::log_format).unwrap_or(default.log_format),
        audit: at.read("audit", kinds::audit).unwrap_or(default.audit),
        metrics: at.read("metrics", kinds::detail).unwrap_or(default.metrics),
        identity: at.read("identity", kinds::flag).unwrap_or(default.identity),
    };
    at.close();
    read
}

#[cfg(test)]
mod tests;
