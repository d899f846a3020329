//! How runs end: one settlement, then the result goes to the parent's session, which may wake.

mod cleanup;
mod inbox;

use std::sync::Arc;
use std::time::Duration;

use tidegate_clock::Backoff;
use tidegate_protocol::{RunId, SessionKey, TranscriptMessage};
use tidegate_store::{Outcome, RunRow, RunState, Settled, Settlement, Store, StoreError, Usage};
use uuid::Uuid;

pub(crate) use self::cleanup::SessionCleanup;
pub use self::inbox::inbox_message;
pub(crate) use self::inbox::source_run;
use crate::approval::ApprovalGate;
use crate::clock::Clock;
use crate::event::RunEventKind;
use crate::queue::{Candidate, Schedule, StartError};
use crate::run::{RunHandle, RunSpec, StopCause};

/// How often a settlement is tried while the store refuses, with a doubling pause between.
const SETTLE_ATTEMPTS: u32 = 8;
const SETTLE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(15));

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<String>,
    /// Its last text.
    pub(crate) result: Option<String>,
    pub(crate) usage: Usage,
    /// Messages that are committed together with the end.
    pub(crate) entries: Vec<TranscriptMessage>,
}

impl Ending {
    /// One without a word of the model.
    pub(crate) fn silent(outcome: Outcome, error: Option<String>) -> Self {
        Self { outcome, error, result: None, usage: Usage::default(), entries: Vec::new() }
    }

    pub(crate) fn crashed() -> Self {
        let error = "the run failed because of an internal error of Tidegate";
        Self::silent(Outcome::Error, Some(error.to_owned()))
    }
}

/// Why a session did not wake. Its results stay in the inbox, and its next run reads them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WakeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what the run before was started with cannot be read: {0}")]
    Spec(#[from] serde_json::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Settles runs and delivers their results.
pub(crate) struct Completion {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) approvals: Arc<dyn ApprovalGate>,
}

impl Completion {
    /// Ends a run. Answers the sessions that must be woken after a moment.
    pub(crate) async fn finish(&self, handle: &RunHandle, ending: Ending) -> Vec<SessionKey> {
        let row = self.settle(handle, self.settlement(handle, ending)).await;
        let outcome = match row.state {
            RunState::Terminal(outcome) => Some(outcome),
            RunState::Queued | RunState::Running => None,
        };
        let asks_for_answer = outcome.is_some_and(asks_for_answer);
        let mut to_wake = Vec::new();
        if let (Some(parent), Some(_)) = (&handle.parent, outcome) {
            if handle.network.was_noted() {
                self.schedule.note_network(parent.session());
            }
            // The result is durable in the parent's inbox already.
            let wants_wake = asks_for_answer && handle.spec.expects_completion && !parent.is_subagent();
            let wakes = self.schedule.deliver(handle, parent, wants_wake);
            to_wake.extend(wakes.then(|| parent.session().clone()));
        }
        let wakes = self.schedule.leave(handle, !asks_for_answer);
        to_wake.extend(wakes.then(|| handle.session().clone()));
        if self.schedule.is_task_over(handle.task()) {
            self.approvals.end_task(handle.task());
        }
        handle.done.send_replace(Some(Arc::new(row)));
        to_wake
    }

    /// Settles a run that is cut off by the end of the process.
    pub(crate) async fn settle_interrupted(&self, handle: &RunHandle) {
        handle.stop(StopCause::Shutdown);
        let (outcome, error) = (Outcome::Interrupted, "Tidegate was closed while the run worked");
        let settlement = self.settlement(handle, Ending::silent(outcome, Some(error.to_owned())));
        let at = settlement.at;
        if let Ok(Settled::First { run, .. }) = self.store.settle_run(settlement).await {
            handle.emit(at, RunEventKind::Ended { outcome, run: Box::new(run.clone()) });
            handle.done.send_replace(Some(Arc::new(run)));
        }
    }

    /// The run that lets a session answer what its subagents delivered, with authority and model of the run that
    /// spawned them. `None` when something works there, the session is gone, or its client was revoked.
    pub(crate) async fn wake(&self, session: &SessionKey) -> Result<Option<Candidate>, WakeError> {
        let Some(successor_of) = self.schedule.take_wake(session) else { return Ok(None) };
        if self.store.session(session.clone()).await?.is_none() {
            return Ok(None);
        }
        let Some(before) = self.store.run(successor_of).await? else { return Ok(None) };
        let spec: RunSpec = serde_json::from_value(before.spec)?;
        if self.schedule.is_revoked(spec.authority.owner().name()) {
            // The results stay in the inbox, and the session's next run reads them.
            return Ok(None);
        }
        let run = RunId::parse(Uuid::new_v4().to_string()).map_err(|_| StartError::Internal)?;
        let (session, spec) = (session.clone(), spec.wake());
        Ok(Some(Candidate { run, session, message: None, label: None, spec, parent: None }))
    }

    fn settlement(&self, handle: &RunHandle, ending: Ending) -> Settlement {
        Settlement {
            run: handle.id().clone(),
            outcome: ending.outcome,
            error: ending.error,
            result: ending.result,
            model: handle.model.get().map(ToString::to_string),
            usage: ending.usage,
            entries: ending.entries,
            at: self.clock.now(),
        }
    }

    /// Settles a run and answers how it is stored. A store that refuses for long leaves the run to
    /// the next start, which settles it as interrupted.
    async fn settle(&self, handle: &RunHandle, settlement: Settlement) -> RunRow {
        let (outcome, at) = (settlement.outcome, settlement.at);
        let mut unsaved = handle.row.clone();
        unsaved.state = RunState::Terminal(outcome);
        unsaved.ended_at = Some(at);
        for attempt in 0..SETTLE_ATTEMPTS {
            match self.store.settle_run(settlement.clone()).await {
                Ok(Settled::First { run, appended, .. }) => {
                    for entry in appended {
                        handle.emit(at, RunEventKind::Appended(entry));
                    }
                    handle.emit(at, RunEventKind::Ended { outcome, run: Box::new(run.clone()) });
                    return run;
                }
                Ok(Settled::Already(_)) => {
                    return self.store.run(handle.id().clone()).await.ok().flatten().unwrap_or(unsaved);
                }
                Err(error) => {
                    tracing::error!(attempt, %error, "failed to save the end of a run");
                    unsaved.error = Some(error.to_string());
                    tokio::time::sleep(SETTLE_BACKOFF.pause(attempt)).await;
                }
            }
        }
        handle.emit(at, RunEventKind::Ended { outcome, run: Box::new(unsaved.clone()) });
        unsaved
    }
}

/// Whether a run that ended so leaves its session something to say.
fn asks_for_answer(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Error | Outcome::TimedOut)
}
