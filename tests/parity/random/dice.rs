//! Chance that can be had again: the same seed throws the same numbers, on every machine.

/// Splitmix64, as its authors publish it.
pub struct Dice(u64);

impl Dice {
    /// Those of one situation, whatever was thrown for the ones before it.
    pub fn of(seed: u64, index: usize) -> Dice {
        let mut dice = Dice(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of so many, from 0.
    pub fn below(&mut self, many: usize) -> usize {
        usize::try_from(self.next() % many as u64).unwrap()
    }

    /// So many times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// The first more often than the others.
    pub fn usually<T: Copy>(&mut self, percent: usize, from: &[T]) -> T {
        if self.chance(percent) { from[0] } else { self.pick(from) }
    }
}

#[test]
fn the_same_seed_throws_the_same_numbers() {
    let throw = |seed, index| {
        let mut dice = Dice::of(seed, index);
        [(); 4].map(|()| dice.below(1000))
    };
    assert_eq!(throw(1, 2), throw(1, 2));
    assert_ne!(throw(1, 2), throw(1, 3));
    assert_ne!(throw(1, 2), throw(2, 2));
}
