//! Decides which walks become traces: the first failure, one a minute of its repeats, the recovery, and of the
//! successes those that the sampler takes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::credentials::RoleName;
use crate::report::{TraceId, Traceparent};

/// Repeats of one failure of one role are at least this far apart.
const APART: Duration = Duration::from_secs(60);

/// So many walks of a role that were not exported are still known by the trace that stands for them.
const REMEMBERED: usize = 8;

/// Which of the successful walks are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sampler {
    /// None of them; failures still are.
    Failures,
    /// All of them.
    All,
    /// This share, by their ids, as every OpenTelemetry SDK would choose.
    Share(f64),
}

impl Sampler {
    fn takes(self, trace: TraceId) -> bool {
        match self {
            Self::Failures => false,
            Self::All => true,
            Self::Share(share) => {
                let TraceId([.., a, b, c, d, e, f, g, h]) = trace;
                let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
                #[expect(clippy::cast_precision_loss, reason = "the last bits of a random number")]
                let place = place as f64 / (1_u64 << 63) as f64;
                share >= 1.0 || place < share
            }
        }
    }
}

/// What an exported walk is told about those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Story {
    /// Which walk in a row this was since the last good one, from 1.
    pub(super) attempt: u64,
    /// Walks that failed in the same way since the first that did.
    pub(super) repeats: u64,
    /// The first that did, if it is another one.
    pub(super) first: Option<TraceId>,
    /// Whether this one ended the failures.
    pub(super) recovered: bool,
}

/// What is known of past walks. A role that is forgotten leaves nothing.
#[derive(Debug)]
pub(super) struct Choice {
    sampler: Sampler,
    roles: BTreeMap<RoleName, Past>,
    /// Walks that were not exported, with the exported one that stands for them.
    instead: BTreeMap<TraceId, TraceId>,
}

#[derive(Debug, Default)]
struct Past {
    /// Failed walks since the last good one.
    failures: u64,
    /// By cause.
    failing: BTreeMap<&'static str, Failing>,
    /// The cause of the last one.
    last: Option<&'static str>,
    /// Requests that were refused, by cause.
    refused: BTreeMap<&'static str, Limit>,
    /// What is in `instead`, oldest first.
    remembered: VecDeque<TraceId>,
}

#[derive(Debug)]
struct Failing {
    first: TraceId,
    exported: TraceId,
    limit: Limit,
}

/// At most one each minute.
#[derive(Debug)]
struct Limit {
    last: Instant,
    repeats: u64,
}

impl Limit {
    fn begin(now: Instant) -> Self {
        Self { last: now, repeats: 0 }
    }

    /// Counts one more; whether it may pass.
    fn again(&mut self, now: Instant) -> bool {
        self.repeats += 1;
        let passes = now.duration_since(self.last) >= APART;
        if passes {
            self.last = now;
        }
        passes
    }
}

impl Choice {
    pub(super) fn new(sampler: Sampler) -> Self {
        Self { sampler, roles: BTreeMap::new(), instead: BTreeMap::new() }
    }

    /// A walk failed: `None` is not to export it.
    pub(super) fn failed(
        &mut self,
        role: &RoleName,
        cause: &'static str,
        trace: TraceId,
        now: Instant,
    ) -> Option<Story> {
        let past = self.roles.entry(role.clone()).or_default();
        past.failures += 1;
        past.last = Some(cause);
        let attempt = past.failures;
        let Some(failing) = past.failing.get_mut(cause) else {
            let failing = Failing { first: trace, exported: trace, limit: Limit::begin(now) };
            past.failing.insert(cause, failing);
            return Some(Story { attempt, ..Story::default() });
        };
        if failing.limit.again(now) {
            failing.exported = trace;
            let (repeats, first) = (failing.limit.repeats, Some(failing.first));
            return Some(Story { attempt, repeats, first, recovered: false });
        }
        self.instead.insert(trace, failing.exported);
        past.remembered.push_back(trace);
        if past.remembered.len() > REMEMBERED {
            past.remembered.pop_front().map(|oldest| self.instead.remove(&oldest));
        }
        None
    }

    /// A walk gave good credentials.
    pub(super) fn succeeded(&mut self, role: &RoleName, trace: TraceId) -> Option<Story> {
        let sampled = self.sampler.takes(trace);
        let Some(past) = self.roles.get_mut(role).filter(|past| past.failures > 0) else {
            return sampled.then_some(Story { attempt: 1, ..Story::default() });
        };
        let failing = past.last.and_then(|cause| past.failing.get(cause));
        let (first, repeats) =
            failing.map_or((None, 0), |failing| (Some(failing.first), failing.limit.repeats));
        let story = Story { attempt: past.failures + 1, repeats, first, recovered: true };
        *past = Past { remembered: std::mem::take(&mut past.remembered), ..Past::default() };
        Some(story)
    }

    /// A request got no credentials: how many others did not either since the first, unless it is not to be exported.
    /// A caller that does not keep its trace would get a span without the rest: none is made.
    pub(super) fn refused(
        &mut self,
        role: &RoleName,
        cause: &'static str,
        caller: Option<&Traceparent>,
        now: Instant,
    ) -> Option<u64> {
        if caller.is_some_and(|caller| !caller.sampled) {
            return None;
        }
        let refused = &mut self.roles.entry(role.clone()).or_default().refused;
        let Some(limit) = refused.get_mut(cause) else {
            refused.insert(cause, Limit::begin(now));
            return Some(0);
        };
        limit.again(now).then_some(limit.repeats)
    }

    /// The trace to show for a walk: its own, or the exported one that stands for it.
    pub(super) fn shown(&self, trace: TraceId) -> TraceId {
        self.instead.get(&trace).copied().unwrap_or(trace)
    }

    /// The role is gone.
    pub(super) fn forget(&mut self, role: &RoleName) {
        for trace in self.roles.remove(role).into_iter().flat_map(|past| past.remembered) {
            self.instead.remove(&trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = "STS-DENIED";
    const DARK: &str = "NET-REFUSED";

    fn trace(n: u8) -> TraceId {
        TraceId([n; 16])
    }

    fn role(name: &str) -> RoleName {
        RoleName::parse(name).unwrap()
    }

    /// Fails at that second and says whether it is exported, as what.
    struct Run {
        choice: Choice,
        begun: Instant,
    }

    impl Run {
        fn new(sampler: Sampler) -> Self {
            Self { choice: Choice::new(sampler), begun: Instant::now() }
        }

        fn fails(&mut self, second: u64, cause: &'static str, n: u8) -> Option<Story> {
            self.choice.failed(&role("app"), cause, trace(n), self.begun + Duration::from_secs(second))
        }

        fn succeeds(&mut self, n: u8) -> Option<Story> {
            self.choice.succeeded(&role("app"), trace(n))
        }
    }

    #[test]
    fn the_first_failure_then_one_a_minute_then_the_recovery() {
        let mut run = Run::new(Sampler::Failures);
        assert_eq!(run.succeeds(1), None, "successes are not asked for");
        assert_eq!(run.fails(0, DENIED, 2), Some(Story { attempt: 1, ..Story::default() }));
        assert_eq!(run.fails(5, DENIED, 3), None);
        assert_eq!(run.fails(59, DENIED, 4), None);
        let third = Story { attempt: 4, repeats: 3, first: Some(trace(2)), recovered: false };
        assert_eq!(run.fails(60, DENIED, 5), Some(third));
        assert_eq!(run.fails(119, DENIED, 6), None);
        assert_eq!(run.fails(120, DENIED, 7).map(|story| story.repeats), Some(5));
        let back = Story { attempt: 7, repeats: 5, first: Some(trace(2)), recovered: true };
        assert_eq!(run.succeeds(8), Some(back));
        assert_eq!(run.succeeds(9), None);
        assert_eq!(run.fails(121, DENIED, 10), Some(Story { attempt: 1, ..Story::default() }));
    }

    #[test]
    fn each_cause_and_role_has_a_minute_of_its_own() {
        let mut run = Run::new(Sampler::Failures);
        assert!(run.fails(0, DENIED, 1).is_some() && run.fails(1, DARK, 2).is_some());
        assert!(run.fails(2, DENIED, 3).is_none() && run.fails(3, DARK, 4).is_none());
        let other = run.choice.failed(&role("web"), DENIED, trace(5), run.begun);
        assert!(other.is_some());
        assert_eq!(
            run.succeeds(6).and_then(|story| story.first),
            Some(trace(2)),
            "the cause of the last one"
        );
    }

    #[test]
    fn a_walk_that_is_not_exported_is_shown_as_the_one_that_stands_for_it() {
        let mut run = Run::new(Sampler::Failures);
        run.fails(0, DENIED, 1);
        run.fails(1, DENIED, 2);
        run.fails(2, DARK, 3);
        run.fails(3, DARK, 4);
        let shown = |run: &Run, n| run.choice.shown(trace(n));
        assert_eq!([1, 2, 3, 4].map(|n| shown(&run, n)), [1, 1, 3, 3].map(trace));
        run.fails(61, DENIED, 5);
        run.fails(62, DENIED, 6);
        assert_eq!((shown(&run, 2), shown(&run, 6)), (trace(1), trace(5)));
        for n in 10..18 {
            run.fails(63, DENIED, n);
        }
        assert_eq!((shown(&run, 2), shown(&run, 10)), (trace(2), trace(5)), "the oldest are let go");
        run.choice.forget(&role("app"));
        assert_eq!(shown(&run, 10), trace(10));
        assert!(run.choice.instead.is_empty() && run.choice.roles.is_empty());
    }

    #[test]
    fn a_client_in_a_loop_makes_one_span_a_minute() {
        let mut run = Run::new(Sampler::Failures);
        let mut asks = |second, caller: Option<&Traceparent>| {
            run.choice.refused(&role("app"), DENIED, caller, run.begun + Duration::from_secs(second))
        };
        let caller = |flags| Traceparent::parse(&format!("00-{:032x}-{:016x}-{flags}", 7, 7)).unwrap();
        assert_eq!(asks(0, Some(&caller("00"))), None, "its trace is not kept");
        assert_eq!(asks(1, Some(&caller("01"))), Some(0));
        assert!((2..61).all(|second| asks(second, None).is_none()));
        assert_eq!(asks(61, None), Some(60));
    }

    #[test]
    fn successes_are_taken_as_the_sampler_says() {
        let low = TraceId([0x01; 16]);
        let high = TraceId([0xfe; 16]);
        assert!(Sampler::All.takes(low) && Sampler::All.takes(high));
        assert!(!Sampler::Failures.takes(low));
        assert!(Sampler::Share(0.5).takes(low) && !Sampler::Share(0.5).takes(high));
        assert!(
            !Sampler::Share(0.0).takes(TraceId([0; 16])) && Sampler::Share(1.0).takes(TraceId([0xff; 16]))
        );
        let mut run = Run::new(Sampler::All);
        assert_eq!(run.succeeds(1), Some(Story { attempt: 1, ..Story::default() }));
    }
}
