//! Proof that whoever refreshes a sign-in holds its key: DPoP (RFC 9449), a JWT signed with ES256.

use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use aws_smithy_types::base64;
use serde_json::Value;
use zeroize::Zeroizing;

/// The key of a sign-in.
#[derive(Debug)]
pub(super) struct Key(EcdsaKeyPair);

impl Key {
    /// The key of a PEM text: the lines between BEGIN and END, whatever these say.
    pub(super) fn parse(pem: &str) -> Option<Self> {
        let body =
            pem.lines().filter(|line| !line.starts_with("-----BEGIN") && !line.starts_with("-----END"));
        // As Python's decoder does, which passes over all else.
        let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let body: Zeroizing<String> = Zeroizing::new(body.flat_map(str::chars).filter(kept).collect());
        let der = Zeroizing::new(base64::decode(body.as_str()).ok()?);
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok().map(Self)
    }

    /// The proof for one request to that address. `None` when the system gives no randomness.
    pub(super) fn proof(&self, address: &str, now: SystemTime) -> Option<String> {
        // An uncompressed point: 4, x, y.
        let (x, y) = self.0.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let at = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let head = format!(
            r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{{"kty":"EC","x":"{}","y":"{}","crv":"P-256"}}}}"#,
            encoded(x),
            encoded(y)
        );
        let (address, id) = (Value::from(address), unique()?);
        let claims = format!(r#"{{"htm":"POST","htu":{address},"iat":{at},"jti":"{id}"}}"#);
        let signed = format!("{}.{}", encoded(head.as_bytes()), encoded(claims.as_bytes()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", encoded(signature.as_ref())))
    }
}

fn encoded(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// A UUID of the random kind, as botocore takes one.
fn unique() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let number = (u128::from_be_bytes(bytes) & !(0xf000_c000_u128 << 48)) | (0x4000_8000_u128 << 48);
    let hex = format!("{number:032x}");
    let mut rest = hex.as_str();
    let parts = [8, 4, 4, 4, 12].map(|length| {
        let (part, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = left;
        part
    });
    Some(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn pem() -> String {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = base64::encode(key.private_key().as_der().unwrap().as_ref());
        let (one, two) = der.split_at(64);
        format!("-----BEGIN EC PRIVATE KEY-----\n{one}\n{two}\n-----END EC PRIVATE KEY-----\n")
    }

    #[test]
    fn a_proof_carries_its_key_and_is_signed_with_it() {
        let key = Key::parse(&pem()).unwrap();
        let proof = key.proof("https://a/\"b\"", SystemTime::UNIX_EPOCH).unwrap();
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let decoded = |text: &str| {
            let mut text = text.replace('-', "+").replace('_', "/");
            while !text.len().is_multiple_of(4) {
                text.push('=');
            }
            base64::decode(text).unwrap()
        };
        let parts: Vec<Value> =
            signed.split('.').map(|part| serde_json::from_slice(&decoded(part)).unwrap()).collect();
        let point = [
            vec![4],
            decoded(parts[0]["jwk"]["x"].as_str().unwrap()),
            decoded(parts[0]["jwk"]["y"].as_str().unwrap()),
        ];
        let point = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.concat());
        point.verify(signed.as_bytes(), &decoded(signature)).unwrap();
        assert_eq!((parts[1]["htu"].as_str(), parts[1]["iat"].as_u64()), (Some("https://a/\"b\""), Some(0)));
        let id = parts[1]["jti"].as_str().unwrap();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let pem = pem();
        let cut = pem.replace("-----BEGIN", "BEGIN");
        let short = pem.lines().take(2).collect::<String>();
        for text in
            ["", "x", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", &cut, &short]
        {
            assert!(Key::parse(text).is_none(), "{text}");
        }
        assert!(Key::parse(&pem.replace('\n', " \r\n")).is_some());
    }
}
