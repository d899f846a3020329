//! `session_status`: where a session of the caller's tree stands.

use serde_json::{Value, json};

use super::{OwnToolError, visible_session};
use crate::arguments::Arguments;
use crate::run::RunHandle;
use crate::runtime::Inner;
use crate::tool::ToolDescription;
use tidegate_store::RunState;

pub(super) fn description() -> ToolDescription {
    ToolDescription {
        name: "session_status",
        label: "Session status",
        description: "Tell the model, state, used tokens and active subagents of your session, or of a subagent's.",
        group: "sessions",
        parameters: json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {"sessionKey": {"type": "string", "description": "A subagent's session; without it your own."}},
        }),
    }
}

pub(super) async fn call(
    inner: &Inner,
    handle: &RunHandle,
    arguments: Value,
) -> Result<String, OwnToolError> {
    let arguments = Arguments::closed(arguments, &["sessionKey"])?;
    let own = handle.session();
    let session = match arguments.text("sessionKey")? {
        Some(text) => visible_session(inner, own, text).await?,
        None => own.clone(),
    };
    let row = inner.store.session(session.clone()).await?;
    let row = row.ok_or_else(|| OwnToolError::Refused(format!("the session {session} is gone")))?;
    let model = if session == *own { handle.model.get().map(ToString::to_string) } else { None };
    let status = row.last_state.map(|state| match state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Terminal(outcome) => outcome.name(),
    });
    let active: Vec<_> =
        inner.unfinished_children(&session).iter().map(|child| child.session().to_string()).collect();
    let answer = json!({
        "sessionKey": session,
        "status": status,
        "model": model.or(row.model),
        "depth": row.depth,
        "usage": {"input": row.usage.input, "output": row.usage.output},
        "activeSubagents": active,
        "limits": {
            "depth": inner.limits.depth,
            "activeSubagents": inner.limits.children,
            "subagentsPerTask": inner.limits.descendants,
        },
        "workspace": handle.spec.authority.workspace(),
    });
    Ok(answer.to_string())
}
