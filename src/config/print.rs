//! Prints the configuration in force, each value with its origin; what may be secret is masked.

use std::fmt::Write as _;
use std::time::Duration;

use super::overrides::Overrides;
use super::parse::Loaded;
use super::{
    Assume, Audit, Config, Detail, KeyPair, LogFormat, LogLevel, Own, Role, SessionName, StaticKeys, Token,
    WebIdentity, duration,
};
use crate::credentials::SourceKind;

/// The column at which origins begin, where the value leaves room.
const COLUMN: usize = 56;

/// TOML text: what `check --print` shows.
#[must_use]
pub fn print(config: &Config, loaded: &Loaded, flags: &Overrides) -> String {
    let mut page = Page { text: String::new(), table: String::new(), loaded, flags };
    page.listen(config);
    page.auth(config);
    page.head("startup", "[startup]");
    page.put("deadline", &length(config.startup.deadline.unwrap_or_default()));
    page.refresh(config);
    page.head("telemetry", "[telemetry]");
    page.put("log_level", level(config.telemetry.log_level));
    page.put("log_format", format(config.telemetry.log_format));
    page.put("audit", &audit(&config.telemetry.audit));
    page.put("metrics", detail(config.telemetry.metrics));
    page.put("identity", word(config.telemetry.identity));
    for (index, role) in config.roles.iter().enumerate() {
        page.role(index, role);
    }
    page.text
}

struct Page<'a> {
    text: String,
    table: String,
    loaded: &'a Loaded,
    flags: &'a Overrides,
}

impl Page<'_> {
    fn head(&mut self, table: &str, header: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(header);
        self.text.push('\n');
        table.clone_into(&mut self.table);
    }

    fn put(&mut self, key: &str, value: &str) {
        self.line(key, format!("{key} = {value}"));
    }

    /// A key without a value of its own: a comment says what happens instead.
    fn unset(&mut self, key: &str, instead: &str) {
        self.line(key, format!("# {key}: {instead}"));
    }

    fn line(&mut self, key: &str, text: String) {
        let origin = self.origin(key);
        let _infallible = writeln!(self.text, "{text:<COLUMN$}  # {origin}");
    }

    fn origin(&self, key: &str) -> String {
        let place = format!("{}.{key}", self.table);
        if let Some(flag) = self.flags.flag(&place) {
            return flag.to_owned();
        }
        match (self.loaded.lines.get(&place), &self.loaded.path) {
            (Some(line), Some(path)) => format!("{}:{line}", path.display()),
            _ => "default".to_owned(),
        }
    }

    fn listen(&mut self, config: &Config) {
        let listen = &config.listen;
        self.head("listen", "[listen]");
        self.put("credentials", &list(listen.credentials.iter().map(ToString::to_string)));
        self.put("admin", &quoted(&listen.admin.map_or("off".to_owned(), |at| at.to_string())));
        self.put("expose", word(listen.expose));
        self.put("hosts", &list(listen.hosts.iter().cloned()));
        self.put("ttl", &listen.ttl.to_string());
        self.put("imds", word(listen.imds));
        self.key_pair("tls", listen.tls.as_ref());
        self.key_pair("admin_tls", listen.admin_tls.as_ref());
    }

    fn key_pair(&mut self, key: &str, files: Option<&KeyPair>) {
        match files {
            Some(KeyPair { cert, key: private }) => {
                let [cert, private] = [cert, private].map(|path| quoted(&path.to_string_lossy()));
                self.put(key, &format!("{{ cert = {cert}, key = {private} }}"));
            }
            None => self.unset(key, "no TLS"),
        }
    }

    fn auth(&mut self, config: &Config) {
        let auth = &config.auth;
        self.head("auth", "[auth]");
        match &auth.token_file {
            Some(path) => self.put("token_file", &quoted(&path.to_string_lossy())),
            None => self.unset("token_file", "token in the first folder we may use"),
        }
        self.put("token_mode", &format!("\"{:04o}\"", auth.token_mode));
        match &auth.admin_token_file {
            Some(path) => self.put("admin_token_file", &quoted(&path.to_string_lossy())),
            None => self.unset("admin_token_file", "admin.token beside the token"),
        }
    }

    fn refresh(&mut self, config: &Config) {
        let refresh = &config.refresh;
        self.head("refresh", "[refresh]");
        self.put("before", &length(refresh.before));
        self.put("jitter", &format!("{:?}", refresh.jitter));
        self.put("retry_min", &length(refresh.retry_min));
        self.put("retry_max", &length(refresh.retry_max));
        self.put("attempt_timeout", &length(refresh.attempt_timeout));
        self.put("process_timeout", &length(refresh.process_timeout));
    }

    fn role(&mut self, index: usize, role: &Role) {
        self.head(&format!("role[{index}]"), "[[role]]");
        self.put("name", &quoted(role.name.as_str()));
        match &role.own {
            Some(Own::Process(argv)) => self.unset("process", &argv.to_string()),
            Some(Own::WebIdentity(identity)) => self.web_identity(role, identity),
            None => self.chain(role),
        }
        if let Some(assume) = &role.assume {
            self.assume(role, assume);
        }
        self.put("required", word(role.required));
        self.put("static_keys", keys(role.static_keys));
        if let Some(mint) = &role.mint {
            self.put("duration", &length(mint.duration.unwrap_or(Duration::from_hours(12))));
            mint.region.iter().for_each(|region| self.put("region", &quoted(region)));
        }
        self.put("allow_drift", word(role.allow_drift));
        self.put("imds_extend", word(role.imds_extend));
        self.put("tokens", &list(role.tokens.iter().map(|path| path.to_string_lossy().into_owned())));
        match &role.allow {
            Some(users) => {
                let users: Vec<String> = users.iter().map(u32::to_string).collect();
                self.put("allow", &format!("{{ uids = [{}] }}", users.join(", ")));
            }
            None => self.unset("allow", "every user"),
        }
        self.expect(role);
        self.variables(role);
    }

    fn chain(&mut self, role: &Role) {
        match &role.profile {
            Some(profile) => self.put("profile", &quoted(profile)),
            None => self.unset("profile", "as the environment says"),
        }
        match &role.sources {
            Some(kinds) => self.put("sources", &sources(kinds)),
            None => self.unset("sources", "all"),
        }
    }

    fn web_identity(&mut self, role: &Role, identity: &WebIdentity) {
        let (name, duration) = (session_name(role, identity.session_name.as_ref()), identity.duration);
        let mut said = vec![
            format!("role_arn = {}", quoted(&identity.role_arn)),
            format!("session_name = {name}"),
            format!("duration = {}", length(duration.unwrap_or(Duration::from_hours(1)))),
        ];
        said.extend(identity.region.as_ref().map(|region| format!("region = {}", quoted(region))));
        said.extend(identity.policy.as_ref().map(|policy| format!("policy = {}", quoted(policy))));
        match &identity.token {
            Token::File(path) => {
                said.push(format!("token_file = {}", quoted(&path.to_string_lossy())));
                self.put("web_identity", &format!("{{ {} }}", said.join(", ")));
            }
            Token::Process(argv) => {
                said.push(format!("token_process: {argv}"));
                self.unset("web_identity", &said.join(", "));
            }
        }
    }

    fn assume(&mut self, role: &Role, assume: &Assume) {
        self.put("role_arn", &quoted(&assume.role_arn));
        if assume.external_id.is_some() {
            self.unset("external_id", "set, not shown");
        }
        self.put("session_name", &session_name(role, assume.session_name.as_ref()));
        self.put("duration", &length(assume.duration.unwrap_or(Duration::from_hours(1))));
        match &assume.region {
            Some(region) => self.put("region", &quoted(region)),
            None => self.unset("region", "as the profile or the environment says"),
        }
        if let Some(policy) = &assume.policy {
            self.put("policy", &quoted(policy));
        }
        if !assume.tags.is_empty() {
            let tags = assume.tags.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
            self.put("tags", &format!("{{ {} }}", tags.collect::<Vec<_>>().join(", ")));
        }
        if !assume.transitive_tags.is_empty() {
            self.put("transitive_tags", &list(assume.transitive_tags.iter().cloned()));
        }
        if let Some(identity) = &assume.source_identity {
            self.put("source_identity", &quoted(identity));
        }
    }

    fn expect(&mut self, role: &Role) {
        let account =
            role.expect.account.as_ref().map(|account| format!("account = {}", quoted(account.as_str())));
        let kinds = role.expect.sources.as_ref().map(|kinds| format!("sources = {}", sources(kinds)));
        let parts: Vec<String> = [account, kinds].into_iter().flatten().collect();
        if parts.is_empty() {
            self.unset("expect", "any account, any source");
        } else {
            self.put("expect", &format!("{{ {} }}", parts.join(", ")));
        }
    }

    fn variables(&mut self, role: &Role) {
        match &role.env {
            Some(vars) => {
                let names: Vec<&str> = vars.0.keys().map(String::as_str).collect();
                self.unset("env", &format!("{} (values not shown)", names.join(", ")));
            }
            None => self.unset("env", "the process's own"),
        }
    }
}

fn session_name(role: &Role, given: Option<&SessionName>) -> String {
    quoted(&given.map_or_else(|| format!("keyfob-{}", role.name), ToString::to_string))
}

fn sources(kinds: &[SourceKind]) -> String {
    list(kinds.iter().map(ToString::to_string))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn length(length: Duration) -> String {
    quoted(&duration::print(length))
}

fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "\"error\"",
        LogLevel::Warn => "\"warn\"",
        LogLevel::Info => "\"info\"",
        LogLevel::Debug => "\"debug\"",
        LogLevel::Trace => "\"trace\"",
    }
}

fn audit(audit: &Audit) -> String {
    match audit {
        Audit::Off => quoted("off"),
        Audit::On => quoted("on"),
        Audit::File(path) => quoted(&path.to_string_lossy()),
    }
}

fn detail(detail: Detail) -> &'static str {
    match detail {
        Detail::Full => "\"full\"",
        Detail::Core => "\"core\"",
    }
}

fn format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Auto => "\"auto\"",
        LogFormat::Text => "\"text\"",
        LogFormat::Json => "\"json\"",
        LogFormat::Journald => "\"journald\"",
    }
}

fn keys(keys: StaticKeys) -> &'static str {
    match keys {
        StaticKeys::AsIs => "\"as-is\"",
        StaticKeys::Mint => "\"mint\"",
        StaticKeys::Refuse => "\"refuse\"",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn printed(text: &str, flags: &Overrides) -> (Config, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.toml");
        std::fs::write(&path, text).unwrap();
        let loaded = parse::load(Some(&path), &crate::config::env::Env::default()).unwrap();
        let config = flags.apply(&loaded).unwrap();
        let page = print(&config, &loaded, flags).replace(folder.path().to_str().unwrap(), "");
        (config, page)
    }

    #[test]
    fn what_is_printed_is_the_same_configuration() {
        let text = "[listen]\ncredentials = [\"[::1]:1\", \"unix:/run/k.sock\"]\nhosts = [\"a\"]\nimds = true\ntls = { cert = \"/c\", key = \"/k\" }\n[auth]\ntoken_file = \"/t \\\"x\\\"\"\n\
                    [startup]\ndeadline = \"90s\"\n[refresh]\njitter = 0\n[[role]]\nname = \"a\"\nprofile = \"p\"\n\
                    sources = [\"env\", \"imds\"]\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\nregion = \"r1\"\n\
                    session_name = \"keyfob-a\"\nduration = \"1h\"\nexpect = { account = \"111122223333\" }\n\
                    [[role]]\nname = \"b\"\nrequired = false\ntokens = [\"/x\"]\nallow = { uids = [0, 7] }\nstatic_keys = \"refuse\"\n\
                    [[role]]\nname = \"c\"\nweb_identity = { role_arn = \"arn:aws:iam::111122223333:role/app\", \
                    token_file = \"/t\", session_name = \"keyfob-{pod}\", duration = \"2h\", region = \"r1\" }\n\
                    [[role]]\nname = \"d\"\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\nduration = \"1h\"\n\
                    session_name = \"{role}\"\npolicy = '{\"Statement\": []}'\ntags = { \"a b\" = \"c\", d = \"\" }\n\
                    transitive_tags = [\"d\"]\nsource_identity = \"me\"\n\
                    [[role]]\nname = \"e\"\nstatic_keys = \"mint\"\nduration = \"12h\"\nregion = \"r1\"\n";
        let (config, page) = printed(text, &Overrides::default());
        assert_eq!(parse::parse(&page, Path::new("k.toml")).unwrap(), config, "{page}");
        let (config, page) = printed("", &Overrides::default());
        assert_eq!(parse::parse(&page, Path::new("k.toml")).unwrap(), config, "{page}");
    }

    #[test]
    fn each_value_has_its_origin() {
        let flags = Overrides { admin: Some(None), ..Overrides::default() };
        let (_, page) = printed("[listen]\nexpose = true\n\n[[role]]\nname = \"a\"\n", &flags);
        let origin = |key: &str| {
            let line = page.lines().find(|line| line.starts_with(key)).unwrap();
            line.rsplit("# ").next().unwrap().to_owned()
        };
        assert_eq!(origin("expose"), "/k.toml:2");
        assert_eq!(origin("name"), "/k.toml:5");
        assert_eq!(origin("admin "), "--admin");
        assert_eq!(origin("ttl"), "default");
    }

    #[test]
    fn what_may_be_secret_is_masked() {
        let text = "[[role]]\nname = \"a\"\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\nexternal_id = \"hush-id\"\n\
                    env = { AWS_SECRET_ACCESS_KEY = \"hush-key\" }\n\
                    [[role]]\nname = \"b\"\nprocess = [\"helper\", \"hush-argument\"]\n\
                    [[role]]\nname = \"c\"\n[role.web_identity]\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\n\
                    token_process = [\"issuer\", \"hush\", \"hush\"]\n";
        let (_, page) = printed(text, &Overrides::default());
        assert!(!page.contains("hush"), "{page}");
        assert!(
            page.contains("# external_id: set, not shown") && page.contains("AWS_SECRET_ACCESS_KEY"),
            "{page}"
        );
        assert!(page.contains("# process: helper and an argument (not shown)"), "{page}");
        assert!(page.contains("token_process: issuer and 2 arguments (not shown)"), "{page}");
    }
}
