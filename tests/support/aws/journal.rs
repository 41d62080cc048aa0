//! Remembers every request and what became of it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Which part of the fake a request reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Imds,
    Container,
    Sts,
    SignIn,
    Unknown,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not answered yet.
    Pending,
    /// `code` is `Success` or the error's; `key_id` is set when credentials were handed out.
    Answered {
        status: u16,
        code: String,
        key_id: Option<String>,
    },
    Hung,
    Cut,
}

/// One request. Holds secrets: in memory only.
#[derive(Clone, Debug)]
pub struct Entry {
    pub face: Face,
    pub op: String,
    pub method: String,
    pub path: String,
    pub query: String,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// The form of a query-protocol call; the fields of one to a sign-in service.
    pub form: BTreeMap<String, String>,
    pub outcome: Outcome,
    /// Since the fake started.
    pub at: Duration,
}

impl Entry {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The answer's status; 0 when there was none.
    pub fn status(&self) -> u16 {
        match self.outcome {
            Outcome::Answered { status, .. } => status,
            _ => 0,
        }
    }

    pub fn key_id(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answered { key_id, .. } => key_id.as_deref(),
            _ => None,
        }
    }
}

#[derive(Default)]
pub struct Journal {
    pages: Mutex<Pages>,
    bell: Condvar,
    async_bell: Notify,
}

#[derive(Default)]
struct Pages {
    entries: Vec<Entry>,
    /// How many were cleared, so that a slot taken before stays right.
    torn_out: usize,
}

impl Journal {
    /// Notes an arrival; the slot is for [`Journal::close`].
    pub fn open(&self, entry: Entry) -> usize {
        let mut pages = self.pages.lock().unwrap();
        pages.entries.push(entry);
        let slot = pages.torn_out + pages.entries.len() - 1;
        drop(pages);
        self.bell.notify_all();
        self.async_bell.notify_waiters();
        slot
    }

    pub fn close(&self, slot: usize, outcome: Outcome) {
        let mut pages = self.pages.lock().unwrap();
        let index = slot.checked_sub(pages.torn_out);
        if let Some(entry) = index.and_then(|index| pages.entries.get_mut(index)) {
            entry.outcome = outcome;
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.pages.lock().unwrap().entries.clone()
    }

    pub fn clear(&self) {
        let mut pages = self.pages.lock().unwrap();
        pages.torn_out += pages.entries.len();
        pages.entries.clear();
    }

    pub fn calls(&self, op: &str) -> usize {
        count(&self.pages.lock().unwrap(), op)
    }

    pub fn wait(&self, op: &str, n: usize, bound: Duration) -> bool {
        let end = Instant::now() + bound;
        let mut pages = self.pages.lock().unwrap();
        while count(&pages, op) < n {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            pages = self.bell.wait_timeout(pages, left).unwrap().0;
        }
        true
    }

    pub async fn reach(&self, op: &str, n: usize, bound: Duration) -> bool {
        let wait = async {
            loop {
                // Registered before the look, or an arrival in between would be missed.
                let mut rung = std::pin::pin!(self.async_bell.notified());
                rung.as_mut().enable();
                if self.calls(op) >= n {
                    return;
                }
                rung.await;
            }
        };
        tokio::time::timeout(bound, wait).await.is_ok()
    }
}

fn count(pages: &Pages, op: &str) -> usize {
    pages.entries.iter().filter(|entry| entry.op == op).count()
}
