//! The promise itself: keyfob finds what botocore finds. Both are asked, process against process, on many small
//! machines, and must find the same keys, or nothing both, or an error both, having asked the same questions.
//!
//! The situations are those written down in `situations`, and as many made up by chance as one likes: `random`.
//!
//! `make parity` runs this alone, `make parity ONLY=text` the situations with that in their names, and shows all that was
//! seen; `make parity N=5000 SEED=7` makes up so many.

mod answer;
mod checklist;
mod exceptions;
mod ini;
mod oracle;
mod random;
mod requests;
pub mod situation;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use answer::{Answer, differences};
use exceptions::{Exception, Verdict, judge};
use jiff::Timestamp;
use oracle::{Oracle, pinned};
use situation::{Machine, Situation, User};

use crate::sdk::python;
use crate::support::run::skip;
use crate::support::{FakeAws, Run};

/// At the same time. One waits where the other computes, so there may be more than processors.
const WORKERS: usize = 6;

/// What one program found, the requests it made for it, and what it left in the files of sign-ins.
struct Told {
    answer: Answer,
    requests: Vec<String>,
    kept: Vec<String>,
}

/// One situation, with both sides' word.
struct Compared<'a> {
    situation: &'a Situation,
    keyfob: Told,
    botocore: Told,
    differences: Vec<String>,
    verdict: Verdict,
}

#[test]
fn keyfob_finds_what_botocore_finds() {
    if !python().is_file() {
        return skip("botocore is not there; run `make clients`");
    }
    let (all, users) = situation::all();
    let exceptions = exceptions::all();
    check(&all, &exceptions);
    let only = setting("KEYFOB_PARITY");
    if only.as_ref().is_some_and(|part| random::named(part).is_some()) {
        return;
    }
    let chosen: Vec<&Situation> = all
        .iter()
        .filter(|situation| only.as_ref().is_none_or(|part| situation.name.contains(part)))
        .collect();
    assert!(!chosen.is_empty(), "no situation has that in its name");

    let began = Instant::now();
    let mut compared = on_workers(&chosen, |situation, oracle| {
        let mut one = compare(situation, &users, oracle);
        let exception = exceptions.iter().find(|exception| exception.names.contains(&situation.name));
        one.verdict = judge(&one.differences, &one.keyfob.answer, exception);
        one
    });
    compared.sort_by_key(|one| &one.situation.name);
    let disagree = |one: &&Compared<'_>| matches!(one.verdict, Verdict::Disagree(_));
    let stories: Vec<String> = compared.iter().filter(disagree).map(Compared::story).collect();
    let excepted = compared.iter().filter(|one| one.verdict == Verdict::Excepted).count();
    tell(&format!(
        "parity with botocore {}: {} situations in {} s, {} agree, {excepted} differ for a reason\n",
        pinned(),
        compared.len(),
        began.elapsed().as_secs(),
        compared.len() - excepted - stories.len(),
    ));
    if only.is_some() {
        compared.iter().for_each(|one| tell(&one.story()));
    }
    assert!(stories.is_empty(), "{} situations disagree\n\n{}", stories.len(), stories.join("\n"));
}

/// What is written down must make sense before anything is compared.
fn check(all: &[Situation], exceptions: &[Exception]) {
    assert!(all.len() >= 60, "only {} situations", all.len());
    let mut names = BTreeSet::new();
    for situation in all {
        assert!(names.insert(&situation.name), "{} is there twice", situation.name);
        assert_eq!(situation.strays(), None, "{}", situation.name);
    }
    let mut excepted = BTreeSet::new();
    for exception in exceptions {
        for name in &exception.names {
            assert!(names.contains(name), "no situation {name}: delete the exception");
            assert!(excepted.insert(name), "{name} is excepted twice");
        }
        assert!(exception.reason.len() > 20, "{:?} have no reason", exception.names);
    }
}

/// A variable that `make parity` sets, if it says something.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// All of them, a few at a time, each worker with a botocore of its own.
fn on_workers<'a, S: Sync, T: Send>(all: &'a [S], work: impl Fn(&'a S, &mut Oracle) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(all.len()) {
            scope.spawn(|| {
                let mut oracle = Oracle::start(&python());
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = work(one, &mut oracle);
                    done.lock().unwrap().push(one);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// Both programs ask the same fake AWS, one after the other.
fn compare<'a>(situation: &'a Situation, users: &[User], oracle: &mut Oracle) -> Compared<'a> {
    let aws = FakeAws::spawn_thread();
    situation.set(&aws);
    for user in users {
        aws.add_user(&user.key, &user.secret, &user.account, "somebody");
    }
    let now = Timestamp::now();
    let machine = situation.machine(&aws, now);
    let keyfob = told(keyfob(&machine), &aws, &machine);
    let machine = situation.machine(&aws, now);
    let Machine { home, env, profile } = &machine;
    let theirs = Answer::of_botocore(&oracle.ask(env, home.path(), profile.as_deref()));
    let botocore = told(theirs, &aws, &machine);
    let mut differences = differences(&keyfob.answer, &botocore.answer);
    if keyfob.requests != botocore.requests {
        differences.push("other requests".to_owned());
    }
    if keyfob.kept != botocore.kept {
        differences.push("another state of a sign-in".to_owned());
    }
    Compared { situation, keyfob, botocore, differences, verdict: Verdict::Agree }
}

/// An empty configuration, so that this machine's own has no say.
fn keyfob(machine: &Machine) -> Answer {
    let run = Run::keyfob().args(["get", "--config", "/dev/null", "--output", "json"]);
    let run = match &machine.profile {
        Some(profile) => run.arg("--profile").arg(profile),
        None => run,
    };
    let run = run.envs(&machine.env).dir(machine.home.path()).within(Duration::from_secs(40));
    Answer::of_keyfob(&run.run())
}

/// The answer, with what reached the fake meanwhile.
fn told(answer: Answer, aws: &FakeAws, machine: &Machine) -> Told {
    let stamped = answer.key_id().and_then(|key_id| aws.issued(key_id)).and_then(|issued| issued.expires);
    let answer = answer.since(stamped.map(seconds), seconds(Timestamp::now()));
    let requests = requests::seen(&aws.requests());
    aws.clear_requests();
    Told { answer, requests, kept: machine.sign_ins() }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

impl Compared<'_> {
    /// All there is to see, and how to see it again.
    fn story(&self) -> String {
        let Situation { name, why, .. } = self.situation;
        let verdict = match self.verdict {
            Verdict::Agree => "they agree",
            Verdict::Excepted => "they differ for a reason",
            Verdict::Disagree(why) => why,
        };
        let mut story = format!("{name}: {verdict}: {}\n", self.differences.join(", "));
        if !why.is_empty() {
            story += &format!("  about     {why}\n");
        }
        for (who, told) in [("keyfob  ", &self.keyfob), ("botocore", &self.botocore)] {
            story += &format!("  {who}  {}\n", told.answer);
            story.extend(told.kept.iter().map(|line| format!("            kept {line}\n")));
            story.extend(told.requests.iter().map(|line| format!("            asked {line}\n")));
        }
        story + &format!("  again     make parity ONLY={name}\n")
    }
}

/// Past the test runner, which shows nothing of a test that passes.
fn tell(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
