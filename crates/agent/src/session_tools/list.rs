//! `sessions_list`: the sessions that the caller's session spawned.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::answer;
use crate::arguments::Arguments;
use crate::sessions::{Answer, SessionTools};
use crate::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

const MOST: u64 = 200;
const USUAL: u64 = 50;

/// What a model needs to know of a session.
const COLUMNS: &[&str] = &[
    "key",
    "label",
    "status",
    "updatedAt",
    "startedAt",
    "endedAt",
    "runtimeMs",
    "modelProvider",
    "model",
    "totalTokens",
];

pub(super) struct SessionsList<S>(pub(super) Arc<S>);

impl<S: SessionTools + 'static> Tool for SessionsList<S> {
    fn description(&self) -> ToolDescription {
        ToolDescription {
            name: "sessions_list",
            label: "List sessions",
            description: "List the sessions of the subagents that you have started, newest first.",
            group: "sessions",
            parameters: json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST},
                    "activeMinutes": {"type": "integer", "minimum": 1, "description": "Only those that changed within so many minutes."},
                },
            }),
        }
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move { answer("sessions_list", &context, self.list(&context, arguments)).await })
    }
}

impl<S: SessionTools> SessionsList<S> {
    async fn list(&self, context: &ToolContext, arguments: Value) -> Answer<ToolOutput> {
        let arguments = Arguments::closed(arguments, &["limit", "activeMinutes"])?;
        let limit = arguments.number("limit", MOST, "a whole number up to 200")?.unwrap_or(USUAL);
        let minutes = arguments.number("activeMinutes", 60 * 24 * 365, "a whole number of minutes")?;
        let rows = self.0.spawned_sessions(&context.run, limit, minutes).await?;
        let rows: Vec<Value> = rows.iter().map(shorten).collect();
        // Labels of sessions are text of others.
        Ok(ToolOutput::ok(json!({"count": rows.len(), "sessions": rows}).to_string()))
    }
}

fn shorten(row: &Value) -> Value {
    let column = |name: &&str| {
        row.get(*name).filter(|value| !value.is_null()).map(|value| ((*name).to_owned(), value.clone()))
    };
    Value::Object(COLUMNS.iter().filter_map(column).collect::<Map<_, _>>())
}
