//! Numbers that follow from a seed: SplitMix64. Nothing here needs more than that they differ.

/// A generator of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates a generator for one purpose: other `parts` give other numbers.
    pub(crate) fn new(parts: &[u64]) -> Self {
        let mut random = Self(0);
        for &part in parts {
            random.0 ^= part;
            random.0 = random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `most`.
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// Returns `true` this many times in 100.
    pub(crate) fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// Returns a number below `2^bits`, the small ones as often as the large ones.
    pub(crate) fn scale(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits) + 1;
        self.below(1 << bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_decide_what_is_generated() {
        let numbers = |parts: &[u64]| {
            let mut random = Random::new(parts);
            [random.next(), random.next()]
        };
        assert_eq!(numbers(&[1, 2]), numbers(&[1, 2]));
        assert_ne!(numbers(&[1, 2]), numbers(&[2, 1]));
        assert_ne!(numbers(&[1, 2]), numbers(&[1, 3]));
    }

    #[test]
    fn every_scale_occurs() {
        let mut random = Random::new(&[7]);
        let numbers: Vec<u64> = (0..1000).map(|_| random.scale(16)).collect();
        assert!(numbers.iter().all(|&number| number < 1 << 16));
        assert!(numbers.iter().any(|&number| number < 8));
        assert!(numbers.iter().any(|&number| number > 1 << 14));
    }
}
