//! Waiting for conditions, with a deadline.

use std::time::{Duration, Instant};

/// How long a condition may take before the test counts as failed. Generous: a test machine may be
/// busy with other things.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `look` finds something.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(POLL).await;
    }
}
