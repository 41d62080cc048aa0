//! Hands work to a thread of its own, so that whoever has something to write never waits for whoever is slow to take it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A bounded queue and the thread that empties it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Rung when there is something to do.
    work: Condvar,
    /// Rung when all is done.
    done: Condvar,
    most: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<Item<T>>,
    /// Whether the thread holds an item.
    busy: bool,
    /// Lost since the last time that this was said.
    lost: u64,
}

/// What the thread is handed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<T> {
    /// As it was pushed.
    One(T),
    /// So many that should have stood here had no room.
    Lost(u64),
}

impl<T: Send + 'static> Queue<T> {
    /// A queue with room for `most`; `work` runs on a thread of that name for as long as the process lives.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(super) fn start(
        name: &str,
        most: usize,
        mut work: impl FnMut(Item<T>) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let state = State { waiting: VecDeque::new(), busy: false, lost: 0 };
        let queue =
            Arc::new(Self { state: Mutex::new(state), work: Condvar::new(), done: Condvar::new(), most });
        let worker = Arc::clone(&queue);
        let forever = move || {
            loop {
                work(worker.next());
                worker.finished();
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(forever)?;
        Ok(queue)
    }

    /// Adds one, or counts it as lost. Never waits.
    pub(super) fn push(&self, item: T) -> bool {
        let mut state = self.lock();
        let room = state.waiting.len() < self.most;
        if room {
            if let Some(lost) = take(&mut state.lost) {
                state.waiting.push_back(Item::Lost(lost));
            }
            state.waiting.push_back(Item::One(item));
            self.work.notify_one();
        } else {
            state.lost += 1;
        }
        room
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Waits until all is done, but no longer than this; whether it is.
    pub(super) fn drain(&self, patience: Duration) -> bool {
        let undone = |state: &mut State<T>| state.busy || !state.waiting.is_empty() || state.lost > 0;
        let waited = self.done.wait_timeout_while(self.lock(), patience, undone);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn next(&self) -> Item<T> {
        let idle = |state: &mut State<T>| state.waiting.is_empty() && state.lost == 0;
        let waited = self.work.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.busy = true;
        match state.waiting.pop_front() {
            Some(item) => item,
            None => Item::Lost(std::mem::take(&mut state.lost)),
        }
    }

    fn finished(&self) {
        let mut state = self.lock();
        state.busy = false;
        self.done.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The count, unless there is none, starting anew.
fn take(count: &mut u64) -> Option<u64> {
    let taken = std::mem::take(count);
    (taken > 0).then_some(taken)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_has_no_room_is_counted_and_told_in_its_place() {
        let ((tell, told), (go_on, wait)) = (channel(), channel::<()>());
        let (started, begun) = channel();
        let queue = Queue::start("test", 2, move |item| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            tell.send(item).unwrap();
        })
        .unwrap();
        assert!(queue.push(1));
        begun.recv().unwrap();
        assert!(queue.push(2) && queue.push(3));
        assert_eq!(queue.waiting(), 2);
        assert!(!queue.push(4) && !queue.push(5));
        assert!(!queue.drain(Duration::ZERO));
        go_on.send(()).unwrap();
        assert_eq!(told.recv(), Ok(Item::One(1)));
        begun.recv().unwrap();
        assert!(queue.push(6));
        (0..5).for_each(|_| go_on.send(()).unwrap());
        let rest: Vec<_> = (0..4).map(|_| told.recv().unwrap()).collect();
        assert_eq!(rest, [Item::One(2), Item::One(3), Item::Lost(2), Item::One(6)]);
        assert!(queue.drain(LONG));
    }

    #[test]
    fn a_loss_is_told_when_nothing_follows_it() {
        let (tell, told) = channel();
        let (go_on, wait) = channel::<()>();
        let queue = Queue::start("test", 0, move |item: Item<()>| {
            wait.recv().unwrap();
            tell.send(item).unwrap();
        })
        .unwrap();
        assert!(!queue.push(()));
        queue.work.notify_one();
        go_on.send(()).unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(Item::Lost(1)));
        assert!(queue.drain(LONG));
    }
}
