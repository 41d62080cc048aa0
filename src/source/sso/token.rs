//! The token of an SSO sign-in, as its file holds it (`SSOTokenLoader`, `SSOTokenProvider`).

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::Value;

use crate::aws::{self, Grant};
use crate::clock::stamp;
use crate::secret::Secret;
use crate::source::cache::{Kept, hex};
use crate::source::moment;

/// A token that may have ended.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// None: not text, which does not matter to one that is refreshed.
    pub(super) access: Option<Secret>,
    pub(super) expires_at: SystemTime,
    /// What it can be refreshed with.
    renewal: Option<Renewal>,
}

#[derive(Clone, Debug)]
struct Renewal {
    client_id: String,
    client_secret: Secret,
    refresh_token: Option<Secret>,
    /// As it stands in the file, when the registration of the client ends.
    registered_until: String,
}

/// The name of the file: of the session, or of the address to sign in at.
pub(super) fn cache_key(name: &str) -> String {
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes()).as_ref())
}

impl Token {
    /// The token, or what is wrong with what is kept.
    pub(super) fn of(mut kept: Kept, of_session: bool) -> Result<Self, &'static str> {
        if !kept.contains_key("accessToken") || !kept.contains_key("expiresAt") {
            return Err("holds no token: accessToken or expiresAt is missing");
        }
        let access = secret(&mut kept, "accessToken");
        let expires_at = kept.get("expiresAt").and_then(Value::as_str).and_then(moment::parse);
        let expires_at = expires_at.ok_or("holds an expiresAt that is no time with a zone")?;
        let renewal = of_session.then(|| renewal(&mut kept)).flatten();
        Ok(Self { access, expires_at, renewal })
    }

    pub(super) fn left(&self, now: SystemTime) -> Duration {
        self.expires_at.duration_since(now).unwrap_or_default()
    }

    /// Whether there is something to refresh it with, whose registration has not ended.
    pub(super) fn can_be_refreshed(&self, now: SystemTime) -> Result<bool, &'static str> {
        let Some(renewal) = self.renewal.as_ref().filter(|with| with.refresh_token.is_some()) else {
            return Ok(false);
        };
        let until = moment::parse(&renewal.registered_until);
        Ok(until.ok_or("holds a registrationExpiresAt that is no time with a zone")? > now)
    }

    /// When somebody has to sign in again, as far as the file knows.
    pub(super) fn sign_in_ends(&self) -> SystemTime {
        let renewal = self.renewal.as_ref().filter(|with| with.refresh_token.is_some());
        let until = renewal.and_then(|with| moment::parse(&with.registered_until));
        until.map_or(self.expires_at, |until| until.max(self.expires_at))
    }

    pub(super) fn grant(&self, subject: String) -> Option<Grant> {
        let renewal = self.renewal.as_ref()?;
        Some(Grant {
            subject,
            client_id: renewal.client_id.clone(),
            client_secret: renewal.client_secret.clone(),
            refresh_token: renewal.refresh_token.clone()?,
        })
    }

    /// The next token, which keeps the registration of this one.
    pub(super) fn followed_by(self, new: aws::Token, now: SystemTime) -> Self {
        let renewal = self.renewal.map(|old| Renewal { refresh_token: new.refresh_token, ..old });
        Self { access: Some(new.access_token), expires_at: now + new.life, renewal }
    }

    /// As other tools expect it: botocore's fields, and no others.
    pub(super) fn kept(&self, start_url: &str, region: &str) -> Kept {
        let mut kept = Kept::new();
        let mut put = |key: &str, value: &str| kept.insert(key.to_owned(), Value::from(value));
        put("accessToken", self.access.as_ref().map(Secret::expose).unwrap_or_default());
        put("expiresAt", &stamp(self.expires_at));
        put("startUrl", start_url);
        put("region", region);
        if let Some(renewal) = &self.renewal {
            put("clientId", &renewal.client_id);
            put("clientSecret", renewal.client_secret.expose());
            put("registrationExpiresAt", &renewal.registered_until);
            if let Some(token) = &renewal.refresh_token {
                put("refreshToken", token.expose());
            }
        }
        kept
    }
}

fn renewal(kept: &mut Kept) -> Option<Renewal> {
    Some(Renewal {
        client_id: text(kept, "clientId")?,
        client_secret: secret(kept, "clientSecret")?,
        refresh_token: Some(secret(kept, "refreshToken")?),
        registered_until: text(kept, "registrationExpiresAt")?,
    })
}

fn text(kept: &mut Kept, key: &str) -> Option<String> {
    match kept.remove(key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn secret(kept: &mut Kept, key: &str) -> Option<Secret> {
    text(kept, key).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(kept: Value) -> Result<Token, &'static str> {
        let Value::Object(kept) = kept else { unreachable!() };
        Token::of(kept, true)
    }

    fn at(text: &str) -> SystemTime {
        moment::parse(text).unwrap()
    }

    fn full() -> Value {
        json!({
            "startUrl": "https://old", "region": "old", "scopes": ["x"],
            "accessToken": "a", "expiresAt": "2030-01-31T12:00:00Z",
            "clientId": "i", "clientSecret": "s", "refreshToken": "r",
            "registrationExpiresAt": "2030-03-31T12:00:00.5Z",
        })
    }

    #[test]
    fn files_are_named_as_botocore_names_them() {
        assert_eq!(cache_key("corp"), "ee0bfd2552fbd840c02cc48b6e823320543c450f");
    }

    #[test]
    fn what_a_token_lacks_is_said() {
        for (kept, what) in [
            (json!({}), "missing"),
            (json!({"accessToken": "a"}), "missing"),
            (json!({"accessToken": "a", "expiresAt": "2030-01-31T12:00:00"}), "no time with a zone"),
        ] {
            assert!(token(kept).unwrap_err().contains(what), "{what}");
        }
        let odd = token(json!({"accessToken": 1, "expiresAt": "2030-01-31T12:00:00Z"})).unwrap();
        assert!(odd.access.is_none());
    }

    #[test]
    fn only_a_whole_and_living_registration_refreshes() {
        let now = at("2030-01-31T12:00:00Z");
        assert_eq!(token(full()).unwrap().can_be_refreshed(now), Ok(true));
        assert_eq!(token(full()).unwrap().can_be_refreshed(at("2030-03-31T12:00:01Z")), Ok(false));
        for key in ["clientId", "clientSecret", "refreshToken", "registrationExpiresAt"] {
            let mut less = full();
            less.as_object_mut().unwrap().remove(key);
            let token = token(less).unwrap();
            assert_eq!(token.can_be_refreshed(now), Ok(false), "{key}");
            assert_eq!(token.sign_in_ends(), now, "{key}");
        }
        let mut strange = full();
        strange["registrationExpiresAt"] = "never".into();
        assert!(token(strange).unwrap().can_be_refreshed(now).is_err());
        assert_eq!(token(full()).unwrap().sign_in_ends(), at("2030-03-31T12:00:00.5Z"));
    }

    #[test]
    fn the_next_token_keeps_the_registration_and_takes_the_next_refresh_token() {
        let new = |refresh_token: Option<&str>| aws::Token {
            access_token: Secret::new("b"),
            life: Duration::from_secs(3600),
            refresh_token: refresh_token.map(Secret::new),
        };
        let next = |new| token(full()).unwrap().followed_by(new, at("2030-01-31T12:00:00.7Z")).kept("u", "e");
        let mut want = json!({
            "startUrl": "u", "region": "e",
            "accessToken": "b", "expiresAt": "2030-01-31T13:00:00Z",
            "clientId": "i", "clientSecret": "s", "refreshToken": "q",
            "registrationExpiresAt": "2030-03-31T12:00:00.5Z",
        });
        assert_eq!(Value::Object(next(new(Some("q")))), want);
        want.as_object_mut().unwrap().remove("refreshToken");
        assert_eq!(Value::Object(next(new(None))), want);
    }
}
