//! Lines up a role's sources in botocore's order, from what the environment and the AWS files say at this moment.

mod facts;
mod own;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;

use super::assume_role::RoleChain;
use super::boto::BotoFiles;
use super::clues;
use super::container::Container;
use super::environment::Environment;
use super::exposure;
use super::imds::Imds;
use super::login::Login;
use super::process::Process;
use super::profile::files::{AwsFile, Files};
use super::profile::merge::{Profile, Profiles};
use super::profile::plan::{Base, CredentialSource, Plan, plan};
use super::session::{Session, choose};
use super::settled::Settled;
use super::sso::Sso;
use super::statics::Statics;
use super::web_identity::{Asked, tokenless, web_identity};
use super::{Lineup, Source, Surroundings, mfa};
use crate::aws::Place;
use crate::cause;
use crate::config::Role;
use crate::config::env::Env;
use crate::credentials::{RoleName, SourceKind};
use crate::failure::Failure;
use crate::report::{Attempt, Notes};
use facts::Facts;

/// The chain of one role, as botocore would build it.
pub struct Botocore {
    role: Role,
    env: Env,
    around: Arc<Surroundings>,
    generated_name: String,
    named: bool,
    facts: Facts,
}

impl fmt::Debug for Botocore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Botocore").field("role", &self.role.name).finish_non_exhaustive()
    }
}

type Sources = Vec<Arc<dyn Source>>;

impl Botocore {
    /// The chain of a role in this environment (its own variables applied already).
    #[must_use]
    pub fn new(role: Role, env: Env, around: Arc<Surroundings>) -> Self {
        let started = around.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Fixed for as long as this lineup lives: a name that changed with each refresh would litter the audit trail.
        let generated_name = format!("keyfob-{}", started.as_secs());
        Self { role, env, around, generated_name, named: true, facts: Facts::default() }
    }

    /// The same for a profile that somebody names on the command line: the role's name stands for nothing then, and
    /// meeting it again is no circle.
    #[must_use]
    pub fn unnamed(mut self) -> Self {
        self.named = false;
        self
    }

    /// The profile's name, as far as it is known without reading a file.
    fn profile(&self) -> String {
        choose(self.role.profile.as_deref(), &self.env).0
    }

    async fn build(&self, notes: &mut Notes) -> Result<Sources, Failure> {
        let role = self.named.then_some(&self.role.name);
        let profile = self.profile();
        // A source of the role's own has nothing to do with any profile.
        let profile = self.role.own.is_none().then_some(profile.as_str());
        if let Some(failure) = looped(&self.around.walk, role, profile) {
            return Err(failure);
        }
        let session = self.session(notes).await?;
        notes.region = session.region().map(str::to_owned);
        let place = session.sts();
        let sources = match &self.role.own {
            Some(own) => vec![self.own(own, &place).await],
            None => self.chain(&session, &place)?,
        };
        Ok(match (&self.role.assume, &self.role.mint) {
            (Some(assume), _) => self.assumed(sources, assume, &place).await,
            (None, Some(mint)) => self.minted(sources, mint, &place),
            (None, None) => sources,
        })
    }

    /// botocore's.
    fn chain(&self, session: &Session, place: &Result<Place, Failure>) -> Result<Sources, Failure> {
        let mut sources = Sources::new();
        sources.push(if session.explicit() {
            absent(SourceKind::Env, "an explicit profile was chosen: keys in the environment are left aside")
        } else {
            Arc::new(Environment::new(self.env.clone()))
        });
        sources.push(self.role_chain(session, place)?);
        sources.extend(self.profile_sources(session, &session.profile, !session.explicit(), place));
        sources.push(Arc::new(BotoFiles::new(self.env.clone(), self.around.attempt_timeout)));
        sources.push(match Container::from_env(&self.env, Arc::clone(&self.around)) {
            Some(container) => Arc::new(container),
            None => absent(SourceKind::Container, "no container endpoint is set"),
        });
        sources.push(if self.allows(SourceKind::Imds) {
            self.metadata(session)?
        } else {
            absent(SourceKind::Imds, "not allowed")
        });
        Ok(sources.into_iter().map(|source| self.judged(source)).collect())
    }

    /// What the files say; where no source of a profile is allowed, they cannot be a reason to fail.
    async fn session(&self, notes: &mut Notes) -> Result<Session, Failure> {
        let explicit = self.role.profile.as_deref();
        let opened = Session::open(&self.env, explicit, self.around.attempt_timeout, notes).await;
        let of_profile = SourceKind::ALL.into_iter().any(|kind| kind.of_profile() && self.allows(kind));
        match opened {
            Err(_) if !of_profile => Ok(Session::of(&self.env, explicit, Files::absent(&self.env))),
            opened => opened,
        }
    }

    fn role_chain(
        &self,
        session: &Session,
        place: &Result<Place, Failure>,
    ) -> Result<Arc<dyn Source>, Failure> {
        let kind = SourceKind::ProfileAssumeRole;
        Ok(match plan(&session.profiles, &session.profile) {
            Ok(None) => absent(kind, "the profile has no role_arn, or also a web_identity_token_file"),
            Err(failure) => Arc::new(Settled::new(kind, failure)),
            Ok(Some(plan)) => {
                if let (None, Some(failure)) = (&self.around.codes, mfa::needed(&plan)) {
                    return Ok(Arc::new(Settled::new(kind, failure)));
                }
                let base = self.base(session, &plan, place)?;
                Arc::new(RoleChain::new(plan, base, &self.generated_name, place.clone(), &self.around))
            }
        })
    }

    /// What the first role of a plan is assumed with.
    fn base(
        &self,
        session: &Session,
        plan: &Plan,
        place: &Result<Place, Failure>,
    ) -> Result<Sources, Failure> {
        Ok(match &plan.base {
            Base::Profile(name) => self.profile_sources(session, name, false, place),
            Base::Named(CredentialSource::Environment) => vec![Arc::new(Environment::new(self.env.clone()))],
            Base::Named(CredentialSource::EcsContainer) => {
                let container = Container::from_env(&self.env, Arc::clone(&self.around));
                container.map(|found| -> Arc<dyn Source> { Arc::new(found) }).into_iter().collect()
            }
            Base::Named(CredentialSource::Ec2InstanceMetadata) => vec![self.metadata(session)?],
        })
    }

    /// What a profile says for itself, its roles aside (`ProfileProviderBuilder`).
    fn profile_sources(
        &self,
        session: &Session,
        name: &str,
        with_env: bool,
        place: &Result<Place, Failure>,
    ) -> Sources {
        let profile = session.profiles.get(name);
        let asked = Asked { env: with_env.then_some(&self.env), profile };
        let by_token: Arc<dyn Source> =
            match web_identity(asked, &self.generated_name, place.clone(), &self.around) {
                Ok(Some(source)) => Arc::new(source),
                Ok(None) => match asked.env.and_then(tokenless) {
                    Some(half) => Arc::new(Settled::new(SourceKind::ProfileWebIdentity, half)),
                    None => absent(SourceKind::ProfileWebIdentity, "no web identity token file is named"),
                },
                Err((kind, failure)) => Arc::new(Settled::new(kind, failure)),
            };
        let process = profile.and_then(|profile| {
            Process::of(name, profile, &self.env, self.walked(&session.profile, name), &self.around)
        });
        let process = found(SourceKind::Process, Ok(process), "the profile has no credential_process");
        let Files { config, credentials } = &session.files;
        let in_credentials = credentials.ini.section(name).map(|s| Profile::of(s, &credentials.path));
        let in_config = Profiles::of_config(&config.ini, &config.path).get(name).cloned();
        vec![
            by_token,
            found(
                SourceKind::Sso,
                Sso::of(name, session, &self.around),
                "the profile has no sso_role_name or sso_account_id",
            ),
            statics(SourceKind::StaticFile, name, credentials, in_credentials),
            found(
                SourceKind::Login,
                Login::of(name, session, &self.around),
                "the profile has no login_session",
            ),
            process,
            statics(SourceKind::StaticConfig, name, config, in_config),
        ]
    }

    /// botocore refuses a bad endpoint while it builds the chain, even where the environment has keys; bad numbers
    /// only when the service is asked.
    fn metadata(&self, session: &Session) -> Result<Arc<dyn Source>, Failure> {
        let (kind, settings) = (SourceKind::Imds, session.metadata()?);
        settings.check()?;
        if settings.attempts == 0 {
            return Ok(absent(kind, "metadata_service_num_attempts allows no attempt"));
        }
        if settings.timeout.is_zero() && !settings.disabled {
            let context = "metadata_service_timeout leaves no time";
            return Ok(Arc::new(Settled::new(kind, Failure::misconfigured(&cause::PROFILE_VALUE, context))));
        }
        // Whoever lists metadata among a role's sources means the node.
        let in_pod = self.role.sources.is_none() && self.env.filled("KUBERNETES_SERVICE_HOST").is_some();
        Ok(Arc::new(Imds::new(settings, Arc::clone(&self.around)).in_pod(in_pod)))
    }

    fn allows(&self, kind: SourceKind) -> bool {
        if let Some(own) = &self.role.own {
            return own.kind() == kind;
        }
        let Some(allowed) = &self.role.sources else { return true };
        allowed.contains(&kind)
            || (kind.of_profile() && allowed.contains(&SourceKind::Profile))
            || (kind == SourceKind::EksPodIdentity && allowed.contains(&SourceKind::Container))
    }

    /// A source that the role does not allow keeps its place and is not asked.
    fn judged(&self, source: Arc<dyn Source>) -> Arc<dyn Source> {
        let kind = source.kind();
        if self.allows(kind) {
            return source;
        }
        let context = format!("role {} does not allow {kind}", self.role.name);
        let refused = Failure { cause: &cause::KF_POLICY, ..Failure::not_configured(context) };
        Arc::new(Settled::new(kind, refused))
    }

    /// What a process of profile `running` is told about the walk it belongs to.
    fn walked(&self, chosen: &str, running: &str) -> Vec<String> {
        let mut walk = self.role_walked();
        walk.push(format!("profile:{chosen}"));
        if running != chosen {
            walk.push(format!("profile:{running}"));
        }
        walk
    }
}

impl Lineup for Botocore {
    fn sources<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Sources, Failure>> {
        Box::pin(self.build(notes))
    }

    fn doubts<'a>(&'a self, walk: &'a [Attempt]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            if self.role.own.is_some() {
                return Vec::new();
            }
            // Read once more: what the walk read is gone, and this is after it has failed.
            let (within, mut unread) = (self.around.attempt_timeout, Notes::default());
            let files = Files::read(&self.env, within, &mut unread).await.ok();
            let session = files.map(|files| Session::of(&self.env, self.role.profile.as_deref(), files));
            let mut doubts = clues::of(session, &self.env, walk).await;
            // What a role does not allow is not what it lacks.
            doubts.retain(|doubt| clues::about(doubt.cause).is_none_or(|kind| self.allows(kind)));
            doubts
        })
    }

    fn exposures<'a>(&'a self, walk: &'a [Attempt]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(exposure::of(walk, &self.env, self.around.attempt_timeout))
    }
}

/// The circle that would begin if this role or profile were resolved inside that walk. `None` for the role is a
/// profile somebody named without a role, for the profile a role with a source of its own.
#[must_use]
pub fn looped(walk: &[String], role: Option<&RoleName>, profile: Option<&str>) -> Option<Failure> {
    let ours = [role.map(|name| format!("role:{name}")), profile.map(|name| format!("profile:{name}"))];
    let met = ours.into_iter().flatten().find(|name| walk.contains(name))?;
    let path = walk.join(" → ");
    let context = format!("{met} is being resolved by the keyfob that started this one: {path} → {met}");
    Some(Failure::misconfigured(&cause::KF_LOOP, context))
}

fn absent(kind: SourceKind, why: &str) -> Arc<dyn Source> {
    Arc::new(Settled::new(kind, Failure::not_configured(why)))
}

fn statics(kind: SourceKind, name: &str, file: &AwsFile, profile: Option<Profile>) -> Arc<dyn Source> {
    Arc::new(Statics::new(kind, name, file, profile))
}

/// The source, or its place.
fn found<S: Source + 'static>(
    kind: SourceKind,
    source: Result<Option<S>, Failure>,
    otherwise: &str,
) -> Arc<dyn Source> {
    match source {
        Ok(Some(source)) => Arc::new(source),
        Ok(None) => absent(kind, otherwise),
        Err(failure) => Arc::new(Settled::new(kind, failure)),
    }
}

#[cfg(test)]
mod tests;
