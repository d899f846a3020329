//! Time and randomness for the drivers of the pure core, read in one place, and the pauses between attempts.

mod backoff;

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tidegate_protocol::device::Nonce;
use tidegate_protocol::{ErrorShape, UnixMillis};
use tidegate_trust::Timestamp;
use tidegate_trust::authority::Entropy;

pub use backoff::Backoff;

/// This moment, by both clocks.
#[must_use]
pub fn timestamp() -> Timestamp {
    static START: OnceLock<Instant> = OnceLock::new();
    Timestamp { wall: wall(), monotonic: START.get_or_init(Instant::now).elapsed() }
}

/// This moment, by the wall clock.
#[must_use]
pub fn wall() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The operating system gave no random bytes. Nothing can be admitted then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoEntropy;

/// As the answer to a request: it may pass.
impl From<NoEntropy> for ErrorShape {
    fn from(error: NoEntropy) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Fresh random bytes.
///
/// # Errors
/// When the operating system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// Fresh bytes for one decision.
///
/// # Errors
/// When the operating system gives none.
pub fn entropy() -> Result<Entropy, NoEntropy> {
    Ok(Entropy { id: random()?, token: random()? })
}

/// A fresh nonce.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn nonce() -> Result<Nonce, NoEntropy> {
    random().map(Nonce::from_entropy)
}
