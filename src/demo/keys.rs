//! The keys that the demo's AWS has handed out: all of them say DEMO, and none lives for more than five minutes.

use std::time::{Duration, SystemTime};

const LIFE: Duration = Duration::from_mins(5);
/// Remembered, expired ones included; the oldest go first.
const MOST: usize = 100;

/// One set of credentials, whole: worth nothing outside.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: String,
    pub(super) expires: SystemTime,
}

/// All keys that are remembered.
#[derive(Debug, Default)]
pub(super) struct Ring(Vec<Key>);

impl Ring {
    /// The keys of the demo's instance: as on EC2, the same until new ones are due. That is before half of their life
    /// is over, so that the agent, which asks then, finds them.
    pub(super) fn current(&mut self, now: SystemTime) -> Key {
        if let Some(key) = self.0.last().filter(|key| key.expires > now + LIFE * 3 / 5) {
            return key.clone();
        }
        let key = Key {
            id: format!("ASIADEMO{}", chance(12)),
            secret: format!("DEMO{}", chance(36)),
            token: format!("DEMO{}", chance(160)),
            expires: now + LIFE,
        };
        let excess = (self.0.len() + 1).saturating_sub(MOST);
        self.0.drain(..excess);
        self.0.push(key.clone());
        key
    }

    pub(super) fn find(&self, id: &str, token: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id && key.token == token)
    }
}

fn chance(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bytes = vec![0; length];
    // Nothing is guarded by these: without randomness they are only dull.
    let _dull = getrandom::fill(&mut bytes);
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map_or('A', char::from);
    bytes.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_demo_and_change_before_half_their_life_is_over() {
        let (mut ring, start) = (Ring::default(), SystemTime::UNIX_EPOCH);
        let first = ring.current(start);
        assert!(first.id.starts_with("ASIADEMO") && first.id.len() == 20, "{first:?}");
        assert!(first.secret.starts_with("DEMO") && first.secret.len() == 40, "{first:?}");
        assert_eq!(ring.current(start + Duration::from_secs(119)).id, first.id);
        let second = ring.current(start + Duration::from_secs(120));
        assert_ne!(second.id, first.id);
        assert_eq!(second.expires, start + Duration::from_secs(420));
        assert!(ring.find(&first.id, &first.token).is_some(), "the old ones are good until they expire");
        assert!(ring.find(&first.id, &second.token).is_none());
    }

    #[test]
    fn a_long_demo_forgets_what_was_long_ago() {
        let mut ring = Ring::default();
        for turn in 0..300 {
            ring.current(SystemTime::UNIX_EPOCH + LIFE * turn);
        }
        assert_eq!(ring.0.len(), MOST);
    }
}
