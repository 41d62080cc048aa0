//! The instance metadata service's paths on the credentials listener (IMDSv2), for clients that know nothing else.
//!
//! Whoever reaches the listener gets a session token for the asking, as on an instance: only roles without tokens of
//! their own are served here.

use aws_lc_rs::hmac;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tokio::time::Instant;

use super::access::Asked;
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::status::region;
use crate::roster::{Entry, Roster};

/// Seconds for which a session token may be good, at most.
const LONGEST: u64 = 21600;
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const PLAIN: &str = "text/plain";

/// Session tokens: each says until when it is good and is signed, so that none has to be remembered.
pub struct Sessions {
    key: hmac::Key,
    begun: Instant,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Tokens that nobody else can make, for as long as this process lives.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut chance = [0; 32];
        getrandom::fill(&mut chance)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &chance), begun: Instant::now() })
    }

    fn open(&self, seconds: u64) -> String {
        let until = (self.begun.elapsed().as_secs() + seconds).to_be_bytes();
        let signature = hmac::sign(&self.key, &until);
        until.iter().chain(signature.as_ref()).map(|byte| format!("{byte:02x}")).collect()
    }

    fn good(&self, token: &[u8]) -> bool {
        let Some(bytes) = unspell(token) else { return false };
        let Some((until, signature)) = bytes.split_first_chunk::<8>() else { return false };
        let in_time = u64::from_be_bytes(*until) > self.begun.elapsed().as_secs();
        hmac::verify(&self.key, until, signature).is_ok() && in_time
    }
}

fn unspell(hex: &[u8]) -> Option<Vec<u8>> {
    const LENGTH: usize = 2 * (8 + 32);
    let text = std::str::from_utf8(hex).ok().filter(|text| text.len() == LENGTH && text.is_ascii())?;
    (0..LENGTH / 2).map(|byte| u8::from_str_radix(text.get(2 * byte..2 * byte + 2)?, 16).ok()).collect()
}

/// What a path of the metadata service asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page<'a> {
    /// A session token.
    Session,
    /// The name of the one role.
    Name,
    /// That role's credentials.
    Role(&'a str),
    /// Where.
    Region,
    /// The same and a letter.
    Zone,
    /// What an instance has and we have not.
    Nothing,
}

impl<'a> Page<'a> {
    /// The page, if the path is one of the metadata service's.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/latest/")?;
        Some(match rest {
            "api/token" => Self::Session,
            "meta-data/iam/security-credentials" | "meta-data/iam/security-credentials/" => Self::Name,
            "meta-data/placement/region" => Self::Region,
            "meta-data/placement/availability-zone" | "meta-data/placement/availability-zone/" => Self::Zone,
            _ => rest.strip_prefix("meta-data/iam/security-credentials/").map_or(Self::Nothing, Self::Role),
        })
    }
}

/// A new session token.
///
/// # Errors
/// Another method than PUT, or no length of time.
pub(super) fn session(sessions: &Sessions, head: &Parts) -> Result<Reply, Refusal> {
    if head.method != Method::PUT {
        return Err(Refusal::method("PUT"));
    }
    let ttl = head.headers.get(TTL).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let seconds =
        ttl.filter(|seconds| (1..=LONGEST).contains(seconds)).ok_or_else(Refusal::session_length)?;
    let mut reply = reply::text(StatusCode::OK, PLAIN, sessions.open(seconds));
    reply.headers_mut().insert(TTL, seconds.into());
    Ok(reply)
}

/// Whether the request belongs to a session: nothing is answered without (v1).
///
/// # Errors
/// No session token, one of somebody else's, or one past its time.
pub(super) fn admit(sessions: &Sessions, head: &Parts, asked: &Asked<'_>) -> Result<(), Refusal> {
    let mut tokens = head.headers.get_all(TOKEN).iter();
    match (tokens.next(), tokens.next()) {
        (None, _) => return Err(Refusal::session_missing()),
        (Some(token), None) if sessions.good(token.as_bytes()) => {}
        _ => return Err(Refusal::session_wrong()),
    }
    if asked.ourselves { Err(Refusal::own_loop()) } else { Ok(()) }
}

/// The role that a page is about.
pub(super) fn role<'a>(page: Page<'_>, roster: &'a Roster) -> Option<&'a Entry> {
    let found = match page {
        Page::Role(name) => roster.find(name),
        Page::Session | Page::Nothing => None,
        Page::Name | Page::Region | Page::Zone => roster.unnamed(),
    };
    found.filter(|entry| entry.role.tokens.is_empty())
}

/// A page that is a word: without newline, as on an instance.
pub(super) fn word(page: Page<'_>, entry: &Entry) -> Option<Reply> {
    let region = || region(entry, &entry.handle.load());
    let text = match page {
        Page::Name => entry.role.name.to_string(),
        Page::Region => region()?,
        // Clients take the letter off again, to have the region.
        Page::Zone => region()? + "a",
        Page::Role(_) | Page::Session | Page::Nothing => return None,
    };
    Some(reply::text(StatusCode::OK, PLAIN, text))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_is_good_for_its_time_and_in_its_process_only() {
        let sessions = Sessions::new().unwrap();
        let token = sessions.open(60);
        assert!(sessions.good(token.as_bytes()));
        assert!(!Sessions::new().unwrap().good(token.as_bytes()));
        let longer = format!("7{}", &token[1..]);
        assert!(!sessions.good(longer.as_bytes()), "another end needs another signature");
        for bad in ["", "x", &token[1..], &format!("{token}0"), &"é".repeat(40)] {
            assert!(!sessions.good(bad.as_bytes()), "{bad}");
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(!sessions.good(token.as_bytes()));
    }

    #[test]
    fn paths_are_those_of_an_instance() {
        let role = "/latest/meta-data/iam/security-credentials";
        let cases = [
            ("/latest/api/token".to_owned(), Some(Page::Session)),
            (role.to_owned(), Some(Page::Name)),
            (format!("{role}/"), Some(Page::Name)),
            (format!("{role}/app"), Some(Page::Role("app"))),
            (format!("{role}-extended/"), Some(Page::Nothing)),
            ("/latest/meta-data/placement/availability-zone/".to_owned(), Some(Page::Zone)),
            ("/latest/dynamic/instance-identity/document".to_owned(), Some(Page::Nothing)),
            ("/v1/credentials".to_owned(), None),
        ];
        for (path, page) in cases {
            assert_eq!(Page::of(&path), page, "{path}");
        }
    }
}
