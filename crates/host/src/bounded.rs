//! Work on files that a dead disk or network share must not hold up.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::timeout;

/// How long a disk or a network share may take to answer. Well below the time that a person waits for a
/// start.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockingError {
    #[error("the disk or network share did not answer within {} seconds", LIMIT.as_secs())]
    NoAnswer,
    #[error("{0}")]
    Failed(#[from] JoinError),
}

/// Does blocking work off the async workers. Work that takes longer than [`LIMIT`] goes on in its thread,
/// and its result is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    match timeout(LIMIT, tokio::task::spawn_blocking(work)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(BlockingError::NoAnswer),
    }
}

/// Something that blocks until it is dropped, as a dead network share does.
#[cfg(test)]
pub(crate) fn dead_share() -> (std::sync::mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (alive, dead) = std::sync::mpsc::channel::<()>();
    (alive, move || {
        let _ = dead.recv();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_on_a_dead_share_is_given_up() {
        let (alive, hang) = dead_share();

        let (result, ()) = tokio::join!(blocking(hang), tokio::time::advance(LIMIT));

        assert!(matches!(result, Err(BlockingError::NoAnswer)), "{result:?}");
        drop(alive);
        assert!(matches!(blocking(|| 7).await, Ok(7)));
    }
}
