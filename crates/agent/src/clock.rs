//! Where the runtime reads the time that it writes down. Timers use tokio's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_protocol::UnixMillis;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// The wall clock's time, which may jump.
    fn now(&self) -> UnixMillis;
}

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}
