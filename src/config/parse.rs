//! Turns text and environment into a configuration, or into every problem at once.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::env::Env;
use super::raw::{Findings, Item, Lines, Section};
use super::{
    Assume, Auth, Config, Expect, Listen, LogFormat, Problem, Refresh, Role, Startup, StaticKeys, Telemetry,
    Vars, kinds,
};
use crate::credentials::{RoleName, SourceKind};

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
    let mut top = findings.top(tree.get_ref());
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
    if let Some(addresses) = &addresses {
        judge_addresses(&mut at, addresses, admin, expose);
    }
    let hosts = at.list("hosts", "host names", kinds::host).unwrap_or_default();
    let ttl = at.read("ttl", kinds::ttl).unwrap_or(default.ttl);
    let off = |value: &toml::de::DeValue<'_>| match value.as_bool() {
        Some(false) => Ok(()),
        _ => Err("false: answering the metadata service's paths is not built yet"),
    };
    let _refused = at.read("imds", off);
    at.later("tls", "TLS on the credentials listener");
    at.later("admin_tls", "TLS on the admin listener");
    at.close();
    let credentials =
        addresses.map_or(default.credentials, |all| all.into_iter().map(|one| one.value).collect());
    Listen { credentials, admin, expose, hosts: hosts.into_iter().map(|one| one.value).collect(), ttl }
}

fn judge_addresses(
    at: &mut Section<'_, '_>,
    addresses: &[Item<SocketAddr>],
    admin: Option<SocketAddr>,
    expose: bool,
) {
    if at.has_empty("credentials") {
        at.problem("credentials", "an empty list", "at least one address");
    }
    for (index, item) in addresses.iter().enumerate() {
        let address = item.value;
        let fixed = address.port() != 0;
        if !address.ip().is_loopback() && !expose {
            let want =
                "a loopback address; or listen.expose = true, which lets other machines ask for credentials";
            at.problem_at(item, format!("{address} is not loopback"), want);
        }
        if fixed && addresses.iter().take(index).any(|before| before.value == address) {
            at.problem_at(item, format!("{address} stands there twice"), "each address once");
        }
        if fixed && admin == Some(address) {
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
    let log_level = at.read("log_level", kinds::log_level).unwrap_or(super::LogLevel::Info);
    let log_format = at.read("log_format", kinds::log_format).unwrap_or(LogFormat::Auto);
    let _refused = at.read("audit", kinds::only("off", "the audit log is"));
    let _refused = at.read("metrics", kinds::only("full", "a smaller set is"));
    at.close();
    Telemetry { log_level, log_format }
}

fn roles(top: &mut Section<'_, '_>, auth: &Auth) -> Vec<Role> {
    let read = top.sections("role", |section| Some(role(section, auth)));
    let mut roles: Vec<Role> = Vec::new();
    for item in read {
        let Some(role) = &item.value else { continue };
        if roles.iter().any(|before| before.name == role.name) {
            let is = format!("a second role named \"{}\"", role.name);
            top.problem_at(&item, is, "a name of its own for each role");
        }
        roles.extend(item.value);
    }
    if roles.is_empty() { Config::default().roles } else { roles }
}

fn role(mut at: Section<'_, '_>, auth: &Auth) -> Option<Role> {
    let name = at.read("name", kinds::role_name);
    if !at.has("name") && !at.torn() {
        at.problem("name", "no name", "name = \"…\", 1 to 64 letters, digits, '.', '_' or '-'");
    }
    let default = Role::named(name.clone().unwrap_or_else(RoleName::default_role));
    let sources = sources(&mut at);
    let role = Role {
        profile: at.read("profile", kinds::text),
        assume: assume(&mut at),
        required: at.read("required", kinds::flag).unwrap_or(default.required),
        static_keys: at.read("static_keys", kinds::static_keys).unwrap_or(StaticKeys::AsIs),
        expect: expect(at.section("expect"), sources.as_deref()),
        allow_drift: at.read("allow_drift", kinds::flag).unwrap_or(default.allow_drift),
        imds_extend: at.read("imds_extend", kinds::flag).unwrap_or(default.imds_extend),
        tokens: tokens(&mut at, auth),
        env: variables(at.section("env")),
        sources,
        ..default
    };
    for (key, what) in LATER {
        at.later(key, what);
    }
    at.close();
    name.map(|_| role)
}

/// Keys of a role that the contract knows and this version does not.
const LATER: [(&str, &str); 8] = [
    ("allow", "access by user id"),
    ("process", "a command of the role's own"),
    ("web_identity", "a web identity of the role's own"),
    ("roles_anywhere", "IAM Roles Anywhere"),
    ("policy", "a session policy"),
    ("tags", "session tags"),
    ("transitive_tags", "transitive session tags"),
    ("source_identity", "a source identity"),
];

fn sources(at: &mut Section<'_, '_>) -> Option<Vec<SourceKind>> {
    let items = at.list("sources", "sources, such as [\"env\", \"profile\"]", kinds::sources)?;
    if at.has_empty("sources") {
        at.problem("sources", "an empty list", "at least one source; or no such line, which allows all");
    }
    let mut kinds: Vec<SourceKind> = items.into_iter().flat_map(|item| item.value).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Some(kinds)
}

fn assume(at: &mut Section<'_, '_>) -> Option<Assume> {
    let role_arn = at.read("role_arn", kinds::role_arn);
    let external_id = at.read_hidden("external_id", kinds::external_id);
    let session_name = at.read("session_name", kinds::session_name);
    let want = "a length of time from 15m to 12h, as STS allows";
    let duration =
        at.read("duration", kinds::length(Duration::from_mins(15), Duration::from_hours(12), want));
    let region = at.read("region", kinds::region);
    if !at.has("role_arn") {
        for key in ["external_id", "session_name", "duration", "region"] {
            if at.has(key) {
                at.problem(
                    key,
                    "a setting of an assumed role, and there is no role_arn",
                    "role_arn beside it",
                );
            }
        }
    }
    Some(Assume { role_arn: role_arn?, external_id, session_name, duration, region })
}

fn expect(mut at: Section<'_, '_>, allowed: Option<&[SourceKind]>) -> Expect {
    let account = at.read("account", kinds::account);
    let sources = sources(&mut at);
    if let (Some(expected), Some(allowed)) = (&sources, allowed)
        && !expected.is_empty()
        && !expected.iter().any(|kind| allowed.contains(kind))
    {
        let is = "none of these is among the role's sources";
        at.problem("sources", is, "a source that the role may use: nothing would ever be served");
    }
    at.close();
    Expect { account, sources }
}

fn tokens(at: &mut Section<'_, '_>, auth: &Auth) -> Vec<PathBuf> {
    let items = at.list("tokens", "paths of token files", kinds::path).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        if items.iter().take(index).any(|before| before.value == item.value) {
            at.problem_at(item, format!("{} stands there twice", item.value.display()), "each file once");
        }
        let of_auth = [("token_file", &auth.token_file), ("admin_token_file", &auth.admin_token_file)];
        for (key, file) in of_auth {
            if file.as_ref() == Some(&item.value) {
                at.problem_at(item, format!("the same file as auth.{key}"), "a file of the role's own");
            }
        }
    }
    items.into_iter().map(|item| item.value).collect()
}

fn variables(mut at: Section<'_, '_>) -> Option<Vars> {
    let present = at.present();
    let all = at.entries(kinds::variable);
    present.then(|| Vars(all.into_iter().collect()))
}

#[cfg(test)]
mod tests;
