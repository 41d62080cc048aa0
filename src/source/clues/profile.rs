//! What the chosen profile lacks, and which keys hide it.

use crate::cause;
use crate::credentials::SourceKind;
use crate::failure::{Failure, Remedy};
use crate::report::{Attempt, Outcome};
use crate::source::keys::doubt;
use crate::source::meant;
use crate::source::profile::merge::Profile;
use crate::source::session::{Chosen, Session};

/// Settings of which each begins a way to credentials.
const WAYS: [&str; 9] = [
    "aws_access_key_id",
    "credential_process",
    "role_arn",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "sso_role_name",
    "login_session",
];

/// Each of the reasons that the session fits, the surest first.
pub(super) fn told(session: &Session, walk: &[Attempt]) -> Vec<Failure> {
    let glued = [&session.files.config, &session.files.credentials].into_iter().find_map(super::glue);
    let glued = glued.map(|(_, failure)| failure);
    // One that was asked for and is not there has ended the walk with that said.
    let asked = session.chosen != Chosen::Nobody && session.settings().is_none();
    let section = meant::section(session).filter(|_| !asked && !has_way(session.settings()));
    let all = [stale(session, walk), glued, section, without_keys(session)];
    all.into_iter().flatten().collect()
}

fn has_way(profile: Option<&Profile>) -> bool {
    profile.is_some_and(|profile| WAYS.iter().any(|way| profile.has(way)))
}

/// Keys of the environment that are dead, before a profile that has others.
fn stale(session: &Session, walk: &[Attempt]) -> Option<Failure> {
    let last = walk.last().filter(|last| last.source == SourceKind::Env)?;
    let Outcome::Failed(failure) = &last.outcome else { return None };
    let dead = [&cause::ENV_EXPIRED, &cause::KEY_EXPIRED, &cause::KEY_INVALID].contains(&failure.cause);
    // What looks wrong in the keys themselves has been said where they were read.
    let known = walk.iter().flat_map(|attempt| &attempt.notes.hops).chain(walk);
    let explained = known.flat_map(|attempt| &attempt.notes.doubts).next().is_some();
    if !dead || explained || !has_way(session.settings()) {
        return None;
    }
    let names = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
    ];
    let set: Vec<&str> = names.into_iter().filter(|name| session.env.get(name).is_some()).collect();
    let context = format!(
        "the keys in the environment hide the profile {}, which has credentials, and are dead: {}",
        session.profile, failure.context
    );
    let unset = Remedy::command("unset them, and the profile is used", format!("unset {}", set.join(" ")));
    Some(doubt(&cause::ENV_STALE, context).mend(unset))
}

fn without_keys(session: &Session) -> Option<Failure> {
    let profile = session.settings().filter(|profile| !has_way(Some(profile)))?;
    let name = &session.profile;
    let held: Vec<&str> = profile.iter().map(|(key, _)| key).filter(|key| !key.contains("secret")).collect();
    let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
    let place = profile.iter().next().map_or_else(String::new, |(_, setting)| format!("{setting}: "));
    let others = session.profiles.names().filter(|other| *other != name);
    let usable: Vec<&str> = others.filter(|other| has_way(session.profiles.get(other))).take(4).collect();
    let failure =
        doubt(&cause::PROFILE_NOCREDS, format!("{place}profile {name} has {held}, and no credentials"));
    let failure = match usable.as_slice() {
        [] => failure,
        [first, ..] => failure.mend(Remedy::command(
            format!("use a profile that has some: {}", usable.join(", ")),
            crate::source::keys::export("AWS_PROFILE", first),
        )),
    };
    let text = format!(
        "add to profile {name}: aws_access_key_id and aws_secret_access_key, credential_process, sso_session, or role_arn"
    );
    Some(failure.mend(Remedy::new(text)))
}
