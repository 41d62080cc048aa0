//! What a test may turn on the fake while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use super::sts::Provider;

/// The knobs of one face; turned from the test's thread, read by the server's.
#[derive(Default)]
pub struct Knobs<K>(Mutex<K>);

impl<K: Default + Clone> Knobs<K> {
    /// `aws.imds().set(|imds| imds.life = 900)`
    pub fn set(&self, change: impl FnOnce(&mut K)) {
        change(&mut self.0.lock().unwrap());
    }

    /// Back to the defaults.
    pub fn reset(&self) {
        *self.0.lock().unwrap() = K::default();
    }

    pub fn now(&self) -> K {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn take<T>(&self, of: impl FnOnce(&mut K) -> T) -> T {
        of(&mut self.0.lock().unwrap())
    }
}

/// An answer that is not one.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// This status with this body.
    Status(u16, String),
    /// The connection stays open, the answer never comes.
    Hang,
    /// The connection is closed without an answer.
    Cut,
}

impl Trouble {
    /// A status with a body that says nothing.
    pub fn status(code: u16) -> Option<Trouble> {
        Some(Trouble::Status(code, "no".to_owned()))
    }
}

/// The body of a credentials answer with status 200.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shape {
    #[default]
    Full,
    /// Without these fields.
    Without(Vec<&'static str>),
    /// With these fields set to null.
    Null(Vec<&'static str>),
    NotJson,
    /// This text, whatever it is.
    Raw(String),
    /// `Code` and `Message` and no credentials, as instance metadata says it failed.
    Failure(String, String),
    /// A body of 1 GB.
    Endless,
}

/// What the listing of roles says.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Listing {
    #[default]
    One,
    Empty,
    Two,
    TrailingNewline,
}

/// Instance metadata.
#[derive(Clone, Debug)]
pub struct Imds {
    /// Requests without a session token are answered (`HttpTokens=optional`).
    pub v1: bool,
    /// Every path.
    pub all: Option<Trouble>,
    /// The PUT for a session token.
    pub token: Option<Trouble>,
    pub list: Option<Trouble>,
    pub role: Option<Trouble>,
    pub placement: Option<Trouble>,
    pub listing: Listing,
    pub shape: Shape,
    pub role_name: String,
    pub account: String,
    /// Adds `AccountId`, which the real answer does not have.
    pub show_account: bool,
    /// Seconds; negative for credentials that have expired.
    pub life: i64,
    /// strftime of `Expiration`.
    pub expiration_format: String,
    pub availability_zone: String,
    pub region: String,
    /// A proxy of this name stands in between, and refuses.
    pub via: Option<String>,
    /// Before each answer.
    pub delay: Duration,
}

impl Default for Imds {
    fn default() -> Imds {
        Imds {
            v1: false,
            all: None,
            token: None,
            list: None,
            role: None,
            placement: None,
            listing: Listing::One,
            shape: Shape::Full,
            role_name: "instance-role".to_owned(),
            account: super::ACCOUNT.to_owned(),
            show_account: false,
            life: 21_600,
            expiration_format: super::wire::STAMP.to_owned(),
            availability_zone: "eu-west-1a".to_owned(),
            region: "eu-west-1".to_owned(),
            via: None,
            delay: Duration::ZERO,
        }
    }
}

/// The container endpoint: `/container/…`, `/v2/credentials/…`, `/v1/credentials`.
#[derive(Clone, Debug)]
pub struct Container {
    /// The exact `Authorization` value that is asked for.
    pub authorization: Option<String>,
    pub trouble: Option<Trouble>,
    pub shape: Shape,
    pub role_name: String,
    pub account: String,
    pub show_account: bool,
    /// ECS says `RoleArn`; Pod Identity never does.
    pub show_role_arn: bool,
    pub show_token: bool,
    /// Seconds; negative for credentials that have expired.
    pub life: i64,
    /// strftime of `Expiration`.
    pub expiration_format: String,
    /// Before each answer.
    pub delay: Duration,
}

impl Default for Container {
    fn default() -> Container {
        Container {
            authorization: None,
            trouble: None,
            shape: Shape::Full,
            role_name: "task-role".to_owned(),
            account: super::ACCOUNT.to_owned(),
            show_account: true,
            show_role_arn: true,
            show_token: true,
            life: 21_600,
            expiration_format: super::wire::STAMP.to_owned(),
            delay: Duration::ZERO,
        }
    }
}

/// The services behind `aws sso login` and `aws login`.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Operation to status and code; for Sign-In the reason, in capitals, in place of the code.
    pub refuse: BTreeMap<String, (u16, String)>,
    /// SSO tokens that are good no longer.
    pub revoked: BTreeSet<String>,
    /// Each refresh token is good once.
    pub once: bool,
    /// Those that were used, and the ids of proofs.
    pub spent: BTreeSet<String>,
    /// Fields that answers lack.
    pub without: Vec<String>,
    /// Of a role's credentials, in seconds; negative for credentials that have expired.
    pub life: i64,
    /// Of tokens and of what `aws login` gives.
    pub token_life: i64,
    pub trouble: Option<Trouble>,
    /// Before each answer.
    pub delay: Duration,
}

impl Default for SignIn {
    fn default() -> SignIn {
        SignIn {
            refuse: BTreeMap::new(),
            revoked: BTreeSet::new(),
            once: false,
            spent: BTreeSet::new(),
            without: Vec::new(),
            life: 3600,
            token_life: 3600,
            trouble: None,
            delay: Duration::ZERO,
        }
    }
}

/// STS.
#[derive(Clone, Debug)]
pub struct Sts {
    /// Regions that a credential scope may name.
    pub regions: BTreeSet<String>,
    /// Role ARNs that nobody may assume.
    pub denied: BTreeSet<String>,
    /// Role ARN to the external id its trust policy asks for.
    pub external_ids: BTreeMap<String, String>,
    /// The code that goes with any `SerialNumber`.
    pub mfa_code: String,
    /// So many of the next calls are throttled.
    pub throttle_next: u32,
    /// So many of the next calls end in a 500.
    pub fail_next: u32,
    /// So many of the next calls get this status, code and message.
    pub refuse_next: Option<(u32, u16, String, String)>,
    pub trouble: Option<Trouble>,
    /// Every web identity token is refused as one of an unknown provider.
    pub bad_identity_token: bool,
    /// Every web identity token is refused as expired.
    pub expired_identity_token: bool,
    /// Verifies web identity tokens; without one, every other token is taken.
    pub provider: Option<Provider>,
    /// Seconds, in place of what was asked for; negative for credentials that have expired.
    pub life: Option<i64>,
    /// Before each answer.
    pub delay: Duration,
}

impl Default for Sts {
    fn default() -> Sts {
        Sts {
            regions: ["us-east-1", "eu-west-1", "eu-central-1"].map(str::to_owned).into(),
            denied: BTreeSet::new(),
            external_ids: BTreeMap::new(),
            mfa_code: "123456".to_owned(),
            throttle_next: 0,
            fail_next: 0,
            refuse_next: None,
            trouble: None,
            bad_identity_token: false,
            expired_identity_token: false,
            provider: None,
            life: None,
            delay: Duration::ZERO,
        }
    }
}
