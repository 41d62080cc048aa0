//! Decides when a role's chain is walked again. Pure: time and chance come in as arguments.

use std::time::{Duration, SystemTime};

use crate::config::Refresh;

/// No planned walk is nearer than this.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// The shortest pause before a source that returned the same credentials is asked again.
const NOT_YET: Duration = Duration::from_mins(1);
/// How much slower the backoff is where trying soon cannot help.
const PATIENT: u32 = 5;

/// When credentials that live from `first_seen` to `expires` are fetched again: when less than the larger of
/// `refresh.before` and a third of their life is left, but not in their first half; the lead is then moved by
/// up to `refresh.jitter` of itself. `roll` is in `0.0..=1.0`.
#[must_use]
pub fn refresh_at(refresh: &Refresh, first_seen: SystemTime, expires: SystemTime, roll: f64) -> SystemTime {
    let life = expires.duration_since(first_seen).unwrap_or_default();
    let lead = refresh.before.max(life / 3).min(life / 2);
    let moved = lead.mul_f64(refresh.jitter.mul_add(roll.mul_add(2.0, -1.0), 1.0).max(0.0));
    expires.checked_sub(moved).unwrap_or(first_seen)
}

/// The pause after a source returned what is held already, with `left` of its life to go.
#[must_use]
pub fn not_yet(left: Duration) -> Duration {
    bounded(NOT_YET.max(left / 10), Some(left))
}

/// The pause after the failure number `step` (from 1) in a row: doubling, at random between half and all of it.
#[must_use]
pub fn backoff(refresh: &Refresh, transient: bool, step: u32, left: Option<Duration>, roll: f64) -> Duration {
    let scale = if transient { 1 } else { PATIENT };
    let doublings = step.saturating_sub(1).min(16);
    let whole = (refresh.retry_min * scale).saturating_mul(1 << doublings).min(refresh.retry_max * scale);
    bounded(whole.mul_f64(roll.mul_add(0.5, 0.5)), left)
}

/// Never longer than half of what is left of the held credentials, nor shorter than a second.
fn bounded(pause: Duration, left: Option<Duration>) -> Duration {
    pause.min(left.map_or(Duration::MAX, |left| left / 2)).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: SystemTime = SystemTime::UNIX_EPOCH;

    fn lead(life_secs: u64, roll: f64) -> f64 {
        let expires = T0 + Duration::from_secs(life_secs);
        let at = refresh_at(&Refresh::default(), T0, expires, roll);
        expires.duration_since(at).unwrap().as_secs_f64()
    }

    #[test]
    fn the_lead_is_twenty_minutes_or_a_third_but_never_more_than_half() {
        for (life, want) in
            [(3600, 1200.0), (6 * 3600, 7200.0), (12 * 3600, 14400.0), (1800, 900.0), (15, 7.5), (0, 0.0)]
        {
            assert!((lead(life, 0.5) - want).abs() < 1e-6, "life {life}: {}", lead(life, 0.5));
        }
    }

    #[test]
    fn jitter_is_a_tenth_of_the_lead_either_way() {
        assert!((lead(3600, 0.0) - 1080.0).abs() < 1e-6);
        assert!((lead(3600, 1.0) - 1320.0).abs() < 1e-6);
    }

    #[test]
    fn not_yet_is_a_minute_or_a_tenth_within_half_of_what_is_left() {
        for (left, want) in [(3600, 360), (300, 60), (90, 45), (1, 1), (0, 1)] {
            assert_eq!(not_yet(Duration::from_secs(left)), Duration::from_secs(want), "{left}");
        }
    }

    #[test]
    fn backoff_doubles_to_its_ceiling() {
        let refresh = Refresh::default();
        let secs = |transient, step| backoff(&refresh, transient, step, None, 1.0).as_secs();
        assert_eq!((1..=8).map(|n| secs(true, n)).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((1..=8).map(|n| secs(false, n)).collect::<Vec<_>>(), [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(secs(true, u32::MAX), 60);
    }

    #[test]
    fn backoff_stays_within_half_of_what_is_left() {
        let refresh = Refresh::default();
        let pause = |left| backoff(&refresh, false, 8, Some(Duration::from_secs(left)), 1.0);
        assert_eq!(pause(100), Duration::from_secs(50));
        assert_eq!(pause(0), SHORTEST);
    }
}
