//! What starts a run, and what comes of it.

use std::time::Duration;

use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::{RunRow, StoreError};

use crate::authority::RunAuthority;
use crate::model::ModelName;

/// A message that starts a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The run's id: the client's idempotency key where there is one.
    pub run: RunId,
    /// The session, which is made when it is missing.
    pub session: SessionKey,
    pub message: String,
    pub authority: RunAuthority,
    /// The model to use. Only an owner may choose.
    pub model: Option<ModelName>,
    pub label: Option<String>,
    /// How long it may run; without one there is no deadline.
    pub timeout: Option<Duration>,
    /// Instructions after those of the runtime.
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
    #[error("Tidegate is closing and starts nothing new")]
    Stopping,
    #[error("the message is empty")]
    EmptyMessage,
    #[error("the message has {bytes} bytes; at most {limit} are allowed")]
    MessageTooLong { bytes: usize, limit: usize },
    #[error("choosing a model needs operator.admin")]
    ModelNotAllowed,
    #[error("there is no model {model:?}")]
    UnknownModel { model: String },
    #[error("{waiting} messages already wait in this session; wait for an answer or stop the run")]
    QueueFull { waiting: usize },
    #[error("the run id is already used in another session")]
    RunIdTaken,
    /// The parent's session has as many unfinished subagents as it may have.
    #[error(
        "this session already has {active} unfinished subagents; {limit} are allowed at once. Wait for results first"
    )]
    TooManyChildren { active: u32, limit: u32 },
    /// The tree has as many subagents as it may have.
    #[error("this task already started {total} subagents; {limit} are allowed in all. Do the rest yourself")]
    TooManyDescendants { total: u32, limit: u32 },
    /// The parent has ended.
    #[error("the run that wanted a subagent has ended")]
    ParentEnded,
    /// No prepared start has this id, or it was used.
    #[error("the handoff is unknown or was already used")]
    UnknownHandoff,
    /// The handoff came back with another run, session or message. It is void now.
    #[error("the handoff does not belong to this run, session and message")]
    HandoffMismatch,
    #[error(transparent)]
    Store(#[from] StoreError),
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
