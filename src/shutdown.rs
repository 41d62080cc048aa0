//! How the process ends: stages with one token each, and a tracker that knows every task by name.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where a shutdown stands. Stages only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not ready any more, still serving.
    Lame,
    /// No new connections; those open finish what they do.
    Closing,
    /// Keepers and watcher end.
    Stopping,
    /// Telemetry goes out.
    Flushing,
}

/// For the last stage.
const FLUSH: Duration = Duration::from_secs(1);

/// Hands out the tokens of a shutdown and counts the tasks that must end.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Cancelled when listeners must stop accepting.
    pub closing: CancellationToken,
    /// Cancelled when keepers and watcher must end.
    pub stopping: CancellationToken,
    /// Cancelled when what is left to tell must be told.
    flushing: CancellationToken,
    tasks: TaskTracker,
    last: TaskTracker,
    ended: mpsc::UnboundedSender<&'static str>,
}

impl Shutdown {
    /// A shutdown that has not begun, and the channel on which tasks that end by themselves are named.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<&'static str>) {
        let (ended, early) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let stopping = CancellationToken::new();
        let flushing = CancellationToken::new();
        let (tasks, last) = (TaskTracker::new(), TaskTracker::new());
        (Self { closing, stopping, flushing, tasks, last, ended }, early)
    }

    /// Runs a task under a name until it ends or `stop` is cancelled. One that ends by itself is reported: the
    /// process must not limp on without it.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F>(&self, name: &'static str, stop: CancellationToken, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ended = self.ended.clone();
        let tracked = self.tasks.track_future(async move {
            if stop.run_until_cancelled(task).await.is_some() {
                // The receiver is gone only when the process is on its way out already.
                let _gone = ended.send(name);
            }
        });
        tokio::spawn(tracked);
    }

    /// Runs a piece of work that is expected to end by itself, such as one connection.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn_short<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(self.tasks.track_future(task));
    }

    /// Runs what outlives all others, to tell of them; it ends by itself, soon after its token is cancelled.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn_last<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(self.last.track_future(task(self.flushing.clone())));
    }

    /// Goes through the stages; gives up waiting for tasks after `deadline` in all, and for the last ones a second later.
    pub async fn run(&self, deadline: Duration, mut at: impl FnMut(Stage)) {
        at(Stage::Lame);
        at(Stage::Closing);
        self.closing.cancel();
        at(Stage::Stopping);
        self.stopping.cancel();
        self.tasks.close();
        let _late = tokio::time::timeout(deadline, self.tasks.wait()).await;
        at(Stage::Flushing);
        self.flushing.cancel();
        self.last.close();
        let _lost = tokio::time::timeout(FLUSH, self.last.wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_tasks_outlive_the_others_and_are_waited_for_a_second_at_most() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (shutdown, _early) = Shutdown::new();
        let told = Arc::clone(&order);
        shutdown.spawn_last(|flushing| async move {
            flushing.cancelled().await;
            told.lock().unwrap().push("last");
        });
        let told = Arc::clone(&order);
        let stopping = shutdown.stopping.clone();
        shutdown.spawn_short(async move {
            stopping.cancelled().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            told.lock().unwrap().push("other");
        });
        let begun = Instant::now();
        shutdown.run(Duration::from_secs(5), |_| {}).await;
        assert_eq!(
            (order.lock().unwrap().as_slice(), begun.elapsed()),
            (["other", "last"].as_slice(), Duration::from_millis(300))
        );

        let (shutdown, _early) = Shutdown::new();
        shutdown.spawn_last(|_| std::future::pending());
        let begun = Instant::now();
        shutdown.run(Duration::from_secs(5), |_| {}).await;
        assert_eq!(begun.elapsed(), FLUSH);
    }
}
