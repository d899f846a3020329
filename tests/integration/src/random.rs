//! Random choices that a printed seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: small, and good enough to shuffle tests.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The seed of `TIDEGATE_SEED`, or a new one from the clock; printed either way.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "a failed test shows it, so that it can be repeated")]
    pub fn from_environment(test: &str) -> Self {
        let given = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or_default()
        });
        eprintln!("{test}: TIDEGATE_SEED={seed} repeats this run's choices");
        Self(seed)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// A random stream of its own.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// Mixes a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            list.swap(last, other);
        }
    }
}

/// The number in an environment variable, or `usual`.
#[must_use]
pub fn count_from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}
