//! `session_status`: where a session of the caller's tree stands.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{answer, state_name};
use crate::arguments::Arguments;
use crate::sessions::{Answer, SessionTools};
use crate::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

pub(super) struct SessionStatus<S>(pub(super) Arc<S>);

impl<S: SessionTools + 'static> Tool for SessionStatus<S> {
    fn description(&self) -> ToolDescription {
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

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move { answer("session_status", &context, self.status(&context, arguments)).await })
    }
}

impl<S: SessionTools> SessionStatus<S> {
    async fn status(&self, context: &ToolContext, arguments: Value) -> Answer<ToolOutput> {
        let arguments = Arguments::closed(arguments, &["sessionKey"])?;
        let status = self.0.status(&context.run, arguments.text("sessionKey")?).await?;
        let (row, limits) = (status.row, self.0.limits());
        let answer = json!({
            "sessionKey": row.key,
            "status": row.last_state.map(state_name),
            "model": status.model.or(row.model),
            "depth": row.depth,
            "usage": {"input": row.usage.input, "output": row.usage.output},
            "activeSubagents": status.active,
            "limits": {
                "depth": limits.depth,
                "activeSubagents": limits.children,
                "subagentsPerTask": limits.descendants,
            },
            "workspace": context.authority.workspace(),
        });
        Ok(ToolOutput::ok(answer.to_string()).by_runtime())
    }
}
