//! STS, as far as a demo needs it: it says who asks, and a clear no to everything else.

use std::time::SystemTime;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::json;

use super::keys::Ring;
use super::{ACCOUNT, ROLE, Reply, header, reply};

/// AWS says no: status, code, message.
type Refusal = (StatusCode, &'static str, String);

pub(super) fn answer(head: &Parts, body: &[u8], ring: &Ring, now: SystemTime) -> Reply {
    let service = scope(head, 3).unwrap_or("sts");
    let answer = signed(head, ring, now).and_then(|()| match (service, action(head, body)) {
        ("sts", Some(b"GetCallerIdentity")) => Ok(identity()),
        ("sts", _) => Err(refusal(400, "InvalidAction", "the demo's STS answers GetCallerIdentity only")),
        _ => Err(refusal(400, "NotInTheDemo", "the demo's AWS has STS only, and none of its other services")),
    });
    match answer {
        Ok(xml) => reply(StatusCode::OK, "text/xml", xml),
        Err(refusal) => refused(&refusal, service, head),
    }
}

/// The field of `Credential=KEY/DATE/REGION/SERVICE/aws4_request` in a signed request.
fn scope(head: &Parts, field: usize) -> Option<&str> {
    let (_, credential) = header(head, "authorization").split_once("Credential=")?;
    credential.split([',', ' ']).next()?.split('/').nth(field)
}

fn signed(head: &Parts, ring: &Ring, now: SystemTime) -> Result<(), Refusal> {
    let Some(id) = scope(head, 0) else {
        return Err(refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token"));
    };
    let included = "The security token included in the request is";
    match ring.find(id, header(head, "x-amz-security-token")) {
        Some(key) if key.expires > now => Ok(()),
        Some(_) => Err(refusal(403, "ExpiredToken", format!("{included} expired"))),
        None => Err(refusal(403, "InvalidClientTokenId", format!("{included} invalid."))),
    }
}

fn action<'a>(head: &'a Parts, body: &'a [u8]) -> Option<&'a [u8]> {
    let texts = [head.uri.query().unwrap_or_default().as_bytes(), body];
    texts
        .into_iter()
        .flat_map(|text| text.split(|b| *b == b'&'))
        .find_map(|pair| pair.strip_prefix(b"Action="))
}

fn identity() -> String {
    let session = "i-0de30de30de30de30";
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/{session}</Arn><UserId>AROADEMODEMODEMODEMO7:{session}</UserId>\
         <Account>{ACCOUNT}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>demo</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
}

fn refusal(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, message.into())
}

/// In the protocol of the service that was meant, so that clients show code and message.
fn refused((status, code, message): &Refusal, service: &str, head: &Parts) -> Reply {
    if !header(head, "x-amz-target").is_empty() {
        let body = json!({ "__type": code, "message": message }).to_string();
        return reply(*status, "application/x-amz-json-1.1", body);
    }
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = match service {
        "ec2" => format!("<Response><Errors>{error}</Errors><RequestID>demo</RequestID></Response>"),
        _ => format!("<ErrorResponse>{error}<RequestId>demo</RequestId></ErrorResponse>"),
    };
    reply(*status, "text/xml", body)
}
