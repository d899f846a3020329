//! Now, by two clocks. The wall clock can be set and jumps; the monotonic one can stand still
//! while the computer sleeps. What expires does so when the earlier of the two says so.

use std::time::Duration;

use tidegate_protocol::UnixMillis;

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// The wall clock.
    pub wall: UnixMillis,
    /// Since some fixed point of this process.
    pub monotonic: Duration,
}

/// A moment at which something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    begun: Timestamp,
    length: Duration,
}

impl Timestamp {
    /// The end of something that begins now.
    #[must_use]
    pub fn deadline(self, length: Duration) -> Deadline {
        Deadline { begun: self, length }
    }
}

impl Deadline {
    /// Whether it has passed, by either clock. A wall clock that was set back past the beginning
    /// also ends it: nothing lives longer for that.
    #[must_use]
    pub fn has_passed(self, now: Timestamp) -> bool {
        self.remaining(now).is_zero()
    }

    /// How long is left, by the clock that says less.
    #[must_use]
    pub fn remaining(self, now: Timestamp) -> Duration {
        let set_back = self.begun.wall.since(now.wall) > CLOCK_TOLERANCE;
        if set_back {
            return Duration::ZERO;
        }
        let wall = self.length.saturating_sub(now.wall.since(self.begun.wall));
        let monotonic = self.length.saturating_sub(now.monotonic.saturating_sub(self.begun.monotonic));
        wall.min(monotonic)
    }

    /// The end by the wall clock, for people.
    #[must_use]
    pub fn wall(self) -> UnixMillis {
        self.begun.wall.plus(self.length)
    }
}

/// How far a clock may step back without being called set: time services do that.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: u64, monotonic: u64) -> Timestamp {
        Timestamp { wall: UnixMillis(1_000_000 + wall * 1000), monotonic: Duration::from_secs(monotonic) }
    }

    #[test]
    fn the_clock_that_runs_ahead_decides() {
        let deadline = at(0, 0).deadline(Duration::from_secs(60));
        assert!(!deadline.has_passed(at(59, 59)));
        assert!(deadline.has_passed(at(60, 1)));
        assert!(deadline.has_passed(at(1, 60)));
    }

    #[test]
    fn a_clock_that_is_set_back_revives_nothing() {
        let begun = Timestamp { wall: UnixMillis(10_000_000), monotonic: Duration::ZERO };
        let deadline = begun.deadline(Duration::from_secs(60));
        let hour_back = Timestamp { wall: UnixMillis(6_400_000), monotonic: Duration::from_secs(1) };
        assert!(deadline.has_passed(hour_back));
    }
}
