//! Exchanges a token that somebody else writes to a file, or that a command prints, for a role's credentials.
//!
//! Outside of our own configuration each of the three settings comes from the environment if the variable is set there, even to nothing, and from the
//! profile otherwise: they can be mixed, and an empty variable hides what the profile says.

mod refused;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::jwt::Claims;
use super::process::Program;
use super::profile::files::forbidden;
use super::profile::merge::Profile;
use super::shell::quoted;
use super::text::universal_newlines;
use super::{Source, Surroundings};
use crate::aws::{self, Place};
use crate::cause;
use crate::config::Argv;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind, Remedy};
use crate::file::{self, Kind};
use crate::report::{Look, Notes, TokenKind};
use crate::secret::Secret;

/// A token and the role it is good for.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    kind: SourceKind,
    said: Vec<Look>,
    asked: Exchange,
}

/// What is exchanged for what.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) token: TokenSource,
    pub(super) role_arn: String,
    pub(super) session_name: String,
    /// Seconds.
    pub(super) duration: Option<i32>,
    pub(super) policy: Option<String>,
    pub(super) place: Result<Place, Failure>,
    pub(super) around: Arc<Surroundings>,
}

/// Where a token comes from.
#[derive(Clone, Debug)]
pub(super) enum TokenSource {
    /// A file that is taken as it stands, as botocore does.
    Verbatim(PathBuf),
    /// A file without the white space around its token.
    Plain(PathBuf),
    /// A command that prints a fresh one.
    Process(Argv, Program),
}

impl TokenSource {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Verbatim(path) | Self::Plain(path) => Some(path),
            Self::Process(..) => None,
        }
    }
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
        return Err((kind, roleless(&token)));
    };
    let session =
        asked.find("AWS_ROLE_SESSION_NAME", "role_session_name").map_err(|failure| (kind, failure))?;
    let session = session.filter(|found| !found.text.is_empty());
    let session_name = session.as_ref().map_or_else(|| generated_name.to_owned(), |found| found.text.clone());
    let said = [Some(token.look), Some(role.look), session.map(|found| found.look)];
    let asked = Exchange {
        token: TokenSource::Verbatim(token.text.into()),
        role_arn: role.text,
        session_name,
        duration: None,
        policy: None,
        place,
        around: Arc::clone(around),
    };
    Ok(Some(WebIdentity { kind, said: said.into_iter().flatten().collect(), asked }))
}

/// What STS accepts at least; botocore refuses less without asking (`ParamValidationError`).
const LEAST_TOKEN: usize = 4;
/// What STS accepts at most.
const MOST_TOKEN: usize = 20_000;

impl WebIdentity {
    /// The web identity of a role of our own configuration.
    pub(super) const fn of_role(asked: Exchange) -> Self {
        Self { kind: SourceKind::RoleWebIdentity, said: Vec::new(), asked }
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        notes.looked.extend(self.said.iter().cloned());
        let Exchange { role_arn, session_name, duration, policy, place, around, .. } = &self.asked;
        let place = place.clone()?;
        super::assume_role::check(role_arn, session_name, None, *duration, "web identity")?;
        let token = self.token(notes).await?;
        let claims = Claims::of(token.as_str()).unwrap_or_default();
        notes.sign_in_ends.extend(claims.expiry.map(|at| (TokenKind::WebIdentity, at)));
        let ask = aws::WebIdentity {
            role_arn: role_arn.clone(),
            session_name: session_name.clone(),
            token: Secret::new(token.as_str()),
            duration: *duration,
            policy: policy.clone(),
        };
        let answer = around.sts.assume_role_with_web_identity(&ask, &place, notes).await;
        if answer.is_ok() {
            notes.doubts.extend(refused::overdue(&claims, around.clock.now(), self.asked.token.file()));
        }
        answer.map_err(|failure| {
            let good_here = refused::good_here(&claims, around.clock.now());
            let by_clock = failure.cause != &cause::WI_EXPIRED || good_here;
            let calls = if by_clock { notes.calls.as_slice() } else { &[] };
            let failure = super::refused::explained(failure, role_arn, &place, calls);
            refused::explained(failure, &claims, role_arn, self.asked.token.file())
        })
    }

    /// Read or made anew each time.
    async fn token(&self, notes: &mut Notes) -> Result<Zeroizing<String>, Failure> {
        let no_token = |path: &Path| {
            let context = format!("the token file {} holds no token", path.display());
            Failure::misconfigured(&cause::WI_TOKEN, context)
        };
        let long_enough = |text: &str| text.chars().count() >= LEAST_TOKEN;
        match &self.asked.token {
            TokenSource::Verbatim(path) => {
                let text = self.read(path, notes).await?;
                text.filter(|text| long_enough(text)).ok_or_else(|| no_token(path))
            }
            TokenSource::Plain(path) => {
                let text = self.read(path, notes).await?.ok_or_else(|| no_token(path))?;
                let token = text.trim();
                long_enough(token).then(|| token.to_owned().into()).ok_or_else(|| no_token(path))
            }
            TokenSource::Process(argv, program) => {
                let printed = program.run(&argv.0, notes).await?;
                printed_token(&printed)
                    .map(|token| token.to_owned().into())
                    .map_err(|what| program.useless(&what))
            }
        }
    }

    /// The text of a file, if it is text.
    async fn read(&self, path: &Path, notes: &mut Notes) -> Result<Option<Zeroizing<String>>, Failure> {
        let within = self.asked.around.attempt_timeout;
        let read = path.to_owned();
        let work = tokio::task::spawn_blocking(move || file::read(&read));
        let Ok(Ok((stamp, content))) = tokio::time::timeout(within, work).await else {
            let context = format!("reading the token file {} took longer than {within:?}", path.display());
            return Err(Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, context));
        };
        notes.file(Kind::Token, path, stamp);
        let bytes = content.map_err(|error| unreadable(path, &error))?;
        Ok(String::from_utf8(bytes).ok().map(|text| universal_newlines(&text).into()))
    }
}

/// What a command printed, without the white space around it, if STS might take it.
fn printed_token(printed: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(printed).map_err(|_| "printed bytes that are not UTF-8".to_owned())?;
    match text.trim() {
        token if token.len() < LEAST_TOKEN => Err("printed no token".to_owned()),
        token if token.contains(char::is_whitespace) => Err("printed more than a token".to_owned()),
        token if token.len() > MOST_TOKEN => {
            Err(format!("printed more than the {MOST_TOKEN} characters that STS takes"))
        }
        token => Ok(token),
    }
}

/// A token and no role.
fn roleless(token: &Found) -> Failure {
    let context = format!("the token file {} is named, and no role", token.text);
    let failure = Failure::misconfigured(&cause::WI_HALF, context);
    match &token.look {
        Look::Variable { name, .. } => failure.mend(Remedy::command(
            format!("set AWS_ROLE_ARN to the role that is meant; if none is, unset {name}"),
            format!("unset {name}"),
        )),
        _ => failure.mend(Remedy::new("put role_arn beside web_identity_token_file, or take that away")),
    }
}

/// A role and no token: botocore says nothing, and goes on.
pub fn tokenless(env: &Env) -> Option<Failure> {
    let role = env.filled("AWS_ROLE_ARN")?;
    let context = format!("AWS_ROLE_ARN is {role}, and AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    let failure = Failure { cause: &cause::WI_HALF, ..Failure::not_configured(context) };
    Some(failure.mend(Remedy::new(
        "set AWS_WEB_IDENTITY_TOKEN_FILE to the file of the token; a role is assumed with other credentials by \
         role_arn and source_profile in a profile",
    )))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let context = format!("the token file {} does not exist", path.display());
            Failure::misconfigured(&cause::WI_NOFILE, context)
        }
        io::ErrorKind::PermissionDenied => {
            let failure = Failure { kind: FailureKind::Misconfigured, ..forbidden(path, &cause::WI_EACCES) };
            let us = nix::unistd::Uid::effective();
            let text = format!(
                "in a pod, set fsGroup in its security context; elsewhere let uid {us} read the file"
            );
            let command = format!("sudo chown {us} {}", quoted(path.display()));
            failure.mend(Remedy::command(text, command))
        }
        _ => {
            let context = format!("the token file {} cannot be read: {error}", path.display());
            Failure::misconfigured(&cause::FILE_UNREADABLE, context)
        }
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
