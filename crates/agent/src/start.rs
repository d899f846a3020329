//! How runs are accepted: checked, made durable in one transaction, and put in line.

use std::sync::Arc;
use std::time::Duration;

use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage};
use tidegate_store::{BegunRun, NewRun, ParentEdge, RunRow, StoreError};
use uuid::Uuid;

use crate::authority::RunAuthority;
use crate::event::RunEventKind;
use crate::handoff::{HandoffId, PreparedStart};
use crate::model::ModelName;
use crate::run::{RunHandle, StopCause};
use crate::runtime::{Inner, Runtime};
use crate::spec::{Cleanup, RunSpec, RunTrigger};

/// A message that starts a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The run's id: the client's idempotency key where there is one.
    pub run: RunId,
    /// The session, which is made when it is missing.
    pub session: SessionKey,
    /// What was said.
    pub message: String,
    /// What the run may do.
    pub authority: RunAuthority,
    /// The model to use. Only an owner may choose.
    pub model: Option<ModelName>,
    /// A name for the run.
    pub label: Option<String>,
    /// How long it may run; without one there is no deadline.
    pub timeout: Option<Duration>,
    /// Further instructions.
    pub extra_system_prompt: Option<String>,
}

/// A run that is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The run as stored.
    pub run: RunRow,
    /// Whether it was accepted before, under the same id; nothing was started now.
    pub duplicate: bool,
}

/// Why no run was started. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The program is about to end.
    #[error("Tidegate is closing and starts nothing new")]
    Stopping,
    /// There is nothing to answer.
    #[error("the message is empty")]
    EmptyMessage,
    /// The message is too long.
    #[error("the message has {bytes} bytes; at most {limit} are allowed")]
    MessageTooLong {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Only an owner may choose a model.
    #[error("choosing a model needs operator.admin")]
    ModelNotAllowed,
    /// There is no such model.
    #[error("there is no model {model:?}")]
    UnknownModel {
        /// The name.
        model: String,
    },
    /// Too many runs of the session wait.
    #[error("{waiting} messages already wait in this session; wait for an answer or stop the run")]
    QueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// The id belongs to a run of another session.
    #[error("the run id is already used in another session")]
    RunIdTaken,
    /// The parent's session has as many unfinished subagents as it may have.
    #[error(
        "this session already has {active} unfinished subagents; {limit} are allowed at once. Wait for results first"
    )]
    TooManyChildren {
        /// How many there are.
        active: u32,
        /// How many are allowed.
        limit: u32,
    },
    /// The tree has as many subagents as it may have.
    #[error("this task already started {total} subagents; {limit} are allowed in all. Do the rest yourself")]
    TooManyDescendants {
        /// How many there are.
        total: u32,
        /// How many are allowed.
        limit: u32,
    },
    /// The parent has ended.
    #[error("the run that wanted a subagent has ended")]
    ParentEnded,
    /// No prepared start has this id, or it was used.
    #[error("the handoff is unknown or was already used")]
    UnknownHandoff,
    /// The handoff came back with another run, session or message. It is void now.
    #[error("the handoff does not belong to this run, session and message")]
    HandoffMismatch,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect.
    #[error("the run could not be started because of an internal error")]
    Internal,
}

impl StartError {
    /// Whether a limit or a rule says no, rather than something being broken or mistyped.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::ModelNotAllowed
                | Self::TooManyChildren { .. }
                | Self::TooManyDescendants { .. }
                | Self::QueueFull { .. }
        )
    }
}

/// A run that passed its checks.
pub(crate) struct Candidate {
    pub(crate) run: RunId,
    pub(crate) session: SessionKey,
    pub(crate) message: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) spec: RunSpec,
    pub(crate) parent: Option<Arc<RunHandle>>,
}

impl Runtime {
    /// Whether a turn can begin with this message.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn check_message(&self, message: &str) -> Result<(), StartError> {
        self.inner().check_message(message)
    }

    /// Accepts a message. The run is durable when this returns and starts when its session and a
    /// place are free. The same id in the same session again returns the first run.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_turn(&self, turn: Turn) -> Result<Accepted, StartError> {
        let inner = self.inner();
        inner.check_message(&turn.message)?;
        if let Some(name) = &turn.model {
            if !turn.authority.is_owner() {
                return Err(StartError::ModelNotAllowed);
            }
            if inner.models.model(name).await.is_none() {
                return Err(StartError::UnknownModel { model: name.to_string() });
            }
        }
        let spec = RunSpec {
            trigger: RunTrigger::Turn,
            authority: turn.authority,
            model: turn.model,
            timeout_ms: turn.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            extra_system_prompt: turn.extra_system_prompt,
            cleanup: Cleanup::Keep,
            expects_completion: false,
        };
        let (run, session, message, label) = (turn.run, turn.session, Some(turn.message), turn.label);
        inner.accept(Candidate { run, session, message, label, spec, parent: None }).await
    }

    /// Starts a subagent that one of our runs prepared. Only our own client may bring a handoff
    /// back: the caller checks that. The handoff is used up, whatever comes of it.
    ///
    /// # Errors
    /// When the handoff is unknown, used, or belongs to another run, session or message; when the
    /// parent has ended; when a limit of the tree is reached; when the store refuses.
    pub async fn start_prepared(
        &self,
        handoff: HandoffId,
        params: &PreparedStart,
    ) -> Result<Accepted, StartError> {
        let inner = self.inner();
        let prepared = inner.handoffs.take(handoff, params)?;
        let started = match inner.handle(&prepared.parent) {
            None => Err(StartError::ParentEnded),
            Some(parent) => {
                let candidate = Candidate {
                    run: params.run.clone(),
                    session: params.session.clone(),
                    message: Some(params.message.clone()),
                    label: prepared.label.clone(),
                    spec: prepared.spec.clone(),
                    parent: Some(parent),
                };
                inner.accept(candidate).await
            }
        };
        let _ =
            prepared.outcome.set(started.as_ref().map(|accepted| accepted.run.clone()).map_err(Clone::clone));
        started
    }
}

impl Inner {
    pub(crate) fn check_message(&self, message: &str) -> Result<(), StartError> {
        let limit = self.limits.message_bytes;
        if message.trim().is_empty() {
            return Err(StartError::EmptyMessage);
        }
        if message.len() > limit {
            return Err(StartError::MessageTooLong { bytes: message.len(), limit });
        }
        Ok(())
    }

    /// Makes a run durable and puts it in line. It goes on when the caller goes away, so that a
    /// committed run is never left without a task.
    pub(crate) async fn accept(self: &Arc<Self>, candidate: Candidate) -> Result<Accepted, StartError> {
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move { inner.accept_now(candidate).await });
        task.await.unwrap_or(Err(StartError::Internal))
    }

    async fn accept_now(self: Arc<Self>, candidate: Candidate) -> Result<Accepted, StartError> {
        let Candidate { run, session, message, label, spec, parent } = candidate;
        {
            let schedule = self.schedule();
            let waiting = schedule.lanes.queued(&session);
            if !schedule.accepting {
                return Err(StartError::Stopping);
            }
            if waiting >= self.limits.queued_per_session {
                return Err(StartError::QueueFull { waiting });
            }
        }
        let session_depth = if parent.is_none() && session.is_subagent() {
            self.store.session(session.clone()).await?.map_or(0, |row| row.depth)
        } else {
            0
        };
        let at = self.now();
        let new = NewRun {
            id: run,
            session,
            new_session_id: SessionId::parse(Uuid::new_v4().to_string()).map_err(|_| StartError::Internal)?,
            parent: parent.as_ref().map(|parent| ParentEdge {
                run: parent.id().clone(),
                session: parent.session().clone(),
                depth: parent.depth + 1,
                max_active_children: self.limits.children,
                max_descendants: self.limits.descendants,
            }),
            label,
            input: message.map(|message| TranscriptMessage::user(message, at)),
            spec: serde_json::to_value(&spec).map_err(|_| StartError::Internal)?,
            boot: self.boot.clone(),
            at,
        };
        let (children, descendants) = (self.limits.children, self.limits.descendants);
        match self.store.begin_run(new).await? {
            BegunRun::Created(row) => {
                self.put_in_line(row.clone(), spec, session_depth, parent);
                Ok(Accepted { run: row, duplicate: false })
            }
            BegunRun::Existing(run) => Ok(Accepted { run, duplicate: true }),
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
        self: &Arc<Self>,
        row: RunRow,
        spec: RunSpec,
        session_depth: u32,
        parent: Option<Arc<RunHandle>>,
    ) {
        let (at, by_person) = (row.created_at, spec.trigger == RunTrigger::Turn);
        let reason = if spec.trigger == RunTrigger::Spawn { "create" } else { "send" };
        let handle = Arc::new(RunHandle::new(row, spec, session_depth, parent, self.events.clone()));
        handle.emit(at, RunEventKind::Accepted);
        handle.emit(at, RunEventKind::SessionChanged { reason });
        let (its_turn, accepting, revoked) = {
            let mut schedule = self.schedule();
            schedule.active.insert(handle.id().clone(), Arc::clone(&handle));
            let its_turn = schedule.lanes.enter(handle.session(), handle.id().clone(), by_person);
            let client = handle.spec.authority.owner().name();
            (its_turn, schedule.accepting, schedule.revoked.contains(client))
        };
        if its_turn {
            handle.turn.notify_one();
        }
        if !accepting {
            handle.stop(StopCause::Shutdown);
        } else if revoked {
            // While it was saved.
            handle.stop_tree(StopCause::Revoked);
        }
        self.tasks.spawn(Arc::clone(self).work(handle));
    }
}
