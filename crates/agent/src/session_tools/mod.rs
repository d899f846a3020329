//! The runtime's own tools: subagents and sessions.

mod history;
mod list;
mod spawn;
mod status;
mod subagents;

use std::sync::Arc;

use tidegate_store::RunState;

use crate::sessions::{Answer, SessionTools};
use crate::tool::{Tool, ToolContext, ToolOutput};

/// All of them, in the order of the catalog.
pub(crate) fn all<S: SessionTools + 'static>(sessions: &Arc<S>) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(spawn::SessionsSpawn(Arc::clone(sessions))),
        Arc::new(list::SessionsList(Arc::clone(sessions))),
        Arc::new(history::SessionsHistory(Arc::clone(sessions))),
        Arc::new(subagents::Subagents(Arc::clone(sessions))),
        Arc::new(status::SessionStatus(Arc::clone(sessions))),
    ]
}

/// What a tool answers. Nothing here needs a moment to stop, so a run that is stopped does not wait.
async fn answer(
    name: &str,
    context: &ToolContext,
    work: impl Future<Output = Answer<ToolOutput>>,
) -> ToolOutput {
    tokio::select! {
        biased;
        () = context.cancelled.cancelled() => ToolOutput::stopped(),
        answer = work => answer.unwrap_or_else(|error| {
            ToolOutput::error(format!("{name} failed: {error}.")).by_runtime()
        }),
    }
}

/// How models read a run's state.
fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Terminal(outcome) => outcome.name(),
    }
}
