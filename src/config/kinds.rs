//! What a single value of the file may be: each reads one, or says what it wanted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::session_name::of_sts;
use super::{Address, Audit, Detail, LogFormat, LogLevel, SessionName, StaticKeys, duration};
use crate::credentials::{AccountId, RoleName, SourceKind};

type Read<T> = Result<T, String>;

/// `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| "true or false".to_owned())
}

/// A text that is not empty and has no control characters.
pub(super) fn text(value: &DeValue<'_>) -> Read<String> {
    let plain = |text: &&str| !text.is_empty() && !text.chars().any(char::is_control);
    words(value, plain, "a text in quotes, not empty, without control characters").map(str::to_owned)
}

/// An absolute path.
pub(super) fn path(value: &DeValue<'_>) -> Read<PathBuf> {
    let absolute = |text: &&str| text.starts_with('/') && !text.ends_with('/') && !text.contains('\0');
    words(value, absolute, "the absolute path of a file, such as \"/run/keyfob/token\"").map(PathBuf::from)
}

/// A length of time within limits; the last argument says them.
pub(super) fn length(
    least: Duration,
    most: Duration,
    want: &'static str,
) -> impl Fn(&DeValue<'_>) -> Read<Duration> {
    move |value| {
        let read = value.as_str().and_then(duration::parse);
        read.filter(|length| (least..=most).contains(length)).ok_or_else(|| want.to_owned())
    }
}

/// A number within limits.
pub(super) fn share(most: f64) -> impl Fn(&DeValue<'_>) -> Read<f64> {
    move |value| {
        let text = match value {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => "",
        };
        let number = text.parse::<f64>().ok().filter(|number| (0.0..=most).contains(number));
        number.ok_or_else(|| format!("a number from 0 to {most}"))
    }
}

/// An IP time to live.
pub(super) fn ttl(value: &DeValue<'_>) -> Read<u32> {
    let number = value.as_integer().filter(|number| number.radix() == 10);
    let read = number.and_then(|number| number.as_str().parse().ok());
    read.filter(|ttl| (1..=255).contains(ttl)).ok_or_else(|| "a whole number from 1 to 255".to_owned())
}

/// The number of a user.
pub(super) fn uid(value: &DeValue<'_>) -> Read<u32> {
    let number = value.as_integer().filter(|number| number.radix() == 10);
    let read = number.and_then(|number| number.as_str().replace('_', "").parse().ok());
    // The greatest number says "no user" in system calls.
    read.filter(|uid| *uid != u32::MAX).ok_or_else(|| "a user's number, such as 1000".to_owned())
}

/// A literal address with its port, or a Unix socket.
pub(super) fn address(value: &DeValue<'_>) -> Read<Address> {
    value.as_str().unwrap_or_default().parse()
}

/// A literal address with its port, or `off`.
pub(super) fn address_or_off(value: &DeValue<'_>) -> Read<Option<SocketAddr>> {
    if value.as_str() == Some("off") {
        return Ok(None);
    }
    let want = "an IP address with a port, such as \"127.0.0.1:5398\" or \"[::1]:5398\", or \"off\"";
    value.as_str().unwrap_or_default().parse().map(Some).map_err(|_| want.to_owned())
}

/// A name in `Host`: no scheme, no port, no pattern.
pub(super) fn host(value: &DeValue<'_>) -> Read<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = |text: &&str| !text.is_empty() && text.len() <= 253 && text.chars().all(plain);
    let literal = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
    let fits = |text: &&str| name(text) || literal(text);
    words(value, fits, "a host name or an IP address, without scheme, port or wildcard")
        .map(str::to_lowercase)
}

/// Permission bits, in octal and in quotes.
pub(super) fn mode(value: &DeValue<'_>) -> Read<u32> {
    let want = || {
        let sentence =
            "octal permission bits in quotes that let the owner read, nobody else write and nobody execute";
        format!("{sentence}, such as \"0440\"")
    };
    let written = value.as_str().filter(|text| (3..=4).contains(&text.len())).ok_or_else(want)?;
    let mode = u32::from_str_radix(written, 8).map_err(|_| want())?;
    let tame = mode & 0o400 != 0 && mode & !0o644 == 0;
    tame.then_some(mode).ok_or_else(want)
}

/// A severity.
pub(super) fn log_level(value: &DeValue<'_>) -> Read<LogLevel> {
    Ok(match value.as_str() {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("info") => LogLevel::Info,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        _ => return Err("\"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned()),
    })
}

/// A shape of log lines.
pub(super) fn log_format(value: &DeValue<'_>) -> Read<LogFormat> {
    Ok(match value.as_str() {
        Some("auto") => LogFormat::Auto,
        Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some("journald") => LogFormat::Journald,
        _ => return Err("\"auto\", \"text\", \"json\" or \"journald\"".to_owned()),
    })
}

/// Where the audit log goes.
pub(super) fn audit(value: &DeValue<'_>) -> Read<Audit> {
    match value.as_str() {
        Some("off") => Ok(Audit::Off),
        Some("on") => Ok(Audit::On),
        _ => path(value).map(Audit::File).map_err(|_| {
            "\"off\", \"on\" or the absolute path of a file, such as \"/var/log/keyfob/audit.json\""
                .to_owned()
        }),
    }
}

/// How much is measured.
pub(super) fn detail(value: &DeValue<'_>) -> Read<Detail> {
    match value.as_str() {
        Some("full") => Ok(Detail::Full),
        Some("core") => Ok(Detail::Core),
        _ => Err("\"full\" or \"core\"".to_owned()),
    }
}

/// A role's name.
pub(super) fn role_name(value: &DeValue<'_>) -> Read<RoleName> {
    let read = value.as_str().and_then(RoleName::parse);
    read.ok_or_else(|| "a name of 1 to 64 letters, digits, '.', '_' or '-'".to_owned())
}

/// What to do with long-term keys.
pub(super) fn static_keys(value: &DeValue<'_>) -> Read<StaticKeys> {
    Ok(match value.as_str() {
        Some("as-is") => StaticKeys::AsIs,
        Some("refuse") => StaticKeys::Refuse,
        Some("mint") => StaticKeys::Mint,
        _ => return Err("\"as-is\", \"mint\" or \"refuse\"".to_owned()),
    })
}

/// A word for one or more sources of the chain: `profile` is all that a profile can say, `container` both kinds.
pub(super) fn sources(value: &DeValue<'_>) -> Read<Vec<SourceKind>> {
    let all = || SourceKind::ALL.into_iter();
    let named = value.as_str().unwrap_or_default();
    match named {
        "profile" => return Ok(all().filter(|kind| kind.of_profile()).collect()),
        "container" => return Ok(vec![SourceKind::Container, SourceKind::EksPodIdentity]),
        _ => {}
    }
    let chosen = SourceKind::parse(named).filter(|kind| !ours(*kind));
    chosen.map(|kind| vec![kind]).ok_or_else(|| {
        let words: Vec<_> = all().filter(|kind| !ours(*kind)).map(SourceKind::as_str).collect();
        match super::near::nearest(named, words.iter().copied()) {
            Some(near) => format!("a source of the chain: did you mean \"{near}\"?"),
            None => format!("a source of the chain: {}", words.join(", ")),
        }
    })
}

/// The same, or one that a role has of its own: those are never chosen, but may be expected.
pub(super) fn expected_sources(value: &DeValue<'_>) -> Read<Vec<SourceKind>> {
    let own = value.as_str().and_then(SourceKind::parse).filter(|kind| ours(*kind));
    own.map_or_else(|| sources(value), |kind| Ok(vec![kind]))
}

/// Sources that have keys of their own in a role.
fn ours(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::RoleProcess | SourceKind::RoleWebIdentity | SourceKind::RolesAnywhere)
}

/// A word of a command line.
pub(super) fn word(value: &DeValue<'_>) -> Read<String> {
    words(value, |text| !text.contains('\0'), "a text in quotes").map(str::to_owned)
}

/// An account number.
pub(super) fn account(value: &DeValue<'_>) -> Read<AccountId> {
    let twelve = |text: &&str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = words(value, twelve, "an account number: twelve digits in quotes")?;
    AccountId::parse(number).ok_or_else(String::new)
}

/// The ARN of an IAM role.
pub(super) fn role_arn(value: &DeValue<'_>) -> Read<String> {
    words(value, |text| is_role_arn(text), "a role's ARN, such as \"arn:aws:iam::111122223333:role/app\"")
        .map(str::to_owned)
}

fn is_role_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = fields.as_slice() else { return false };
    let name = resource.strip_prefix("role/").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+=,.@-".contains(c);
    *arn == "arn"
        && partition.starts_with("aws")
        && *service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !name.is_empty()
        && !name.ends_with('/')
        && name.chars().all(plain)
}

/// STS's rule for an external id.
pub(super) fn external_id(value: &DeValue<'_>) -> Read<String> {
    let fits = |text: &&str| {
        (2..=1224).contains(&text.len()) && text.chars().all(|c| of_sts(c) || matches!(c, ':' | '/'))
    };
    words(value, fits, "2 to 1224 letters, digits or any of _+=,.@:/-").map(str::to_owned)
}

/// STS's rule for a session name, and our placeholders.
pub(super) fn session_name(value: &DeValue<'_>) -> Read<SessionName> {
    let read = value.as_str().and_then(SessionName::parse);
    read.ok_or_else(|| {
        "2 to 64 letters, digits or any of _+=,.@-, with {host}, {namespace}, {serviceaccount}, {pod} or {role} in it"
            .to_owned()
    })
}

/// STS's rule for a source identity.
pub(super) fn source_identity(value: &DeValue<'_>) -> Read<String> {
    let fits = |text: &&str| (2..=64).contains(&text.len()) && text.chars().all(of_sts);
    words(value, fits, "2 to 64 letters, digits or any of _+=,.@-").map(str::to_owned)
}

/// STS's rule for the text of a session policy, and that it is a policy at all.
pub(super) fn policy(value: &DeValue<'_>) -> Read<String> {
    let plain = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    let fits = |text: &&str| text.len() <= 2048 && text.chars().all(plain);
    let text = words(value, fits, "the JSON of a session policy, at most 2048 characters of Latin-1")?;
    let read: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| format!("the JSON of a session policy, and JSON's reader says: {error}"))?;
    let policy = read.get("Statement").is_some();
    policy
        .then(|| text.to_owned())
        .ok_or_else(|| "the JSON of a session policy: an object with Statement".to_owned())
}

/// STS's rule for a session's tag.
pub(super) fn tag(key: &str, value: &DeValue<'_>) -> Read<String> {
    let plain = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    if key.is_empty() || key.chars().count() > 128 || !key.chars().all(plain) || starts_with_aws(key) {
        return Err(
            "a tag's key: 1 to 128 letters, digits, spaces or any of _.:/=+-@, not beginning with aws:"
                .to_owned(),
        );
    }
    let fits = |text: &&str| text.chars().count() <= 256 && text.chars().all(plain) && !starts_with_aws(text);
    words(value, fits, "up to 256 letters, digits, spaces or any of _.:/=+-@, not beginning with aws:")
        .map(str::to_owned)
}

fn starts_with_aws(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// The name of a region.
pub(super) fn region(value: &DeValue<'_>) -> Read<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits =
        |text: &&str| (2..=63).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-');
    words(value, fits, "a region such as \"eu-central-1\"").map(str::to_owned)
}

/// A variable of a role's own.
pub(super) fn variable(name: &str, value: &DeValue<'_>) -> Read<String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err("the name of an environment variable, without '='".to_owned());
    }
    words(value, |text| !text.contains('\0'), "a text in quotes").map(str::to_owned)
}

fn words<'v>(value: &'v DeValue<'_>, fits: impl Fn(&&str) -> bool, want: &str) -> Read<&'v str> {
    value.as_str().filter(fits).ok_or_else(|| want.to_owned())
}
