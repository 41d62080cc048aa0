//! The roles of SSO (IAM Identity Center): a token that `aws sso login` left behind, exchanged for a role's credentials.
//!
//! A profile says it all itself, or names an `[sso-session]` whose token can be refreshed. Refreshed it is only when it
//! has less than a quarter of an hour left, as botocore does.

mod refused;
mod settings;
mod token;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

use super::cache::CacheFile;
use super::session::Session;
use super::{Source, Surroundings, paths};
use crate::aws::{Place, RoleOfAccount};
use crate::cause;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::{Look, Notes, TokenKind};
use settings::Settings;
use token::Token;

/// A role of SSO, as a profile asks for it.
#[derive(Clone, Debug)]
pub struct Sso {
    profile: String,
    settings: Settings,
    cache: CacheFile,
    portal: Result<Place, Failure>,
    oidc: Result<Place, Failure>,
    around: Arc<Surroundings>,
}

/// A token with less than this left is refreshed.
const WINDOW: Duration = Duration::from_mins(15);

impl Sso {
    /// The source, if the profile names an account or a role of SSO.
    ///
    /// # Errors
    /// Settings that are missing, or that contradict each other.
    pub fn of(name: &str, session: &Session, around: &Arc<Surroundings>) -> Result<Option<Self>, Failure> {
        let Some(settings) = settings::of(name, &session.profiles)? else { return Ok(None) };
        let folder = paths::home("~/.aws/sso/cache", &session.env);
        let path = folder.join(format!("{}.json", token::cache_key(settings.cached_under())));
        let cache = CacheFile { path, absent: &cause::SSO_NOLOGIN, unusable: &cause::SSO_CACHE };
        // Where the address is configured, an empty region is as good as any.
        let region = Some(settings.region.as_str()).filter(|region| !region.is_empty());
        let place = |service| match session.place(service, region)? {
            place if region.is_some() || place.endpoint.is_some() => Ok(place),
            _ => Err(settings.no_region()),
        };
        let (portal, oidc, around) = (place("sso"), place("sso_oidc"), Arc::clone(around));
        Ok(Some(Self { profile: name.to_owned(), settings, cache, portal, oidc, around }))
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        for (setting, saw) in &self.settings.said {
            let (path, line) = (setting.file.to_path_buf(), setting.line);
            notes.looked.push(Look::Setting { path, line, saw: saw.clone() });
        }
        let place = self.portal.clone()?;
        let token = self.token(notes).await?;
        let Settings { account, role, .. } = &self.settings;
        let ask = RoleOfAccount { account: account.clone(), role: role.clone() };
        let access = token.access.as_ref();
        let access = access.ok_or_else(|| self.cache.unusable("holds an accessToken that is not text"))?;
        self.around.sign_in.role_credentials(access, &ask, &place, notes).await
    }

    async fn token(&self, notes: &mut Notes) -> Result<Token, Failure> {
        let token = self.cached(notes).await?;
        let due = self.settings.session.is_some() && token.left(self.now()) < WINDOW;
        let token = if due { self.prolonged(token, notes).await? } else { token };
        if token.left(self.now()).is_zero() {
            return Err(self.expired(&token, "and cannot be refreshed"));
        }
        notes.sign_in_ends.push((TokenKind::Sso, token.sign_in_ends()));
        Ok(token)
    }

    async fn cached(&self, notes: &mut Notes) -> Result<Token, Failure> {
        let kept = self.cache.read(self.around.attempt_timeout, notes).await?;
        Token::of(kept, self.settings.session.is_some()).map_err(|what| self.cache.unusable(what))
    }

    /// The token with another life; as it is where that cannot be had, as long as it is good.
    async fn prolonged(&self, token: Token, notes: &mut Notes) -> Result<Token, Failure> {
        let alive = !token.left(self.now()).is_zero();
        match token.can_be_refreshed(self.now()) {
            Err(what) => return Err(self.cache.unusable(what)),
            Ok(false) => return Ok(token),
            Ok(true) if self.around.renews => {}
            Ok(true) if alive => return Ok(token),
            Ok(true) => {
                let context =
                    format!("the token in {} is expired and can be refreshed", self.cache.path.display());
                return Err(Failure::new(FailureKind::AlreadyExpired, &cause::SSO_DUE, context));
            }
        }
        match self.refreshed(notes).await {
            // botocore, too, goes on with what it holds when it is refused; a service that is down is none of AWS's words
            // to it, but a reason to end a quarter of an hour early it is not.
            Err(failure) if alive && !spoiled(&failure) => Ok(token),
            Err(failure) if failure.cause == &cause::SSO_EXPIRED => {
                Err(self.expired(&token, &format!("and was not refreshed: {}", failure.context)))
            }
            refreshed => refreshed,
        }
    }

    async fn refreshed(&self, notes: &mut Notes) -> Result<Token, Failure> {
        let _turn = self.cache.turn(self.around.attempt_timeout).await?;
        // Somebody may have been faster.
        let token = self.cached(notes).await?;
        if token.left(self.now()) >= WINDOW {
            return Ok(token);
        }
        let place = self.oidc.clone()?;
        let subject = format!("the sign-in {}", self.settings.cached_under());
        let Some(grant) = token.grant(subject) else { return Ok(token) };
        let draft = self.cache.draft().await?;
        let new = self.around.sign_in.sso_token(&grant, &place, notes).await?;
        let Settings { start_url, region, .. } = &self.settings;
        let token = token.followed_by(new, self.now());
        self.cache.replace(draft, token.kept(start_url, region), notes).await?;
        Ok(token)
    }

    fn expired(&self, token: &Token, more: &str) -> Failure {
        let path = self.cache.path.display();
        let at = crate::clock::stamp(token.expires_at);
        Failure::new(
            FailureKind::Denied,
            &cause::SSO_EXPIRED,
            format!("the token in {path} ended at {at} {more}"),
        )
    }

    fn now(&self) -> SystemTime {
        self.around.clock.now()
    }
}

impl Source for Sso {
    fn kind(&self) -> SourceKind {
        SourceKind::Sso
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(async { self.ask(notes).await.map_err(|failure| self.mended(failure)) })
    }
}

/// Whether a file or an answer that claims success was not what it should be; a refusal may say what it likes.
fn spoiled(failure: &Failure) -> bool {
    let refused = failure.fact("status").is_some_and(|status| !status.starts_with('2'));
    failure.kind == FailureKind::Malformed && !refused
}
