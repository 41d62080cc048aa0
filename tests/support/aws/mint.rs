//! Makes credentials whose key id is a fingerprint of the question, and knows them again.

use std::collections::{BTreeSet, HashMap};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Whose keys they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    User {
        account: String,
        name: String,
    },
    /// Keys of `GetSessionToken`: the user, with a token.
    UserSession {
        account: String,
        name: String,
    },
    Role {
        account: String,
        name: String,
        session: String,
    },
}

impl Identity {
    pub fn account(&self) -> &str {
        match self {
            Identity::User { account, .. }
            | Identity::UserSession { account, .. }
            | Identity::Role { account, .. } => account,
        }
    }

    pub fn arn(&self) -> String {
        match self {
            Identity::User { account, name } | Identity::UserSession { account, name } => {
                format!("arn:aws:iam::{account}:user/{name}")
            }
            Identity::Role { account, name, session } => {
                format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
            }
        }
    }

    /// `AIDA…` for users, `AROA…:session` for roles.
    pub fn user_id(&self) -> String {
        match self {
            Identity::User { account, name } | Identity::UserSession { account, name } => {
                named("AIDA", &[account, name])
            }
            Identity::Role { account, name, session } => {
                format!("{}:{session}", named("AROA", &[account, name]))
            }
        }
    }
}

/// Credentials that exist here.
#[derive(Clone, Debug)]
pub struct Issued {
    pub key_id: String,
    pub secret: String,
    /// None for the keys of a user.
    pub session_token: Option<String>,
    pub expires: Option<Timestamp>,
    pub identity: Identity,
}

pub struct Mint {
    pub generations: bool,
    pub skew: i64,
    seed: [u8; 32],
    counts: HashMap<String, u32>,
    known: HashMap<String, Issued>,
    secrets: BTreeSet<String>,
}

impl Mint {
    pub fn new() -> Mint {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        Mint {
            generations: false,
            skew: 0,
            seed,
            counts: HashMap::new(),
            known: HashMap::new(),
            secrets: BTreeSet::new(),
        }
    }

    /// Now, as this AWS sees it.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.skew)
    }

    /// Hands out credentials for a question; the same question gets the same key id.
    pub fn issue(&mut self, question: &[&str], identity: Identity, life: i64) -> Issued {
        let base = named("ASIA", question);
        let key_id = match self.generation(&base) {
            0 => base,
            n => named("ASIA", &[&base, &n.to_string()]),
        };
        let session_token = format!("IQoJb3JpZ2luX2Vj{}==", self.derive(&key_id, "token", 320));
        let issued = Issued {
            secret: self.derive(&key_id, "secret", 40),
            session_token: Some(session_token.clone()),
            expires: Some(self.now() + SignedDuration::from_secs(life)),
            identity,
            key_id: key_id.clone(),
        };
        crate::support::leaks::secret(&issued.secret);
        crate::support::leaks::secret(&session_token);
        self.secrets.insert(issued.secret.clone());
        self.secrets.insert(session_token);
        self.known.insert(key_id, issued.clone());
        issued
    }

    pub fn add_user(&mut self, key_id: &str, secret: &str, account: &str, name: &str) {
        let user = Issued {
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
            session_token: None,
            expires: None,
            identity: Identity::User { account: account.to_owned(), name: name.to_owned() },
        };
        crate::support::leaks::secret(secret);
        self.secrets.insert(secret.to_owned());
        self.known.insert(key_id.to_owned(), user);
    }

    pub fn forget(&mut self, key_id: &str) {
        self.known.remove(key_id);
    }

    pub fn issued(&self, key_id: &str) -> Option<&Issued> {
        self.known.get(key_id)
    }

    pub fn secrets(&self) -> Vec<String> {
        self.secrets.iter().cloned().collect()
    }

    /// Text only this server can make.
    pub fn derive(&self, of: &str, purpose: &str, length: usize) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let blocks = (0u32..).flat_map(|block| {
            let text = format!("{purpose}\n{of}\n{block}");
            hmac_sha256(&self.seed, text.as_bytes())
        });
        let letters = blocks.map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
        letters.take(length).collect()
    }

    fn generation(&mut self, base: &str) -> u32 {
        let count = self.counts.entry(base.to_owned()).or_insert(0);
        let generation = if self.generations { *count } else { 0 };
        *count += 1;
        generation
    }
}

/// Four letters and 16 of a hash, as AWS writes its ids.
pub fn named(prefix: &str, parts: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that ("ab", "c") is not ("a", "bc").
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let letters = hash.finalize();
    let letters = letters.iter().take(16).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    prefix.chars().chain(letters).collect()
}

pub fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().into()
}

pub fn sha256_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
