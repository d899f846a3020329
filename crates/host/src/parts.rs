//! The tasks without which the gateway does not serve, and noticing that one has ended.

use std::path::PathBuf;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Supervised tasks. The first that ends is named, and the gateway is built again.
#[derive(Debug)]
pub(crate) struct Parts {
    tasks: TaskTracker,
    ended: watch::Sender<Option<&'static str>>,
    #[cfg_attr(not(any(test, feature = "fault-injection")), expect(dead_code, reason = "faults lie there"))]
    state_dir: PathBuf,
}

/// Tells the end of its part when it is dropped: a panic drops it, too.
struct TellEnd {
    name: &'static str,
    ended: watch::Sender<Option<&'static str>>,
}

impl Drop for TellEnd {
    fn drop(&mut self) {
        // The first to end is the cause; the others may end because of it.
        self.ended.send_if_modified(|first| first.replace(first.unwrap_or(self.name)).is_none());
    }
}

impl Parts {
    pub(crate) fn new(state_dir: PathBuf) -> Self {
        Self { tasks: TaskTracker::new(), ended: watch::Sender::new(None), state_dir }
    }

    /// Runs a part.
    pub(crate) fn spawn(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let tell_end = TellEnd { name, ended: self.ended.clone() };
        #[cfg(any(test, feature = "fault-injection"))]
        let part = crate::fault::may_strike(self.state_dir.clone(), name, part);
        self.tasks.spawn(async move {
            let _tell_end = tell_end;
            part.await;
        });
    }

    /// Waits until a part has ended, by a panic or otherwise, and names it.
    pub(crate) async fn first_ended(&self) -> &'static str {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await.ok().and_then(|first| *first) {
            Some(name) => name,
            // The sender lives as long as we do.
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended. None begins afterwards.
    pub(crate) async fn all_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
