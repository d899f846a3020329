//! When something that failed is started again. Pure: time and chance are arguments.

use std::collections::VecDeque;
use std::time::Duration;

use tidegate_clock::Backoff;

/// What to do after a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Start it again after so long.
    RestartAfter(Duration),
    /// Give up: it failed too often.
    GiveUp,
}

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// So many restarts within [`WINDOW`] are tried.
const MAX_RESTARTS: usize = 5;
const WINDOW: Duration = Duration::from_mins(1);
/// After so long without a failure the count restarts.
const HEALTHY: Duration = Duration::from_mins(1);

/// Exponential backoff with jitter, 5 restarts in 60 s, forgotten after 60 healthy seconds.
#[derive(Debug, Default)]
pub struct RestartPolicy {
    failures: VecDeque<Duration>,
    consecutive: u32,
}

impl RestartPolicy {
    /// A part that was started at `started` ended at `now`, both since some fixed point. `jitter`
    /// is random, from 0 to 1.
    pub fn failed(&mut self, started: Duration, now: Duration, jitter: f64) -> Next {
        if now.saturating_sub(started) >= HEALTHY {
            self.failures.clear();
            self.consecutive = 0;
        }
        while self.failures.front().is_some_and(|&failure| now.saturating_sub(failure) > WINDOW) {
            self.failures.pop_front();
        }
        if self.failures.len() >= MAX_RESTARTS {
            return Next::GiveUp;
        }
        self.failures.push_back(now);
        let pause = BACKOFF.pause(self.consecutive);
        self.consecutive += 1;
        Next::RestartAfter(pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_sixth_failure_within_a_minute_is_the_last() {
        let mut policy = RestartPolicy::default();
        for second in 0..5 {
            let next = policy.failed(seconds(second), seconds(second), 0.5);
            assert!(matches!(next, Next::RestartAfter(_)), "{second}");
        }
        assert_eq!(policy.failed(seconds(5), seconds(5), 0.5), Next::GiveUp);
    }

    #[test]
    fn pauses_grow_up_to_ten_seconds_with_jitter() {
        let mut policy = RestartPolicy::default();
        let mut at = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            at += seconds(20);
            if let Next::RestartAfter(pause) = policy.failed(at, at, 0.5) {
                pauses.push(pause.as_millis());
            }
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn a_healthy_minute_forgets_failures() {
        let mut policy = RestartPolicy::default();
        for _ in 0..5 {
            policy.failed(seconds(1), seconds(1), 0.5);
        }
        let next = policy.failed(seconds(1), seconds(62), 0.5);
        assert_eq!(next, Next::RestartAfter(BACKOFF.pause(0)));
    }
}
