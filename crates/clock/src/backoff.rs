//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// Exponential backoff: each pause is twice as long as the one before, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` on, none longer than `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause before the next attempt, after one that followed so many other pauses: 0 for the first.
    #[must_use]
    pub fn pause(self, earlier: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(earlier)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(100));
        let pauses: Vec<_> = (0..5).map(|earlier| backoff.pause(earlier).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 100, 100]);
    }

    proptest! {
        #[test]
        fn no_pause_is_shorter_than_the_one_before_or_too_long(
            first in 1_u64..10_000, more in 0_u64..1_000_000, earlier in any::<u32>(),
        ) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(first + more));
            let backoff = Backoff::new(first, longest);
            prop_assert!(backoff.pause(earlier) <= backoff.pause(earlier.saturating_add(1)));
            prop_assert!((first..=longest).contains(&backoff.pause(earlier)));
        }
    }
}
