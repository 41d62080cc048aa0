//! The instance metadata face: session tokens, the role's credentials, the placement.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::World;
use super::knobs::{Imds, Listing};
use super::mint::Identity;
use super::wire::{Answer, Asked, STAMP, Said, credentials_json, keyless, stamp};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials";

/// A session token of IMDSv2.
pub struct SessionToken {
    pub value: String,
    good_until: Instant,
}

/// The name under which the journal counts a request.
pub fn operation(asked: &Asked) -> &'static str {
    match asked.path.as_str() {
        "/latest/api/token" => "PutToken",
        "/latest/meta-data/placement/region" => "GetRegion",
        path => match path.trim_end_matches('/') {
            ROLES => "ListRoles",
            "/latest/meta-data/placement/availability-zone" => "GetAvailabilityZone",
            path if role_of(path).is_some() => "GetRole",
            _ => "OtherMetadata",
        },
    }
}

pub fn answer(world: &World, asked: &Asked) -> Said {
    let knobs = world.imds.now();
    if let Some(trouble) = knobs.all {
        return trouble.into();
    }
    if let Some(via) = knobs.via {
        let page = "<html><body>Access Denied</body></html>";
        return Answer { content_type: "text/html", ..Answer::text(403, page) }.header("via", via).into();
    }
    let op = operation(asked);
    if op == "PutToken" {
        return match knobs.token {
            Some(trouble) => trouble.into(),
            None => put_token(world, asked).into(),
        };
    }
    if asked.method != "GET" {
        return Answer::text(405, "").into();
    }
    if !admitted(world, asked, knobs.v1) {
        return Answer::text(401, UNAUTHORIZED).into();
    }
    let trouble = match op {
        "ListRoles" => &knobs.list,
        "GetRole" => &knobs.role,
        "GetRegion" | "GetAvailabilityZone" => &knobs.placement,
        _ => &None,
    };
    if let Some(trouble) = trouble {
        return trouble.clone().into();
    }
    match op {
        "ListRoles" => list(&knobs),
        "GetRole" => role(world, asked, &knobs),
        "GetRegion" => Answer::text(200, knobs.region),
        "GetAvailabilityZone" => Answer::text(200, knobs.availability_zone),
        _ => Answer::text(404, NOT_FOUND),
    }
    .into()
}

fn put_token(world: &World, asked: &Asked) -> Answer {
    if asked.method != "PUT" {
        return Answer::text(405, "");
    }
    if asked.header("x-forwarded-for").is_some() {
        return Answer::text(403, "");
    }
    let ttl = asked.header(TTL).and_then(|ttl| ttl.parse::<u64>().ok());
    let Some(ttl) = ttl.filter(|ttl| (1..=21_600).contains(ttl)) else {
        return Answer::text(400, BAD_REQUEST);
    };
    let mut tokens = world.metadata_tokens.lock().unwrap();
    let mint = world.mint.lock().unwrap();
    let value = mint.derive(&tokens.len().to_string(), "metadata", 54);
    let value = format!("AQAE{}==", value.replace('/', "_").replace('+', "-"));
    tokens.push(SessionToken { value: value.clone(), good_until: Instant::now() + Duration::from_secs(ttl) });
    Answer::text(200, value).header(TTL, ttl.to_string())
}

fn admitted(world: &World, asked: &Asked, v1: bool) -> bool {
    let Some(given) = asked.header(TOKEN) else {
        return v1;
    };
    let tokens = world.metadata_tokens.lock().unwrap();
    let now = Instant::now();
    tokens.iter().any(|token| token.value == given && token.good_until > now)
}

fn list(knobs: &Imds) -> Answer {
    let name = &knobs.role_name;
    Answer::text(
        200,
        match knobs.listing {
            Listing::One => name.clone(),
            Listing::Empty => String::new(),
            Listing::Two => format!("{name}\nsecond-role"),
            Listing::TrailingNewline => format!("{name}\n"),
        },
    )
}

fn role(world: &World, asked: &Asked, knobs: &Imds) -> Answer {
    let name = role_of(&asked.path).unwrap_or_default();
    if name != knobs.role_name {
        return Answer::text(404, NOT_FOUND);
    }
    if let Some(answer) = keyless(&knobs.shape) {
        return answer;
    }
    let identity = Identity::Role {
        account: knobs.account.clone(),
        name: name.to_owned(),
        session: "i-0123456789abcdef0".to_owned(),
    };
    let mut mint = world.mint.lock().unwrap();
    let question = ["imds", &asked.path, "", name, &knobs.account];
    let issued = mint.issue(&question, identity, knobs.life);
    let mut fields = Map::new();
    fields.insert("Code".into(), "Success".into());
    fields.insert("LastUpdated".into(), stamp(mint.now(), STAMP).into());
    fields.insert("Type".into(), "AWS-HMAC".into());
    if knobs.show_account {
        fields.insert("AccountId".into(), Value::from(knobs.account.clone()));
    }
    let answer = credentials_json(&knobs.shape, fields, &issued, &knobs.expiration_format);
    Answer { content_type: "text/plain", ..answer }
}

fn role_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(ROLES)?.strip_prefix('/')?;
    (!rest.is_empty() && !rest.contains('/')).then_some(rest)
}

const UNAUTHORIZED: &str = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>401 - Unauthorized</title></head><body><h1>401 - Unauthorized</h1></body></html>\n";
const NOT_FOUND: &str = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>404 - Not Found</title></head><body><h1>404 - Not Found</h1></body></html>\n";
const BAD_REQUEST: &str = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>400 - Bad Request</title></head><body><h1>400 - Bad Request</h1></body></html>\n";
