//! The files that SDKs ask before a container endpoint: AWS's two, the first EC2 tools' and those of boto 2.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::judge::{Mend, Shadow, Sight, WEB_TOKEN};
use crate::config::env::Env;
use crate::source::paths;
use crate::source::profile::files::{AwsFile, Files, Taken, places};
use crate::source::profile::ini::Ini;
use crate::source::profile::merge::{Profile, Profiles, Setting};
use crate::source::session::{Chosen, Session};
use crate::source::text::{lines, strip, universal_newlines};

const CONFIG: &str = "AWS_CONFIG_FILE";
const CREDENTIALS: &str = "AWS_SHARED_CREDENTIALS_FILE";
const PROFILES: [&str; 2] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
const FIRST_TOOLS: &str = "AWS_CREDENTIAL_FILE";
const BOTO: &str = "BOTO_CONFIG";

/// Whatever in files wins over the endpoint.
pub(super) fn all(sight: &Sight<'_>) -> Vec<Shadow> {
    let others = [first_tools(sight), boto(sight)].into_iter().flatten();
    profiles(sight).into_iter().chain(others).collect()
}

fn profiles(sight: &Sight<'_>) -> Vec<Shadow> {
    let session = match open(sight) {
        Ok(session) => session,
        Err(stops) => return vec![stops],
    };
    let Chosen::By(variable) = session.chosen else { return of_default(&session).into_iter().collect() };
    let Some(named) = of_named(&session, variable) else { return Vec::new() };
    // Once the variable is gone, it is `default` that is asked.
    let plain = Session::of(&sight.env.without(&PROFILES), None, session.files);
    std::iter::once(named).chain(of_default(&plain)).collect()
}

/// Whether or not the profile exists.
fn open(sight: &Sight<'_>) -> Result<Session, Shadow> {
    let [config, credentials] = places(sight.env);
    let config = parsed(CONFIG, &config, sight.file(&config))?;
    let credentials = parsed(CREDENTIALS, &credentials, sight.file(&credentials))?;
    Ok(Session::of(sight.env, None, Files { config, credentials }))
}

/// The file that the variable would put out of sight.
fn parsed(variable: &'static str, path: &Path, bytes: Option<Zeroizing<Vec<u8>>>) -> Result<AwsFile, Shadow> {
    let taken = Taken { path: path.to_owned(), bytes, unreadable: None };
    taken.parse().map_err(|failure| {
        let says = format!("boto3 stops at this before it asks the endpoint: {failure}");
        Shadow::first(says, Mend::Hide(vec![variable])).at(path.display().to_string())
    })
}

fn of_named(session: &Session, variable: &'static str) -> Option<Shadow> {
    let name = session.profile.escape_debug();
    let shadow = |says| {
        let set: Vec<_> = PROFILES.into_iter().filter(|name| session.env.get(name).is_some()).collect();
        Shadow::first(says, Mend::Unset(set)).by(&[variable])
    };
    if session.settings().is_none() {
        let says = format!("{variable} is `{name}`, and boto3 stops at a profile that is in no file");
        return Some(shadow(says));
    }
    let (_, key, place) = beginnings(session).into_iter().next()?;
    Some(
        shadow(format!("{variable} is `{name}`, and {key} of that profile wins over the endpoint")).at(place),
    )
}

fn of_default(session: &Session) -> Option<Shadow> {
    let found = beginnings(session);
    let (_, key, place) = found.first()?;
    let says = format!("{place}: {key} of profile default wins over the endpoint");
    let hide = found.iter().map(|(variable, ..)| *variable).collect();
    let shadow = Shadow::first(says, Mend::Hide(hide));
    Some(found.into_iter().fold(shadow, |shadow, (_, _, place)| shadow.at(place)))
}

/// For each of the two files: its variable, and the first key of the profile at which a source begins, with its place.
fn beginnings(session: &Session) -> Vec<(&'static str, &'static str, String)> {
    let AwsFile { ini, path, .. } = &session.files.credentials;
    let mut credentials = Profiles::default();
    credentials.add_credentials(ini, path);
    let AwsFile { ini, path, .. } = &session.files.config;
    let config = Profiles::of_config(ini, path);
    let of = |(variable, profiles): (_, Profiles)| {
        let (key, setting) = beginning(profiles.get(&session.profile)?, session)?;
        Some((variable, key, setting.to_string()))
    };
    [(CREDENTIALS, credentials), (CONFIG, config)].into_iter().filter_map(of).collect()
}

/// Keys at which botocore stops: each begins a source of its own.
fn beginning<'p>(profile: &'p Profile, session: &Session) -> Option<(&'static str, &'p Setting)> {
    const ROLE: &str = "role_arn";
    const WEB: &str = "web_identity_token_file";
    const BEGIN: [&str; 7] = [
        "aws_access_key_id",
        ROLE,
        WEB,
        "sso_account_id",
        "sso_role_name",
        "login_session",
        "credential_process",
    ];
    let token = session.settings().and_then(|whole| whole.plain(WEB));
    // An empty token file is none, and a role beside it is for nobody else.
    let given = session.env.get(WEB_TOKEN).or(token);
    let tokenless = token.is_some() && given == Some("");
    let begins = |key: &&str| profile.has(key) && !(tokenless && [ROLE, WEB].contains(key));
    let key = BEGIN.into_iter().find(begins)?;
    Some((key, profile.setting(key)?))
}

/// `OriginalEC2Provider`: a named file that cannot be read is an error.
fn first_tools(sight: &Sight<'_>) -> Option<Shadow> {
    let named = sight.env.get(FIRST_TOOLS)?;
    let shadow = |says: String| Shadow::first(says, Mend::Unset(vec![FIRST_TOOLS])).by(&[FIRST_TOOLS]);
    let stops = |why: &str| {
        shadow(format!(
            "{FIRST_TOOLS} names {named}, {why}, and boto3 stops at that before it asks the endpoint"
        ))
    };
    let path = paths::home(named, sight.env);
    let content = match (sight.read)(&path) {
        Ok(content) => content,
        Err(error) => return Some(stops(&format!("which cannot be read ({error})"))),
    };
    let Ok(text) = std::str::from_utf8(&content.bytes) else { return Some(stops("which is not UTF-8")) };
    let text = Zeroizing::new(universal_newlines(text));
    let key = |line: &str| line.split_once('=').is_some_and(|(key, _)| strip(key) == "AWSAccessKeyId");
    let line = lines(&text).position(key)? + 1;
    let place = format!("{}:{line}", path.display());
    Some(
        shadow(format!("{FIRST_TOOLS} is set, and the keys in {place} win over the endpoint in boto3"))
            .at(place),
    )
}

/// `BotoProvider`.
fn boto(sight: &Sight<'_>) -> Option<Shadow> {
    boto_places(sight.env).into_iter().find_map(|path| {
        let ini = match parsed(BOTO, &path, Some(sight.file(&path)?)) {
            Ok(file) => file.ini,
            Err(stops) => return Some(stops),
        };
        let place = format!("{}:{}", path.display(), keys_of_boto(&ini)?);
        let says = format!("{place}: aws_access_key_id of [Credentials] wins over the endpoint in boto3");
        Some(Shadow::first(says, Mend::Hide(vec![BOTO])).at(place))
    })
}

fn boto_places(env: &Env) -> Vec<PathBuf> {
    let named = env.get(BOTO).map(|named| vec![named]);
    let places = named.unwrap_or_else(|| vec!["/etc/boto.cfg", "~/.boto"]);
    places.into_iter().map(|place| paths::expand(place, env)).collect()
}

fn keys_of_boto(ini: &Ini) -> Option<usize> {
    Some(ini.section("Credentials")?.entries.get("aws_access_key_id")?.line)
}
