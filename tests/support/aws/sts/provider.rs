//! An identity provider that AWS was told of, and one role's trust in it: tokens are verified as AWS does.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use aws_smithy_types::base64;
use jiff::Timestamp;
use serde_json::Value;

use super::xml::Refusal;

/// Whose tokens are taken, and for whom.
#[derive(Clone, Debug)]
pub struct Provider {
    /// `iss`, without the JWKS being fetched from it.
    pub issuer: String,
    /// Its JWKS.
    pub keys: Value,
    /// What must be among `aud`.
    pub audience: String,
    /// `sub` as the trust policy has it.
    pub subject: String,
}

impl Provider {
    /// The claims of a good token. Refusals are in AWS's words, in the order of its checks as far as it shows.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Value, Refusal> {
        let invalid = |text: String| Refusal::new(400, "InvalidIdentityToken", text);
        let no_token = || invalid("The ID Token provided is not a valid JWT.".to_owned());
        let (signed, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
        let (head, body) = signed.split_once('.').ok_or_else(no_token)?;
        let (head, claims) = (json(head).ok_or_else(no_token)?, json(body).ok_or_else(no_token)?);
        if claims["iss"] != self.issuer.as_str() {
            let issuer = claims["iss"].as_str().unwrap_or_default();
            return Err(invalid(format!("No OpenIDConnect provider found in your account for {issuer}")));
        }
        let key =
            self.keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["kid"] == head["kid"]));
        let right = key.is_some_and(|key| rsa(key, signed, signature).is_some());
        if head["alg"] != "RS256" || !right {
            let text = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";
            return Err(invalid(text.to_owned()));
        }
        let seconds = |name: &str| claims[name].as_i64().unwrap_or_default();
        if seconds("exp") <= now.as_second() {
            let text = "Token expired: current date/time must be before the expiration date/time";
            return Err(Refusal::new(400, "ExpiredTokenException", text));
        }
        let audiences = claims["aud"].as_array().map_or(std::slice::from_ref(&claims["aud"]), Vec::as_slice);
        if !audiences.iter().any(|audience| *audience == self.audience.as_str()) {
            return Err(invalid("Incorrect token audience".to_owned()));
        }
        if claims["sub"] != self.subject.as_str() {
            return Err(Refusal::denied("Not authorized to perform sts:AssumeRoleWithWebIdentity"));
        }
        Ok(claims)
    }
}

fn rsa(key: &Value, signed: &str, signature: &str) -> Option<()> {
    let (n, e) = (decode(key["n"].as_str()?)?, decode(key["e"].as_str()?)?);
    let public = RsaPublicKeyComponents { n, e };
    public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature)?).ok()
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&decode(part)?).ok()
}

/// The alphabet of URLs, without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut standard = text.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    base64::decode(standard).ok()
}
