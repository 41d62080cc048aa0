//! Every cell of the table: what is held, against how the walk ended.

use std::sync::{Arc, OnceLock};

use super::*;
use crate::credentials::RoleName;
use crate::keeper::Snapshot;
use crate::report::{Attempt, Notes, TraceId, Trigger};
use crate::secret::Secret;

const BOUND_TO: SourceKind = SourceKind::Process;
const HIGHER: SourceKind = SourceKind::Env;
const LOWER: SourceKind = SourceKind::Imds;
const HOUR: Duration = Duration::from_hours(1);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn keys(id: &str, account: Option<&str>, expires_at: Option<SystemTime>) -> Credentials {
    Credentials {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new("s"),
        session_token: expires_at.map(|_| Secret::new(format!("token of {id}"))),
        expires_at,
        account_id: account.and_then(AccountId::parse),
        role_arn: None,
    }
}

fn walk(source: SourceKind, outcome: Result<Credentials, Failure>) -> Resolution {
    let outcome_noted = match &outcome {
        Ok(found) => Outcome::Provided { expires_at: found.expires_at },
        Err(failure) if failure.kind == FailureKind::NotConfigured => Outcome::Skipped(failure.clone()),
        Err(failure) => Outcome::Failed(failure.clone()),
    };
    let (took, notes) = (Duration::ZERO, Notes::default());
    Resolution {
        role: RoleName::default_role(),
        trace: TraceId::random(),
        trigger: Trigger::Schedule,
        started: now(),
        took,
        attempts: vec![Attempt { source, started: now(), took, notes, outcome: outcome_noted }],
        credentials: outcome.ok().map(Arc::new),
    }
}

fn held(source: SourceKind, credentials: Credentials) -> Held {
    let (account, first_seen) = (account(&credentials), now() - HOUR);
    Held { credentials: Arc::new(credentials), source, account, first_seen, body: OnceLock::new() }
}

fn policy() -> Policy {
    Policy::of(&Role::named(RoleName::default_role()), &Refresh::default())
}

fn bond() -> Bond {
    Bond { source: BOUND_TO, account: AccountId::parse("111111111111") }
}

/// What may be held of a bond that exists.
const HELD: [&str; 4] = ["none", "alive", "dead", "no expiry"];

fn holding(what: &str) -> Option<Held> {
    let expires = match what {
        "none" => return None,
        "alive" => Some(now() + HOUR),
        "dead" => Some(now() - HOUR / 2),
        _ => None,
    };
    Some(held(BOUND_TO, keys("KEY-HELD", Some("111111111111"), expires)))
}

/// How a walk may end.
fn ending(how: &str, held: Option<&Held>) -> Resolution {
    let mine = Some("111111111111");
    let later = Some(now() + HOUR * 2);
    let again =
        || held.map_or_else(|| keys("KEY-HELD", mine, later), |held| Credentials::clone(&held.credentials));
    match how {
        "new keys" => walk(BOUND_TO, Ok(keys("KEY-NEW", mine, later))),
        "same keys" => walk(BOUND_TO, Ok(again())),
        "lower" => walk(LOWER, Ok(keys("KEY-LOW", None, later))),
        "higher" => walk(HIGHER, Ok(keys("KEY-HIGH", mine, later))),
        "other account" => walk(BOUND_TO, Ok(keys("KEY-OTHER", Some("222222222222"), later))),
        "nothing" => walk(LOWER, Err(Failure::not_configured("nothing"))),
        "failed" => walk(BOUND_TO, Err(Failure::denied(&cause::STS_DENIED, "no"))),
        "gone" => walk(SourceKind::Profile, Err(Failure::misconfigured(&cause::PROFILE_UNKNOWN, "gone"))),
        other => panic!("no such ending: {other}"),
    }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Adopt => "adopt".to_owned(),
        Verdict::Unchanged => "unchanged".to_owned(),
        Verdict::Refuse(failure) => format!("refuse {}", failure.cause.code),
        Verdict::Confirm(at) => format!("confirm in {}s", at.duration_since(now()).unwrap().as_secs()),
        Verdict::Wait => "wait".to_owned(),
        Verdict::Drop(failure) => format!("drop {}", failure.cause.code),
        Verdict::Fail(failure) => format!("fail {}", failure.cause.code),
    }
}

/// Verdicts for what is held, in the order of [`HELD`].
const TABLE: [(&str, [&str; 4]); 8] = [
    ("new keys", ["adopt", "adopt", "adopt", "adopt"]),
    // Expired keys never come out of the chain again, but for metadata's: "same" of dead ones is a test of its own.
    ("same keys", ["adopt", "unchanged", "unchanged", "unchanged"]),
    ("lower", ["refuse KF-DRIFT"; 4]),
    ("higher", ["confirm in 1s"; 4]),
    ("other account", ["refuse KF-DRIFT"; 4]),
    ("nothing", ["fail KF-NOTHING"; 4]),
    ("failed", ["fail STS-DENIED"; 4]),
    ("gone", ["fail PROFILE-UNKNOWN"; 4]),
];

#[test]
fn every_cell_with_settled_inputs() {
    for (how, wanted) in TABLE {
        for (what, want) in HELD.into_iter().zip(wanted) {
            let mut policy = policy();
            // Lets the dead ones through, to judge them and not their expiry.
            policy.extend = true;
            let held = holding(what);
            let verdict =
                judge(&policy, Some(&bond()), held.as_ref(), None, &ending(how, held.as_ref()), true, now());
            assert_eq!(word(&verdict), want, "{how} while holding {what}");
        }
    }
}

#[test]
fn while_an_input_changes_nothing_is_decided_as_long_as_something_is_usable() {
    for (how, settled) in TABLE {
        for (what, otherwise) in HELD.into_iter().zip(settled) {
            let mut policy = policy();
            policy.extend = true;
            let held = holding(what);
            let usable = matches!(what, "alive" | "no expiry");
            let verdict =
                judge(&policy, Some(&bond()), held.as_ref(), None, &ending(how, held.as_ref()), false, now());
            assert_eq!(word(&verdict), if usable { "wait" } else { otherwise }, "{how} while holding {what}");
        }
    }
}

#[test]
fn without_a_bond_whatever_comes_is_adopted() {
    for (how, _) in TABLE {
        let walk = ending(how, None);
        let verdict = judge(&policy(), None, None, None, &walk, true, now());
        assert_eq!(matches!(verdict, Verdict::Adopt), walk.credentials.is_some(), "{how}");
    }
}

#[test]
fn ground_lost_twice_drops_what_has_no_expiry_and_nothing_else() {
    let lost = Pending::Lost { believe_at: now() };
    for (how, code) in [
        ("lower", "KF-DRIFT"),
        ("other account", "KF-DRIFT"),
        ("nothing", "KF-NOTHING"),
        ("gone", "PROFILE-UNKNOWN"),
    ] {
        for what in HELD {
            let held = holding(what);
            let walk = ending(how, held.as_ref());
            let verdict = judge(&policy(), Some(&bond()), held.as_ref(), Some(&lost), &walk, true, now());
            let dropped = word(&verdict) == format!("drop {code}");
            assert_eq!(dropped, what == "no expiry", "{how} while holding {what}: {verdict:?}");
        }
    }
    let held = holding("no expiry");
    let verdict =
        judge(&policy(), Some(&bond()), held.as_ref(), Some(&lost), &ending("failed", None), true, now());
    assert_eq!(word(&verdict), "fail STS-DENIED", "a mere failure keeps them");
}

#[test]
fn ground_lost_twice_too_soon_is_not_believed() {
    let held = holding("no expiry");
    let lost = Pending::Lost { believe_at: now() + Duration::from_secs(2) };
    let walk = ending("nothing", None);
    let verdict = judge(&policy(), Some(&bond()), held.as_ref(), Some(&lost), &walk, true, now());
    assert_eq!(word(&verdict), "fail KF-NOTHING");
    let still = pending(Some(&lost), held.as_ref(), &walk, &verdict, now());
    assert_eq!(still, Some(lost), "and the first sight counts");
}

#[test]
fn a_higher_source_is_adopted_when_a_second_walk_ends_there_too() {
    let seen = |source| Pending::Higher { source, confirm_at: now() };
    for what in HELD {
        let held = holding(what);
        let walk = ending("higher", held.as_ref());
        let again = judge(&policy(), Some(&bond()), held.as_ref(), Some(&seen(HIGHER)), &walk, true, now());
        assert_eq!(again, Verdict::Adopt, "{what}");
        let elsewhere =
            judge(&policy(), Some(&bond()), held.as_ref(), Some(&seen(SourceKind::Sso)), &walk, true, now());
        assert_eq!(word(&elsewhere), "confirm in 1s", "{what}");
    }
}

#[test]
fn a_second_walk_that_comes_too_soon_confirms_nothing() {
    let soon = Pending::Higher { source: HIGHER, confirm_at: now() + Duration::from_millis(500) };
    let verdict = judge(&policy(), Some(&bond()), None, Some(&soon), &ending("higher", None), true, now());
    assert_eq!(verdict, Verdict::Confirm(now() + Duration::from_millis(500)));
}

#[test]
fn drift_that_is_allowed_waits_until_nothing_usable_is_held() {
    let mut policy = policy();
    policy.allow_drift = true;
    for how in ["lower", "other account"] {
        for (what, want) in HELD.into_iter().zip(["adopt", "refuse KF-DRIFT", "adopt", "refuse KF-DRIFT"]) {
            let held = holding(what);
            let walk = ending(how, held.as_ref());
            let verdict = judge(&policy, Some(&bond()), held.as_ref(), None, &walk, true, now());
            assert_eq!(word(&verdict), want, "{how} while holding {what}");
        }
    }
}

#[test]
fn accounts_differ_only_if_both_are_known() {
    let unknown = Bond { source: BOUND_TO, account: None };
    let verdict = judge(&policy(), Some(&unknown), None, None, &ending("other account", None), true, now());
    assert_eq!(verdict, Verdict::Adopt);
    let nameless = walk(BOUND_TO, Ok(keys("KEY-NEW", None, Some(now() + HOUR))));
    assert_eq!(judge(&policy(), Some(&bond()), None, None, &nameless, true, now()), Verdict::Adopt);
}

#[test]
fn what_the_role_does_not_expect_is_refused_before_anything_else() {
    let mut strict = policy();
    strict.expect.account = AccountId::parse("999999999999");
    for what in HELD {
        let held = holding(what);
        for settled in [true, false] {
            for how in ["new keys", "same keys", "lower", "higher", "other account"] {
                let walk = ending(how, held.as_ref());
                let verdict = judge(&strict, None, held.as_ref(), None, &walk, settled, now());
                assert_eq!(word(&verdict), "refuse KF-EXPECT", "{how} while holding {what}");
            }
        }
    }
    let mut strict = policy();
    strict.expect.sources = Some(vec![SourceKind::Process]);
    assert_eq!(judge(&strict, None, None, None, &ending("new keys", None), true, now()), Verdict::Adopt);
    assert_eq!(
        word(&judge(&strict, None, None, None, &ending("lower", None), true, now())),
        "refuse KF-EXPECT"
    );
}

#[test]
fn an_expected_account_that_the_source_does_not_name_is_refused() {
    let mut strict = policy();
    strict.expect.account = AccountId::parse("111111111111");
    let nameless = walk(LOWER, Ok(keys("KEY-NEW", None, Some(now() + HOUR))));
    assert_eq!(word(&judge(&strict, None, None, None, &nameless, true, now())), "refuse KF-EXPECT");
}

#[test]
fn long_term_keys_are_refused_where_the_role_says_so() {
    let mut strict = policy();
    strict.static_keys = StaticKeys::Refuse;
    let long_term = walk(SourceKind::StaticFile, Ok(keys("KEY-LONG", None, None)));
    assert_eq!(word(&judge(&strict, None, None, None, &long_term, true, now())), "refuse KF-STATIC-REFUSED");
    assert_eq!(judge(&policy(), None, None, None, &long_term, true, now()), Verdict::Adopt);
}

mod metadata {
    //! The exception: metadata credentials past their expiry while the service is down.
    use super::*;

    fn bond() -> Bond {
        Bond { source: SourceKind::Imds, account: None }
    }

    fn expired(id: &str) -> Credentials {
        keys(id, None, Some(now() - Duration::from_mins(1)))
    }

    fn down() -> Resolution {
        walk(SourceKind::Imds, Err(Failure::new(FailureKind::TimedOut, &cause::IMDS_HOP, "silent")))
    }

    #[test]
    fn a_first_answer_that_is_expired_is_adopted() {
        let walk = walk(SourceKind::Imds, Ok(expired("KEY-A")));
        assert_eq!(judge(&policy(), None, None, None, &walk, true, now()), Verdict::Adopt);
    }

    #[test]
    fn an_expired_answer_never_replaces_a_live_one() {
        let alive = held(SourceKind::Imds, keys("KEY-B", None, Some(now() + HOUR)));
        let walk = walk(SourceKind::Imds, Ok(expired("KEY-A")));
        let verdict = judge(&policy(), Some(&bond()), Some(&alive), None, &walk, true, now());
        assert_eq!(word(&verdict), "fail IMDS-EXPIRED");
    }

    #[test]
    fn without_the_exception_an_expired_answer_is_a_failure() {
        let mut policy = policy();
        policy.extend = false;
        let walk = walk(SourceKind::Imds, Ok(expired("KEY-A")));
        assert_eq!(word(&judge(&policy, None, None, None, &walk, true, now())), "fail IMDS-EXPIRED");
    }

    #[test]
    fn the_exception_is_for_a_bound_role_whose_service_is_down() {
        let ends = |failure| walk(SourceKind::Imds, Err(failure));
        let denied = ends(Failure::denied(&cause::IMDS_401, "401"));
        let empty = ends(Failure::denied(&cause::IMDS_NOPROFILE, "404"));
        let no_route = ends(Failure::new(FailureKind::NotConfigured, &cause::IMDS_OFF, "no route"));
        let broken = ends(Failure::new(FailureKind::Unreachable, &cause::IMDS_5XX, "500"));
        let hands_out = walk(SourceKind::Imds, Ok(expired("KEY-A")));
        for (walk, want) in [
            (down(), true),
            (no_route, true),
            (broken, true),
            (hands_out, true),
            (denied, false),
            (empty, false),
        ] {
            assert_eq!(extends(&policy(), Some(&bond()), &walk, now()), want, "{:?}", walk.attempts);
        }
        assert!(!extends(&policy(), Some(&super::bond()), &down(), now()), "another bond");
        assert!(!extends(&policy(), None, &down(), now()), "no bond");
    }

    #[test]
    fn the_last_ones_are_served_for_twenty_minutes_more_and_asked_for_each_minute() {
        let start = Snapshot {
            held: Some(Arc::new(held(SourceKind::Imds, expired("KEY-A")))),
            bond: Some(bond()),
            ..Snapshot::starting(now())
        };
        assert!(start.usable(now()).is_none());
        let walk = Arc::new(down());
        let verdict = judge(&policy(), start.bond.as_ref(), start.held.as_deref(), None, &walk, true, now());
        let next = start.after(walk, &verdict, &policy(), now(), 0.5);
        let usable = next.usable(now()).expect("served past its expiry");
        assert_eq!((usable.expires, usable.lasting), (now() + Duration::from_mins(20), false));
        assert_eq!(next.due, Some(now() + Duration::from_mins(1)));
        assert_eq!((next.failures, next.standing().extended), (1, true));
        // An answer of "no" ends it.
        let no = Arc::new(super::walk(SourceKind::Imds, Err(Failure::denied(&cause::IMDS_401, "401"))));
        let verdict = judge(&policy(), next.bond.as_ref(), next.held.as_deref(), None, &no, true, now());
        assert!(next.after(no, &verdict, &policy(), now(), 0.5).usable(now()).is_none());
    }

    #[test]
    fn a_role_assumed_with_metadata_credentials_is_not_extended() {
        let mut role = Role::named(RoleName::default_role());
        role.assume = Some(crate::config::Assume {
            role_arn: "arn:aws:iam::111111111111:role/r".to_owned(),
            ..Default::default()
        });
        assert!(!Policy::of(&role, &Refresh::default()).extend);
    }
}
