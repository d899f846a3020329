//! The connections of one listener, as tasks.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections in progress. A panic in one ends only that one, and they outlive their listener when
/// it is the one that panics: then the gateway still tells them why it closes them.
#[derive(Debug, Default)]
pub(crate) struct ConnectionTasks {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl ConnectionTasks {
    /// Serves a connection until it ends, or `evicted` does.
    pub(crate) fn spawn(
        &self,
        connection: impl Future<Output = ()> + Send + 'static,
        evicted: impl Future<Output = ()> + Send + 'static,
    ) {
        let cut = self.cut.clone();
        // Boxed: what is handed on unboxed has its room in each future that it goes through.
        let connection = Box::pin(connection);
        self.tasks.spawn(async move {
            tokio::select! {
                // First, so that one that is let in just now stays.
                biased;
                () = connection => {}
                () = evicted => {}
                () = cut.cancelled() => {}
            }
        });
    }

    /// Waits until all have ended, and cuts off those that have not within `limit`.
    pub(crate) async fn end_within(self, limit: Duration) {
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!("connections did not end in time and are cut off");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}
