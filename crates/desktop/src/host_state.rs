//! What the host does, as a shell tells it.

use std::time::Duration;

/// The state of the host in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostState {
    /// It is being built; nothing is served yet.
    Starting,
    Ready {
        /// Its port on this computer.
        port: u16,
        /// What is missing, each a sentence with what to do. May hold text from outside.
        degraded: Vec<String>,
    },
    /// It failed and starts again by itself.
    BackingOff {
        /// After so long.
        pause: Duration,
        reason: String,
    },
    /// It did not start, or it failed too often. The sentence says why and what to do; it may hold
    /// text from outside.
    Failed(String),
    /// It did not start, because another program has its port.
    PortTaken {
        /// As in [`Self::Failed`].
        reason: String,
        /// A port that it could have instead.
        free: u16,
    },
    /// It ends what runs and saves; the process exits then.
    Stopping,
}
