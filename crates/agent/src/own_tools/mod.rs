//! The runtime's own tools: subagents and sessions. They reach only the caller's own tree.

mod history;
mod list;
mod spawn;
mod status;
mod subagents;

use std::sync::Arc;

use serde_json::Value;
use tidegate_protocol::SessionKey;
use tidegate_store::{RunRow, RunState, StoreError};

use crate::arguments::ArgumentError;
use crate::run::RunHandle;
use crate::runtime::Inner;
use crate::subagent::CallError;
use crate::tool::{ToolDescription, ToolOutput};

/// More spawns than any tree can have between a session and the one that a person opened.
const DEEPEST: usize = 64;

/// One of the runtime's own tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnTool {
    Spawn,
    List,
    History,
    Subagents,
    Status,
}

/// Why one of our tools has no answer.
#[derive(Debug, thiserror::Error)]
enum OwnToolError {
    #[error("{0}")]
    Argument(#[from] ArgumentError),
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(String),
}

impl OwnTool {
    pub(crate) const ALL: [Self; 5] = [Self::Spawn, Self::List, Self::History, Self::Subagents, Self::Status];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spawn => "sessions_spawn",
            Self::List => "sessions_list",
            Self::History => "sessions_history",
            Self::Subagents => "subagents",
            Self::Status => "session_status",
        }
    }

    pub(crate) fn description(self) -> ToolDescription {
        match self {
            Self::Spawn => spawn::description(),
            Self::List => list::description(),
            Self::History => history::description(),
            Self::Subagents => subagents::description(),
            Self::Status => status::description(),
        }
    }

    /// Whether its answers hold text that others wrote.
    pub(crate) fn shows_foreign_text(self) -> bool {
        matches!(self, Self::History | Self::List)
    }

    pub(crate) async fn call(
        self,
        inner: &Arc<Inner>,
        handle: &Arc<RunHandle>,
        arguments: Value,
    ) -> ToolOutput {
        let answer = match self {
            Self::Spawn => return spawn::call(inner, handle, arguments).await,
            Self::List => list::call(inner, handle, arguments).await,
            Self::History => history::call(inner, handle, arguments).await,
            Self::Subagents => subagents::call(inner, handle, arguments).await,
            Self::Status => status::call(inner, handle, arguments).await,
        };
        answer.map_or_else(
            |error| ToolOutput::error(format!("{} failed: {error}.", self.name())),
            ToolOutput::ok,
        )
    }
}

/// Whether `session` is `own` or was spawned below it.
async fn is_visible(inner: &Inner, own: &SessionKey, session: &SessionKey) -> Result<bool, StoreError> {
    let mut current = session.clone();
    for _ in 0..DEEPEST {
        if current == *own {
            return Ok(true);
        }
        match inner.store.session(current).await?.and_then(|row| row.parent) {
            Some(parent) => current = parent,
            None => return Ok(false),
        }
    }
    Ok(false)
}

/// A session of the caller's tree as a model names it.
async fn visible_session(inner: &Inner, own: &SessionKey, text: &str) -> Result<SessionKey, OwnToolError> {
    let session = SessionKey::parse(text).map_err(|error| OwnToolError::Refused(error.to_string()))?;
    if is_visible(inner, own, &session).await? {
        return Ok(session);
    }
    let text = tidegate_protocol::text::one_line(text, 128);
    Err(OwnToolError::Refused(format!("{text:?} is not your session and not one of your subagents")))
}

/// The word for a run's state, for models.
fn state_word(run: &RunRow) -> &'static str {
    match run.state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Terminal(outcome) => outcome.name(),
    }
}
