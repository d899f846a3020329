//! The places in which runs work, and the pause, in which no run begins anything.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::limits::Limits;
use crate::run::{Activity, RunHandle};
use crate::sync::lock;

/// Places for runs that clients start, others for subagents, and whether runs are paused.
pub(crate) struct Places {
    main: Arc<Semaphore>,
    subagents: Arc<Semaphore>,
    paused: watch::Sender<bool>,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            main: places(limits.concurrent_main),
            subagents: places(limits.concurrent_subagents),
            paused: watch::Sender::new(false),
        }
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(crate) fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Waits until runs are not paused; false when the run was stopped.
    pub(crate) async fn while_not_paused(&self, handle: &RunHandle) -> bool {
        let mut paused = self.paused.subscribe();
        if *paused.borrow_and_update() {
            let resumed = self.without_place(handle, async {
                tokio::select! {
                    biased;
                    () = handle.token().cancelled() => false,
                    resumed = paused.wait_for(|paused| !paused) => resumed.is_ok(),
                }
            });
            return resumed.await && !handle.token().is_cancelled();
        }
        !handle.token().is_cancelled()
    }

    /// Takes a place to work in; false when the run was stopped before there was one.
    pub(crate) async fn take(&self, handle: &RunHandle) -> bool {
        let places = if handle.is_subagent() { &self.subagents } else { &self.main };
        let permit = tokio::select! {
            biased;
            () = handle.token().cancelled() => return false,
            permit = Arc::clone(places).acquire_owned() => permit,
        };
        *lock(&handle.place) = permit.ok();
        handle.set_activity(Activity::Working);
        true
    }

    /// Waits for something while the run gives its place to others.
    pub(crate) async fn without_place<T>(&self, handle: &RunHandle, wait: impl Future<Output = T>) -> T {
        let had_one = lock(&handle.place).take().is_some();
        let before = handle.activity();
        handle.set_activity(Activity::Waiting);
        let answer = wait.await;
        handle.set_activity(before);
        if had_one {
            self.take(handle).await;
        }
        answer
    }
}
