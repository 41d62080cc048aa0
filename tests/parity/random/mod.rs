//! Situations that chance makes up: half of them right, a third right but for one thing, the others anything at all.
//!
//! `make parity N=5000 SEED=7` for any number and seed. A disagreement is made as small as it goes and printed as it could
//! stand in `situations`.

mod dice;
mod draft;
mod free;
mod shrink;
mod spoil;
mod valid;
mod words;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dice::Dice;

use super::answer::Answer;
use super::exceptions::{self, Exception, Verdict};
use super::oracle::{Oracle, pinned};
use super::situation::{self, Situation, User};
use super::{Compared, compare, on_workers, setting, tell};
use crate::containers::network::Network;
use crate::sdk::python;
use crate::support::run::skip;

/// What every run of the tests looks at.
const USUAL: (u64, usize) = (1, 400);

/// So many disagreements of one kind are made small, and so many in all.
const SMALL: (usize, usize) = (2, 40);

/// Which of them it is, by index: half valid, a third spoiled, the rest free.
fn situation(seed: u64, index: usize) -> Situation {
    let mut dice = Dice::of(seed, index);
    loop {
        let mut draft = if index % 6 == 5 { free::machine(&mut dice) } else { valid::machine(&mut dice) };
        // Nothing is tried again for long where it cannot come.
        if dice.chance(90) {
            draft.rest.env.entry("AWS_MAX_ATTEMPTS".to_owned()).or_insert_with(|| "1".to_owned());
        }
        let mut made = draft.situation(&mut dice);
        if matches!(index % 6, 3 | 4) {
            made = spoil::spoil(&mut dice, &made);
        }
        made.name = format!("random-{seed}-{index}");
        let ends = made.env.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0'));
        if made.strays().is_none() && ends {
            return made;
        }
    }
}

/// The seed and index in such a name.
pub fn named(name: &str) -> Option<(u64, usize)> {
    let (seed, index) = name.strip_prefix("random-")?.split_once('-')?;
    Some((seed.parse().ok()?, index.parse().ok()?))
}

/// What is asked for: seed, first index, how many.
fn wanted() -> Option<(u64, usize, usize)> {
    if let Some(only) = setting("KEYFOB_PARITY") {
        let (seed, index) = named(&only)?;
        return Some((seed, index, 1));
    }
    let number = |name: &str| {
        setting(name).map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text} is no number")))
    };
    let seed = number("KEYFOB_PARITY_SEED").unwrap_or(USUAL.0);
    let many = number("KEYFOB_PARITY_N").map_or(USUAL.1, |many| usize::try_from(many).unwrap());
    Some((seed, 0, many))
}

#[test]
fn keyfob_finds_what_botocore_finds_on_machines_made_up_by_chance() {
    let Some((seed, first, many)) = wanted() else { return };
    if !python().is_file() {
        return skip("botocore is not there; run `make clients`");
    }
    // What chance makes up may point anywhere: there is nothing in this network to point at.
    let Some(network) = Network::new() else { return };
    let made: Vec<Situation> = (first..first + many).map(|index| situation(seed, index)).collect();
    let began = Instant::now();
    let run = Run { users: situation::all().1, exceptions: exceptions::all(), ..Run::default() };
    let ends = network.inside(|| on_workers(&made, |one, oracle| run.one(one, oracle)));
    run.tell(&ends, seed, began, many == 1);
}

#[derive(Default)]
struct Run {
    users: Vec<User>,
    exceptions: Vec<Exception>,
    /// How many of a kind were made small.
    kinds: Mutex<BTreeMap<String, usize>>,
    unsteady: AtomicUsize,
}

/// How a comparison ended.
struct End {
    name: String,
    outcome: &'static str,
    verdict: Verdict,
    /// The exception that covers it.
    covered: Option<usize>,
    /// What differs, for counting.
    kind: String,
    story: String,
}

impl Run {
    fn one(&self, situation: &Situation, oracle: &mut Oracle) -> End {
        let mut compared = self.judged(situation, oracle);
        if matches!(compared.0.verdict, Verdict::Disagree(_)) {
            // A machine that was too busy is no disagreement; what repeats itself is.
            let again = self.judged(situation, oracle);
            if !matches!(again.0.verdict, Verdict::Disagree(_)) {
                self.unsteady.fetch_add(1, Ordering::Relaxed);
                tell(&format!("not seen twice: {}\n", compared.0.story()));
            }
            compared = again;
        }
        let (compared, covered) = compared;
        let mut story = compared.story();
        if let Verdict::Disagree(_) = compared.verdict {
            story += &self.small(&compared, oracle);
            tell(&format!("{story}\n"));
        }
        End {
            name: situation.name.clone(),
            outcome: compared.botocore.answer.outcome(),
            kind: kind(&compared),
            verdict: compared.verdict,
            covered,
            story,
        }
    }

    fn judged<'a>(&self, situation: &'a Situation, oracle: &mut Oracle) -> (Compared<'a>, Option<usize>) {
        let mut one = compare(situation, &self.users, oracle);
        if one.differences.is_empty() {
            return (one, None);
        }
        let (toml, differences) = (situation.toml(), &one.differences);
        let covers = |exception: &&Exception| {
            exception.covers(&toml, differences, &one.keyfob.answer, &one.botocore.answer)
        };
        let place =
            |exception: &Exception| self.exceptions.iter().position(|other| std::ptr::eq(other, exception));
        let mut covering = self.exceptions.iter().filter(covers);
        let covered =
            covering.find(|exception| self.is_the_reason(exception, situation, oracle)).and_then(place);
        one.verdict = covered.map_or(Verdict::Disagree("they disagree"), |_| Verdict::Excepted);
        (one, covered)
    }

    /// Whether nothing differs, or only for another reason, once the settings are gone that an exception is about.
    fn is_the_reason(&self, exception: &Exception, situation: &Situation, oracle: &mut Oracle) -> bool {
        let names = exception.pattern.as_ref().map_or(&[][..], |pattern| &pattern.without);
        if names.is_empty() {
            return true;
        }
        let mut less = situation.clone();
        less.env.retain(|name, _| !names.contains(name));
        less != *situation && !matches!(self.judged(&less, oracle).0.verdict, Verdict::Disagree(_))
    }

    /// The smallest situation on which the same is to be seen, as it is written down.
    fn small(&self, seen: &Compared<'_>, oracle: &mut Oracle) -> String {
        let kind = kind(seen);
        {
            let mut kinds = self.kinds.lock().unwrap();
            let all: usize = kinds.values().sum();
            let known = kinds.entry(kind.clone()).or_default();
            if *known >= SMALL.0 || all >= SMALL.1 {
                return "  small     like others that were made small\n".to_owned();
            }
            *known += 1;
        }
        let small = shrink::shrink(seen.situation, |smaller| {
            let (one, _) = self.judged(smaller, oracle);
            matches!(one.verdict, Verdict::Disagree(_)) && self::kind(&one) == kind
        });
        let (again, _) = self.judged(&small, oracle);
        format!("  made small:\n{}{}", again.story(), small.toml())
    }

    fn tell(&self, ends: &[End], seed: u64, began: Instant, all: bool) {
        let count = |wanted: fn(&End) -> bool| ends.iter().filter(|end| wanted(end)).count();
        let disagree = count(|end| matches!(end.verdict, Verdict::Disagree(_)));
        let excepted = count(|end| end.verdict == Verdict::Excepted);
        let outcomes = ["keys", "nothing", "error"]
            .map(|outcome| format!("{} {outcome}", ends.iter().filter(|end| end.outcome == outcome).count()));
        tell(&format!(
            "parity with botocore {}: {} situations by chance, seed {seed}, in {} s ({}), {} agree, {excepted} differ \
             for a reason, {disagree} disagree, {} not seen twice\n",
            pinned(),
            ends.len(),
            began.elapsed().as_secs(),
            outcomes.join(", "),
            ends.len() - excepted - disagree,
            self.unsteady.load(Ordering::Relaxed),
        ));
        let mut kinds: BTreeMap<(&str, bool), Vec<&str>> = BTreeMap::new();
        for end in ends.iter().filter(|end| end.verdict != Verdict::Agree) {
            kinds.entry((&end.kind, end.covered.is_some())).or_default().push(&end.name);
        }
        for ((kind, covered), names) in kinds {
            let word = if covered { "for a reason" } else { "DISAGREE" };
            tell(&format!("  {:4} {word}: {kind}: {}\n", names.len(), names[..names.len().min(4)].join(" ")));
        }
        if all {
            ends.iter().for_each(|end| tell(&end.story));
        }
        self.look(ends);
        assert_eq!(disagree, 0, "{disagree} situations disagree; they are told above");
    }

    /// What chance makes up must be worth comparing, and an exception must be the exception.
    fn look(&self, ends: &[End]) {
        if ends.len() < USUAL.1 {
            return;
        }
        for outcome in ["keys", "nothing", "error"] {
            let share = ends.iter().filter(|end| end.outcome == outcome).count() * 100 / ends.len();
            assert!((2..=75).contains(&share), "{share} % of the situations end in {outcome}");
        }
        for (at, exception) in self.exceptions.iter().enumerate() {
            let share = ends.iter().filter(|end| end.covered == Some(at)).count() * 100 / ends.len();
            assert!(share < 5, "{:?} and its like are {share} % of all: too wide", exception.names);
        }
    }
}

/// In what the two differ, by the codes and names of what they say.
fn kind(one: &Compared<'_>) -> String {
    let code = |answer: &Answer| match answer {
        Answer::Error(said) => match said.rsplit_once('[') {
            Some((_, code)) if code.ends_with(']') => format!("error [{code}"),
            _ => format!("error {}", said.split(':').next().unwrap_or_default()),
        },
        other => other.outcome().to_owned(),
    };
    format!("{} ({} | {})", one.differences.join(", "), code(&one.keyfob.answer), code(&one.botocore.answer))
}

#[test]
fn a_seed_makes_up_the_same_situations_and_they_can_be_written_down() {
    for index in 0..600 {
        let one = situation(7, index);
        assert_eq!(one, situation(7, index));
        let text = one.toml();
        let read = situation::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, one, "{text}");
    }
    assert_ne!(
        situation(7, 0).toml().replace("random-7-0", ""),
        situation(8, 0).toml().replace("random-8-0", "")
    );
}
