//! What may be the reason that a walk found nothing: gathered only then, from the machine and the files around it.
//!
//! Facts are looked up once, at the rim; what they mean is told by pure functions over them. None of it changes which
//! credentials are found.

mod facts;
mod home;
mod place;
mod platform;
mod profile;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use facts::Facts;

use platform::Platform;
pub(super) use platform::about;

use super::keys::{doubt_of_glue, glued};
use super::profile::files::AwsFile;
use super::profile::ini::Value;
use super::session::Session;
use crate::config::env::Env;
use crate::failure::Failure;
use crate::report::Attempt;

/// Everything that may be the reason, the surest first.
pub(super) async fn of(session: Option<Session>, env: &Env, walk: &[Attempt]) -> Vec<Failure> {
    let (kept, for_facts) = (session.map(Arc::new), env.clone());
    let look = move || (Facts::gather(for_facts), Platform::look());
    let Ok((facts, platform)) = tokio::task::spawn_blocking(look).await else { return Vec::new() };
    let mut all = Vec::new();
    all.extend(place::told(&facts));
    if let Some(session) = kept {
        all.extend(profile::told(&session, walk));
    }
    all.extend(platform.doubts(env));
    all.extend(home::told(&facts));
    all
}

/// A section glued to the end of a value of this file: its name, and what to do.
pub(super) fn glue(file: &AwsFile) -> Option<(String, Failure)> {
    let mut entries = file.ini.sections.iter().flat_map(|section| section.entries.values());
    entries.find_map(|entry| match &entry.value {
        Value::Text(text) => {
            let name = glued(text)?;
            Some((name.to_owned(), doubt_of_glue(&file.path, entry.line, name)))
        }
        Value::Nested(_) => None,
    })
}
