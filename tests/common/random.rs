//! Chance that can be had again: a failing test names its seed.

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(crate) struct Random {
    state: u64,
    pub(crate) seed: u64,
}

/// The variable that sets the seed.
const SEED: &str = "DEMINER_TESTS_SEED";

impl Random {
    /// With a new seed, or the one that `DEMINER_TESTS_SEED` gives.
    pub(crate) fn new() -> Random {
        let given = std::env::var(SEED).ok();
        let seed = match given {
            Some(text) => text.parse().expect("DEMINER_TESTS_SEED is a number"),
            None => {
                let mut bytes = [0; 8];
                let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
                assert_eq!(filled, Ok(bytes.len()));
                u64::from_le_bytes(bytes)
            }
        };
        Random { state: seed, seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a usize has 64 bits at most");
        usize::try_from(self.next() % end).expect("below a usize")
    }
}
