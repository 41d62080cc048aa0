//! A request as the faces read it, an answer as they give it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::knobs::{Shape, Trouble};
use super::mint::Issued;

/// How AWS writes an expiry.
pub const STAMP: &str = "%Y-%m-%dT%H:%M:%SZ";

/// A request, read whole.
#[derive(Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    pub fn headers_named<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + 'n
    where
        'a: 'n,
    {
        let found = self.headers.iter().filter(move |(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The form of the body and of the query, as the query protocol allows both.
    pub fn form(&self) -> BTreeMap<String, String> {
        let body = String::from_utf8_lossy(&self.body);
        let pairs = body.split('&').chain(self.query.split('&'));
        let pairs = pairs.filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (unescape(key), unescape(value)))
            .collect()
    }
}

/// What a face says.
pub enum Said {
    Answer(Answer),
    Hang,
    Cut,
}

impl From<Trouble> for Said {
    fn from(trouble: Trouble) -> Said {
        match trouble {
            Trouble::Status(status, body) => Answer::text(status, body).into(),
            Trouble::Hang => Said::Hang,
            Trouble::Cut => Said::Cut,
        }
    }
}

impl From<Answer> for Said {
    fn from(answer: Answer) -> Said {
        Said::Answer(answer)
    }
}

pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Payload,
    /// For the journal: `Success` or the error's code.
    pub code: String,
    pub key_id: Option<String>,
}

pub enum Payload {
    Text(String),
    /// 1 GB of spaces.
    Endless,
}

impl Answer {
    pub fn text(status: u16, body: impl Into<String>) -> Answer {
        Answer {
            status,
            content_type: "text/plain",
            headers: Vec::new(),
            body: Payload::Text(body.into()),
            code: if status == 200 { "Success".to_owned() } else { status.to_string() },
            key_id: None,
        }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Answer {
        Answer { content_type: "application/json", ..Answer::text(status, body.to_string()) }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

/// The answers of status 200 in which no keys are.
pub fn keyless(shape: &Shape) -> Option<Answer> {
    match shape {
        Shape::Full | Shape::Without(_) | Shape::Null(_) => None,
        Shape::NotJson => Some(Answer::text(200, "<html>not what you asked for</html>")),
        Shape::Raw(text) => Some(Answer::text(200, text)),
        Shape::Failure(code, message) => Some(failure_json(code, message)),
        Shape::Endless => Some(Answer { body: Payload::Endless, ..Answer::text(200, "") }),
    }
}

/// The JSON of the metadata and container endpoints, bent to the shape a test asked for.
pub fn credentials_json(
    shape: &Shape,
    mut fields: serde_json::Map<String, serde_json::Value>,
    issued: &Issued,
    expiration_format: &str,
) -> Answer {
    let expires = stamp(issued.expires.unwrap_or_default(), expiration_format);
    fields.insert("AccessKeyId".into(), issued.key_id.clone().into());
    fields.insert("SecretAccessKey".into(), issued.secret.clone().into());
    fields.insert("Token".into(), issued.session_token.clone().into());
    fields.insert("Expiration".into(), expires.into());
    match shape {
        Shape::Without(names) => fields.retain(|name, _| !names.contains(&name.as_str())),
        Shape::Null(names) => {
            let null = |name: &&str| ((*name).to_owned(), serde_json::Value::Null);
            fields.extend(names.iter().map(null));
        }
        _ => {}
    }
    Answer { key_id: Some(issued.key_id.clone()), ..Answer::json(200, &fields.into()) }
}

fn failure_json(code: &str, message: &str) -> Answer {
    let body = serde_json::json!({
        "Code": code,
        "Message": message,
        "LastUpdated": stamp(Timestamp::now(), STAMP),
    });
    Answer { code: code.to_owned(), ..Answer::json(200, &body) }
}

pub fn stamp(at: Timestamp, format: &str) -> String {
    at.strftime(format).to_string()
}

/// Undoes the escapes of a form.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
