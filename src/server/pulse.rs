//! Feels whether a connection still lives: one timer a connection, however many requests it carries.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::Service;
use tokio::time::Instant;

/// For a whole head, and between requests (contract 3); also for a client to read its answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// In place of a time before the first request.
const NEW: u64 = 0;
/// In place of a time while a request is being answered.
const BUSY: u64 = u64::MAX;

/// When a connection was last of use: opened, or done with a request.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    /// Milliseconds after `opened`.
    last: AtomicU64,
}

impl Pulse {
    /// Of a connection opened at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { opened: now, last: AtomicU64::new(NEW) }
    }

    /// Whether nothing was asked yet.
    pub(super) fn is_new(&self) -> bool {
        self.last.load(Ordering::Relaxed) == NEW
    }

    fn begin(&self) {
        self.last.store(BUSY, Ordering::Relaxed);
    }

    fn end(&self, now: Instant) {
        let since = u64::try_from((now - self.opened).as_millis()).unwrap_or(BUSY - 1);
        self.last.store(since.max(NEW + 1), Ordering::Relaxed);
    }

    /// When it will have stopped unless something happens; `None` while a request is being answered.
    fn stops_at(&self) -> Option<Instant> {
        let last = self.last.load(Ordering::Relaxed);
        (last != BUSY).then(|| self.opened + Duration::from_millis(last) + LONGEST_PAUSE)
    }

    /// Returns once nothing came of the connection for too long.
    pub(super) async fn stopped(&self) {
        let mut timer = pin!(tokio::time::sleep_until(self.opened + LONGEST_PAUSE));
        loop {
            timer.as_mut().await;
            let now = Instant::now();
            match self.stops_at() {
                Some(at) if at <= now => return,
                Some(at) => timer.as_mut().reset(at),
                None => timer.as_mut().reset(now + LONGEST_PAUSE),
            }
        }
    }
}

/// A service whose answers are felt.
#[derive(Debug)]
pub(super) struct Felt<S> {
    /// Who answers.
    pub(super) service: S,
    /// Where it is felt.
    pub(super) pulse: Arc<Pulse>,
}

impl<R, S: Service<R>> Service<R> for Felt<S>
where
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn call(&self, request: R) -> Self::Future {
        self.pulse.begin();
        Answering { answer: self.service.call(request), pulse: Arc::clone(&self.pulse) }
    }
}

/// An answer under way.
#[derive(Debug)]
pub(super) struct Answering<F> {
    answer: F,
    pulse: Arc<Pulse>,
}

impl<F: Future + Unpin> Future for Answering<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        if answer.is_ready() {
            self.pulse.end(Instant::now());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn at_most(pulse: &Pulse, seconds: u64) -> bool {
        tokio::time::timeout(Duration::from_secs(seconds), pulse.stopped()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_stops_after_thirty_seconds() {
        let pulse = Pulse::new(Instant::now());
        assert!(!at_most(&pulse, 29).await);
        assert!(at_most(&pulse, 2).await);
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_gives_it_thirty_more() {
        let pulse = Pulse::new(Instant::now());
        for _ in 0..5 {
            let asked = async {
                tokio::time::sleep(Duration::from_secs(25)).await;
                pulse.begin();
                pulse.end(Instant::now());
                tokio::time::sleep(Duration::from_secs(25)).await;
            };
            tokio::select! {
                biased;
                () = pulse.stopped() => panic!("stopped at {:?}", pulse.opened.elapsed()),
                () = asked => {}
            }
            pulse.begin();
            pulse.end(Instant::now());
        }
        assert!(!at_most(&pulse, 29).await);
        assert!(at_most(&pulse, 2).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_being_answered_keeps_it_alive() {
        let pulse = Pulse::new(Instant::now());
        pulse.begin();
        assert!(!at_most(&pulse, 300).await);
    }
}
