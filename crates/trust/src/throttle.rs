//! Failed credentials are delayed, never locked out: 250 ms doubling to 5 s per source. A correct
//! one is never delayed.

use std::collections::HashMap;
use std::time::Duration;

use tidegate_protocol::limits::{FIRST_FAILURE_DELAY, MAX_FAILURE_DELAY};

use crate::timestamp::{Deadline, Timestamp};

/// How long a source's failures are remembered.
const MEMORY: Duration = Duration::from_mins(10);
/// The most sources that are remembered; beyond it all count as one.
const MAX_SOURCES: usize = 4096;

#[derive(Debug)]
struct Failures {
    count: u32,
    until: Deadline,
}

/// Failures by source.
#[derive(Debug, Default)]
pub struct Throttle {
    sources: HashMap<String, Failures>,
}

impl Throttle {
    /// Counts a failure and tells how long its answer has to wait.
    pub fn failed(&mut self, source: &str, now: Timestamp) -> Duration {
        if self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, failures| !failures.until.has_passed(now));
        }
        let full = self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(source);
        let source = if full { "everyone else" } else { source };
        let failures = self
            .sources
            .entry(source.to_owned())
            .or_insert_with(|| Failures { count: 0, until: now.deadline(MEMORY) });
        if failures.until.has_passed(now) {
            failures.count = 0;
        }
        let delay = FIRST_FAILURE_DELAY.saturating_mul(1 << failures.count.min(10)).min(MAX_FAILURE_DELAY);
        failures.count = failures.count.saturating_add(1);
        failures.until = now.deadline(MEMORY);
        delay
    }

    /// Forgets a source's failures: it gave a correct credential.
    pub fn succeeded(&mut self, source: &str) {
        self.sources.remove(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_protocol::UnixMillis;

    fn now() -> Timestamp {
        Timestamp { wall: UnixMillis(1_000_000), monotonic: Duration::ZERO }
    }

    #[test]
    fn delays_double_up_to_five_seconds_and_never_lock_out() {
        let mut throttle = Throttle::default();
        let delays: Vec<u64> = (0..8)
            .map(|_| u64::try_from(throttle.failed("user 1", now()).as_millis()).expect("small"))
            .collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    }

    #[test]
    fn one_source_does_not_delay_another_and_success_forgets() {
        let mut throttle = Throttle::default();
        throttle.failed("a", now());
        throttle.failed("a", now());
        assert_eq!(throttle.failed("b", now()), FIRST_FAILURE_DELAY);
        throttle.succeeded("a");
        assert_eq!(throttle.failed("a", now()), FIRST_FAILURE_DELAY);
    }

    #[test]
    fn a_flood_of_sources_stays_bounded() {
        let mut throttle = Throttle::default();
        for source in 0..10_000 {
            throttle.failed(&source.to_string(), now());
        }
        assert!(throttle.sources.len() <= MAX_SOURCES + 1);
    }
}
