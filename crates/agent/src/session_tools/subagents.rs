//! `subagents`: lists, waits for and cancels the caller's subagents.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tidegate_protocol::text::one_line;
use tidegate_store::{RunRow, RunState};

use super::{answer, state_name};
use crate::arguments::{ArgumentError, Arguments};
use crate::sessions::{Answer, SessionTools};
use crate::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

const FIELDS: &[&str] = &["action", "taskIds", "timeoutSeconds", "recentMinutes"];
const MOST_TASKS: usize = 32;
const MOST_LISTED: usize = 200;
const MOST_SECONDS: u64 = 60;
const USUAL_SECONDS: u64 = 30;
const USUAL_MINUTES: u64 = 30;
const MOST_MINUTES: u64 = 24 * 60;

const NOTE: &str = "Results that you have not read yet follow as messages of the runtime.";

pub(super) struct Subagents<S>(pub(super) Arc<S>);

impl<S: SessionTools + 'static> Tool for Subagents<S> {
    fn description(&self) -> ToolDescription {
        ToolDescription {
            name: "subagents",
            label: "Subagents",
            description: "list: your subagents that work or ended lately. wait: until the given subagents, or all, have \
                          ended; their results then come to you as messages of the runtime. cancel: stop the given \
                          subagents and everything below them.",
            group: "agents",
            parameters: json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["action"],
                "properties": {
                    "action": {"type": "string", "enum": ["list", "wait", "cancel"]},
                    "taskIds": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_TASKS, "description": "runId, session key or label of each; needed for cancel."},
                    "timeoutSeconds": {"type": "integer", "minimum": 0, "maximum": MOST_SECONDS, "description": "How long to wait, 30 if left out."},
                    "recentMinutes": {"type": "integer", "minimum": 0, "maximum": MOST_MINUTES, "description": "How far back list looks."},
                },
            }),
        }
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move { answer("subagents", &context, self.act(&context, arguments)).await })
    }
}

impl<S: SessionTools> Subagents<S> {
    async fn act(&self, context: &ToolContext, arguments: Value) -> Answer<ToolOutput> {
        let arguments = Arguments::closed(arguments, FIELDS)?;
        let expected = "\"list\", \"wait\" or \"cancel\"";
        let answer = match arguments.word("action", &["list", "wait", "cancel"], expected)? {
            Some("list") => self.list(context, &arguments).await?,
            Some("wait") => self.wait(context, &arguments).await?,
            Some(_) => self.cancel(context, &arguments).await?,
            None => return Err(ArgumentError::Missing { field: "action", expected }.into()),
        };
        Ok(ToolOutput::ok(answer.to_string()).by_runtime())
    }

    async fn list(&self, context: &ToolContext, arguments: &Arguments) -> Answer<Value> {
        let expected = "a whole number of minutes, at most 1440";
        let minutes = arguments.number("recentMinutes", MOST_MINUTES, expected)?.unwrap_or(USUAL_MINUTES);
        let children = self.0.children(&context.run, Duration::from_mins(minutes)).await?;
        let tasks: Vec<Value> = children.iter().take(MOST_LISTED).map(|run| self.describe(run)).collect();
        Ok(json!({"total": children.len(), "tasks": tasks}))
    }

    async fn wait(&self, context: &ToolContext, arguments: &Arguments) -> Answer<Value> {
        let expected = "a whole number of seconds, at most 60";
        let seconds = arguments.number("timeoutSeconds", MOST_SECONDS, expected)?.unwrap_or(USUAL_SECONDS);
        let names = arguments.texts("taskIds", MOST_TASKS)?;
        let runs = self.0.wait(&context.run, names.as_deref(), Duration::from_secs(seconds)).await?;
        let all_ended = runs.iter().all(|run| matches!(run.state, RunState::Terminal(_)));
        let reason = if all_ended { "completed" } else { "timeout" };
        let tasks: Vec<Value> = runs.iter().map(|run| self.describe(run)).collect();
        Ok(json!({"reason": reason, "tasks": tasks, "note": NOTE}))
    }

    async fn cancel(&self, context: &ToolContext, arguments: &Arguments) -> Answer<Value> {
        let names = arguments.texts("taskIds", MOST_TASKS)?.unwrap_or_default();
        if names.is_empty() {
            return Err(ArgumentError::Missing { field: "taskIds", expected: "the subagents to stop" }.into());
        }
        let report = self.0.cancel(&context.run, &names).await?;
        Ok(json!({"cancelled": report.cancelled, "unfinished": report.unfinished}))
    }

    fn describe(&self, run: &RunRow) -> Value {
        let until = run.ended_at.unwrap_or_else(|| self.0.now());
        let runtime = run.started_at.map(|started| until.since(started).as_millis());
        json!({
            "taskId": run.id,
            "sessionKey": run.session,
            "label": run.label.as_deref().map(|label| one_line(label, 120)),
            "status": state_name(run.state),
            "startedAt": run.started_at,
            "endedAt": run.ended_at,
            "runtimeMs": runtime.map(|runtime| u64::try_from(runtime).unwrap_or(u64::MAX)),
            "model": run.model,
            "tokens": {"input": run.usage.input, "output": run.usage.output},
        })
    }
}
