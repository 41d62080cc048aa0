//! What keyfob or botocore made of a machine, and whether two such answers are the same.

use std::fmt;

use serde_json::Value;

use crate::support::Finished;

/// Seconds by which two times of expiry may differ.
const SLACK: f64 = 2.0;

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Keys(Keys),
    /// Nothing is configured.
    Nothing,
    /// What was wrong with that which is configured.
    Error(String),
    /// No answer at all: a crash, bad usage, a hang. Equal to nothing.
    Broken(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// In botocore's words.
    pub method: String,
    pub key_id: String,
    pub secret: String,
    /// An empty one is none: neither program sends it.
    pub token: Option<String>,
    pub account: Option<String>,
    /// Seconds since 1970.
    pub expires: Option<f64>,
}

impl Answer {
    /// What `keyfob get --output json` came to.
    pub fn of_keyfob(done: &Finished) -> Answer {
        let said = done.stderr.trim();
        match done.code() {
            Some(0) => {
                let found = done.json();
                let expires = text(&found, "expires_at").map(|at| {
                    let at: jiff::Timestamp = at.parse().unwrap();
                    at.as_duration().as_secs_f64()
                });
                let method = text(&found, "source").as_deref().map_or("no source", method).to_owned();
                Answer::Keys(Keys { expires, ..keys(&found, method) })
            }
            Some(3) => Answer::Nothing,
            // The sentence with the cause; why and fix follow in lines of their own.
            Some(4 | 5) => Answer::Error(said.lines().next().unwrap_or_default().to_owned()),
            code => Answer::Broken(format!("status {code:?}: {said}")),
        }
    }

    /// What tests/parity/oracle.py said.
    pub fn of_botocore(said: &Value) -> Answer {
        let words = |name| text(said, name).unwrap_or_default();
        match words("outcome").as_str() {
            "keys" => {
                let expires = said["expires"].as_f64();
                Answer::Keys(Keys { expires, ..keys(said, theirs(words("method"))) })
            }
            "nothing" => Answer::Nothing,
            "error" => Answer::Error(format!("{}: {}", words("error"), words("message"))),
            _ => Answer::Broken(words("message")),
        }
    }

    /// One word for it.
    pub fn outcome(&self) -> &'static str {
        match self {
            Answer::Keys(_) => "keys",
            Answer::Nothing => "nothing",
            Answer::Error(_) => "error",
            Answer::Broken(_) => "broken",
        }
    }

    pub fn key_id(&self) -> Option<&str> {
        match self {
            Answer::Keys(keys) => Some(&keys.key_id),
            _ => None,
        }
    }

    /// Keys with their expiry as the distance from what the fake AWS stamped on them, since it stamped each program's
    /// at another moment; a situation's own answer has no stamp and keeps the expiry it wrote. All times in seconds
    /// since 1970.
    pub fn since(self, stamped: Option<f64>, now: f64) -> Answer {
        match self {
            Answer::Keys(keys) => {
                let expires = keys.expires.map(|at| distance(at, stamped, now, &keys.method));
                Answer::Keys(Keys { expires, ..keys })
            }
            other => other,
        }
    }
}

/// Instance credentials that are dead or nearly so get another expiry, up to 25 minutes ahead: which one is chance.
const EXTENSION: f64 = 1500.0;

fn distance(at: f64, stamped: Option<f64>, now: f64, method: &str) -> f64 {
    if method != "iam-role" {
        return at - stamped.unwrap_or_default();
    }
    let least = stamped.map_or(now, |stamped| stamped.max(now));
    let extended = at > least && at <= now + EXTENSION;
    if extended { 0.0 } else { at - stamped.map_or(0.0, |_| least) }
}

/// In what two answers differ, a line each; nothing when they are the same.
pub fn differences(keyfob: &Answer, botocore: &Answer) -> Vec<String> {
    match (keyfob, botocore) {
        (Answer::Keys(ours), Answer::Keys(theirs)) => different_keys(ours, theirs),
        (Answer::Nothing, Answer::Nothing) | (Answer::Error(_), Answer::Error(_)) => Vec::new(),
        _ => vec![format!("keyfob has {}, botocore {}", keyfob.outcome(), botocore.outcome())],
    }
}

fn different_keys(ours: &Keys, theirs: &Keys) -> Vec<String> {
    let near = match (ours.expires, theirs.expires) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= SLACK,
        (ours, theirs) => ours == theirs,
    };
    // botocore knows no account of an instance role, and of others only what it was told.
    let account = theirs.account.is_none() || ours.account == theirs.account;
    let fields = [
        ("method", ours.method == theirs.method),
        ("key id", ours.key_id == theirs.key_id),
        ("secret", ours.secret == theirs.secret),
        ("session token", ours.token == theirs.token),
        ("account", account),
        ("expiry", near),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| format!("another {name}")).collect()
}

fn keys(found: &Value, method: String) -> Keys {
    Keys {
        method,
        key_id: text(found, "access_key_id").unwrap_or_default(),
        secret: text(found, "secret_access_key").unwrap_or_default(),
        token: text(found, "session_token").filter(|token| !token.is_empty()),
        account: text(found, "account_id").filter(|account| !account.is_empty()),
        expires: None,
    }
}

fn text(of: &Value, name: &str) -> Option<String> {
    of[name].as_str().map(str::to_owned)
}

/// What botocore calls our source.
fn method(source: &str) -> &str {
    match source {
        "profile_assume_role" => "assume-role",
        "profile_web_identity" | "web_identity" => "assume-role-with-web-identity",
        "static_file" => "shared-credentials-file",
        "process" => "custom-process",
        "static_config" => "config-file",
        "container" | "eks_pod_identity" => "container-role",
        "imds" => "iam-role",
        other => other,
    }
}

/// Two of botocore's methods are one source of ours.
fn theirs(method: String) -> String {
    match method.as_str() {
        "ec2-credentials-file" | "boto-config" => "boto_file".to_owned(),
        _ => method,
    }
}

/// For a disagreement: all there is to see, secrets in their length only.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match self {
            Answer::Keys(keys) => keys,
            Answer::Nothing => return f.write_str("nothing"),
            Answer::Error(why) => return write!(f, "error: {why}"),
            Answer::Broken(why) => return write!(f, "BROKEN: {why}"),
        };
        let token = keys.token.as_ref().map(String::len);
        write!(f, "key id {:?} by {}, secret of {},", keys.key_id, keys.method, keys.secret.len())?;
        write!(f, " token of {token:?}, account {:?}, expiry {:?}", keys.account, keys.expires)
    }
}

fn some_keys() -> Keys {
    Keys {
        method: "env".to_owned(),
        key_id: "AKIA1".to_owned(),
        secret: "s".to_owned(),
        token: Some("t".to_owned()),
        account: Some("123456789012".to_owned()),
        expires: Some(1000.0),
    }
}

#[test]
fn the_same_is_the_same() {
    let keys = Answer::Keys(some_keys());
    let error = |why: &str| Answer::Error(why.to_owned());
    let later = Answer::Keys(Keys { expires: Some(1002.0), ..some_keys() });
    for (ours, theirs) in
        [(&keys, &keys), (&Answer::Nothing, &Answer::Nothing), (&error("a"), &error("b")), (&keys, &later)]
    {
        assert_eq!(differences(ours, theirs), Vec::<String>::new(), "{ours} | {theirs}");
    }
}

/// The comparison can fail, in every field and in every kind of answer.
#[test]
fn every_difference_is_seen() {
    type Spoil = fn(&mut Keys);
    let spoils: [(&str, Spoil); 8] = [
        ("method", |keys| keys.method = "iam-role".to_owned()),
        ("key id", |keys| keys.key_id = "AKIA2".to_owned()),
        ("secret", |keys| keys.secret = "S".to_owned()),
        ("session token", |keys| keys.token = None),
        ("account", |keys| keys.account = Some("123456789013".to_owned())),
        ("account", |keys| keys.account = None),
        ("expiry", |keys| keys.expires = Some(1003.0)),
        ("expiry", |keys| keys.expires = None),
    ];
    for (field, spoil) in spoils {
        let mut other = some_keys();
        spoil(&mut other);
        let said = differences(&Answer::Keys(other), &Answer::Keys(some_keys()));
        assert_eq!(said, [format!("another {field}")]);
    }
    let answers = [
        Answer::Keys(some_keys()),
        Answer::Nothing,
        Answer::Error("e".to_owned()),
        Answer::Broken("b".to_owned()),
    ];
    for (i, ours) in answers.iter().enumerate() {
        for (j, theirs) in answers.iter().enumerate() {
            let same = i == j && i != 3;
            assert_eq!(differences(ours, theirs).is_empty(), same, "{ours} | {theirs}");
        }
    }
}

#[test]
fn an_extended_expiry_is_one_that_lies_ahead() {
    let near = |at: f64, stamped: f64| distance(at, Some(stamped), 10_000.0, "iam-role").abs() <= SLACK;
    assert!(near(20_000.0, 20_000.0) && near(10_300.0, 10_300.0));
    assert!(near(11_400.0, 10_300.0) && near(11_200.0, 9_000.0));
    for (at, stamped) in [(9_000.0, 9_000.0), (9_900.0, 9_000.0), (11_600.0, 10_300.0), (20_010.0, 20_000.0)]
    {
        assert!(!near(at, stamped), "{at} for {stamped}");
    }
    assert!(distance(11_200.0, Some(10_300.0), 10_000.0, "container-role") > SLACK);
    let unstamped = |at: f64| distance(at, None, 10_000.0, "iam-role");
    assert_eq!((unstamped(9_000.0), unstamped(11_200.0), unstamped(20_000.0)), (9_000.0, 0.0, 20_000.0));
}

#[test]
fn an_account_that_botocore_does_not_know_may_be_known_to_us() {
    let without = Keys { account: None, ..some_keys() };
    assert!(differences(&Answer::Keys(some_keys()), &Answer::Keys(without)).is_empty());
}

#[test]
fn a_status_that_says_nothing_about_credentials_is_no_answer() {
    use crate::support::Run;
    for (status, outcome) in [(3, "nothing"), (4, "error"), (5, "error"), (1, "broken"), (2, "broken")] {
        let done = Run::new("/bin/sh").args(["-c", &format!("exit {status}")]).run();
        assert_eq!(Answer::of_keyfob(&done).outcome(), outcome, "{status}");
    }
}
