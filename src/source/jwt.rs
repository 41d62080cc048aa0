//! When a token ends, as it says itself: the one claim of a JWT that anybody may know.

use std::time::{Duration, SystemTime};

use aws_smithy_types::base64;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// The `exp` of a JWT; nothing for any other kind of token. Signatures are whoever takes the token's business.
pub(super) fn expiry(token: &str) -> Option<SystemTime> {
    let mut parts = token.trim().split('.');
    let (_head, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let mut plain = claims.trim_end_matches('=').replace('-', "+").replace('_', "/");
    while plain.len() % 4 != 0 {
        plain.push('=');
    }
    let claims: Claims = serde_json::from_slice(&base64::decode(plain).ok()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(claims.exp).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
