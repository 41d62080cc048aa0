//! What an application's SDK would ask, or stop at, before the agent: judged from its environment and the files it sees.
//!
//! Pure but for the reading, which is given. The rules are botocore's: an empty key id is none, an empty profile is one.

use std::io;
use std::path::Path;

use hyper::Uri;
use zeroize::Zeroizing;

use super::files;
use crate::cause::{self, Cause};
use crate::config::env::Env;
use crate::http::{self, bare_host};
use crate::server::status::Status;
use crate::wiring::{ENDPOINT, TOKEN_FILE};

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// Without the first of them the others are nothing.
const KEYS: [&str; 5] =
    [KEY_ID, SECRET_KEY, "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"];
pub(super) const WEB_TOKEN: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const WEB: [&str; 3] = [WEB_TOKEN, "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"];
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const METADATA: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// What an application sees.
pub(super) struct Sight<'a> {
    /// Its variables.
    pub env: &'a Env,
    /// Reads a file for it.
    pub read: &'a dyn Fn(&Path) -> io::Result<Content>,
}

/// A file's content.
pub(super) struct Content {
    pub bytes: Zeroizing<Vec<u8>>,
    /// botocore sees no AWS file in a pipe or a device.
    pub regular: bool,
}

impl Sight<'_> {
    /// The content of a file that botocore would take for one.
    pub(super) fn file(&self, path: &Path) -> Option<Zeroizing<Vec<u8>>> {
        (self.read)(path).ok().filter(|content| content.regular).map(|content| content.bytes)
    }

    fn set(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().copied().filter(|name| self.env.get(name).is_some()).collect()
    }
}

/// One thing that keeps an application from the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shadow {
    pub cause: &'static Cause,
    /// A sentence without an end; never a secret.
    pub says: String,
    /// Names of variables, and places in files.
    pub seen: Vec<(&'static str, String)>,
    pub mend: Vec<Mend>,
}

/// What would take it away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// Variables that have to go.
    Unset(Vec<&'static str>),
    /// Variables that put files out of sight.
    Hide(Vec<&'static str>),
    /// The whole wiring.
    Wire,
    /// In words.
    Words(&'static str),
}

impl Shadow {
    /// Something that is asked first, or that SDKs stop at.
    pub(super) fn first(says: impl Into<String>, mend: Mend) -> Self {
        Self { cause: &cause::KF_SHADOW, says: says.into(), seen: Vec::new(), mend: vec![mend] }
    }

    fn unwired(says: impl Into<String>) -> Self {
        Self { cause: &cause::KF_UNWIRED, says: says.into(), seen: Vec::new(), mend: vec![Mend::Wire] }
    }

    /// Adds a place in a file.
    pub(super) fn at(mut self, place: impl Into<String>) -> Self {
        self.seen.push(("file", place.into()));
        self
    }

    /// Adds the names of variables.
    pub(super) fn by(mut self, names: &[&str]) -> Self {
        self.seen.extend(names.iter().map(|name| ("variable", (*name).to_owned())));
        self
    }
}

/// What is asked before any container endpoint, or in the place of the one that is named.
pub(super) fn before(sight: &Sight<'_>) -> Vec<Shadow> {
    let variables = [keys(sight), web_identity(sight)].into_iter().flatten();
    variables.chain(files::all(sight)).chain(relative(sight)).collect()
}

fn keys(sight: &Sight<'_>) -> Option<Shadow> {
    sight.env.filled(KEY_ID)?;
    let says = match sight.env.filled(SECRET_KEY) {
        Some(_) => format!("{KEY_ID} and {SECRET_KEY} are set, and these keys win over the endpoint"),
        None => format!(
            "{KEY_ID} is set without {SECRET_KEY}, and boto3 stops at that before it asks the endpoint"
        ),
    };
    let names = sight.set(&KEYS);
    Some(Shadow::first(says, Mend::Unset(names.clone())).by(&names))
}

/// The role alone is nothing; the token alone is an error, unless a profile names the role.
fn web_identity(sight: &Sight<'_>) -> Option<Shadow> {
    sight.env.filled(WEB_TOKEN)?;
    let says = format!("{WEB_TOKEN} is set, and web identity is asked before the endpoint");
    let names = sight.set(&WEB);
    Some(Shadow::first(says, Mend::Unset(names.clone())).by(&names))
}

fn relative(sight: &Sight<'_>) -> Option<Shadow> {
    sight.env.get(RELATIVE)?;
    let says =
        format!("{RELATIVE} is set, be it to nothing, and SDKs ask that address in place of {ENDPOINT}");
    Some(Shadow::first(says, Mend::Unset(vec![RELATIVE])).by(&[RELATIVE]))
}

/// What is wrong with the wiring itself; `here`: in the agent's own network namespace, as far as anybody knows.
pub(super) fn wiring(sight: &Sight<'_>, agent: Option<&Status>, here: bool) -> Option<Shadow> {
    let leads = |url: &str| agent.is_none_or(|agent| leads_to(url, agent));
    let Some(full) = sight.env.get(ENDPOINT) else {
        let by_metadata = agent.is_some() && sight.env.filled(METADATA).is_some_and(leads);
        let says = format!("{ENDPOINT} is not set, so SDKs do not know of the agent");
        return (!by_metadata).then(|| Shadow::unwired(says).by(&[ENDPOINT]));
    };
    if !leads(full) {
        let says = format!("{ENDPOINT} {}, which is not the agent", shown(full));
        return Some(Shadow::unwired(says).by(&[ENDPOINT]));
    }
    if !here && full.parse().is_ok_and(|url| is_loopback(&url)) {
        let says = format!("{ENDPOINT} {}, which is another place in its own network namespace", shown(full));
        let mend = "let it share the agent's network namespace, as containers of one pod do, or with `--network host`";
        return Some(Shadow { mend: vec![Mend::Words(mend)], ..Shadow::unwired(says).by(&[ENDPOINT]) });
    }
    token(sight)
}

/// SDKs read the token before they ask.
fn token(sight: &Sight<'_>) -> Option<Shadow> {
    const READABLE: &str = "let its user read the file: by the file's group, or by auth.token_mode";
    let broken = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    let stops = |why: String| format!("{why}, and boto3 stops at that before it asks the endpoint");
    let Some(path) = sight.env.get(TOKEN_FILE) else {
        let says = match sight.env.get(TOKEN) {
            Some(token) if broken(token.as_bytes()) => stops(format!("{TOKEN} has a line break")),
            Some(_) => return None,
            None => {
                let says = format!(
                    "neither {TOKEN_FILE} nor {TOKEN} is set, and the agent answers nobody without token"
                );
                return Some(Shadow {
                    cause: &cause::KF_TOKENMISSING,
                    ..Shadow::unwired(says).by(&[TOKEN_FILE])
                });
            }
        };
        return Some(Shadow::first(says, Mend::Wire).by(&[TOKEN]));
    };
    let named = |what: &str| stops(format!("{TOKEN_FILE} names {path}, {what}"));
    let shadow = match (sight.read)(Path::new(path)) {
        Ok(content) if broken(&content.bytes) => {
            Shadow::first(named("whose token has a line break"), Mend::Wire)
        }
        Ok(_) => return None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Shadow::first(named("which it may not read"), Mend::Words(READABLE))
        }
        Err(error) => Shadow::first(named(&format!("which cannot be read ({error})")), Mend::Wire),
    };
    Some(shadow.by(&[TOKEN_FILE]).at(path))
}

/// Whether a URL leads to the agent, as seen from its own machine.
pub(super) fn leads_to(url: &str, agent: &Status) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let (host, port) = (bare_host(&url), http::port(&url));
    let named = agent.endpoint.as_deref().and_then(|endpoint| endpoint.parse::<Uri>().ok());
    if named.is_some_and(|named| bare_host(&named).eq_ignore_ascii_case(host) && http::port(&named) == port) {
        return true;
    }
    let bound = agent.credentials_addresses.iter().filter_map(|address| address.parse().ok());
    let mut bound = bound.filter(|address: &std::net::SocketAddr| Some(address.port()) == port);
    let any = |address: std::net::SocketAddr| address.ip().is_unspecified();
    match host.parse::<std::net::IpAddr>() {
        Ok(ip) => bound.any(|address| address.ip() == ip || any(address)),
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            bound.any(|address| address.ip().is_loopback() || any(address))
        }
        // Over TLS any name of the machine's may be the agent's; over http SDKs ask no other.
        Err(_) => url.scheme_str() == Some("https") && bound.next().is_some(),
    }
}

fn is_loopback(url: &Uri) -> bool {
    let host = bare_host(url);
    host.parse::<std::net::IpAddr>()
        .map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

/// Without user and password.
fn shown(url: &str) -> String {
    match url.parse::<Uri>() {
        Ok(url) if url.host().is_some() => format!("leads to {}", http::shown(&url)),
        _ => "is no URL".to_owned(),
    }
}

#[cfg(test)]
mod tests;
