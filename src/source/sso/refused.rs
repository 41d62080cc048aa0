//! What to do about a sign-in that is missing, over or refused: the very command, and whether somebody has signed in
//! under another name.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::Sso;
use crate::cause;
use crate::failure::{Failure, Remedy};
use crate::source::moment;
use crate::source::shell::quoted;

/// Files of the folder that are looked into at most.
const MOST: usize = 50;

/// What may be known of somebody else's token.
#[derive(Deserialize)]
struct Other {
    #[serde(rename = "startUrl")]
    start_url: String,
    #[serde(rename = "expiresAt")]
    expires_at: String,
}

impl Sso {
    pub(super) fn mended(&self, failure: Failure) -> Failure {
        let again = || Remedy::command("sign in, as the user this runs as", self.sign_in());
        match failure.cause.code {
            "SSO-NOLOGIN" => match self.elsewhere() {
                Some(name) => {
                    let context = format!(
                        "{}; {name} beside it is a sign-in at {} that has not ended, kept under another name",
                        failure.context, self.settings.start_url
                    );
                    Failure { cause: &cause::SSO_STALE_CACHE, context, ..failure }.mend(again())
                }
                None => failure.mend(again()),
            },
            "SSO-EXPIRED" => failure.mend(again()),
            "SSO-REVOKED" => failure
                .mend(Remedy::command(
                    "the session was ended elsewhere: sign in again",
                    format!("aws sso logout; {}", self.sign_in()),
                ))
                .mend(Remedy::new(format!(
                    "compare sso_region = {} and sso_start_url = {} with those of the sign-in",
                    self.settings.region, self.settings.start_url
                ))),
            "SSO-DENIED" => failure.mend(Remedy::new(format!(
                "have {} of {} assigned to whoever signed in, or correct sso_role_name and sso_account_id: {} shows what there is",
                self.settings.role, self.settings.account, self.settings.start_url
            ))),
            "SSO-DUE" => failure.mend(Remedy::command(
                "explain changes nothing; this refreshes it, or says why it cannot",
                format!("keyfob get --profile {}", quoted(&self.profile)),
            )),
            _ => failure,
        }
    }

    fn sign_in(&self) -> String {
        match &self.settings.session {
            Some(session) => format!("aws sso login --sso-session {}", quoted(session)),
            None => format!("aws sso login --profile {}", quoted(&self.profile)),
        }
    }

    /// The file of a living sign-in at the same address.
    fn elsewhere(&self) -> Option<String> {
        let folder = self.cache.path.parent()?;
        let files = fs::read_dir(folder).ok()?.take(MOST).filter_map(Result::ok);
        let mut names: Vec<_> = files.map(|file| file.path()).filter(|path| self.is_alive(path)).collect();
        names.sort();
        Some(names.first()?.file_name()?.to_string_lossy().into_owned())
    }

    fn is_alive(&self, path: &Path) -> bool {
        let known =
            path.extension().is_some_and(|extension| extension == "json") && *path != *self.cache.path;
        let bytes = known.then(|| crate::file::read(path).1.ok()).flatten();
        let other = bytes.and_then(|bytes| serde_json::from_slice::<Other>(&bytes).ok());
        let now: SystemTime = self.now();
        other.is_some_and(|other| {
            let same = other.start_url.trim_end_matches('/') == self.settings.start_url.trim_end_matches('/');
            same && moment::parse(&other.expires_at).is_some_and(|end| end > now)
        })
    }
}
