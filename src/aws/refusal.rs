//! What AWS's errors mean: one table from its codes and words to the catalogue.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::place::{GLOBAL_REGION, Place};
use super::wire::Last;
use crate::cause::{self, Cause};
use crate::failure::{Failure, FailureKind};
use crate::http::{Answer, Broken};
use crate::secret::Secret;

/// The service of an operation, as the metrics label it.
pub(super) fn service(operation: &str) -> &'static str {
    match operation {
        "GetRoleCredentials" => "sso",
        "CreateToken" => "sso_oidc",
        "CreateOAuth2Token" => "signin",
        _ => "sts",
    }
}

/// A call, as its failures name it.
pub(super) struct Asked<'a> {
    pub(super) operation: &'static str,
    /// The role, the key, or what else is asked for.
    pub(super) whom: &'a str,
    pub(super) place: &'a Place,
    /// What must never be quoted, should AWS repeat it.
    pub(super) secrets: Vec<&'a Secret>,
}

/// Of a message of AWS's.
const QUOTED: usize = 400;

impl Asked<'_> {
    /// Time is over. The reason is that of the last try, if one came to its end.
    pub(super) fn late(&self, patience: Duration, last: Option<Last>) -> Failure {
        let failure = match last {
            Some(Last::Broken(broken)) => broken.failure(&self.subject()),
            Some(Last::Refused(status, Some(code))) => self.refused(status, &code, None),
            Some(Last::Refused(status, None)) => self.garbled(status),
            None => {
                let sentence = format!("{}: no answer", self.subject());
                Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, sentence)
            }
        };
        let context = format!("{}; given up after {patience:?}", failure.context);
        Failure { context, ..failure }
    }

    pub(super) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.failure_by(None, error)
    }

    /// The same where a word inside the answer says more than its code.
    pub(super) fn failure_by<E>(&self, word: Option<&str>, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => {
                let (said, raw) = (refused.err(), refused.raw());
                let failure = match word.or(said.code()) {
                    Some(code) => self.refused(raw.status().as_u16(), code, said.message()),
                    None => self.garbled(raw.status().as_u16()),
                };
                with_id(failure, request_id(raw))
            }
            SdkError::ResponseError(garbled) => {
                let raw = garbled.raw();
                with_id(self.garbled(raw.status().as_u16()), request_id(raw))
            }
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => match broken(error) {
                Some(broken) => broken.failure(&self.subject()),
                None => self.unknown(error),
            },
            _ => self.unknown(error),
        }
    }

    fn refused(&self, status: u16, code: &str, message: Option<&str>) -> Failure {
        let message = message.unwrap_or_default();
        let (kind, cause) = meaning(self.operation, status, code, message);
        // This one repeats the signed headers, the session token among them.
        let unquotable = code == "SignatureDoesNotMatch" && cause.code != cause::CLOCK.code;
        let quoted = if unquotable { String::new() } else { self.quote(message) };
        let sentence = format!("{}: {code}{}", self.subject(), separated(&quoted));
        Failure::new(kind, cause, sentence).seen("status", status).seen("code", code)
    }

    fn garbled(&self, status: u16) -> Failure {
        let sentence = format!("{}: status {status} with a body that is not AWS's", self.subject());
        let (kind, cause) = match status {
            429 => (FailureKind::Throttled, &cause::STS_THROTTLE),
            500.. => (FailureKind::Unreachable, &cause::AWS_5XX),
            _ => (FailureKind::Malformed, &cause::AWS_ANSWER),
        };
        Failure::new(kind, cause, sentence).seen("status", status)
    }

    /// Request construction: an endpoint or a region that cannot be one.
    fn unknown(&self, error: &(dyn Error + 'static)) -> Failure {
        let innermost = std::iter::successors(Some(error), |&error| error.source()).last();
        let reason = innermost.map(|error| self.quote(&error.to_string())).unwrap_or_default();
        let sentence = format!("{} could not be asked{}", self.subject(), separated(&reason));
        Failure::misconfigured(&cause::STS_VALIDATION, sentence)
    }

    fn subject(&self) -> String {
        let region = self.place.region.as_deref();
        let place = match (&self.place.endpoint, region) {
            (Some(endpoint), Some(_)) => format!(" at {}", without_query(endpoint)),
            // botocore gives up here; where the endpoint wants another region, this is the reason.
            (Some(endpoint), None) => {
                format!(" at {} (no region is set: {GLOBAL_REGION} is taken)", without_query(endpoint))
            }
            (None, Some(region)) if !self.place.global() => format!(" in {region}"),
            (None, _) => " at the global endpoint".to_owned(),
        };
        format!("{}:{} for {}{place}", service(self.operation), self.operation, self.whom)
    }

    /// A message, bounded, in one line, without anything that was handed in as a secret.
    fn quote(&self, message: &str) -> String {
        let mut text = message.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.expose(), "…");
        }
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        plain.take(QUOTED).collect::<String>().trim().to_owned()
    }
}

/// The word between two tags of an error body, where it is one: `Code`, `RequestId`.
pub(super) fn word_in<'a>(body: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{tag}>"))?;
    let (word, _) = rest.split_once(&format!("</{tag}>"))?;
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    (plain && (1..=64).contains(&word.len())).then_some(word)
}

/// The code of an error, wherever the service has it.
pub(super) fn code_of(raw: &HttpResponse) -> Option<String> {
    let body = raw.body().bytes().and_then(|body| std::str::from_utf8(body).ok());
    let in_body = body.and_then(|body| word_in(body, "Code")).map(str::to_owned);
    in_body.or_else(|| word_in_header(raw.headers().get("x-amzn-errortype")?))
}

/// The code of an error in JSON: the services behind sign-ins have it in a header.
pub(super) fn word_of_json(answer: &Answer) -> Option<String> {
    word_in_header(answer.header("x-amzn-errortype")?)
}

fn word_in_header(header: &str) -> Option<String> {
    let word = header.split(':').next()?.rsplit('#').next()?;
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain && (1..=64).contains(&word.len())).then(|| word.to_owned())
}

fn request_id(raw: &HttpResponse) -> Option<&str> {
    let body = || std::str::from_utf8(raw.body().bytes()?).ok();
    raw.headers().get("x-amzn-requestid").or_else(|| word_in(body()?, "RequestId"))
}

fn broken<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Broken> {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.find_map(|error| error.downcast_ref())
}

fn separated(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn without_query(endpoint: &str) -> String {
    endpoint.parse().map_or_else(|_| "an endpoint that is no URL".to_owned(), |url| crate::http::shown(&url))
}

fn with_id(failure: Failure, id: Option<&str>) -> Failure {
    match id {
        Some(id) => failure.seen("request_id", id),
        None => failure,
    }
}

/// The table. Codes are those of the query protocol; some of their meaning is only in the words.
fn meaning(operation: &str, status: u16, code: &str, message: &str) -> (FailureKind, &'static Cause) {
    use FailureKind::{AlreadyExpired, Denied, Misconfigured, Throttled, Unreachable};
    if let Some(known) = sign_in_meaning(operation, code) {
        return known;
    }
    let web_identity = operation == "AssumeRoleWithWebIdentity";
    match code {
        "AccessDenied" | "AccessDeniedException" if web_identity => (Denied, &cause::WI_TRUST),
        "AccessDenied" | "AccessDeniedException" if operation == "GetSessionToken" => {
            (Denied, &cause::STS_MINT)
        }
        "AccessDenied" | "AccessDeniedException" => (Denied, &cause::STS_DENIED),
        "ExpiredTokenException" | "ExpiredToken" if web_identity => (AlreadyExpired, &cause::WI_EXPIRED),
        "ExpiredToken" | "ExpiredTokenException" => (AlreadyExpired, &cause::KEY_EXPIRED),
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => token_meaning(message),
        "IDPCommunicationError" => (Unreachable, &cause::WI_JWKS),
        "IDPRejectedClaim" => (Denied, &cause::WI_TRUST),
        "SignatureDoesNotMatch" if of_clock(message) => (Denied, &cause::CLOCK),
        "RequestExpired" | "RequestTimeTooSkewed" | "InvalidSignatureException" if of_clock(message) => {
            (Denied, &cause::CLOCK)
        }
        "RequestExpired" | "RequestTimeTooSkewed" => (Denied, &cause::CLOCK),
        "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "InvalidAccessKeyId"
        | "AuthFailure" => (Denied, &cause::KEY_INVALID),
        "RegionDisabledException" | "RegionDisabled" => (Misconfigured, &cause::STS_REGION_OFF),
        "ValidationError" | "ValidationException" if message.contains("role chaining") => {
            (Misconfigured, &cause::STS_CHAIN1H)
        }
        "ValidationError"
        | "ValidationException"
        | "InvalidParameterValue"
        | "MissingParameter"
        | "MalformedPolicyDocument"
        | "MalformedPolicyDocumentException"
        | "PackedPolicyTooLarge"
        | "PackedPolicyTooLargeException" => (Misconfigured, &cause::STS_VALIDATION),
        _ if status == 429 || code.contains("Throttl") || code.contains("LimitExceeded") => {
            (Throttled, &cause::STS_THROTTLE)
        }
        "TooManyRequestsException" | "SlowDown" => (Throttled, &cause::STS_THROTTLE),
        _ if status >= 500 => (Unreachable, &cause::AWS_5XX),
        _ => (Denied, &cause::UNKNOWN),
    }
}

/// What only the services behind sign-ins say.
fn sign_in_meaning(operation: &str, code: &str) -> Option<(FailureKind, &'static Cause)> {
    use FailureKind::{Denied, Misconfigured};
    Some(match (operation, code) {
        ("GetRoleCredentials", "UnauthorizedException") => (Denied, &cause::SSO_REVOKED),
        (
            "GetRoleCredentials",
            "ForbiddenException" | "ResourceNotFoundException" | "AccessDeniedException",
        ) => (Denied, &cause::SSO_DENIED),
        ("GetRoleCredentials", "InvalidRequestException") => (Misconfigured, &cause::SSO_DENIED),
        (
            "CreateToken",
            "InvalidGrantException"
            | "ExpiredTokenException"
            | "InvalidClientException"
            | "UnauthorizedClientException"
            | "AccessDeniedException"
            | "InvalidRequestException",
        ) => (Denied, &cause::SSO_EXPIRED),
        ("CreateOAuth2Token", "TOKEN_EXPIRED") => (Denied, &cause::LOGIN_EXPIRED),
        ("CreateOAuth2Token", "USER_CREDENTIALS_CHANGED") => (Denied, &cause::LOGIN_CHANGED),
        (
            "CreateOAuth2Token",
            "AccessDeniedException" | "ValidationException" | "INSUFFICIENT_PERMISSIONS",
        ) => (Denied, &cause::LOGIN_DENIED),
        ("CreateOAuth2Token", "TooManyRequestsError") => (FailureKind::Throttled, &cause::STS_THROTTLE),
        _ => return None,
    })
}

/// STS has one code for everything that is wrong with a web identity token.
fn token_meaning(message: &str) -> (FailureKind, &'static Cause) {
    let says = |words: &str| message.contains(words);
    if says("No OpenIDConnect provider found") {
        (FailureKind::Denied, &cause::WI_ISSUER)
    } else if says("verification key") || says("thumbprint") || says("HTTPS certificate") {
        (FailureKind::Unreachable, &cause::WI_JWKS)
    } else if says("audience") {
        (FailureKind::Denied, &cause::WI_AUD)
    } else {
        (FailureKind::Denied, &cause::WI_TOKEN)
    }
}

fn of_clock(message: &str) -> bool {
    ["Signature expired", "Signature not yet current", "earlier than", "later than"]
        .iter()
        .any(|words| message.contains(words))
}
