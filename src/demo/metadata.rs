//! Instance metadata, version 2, as far as credentials and regions need it.

use std::time::SystemTime;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::json;

use super::keys::Ring;
use super::{REGION, ROLE, Reply, header, reply};
use crate::clock::stamp;

/// What PUT hands out and GET wants to see. It opens nothing that is worth a secret.
const TOKEN: &str = "DEMO-METADATA-TOKEN";

pub(super) fn answer(head: &Parts, ring: &mut Ring, now: SystemTime) -> Reply {
    let path = head.uri.path();
    if path == "/latest/api/token" {
        let life = header(head, "x-aws-ec2-metadata-token-ttl-seconds");
        return match (&head.method, life.parse()) {
            (&Method::PUT, Ok(1..=21_600_u32)) => text(TOKEN),
            (&Method::PUT, _) => none(StatusCode::BAD_REQUEST),
            _ => none(StatusCode::METHOD_NOT_ALLOWED),
        };
    }
    if header(head, "x-aws-ec2-metadata-token") != TOKEN {
        return none(StatusCode::UNAUTHORIZED);
    }
    let path = path.strip_prefix("/latest/meta-data/").unwrap_or_default().trim_end_matches('/');
    match path.strip_prefix("iam/security-credentials") {
        Some("") => text(ROLE),
        Some(name) if name.strip_prefix('/') == Some(ROLE) => document(ring, now),
        None if path == "placement/region" => text(REGION),
        None if path == "placement/availability-zone" => text(format!("{REGION}a")),
        _ => none(StatusCode::NOT_FOUND),
    }
}

fn document(ring: &mut Ring, now: SystemTime) -> Reply {
    let key = ring.current(now);
    let body = json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": stamp(now),
        "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.token, "Expiration": stamp(key.expires),
    });
    reply(StatusCode::OK, "application/json", body.to_string())
}

fn text(body: impl Into<String>) -> Reply {
    reply(StatusCode::OK, "text/plain", body.into())
}

fn none(status: StatusCode) -> Reply {
    reply(status, "text/plain", "")
}
