//! `sessions_list`: the sessions that the caller's session spawned.

use serde_json::{Map, Value, json};

use super::OwnToolError;
use crate::arguments::Arguments;
use crate::run::RunHandle;
use crate::runtime::Inner;
use crate::tool::ToolDescription;

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

pub(super) fn description() -> ToolDescription {
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

pub(super) async fn call(
    inner: &Inner,
    handle: &RunHandle,
    arguments: Value,
) -> Result<String, OwnToolError> {
    let arguments = Arguments::closed(arguments, &["limit", "activeMinutes"])?;
    let limit = arguments.number("limit", MOST, "a whole number up to 200")?.unwrap_or(USUAL);
    let mut params = json!({"spawnedBy": handle.session(), "limit": limit});
    if let Some(minutes) = arguments.number("activeMinutes", 60 * 24 * 365, "a whole number of minutes")? {
        params["activeMinutes"] = json!(minutes);
    }
    let answer = inner.subagents.call("sessions.list", params).await?;
    let rows = answer["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<Value> = rows.iter().map(shorten).collect();
    Ok(json!({"count": rows.len(), "sessions": rows}).to_string())
}

fn shorten(row: &Value) -> Value {
    let column = |name: &&str| {
        row.get(*name).filter(|value| !value.is_null()).map(|value| ((*name).to_owned(), value.clone()))
    };
    Value::Object(COLUMNS.iter().filter_map(column).collect::<Map<_, _>>())
}
