//! A refusal that explains itself: an HTTP status, the error's name, and the cause with what to do.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::SystemTime;

use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER};
use serde::Serialize;

use super::reply::{Reply, json};
use crate::cause::{self, Cause};
use crate::credentials::RoleName;
use crate::failure::{Failure, Remedy};
use crate::keeper::Snapshot;
use crate::report::TraceId;
use crate::server::sdk;

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
    use super::*;

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
