//! How runs end: one settlement, then the result goes to the parent's session, which may wake.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tidegate_clock::Backoff;
use tidegate_protocol::{RunId, SessionKey, TranscriptMessage};
use tidegate_store::{Outcome, RunRow, RunState, Settled, Settlement, Usage};
use uuid::Uuid;

use crate::event::RunEventKind;
use crate::lanes::Attention;
use crate::run::{RunHandle, StopCause, lock};
use crate::runtime::{Inner, asks_for_answer};
use crate::spec::{Cleanup, RunSpec};
use crate::start::Candidate;

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
    fn crashed() -> Self {
        Self {
            outcome: Outcome::Error,
            error: Some("the run failed because of an internal error of Tidegate".to_owned()),
            result: None,
            usage: Usage::default(),
            entries: Vec::new(),
        }
    }
}

impl Inner {
    /// The task of one run, from being in line to its end.
    pub(crate) async fn work(self: Arc<Self>, handle: Arc<RunHandle>) {
        let driven = AssertUnwindSafe(self.drive(&handle)).catch_unwind().await;
        let ending = driven.unwrap_or_else(|_| Ending::crashed());
        drop(lock(&handle.place).take());
        self.finish(&handle, ending).await;
    }

    async fn finish(self: &Arc<Self>, handle: &Arc<RunHandle>, ending: Ending) {
        let settlement = Settlement {
            run: handle.id().clone(),
            outcome: ending.outcome,
            error: ending.error,
            result: ending.result,
            model: handle.model.get().map(ToString::to_string),
            usage: ending.usage,
            entries: ending.entries,
            at: self.now(),
        };
        let row = self.settle(handle, settlement).await;
        self.deliver(handle, &row);
        self.leave(handle, row).await;
    }

    /// Settles a run that does not end by itself any more, at the very end of the process.
    pub(crate) async fn settle_interrupted(self: &Arc<Self>, handle: &Arc<RunHandle>) {
        handle.stop(StopCause::Shutdown);
        let (outcome, error) =
            (Outcome::Interrupted, Some("Tidegate was closed while the run worked".to_owned()));
        let at = self.now();
        let settlement = Settlement {
            run: handle.id().clone(),
            outcome,
            error,
            result: None,
            model: handle.model.get().map(ToString::to_string),
            usage: Usage::default(),
            entries: Vec::new(),
            at,
        };
        if let Ok(Settled::First { run, .. }) = self.store.settle_run(settlement).await {
            handle.emit(at, RunEventKind::Ended { outcome, run: Box::new(run.clone()) });
            handle.done.send_replace(Some(Arc::new(run)));
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
                    tracing::error!(run = %handle.id(), attempt, %error, "a run's end could not be saved");
                    unsaved.error = Some(error.to_string());
                    tokio::time::sleep(SETTLE_BACKOFF.pause(attempt)).await;
                }
            }
        }
        handle.emit(at, RunEventKind::Ended { outcome, run: Box::new(unsaved.clone()) });
        unsaved
    }

    /// Points the parent's session to the result, which is durable there already.
    fn deliver(self: &Arc<Self>, handle: &RunHandle, row: &RunRow) {
        let Some(parent) = &handle.parent else { return };
        let outcome = match row.state {
            RunState::Terminal(outcome) => outcome,
            RunState::Queued | RunState::Running => return,
        };
        // Only the run of a session that a person opened is followed by another: what a subagent's
        // run said has gone to its own parent when it ended.
        let wants_wake = handle.spec.expects_completion && asks_for_answer(outcome) && !parent.is_subagent();
        let wants_wake = wants_wake.then(|| parent.id().clone());
        let session = parent.session();
        let attention = {
            let mut schedule = self.schedule();
            schedule.active.remove(handle.id());
            let attention = schedule.lanes.deliver(session, wants_wake, self.limits.autonomous_wakes);
            if let Attention::Running(run) = &attention
                && let Some(reader) = schedule.active.get(run)
            {
                reader.news.notify_one();
            }
            attention
        };
        if attention == Attention::ScheduleWake {
            self.schedule_wake(session.clone());
        }
    }

    async fn leave(self: &Arc<Self>, handle: &Arc<RunHandle>, row: RunRow) {
        let quiet = !matches!(row.state, RunState::Terminal(outcome) if asks_for_answer(outcome));
        let left = {
            let mut schedule = self.schedule();
            schedule.active.remove(handle.id());
            let left =
                schedule.lanes.leave(handle.session(), handle.id(), quiet, self.limits.autonomous_wakes);
            if let Some(next) = left.next.as_ref().and_then(|next| schedule.active.get(next)) {
                next.turn.notify_one();
            }
            left
        };
        handle.done.send_replace(Some(Arc::new(row)));
        if left.schedule_wake {
            self.schedule_wake(handle.session().clone());
        }
    }

    /// Lets a session answer by itself, after a moment in which further results may come.
    fn schedule_wake(self: &Arc<Self>, session: SessionKey) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(inner.limits.wake_coalesce).await;
            let Some(successor_of) = inner.schedule().lanes.take_wake(&session) else { return };
            if let Err(error) = inner.wake(&session, successor_of).await {
                // The results stay in the inbox: the session's next run reads them.
                tracing::warn!(%session, error, "a session could not wake to read its inbox");
            }
        });
    }

    /// Starts the run that reads the inbox, with authority and model of the run that spawned.
    async fn wake(self: &Arc<Self>, session: &SessionKey, successor_of: RunId) -> Result<(), String> {
        let is_there =
            self.store.session(session.clone()).await.map_err(|error| error.to_string())?.is_some();
        let Some(before) =
            self.store.run(successor_of).await.map_err(|error| error.to_string())?.filter(|_| is_there)
        else {
            return Ok(());
        };
        let spec: RunSpec = serde_json::from_value(before.spec).map_err(|error| error.to_string())?;
        if self.schedule().revoked.contains(spec.authority.owner().name()) {
            // The results stay in the inbox, and the session's next run reads them.
            return Ok(());
        }
        let candidate = Candidate {
            run: RunId::parse(Uuid::new_v4().to_string()).map_err(|error| error.to_string())?,
            session: session.clone(),
            message: None,
            label: None,
            spec: spec.wake(),
            parent: None,
        };
        self.accept(candidate).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Deletes the sessions of subagents whose results were read and whose parents asked for that.
    pub(crate) fn clean_up(self: &Arc<Self>, read: Vec<RunId>) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            for run in read {
                let Ok(Some(row)) = inner.store.run(run).await else { continue };
                let spec = serde_json::from_value::<RunSpec>(row.spec);
                if !spec.is_ok_and(|spec| spec.cleanup == Cleanup::Delete) {
                    continue;
                }
                let params = serde_json::json!({"key": row.session});
                if let Err(error) = inner.subagents.call("sessions.delete", params).await {
                    tracing::warn!(session = %row.session, %error, "a subagent's session could not be deleted");
                }
            }
        });
    }
}
