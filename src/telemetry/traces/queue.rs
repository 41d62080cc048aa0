//! Spans on their way out: bounded, the oldest trace goes first when there is no room, and adding never waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::settings::Pace;
use super::span::Span;

/// What waits to be sent.
#[derive(Debug)]
pub(super) struct Queue {
    pace: Pace,
    spans: Mutex<VecDeque<Span>>,
    bell: Notify,
}

impl Queue {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, spans: Mutex::default(), bell: Notify::new() }
    }

    /// Adds a trace; returns how many spans had to make room, whole traces of them.
    pub(super) fn add(&self, trace: Vec<Span>) -> usize {
        let mut dropped = 0;
        let mut spans = self.spans();
        spans.extend(trace);
        while spans.len() > self.pace.queue {
            let Some(oldest) = spans.front().map(|span| span.trace) else { break };
            while spans.front().is_some_and(|span| span.trace == oldest) {
                spans.pop_front();
                dropped += 1;
            }
        }
        drop(spans);
        self.bell.notify_one();
        dropped
    }

    /// The next batch, when it is full or old enough; at once when `hurry` is cancelled, and `None` when nothing is left
    /// then.
    pub(super) async fn next(&self, hurry: &CancellationToken) -> Option<Vec<Span>> {
        while self.len() == 0 {
            tokio::select! {
                () = self.bell.notified() => {}
                () = hurry.cancelled() => break,
            }
        }
        let full = async {
            while self.len() < self.pace.batch {
                self.bell.notified().await;
            }
        };
        tokio::select! {
            _either = timeout(self.pace.delay, full) => {}
            () = hurry.cancelled() => {}
        }
        let mut spans = self.spans();
        let count = spans.len().min(self.pace.batch);
        let batch: Vec<Span> = spans.drain(..count).collect();
        (!batch.is_empty()).then_some(batch)
    }

    pub(super) fn len(&self) -> usize {
        self.spans().len()
    }

    /// How long a batch may take.
    pub(super) fn patience(&self) -> Duration {
        self.pace.patience
    }

    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::span::Kind;
    use super::*;
    use crate::report::{SpanId, TraceId};

    fn queue(queue: usize, batch: usize) -> Queue {
        let (delay, patience) = (Duration::from_secs(5), Duration::from_secs(30));
        Queue::new(Pace { delay, patience, queue, batch })
    }

    fn trace(n: u8, spans: u8) -> Vec<Span> {
        (0..spans).map(|i| Span::new("n", Kind::Internal, TraceId([n; 16]), SpanId([i; 8]))).collect()
    }

    fn traces(batch: Option<Vec<Span>>) -> Vec<u8> {
        batch.unwrap().iter().map(|span| span.trace.0[0]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_trace_makes_room_whole() {
        let queue = queue(5, 5);
        assert_eq!((queue.add(trace(1, 3)), queue.add(trace(2, 2)), queue.add(trace(3, 1))), (0, 0, 3));
        assert_eq!(traces(queue.next(&CancellationToken::new()).await), [2, 2, 3]);
        assert_eq!(queue.add(trace(4, 6)), 6, "one that never fits");
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_goes_when_it_is_old_enough_or_full() {
        let (queue, going_on) = (queue(100, 4), CancellationToken::new());
        let begun = Instant::now();
        queue.add(trace(1, 1));
        assert_eq!(traces(queue.next(&going_on).await), [1]);
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        queue.add(trace(2, 6));
        assert_eq!(traces(queue.next(&going_on).await).len(), 4);
        assert_eq!(begun.elapsed(), Duration::from_secs(5), "at once");
        let later = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            queue.add(trace(3, 2));
        };
        let (batch, ()) = tokio::join!(queue.next(&going_on), later);
        assert_eq!((traces(batch), begun.elapsed()), (vec![2, 2, 3, 3], Duration::from_secs(6)));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_nothing_waits() {
        let (queue, hurry) = (queue(100, 4), CancellationToken::new());
        queue.add(trace(1, 5));
        hurry.cancel();
        let begun = Instant::now();
        assert_eq!(traces(queue.next(&hurry).await).len(), 4);
        assert_eq!(traces(queue.next(&hurry).await).len(), 1);
        assert!(queue.next(&hurry).await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
