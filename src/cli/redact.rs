//! An explanation that can be shown to strangers: account ids, host names, paths and the user's name have numbers in their
//! place. The same thing has the same number throughout, so that what differs can still be told apart.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::stop::Stop;
use crate::config::env::Env;

/// What was found out, with every text in it redacted.
///
/// # Errors
/// It cannot be written as JSON: a fault of ours.
pub(super) fn redacted<T: Serialize + DeserializeOwned>(told: &T, env: &Env) -> Result<T, Stop> {
    let fault = |error| Stop::internal("cannot redact the explanation", error);
    let value = serde_json::to_value(told).map_err(fault)?;
    let mut redactor = Redactor::new(env);
    // Once to learn the names that stand in addresses, once for the texts that name them alone.
    let _learned = redactor.value(value.clone());
    serde_json::from_value(redactor.value(value)).map_err(fault)
}

/// What stands for what.
struct Redactor {
    home: Option<String>,
    /// Names, found wherever they stand alone.
    names: BTreeMap<String, String>,
    /// Accounts and paths, by themselves.
    others: BTreeMap<String, String>,
}

/// Everybody's: they say where to look and nothing about whose machine it is.
const EVERYBODYS: [&str; 5] =
    ["~/.aws/config", "~/.aws/credentials", "/dev/null", "/etc/boto.cfg", "/etc/passwd"];

impl Redactor {
    fn new(env: &Env) -> Self {
        let home = env.filled("HOME").filter(|home| home.len() > 1).map(str::to_owned);
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::current()).ok().flatten();
        let user = user.map(|user| user.name).filter(|name| name != "root");
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let mut names = BTreeMap::new();
        names.extend(user.map(|user| (user, "<user>".to_owned())));
        let hosts = host.into_iter().chain(env.filled("HOSTNAME").map(str::to_owned));
        names.extend(hosts.filter(|host| host != "localhost").map(|host| (host, "<this host>".to_owned())));
        Self { home, names, others: BTreeMap::new() }
    }

    fn value(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (name, self.value(value))).collect()
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str) -> String {
        let text = self.home.as_ref().map_or_else(|| text.to_owned(), |home| text.replace(home, "~"));
        let (mut out, mut rest, mut before) = (String::new(), text.as_str(), ' ');
        while let Some(c) = rest.chars().next() {
            let begins = !(before.is_alphanumeric() || "_-./~".contains(before));
            let piece = if begins { self.piece(rest) } else { None };
            let (length, shown) = piece.unwrap_or_else(|| (c.len_utf8(), c.to_string()));
            let (taken, left) = rest.split_at(length);
            before = taken.chars().last().unwrap_or(c);
            out.push_str(&shown);
            rest = left;
        }
        out
    }

    /// How much of the text's beginning is to be replaced, and what by.
    fn piece(&mut self, text: &str) -> Option<(usize, String)> {
        self.url(text).or_else(|| self.path(text)).or_else(|| self.word(text))
    }

    fn url(&mut self, text: &str) -> Option<(usize, String)> {
        let (scheme, after) = text.split_once("://")?;
        let known = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let host = known.then(|| &after[..host_length(after)]).filter(|host| !host.is_empty())?;
        Some((scheme.len() + 3 + host.len(), format!("{scheme}://{}", self.host(host))))
    }

    fn host(&mut self, host: &str) -> String {
        if is_everybodys(host) {
            return host.to_owned();
        }
        let count = self.names.values().filter(|shown| shown.starts_with("<host ")).count();
        self.names.entry(host.to_owned()).or_insert_with(|| format!("<host {}>", count + 1)).clone()
    }

    fn path(&mut self, text: &str) -> Option<(usize, String)> {
        let rooted = text.starts_with('/') || text.starts_with("~/");
        let ends = |c: char| c.is_whitespace() || "\"'`,;:()|<>".contains(c);
        let path = text.split(ends).next().filter(|_| rooted)?.trim_end_matches('.');
        if path.trim_matches(['/', '~']).is_empty() {
            return None;
        }
        let shown = if EVERYBODYS.contains(&path) { path.to_owned() } else { self.numbered("path", path) };
        Some((path.len(), shown))
    }

    fn word(&mut self, text: &str) -> Option<(usize, String)> {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let named =
            self.names.iter().filter(|(name, _)| text.starts_with(*name) && ends(&text[name.len()..]));
        if let Some((name, shown)) = named.max_by_key(|(name, _)| name.len()) {
            return Some((name.len(), shown.clone()));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 12 && ends(&text[digits..]) {
            return Some((digits, self.numbered("account", &text[..digits])));
        }
        let length = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let address = text[..length].trim_end_matches('.');
        let strange = address.parse::<IpAddr>().is_ok() && !is_everybodys(address);
        strange.then(|| (address.len(), self.host(address)))
    }

    fn numbered(&mut self, kind: &str, what: &str) -> String {
        let count = self.others.values().filter(|shown| shown.starts_with(&format!("<{kind} "))).count();
        self.others.entry(what.to_owned()).or_insert_with(|| format!("<{kind} {}>", count + 1)).clone()
    }
}

/// Up to the port, the path, or whatever ends it in a sentence.
fn host_length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || "/:?#\"'`,;)|<>".contains(c);
    match text.strip_prefix('[').and_then(|inside| inside.find(']')) {
        Some(end) => end + 2,
        None => text.find(ends).unwrap_or(text.len()),
    }
}

/// AWS's own hosts and this machine's address for itself: a private endpoint has a name of its own.
fn is_everybodys(host: &str) -> bool {
    const AWS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    match inside.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback() || address.is_link_local() || address.is_unspecified()
        }
        // The metadata service's and Pod Identity's.
        Ok(IpAddr::V6(address)) => address.is_loopback() || inside.starts_with("fd00:ec2::"),
        Err(_) => {
            host == "localhost" || (AWS.iter().any(|end| host.ends_with(end)) && !host.contains("vpce-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let mut redactor = Redactor::new(&Env::from([("HOME", "/home/alice smith")]));
        redactor.names = BTreeMap::from([
            ("alice".to_owned(), "<user>".to_owned()),
            ("web-7c9".to_owned(), "<this host>".to_owned()),
        ]);
        redactor
    }

    #[test]
    fn what_names_somebody_is_numbered_and_the_rest_stays() {
        let table = [
            ("role arn:aws:iam::123456789012:role/app", "role arn:aws:iam::<account 1>:role/app"),
            ("123456789012, 210987654321 and 1234567890123", "<account 1>, <account 2> and 1234567890123"),
            ("/home/alice smith/.aws/config:3: x", "~/.aws/config:3: x"),
            ("AWS_CONFIG_FILE=/srv/acme/config (3 bytes)", "AWS_CONFIG_FILE=<path 1> (3 bytes)"),
            ("`chmod 600 /srv/acme/config`.", "`chmod 600 <path 1>`."),
            ("https://sts.eu-west-1.amazonaws.com/: 403", "https://sts.eu-west-1.amazonaws.com/: 403"),
            ("http://169.254.169.254/latest/meta-data", "http://169.254.169.254/latest/meta-data"),
            ("https://acme.awsapps.com/start", "https://<host 1>/start"),
            ("the proxy http://10.1.2.3:3128", "the proxy http://<host 2>:3128"),
            ("10.1.2.3 and acme.awsapps.com do not answer.", "<host 2> and <host 1> do not answer."),
            ("https://vpce-0a.sts.eu-west-1.vpce.amazonaws.com/", "https://<host 3>/"),
            ("http://[::1]:80/ and http://[2001:db8::1]:80/", "http://[::1]:80/ and http://<host 4>:80/"),
            ("here, as alice (uid 1000); pod web-7c9", "here, as <user> (uid 1000); pod <this host>"),
            ("and/or 12 / 3, malice", "and/or 12 / 3, malice"),
        ];
        let mut redactor = redactor();
        for (text, shown) in table {
            assert_eq!(redactor.text(text), shown);
        }
    }

    #[test]
    fn names_learned_from_addresses_are_found_before_them_too() {
        let told = vec!["vault.corp does not resolve".to_owned(), "https://vault.corp/".to_owned()];
        let shown: Vec<String> = redacted(&told, &Env::default()).unwrap();
        assert_eq!(shown, ["<host 1> does not resolve", "https://<host 1>/"]);
    }
}
