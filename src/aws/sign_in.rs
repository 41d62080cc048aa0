//! The services behind `aws sso login` and `aws login`. None of their calls is signed: a token stands for the caller.

use std::time::{Duration, SystemTime};

use aws_sdk_signin::operation::create_o_auth2_token::CreateOAuth2TokenError;
use aws_sdk_signin::types::CreateOAuth2TokenRequestBody;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use tokio::time::timeout;

use super::refusal::Asked;
use super::wire::Wire;
use super::{Place, shared};
use crate::cause;
use crate::credentials::{AccountId, Credentials};
use crate::failure::{Failure, FailureKind};
use crate::http;
use crate::report::Notes;
use crate::secret::Secret;

/// SSO, SSO-OIDC and Sign-In through the official clients.
#[derive(Clone, Debug)]
pub struct SignIn {
    http: http::Client,
    attempt_timeout: Duration,
}

/// What `GetRoleCredentials` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleOfAccount {
    /// The account.
    pub account: String,
    /// Its role's name.
    pub role: String,
}

/// What a sign-in is prolonged with.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whose sign-in it is, for failures.
    pub subject: String,
    /// Registered by the tool that signed in.
    pub client_id: String,
    /// Of that registration; Sign-In has none.
    pub client_secret: Secret,
    /// May be good for one use only.
    pub refresh_token: Secret,
}

/// A token that prolongs a sign-in.
#[derive(Clone, Debug)]
pub struct Token {
    /// Stands for whoever signed in.
    pub access_token: Secret,
    /// From now on.
    pub life: Duration,
    /// For the next time, where there is one.
    pub refresh_token: Option<Secret>,
}

impl SignIn {
    /// Nothing is loaded before the first call. One call, all tries included, ends after `attempt_timeout`.
    #[must_use]
    pub fn new(attempt_timeout: Duration, http: http::Client) -> Self {
        Self { http, attempt_timeout }
    }

    /// Exchanges an SSO token for a role's credentials.
    ///
    /// # Errors
    /// Why AWS gave none, or why AWS could not be asked.
    pub async fn role_credentials(
        &self,
        token: &Secret,
        ask: &RoleOfAccount,
        place: &Place,
        notes: &mut Notes,
    ) -> Result<Credentials, Failure> {
        let wire = Wire::open(&self.http, "GetRoleCredentials", place, notes).await;
        let config = aws_sdk_sso::config::Builder::from(&shared(place, &wire, self.attempt_timeout));
        let request = aws_sdk_sso::Client::from_conf(config.retry_classifier(place.manner.tries).build())
            .get_role_credentials()
            .account_id(&ask.account)
            .role_name(&ask.role)
            .access_token(token.expose());
        let subject = format!("role {} of account {}", ask.role, ask.account);
        let asked = Asked { operation: "GetRoleCredentials", whom: &subject, place, secrets: vec![token] };
        let answer = match timeout(self.attempt_timeout, request.send()).await {
            Ok(Ok(answer)) => answer.role_credentials,
            Ok(Err(error)) => return Err(asked.failure(&error)),
            Err(_) => return Err(asked.late(self.attempt_timeout, wire.last())),
        };
        answer.and_then(|found| role_credentials(found, &ask.account)).ok_or_else(|| strange("SSO", &subject))
    }

    /// Prolongs an SSO sign-in.
    ///
    /// # Errors
    /// Why AWS gave no token, or why AWS could not be asked.
    pub async fn sso_token(&self, grant: &Grant, place: &Place, notes: &mut Notes) -> Result<Token, Failure> {
        let wire = Wire::open(&self.http, "CreateToken", place, notes).await;
        let config = aws_sdk_ssooidc::config::Builder::from(&shared(place, &wire, self.attempt_timeout));
        let request = aws_sdk_ssooidc::Client::from_conf(config.retry_classifier(place.manner.tries).build())
            .create_token()
            .grant_type("refresh_token")
            .client_id(&grant.client_id)
            .client_secret(grant.client_secret.expose())
            .refresh_token(grant.refresh_token.expose());
        let asked = asked("CreateToken", grant, place);
        let answer = match timeout(self.attempt_timeout, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(asked.failure(&error)),
            Err(_) => return Err(asked.late(self.attempt_timeout, wire.last())),
        };
        match (answer.access_token, seconds(answer.expires_in)) {
            (Some(token), Some(life)) if !token.is_empty() => Ok(Token {
                access_token: Secret::new(token),
                life,
                refresh_token: answer.refresh_token.map(Secret::new),
            }),
            _ => Err(strange("SSO-OIDC", &grant.subject)),
        }
    }

    /// Prolongs an `aws login` sign-in: new credentials, with the refresh token for the next time. `prove` makes the
    /// proof of possession for an address.
    ///
    /// # Errors
    /// Why AWS gave none, or why AWS could not be asked.
    pub async fn login(
        &self,
        grant: &Grant,
        prove: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        place: &Place,
        notes: &mut Notes,
    ) -> Result<(Credentials, Duration, Secret), Failure> {
        let wire = Wire::open(&self.http, "CreateOAuth2Token", place, notes).await;
        let asked = asked("CreateOAuth2Token", grant, place);
        let body = CreateOAuth2TokenRequestBody::builder()
            .client_id(&grant.client_id)
            .grant_type("refresh_token")
            .refresh_token(grant.refresh_token.expose());
        let Ok(body) = body.build() else { return Err(strange("Sign-In", &grant.subject)) };
        let config = aws_sdk_signin::config::Builder::from(&shared(place, &wire, self.attempt_timeout));
        let config = config.retry_classifier(Busy).retry_classifier(place.manner.tries);
        let request = aws_sdk_signin::Client::from_conf(config.build())
            .create_o_auth2_token()
            .token_input(body)
            .customize()
            .mutate_request(move |request| {
                if let Some(proof) = prove(request.uri()) {
                    request.headers_mut().insert("DPoP", proof);
                }
            });
        let answer = match timeout(self.attempt_timeout, request.send()).await {
            Ok(Ok(answer)) => answer.token_output,
            Ok(Err(error)) => {
                let word = match error.as_service_error() {
                    Some(CreateOAuth2TokenError::AccessDeniedException(denied)) => {
                        Some(denied.error.as_str())
                    }
                    _ => None,
                };
                return Err(asked.failure_by(word, &error));
            }
            Err(_) => return Err(asked.late(self.attempt_timeout, wire.last())),
        };
        let found = answer.and_then(|answer| {
            let life = seconds(answer.expires_in)?;
            let keys = answer.access_token?;
            let refresh_token = Some(answer.refresh_token).filter(|token| !token.is_empty())?;
            let keys = credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)?;
            Some((keys, life, Secret::new(refresh_token)))
        });
        found.ok_or_else(|| strange("Sign-In", &grant.subject))
    }
}

/// Sign-In's word for "slow down" is not among those that AWS's client knows.
#[derive(Debug)]
struct Busy;

impl ClassifyRetry for Busy {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(answer) if answer.status().as_u16() == 429 => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "busy"
    }
}

fn asked<'a>(operation: &'static str, grant: &'a Grant, place: &'a Place) -> Asked<'a> {
    let secrets = vec![&grant.client_secret, &grant.refresh_token];
    Asked { operation, whom: &grant.subject, place, secrets }
}

fn strange(who: &str, subject: &str) -> Failure {
    let sentence = format!("{who} answered for {subject} without what was asked for");
    Failure::new(FailureKind::Malformed, &cause::AWS_ANSWER, sentence)
}

/// AWS's clients read 0 where the field is missing: the refresh token that came with it is still one to keep.
fn seconds(life: i32) -> Option<Duration> {
    u64::try_from(life).ok().map(Duration::from_secs)
}

fn role_credentials(found: aws_sdk_sso::types::RoleCredentials, account: &str) -> Option<Credentials> {
    let life = Duration::from_millis(u64::try_from(found.expiration).ok()?);
    // botocore goes through whole seconds.
    let expires_at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(life.as_secs()))?;
    let keys = credentials(found.access_key_id?, found.secret_access_key?, found.session_token?)?;
    Some(Credentials { expires_at: Some(expires_at), account_id: AccountId::parse(account), ..keys })
}

fn credentials(access_key_id: String, secret: String, token: String) -> Option<Credentials> {
    (!access_key_id.is_empty() && !secret.is_empty()).then(|| Credentials {
        access_key_id,
        secret_access_key: Secret::new(secret),
        session_token: Some(Secret::new(token)),
        expires_at: None,
        account_id: None,
        role_arn: None,
    })
}
