//! What goes back over the wire: credentials as container clients expect them, data, pages.

use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::html;
use crate::clock::stamp;
use crate::credentials::Credentials;
use crate::keeper::Usable;

/// An answer, whole.
pub(super) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 with credentials.
pub(super) fn credentials(usable: &Usable<'_>) -> Reply {
    let held = usable.held;
    let bytes = || document(&held.credentials, usable.expires);
    let body = if usable.lasting { held.body.get_or_init(bytes).clone() } else { bytes() };
    json(StatusCode::OK, body)
}

/// 200 with plain data.
pub(super) fn data(value: &impl Serialize) -> Reply {
    // Shapes of ours with string keys: there is nothing in them that JSON cannot say.
    json(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default().into())
}

pub(super) fn json(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    reply
}

/// 200 with a page for a browser, which may do no more than the page's policy says. Without `no-referrer` what the page
/// asks for would be refused, as what comes from other pages is.
pub(super) fn page(body: String) -> Reply {
    let mut reply = text(StatusCode::OK, "text/html; charset=utf-8", body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, html::POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    reply
}

/// Plain text.
pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, NO_STORE);
    reply
}

/// The body of contract 3, and nothing else.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

fn document(credentials: &Credentials, expires: SystemTime) -> Bytes {
    let document = Document {
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        token: credentials.session_token.as_ref().map_or("", |token| token.expose()),
        expiration: stamp(expires),
        account_id: credentials.account_id.as_ref().map(|account| account.as_str()),
        role_arn: credentials.role_arn.as_deref(),
    };
    let bytes = serde_json::to_vec(&document).unwrap_or_default();
    // Boxed, so that no spare capacity is kept for as long as the credentials live.
    bytes.into_boxed_slice().into()
}

/// 200 with credentials as the metadata service says them.
pub(super) fn instance(usable: &Usable<'_>) -> Reply {
    let (held, credentials) = (usable.held, &usable.held.credentials);
    data(&Instance {
        code: "Success",
        last_updated: stamp(held.first_seen),
        kind: "AWS-HMAC",
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        token: credentials.session_token.as_ref().map_or("", |token| token.expose()),
        expiration: stamp(usable.expires),
        account_id: credentials.account_id.as_ref().map(|account| account.as_str()),
    })
}

/// What clients of an instance expect.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Instance<'a> {
    code: &'a str,
    last_updated: String,
    #[serde(rename = "Type")]
    kind: &'a str,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credentials::AccountId;
    use crate::secret::Secret;

    fn keys() -> Credentials {
        Credentials {
            access_key_id: "ASIAEXAMPLE000000001".into(),
            secret_access_key: Secret::new("se\"cret"),
            session_token: None,
            expires_at: None,
            account_id: None,
            role_arn: None,
        }
    }

    #[test]
    fn a_document_has_exactly_the_fields_of_the_contract() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        let text = |keys: &Credentials| String::from_utf8(document(keys, at).to_vec()).unwrap();
        assert_eq!(
            text(&keys()),
            r#"{"AccessKeyId":"ASIAEXAMPLE000000001","SecretAccessKey":"se\"cret","Token":"","Expiration":"2023-11-14T22:13:20Z"}"#
        );
        let whole = Credentials {
            session_token: Some(Secret::new("tok")),
            account_id: AccountId::parse("123456789012"),
            role_arn: Some("arn:aws:iam::123456789012:role/r".into()),
            ..keys()
        };
        assert_eq!(
            text(&whole),
            r#"{"AccessKeyId":"ASIAEXAMPLE000000001","SecretAccessKey":"se\"cret","Token":"tok","Expiration":"2023-11-14T22:13:20Z","AccountId":"123456789012","RoleArn":"arn:aws:iam::123456789012:role/r"}"#
        );
    }
}
