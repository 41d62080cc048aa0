//! Remembers who was written down when, so that a client that asks a thousand times is a line and a count.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::record::Record;
use crate::credentials::RoleName;
use crate::report::{Peer, Process, Served};

/// For this long the same again is counted, not written.
const WINDOW: Duration = Duration::from_mins(5);
/// Entries that are remembered; beyond that all are closed.
const MOST: usize = 4096;

/// What makes two requests the same, as a number: comparing must cost less than answering. The numbers are of this
/// process alone, so nobody can choose them; that two of a few thousand meet by chance is one in 10¹².
#[derive(Clone, Debug, Default)]
pub(super) struct Prints(RandomState);

/// What was asked for and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct What(u64);

/// That, and who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

impl Prints {
    pub(super) fn what(&self, served: &Served<'_>) -> What {
        let role = served.role.as_ref().map(RoleName::as_str);
        let key = served.credentials.map(|credentials| credentials.access_key_id.as_str());
        let cause = served.failure.map(|(cause, _)| cause.code);
        What(self.0.hash_one((role, key, served.status, served.refused, cause)))
    }

    /// Of a process that is not known the address counts; not the port, which each connection has of its own.
    pub(super) fn key(&self, process: &Process, peer: &Peer, what: What) -> Key {
        let address = if process.pid.is_none() { peer.addresses() } else { None };
        let address = address.map(|(remote, _)| remote.ip());
        Key(self.0.hash_one((process.pid, process.uid, address, what)))
    }
}

/// Who was written down when.
#[derive(Debug)]
pub(super) struct Book {
    seen: HashMap<Key, Seen>,
    swept: SystemTime,
}

#[derive(Debug)]
struct Seen {
    record: Record,
    tally: Arc<Tally>,
}

impl Seen {
    /// What is still to be said of it: the last repeat, standing for those before it.
    fn rest(self) -> Option<Record> {
        let before = self.tally.close().checked_sub(1)?;
        Some(self.record.repeated(before, self.tally.last()))
    }
}

/// How often something came again since it was written down. Whoever holds it counts without the book.
#[derive(Debug)]
pub(super) struct Tally {
    written: SystemTime,
    /// Nanoseconds from then to the last repeat.
    last: AtomicU64,
    repeats: AtomicU64,
}

impl Tally {
    /// Instead of a count, when it has been told and the next is none of these.
    const CLOSED: u64 = u64::MAX;

    fn new(written: SystemTime) -> Self {
        Self { written, last: AtomicU64::new(0), repeats: AtomicU64::new(0) }
    }

    /// Counts one more, unless what was written is too old to be repeated. A clock that was set back is no reason to be
    /// silent for longer.
    pub(super) fn repeats(&self, now: SystemTime) -> bool {
        let Some(age) = now.duration_since(self.written).ok().filter(|age| *age < WINDOW) else {
            return false;
        };
        let open = |count| (count != Self::CLOSED).then_some(count + 1);
        let counted = self.repeats.fetch_update(Ordering::Relaxed, Ordering::Relaxed, open).is_ok();
        if counted {
            self.last.store(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        counted
    }

    fn is_old(&self, now: SystemTime) -> bool {
        now.duration_since(self.written).map_or(true, |age| age >= WINDOW)
    }

    fn last(&self) -> SystemTime {
        self.written + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    /// The count, which is told now: nothing is added to it any more.
    fn close(&self) -> u64 {
        self.repeats.swap(Self::CLOSED, Ordering::Relaxed)
    }
}

impl Book {
    pub(super) fn new(now: SystemTime) -> Self {
        Self { seen: HashMap::new(), swept: now }
    }

    /// Where the same was written not long ago; then it is counted there.
    pub(super) fn repeats(&self, key: Key, now: SystemTime) -> Option<Arc<Tally>> {
        let seen = self.seen.get(&key).filter(|seen| seen.tally.repeats(now))?;
        Some(Arc::clone(&seen.tally))
    }

    /// Enters a request; returns what is to be written now: this one unless it repeats another, with the count of those
    /// that were not written, and what is left to say of clients that have not come back.
    pub(super) fn enter(&mut self, key: Key, record: Record, now: SystemTime) -> Vec<Record> {
        if self.repeats(key, now).is_some() {
            return Vec::new();
        }
        let repeats = self.seen.remove(&key).map_or(0, |seen| seen.tally.close());
        let mut due = self.sweep(now);
        due.push(record.clone().repeated(repeats, now));
        self.seen.insert(key, Seen { record, tally: Arc::new(Tally::new(now)) });
        due
    }

    /// Forgets everything; returns what is left to say.
    pub(super) fn close(&mut self) -> Vec<Record> {
        self.seen.drain().filter_map(|(_, seen)| seen.rest()).collect()
    }

    fn sweep(&mut self, now: SystemTime) -> Vec<Record> {
        if self.seen.len() >= MOST {
            return self.close();
        }
        if now.duration_since(self.swept).is_ok_and(|age| age < WINDOW) {
            return Vec::new();
        }
        self.swept = now;
        let old = self.seen.extract_if(|_, seen| seen.tally.is_old(now));
        old.filter_map(|(_, seen)| seen.rest()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::telemetry::audit::record::tests::record;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    static PRINTS: LazyLock<Prints> = LazyLock::new(Prints::default);

    fn key(pid: Option<u32>, key: &str) -> Key {
        let what = What(PRINTS.0.hash_one(key));
        let peer = Peer::new(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into(), |_| Process::default());
        PRINTS.key(&Process { pid, uid: Some(7), exe: Some("/bin/x".into()) }, &peer, what)
    }

    /// How many repeats each written record tells of.
    fn counts(due: &[Record]) -> Vec<u64> {
        due.iter().map(|record| record.repeats).collect()
    }

    #[test]
    fn the_same_again_is_counted_for_five_minutes_and_then_told() {
        let mut book = Book::new(at(0));
        assert_eq!(counts(&book.enter(key(Some(1), "WXYZ"), record(), at(0))), [0]);
        for second in 1..300 {
            assert_eq!(counts(&book.enter(key(Some(1), "WXYZ"), record(), at(second))), [0; 0]);
        }
        assert_eq!(counts(&book.enter(key(Some(1), "WXYZ"), record(), at(300))), [299]);
        assert!(book.repeats(key(Some(1), "WXYZ"), at(301)).is_some());
    }

    #[test]
    fn another_key_or_another_peer_is_told_at_once() {
        let mut book = Book::new(at(0));
        for new in [key(Some(1), "WXYZ"), key(Some(1), "ABCD"), key(Some(2), "WXYZ"), key(None, "WXYZ")] {
            assert_eq!(counts(&book.enter(new, record(), at(1))), [0]);
        }
        assert_eq!(counts(&book.enter(key(None, "WXYZ"), record(), at(2))), [0; 0]);
    }

    #[test]
    fn the_count_of_a_client_that_never_returns_is_not_lost() {
        let mut book = Book::new(at(0));
        book.enter(key(Some(1), "WXYZ"), record(), at(0));
        assert!(book.repeats(key(Some(1), "WXYZ"), at(1)).is_some());
        assert!(book.repeats(key(Some(1), "WXYZ"), at(2)).is_some());
        assert_eq!(counts(&book.enter(key(Some(2), "WXYZ"), record(), at(400))), [1, 0]);
        assert!(book.repeats(key(Some(2), "WXYZ"), at(401)).is_some());
        assert_eq!(counts(&book.close()), [0]);
        assert_eq!(counts(&book.close()), [0; 0]);
    }

    #[test]
    fn a_crowd_of_strangers_does_not_fill_the_memory() {
        let mut book = Book::new(at(0));
        for pid in 0..10_000 {
            book.enter(key(Some(pid), "WXYZ"), record(), at(1));
            assert!(book.repeats(key(Some(pid), "WXYZ"), at(1)).is_some());
        }
        assert!(book.seen.len() <= MOST);
    }

    #[test]
    fn a_clock_set_back_does_not_silence_anybody() {
        let mut book = Book::new(at(5000));
        book.enter(key(Some(1), "WXYZ"), record(), at(5000));
        assert_eq!(counts(&book.enter(key(Some(1), "WXYZ"), record(), at(10))), [0]);
    }
}
