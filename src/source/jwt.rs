//! What a token says of itself: whose it is, for whom, by whom and until when. Signatures are whoever takes the token's
//! business, and the token itself is nobody's but theirs.

use std::time::{Duration, SystemTime};

use aws_smithy_types::base64;
use serde_json::{Map, Value};

/// Of a claim that is shown, in characters.
const SHOWN: usize = 200;

/// The claims of a JWT that anybody may know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// `iss`
    pub(super) issuer: Option<String>,
    /// `sub`
    pub(super) subject: Option<String>,
    /// `aud`, one or many.
    pub(super) audience: Vec<String>,
    /// `iat`
    pub(super) issued: Option<SystemTime>,
    /// `exp`
    pub(super) expiry: Option<SystemTime>,
}

impl Claims {
    /// What a JWT says; nothing for any other kind of token.
    pub(super) fn of(token: &str) -> Option<Self> {
        let mut parts = token.trim().split('.');
        let (_head, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        let mut plain = claims.trim_end_matches('=').replace('-', "+").replace('_', "/");
        while plain.len() % 4 != 0 {
            plain.push('=');
        }
        let said: Map<String, Value> = serde_json::from_slice(&base64::decode(plain).ok()?).ok()?;
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(shown);
        let time = |name: &str| {
            let since = Duration::try_from_secs_f64(said.get(name)?.as_f64()?).ok()?;
            SystemTime::UNIX_EPOCH.checked_add(since)
        };
        let audience = match said.get("aud") {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(shown).collect(),
            Some(Value::String(one)) => vec![shown(one)],
            _ => Vec::new(),
        };
        Some(Self {
            issuer: text("iss"),
            subject: text("sub"),
            audience,
            issued: time("iat"),
            expiry: time("exp"),
        })
    }

    /// The issuer as IAM names its provider: without the scheme.
    pub(super) fn provider(&self) -> Option<&str> {
        self.issuer.as_deref().map(|issuer| issuer.strip_prefix("https://").unwrap_or(issuer))
    }

    /// Whether nine tenths of its life are over: a kubelet writes a new one after eight.
    pub(super) fn overdue(&self, now: SystemTime) -> bool {
        let life = self.expiry.zip(self.issued).and_then(|(end, begin)| end.duration_since(begin).ok());
        let left = self.expiry.and_then(|end| end.duration_since(now).ok());
        life.zip(left).is_some_and(|(life, left)| left < life / 10)
    }

    /// Namespace and name, where the token is of a service account of Kubernetes.
    pub(super) fn service_account(&self) -> Option<(&str, &str)> {
        self.subject.as_deref()?.strip_prefix("system:serviceaccount:")?.split_once(':')
    }
}

/// Whoever made the token wrote this: bounded, on one line, and nothing that ends a quoted word.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '\'' { ' ' } else { c }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(token: &str) -> Option<SystemTime> {
        Claims::of(token)?.expiry
    }

    fn token(claims: &str) -> String {
        let encoded = base64::encode(claims).replace('+', "-").replace('/', "_");
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", encoded.trim_end_matches('='))
    }

    #[test]
    fn the_end_of_a_jwt_is_read_and_nothing_of_what_is_none() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (claims, want) in [
            (r#"{"aud":["sts.amazonaws.com"],"exp":1896091200,"sub":"a?b>c~d"}"#, at(1_896_091_200)),
            (r#"{"exp":0}"#, at(0)),
            (r#"{"exp":1.8960912e9}"#, at(1_896_091_200)),
            (r#"{"exp":-1}"#, None),
            (r#"{"exp":1e300}"#, None),
            (r#"{"exp":"soon"}"#, None),
            (r#"{"sub":"x"}"#, None),
            ("no JSON", None),
        ] {
            assert_eq!(expiry(&token(claims)), want, "{claims}");
        }
        assert_eq!(expiry(&format!("{}\n", token(r#"{"exp":60}"#))), at(60));
        for opaque in ["", "token", "a.b", "a..c", "a.%%%.c", "a.\u{e9}.c"] {
            assert_eq!(expiry(opaque), None, "{opaque}");
        }
    }

    #[test]
    fn what_a_token_says_is_read_and_made_harmless() {
        let claims = Claims::of(&token(
            r#"{"iss":"https://oidc.example/id/1","sub":"system:serviceaccount:web:app","aud":"sts.amazonaws.com"}"#,
        ))
        .unwrap();
        assert_eq!(claims.provider(), Some("oidc.example/id/1"));
        assert_eq!(claims.service_account(), Some(("web", "app")));
        assert_eq!(claims.audience, ["sts.amazonaws.com"]);
        let many = Claims::of(&token(r#"{"aud":["a\nb",7,"it's"],"sub":7}"#)).unwrap();
        assert_eq!(many.audience, ["a b", "it s"]);
        assert_eq!((many.subject, many.issuer, many.expiry), (None, None, None));
        assert_eq!(Claims::of("opaque"), None);
    }
}
