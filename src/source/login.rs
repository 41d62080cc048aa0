//! What `aws login` left behind: short-lived credentials in a file, and a key that proves whose they are when they are
//! refreshed (`LoginProvider`, `LoginCredentialFetcher`).

mod proof;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::cache::{CacheFile, Kept, hex};
use super::profile::merge::Setting;
use super::session::Session;
use super::shell::quoted;
use super::{Source, Surroundings, moment, paths};
use crate::aws::{Grant, Place};
use crate::cause;
use crate::clock::stamp;
use crate::credentials::{AccountId, Credentials, SourceKind};
use crate::failure::{Failure, FailureKind, Remedy};
use crate::report::{Look, Notes};
use crate::secret::Secret;
use proof::Key;

/// A profile's `login_session`.
#[derive(Clone, Debug)]
pub struct Login {
    profile: String,
    name: String,
    setting: Setting,
    cache: CacheFile,
    place: Result<Place, Failure>,
    around: Arc<Surroundings>,
}

/// With more than this left they stay as they are.
const THRESHOLD: Duration = Duration::from_mins(5);
/// botocore looks at the key from here on.
const MANDATORY: Duration = Duration::from_mins(10);

const NEEDED: [&str; 4] = ["accessToken", "refreshToken", "dpopKey", "clientId"];

impl Login {
    /// The source, if the profile names a session of `aws login`.
    ///
    /// # Errors
    /// A name that is no text.
    pub fn of(name: &str, session: &Session, around: &Arc<Surroundings>) -> Result<Option<Self>, Failure> {
        let setting = session.profiles.get(name).and_then(|profile| profile.setting("login_session"));
        let Some(setting) = setting.cloned() else { return Ok(None) };
        let profile = name.to_owned();
        let name = setting.text("login_session")?.to_owned();
        let folder = match session.env.get("AWS_LOGIN_CACHE_DIRECTORY") {
            Some(folder) => paths::expand(folder, &session.env),
            None => paths::home("~/.aws/login/cache", &session.env),
        };
        let path = folder.join(format!("{}.json", hex(digest(&SHA256, name.as_bytes()).as_ref())));
        let cache = CacheFile { path, absent: &cause::LOGIN_NOLOGIN, unusable: &cause::LOGIN_CACHE };
        let place = session.place("signin", session.region()).and_then(|place| match place.region {
            Some(_) => Ok(place),
            None if place.endpoint.is_some() => Ok(place),
            None => {
                let context = "no region is set, and `aws login` is refreshed in one";
                Err(Failure::misconfigured(&cause::PROFILE_VALUE, context))
            }
        });
        Ok(Some(Self { profile, name, setting, cache, place, around: Arc::clone(around) }))
    }

    async fn ask(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let (path, line) = (self.setting.file.to_path_buf(), self.setting.line);
        notes.looked.push(Look::Setting { path, line, saw: format!("login_session = {}", self.name) });
        let (kept, left) = self.cached(notes).await?;
        if left >= MANDATORY {
            return self.held(&kept);
        }
        if !self.around.renews {
            return if left.is_zero() { Err(self.due()) } else { self.held(&kept) };
        }
        let key = self.key(&kept)?;
        if left > THRESHOLD { self.held(&kept) } else { self.refreshed(key, notes).await }
    }

    /// What the file holds, and how long what is in it lives. A refresh replaces it, whatever it is.
    async fn cached(&self, notes: &mut Notes) -> Result<(Kept, Duration), Failure> {
        let kept = self.cache.read(self.around.attempt_timeout, notes).await?;
        let missing: Vec<&str> = NEEDED.into_iter().filter(|key| !kept.contains_key(*key)).collect();
        if !missing.is_empty() {
            return Err(self.cache.unusable(&format!("holds no {}", missing.join(", no "))));
        }
        let ends = ends(&kept).map_err(|what| self.cache.unusable(&what))?;
        Ok((kept, ends.duration_since(self.now()).unwrap_or_default()))
    }

    fn held(&self, kept: &Kept) -> Result<Credentials, Failure> {
        credentials(kept).map_err(|what| self.cache.unusable(&what))
    }

    fn key(&self, kept: &Kept) -> Result<Key, Failure> {
        let pem = kept.get("dpopKey").and_then(Value::as_str);
        pem.and_then(Key::parse).ok_or_else(|| self.cache.unusable("holds a dpopKey that is no P-256 key"))
    }

    async fn refreshed(&self, key: Key, notes: &mut Notes) -> Result<Credentials, Failure> {
        let _turn = self.cache.turn(self.around.attempt_timeout).await?;
        // Somebody may have been faster.
        let (mut kept, left) = self.cached(notes).await?;
        if left > THRESHOLD {
            return self.held(&kept);
        }
        let place = self.place.clone()?;
        let grant = self.grant(&kept)?;
        let draft = self.cache.draft().await?;
        let clock = self.around.clock.clone();
        let prove = move |address: &str| key.proof(address, clock.now());
        let (new, life, refresh_token) = self.around.sign_in.login(&grant, prove, &place, notes).await?;
        let ends = stamp(self.now() + life);
        let found = Credentials { expires_at: moment::parse(&ends), account_id: account(&kept), ..new };
        keep(&mut kept, &found, &ends, &refresh_token);
        self.cache.replace(draft, kept, notes).await?;
        Ok(found)
    }

    fn grant(&self, kept: &Kept) -> Result<Grant, Failure> {
        let text = |key: &str| {
            let text = kept.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.ok_or_else(|| self.cache.unusable(&format!("holds a {key} that is no text")))
        };
        Ok(Grant {
            subject: format!("the sign-in {}", self.name),
            client_id: text("clientId")?.to_owned(),
            client_secret: Secret::new(""),
            refresh_token: Secret::new(text("refreshToken")?),
        })
    }

    /// The very command.
    fn mended(&self, failure: Failure) -> Failure {
        let profile = quoted(&self.profile);
        let (text, command) = match failure.cause.code {
            "LOGIN-NOLOGIN" | "LOGIN-EXPIRED" | "LOGIN-CHANGED" => {
                ("sign in, as the user this runs as", format!("aws login --profile {profile}"))
            }
            "LOGIN-DUE" => (
                "explain changes nothing; this refreshes it, or says why it cannot",
                format!("keyfob get --profile {profile}"),
            ),
            _ => return failure,
        };
        failure.mend(Remedy::command(text, command))
    }

    fn due(&self) -> Failure {
        let context =
            format!("the credentials in {} are expired and can be refreshed", self.cache.path.display());
        Failure::new(FailureKind::AlreadyExpired, &cause::LOGIN_DUE, context)
    }

    fn now(&self) -> SystemTime {
        self.around.clock.now()
    }
}

/// botocore wants them to be there, whatever they are.
const FIELDS: [&str; 5] = ["accessKeyId", "secretAccessKey", "sessionToken", "expiresAt", "accountId"];

fn access_token(kept: &Kept) -> Result<&Kept, String> {
    let said = kept.get("accessToken").and_then(Value::as_object);
    let said = said.ok_or("holds an accessToken that is no object")?;
    let missing = FIELDS.into_iter().find(|key| !said.contains_key(*key));
    missing.map_or(Ok(said), |key| Err(format!("holds an accessToken without {key}")))
}

fn text(kept: &Kept, key: &str) -> Result<String, String> {
    let text = access_token(kept)?.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| format!("holds an accessToken whose {key} is no text"))
}

fn ends(kept: &Kept) -> Result<SystemTime, String> {
    let ends = moment::parse(&text(kept, "expiresAt")?);
    ends.ok_or_else(|| "holds an accessToken whose expiresAt is no time with a zone".to_owned())
}

fn credentials(kept: &Kept) -> Result<Credentials, String> {
    Ok(Credentials {
        access_key_id: text(kept, "accessKeyId")?,
        secret_access_key: Secret::new(text(kept, "secretAccessKey")?),
        session_token: Some(Secret::new(text(kept, "sessionToken")?)),
        expires_at: Some(ends(kept)?),
        account_id: account(kept),
        role_arn: None,
    })
}

fn account(kept: &Kept) -> Option<AccountId> {
    kept.get("accessToken")?.get("accountId")?.as_str().and_then(AccountId::parse)
}

/// Whatever else stands there stays, an account as it was written.
fn keep(kept: &mut Kept, found: &Credentials, ends: &str, refresh_token: &Secret) {
    let account = kept.get("accessToken").and_then(|held| held.get("accountId")).cloned();
    let token = found.session_token.as_ref().map_or("", Secret::expose);
    kept.insert("refreshToken".to_owned(), Value::from(refresh_token.expose()));
    kept.insert(
        "accessToken".to_owned(),
        serde_json::json!({
            "accessKeyId": found.access_key_id,
            "secretAccessKey": found.secret_access_key.expose(),
            "sessionToken": token,
            "accountId": account,
            "expiresAt": ends,
        }),
    );
}

impl Source for Login {
    fn kind(&self) -> SourceKind {
        SourceKind::Login
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(async { self.ask(notes).await.map_err(|failure| self.mended(failure)) })
    }
}
