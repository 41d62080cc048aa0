//! Wall time and sleeping until it: the one place that reads the host's clock, steerable in tests.
//!
//! Expiry is wall time; tokio's timers are monotonic. When the two part (an NTP step, a suspended host),
//! [`Clock::watch_for_jumps`] notices within a second and every sleeper looks again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

/// Wall time as this process sees it. Cheap to clone; clones share the jumps.
#[derive(Clone, Debug)]
pub struct Clock {
    wall: Wall,
    jumps: Arc<watch::Sender<u64>>,
}

#[derive(Clone, Debug)]
enum Wall {
    Host,
    /// Follows tokio's clock (which tests pause) from an epoch that can be stepped.
    Test(Arc<watch::Sender<(SystemTime, Instant)>>),
}

/// `YYYY-MM-DDTHH:MM:SSZ`, fractions cut: never later than the truth.
#[must_use]
pub fn stamp(at: SystemTime) -> String {
    let whole = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::MAX);
    whole.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How far wall and monotonic time may drift apart within a second before it counts as a jump.
const TOLERANCE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Clock {
    /// The host's clock.
    #[must_use]
    pub fn host() -> Self {
        Self { wall: Wall::Host, jumps: Arc::new(watch::Sender::new(0)) }
    }

    /// A clock that reads `start` now and follows tokio's clock from there.
    #[must_use]
    pub fn following_tokio(start: SystemTime) -> Self {
        let epoch = watch::Sender::new((start, Instant::now()));
        Self { wall: Wall::Test(Arc::new(epoch)), jumps: Arc::new(watch::Sender::new(0)) }
    }

    /// Moves the wall clock without moving the timers, as an NTP step or a suspended host does. Host clocks cannot
    /// be moved: the call does nothing.
    pub fn step(&self, to: SystemTime) {
        if let Wall::Test(epoch) = &self.wall {
            epoch.send_replace((to, Instant::now()));
        }
    }

    /// Wall time now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one reader of the host's clock")]
    pub fn now(&self) -> SystemTime {
        match &self.wall {
            Wall::Host => SystemTime::now(),
            Wall::Test(epoch) => {
                let (wall, since) = *epoch.borrow();
                wall + since.elapsed()
            }
        }
    }

    /// Sleeps until the wall clock reads `due`, or has jumped (the caller then looks at everything again).
    /// Returns whether it was a jump.
    pub async fn sleep_until(&self, due: SystemTime) -> bool {
        let mut jumps = self.jumps.subscribe();
        let left = due.duration_since(self.now()).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(left) => false,
            _ = jumps.changed() => true,
        }
    }

    /// Rings at every jump of the wall clock.
    #[must_use]
    pub fn jumps(&self) -> watch::Receiver<u64> {
        self.jumps.subscribe()
    }

    /// Compares wall and monotonic time each second, for ever, and wakes the sleepers when they part.
    pub async fn watch_for_jumps(&self) {
        let (mut wall, mut mono) = (self.now(), Instant::now());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (wall_now, mono_now) = (self.now(), Instant::now());
            if parted(wall, wall_now, mono_now - mono) {
                self.jumps.send_modify(|count| *count += 1);
            }
            (wall, mono) = (wall_now, mono_now);
        }
    }
}

/// Whether the wall clock moved by something else than the time that passed.
fn parted(before: SystemTime, after: SystemTime, passed: Duration) -> bool {
    let expected = before + passed;
    let apart = match after.duration_since(expected) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    };
    apart > TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stepped_clock_wakes_the_sleeper() {
        let clock = Clock::following_tokio(SystemTime::UNIX_EPOCH);
        let watching = clock.clone();
        let watch = async move { watching.watch_for_jumps().await };
        let sleeper = async {
            let jumped = clock.sleep_until(SystemTime::UNIX_EPOCH + Duration::from_secs(3600)).await;
            assert!(jumped);
            assert!(clock.now() >= SystemTime::UNIX_EPOCH + Duration::from_secs(7200));
        };
        let stepper = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            clock.step(SystemTime::UNIX_EPOCH + Duration::from_secs(7200));
            std::future::pending::<()>().await;
        };
        tokio::select! { () = watch => {}, () = sleeper => {}, () = stepper => {} }
    }

    #[tokio::test(start_paused = true)]
    async fn sleeping_to_the_end_is_no_jump() {
        let clock = Clock::following_tokio(SystemTime::UNIX_EPOCH);
        assert!(!clock.sleep_until(SystemTime::UNIX_EPOCH + Duration::from_secs(60)).await);
    }
}
