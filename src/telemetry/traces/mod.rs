//! Traces of failures: a finished walk becomes spans, and a task of its own takes them to a collector.
//!
//! Nothing is traced while it happens: the report of a walk has all the times, so the spans are made when it is known
//! whether anybody wants them. Off unless the `OTEL_*` variables say where to.

mod choice;
mod console;
mod export;
mod queue;
mod reader;
mod request;
mod resource;
mod settings;
mod span;
mod tally;
#[cfg(test)]
mod tests;
mod values;
mod walk;
mod wire;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::config::env::Env;
use crate::event::{Event, Observe};
use crate::report::{Resolution, Served, TraceId, Verdict};
use choice::Choice;
use export::{Sender, Target};
use queue::Queue;
use settings::{Settings, Way};
use span::Span;

pub use export::Exporter;
pub use reader::Row;
pub use settings::VARIABLES;
pub use tally::{Loss, Tally};

/// As all lines of ours.
const LOG: &str = "keyfob";

/// Makes spans of events.
#[derive(Debug)]
pub struct Traces {
    choice: Mutex<Choice>,
    queue: Arc<Queue>,
    tally: Tally,
}

/// Tracing as the environment says it, with the task that exports; `None` when it is off. What is wrong with the
/// variables is told in the log.
#[must_use]
pub fn build(env: &Env, clock: &Clock, tally: Tally) -> Option<(Arc<Traces>, Exporter)> {
    let (settings, findings) = Settings::read(env);
    // First of all: an endpoint that cannot be used is why traces are off.
    for problem in findings.problems {
        warn!(target: LOG, problem = problem.to_string(), "a telemetry variable is left aside");
    }
    let target = match settings.way {
        Way::Off(why) => {
            // To nobody who has not thought of it.
            if env.iter().any(|(name, _)| name.starts_with("OTEL_")) {
                info!(target: LOG, why, "traces are off");
            } else {
                debug!(target: LOG, why, "traces are off");
            }
            return None;
        }
        Way::Console => Target::Console,
        Way::Collector(collector) => {
            info!(target: LOG, endpoint = crate::http::shown(&collector.url), "traces are on");
            Target::Collector(Box::new(Sender::new(collector, settings.resource, clock.clone(), env)))
        }
    };
    let queue = Arc::new(Queue::new(settings.pace));
    let choice = Mutex::new(Choice::new(settings.sampler));
    let exporter = Exporter::new(Arc::clone(&queue), target, tally.clone());
    Some((Arc::new(Traces { choice, queue, tally }), exporter))
}

/// What the environment says about traces, for `check --print`: comments, each with the origin of its value.
#[must_use]
pub fn print(env: &Env) -> String {
    const COLUMN: usize = 56;
    let (settings, findings) = Settings::read(env);
    let state = match settings.way {
        Way::Off(why) => format!("off: {why}"),
        Way::Console => "on, to stderr".to_owned(),
        Way::Collector(_) => "on".to_owned(),
    };
    let mut text = format!("\n# Traces, by the environment: {state}\n");
    for row in findings.rows {
        let value = format!("# {}: {}", row.key, row.value);
        let _infallible = writeln!(text, "{value:<COLUMN$}  # {}", row.origin);
    }
    for problem in findings.problems {
        let _infallible = writeln!(text, "# left aside: {problem}");
    }
    text
}

impl Traces {
    /// The trace to show for a walk: its own, or the exported one that stands for it.
    #[must_use]
    pub fn shown(&self, trace: TraceId) -> TraceId {
        self.choice().shown(trace)
    }

    fn judged(&self, walk: &Resolution, verdict: &Verdict) {
        let unsettled = matches!(verdict, Verdict::Wait | Verdict::Confirm(_)).then(|| walk.failure());
        let failure = match verdict {
            Verdict::Refuse(failure) | Verdict::Drop(failure) | Verdict::Fail(failure) => Some(failure),
            _ => unsettled.as_ref().and_then(Option::as_ref),
        };
        let story = match failure {
            Some(failure) => self.choice().failed(&walk.role, failure.cause.code, walk.trace, Instant::now()),
            // Good, but nothing has come of it yet.
            None if unsettled.is_some() => None,
            None => self.choice().succeeded(&walk.role, walk.trace),
        };
        if let Some(story) = story {
            self.add(walk::spans(walk, failure, &story));
        }
    }

    /// A request that got no credentials. Others are not traced: they cost nothing here.
    fn served(&self, served: &Served<'_>) {
        let (Some((cause, walk)), Some(role)) = (served.failure, &served.role) else { return };
        let caller = served.caller();
        // While the first walk is under way there is nothing to tell but to a caller that traces.
        if caller.is_none() && walk.is_none() {
            return;
        }
        let mut choice = self.choice();
        let Some(repeats) = choice.refused(role, cause.code, caller.as_ref(), Instant::now()) else { return };
        let walk = walk.map(|walk| choice.shown(walk));
        drop(choice);
        self.add(vec![request::span(served, caller.as_ref(), walk, repeats, served.at)]);
    }

    fn add(&self, trace: Vec<Span>) {
        self.tally.dropped(Loss::QueueFull, self.queue.add(trace) as u64);
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observe for Traces {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Served(served) => self.served(served),
            Event::Judged { resolution, verdict, .. } => self.judged(resolution, verdict),
            Event::RoleRemoved(role) => self.choice().forget(role),
            _ => {}
        }
    }
}
