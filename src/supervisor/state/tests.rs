//! Each event with the words that follow from it.

use std::path::Path;

use super::*;
use crate::cause;
use crate::config::{self, Problem};
use crate::credentials::SourceKind;
use crate::failure::FailureKind;
use crate::report::{Resolution, TraceId, Trigger};
use crate::shutdown::Stage;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn name(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

fn config(roles: &[(&str, bool)]) -> Config {
    let role = |(text, required): &(&str, bool)| config::Role {
        required: *required,
        ..config::Role::named(name(text))
    };
    Config { roles: roles.iter().map(role).collect(), ..Config::default() }
}

fn holding() -> Standing {
    Standing {
        source: Some(SourceKind::Imds),
        key_suffix: None,
        account: None,
        role_arn: None,
        issued_at: Some(at(0)),
        expires_at: Some(at(3600)),
        held: true,
        extended: false,
        long_term: false,
        next: Some(at(2400)),
        failures: 0,
    }
}

fn empty_handed() -> Standing {
    Standing { held: false, expires_at: None, next: None, ..holding() }
}

fn unreachable() -> Failure {
    Failure::new(FailureKind::Unreachable, &cause::NET_REFUSED, "connection refused")
}

fn denied() -> Failure {
    Failure::denied(&cause::STS_DENIED, "STS refused role app")
}

/// A state that is told of events, and whose words are all heard.
struct Told {
    state: State,
    begun: Instant,
}

impl Told {
    fn new(roles: &[(&str, bool)]) -> Told {
        let begun = Instant::now();
        let mut told = Told { state: State::new(begun), begun };
        told.note(&Event::ConfigApplied(&config(roles)));
        told.note(&Event::Listening { credentials: &[], admin: None, token_file: Path::new("/t") });
        told
    }

    fn note(&mut self, event: &Event<'_>) {
        assert!(State::concerns(event), "{event:?}");
        self.state.note(event);
    }

    fn judged(&mut self, role: &str, verdict: &Verdict, standing: &Standing) {
        let walk = Resolution {
            role: name(role),
            trace: TraceId::random(),
            trigger: Trigger::Schedule,
            started: at(0),
            took: Duration::ZERO,
            attempts: Vec::new(),
            credentials: None,
        };
        self.note(&Event::Judged { resolution: &walk, verdict, standing });
    }

    /// What is said so long after the beginning, a text for each datagram.
    fn said(&mut self, seconds: u64) -> Vec<String> {
        let now = self.begun + Duration::from_secs(seconds);
        let words = self.state.owed(now, at(seconds), 77);
        let texts = words.iter().map(|words| words.text.clone()).collect();
        words.into_iter().for_each(|words| self.state.told(words));
        texts
    }

    fn ready_after(&mut self, seconds: u64) -> bool {
        self.said(seconds).iter().any(|text| text.starts_with("READY=1"))
    }

    /// A state that has said that one role is well.
    fn well() -> Told {
        let mut told = Told::new(&[("app", true)]);
        told.judged("app", &Verdict::Adopt, &holding());
        assert!(told.ready_after(1));
        told
    }
}

#[test]
fn the_start_is_over_when_every_required_role_has_credentials() {
    let mut told = Told::new(&[("a", true), ("b", true), ("extra", false)]);
    let begins = "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=asking for the first credentials";
    assert_eq!(told.said(1), [begins]);
    told.judged("a", &Verdict::Adopt, &holding());
    told.judged("b", &Verdict::Fail(unreachable()), &empty_handed());
    assert!(!told.ready_after(2));
    told.judged("b", &Verdict::Adopt, &holding());
    let wanted = "READY=1\nSTATUS=2 of 3 roles have credentials, next refresh 1970-01-01T00:40:00Z";
    assert_eq!(told.said(3), [wanted]);
    assert_eq!(told.said(4), [""; 0]);
}

#[test]
fn nobody_waits_for_what_waiting_does_not_cure_nor_for_more_than_a_minute() {
    let mut told = Told::new(&[("app", true)]);
    told.judged("app", &Verdict::Fail(denied()), &empty_handed());
    let fix = cause::STS_DENIED.fix[0];
    let wanted =
        format!("READY=1\nSTATUS=no credentials; role app: STS refused role app [STS-DENIED]; fix: {fix}");
    assert_eq!(told.said(1), [wanted]);

    let mut told = Told::new(&[("app", true)]);
    told.judged("app", &Verdict::Fail(unreachable()), &empty_handed());
    assert!(!told.ready_after(59));
    assert!(told.ready_after(60));
}

#[test]
fn nothing_is_ready_before_it_listens() {
    let mut told = Told { state: State::new(Instant::now()), begun: Instant::now() };
    told.note(&Event::ConfigApplied(&config(&[("app", false)])));
    assert!(!told.ready_after(100));
    told.note(&Event::Listening { credentials: &[], admin: None, token_file: Path::new("/t") });
    assert!(told.ready_after(101));
}

#[test]
fn the_sentence_follows_what_happens() {
    let mut told = Told::well();
    told.judged("app", &Verdict::Fail(denied()), &holding());
    let trouble = "STATUS=role app has credentials, next refresh 1970-01-01T00:40:00Z; \
                   role app: STS refused role app [STS-DENIED], those it has last until 1970-01-01T01:00:00Z";
    assert_eq!(told.said(2), [trouble]);
    // They expire without anything happening: the next sign of life says so.
    assert!(told.said(3601)[0].starts_with("STATUS=no credentials; role app: "));
    told.judged("app", &Verdict::Adopt, &Standing { expires_at: Some(at(9000)), ..holding() });
    let well = "STATUS=role app has credentials, next refresh 1970-01-01T00:40:00Z";
    assert_eq!(told.said(3602), [well]);
}

#[test]
fn several_failures_are_counted_and_gone_roles_forgotten() {
    let mut told = Told::new(&[("a", true), ("b", true), ("c", true)]);
    for role in ["a", "b", "c"] {
        told.judged(role, &Verdict::Fail(denied()), &empty_handed());
    }
    assert!(told.said(1)[0].ends_with("; 2 more roles fail"));
    told.note(&Event::RoleRemoved(&name("c")));
    assert!(told.said(2)[0].ends_with("; one more role fails"));
}

#[test]
fn a_reload_begins_and_ends_in_systemds_words() {
    let mut told = Told::well();
    told.note(&Event::ConfigApplied(&config(&[("app", true)])));
    assert_eq!(told.said(2), ["RELOADING=1\nMONOTONIC_USEC=77", "READY=1"]);
    let problem = Problem { at: "k.toml:3".to_owned(), is: "x".to_owned(), want: "y".to_owned() };
    told.note(&Event::ConfigRejected(&[problem]));
    let [begins, ends] = <[String; 2]>::try_from(told.said(3)).unwrap();
    assert_eq!(begins, "RELOADING=1\nMONOTONIC_USEC=77");
    assert!(ends.starts_with("READY=1\nSTATUS=role app has credentials"), "{ends}");
    assert!(ends.ends_with("the one before is in force: k.toml:3: x; wanted y"), "{ends}");
    assert_eq!(told.said(4), [""; 0]);
}

#[test]
fn a_configuration_during_the_start_is_no_reload() {
    let mut told = Told::new(&[("app", true)]);
    told.note(&Event::ConfigApplied(&config(&[("app", true)])));
    assert!(told.said(1).iter().all(|text| !text.contains("RELOADING")));
}

#[test]
fn what_was_not_heard_is_said_again() {
    let mut told = Told::new(&[("app", true)]);
    told.judged("app", &Verdict::Adopt, &holding());
    let unheard = told.state.owed(told.begun, at(1), 1);
    assert_eq!(told.said(2), unheard.iter().map(|words| words.text.clone()).collect::<Vec<_>>());
}

#[test]
fn the_end_is_said_once() {
    let mut told = Told::well();
    for stage in [Stage::Lame, Stage::Closing] {
        told.note(&Event::Draining(stage));
    }
    assert_eq!(told.said(2), ["STOPPING=1\nSTATUS=ending"]);
    told.judged("app", &Verdict::Fail(denied()), &holding());
    assert_eq!(told.said(3), [""; 0]);
}

#[test]
fn a_sentence_is_one_line_and_not_too_long() {
    assert_eq!(on_one_line("a\nREADY=1\r\u{7f}b"), "a READY=1  b");
    assert_eq!(on_one_line(&"ä".repeat(1000)).chars().count(), LONGEST);
}
