//! Reads the JSON with which endpoints hand out credentials, field by field, as botocore demands them.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::moment;
use crate::credentials::AccountId;

/// The fields of one answer.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl Fields<'_> {
    /// Text that must be there and say something.
    pub(super) fn key(self, name: &str) -> Result<String, String> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_)) => Err(format!("answered an empty {name}")),
            Some(_) => Err(format!("answered a {name} that is not text")),
            None => Err(format!("answered without {name}")),
        }
    }

    /// Text that must be there and may be null.
    pub(super) fn nullable(self, name: &str) -> Result<Option<String>, String> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Null) => Ok(None),
            Some(_) => Err(format!("answered a {name} that is not text")),
            None => Err(format!("answered without {name}")),
        }
    }

    /// A moment that must be there, with a zone.
    pub(super) fn time(self, name: &str) -> Result<SystemTime, String> {
        let text = self.key(name)?;
        moment::parse(&text).ok_or_else(|| format!("answered a {name} that is no time with a zone"))
    }

    /// Text, where it is text.
    pub(super) fn text(self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// The account, where it is named.
    pub(super) fn account(self) -> Option<AccountId> {
        AccountId::parse(self.0.get("AccountId")?.as_str()?)
    }
}

/// The message of an error body, bounded and in one line; nothing of a body that holds keys.
pub(super) fn quotable(body: &Map<String, Value>) -> Option<String> {
    if ["AccessKeyId", "SecretAccessKey", "Token"].iter().any(|field| body.contains_key(*field)) {
        return None;
    }
    let said = ["message", "Message"].iter().find_map(|name| body.get(*name)?.as_str())?;
    Some(said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect())
}
