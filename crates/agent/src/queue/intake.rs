//! How runs are accepted: checked, made durable in one transaction, and put in line.

use std::sync::Arc;

use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage};
use tidegate_store::{BegunRun, NewRun, ParentEdge, RunRow, Store};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::schedule::Schedule;
use super::start::{Accepted, StartError, Turn};
use crate::clock::Clock;
use crate::event::{RunEventKind, RuntimeEvent};
use crate::limits::Limits;
use crate::model::ModelDirectory;
use crate::run::{RunHandle, RunSpec, RunTrigger};

/// A run that passed its checks.
pub(crate) struct Candidate {
    pub(crate) run: RunId,
    pub(crate) session: SessionKey,
    pub(crate) message: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) spec: RunSpec,
    pub(crate) parent: Option<Arc<RunHandle>>,
}

/// Checks runs, makes them durable and puts them in line.
pub(crate) struct Intake {
    pub(crate) store: Store,
    pub(crate) models: Arc<dyn ModelDirectory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    /// Names this start of the process.
    pub(crate) boot: String,
    pub(crate) events: broadcast::Sender<Arc<RuntimeEvent>>,
    pub(crate) schedule: Arc<Schedule>,
}

impl Intake {
    /// Whether a turn can begin with this message.
    pub(crate) fn check_message(&self, message: &str) -> Result<(), StartError> {
        check_message(message, &self.limits)
    }

    /// Checks what a client asks for.
    pub(crate) async fn check_turn(&self, turn: Turn) -> Result<Candidate, StartError> {
        self.check_message(&turn.message)?;
        if let Some(name) = &turn.model {
            if !turn.authority.is_owner() {
                return Err(StartError::ModelNotAllowed);
            }
            if self.models.model(name).await.is_none() {
                return Err(StartError::UnknownModel { model: name.to_string() });
            }
        }
        let spec = RunSpec {
            model: turn.model,
            timeout_ms: turn.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            extra_system_prompt: turn.extra_system_prompt,
            ..RunSpec::turn(turn.authority)
        };
        let (run, session, message, label) = (turn.run, turn.session, Some(turn.message), turn.label);
        Ok(Candidate { run, session, message, label, spec, parent: None })
    }

    /// Makes a run durable and puts it in line. The caller must let the run that comes with the answer work; a
    /// run that was accepted before comes without.
    pub(crate) async fn accept(
        &self,
        candidate: Candidate,
    ) -> Result<(Accepted, Option<Arc<RunHandle>>), StartError> {
        let Candidate { run, session, message, label, spec, parent } = candidate;
        self.schedule.check_room(&session)?;
        let session_depth = if parent.is_none() && session.is_subagent() {
            self.store.session(session.clone()).await?.map_or(0, |row| row.depth)
        } else {
            0
        };
        let at = self.clock.now();
        let (children, descendants) = (self.limits.children, self.limits.descendants);
        let new = NewRun {
            id: run,
            session,
            new_session_id: new_session_id()?,
            parent: parent.as_ref().map(|parent| ParentEdge {
                run: parent.id().clone(),
                session: parent.session().clone(),
                depth: parent.depth + 1,
                workspace: parent.authority().folder().cloned(),
                max_active_children: children,
                max_descendants: descendants,
            }),
            label,
            input: message.map(|message| TranscriptMessage::user(message, at)),
            spec: serde_json::to_value(&spec).map_err(|_| StartError::Internal)?,
            boot: self.boot.clone(),
            at,
        };
        match self.store.begin_run(new).await? {
            BegunRun::Created(row) => {
                let handle = self.put_in_line(row.clone(), spec, session_depth, parent);
                Ok((Accepted { run: row, duplicate: false }, Some(handle)))
            }
            BegunRun::Existing(run) => Ok((Accepted { run, duplicate: true }, None)),
            BegunRun::TakenElsewhere => Err(StartError::RunIdTaken),
            BegunRun::TooManyChildren { active } => {
                Err(StartError::TooManyChildren { active, limit: children })
            }
            BegunRun::TooManyDescendants { total } => {
                Err(StartError::TooManyDescendants { total, limit: descendants })
            }
            BegunRun::ParentEnded => Err(StartError::ParentEnded),
        }
    }

    fn put_in_line(
        &self,
        row: RunRow,
        spec: RunSpec,
        session_depth: u32,
        parent: Option<Arc<RunHandle>>,
    ) -> Arc<RunHandle> {
        let (at, origin) = (row.created_at, spec.trigger);
        let reason = if origin == RunTrigger::Spawn { "create" } else { "send" };
        let parent_is_none = parent.is_none();
        let handle = Arc::new(RunHandle::new(row, spec, session_depth, parent, self.events.clone()));
        if parent_is_none && self.schedule.take_network(handle.session()) {
            handle.network.note();
        }
        handle.emit(at, RunEventKind::Accepted);
        handle.emit(at, RunEventKind::SessionChanged { reason });
        self.schedule.enter(&handle, origin == RunTrigger::Turn);
        handle
    }
}

/// Whether a run can begin with this message or task.
pub(crate) fn check_message(message: &str, limits: &Limits) -> Result<(), StartError> {
    let limit = limits.message_bytes;
    if message.trim().is_empty() {
        return Err(StartError::EmptyMessage);
    }
    if message.len() > limit {
        return Err(StartError::MessageTooLong { bytes: message.len(), limit });
    }
    Ok(())
}

/// The id of the transcript that a session gets when it is new.
pub(super) fn new_session_id() -> Result<SessionId, StartError> {
    SessionId::parse(Uuid::new_v4().to_string()).map_err(|_| StartError::Internal)
}
