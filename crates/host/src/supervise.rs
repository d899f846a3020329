//! Restarting what fails. The policy is pure; the driver is small.

use std::collections::VecDeque;
use std::time::Duration;

/// The state of a supervised part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildState {
    /// It is being built.
    Starting,
    /// It works.
    Ready,
    /// It works, with something missing; the sentence says what.
    Degraded(String),
    /// It failed and starts again after so long.
    BackingOff(Duration),
    /// It failed for good; the sentence says why.
    Failed(String),
    /// It was stopped.
    Stopped,
}

/// What to do after a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Start it again after so long.
    RestartAfter(Duration),
    /// Give up: it failed too often.
    GiveUp,
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So many restarts within [`WINDOW`] are tried.
const MAX_RESTARTS: usize = 5;
const WINDOW: Duration = Duration::from_mins(1);
/// After so long without a failure the count begins anew.
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
        let pause = FIRST_PAUSE.saturating_mul(1 << self.consecutive.min(10)).min(LONGEST_PAUSE);
        self.consecutive += 1;
        Next::RestartAfter(pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)))
    }
}

/// Runs a part until it ends in order, restarting it after a panic. Tells `observe` each state.
pub async fn supervise<F>(
    name: &'static str,
    mut make: impl FnMut() -> F,
    mut observe: impl FnMut(ChildState),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut policy = RestartPolicy::default();
    let origin = tokio::time::Instant::now();
    loop {
        let started = origin.elapsed();
        observe(ChildState::Ready);
        let Err(error) = tokio::spawn(make()).await else {
            observe(ChildState::Stopped);
            return;
        };
        if error.is_cancelled() {
            observe(ChildState::Stopped);
            return;
        }
        let mut byte = [0_u8];
        // Without random bytes there is no jitter, and nothing depends on it.
        let _ = getrandom::fill(&mut byte);
        match policy.failed(started, origin.elapsed(), f64::from(byte[0]) / 255.0) {
            Next::RestartAfter(pause) => {
                tracing::error!(
                    part = name,
                    pause_ms = pause.as_millis(),
                    "a part of Tidegate failed and starts again"
                );
                observe(ChildState::BackingOff(pause));
                tokio::time::sleep(pause).await;
            }
            Next::GiveUp => {
                tracing::error!(part = name, "a part of Tidegate failed too often and stays down");
                observe(ChildState::Failed(format!("{name} failed {MAX_RESTARTS} times within a minute")));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

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
        assert_eq!(next, Next::RestartAfter(FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_restarted_and_an_end_in_order_is_not() {
        let runs = Arc::new(AtomicU32::new(0));
        let counter = runs.clone();
        let mut states = Vec::new();
        supervise(
            "test",
            move || {
                let run = counter.fetch_add(1, Ordering::SeqCst);
                async move { assert!(run >= 2, "fails twice") }
            },
            |state| states.push(state),
        )
        .await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert_eq!(states.last(), Some(&ChildState::Stopped));
    }
}
