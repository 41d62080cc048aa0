//! Writes STS's XML: results, credentials, refusals.

use super::Done;
use crate::support::aws::mint::{Issued, hex};
use crate::support::aws::wire::{Answer, STAMP, stamp};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// AWS says no.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Refusal {
        Refusal { status, code: code.to_owned(), message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "ValidationError", message)
    }

    pub fn denied(message: impl Into<String>) -> Refusal {
        Refusal::new(403, "AccessDenied", message)
    }

    pub fn signature(message: impl Into<String>) -> Refusal {
        Refusal::new(403, "SignatureDoesNotMatch", message)
    }

    pub fn unknown_keys() -> Refusal {
        let text = "The security token included in the request is invalid.";
        Refusal::new(403, "InvalidClientTokenId", text)
    }

    pub fn internal() -> Refusal {
        let text = "We encountered an internal error. Please try again.";
        Refusal::new(500, "InternalFailure", text)
    }
}

pub fn success(op: &str, done: &Done) -> Answer {
    let id = request_id();
    let body = format!(
        "<{op}Response xmlns=\"{NAMESPACE}\">\n  <{op}Result>{}</{op}Result>\n  <ResponseMetadata>\n    <RequestId>{id}</RequestId>\n  </ResponseMetadata>\n</{op}Response>\n",
        done.result
    );
    Answer { content_type: "text/xml", key_id: done.key_id.clone(), ..Answer::text(200, body) }
        .header("x-amzn-requestid", id)
}

pub fn refused(refusal: &Refusal) -> Answer {
    let id = request_id();
    let fault = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let error = elements(&[("Type", fault), ("Code", &refusal.code), ("Message", &refusal.message)]);
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>{error}</Error>\n  <RequestId>{id}</RequestId>\n</ErrorResponse>\n"
    );
    Answer { content_type: "text/xml", code: refusal.code.clone(), ..Answer::text(refusal.status, body) }
        .header("x-amzn-requestid", id)
}

pub fn credentials(issued: &Issued) -> String {
    let expires = stamp(issued.expires.unwrap_or_default(), STAMP);
    let fields = elements(&[
        ("AccessKeyId", &issued.key_id),
        ("SecretAccessKey", &issued.secret),
        ("SessionToken", issued.session_token.as_deref().unwrap_or_default()),
        ("Expiration", &expires),
    ]);
    format!("<Credentials>{fields}</Credentials>")
}

pub fn elements(fields: &[(&str, &str)]) -> String {
    let lines = fields.iter().map(|(name, value)| format!("<{name}>{}</{name}>", escape(value)));
    lines.collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn request_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    let text = hex(&bytes);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}
