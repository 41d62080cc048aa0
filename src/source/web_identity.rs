//! Exchanges a token that somebody else writes to a file for a role's credentials.
//!
//! Each of the three settings comes from the environment if the variable is set there, even to nothing, and from the
//! profile otherwise: they can be mixed, and an empty variable hides what the profile says.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::profile::files::forbidden;
use super::profile::merge::Profile;
use super::text::universal_newlines;
use super::{Source, Surroundings, jwt};
use crate::aws::{self, Place};
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::file::{self, Kind};
use crate::report::{Look, Notes, TokenKind};
use crate::secret::Secret;

/// A token file and the role it is good for.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    kind: SourceKind,
    token_file: String,
    said: Vec<Look>,
    role_arn: String,
    session_name: String,
    place: Result<Place, Failure>,
    around: Arc<Surroundings>,
}

/// A setting and where it was found.
struct Found {
    text: String,
    of_environment: bool,
    look: Look,
}

/// Where the settings are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Not looked at when the profile is explicit, or the source of another.
    pub env: Option<&'a Env>,
    /// The merged profile.
    pub profile: Option<&'a Profile>,
}

impl Asked<'_> {
    fn find(&self, variable: &str, key: &str) -> Result<Option<Found>, Failure> {
        if let Some(text) = self.env.and_then(|env| env.get(variable)) {
            let (name, text) = (variable.to_owned(), text.to_owned());
            let look = Look::Variable { name, set: true, value: Some(text.clone()) };
            return Ok(Some(Found { text, of_environment: true, look }));
        }
        let Some(setting) = self.profile.and_then(|profile| profile.setting(key)) else { return Ok(None) };
        let text = setting.text(key)?.to_owned();
        let (path, line) = (setting.file.to_path_buf(), setting.line);
        let look = Look::Setting { path, line, saw: format!("{key} = {text}") };
        Ok(Some(Found { text, of_environment: false, look }))
    }
}

/// The source if there is a token file; with its kind, because a refusal has one too.
///
/// # Errors
/// A token file without a role.
pub fn web_identity(
    asked: Asked<'_>,
    generated_name: &str,
    place: Result<Place, Failure>,
    around: &Arc<Surroundings>,
) -> Result<Option<WebIdentity>, (SourceKind, Failure)> {
    let of_profile = |failure| (SourceKind::ProfileWebIdentity, failure);
    let token = asked.find("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file").map_err(of_profile)?;
    let Some(token) = token.filter(|found| !found.text.is_empty()) else { return Ok(None) };
    let kind = if token.of_environment { SourceKind::WebIdentity } else { SourceKind::ProfileWebIdentity };
    let role = asked.find("AWS_ROLE_ARN", "role_arn").map_err(|failure| (kind, failure))?;
    let Some(role) = role.filter(|found| !found.text.is_empty()) else {
        let context = format!("the token file {} is named, and no role", token.text);
        return Err((kind, Failure::misconfigured(&cause::WI_HALF, context)));
    };
    let session =
        asked.find("AWS_ROLE_SESSION_NAME", "role_session_name").map_err(|failure| (kind, failure))?;
    let session = session.filter(|found| !found.text.is_empty());
    let session_name = session.as_ref().map_or_else(|| generated_name.to_owned(), |found| found.text.clone());
    let said = [Some(token.look), Some(role.look), session.map(|found| found.look)];
    Ok(Some(WebIdentity {
        kind,
        token_file: token.text,
        said: said.into_iter().flatten().collect(),
        role_arn: role.text,
        session_name,
        place,
        around: Arc::clone(around),
    }))
}

/// What STS accepts at least; botocore refuses less without asking (`ParamValidationError`).
const LEAST_TOKEN: usize = 4;

impl WebIdentity {
    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        notes.looked.extend(self.said.iter().cloned());
        let place = self.place.clone()?;
        super::assume_role::check(&self.role_arn, &self.session_name, None, None, "web identity")?;
        let token = self.token(notes).await?;
        let ask = aws::WebIdentity {
            role_arn: self.role_arn.clone(),
            session_name: self.session_name.clone(),
            token,
            duration: None,
        };
        self.around.sts.assume_role_with_web_identity(&ask, &place, notes).await
    }

    /// Read anew each time, never trimmed.
    async fn token(&self, notes: &mut Notes) -> Result<Secret, Failure> {
        let path = std::path::PathBuf::from(&self.token_file);
        let within = self.around.attempt_timeout;
        let read = path.clone();
        let work = tokio::task::spawn_blocking(move || file::read(&read));
        let Ok(Ok((stamp, content))) = tokio::time::timeout(within, work).await else {
            let context = format!("reading the token file {} took longer than {within:?}", path.display());
            return Err(Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, context));
        };
        notes.file(Kind::Token, &path, stamp);
        let bytes = content.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let context = format!("the token file {} does not exist", path.display());
                Failure::misconfigured(&cause::WI_NOFILE, context)
            }
            io::ErrorKind::PermissionDenied => {
                Failure { kind: FailureKind::Misconfigured, ..forbidden(&path, &cause::WI_EACCES) }
            }
            _ => {
                let context = format!("the token file {} cannot be read: {error}", path.display());
                Failure::misconfigured(&cause::FILE_UNREADABLE, context)
            }
        })?;
        let text = String::from_utf8(bytes).ok().map(|text| universal_newlines(&text));
        let expiry = text.as_deref().and_then(jwt::expiry);
        notes.sign_in_ends.extend(expiry.map(|at| (TokenKind::WebIdentity, at)));
        text.filter(|text| text.chars().count() >= LEAST_TOKEN).map(Secret::new).ok_or_else(|| {
            let context = format!("the token file {} holds no token", path.display());
            Failure::misconfigured(&cause::WI_TOKEN, context)
        })
    }
}

impl Source for WebIdentity {
    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.ask(notes))
    }
}
