//! One record of the audit log: who asked for what, and what came of it. No secret, and to strangers no role.

use std::time::SystemTime;

use hyper::header::USER_AGENT;
use serde::Serialize;
use tracing::info;

use crate::clock::stamp;
use crate::report::{CacheUse, Peer, Process, Served};
use crate::telemetry::logs::{AUDIT, tame};

/// Characters of what a client calls itself.
const LONGEST_NAME: usize = 200;

/// The fields of a record, in the order in which a file has them.
pub const FIELDS: [&str; 18] = [
    "time",
    "outcome",
    "status",
    "role",
    "reason",
    "source",
    "account",
    "key",
    "expires_at",
    "remaining_seconds",
    "cache",
    "trace_id",
    "peer_address",
    "peer_pid",
    "peer_uid",
    "peer_exe",
    "user_agent",
    "repeats",
];

/// A record: of its fields, those that are known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Record {
    time: String,
    outcome: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    peer_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// The same that came since the record before, and was not written.
    pub(super) repeats: u64,
}

impl Record {
    /// Of a request that was answered `now`.
    pub(super) fn new(served: &Served<'_>, peer: &Peer, now: SystemTime) -> Self {
        let credentials = served.credentials;
        let failure = served.failure.map(|(cause, _)| cause.code);
        let refused = (!served.refused.is_empty()).then_some(served.refused);
        Self {
            time: stamp(now),
            outcome: match (credentials, failure) {
                (Some(_), _) => "handed_out",
                (None, Some(_)) => "unavailable",
                (None, None) => "refused",
            },
            status: served.status,
            role: served.role.as_ref().map(ToString::to_string),
            reason: refused.or(failure),
            source: served.source.map(|source| source.as_str()),
            account: credentials.and_then(|held| Some(held.account_id.as_ref()?.as_str().to_owned())),
            key: credentials.map(|held| held.key_suffix()),
            expires_at: credentials.and_then(|held| held.expires_at).map(stamp),
            remaining_seconds: served.left.map(|left| left.as_secs()),
            cache: served.cache.map(|cache| match cache {
                CacheUse::Hit => "hit",
                CacheUse::Miss => "miss",
                CacheUse::Stale => "stale",
            }),
            trace_id: served.failure.and_then(|(_, trace)| Some(trace?.to_string())),
            peer_address: peer.to_string(),
            peer_pid: None,
            peer_uid: None,
            peer_exe: None,
            user_agent: served
                .headers
                .get(USER_AGENT)
                .map(|name| short(&String::from_utf8_lossy(name.as_bytes()))),
            repeats: 0,
        }
    }

    /// With what is known of who asked.
    pub(super) fn by(mut self, process: &Process) -> Self {
        self.peer_pid = process.pid;
        self.peer_uid = process.uid;
        self.peer_exe = process.exe.as_deref().map(str::to_owned);
        self
    }

    /// Standing for so many more, the last of them at that time.
    pub(super) fn repeated(mut self, repeats: u64, last: SystemTime) -> Self {
        self.repeats = repeats;
        self.time = stamp(last);
        self
    }

    /// As a line of a file.
    pub(super) fn as_json(&self) -> String {
        // Text and numbers only: there is nothing in it that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// As a line of the log.
    pub(super) fn log(&self) {
        let message = match self.outcome {
            "handed_out" => "credentials handed out",
            "unavailable" => "no credentials to hand out",
            _ => "credentials refused",
        };
        let Self { outcome, status, reason, source, remaining_seconds, cache, repeats, .. } = self;
        let Self { peer_address, peer_pid, peer_uid, .. } = self;
        let (role, account, key) = (self.role.as_deref(), self.account.as_deref(), self.key.as_deref());
        let (expires_at, trace_id) = (self.expires_at.as_deref(), self.trace_id.as_deref());
        let (peer_exe, user_agent) = (self.peer_exe.as_deref(), self.user_agent.as_deref());
        info!(
            target: AUDIT, role, outcome, status, reason, source, account, key, expires_at, remaining_seconds, cache,
            trace_id, peer_address, peer_pid, peer_uid, peer_exe, user_agent, repeats, "{message}"
        );
    }
}

/// What a client calls itself, cut, with nothing in it that steers a terminal.
fn short(name: &str) -> String {
    let cut: String = name.chars().take(LONGEST_NAME).collect();
    let mut text = String::new();
    tame(&mut text, &cut);
    if cut.len() < name.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use hyper::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::cause;
    use crate::credentials::{AccountId, Credentials, RoleName, SourceKind};
    use crate::report::TraceId;
    use crate::secret::Secret;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn peer() -> Peer {
        Peer::new(([127, 0, 0, 1], 40000).into(), ([127, 0, 0, 1], 5397).into(), |_| Process::default())
    }

    fn served(headers: &HeaderMap) -> Served<'_> {
        Served {
            handler: "credentials",
            role: None,
            status: 401,
            refused: "bad_token",
            at: NOW,
            took: Duration::ZERO,
            cache: None,
            left: None,
            credentials: None,
            source: None,
            peer: None,
            failure: None,
            method: "GET",
            headers,
        }
    }

    /// A record, whatever it says.
    pub(in crate::telemetry::audit) fn record() -> Record {
        Record::new(&served(&HeaderMap::new()), &peer(), NOW)
    }

    #[test]
    fn what_was_handed_out_is_told_without_its_secrets() {
        let credentials = Credentials {
            access_key_id: "ASIAEXAMPLE00000WXYZ".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI"),
            session_token: Some(Secret::new("session-token")),
            expires_at: Some(NOW + Duration::from_secs(3600)),
            account_id: AccountId::parse("111122223333"),
            role_arn: None,
        };
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("Boto3/1.43"))]);
        let served = Served {
            role: RoleName::parse("app"),
            status: 200,
            refused: "",
            cache: Some(CacheUse::Hit),
            left: Some(Duration::from_secs(3600)),
            credentials: Some(&credentials),
            source: Some(SourceKind::Imds),
            ..served(&headers)
        };
        let process = Process { pid: Some(7), uid: Some(1000), exe: Some("/usr/bin/python3.13".into()) };
        let json = Record::new(&served, &peer(), NOW).by(&process).repeated(3, NOW).as_json();
        let wanted = r#"{"time":"1970-01-01T00:00:00Z","outcome":"handed_out","status":200,"role":"app","source":"imds","account":"111122223333","key":"WXYZ","expires_at":"1970-01-01T01:00:00Z","remaining_seconds":3600,"cache":"hit","peer_address":"127.0.0.1:40000","peer_pid":7,"peer_uid":1000,"peer_exe":"/usr/bin/python3.13","user_agent":"Boto3/1.43","repeats":3}"#;
        assert_eq!(json, format!("{wanted}\n"));
    }

    #[test]
    fn a_refusal_names_its_reason_and_a_failure_its_cause() {
        let json = record().as_json();
        let wanted = r#"{"time":"1970-01-01T00:00:00Z","outcome":"refused","status":401,"reason":"bad_token","peer_address":"127.0.0.1:40000","repeats":0}"#;
        assert_eq!(json, format!("{wanted}\n"));
        let headers = HeaderMap::new();
        let failure = Some((&cause::STS_DENIED, Some(TraceId([7; 16]))));
        let served = Served { status: 503, refused: "", failure, ..served(&headers) };
        let json = Record::new(&served, &peer(), NOW).as_json();
        assert!(json.contains(r#""outcome":"unavailable","status":503,"reason":"STS-DENIED""#), "{json}");
        assert!(json.contains(&format!(r#""trace_id":"{}""#, "07".repeat(16))), "{json}");
    }

    #[test]
    fn the_fields_are_those_that_are_listed() {
        let process = Process { pid: Some(7), uid: Some(7), exe: Some("x".into()) };
        let text = Some("x".to_owned());
        let whole = Record {
            role: text.clone(),
            reason: Some("x"),
            source: Some("x"),
            account: text.clone(),
            key: text.clone(),
            expires_at: text.clone(),
            remaining_seconds: Some(1),
            cache: Some("x"),
            trace_id: text.clone(),
            user_agent: text,
            ..record().by(&process)
        };
        let json = whole.as_json();
        let names: Vec<&str> = json.split('"').filter(|word| FIELDS.contains(word)).collect();
        assert_eq!(names, FIELDS);
        assert_eq!(json.matches("\":").count(), FIELDS.len(), "{json}");
    }

    #[test]
    fn what_a_client_calls_itself_is_cut_and_tamed() {
        assert_eq!(short("a\tb\x1b[2J\u{9b}"), "a\\tb\\u{1b}[2J\\u{9b}");
        assert_eq!(short(&"é".repeat(300)), format!("{}…", "é".repeat(LONGEST_NAME)));
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_bytes(b"x\xff\ty").unwrap())]);
        let record = Record::new(&served(&headers), &peer(), NOW);
        assert_eq!(record.user_agent.as_deref(), Some("x\u{fffd}\\ty"));
    }
}
