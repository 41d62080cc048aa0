//! Laws that hold whatever happens, checked on random histories.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keyfob::cause;
use keyfob::config::{Refresh, Role};
use keyfob::credentials::{AccountId, Credentials, RoleName, SourceKind};
use keyfob::failure::{Failure, FailureKind};
use keyfob::keeper::{Policy, Snapshot, judge, schedule};
use keyfob::report::{Attempt, Notes, Outcome, Resolution, TraceId, Trigger, Verdict};
use keyfob::secret::Secret;
use proptest::collection::vec;
use proptest::prelude::*;

const SOURCES: [SourceKind; 4] =
    [SourceKind::Env, SourceKind::WebIdentity, SourceKind::Process, SourceKind::Imds];

/// One walk of a random history.
#[derive(Clone, Debug)]
struct Step {
    /// Seconds since the one before.
    after: u64,
    source: usize,
    /// Seconds of life; `None` is without expiry.
    life: Option<i64>,
    key: u8,
    account: Option<u8>,
    fails: Option<FailureKind>,
    settled: bool,
    /// The operator's `--drop` beforehand.
    drop: bool,
}

fn failing() -> impl Strategy<Value = FailureKind> {
    prop_oneof![
        Just(FailureKind::NotConfigured),
        Just(FailureKind::Misconfigured),
        Just(FailureKind::Denied),
        Just(FailureKind::Unreachable),
        Just(FailureKind::TimedOut),
        Just(FailureKind::AlreadyExpired),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let life = prop_oneof![1 => Just(None), 6 => (-600_i64..50_000).prop_map(Some)];
    let who = (0..SOURCES.len(), 0..4_u8, proptest::option::of(0..2_u8));
    let how = (
        proptest::option::weighted(0.3, failing()),
        proptest::bool::weighted(0.9),
        proptest::bool::weighted(0.05),
    );
    (0..5_000_u64, life, who, how).prop_map(
        |(after, life, (source, key, account), (fails, settled, drop))| Step {
            after,
            source,
            life,
            key,
            account,
            fails,
            settled,
            drop,
        },
    )
}

fn walk(step: &Step, now: SystemTime) -> Resolution {
    let source = SOURCES[step.source];
    // The chain itself refuses expired answers, but for metadata's.
    let life = step.life.map(|life| if source == SourceKind::Imds { life } else { life.max(1) });
    let expires_at = life.map(|life| {
        let span = Duration::from_secs(life.unsigned_abs());
        if life < 0 { now - span } else { now + span }
    });
    let found = Credentials {
        access_key_id: format!("KEY-{}", step.key),
        secret_access_key: Secret::new("secret"),
        session_token: expires_at.map(|_| Secret::new("token")),
        expires_at,
        account_id: step.account.and_then(|account| AccountId::parse(&format!("{account}"))),
        role_arn: None,
    };
    let outcome = match step.fails {
        None => Outcome::Provided { expires_at },
        Some(kind) => {
            let failure = Failure::new(kind, &cause::UNKNOWN, "as drawn");
            if kind.falls_through() { Outcome::Skipped(failure) } else { Outcome::Failed(failure) }
        }
    };
    let credentials = matches!(outcome, Outcome::Provided { .. }).then(|| Arc::new(found));
    let attempt = Attempt { source, started: now, took: Duration::ZERO, notes: Notes::default(), outcome };
    Resolution {
        role: RoleName::default_role(),
        trace: TraceId::random(),
        trigger: Trigger::Schedule,
        started: now,
        took: Duration::ZERO,
        attempts: vec![attempt],
        credentials,
    }
}

/// Lives through a history, and shows each state with the verdict that led to it.
fn live(
    policy: &Policy,
    steps: &[Step],
    mut look: impl FnMut(&Snapshot, &Snapshot, &Verdict, &Resolution, SystemTime),
) {
    let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut state = Snapshot::starting(now);
    for step in steps {
        now += Duration::from_secs(step.after);
        if step.drop {
            state = state.dropped();
        }
        let walk = Arc::new(walk(step, now));
        let (bond, held, pending) = (state.bond.as_ref(), state.held.as_deref(), state.pending.as_ref());
        let verdict = judge::judge(policy, bond, held, pending, &walk, step.settled, now);
        let next = state.after(Arc::clone(&walk), &verdict, policy, now, 0.5);
        look(&state, &next, &verdict, &walk, now);
        state = next;
    }
}

fn policy(allow_drift: bool, extend: bool) -> Policy {
    let mut role = Role::named(RoleName::default_role());
    (role.allow_drift, role.imds_extend) = (allow_drift, extend);
    Policy::of(&role, &Refresh::default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_served_past_its_expiry_but_metadata_while_it_is_down(
        steps in vec(step(), 1..30), later in 0..200_000_u64, extend: bool,
    ) {
        live(&policy(false, extend), &steps, |_, state, _, _, now| {
            for at in [now, now + Duration::from_secs(later)] {
                if let Some(usable) = state.usable(at) {
                    assert!(usable.expires > at);
                    if usable.held.credentials.expired(at) {
                        assert!(extend && state.extended && usable.held.source == SourceKind::Imds);
                    } else if let Some(true_expiry) = usable.held.credentials.expires_at {
                        assert_eq!(usable.expires, true_expiry);
                    }
                }
            }
        });
    }

    #[test]
    fn a_role_never_drifts(steps in vec(step(), 1..40)) {
        let mut first_account = None;
        live(&policy(false, true), &steps, |before, state, verdict, walk, now| {
            if let (Some(was), Some(is)) = (&before.bond, &state.bond) {
                // Only ever to the same source or a better one, and never to another account.
                assert!(is.source <= was.source, "{was:?} became {is:?} at {now:?}");
                if is.source < was.source {
                    assert!(before.pending.is_some(), "a better source is adopted at second sight only");
                }
            }
            assert!(before.bond.is_none() || state.bond.is_some(), "the bond outlives all");
            if let Some(account) = state.held.as_ref().and_then(|held| held.account.clone()) {
                let first = first_account.get_or_insert(account.clone());
                assert_eq!(first, &account);
            }
            if *verdict == Verdict::Adopt {
                assert_eq!(state.held.as_ref().map(|held| held.source), walk.winner());
            }
        });
    }

    #[test]
    fn what_is_held_is_lost_only_by_dropping(steps in vec(step(), 1..40)) {
        live(&policy(false, true), &steps, |before, state, verdict, _, now| {
            let alive = before.held.as_ref().filter(|held| !held.credentials.expired(now));
            if alive.is_some() && !matches!(verdict, Verdict::Drop(_)) {
                assert!(state.usable(now).is_some(), "{verdict:?} lost live credentials");
            }
            if matches!(verdict, Verdict::Drop(_)) {
                assert!(alive.is_some_and(|held| held.credentials.expires_at.is_none()));
            }
        });
    }

    #[test]
    fn the_next_walk_is_never_too_late_and_never_too_soon(steps in vec(step(), 1..30), extend: bool) {
        live(&policy(false, extend), &steps, |_, state, verdict, _, now| {
            let held = state.held.as_ref();
            let Some(due) = state.due else {
                assert!(held.is_some_and(|held| held.credentials.expires_at.is_none()), "{verdict:?}");
                return;
            };
            assert!(due >= now);
            if let Some(left) = held.and_then(|held| held.credentials.left(now)).filter(|left| !left.is_zero())
                && !matches!(verdict, Verdict::Wait | Verdict::Confirm(_))
            {
                assert!(due <= now + left.max(Duration::from_secs(1)), "{verdict:?}: due after expiry");
            }
            if held.is_none() {
                assert!(due <= now + Duration::from_secs(300), "{verdict:?}");
            }
        });
    }

    #[test]
    fn backoff_is_bounded(transient: bool, step: u32, left in proptest::option::of(0..100_000_u64), roll in 0.0..=1.0) {
        let left = left.map(Duration::from_secs);
        let pause = schedule::backoff(&Refresh::default(), transient, step, left, roll);
        prop_assert!(pause >= Duration::from_secs(1));
        let ceiling = Duration::from_secs(if transient { 60 } else { 300 });
        prop_assert!(pause <= ceiling);
        if let Some(left) = left {
            prop_assert!(pause <= (left / 2).max(Duration::from_secs(1)));
        }
    }

    #[test]
    fn a_refresh_falls_into_the_second_half_of_life(life in 0..200_000_u64, roll in 0.0..=1.0) {
        let start = SystemTime::UNIX_EPOCH;
        let expires = start + Duration::from_secs(life);
        let at = schedule::refresh_at(&Refresh::default(), start, expires, roll);
        prop_assert!(at <= expires);
        // Jitter comes after the clamp: a tenth of half a life at most.
        prop_assert!(at.duration_since(start).unwrap() >= Duration::from_secs(life).mul_f64(0.4499));
    }

    #[test]
    fn debug_never_leaks(secret in "[!-~]{12,60}", token in "[!-~]{12,60}") {
        let found = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::new(secret.clone()),
            session_token: Some(Secret::new(token.clone())),
            expires_at: None,
            account_id: None,
            role_arn: None,
        };
        let text = format!("{found:?} {:?}", walk(&Step {
            after: 0, source: 0, life: None, key: 0, account: None, fails: None, settled: true, drop: false,
        }, SystemTime::UNIX_EPOCH));
        prop_assert!(!text.contains(&secret) && !text.contains(&token));
    }
}
