//! The port of the session tools to the runtime: subagents and their sessions, as one run may see them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tidegate_protocol::ids::IdError;
use tidegate_protocol::payload::chat::ChatMessage;
use tidegate_protocol::{AgentId, RunId, SessionKey, UnixMillis};
use tidegate_store::{RunRow, SessionRow, StoreError};

use crate::arguments::ArgumentError;
use crate::authority::Widening;
use crate::limits::Limits;
use crate::queue::{CancelReport, StartError};
use crate::run::Cleanup;
use crate::subagent::CallError;

/// What the session tools ask of the runtime. Each operation is for the run `caller`, and reaches only its session
/// and those that were spawned below it.
pub(crate) trait SessionTools: Send + Sync {
    fn limits(&self) -> &Limits;

    fn now(&self) -> UnixMillis;

    /// Starts a subagent with at most what the caller may do.
    fn spawn(
        &self,
        caller: &RunId,
        request: SpawnRequest,
    ) -> impl Future<Output = Result<Spawned, SpawnError>> + Send;

    /// The sessions that the caller's session spawned, newest first, as `sessions.list` answers them.
    fn spawned_sessions(
        &self,
        caller: &RunId,
        limit: u64,
        active_minutes: Option<u64>,
    ) -> impl Future<Output = Answer<Vec<Value>>> + Send;

    /// The newest messages of a session.
    fn messages(
        &self,
        caller: &RunId,
        session: &str,
        limit: u64,
    ) -> impl Future<Output = Answer<Vec<ChatMessage>>> + Send;

    /// How a session stands; the caller's own without a name.
    fn status(
        &self,
        caller: &RunId,
        session: Option<&str>,
    ) -> impl Future<Output = Answer<SessionStatus>> + Send;

    /// Runs that the caller's session spawned and that have not ended, or ended within `window`.
    fn children(&self, caller: &RunId, window: Duration) -> impl Future<Output = Answer<Vec<RunRow>>> + Send;

    /// Waits until the named subagents, or all that work, have ended, at most for `limit`. Answers how they stand.
    fn wait(
        &self,
        caller: &RunId,
        subagents: Option<&[String]>,
        limit: Duration,
    ) -> impl Future<Output = Answer<Vec<RunRow>>> + Send;

    /// Stops the named subagents and everything below them.
    fn cancel(
        &self,
        caller: &RunId,
        subagents: &[String],
    ) -> impl Future<Output = Answer<CancelReport>> + Send;
}

/// A subagent that a run wants. What is left out is as the caller has it.
#[derive(Debug)]
pub(crate) struct SpawnRequest {
    pub(crate) task: String,
    pub(crate) label: Option<String>,
    /// Only the caller's own agent is allowed.
    pub(crate) agent: Option<String>,
    /// `provider/model`.
    pub(crate) model: Option<String>,
    pub(crate) timeout: Duration,
    /// A directory inside the caller's workspace.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) tools: Option<BTreeSet<String>>,
    pub(crate) cleanup: Cleanup,
    /// Whether its end asks the caller for an answer.
    pub(crate) expects_completion: bool,
}

/// A subagent that was started.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) run: RunRow,
    /// `provider/model`.
    pub(crate) model: String,
    pub(crate) tools: BTreeSet<String>,
}

/// How a session stands.
#[derive(Debug)]
pub(crate) struct SessionStatus {
    pub(crate) row: SessionRow,
    /// The model that the caller uses, for its own session.
    pub(crate) model: Option<String>,
    /// Sessions of the subagents that work.
    pub(crate) active: Vec<SessionKey>,
}

/// Why no subagent was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error("subagents of other agents are not allowed; agentId may only be {agent}")]
    OtherAgent { agent: AgentId },
    #[error("subagents may be {depth} levels deep and this is the last one; do the work yourself")]
    TooDeep { depth: u32 },
    #[error("this run may not choose a model; leave \"model\" out")]
    ModelNotAllowed,
    #[error("there is no model {model:?}; there are: {known}")]
    UnknownModel { model: String, known: String },
    #[error(transparent)]
    Widening(#[from] Widening),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Call(CallError),
    #[error("the gateway did not start the subagent")]
    NotStarted,
}

impl SpawnError {
    /// Whether a rule says no, so that the same call cannot succeed.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::OtherAgent { .. } | Self::TooDeep { .. } | Self::ModelNotAllowed | Self::Widening(_) => {
                true
            }
            Self::Start(error) => error.is_refusal(),
            Self::Argument(_) | Self::UnknownModel { .. } | Self::Call(_) | Self::NotStarted => false,
        }
    }
}

/// What the other operations answer.
pub(crate) type Answer<T> = Result<T, SessionToolError>;

/// Why a session tool has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionToolError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    SessionKey(#[from] IdError),
    #[error("the gateway's answer cannot be read: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("{session:?} is not your session and not one of your subagents")]
    NotVisible { session: String },
    #[error("{name:?} is none of your subagents")]
    NotASubagent { name: String },
    #[error("the session {session} is gone")]
    SessionGone { session: SessionKey },
    #[error("the run has ended")]
    CallerEnded,
}
