//! `explain`: what each source said, the likely cause and the fix; from the running agent, or from a walk here.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::{Explain, Output};
use super::ask::{self, Agent};
use super::exit::Exit;
use super::layout::hanging;
use super::redact::redacted;
use super::shadows::Asker;
use super::stop::Stop;
use super::telling::{Detail, Found, Telling, exit_of};
use super::terminal::Tone;
use super::walk::Subject;
use super::{Scene, moment};
use crate::cause::{self, Cause};
use crate::clock::stamp;
use crate::config::env::Env;
use crate::server::status::{Explanation, FailureStatus};
use crate::source::shell::quoted;

/// What `--output json` prints, for whoever reads it with a program.
const SCHEMA: &str = include_str!("../../docs/explain.schema.json");

/// Explains.
///
/// # Errors
/// Nothing could be found out at all.
pub(super) async fn run(args: &Explain, scene: &Scene) -> Result<Exit, Stop> {
    if let Some(code) = &args.code {
        return one_code(code, args.output, scene);
    }
    if args.list_codes {
        return all_codes(args.output, scene);
    }
    if args.schema {
        scene.terminal.answer(SCHEMA)?;
        return Ok(Exit::Good);
    }
    let told = told(args, scene).await?;
    let told = if args.redact { redacted(&told, &scene.env)? } else { told };
    let exit = if args.strict && told.brittle(scene) { Exit::Brittle } else { told.exit() };
    let text = match args.output {
        Output::Json => told.json(exit, scene),
        Output::Text => told.text(exit, args, scene),
    };
    scene.terminal.answer(&text)?;
    Ok(exit)
}

/// What was found out.
#[derive(Serialize, Deserialize)]
struct Told {
    explanation: Explanation,
    failure: Option<FailureStatus>,
    warnings: Vec<FailureStatus>,
    found: Option<Found>,
    agent: Option<String>,
    /// Who walked, and where.
    origin: Vec<String>,
    /// The command that looks again.
    again: Option<String>,
}

async fn told(args: &Explain, scene: &Scene) -> Result<Told, Stop> {
    let asker = Asker::find(args, scene)?;
    if !args.local && args.whose.profile.is_none() {
        match of_agent(args, &asker, scene).await {
            Ok(told) => return Ok(told),
            Err(stop) if args.now || !elsewhere(&stop, args) => return Err(stop),
            Err(stop) => scene.terminal.remark(&format!("{}; looking here instead", stop.says)),
        }
    }
    local(args, &asker, scene).await
}

/// Whether the agent's silence leaves the question open: nobody there, or a role that only our configuration has.
fn elsewhere(stop: &Stop, args: &Explain) -> bool {
    stop.exit == Exit::Unreachable || (stop.exit == Exit::Usage && args.whose.role.is_some())
}

async fn of_agent(args: &Explain, asker: &Asker, scene: &Scene) -> Result<Told, Stop> {
    let agent = Agent::find(&scene.global, &scene.env)?;
    let status = agent.status().await?;
    let role = ask::meant(&status, args.whose.role.as_ref())?;
    if args.now {
        agent.refresh(&role.name, false).await?;
    }
    let explanation = agent.explanation(&role.name).await?;
    let (failure, mut warnings) = explanation
        .role
        .as_ref()
        .map_or((None, Vec::new()), |role| (role.last_failure.clone(), role.warnings.clone()));
    warnings.extend(asker.shadows(Some(&status), scene).await);
    let found = explanation.role.as_ref().and_then(Found::of);
    let region = explanation.role.as_ref().and_then(|role| role.region.as_ref());
    let origin = std::iter::once(format!("the agent at {} (pid {})", agent.address, status.pid));
    let origin = origin.chain(region.map(|region| format!("region {region}"))).collect();
    let again = again_by_agent(&explanation.name, failure.as_ref());
    let agent = Some(agent.address.to_string());
    Ok(Told { explanation, failure, warnings, found, agent, origin, again })
}

async fn local(args: &Explain, asker: &Asker, scene: &Scene) -> Result<Told, Stop> {
    let subject = Subject::find(&scene.global, &args.whose, &scene.env)?;
    let (walk, beyond) = subject.look(&scene.env, &scene.clock, args.timeout).await;
    let (now, findings) = (scene.clock.now(), walk.findings());
    let judged = subject.judged(&walk, now);
    let failure = judged.as_ref().err().map(FailureStatus::from);
    let found = judged.as_ref().ok().map(|credentials| Found::here(walk.winner(), credentials));
    let bare = judged.is_ok_and(|credentials| credentials.is_long_term());
    let bare = bare.then(|| findings.bare("these are bare long-term keys", now));
    let mut warnings: Vec<_> = findings.warnings(now).iter().chain(&bare).map(FailureStatus::from).collect();
    warnings.extend(asker.shadows(None, scene).await);
    let explanation = Explanation::of_walk(&subject.role.name, &walk).with_survey(&beyond);
    let origin = origin(&subject.env(&scene.env), walk.region());
    let again = again_here(args, failure.as_ref());
    Ok(Told { explanation, failure, warnings, found, agent: None, origin, again })
}

/// Where a walk that is made here looks: what differs from a service that walks.
fn origin(env: &Env, region: Option<&str>) -> Vec<String> {
    let home = env.filled("HOME").map_or("no HOME".to_owned(), |home| format!("home {home}"));
    let pod = env.filled("KUBERNETES_SERVICE_HOST").and_then(|_| env.filled("HOSTNAME"));
    let said = [Some(format!("here, as {}, not as a service", user())), Some(home)];
    let known = [pod.map(|pod| format!("pod {pod}")), region.map(|region| format!("region {region}"))];
    said.into_iter().chain(known).flatten().collect()
}

/// An agent's environment is that of its start, whatever is set since.
fn again_by_agent(role: &str, failure: Option<&FailureStatus>) -> Option<String> {
    let of_its_environment = |failure: &FailureStatus| failure.code.starts_with("ENV-");
    let in_a_file = |failure: &FailureStatus| failure.fix.iter().any(|fix| fix.file.is_some());
    Some(match failure? {
        failure if of_its_environment(failure) && !in_a_file(failure) => {
            format!("restart the agent, whose environment is that of its start; keyfob explain {role}")
        }
        _ => format!("keyfob explain {role} --now"),
    })
}

fn again_here(args: &Explain, failure: Option<&FailureStatus>) -> Option<String> {
    Some(match (&args.whose.profile, &args.whose.role) {
        // Another name is to be used.
        (Some(_), _) if failure?.code == cause::PROFILE_UNKNOWN.code => return None,
        (Some(profile), _) => format!("keyfob explain --profile {}", quoted(profile)),
        (None, Some(role)) => format!("keyfob explain {role} --local"),
        (None, None) => "keyfob explain --local".to_owned(),
    })
}

/// Neither keys that could be kept more safely nor a role that nobody uses is about to break.
fn is_of_stability(code: &str) -> bool {
    !cause::is_of_safety(code) && code != cause::KF_BYPASS.code
}

fn user() -> String {
    let uid = nix::unistd::Uid::current();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

impl Told {
    /// Usable is good, whatever the last refresh said.
    fn exit(&self) -> Exit {
        match &self.explanation.role {
            Some(role) if role.usable => Exit::Good,
            Some(_) if self.failure.is_none() => Exit::Unreachable,
            _ => exit_of(self.failure.as_ref()),
        }
    }

    /// Usable, but not for long, or only because an outage is bridged.
    fn brittle(&self, scene: &Scene) -> bool {
        const SOON: Duration = Duration::from_mins(10);
        let role = self.explanation.role.as_ref();
        let last = self.explanation.walk.as_ref().and_then(|walk| walk.attempts.last());
        let expiry =
            role.map_or(last.and_then(|step| step.expires_at.as_ref()), |role| role.expires_at.as_ref());
        let at = expiry.and_then(|stamp| moment::parse(stamp));
        let soon = at.is_some_and(|at| at <= scene.clock.now() + SOON);
        self.exit() == Exit::Good
            && (soon
                || self.failure.is_some()
                || self.warnings.iter().any(|warning| is_of_stability(&warning.code)))
    }

    /// Why there is nothing usable, the likeliest first, at most three.
    fn causes(&self) -> Vec<&FailureStatus> {
        let others = self.explanation.walk.iter().flat_map(|walk| &walk.also);
        self.failure.iter().flat_map(|failure| std::iter::once(failure).chain(others.clone())).collect()
    }

    fn text(&self, exit: Exit, args: &Explain, scene: &Scene) -> String {
        let detail = match (args.verbose, args.all) {
            (true, _) => Detail::Times,
            (false, true) => Detail::All,
            (false, false) => Detail::Wrong,
        };
        let telling = Telling {
            explanation: &self.explanation,
            failure: self.failure.as_ref(),
            warnings: &self.warnings,
            origin: &self.origin,
            found: self.found.clone(),
            again: self.again.as_deref(),
            detail,
            exit,
            now: scene.clock.now(),
            manner: scene.terminal.of_answers(),
        };
        telling.text()
    }

    fn json(&self, exit: Exit, scene: &Scene) -> String {
        let verdict = match (exit, &self.failure) {
            (Exit::Good, None) => "ok",
            (Exit::Good | Exit::Brittle, _) => "degraded",
            _ => "failed",
        };
        let document = json!({
            "schema_version": 1,
            "generated_at": stamp(scene.clock.now()),
            "origin": if self.agent.is_some() { "agent" } else { "local" },
            "agent": self.agent,
            "name": self.explanation.name,
            "verdict": verdict,
            "exit_code": exit.code(),
            "failure": self.failure,
            "causes": self.causes(),
            "warnings": self.warnings,
            "role": self.explanation.role,
            "walk": self.explanation.walk,
        });
        format!("{document:#}\n")
    }
}

fn one_code(code: &str, output: Output, scene: &Scene) -> Result<Exit, Stop> {
    let Some(cause) = cause::by_code(code) else {
        let says = format!("no cause has the code {code}");
        return Err(Stop::new(Exit::Usage, says).hint("all codes: keyfob explain --list-codes"));
    };
    let text = match output {
        Output::Json => format!("{:#}\n", plain(cause)),
        Output::Text => {
            let manner = scene.terminal.of_answers();
            let mut text = format!("{}  {}\n", manner.paint.paint(Tone::Strong, cause.code), cause.title);
            let fixes = cause.fix.iter().enumerate();
            let fixes = fixes.map(|(index, fix)| (if index == 0 { "fix" } else { "or" }, (*fix).to_owned()));
            let rule = [("rule", cause.rule.to_owned()), ("more", cause.docs())];
            for (word, says) in [("why", cause.why.to_owned())].into_iter().chain(fixes).chain(rule) {
                let _infallible = writeln!(text, "  {word:<5} {}", hanging(&says, 8, 8, manner.width));
            }
            text
        }
    };
    scene.terminal.answer(&text)?;
    Ok(Exit::Good)
}

fn all_codes(output: Output, scene: &Scene) -> Result<Exit, Stop> {
    let text = match output {
        Output::Json => format!("{:#}\n", json!(cause::catalogue().map(plain).collect::<Vec<_>>())),
        Output::Text => {
            let line = |cause: &Cause| {
                format!("{} {}\n", scene.terminal.out.padded(Tone::Strong, cause.code, 20), cause.title)
            };
            cause::catalogue().map(line).collect()
        }
    };
    scene.terminal.answer(&text)?;
    Ok(Exit::Good)
}

fn plain(cause: &Cause) -> serde_json::Value {
    let Cause { code, title, why, fix, rule } = cause;
    json!({ "code": code, "title": title, "why": why, "fix": fix, "rule": rule, "docs": cause.docs() })
}
