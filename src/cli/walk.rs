//! One walk made here: whose it is, what it is made with, and whether its answer may be used.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::args::{Global, Whose};
use super::code::Keyboard;
use super::exit::Exit;
use super::stop::Stop;
use crate::agent::{chain, role_env, surroundings};
use crate::cause;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::parse::load_if_allowed;
use crate::config::{Config, Role};
use crate::credentials::{Credentials, RoleName, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::keeper::Policy;
use crate::keeper::judge::judge;
use crate::report::{Attempt, Notes, Resolution, Trigger, Verdict};
use crate::source::Surroundings;
use crate::source::imds::Imds;
use crate::source::mfa::Codes;
use crate::source::session::Session;

/// Whose credentials a command is about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As configured, or made up for a profile.
    pub role: Role,
    /// Whether the role was meant, not a profile.
    pub named: bool,
    /// In force.
    pub config: Config,
}

impl Subject {
    /// The role or profile that the command line names.
    ///
    /// # Errors
    /// A configuration that cannot be used; a role that does not exist.
    pub fn find(global: &Global, whose: &Whose, env: &Env) -> Result<Self, Stop> {
        let config = load_if_allowed(global.config.as_deref(), env)?.config;
        if let Some(profile) = &whose.profile {
            // The name is for people; a role of that name is no circle (`Botocore::unnamed`).
            let name = RoleName::parse(profile).or_else(|| RoleName::parse("profile"));
            let name = name.unwrap_or_else(RoleName::default_role);
            let role = Role { profile: Some(profile.clone()), ..Role::named(name) };
            return Ok(Self { role, named: false, config });
        }
        let role = meant(&config, whose.role.as_ref())?.clone();
        Ok(Self { role, named: true, config })
    }

    /// The environment that the chain sees.
    #[must_use]
    pub fn env(&self, env: &Env) -> Env {
        role_env(&self.role, env)
    }

    /// How long a process may take: as long as it likes where somebody sits and can end it.
    #[must_use]
    pub fn process_timeout(&self) -> Option<Duration> {
        (!std::io::stdin().is_terminal()).then_some(self.config.refresh.process_timeout)
    }

    /// Walks the chain once.
    pub async fn walk(&self, env: &Env, clock: &Clock) -> Resolution {
        let around = self.around(env, clock);
        let codes: Arc<dyn Codes> = Arc::new(Keyboard::default());
        let around = Surroundings { codes: Some(codes), ..around };
        self.chain(env, around).resolve(Trigger::Operator).await
    }

    /// The same without writing anything and without asking anybody, within a time: sign-ins that are due stay so.
    ///
    /// Beside the walk: what there is of the sources that it did not come to.
    pub async fn look(&self, env: &Env, clock: &Clock, within: Duration) -> (Resolution, Vec<Attempt>) {
        // A source that gives up by itself says why.
        const LAST_WORDS: Duration = Duration::from_millis(500);
        let around = self.around(env, clock);
        let attempt_timeout = around.attempt_timeout.min(within.saturating_sub(LAST_WORDS).max(within / 2));
        let around = Surroundings { renews: false, attempt_timeout, ..around };
        self.chain(env, around).until(Instant::now() + within).resolve_and_survey(Trigger::Operator).await
    }

    fn around(&self, env: &Env, clock: &Clock) -> Surroundings {
        surroundings(&self.config, &self.env(env), clock, self.process_timeout())
    }

    fn chain(&self, env: &Env, around: Surroundings) -> Chain {
        chain(&self.role, env, Arc::new(around), !self.named)
    }

    /// The walk's answer, if the role's configuration lets it be used.
    ///
    /// # Errors
    /// Why there are no credentials, or none that may be used.
    pub fn judged(&self, walk: &Resolution, now: SystemTime) -> Result<Arc<Credentials>, Failure> {
        let policy = Policy::of(&self.role, &self.config.refresh);
        match (judge(&policy, None, None, None, walk, true, now), &walk.credentials) {
            (Verdict::Adopt, Some(credentials)) => Ok(Arc::clone(credentials)),
            (Verdict::Refuse(failure) | Verdict::Fail(failure) | Verdict::Drop(failure), _) => Err(failure),
            _ => Err(walk.failure().unwrap_or_else(|| {
                Failure::new(FailureKind::NotConfigured, &cause::KF_NOTHING, "no source has credentials")
            })),
        }
    }

    /// What the AWS files say beside credentials: settings and region.
    pub async fn session(&self, env: &Env) -> Option<Session> {
        let within = self.config.refresh.attempt_timeout;
        let mut unread = Notes::default();
        Session::open(&self.env(env), self.role.profile.as_deref(), within, &mut unread).await.ok()
    }

    /// The region as the role or its profile has it.
    #[must_use]
    pub fn configured_region(&self, session: Option<&Session>) -> Option<String> {
        let own = self.role.region().map(str::to_owned);
        own.or_else(|| session?.region().map(str::to_owned))
    }

    /// The region as the role, its profile or, for its own credentials, the metadata service knows it.
    pub async fn region(
        &self,
        session: Option<&Session>,
        env: &Env,
        clock: &Clock,
        from: SourceKind,
    ) -> Option<String> {
        if let Some(region) = self.configured_region(session) {
            return Some(region);
        }
        if from != SourceKind::Imds {
            return None;
        }
        let around = Arc::new(surroundings(&self.config, &self.env(env), clock, None));
        let settings = session?.metadata().ok()?;
        Imds::new(settings, around).region(&mut Notes::default()).await
    }
}

/// The role that is meant: the named one, else `default`, else the only one.
fn meant<'c>(config: &'c Config, name: Option<&RoleName>) -> Result<&'c Role, Stop> {
    let find = |name: &str| config.roles.iter().find(|role| role.name.as_str() == name);
    let names = || config.roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, config.roles.as_slice()) {
        (Some(name), _) => find(name.as_str()).ok_or_else(|| {
            let says = format!("no role {name} is configured; there are: {}", names());
            Stop::new(Exit::Usage, says).hint(format!("a profile of the AWS files is --profile {name}"))
        }),
        (None, [only]) => Ok(only),
        (None, _) => find("default").ok_or_else(|| {
            Stop::new(Exit::Usage, format!("no role named default is configured; name one of: {}", names()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &[&str]) -> Config {
        let roles = names.iter().map(|name| Role::named(RoleName::parse(name).unwrap())).collect();
        Config { roles, ..Config::default() }
    }

    #[test]
    fn the_role_that_is_meant_is_found() {
        let table: [(&[&str], Option<&str>, Result<&str, &str>); 6] = [
            (&["default"], None, Ok("default")),
            (&["app"], None, Ok("app")),
            (&["app", "default"], None, Ok("default")),
            (&["app", "web"], None, Err("no role named default is configured; name one of: app, web")),
            (&["app", "web"], Some("web"), Ok("web")),
            (&["app", "web"], Some("x"), Err("no role x is configured; there are: app, web")),
        ];
        for (names, name, expected) in table {
            let config = config(names);
            let name = name.and_then(RoleName::parse);
            let found = meant(&config, name.as_ref()).map(|role| role.name.to_string());
            let found = found.as_deref().map_err(|stop| stop.says.as_str());
            assert_eq!(found, expected, "{names:?} {name:?}");
        }
    }
}
