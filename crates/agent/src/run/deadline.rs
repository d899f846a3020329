//! A run's deadline, which stands still while a person decides.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::sync::lock;

/// Time that a run may take. It begins to count with [`Deadline::start`].
#[derive(Debug)]
pub(crate) struct Deadline {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// What was left when counting last began; `None` without a deadline.
    left: Option<Duration>,
    /// Since when it counts.
    since: Option<Instant>,
}

/// Keeps the deadline from counting until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold<'a>(&'a Deadline);

impl Deadline {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { state: Mutex::new(State { left: limit, since: None }), changed: Notify::new() }
    }

    pub(crate) fn start(&self) {
        lock(&self.state).since = Some(Instant::now());
        self.changed.notify_one();
    }

    /// Stands still until the answer is dropped. Holds do not nest: a run asks one question at a time.
    pub(crate) fn hold(&self) -> Hold<'_> {
        let mut state = lock(&self.state);
        if let (Some(left), Some(since)) = (state.left, state.since.take()) {
            state.left = Some(left.saturating_sub(since.elapsed()));
        }
        self.changed.notify_one();
        Hold(self)
    }

    /// Returns when the time is over; never without a deadline.
    pub(crate) async fn passed(&self) {
        loop {
            let ends = {
                let state = lock(&self.state);
                state.left.zip(state.since).map(|(left, since)| since + left)
            };
            match ends {
                None => self.changed.notified().await,
                Some(ends) => tokio::select! {
                    () = tokio::time::sleep_until(ends) => return,
                    () = self.changed.notified() => {}
                },
            }
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_hold_does_not_count() {
        let deadline = Deadline::new(Some(Duration::from_secs(10)));
        let began = Instant::now();
        deadline.start();
        tokio::time::advance(Duration::from_secs(6)).await;
        let hold = deadline.hold();
        tokio::time::advance(Duration::from_secs(100)).await;
        drop(hold);
        deadline.passed().await;
        assert_eq!(began.elapsed().as_secs(), 110);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_no_time_is_over() {
        let deadline = Deadline::new(None);
        deadline.start();
        let waited = tokio::time::timeout(Duration::from_hours(1000), deadline.passed()).await;
        assert!(waited.is_err());
    }
}
