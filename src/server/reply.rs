//! What goes back over the wire: credentials as container clients expect them, and refusals that explain themselves.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::html;
use crate::cause::{self, Cause};
use crate::clock::stamp;
use crate::credentials::{Credentials, RoleName};
use crate::failure::{Failure, Remedy};
use crate::keeper::{Snapshot, Usable};
use crate::report::TraceId;
use crate::server::sdk;

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

fn json(status: StatusCode, body: Bytes) -> Reply {
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

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(super) struct Refusal {
    /// HTTP status.
    pub(super) status: StatusCode,
    /// The error's name in the body.
    code: &'static str,
    cause: &'static Cause,
    message: Cow<'static, str>,
    /// Why, for `auth_rejections_total`; empty where it is not about who asks.
    pub(super) label: &'static str,
    allow: Option<&'static str>,
    retry_after: Option<NonZeroU64>,
    trace: Option<TraceId>,
    /// Why there are no credentials, where that is the reason.
    failure: Option<Box<Failure>>,
}

impl Refusal {
    fn new(
        status: StatusCode,
        code: &'static str,
        cause: &'static Cause,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            cause,
            message,
            label: "",
            allow: None,
            retry_after: None,
            trace: None,
            failure: None,
        }
    }

    /// Too many header fields.
    pub(super) fn too_large() -> Self {
        let message = "more than 64 header fields";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "BadRequest", &cause::KF_REQUEST, message)
    }

    /// `Host` or the form of the request says that it is not for us.
    pub(super) fn host(message: &'static str) -> Self {
        let refusal = Self::new(StatusCode::FORBIDDEN, "Forbidden", &cause::KF_HOST, message);
        Self { label: "bad_host_header", ..refusal }
    }

    /// A browser or a proxy stands in between.
    pub(super) fn forwarded(header: &'static str) -> Self {
        let message = format!("the request carries {header}: browsers and proxies are not answered");
        let refusal = Self::new(StatusCode::FORBIDDEN, "Forbidden", &cause::KF_HOST, message);
        Self { label: "forwarded_header", ..refusal }
    }

    /// The request has a body.
    pub(super) fn body() -> Self {
        let message = "requests with a body are not answered";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BadRequest", &cause::KF_REQUEST, message)
    }

    /// No token; maybe from an SDK that cannot have it.
    pub(super) fn token_missing(user_agent: Option<&str>) -> Self {
        let (cause, message) = match user_agent.and_then(sdk::too_old) {
            Some((sdk, since)) => {
                let message = format!(
                    "the request carries no Authorization: {sdk} does not read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, {since} does"
                );
                (&cause::PI_OLDSDK, Cow::from(message))
            }
            None => (&cause::KF_TOKENMISSING, Cow::from("the request carries no Authorization")),
        };
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", cause, message);
        Self { label: "missing_token", ..refusal }
    }

    /// Another token.
    pub(super) fn token_wrong() -> Self {
        let message = "the value of Authorization is not the token";
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", &cause::KF_AUTH, message);
        Self { label: "bad_token", ..refusal }
    }

    /// A session of the metadata service that is to last for no time, or too long.
    pub(super) fn session_length() -> Self {
        let message = "X-aws-ec2-metadata-token-ttl-seconds has to be a number from 1 to 21600";
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", &cause::KF_REQUEST, message)
    }

    /// The metadata service without a session (v1).
    pub(super) fn session_missing() -> Self {
        let message = "the request carries no X-aws-ec2-metadata-token: version 1 is not answered";
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", &cause::IMDS_V1ONLY, message);
        Self { label: "missing_token", ..refusal }
    }

    /// A session that is over, or another agent's.
    pub(super) fn session_wrong() -> Self {
        let message = "the session is over, or is no session of this agent";
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", &cause::KF_REQUEST, message);
        Self { label: "bad_token", ..refusal }
    }

    /// A source of keyfob asks keyfob.
    pub(super) fn own_loop() -> Self {
        let message = "keyfob asks itself: its container endpoint is its own address";
        Self::new(StatusCode::FORBIDDEN, "Forbidden", &cause::KF_LOOP, message)
    }

    /// The token is good, for another role.
    pub(super) fn role_denied() -> Self {
        let message = "this token does not open that role";
        let refusal = Self::new(StatusCode::FORBIDDEN, "Forbidden", &cause::KF_AUTH, message);
        Self { label: "role_denied", ..refusal }
    }

    /// The token is good, and whoever brings it is not one of the role's users.
    pub(super) fn peer_denied(message: &'static str) -> Self {
        let refusal = Self::new(StatusCode::FORBIDDEN, "Forbidden", &cause::KF_PEER, message);
        Self { label: "peer_denied", ..refusal }
    }

    /// Nothing there.
    pub(super) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", &cause::KF_REQUEST, message)
    }

    /// There, but not by that method.
    pub(super) fn method(allow: &'static str) -> Self {
        let message = format!("only {allow} is answered here");
        let refusal =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", &cause::KF_REQUEST, message);
        Self { allow: Some(allow), ..refusal }
    }

    /// Whatever keeps us from having credentials (contract 3: always 503).
    pub(super) fn unavailable(
        role: &RoleName,
        role_now: &Snapshot,
        now: SystemTime,
        trace: Option<TraceId>,
    ) -> Self {
        let failure = role_now.reason(now);
        // One sentence with everything in it: SDKs show it inside their exception's text.
        let message = format!("no credentials for role \"{role}\": {failure} Fix: {}", failure.fix());
        let refusal =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "CredentialsUnavailable", failure.cause, message);
        let retry_after = NonZeroU64::new(role_now.retry_after(now));
        Self { retry_after, trace, failure: Some(Box::new(failure)), ..refusal }
    }

    /// The answer.
    pub(super) fn reply(&self) -> Reply {
        let trace = self.trace.unwrap_or_else(TraceId::random).to_string();
        let fixes = self.failure.as_ref().map_or_else(|| Remedy::of(self.cause), |failure| failure.fixes());
        let body = ErrorBody {
            code: self.code,
            message: &self.message,
            code_again: self.code,
            message_again: &self.message,
            cause: self.cause.code,
            fix: fixes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            trace_id: &trace,
        };
        let mut reply = json(self.status, serde_json::to_vec(&body).unwrap_or_default().into());
        let headers = reply.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.get()));
        }
        if matches!(self.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::PAYLOAD_TOO_LARGE)
        {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

/// Lower case for botocore and JS, upper case for the others.
#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(rename = "Code")]
    code_again: &'a str,
    #[serde(rename = "Message")]
    message_again: &'a str,
    cause: &'a str,
    fix: String,
    trace_id: &'a str,
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

    #[test]
    fn a_failure_reads_well_inside_an_exception() {
        let failure = Failure::misconfigured(
            &cause::PROFILE_UNKNOWN,
            "profile \"prdo\" is in neither file; did you mean \"prod\"?",
        );
        let now = Snapshot { failure: Some(failure), ..Snapshot::default() };
        let refusal = Refusal::unavailable(&RoleName::default_role(), &now, SystemTime::UNIX_EPOCH, None);
        let begin = "no credentials for role \"default\": profile \"prdo\" is in neither file; \
                     did you mean \"prod\"? [PROFILE-UNKNOWN] Fix: ";
        assert!(refusal.message.starts_with(begin), "{}", refusal.message);
        let reply = refusal.reply();
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()[RETRY_AFTER], "2");
    }
}
