//! Work on files, off the async workers, which a dead disk or network share must not hold up.

use std::sync::Arc;
use std::time::Duration;

use tidegate_protocol::ErrorShape;
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

/// The result of blocking work as a method answers with it. It may take its time. An error of which
/// `may_pass` is true can be gone when it is tried again.
pub(crate) async fn answered<S: Send + Sync + 'static, T: Send + 'static, E: ToString + Send + 'static>(
    subject: &Arc<S>,
    may_pass: fn(&E) -> bool,
    work: impl FnOnce(&S) -> Result<T, E> + Send + 'static,
) -> Result<T, ErrorShape> {
    let subject = Arc::clone(subject);
    match tokio::task::spawn_blocking(move || work(&subject)).await {
        Ok(Err(error)) if may_pass(&error) => Err(ErrorShape::unavailable(error.to_string())),
        Ok(done) => done.map_err(|error| ErrorShape::invalid(error.to_string())),
        Err(error) => Err(ErrorShape::unavailable(error.to_string())),
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
