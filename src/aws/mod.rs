//! AWS's own clients, built once, and their errors, mapped once.

mod manner;
mod path;
mod place;
mod refusal;
mod sign_in;
mod wire;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{AppName, BehaviorVersion, Builder, Region, StalledStreamProtectionConfig};
use aws_sdk_sts::types::{Credentials as Session, Tag};
use aws_types::SdkConfig;
use tokio::time::timeout;

pub use manner::{Manner, Mode, Tries};
pub use place::{Place, Variant};
pub use sign_in::{Grant, RoleOfAccount, SignIn, Token};

use crate::cause;
use crate::credentials::{AccountId, Credentials};
use crate::failure::{Failure, FailureKind};
use crate::http;
use crate::report::Notes;
use crate::secret::Secret;
use refusal::Asked;
use wire::Wire;

/// STS through the official client.
#[derive(Clone, Debug)]
pub struct Sts {
    http: http::Client,
    attempt_timeout: Duration,
}

/// What `AssumeRole` is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: String,
    /// Shows up in the assumed role's ARN.
    pub session_name: String,
    /// As the role's owner wants it.
    pub external_id: Option<String>,
    /// Seconds.
    pub duration: Option<i32>,
    /// JSON: what the session may do at most.
    pub policy: Option<String>,
    /// Keys and values.
    pub tags: BTreeMap<String, String>,
    /// Keys of those that go along to further roles.
    pub transitive_tags: Vec<String>,
    /// Stays through further roles.
    pub source_identity: Option<String>,
    /// The code of a device.
    pub mfa: Option<Mfa>,
}

/// An MFA device and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mfa {
    /// Its serial number, or its ARN.
    pub serial: String,
    /// Good for half a minute, and once.
    pub code: Secret,
}

/// What `AssumeRoleWithWebIdentity` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The role.
    pub role_arn: String,
    /// Shows up in the assumed role's ARN.
    pub session_name: String,
    /// The JWT.
    pub token: Secret,
    /// Seconds.
    pub duration: Option<i32>,
    /// JSON: what the session may do at most.
    pub policy: Option<String>,
}

impl AssumeRole {
    fn tags(&self) -> Option<Vec<Tag>> {
        // Both parts are there, which is all that can be missing.
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build().ok();
        some(&self.tags.iter().filter_map(tag).collect::<Vec<_>>())
    }
}

impl Sts {
    /// Nothing is loaded before the first call. One call, all tries included, ends after `attempt_timeout`.
    #[must_use]
    pub fn new(attempt_timeout: Duration, http: http::Client) -> Self {
        Self { http, attempt_timeout }
    }

    /// Exchanges the caller's credentials for a role's.
    ///
    /// # Errors
    /// Why AWS gave none, or why AWS could not be asked.
    pub async fn assume_role(
        &self,
        caller: &Credentials,
        ask: &AssumeRole,
        place: &Place,
        notes: &mut Notes,
    ) -> Result<Credentials, Failure> {
        let wire = Wire::open(&self.http, "AssumeRole", place, notes).await;
        let config = self.config(place, &wire).credentials_provider(signing(caller)?).build();
        let request = aws_sdk_sts::Client::from_conf(config)
            .assume_role()
            .role_arn(&ask.role_arn)
            .role_session_name(&ask.session_name)
            .set_external_id(ask.external_id.clone())
            .set_duration_seconds(ask.duration)
            .set_policy(ask.policy.clone())
            .set_tags(ask.tags())
            .set_transitive_tag_keys(some(&ask.transitive_tags))
            .set_source_identity(ask.source_identity.clone())
            .set_serial_number(ask.mfa.as_ref().map(|mfa| mfa.serial.clone()))
            .set_token_code(ask.mfa.as_ref().map(|mfa| mfa.code.expose().to_owned()));
        let secrets = secrets(caller).into_iter().chain(ask.mfa.as_ref().map(|mfa| &mfa.code)).collect();
        let asked = Asked { operation: "AssumeRole", whom: &ask.role_arn, place, secrets };
        match timeout(self.attempt_timeout, request.send()).await {
            Ok(Ok(answer)) => {
                let found = session(answer.credentials, &ask.role_arn)?;
                let user = answer.assumed_role_user;
                let account_id = user.and_then(|user| AccountId::of_arn(&user.arn));
                Ok(Credentials { account_id, role_arn: Some(ask.role_arn.clone()), ..found })
            }
            Ok(Err(error)) => Err(asked.failure(&error)),
            Err(_) => Err(asked.late(self.attempt_timeout, wire.last())),
        }
    }

    /// Exchanges a web identity token for a role's credentials. Not signed.
    ///
    /// # Errors
    /// Why AWS gave none, or why AWS could not be asked.
    pub async fn assume_role_with_web_identity(
        &self,
        ask: &WebIdentity,
        place: &Place,
        notes: &mut Notes,
    ) -> Result<Credentials, Failure> {
        let wire = Wire::open(&self.http, "AssumeRoleWithWebIdentity", place, notes).await;
        let request = aws_sdk_sts::Client::from_conf(self.config(place, &wire).build())
            .assume_role_with_web_identity()
            .role_arn(&ask.role_arn)
            .role_session_name(&ask.session_name)
            .web_identity_token(ask.token.expose())
            .set_duration_seconds(ask.duration)
            .set_policy(ask.policy.clone());
        let (operation, secrets) = ("AssumeRoleWithWebIdentity", vec![&ask.token]);
        let asked = Asked { operation, whom: &ask.role_arn, place, secrets };
        match timeout(self.attempt_timeout, request.send()).await {
            Ok(Ok(answer)) => {
                let found = session(answer.credentials, &ask.role_arn)?;
                let user = answer.assumed_role_user;
                let account_id = user.and_then(|user| AccountId::of_arn(&user.arn));
                Ok(Credentials { account_id, role_arn: Some(ask.role_arn.clone()), ..found })
            }
            Ok(Err(error)) => Err(asked.failure(&error)),
            Err(_) => Err(asked.late(self.attempt_timeout, wire.last())),
        }
    }

    /// Exchanges long-term keys for a session of the same user.
    ///
    /// # Errors
    /// Why AWS gave none, or why AWS could not be asked.
    pub async fn session_token(
        &self,
        caller: &Credentials,
        duration: Option<i32>,
        place: &Place,
        notes: &mut Notes,
    ) -> Result<Credentials, Failure> {
        let wire = Wire::open(&self.http, "GetSessionToken", place, notes).await;
        let config = self.config(place, &wire).credentials_provider(signing(caller)?).build();
        let client = aws_sdk_sts::Client::from_conf(config);
        let request = client.get_session_token().set_duration_seconds(duration);
        let whom = format!("the key …{}", caller.key_suffix());
        let asked = Asked { operation: "GetSessionToken", whom: &whom, place, secrets: secrets(caller) };
        match timeout(self.attempt_timeout, request.send()).await {
            Ok(Ok(answer)) => {
                let (account_id, role_arn) = (caller.account_id.clone(), caller.role_arn.clone());
                Ok(Credentials { account_id, role_arn, ..session(answer.credentials, &whom)? })
            }
            Ok(Err(error)) => Err(asked.failure(&error)),
            Err(_) => Err(asked.late(self.attempt_timeout, wire.last())),
        }
    }

    fn config(&self, place: &Place, wire: &Wire<'_>) -> Builder {
        let config = Builder::from(&shared(place, wire, self.attempt_timeout));
        config.retry_classifier(place.manner.tries).interceptor(path::AsWritten::of(place))
    }
}

/// What all of AWS's clients are built with.
fn shared(place: &Place, wire: &Wire<'_>, patience: Duration) -> SdkConfig {
    let target = place.target();
    let mut config = SdkConfig::builder();
    // Shows up in CloudTrail.
    config.set_app_name(AppName::new("keyfob").ok());
    config.set_endpoint_url(target.endpoint);
    config
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(target.region))
        .use_fips(target.fips)
        .use_dual_stack(target.dual_stack)
        .http_client(wire.client(patience))
        .retry_config(place.manner.tries.within(patience))
        .timeout_config(TimeoutConfig::disabled())
        // boto3 does not correct a wrong clock, and whoever gets these credentials would fail by it all the same.
        .disable_clock_skew_correction(true)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// The keys for AWS's signer, which panics over what cannot stand in a header.
fn signing(caller: &Credentials) -> Result<aws_sdk_sts::config::Credentials, Failure> {
    let broken = |text: &str| text.contains(char::is_control);
    let token = caller.session_token.as_ref().map(Secret::expose);
    for (what, text) in [("key id", Some(caller.access_key_id.as_str())), ("session token", token)] {
        if text.is_some_and(broken) {
            let sentence =
                format!("the {what} to sign with has a line break or another control character in it");
            return Err(Failure::misconfigured(&cause::KEY_INVALID, sentence));
        }
    }
    // An empty token would be sent as an empty header, which AWS refuses.
    let token = token.filter(|token| !token.is_empty());
    Ok(aws_sdk_sts::config::Credentials::new(
        &caller.access_key_id,
        caller.secret_access_key.expose(),
        token.map(str::to_owned),
        // AWS is the judge of that: metadata hands out credentials past their expiry when it is unwell.
        None,
        "keyfob",
    ))
}

fn secrets(caller: &Credentials) -> Vec<&Secret> {
    caller.session_token.iter().chain([&caller.secret_access_key]).collect()
}

/// Nothing instead of a list of nothing.
fn some<T: Clone>(all: &[T]) -> Option<Vec<T>> {
    (!all.is_empty()).then(|| all.to_vec())
}

fn session(session: Option<Session>, whom: &str) -> Result<Credentials, Failure> {
    let strange = |what: &str| {
        let sentence = format!("STS answered for {whom} {what}");
        Failure::new(FailureKind::Malformed, &cause::AWS_ANSWER, sentence)
    };
    let session = session.ok_or_else(|| strange("without credentials"))?;
    let expires_at =
        SystemTime::try_from(session.expiration).map_err(|_| strange("with no possible expiry"))?;
    if session.access_key_id.is_empty() || session.secret_access_key.is_empty() {
        return Err(strange("with empty keys"));
    }
    Ok(Credentials {
        access_key_id: session.access_key_id,
        secret_access_key: Secret::new(session.secret_access_key),
        session_token: Some(Secret::new(session.session_token)),
        expires_at: Some(expires_at),
        account_id: None,
        role_arn: None,
    })
}

#[cfg(test)]
mod tests;
