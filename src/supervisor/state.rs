//! What systemd should know by now, and what of that it has not been told.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::clock::stamp;
use crate::config::Config;
use crate::credentials::RoleName;
use crate::event::Event;
use crate::failure::Failure;
use crate::report::{Standing, Verdict};

/// For so long the start waits for first credentials that may still come; then what needs the service goes on without.
const PATIENCE: Duration = Duration::from_mins(1);
/// Characters of a sentence.
const LONGEST: usize = 400;

/// Where the agent stands, as events tell it.
#[derive(Debug)]
pub(super) struct State {
    begun: Instant,
    listening: bool,
    roles: BTreeMap<RoleName, Role>,
    /// What is wrong with the configuration that was refused last.
    refused: Option<String>,
    phase: Phase,
    told: Phase,
    told_status: String,
    /// Whether the configuration was read again since systemd heard of it.
    reloaded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    Starting,
    Ready,
    Ending,
}

#[derive(Debug, Default)]
struct Role {
    required: bool,
    standing: Option<Standing>,
    failure: Option<Failure>,
}

/// Words for systemd, and what is settled once they are sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    phase: Phase,
    status: Option<String>,
    ends_reload: bool,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            listening: false,
            roles: BTreeMap::new(),
            refused: None,
            phase: Phase::Starting,
            told: Phase::Starting,
            told_status: String::new(),
            reloaded: false,
        }
    }

    /// Whether an event changes anything here.
    pub(super) fn concerns(event: &Event<'_>) -> bool {
        matches!(
            event,
            Event::Listening { .. }
                | Event::Judged { .. }
                | Event::RoleRemoved(_)
                | Event::ConfigApplied(_)
                | Event::ConfigRejected(_)
                | Event::Heartbeat
                | Event::Draining(_)
        )
    }

    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Listening { .. } => self.listening = true,
            Event::Judged { resolution, verdict, standing } => {
                let role = self.roles.entry(resolution.role.clone()).or_default();
                role.standing = Some((*standing).clone());
                match verdict {
                    Verdict::Adopt | Verdict::Unchanged => role.failure = None,
                    Verdict::Refuse(failure) | Verdict::Drop(failure) | Verdict::Fail(failure) => {
                        role.failure = Some(failure.clone());
                    }
                    Verdict::Confirm(_) | Verdict::Wait => {}
                }
            }
            Event::RoleRemoved(name) => drop(self.roles.remove(*name)),
            Event::ConfigApplied(config) => {
                self.configure(config);
                self.refused = None;
                self.reloaded = self.phase == Phase::Ready;
            }
            Event::ConfigRejected(problems) => {
                self.refused = problems.first().map(ToString::to_string);
                self.reloaded = self.phase == Phase::Ready;
            }
            Event::Draining(_) => self.phase = Phase::Ending,
            _ => {}
        }
    }

    fn configure(&mut self, config: &Config) {
        let mut before = std::mem::take(&mut self.roles);
        for role in &config.roles {
            let known = before.remove(&role.name).unwrap_or_default();
            self.roles.insert(role.name.clone(), Role { required: role.required, ..known });
        }
    }

    /// All that is to be said now, in order. `monotonic` is in microseconds.
    pub(super) fn owed(&mut self, now: Instant, wall: SystemTime, monotonic: u64) -> Vec<Words> {
        if self.phase == Phase::Starting && self.listening && self.may_begin(now) {
            self.phase = Phase::Ready;
        }
        let status = self.sentence(wall);
        let news = (status != self.told_status).then(|| status.clone());
        let words = |text: &str, phase, ends_reload| {
            let line = news.as_ref().map(|status| format!("\nSTATUS={status}")).unwrap_or_default();
            let text = format!("{text}{line}").trim_start().to_owned();
            Words { text, phase, status: news.clone(), ends_reload }
        };
        match (self.told, self.phase) {
            (Phase::Starting, Phase::Starting) => {
                // A start takes as long as it takes: nobody ends it while it goes on.
                let longer = "EXTEND_TIMEOUT_USEC=30000000";
                vec![words(longer, Phase::Starting, false)]
            }
            (told, phase) if told < phase => {
                let word = if phase == Phase::Ready { "READY=1" } else { "STOPPING=1" };
                vec![words(word, phase, true)]
            }
            (_, Phase::Ready) if self.reloaded => {
                let begins = format!("RELOADING=1\nMONOTONIC_USEC={monotonic}");
                let begins = Words { text: begins, phase: Phase::Ready, status: None, ends_reload: false };
                vec![begins, words("READY=1", Phase::Ready, true)]
            }
            (_, phase) if news.is_some() => vec![words("", phase, false)],
            _ => Vec::new(),
        }
    }

    /// Takes note that these were sent.
    pub(super) fn told(&mut self, words: Words) {
        self.told = words.phase;
        self.reloaded &= !words.ends_reload;
        self.told_status = words.status.unwrap_or_else(|| std::mem::take(&mut self.told_status));
    }

    /// Whether whatever waits for the service may go on: every required role has credentials, or has none for a reason
    /// that waiting does not cure.
    fn may_begin(&self, now: Instant) -> bool {
        let settled = |role: &Role| {
            let failed = role.failure.as_ref().is_some_and(|failure| !failure.kind.is_transient());
            failed || role.standing.as_ref().is_some_and(|standing| standing.held)
        };
        now.saturating_duration_since(self.begun) >= PATIENCE
            || self.roles.values().filter(|role| role.required).all(settled)
    }

    /// What `systemctl status` shows.
    fn sentence(&self, now: SystemTime) -> String {
        if self.phase == Phase::Ending {
            return "ending".to_owned();
        }
        let mut parts = vec![self.summary(now)];
        let mut failing =
            self.roles.iter().filter_map(|(name, role)| Some((name, role, role.failure.as_ref()?)));
        if let Some((name, role, failure)) = failing.next() {
            parts.push(trouble(name, role, failure, now));
            match failing.count() {
                0 => {}
                1 => parts.push("one more role fails".to_owned()),
                more => parts.push(format!("{more} more roles fail")),
            }
        }
        if let Some(problem) = &self.refused {
            parts.push(format!("the new configuration is refused, the one before is in force: {problem}"));
        }
        on_one_line(&parts.join("; "))
    }

    fn summary(&self, now: SystemTime) -> String {
        let good: Vec<_> = self
            .roles
            .iter()
            .filter_map(|(name, role)| Some((name, role.standing.as_ref()?)))
            .filter(|(_, standing)| standing.available(now))
            .collect();
        let next = good.iter().filter_map(|(_, standing)| standing.next).min();
        let next = next.map(|at| format!(", next refresh {}", stamp(at))).unwrap_or_default();
        match (good.as_slice(), self.roles.len()) {
            ([], _) if self.roles.values().all(|role| role.failure.is_none()) => {
                "asking for the first credentials".to_owned()
            }
            ([], _) => "no credentials".to_owned(),
            ([(name, _)], 1) => format!("role {name} has credentials{next}"),
            (good, all) if good.len() == all => format!("all {all} roles have credentials{next}"),
            (good, all) => format!("{} of {all} roles have credentials{next}", good.len()),
        }
    }
}

fn trouble(name: &RoleName, role: &Role, failure: &Failure, now: SystemTime) -> String {
    let code = failure.cause.code;
    let standing = role.standing.as_ref().filter(|standing| standing.available(now));
    let left = match standing {
        Some(standing) if standing.extended => ", the last ones stay in use".to_owned(),
        Some(Standing { expires_at: Some(at), .. }) => format!(", those it has last until {}", stamp(*at)),
        _ => format!("; fix: {}", failure.fix()),
    };
    format!("role {name}: {} [{code}]{left}", failure.context)
}

/// A sentence without line breaks and not too long: a further line would be a word of the protocol.
pub(super) fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
