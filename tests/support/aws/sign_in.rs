//! The services behind `aws sso login` and `aws login`: the SSO portal, SSO-OIDC and Sign-In, in their own JSON.
//!
//! Nothing is signed here. A token stands for the caller, so the key ids are a fingerprint of it, and of Sign-In's key.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use aws_smithy_types::base64;
use serde_json::{Value, json};

use super::World;
use super::knobs::SignIn;
use super::mint::{Identity, Issued, hex};
use super::wire::{Answer, Asked, Said};

/// The operation, if the request is for one of these services.
pub fn operation(asked: &Asked) -> Option<&'static str> {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/federation/credentials") => Some("GetRoleCredentials"),
        ("POST", "/token") => Some("CreateToken"),
        ("POST", "/v1/token") => Some("CreateOAuth2Token"),
        _ => None,
    }
}

/// What was asked for, whichever way it was said.
pub fn fields(asked: &Asked) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let body = serde_json::from_slice(&asked.body).unwrap_or(Value::Null);
    let body = body.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value)));
    // Without the form of the body: it is JSON.
    let query = Asked { body: Vec::new(), ..asked.clone() }.form();
    let token = asked.header("x-amz-sso_bearer_token").map(|token| ("token".to_owned(), token.to_owned()));
    let proof = asked.header("dpop").map(|_| ("proof".to_owned(), "made".to_owned()));
    query.into_iter().chain(body).chain(token).chain(proof).collect()
}

/// A refusal: status, code, and what else the body says.
struct Refusal(u16, String, Value);

impl Refusal {
    fn new(status: u16, code: &str, text: &str) -> Refusal {
        Refusal(status, code.to_owned(), json!({ "message": text }))
    }
}

pub fn answer(world: &World, asked: &Asked) -> Said {
    let knobs = world.sign_in.now();
    if let Some(trouble) = knobs.trouble {
        return trouble.into();
    }
    let op = operation(asked).unwrap_or_default();
    let fields = fields(asked);
    let said = match knobs.refuse.get(op) {
        Some((status, code)) => Err(scripted(op, *status, code)),
        None => match op {
            "GetRoleCredentials" => role_credentials(world, &knobs, &fields),
            "CreateToken" => sso_token(world, &knobs, &fields),
            _ => login(world, &knobs, &fields, asked),
        },
    };
    match said {
        Ok((body, key_id)) => Answer { key_id, ..Answer::json(200, &body) },
        Err(Refusal(status, code, mut body)) => {
            body["__type"] = format!("com.amazonaws.switchboard.portal#{code}").into();
            let header = format!("{code}:http://internal.amazon.com/coral/com.amazonaws.switchboard.portal/");
            Answer { code, ..Answer::json(status, &body) }.header("x-amzn-ErrorType", header)
        }
    }
    .into()
}

/// Sign-In has its reasons beside the code.
fn scripted(op: &str, status: u16, code: &str) -> Refusal {
    match op {
        "CreateOAuth2Token" if code.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
            let body = json!({ "error": code, "message": "no" });
            Refusal(status, "AccessDeniedException".to_owned(), body)
        }
        _ => Refusal::new(status, code, "no"),
    }
}

type Given = Result<(Value, Option<String>), Refusal>;

fn role_credentials(world: &World, knobs: &SignIn, fields: &BTreeMap<String, String>) -> Given {
    let get = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    let Some(token) = get("token") else {
        return Err(Refusal::new(401, "UnauthorizedException", "Session token not found or invalid"));
    };
    let (Some(account), Some(role)) = (get("account_id"), get("role_name")) else {
        return Err(Refusal::new(400, "InvalidRequestException", "accountId or roleName is missing"));
    };
    if knobs.revoked.contains(token) {
        return Err(Refusal::new(401, "UnauthorizedException", "Session token not found or invalid"));
    }
    let identity =
        Identity::Role { account: account.clone(), name: role.clone(), session: "somebody".into() };
    let issued = issue(world, &["GetRoleCredentials", token, account, role], identity, knobs.life);
    let expiration = issued.expires.unwrap().as_millisecond();
    let keys = json!({
        "accessKeyId": issued.key_id,
        "secretAccessKey": issued.secret,
        "sessionToken": issued.session_token,
        "expiration": expiration,
    });
    Ok((json!({ "roleCredentials": without(keys, &knobs.without) }), Some(issued.key_id)))
}

fn sso_token(world: &World, knobs: &SignIn, fields: &BTreeMap<String, String>) -> Given {
    let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
    if get("grantType") != "refresh_token" || get("clientId").is_empty() || get("clientSecret").is_empty() {
        return Err(Refusal::new(400, "InvalidRequestException", "this is no request for a token"));
    }
    spend(world, &get("refreshToken"))?;
    let [access, refresh] = next(world, &get("refreshToken"), &[&get("clientId"), &get("clientSecret")]);
    let body = json!({
        "accessToken": access,
        "expiresIn": knobs.token_life,
        "tokenType": "Bearer",
        "refreshToken": refresh,
        "idToken": null,
    });
    Ok((without(body, &knobs.without), None))
}

fn login(world: &World, knobs: &SignIn, fields: &BTreeMap<String, String>, asked: &Asked) -> Given {
    let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let refused = |text: &str| {
        let body = json!({ "error": "INVALID_REQUEST", "message": text });
        Refusal(400, "AccessDeniedException".to_owned(), body)
    };
    let key = proven(world, asked).map_err(refused)?;
    if get("grantType") != "refresh_token" || get("clientId").is_empty() {
        return Err(refused("this is no request for a token"));
    }
    spend(world, &get("refreshToken"))?;
    let [_, refresh] = next(world, &get("refreshToken"), &[&get("clientId")]);
    let identity = Identity::UserSession { account: super::ACCOUNT.to_owned(), name: "somebody".to_owned() };
    let asked_for = ["CreateOAuth2Token", &get("clientId"), &get("refreshToken"), &key];
    let issued = issue(world, &asked_for, identity, knobs.token_life);
    let keys = json!({
        "accessKeyId": issued.key_id,
        "secretAccessKey": issued.secret,
        "sessionToken": issued.session_token,
    });
    let body = json!({
        "accessToken": keys,
        "tokenType": "aws_sigv4",
        "expiresIn": knobs.token_life,
        "refreshToken": refresh,
    });
    Ok((without(body, &knobs.without), Some(issued.key_id)))
}

/// A refresh token is good once, where the test wants it so.
fn spend(world: &World, token: &str) -> Result<(), Refusal> {
    let refused = |text| {
        Err(Refusal(
            400,
            "InvalidGrantException".to_owned(),
            json!({ "error": "invalid_grant", "error_description": text }),
        ))
    };
    if token.is_empty() {
        return refused("Missing refresh token");
    }
    let fresh = world.sign_in.take(|knobs| knobs.spent.insert(token.to_owned()) || !knobs.once);
    if fresh { Ok(()) } else { refused("Invalid refresh token provided") }
}

/// The next access token and refresh token: the same for the same question.
fn next(world: &World, token: &str, of: &[&str]) -> [String; 2] {
    let mint = world.mint.lock().unwrap();
    ["access", "refresh"].map(|purpose| {
        let text = mint.derive(&format!("{token}\n{}", of.join("\n")), purpose, 60);
        crate::support::leaks::secret(&text);
        text
    })
}

/// The key of the proof (DPoP), if it proves this request.
fn proven(world: &World, asked: &Asked) -> Result<String, &'static str> {
    let proof = asked.header("dpop").ok_or("there is no proof")?;
    let (signed, signature) = proof.rsplit_once('.').ok_or("the proof is no JWT")?;
    let parts: Vec<Value> =
        signed.split('.').filter_map(|part| serde_json::from_slice(&decoded(part)?).ok()).collect();
    let [head, claims] = &parts[..] else { return Err("the proof is no JWT") };
    if head["typ"] != "dpop+jwt" || head["alg"] != "ES256" || head["jwk"]["crv"] != "P-256" {
        return Err("the proof is of another kind");
    }
    let coordinate = |name: &str| head["jwk"][name].as_str().and_then(decoded).unwrap_or_default();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    let signature = decoded(signature).unwrap_or_default();
    public.verify(signed.as_bytes(), &signature).map_err(|_| "the proof is not signed by its key")?;
    let here = format!("http://{}{}", asked.header("host").unwrap_or_default(), asked.path);
    if claims["htm"] != "POST" || claims["htu"] != here {
        return Err("the proof is of another request");
    }
    let now = world.mint.lock().unwrap().now().as_second();
    if claims["iat"].as_i64().is_none_or(|at| (at - now).abs() > 300) {
        return Err("the proof is of another time");
    }
    let id = claims["jti"].as_str().unwrap_or_default().to_owned();
    let new = id.len() >= 16 && world.sign_in.take(|knobs| knobs.spent.insert(id));
    if new { Ok(hex(&point)) } else { Err("the proof was used before") }
}

fn issue(world: &World, question: &[&str], identity: Identity, life: i64) -> Issued {
    world.mint.lock().unwrap().issue(question, identity, life)
}

fn without(mut body: Value, names: &[String]) -> Value {
    body.as_object_mut().unwrap().retain(|name, _| !names.contains(name));
    body
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut text = text.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    base64::decode(text).ok()
}

/// A key as `aws login` writes one; the same for the whole run of the tests.
pub fn key_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = key.private_key().as_der().unwrap();
        let text = base64::encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", lines.join("\n"))
    })
}

/// The name of the file in which an SSO sign-in is kept.
pub fn sso_cache(name: &str) -> String {
    format!(".aws/sso/cache/{}.json", hashed(&SHA1_FOR_LEGACY_USE_ONLY, name))
}

/// The same of an `aws login` session.
pub fn login_cache(session: &str) -> String {
    format!(".aws/login/cache/{}.json", hashed(&SHA256, session))
}

fn hashed(by: &'static Algorithm, text: &str) -> String {
    hex(digest(by, text.as_bytes()).as_ref())
}
