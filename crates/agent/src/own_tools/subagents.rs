//! `subagents`: lists, waits for and cancels the caller's subagents.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::{RunRow, RunState};

use super::{OwnToolError, is_visible, state_word};
use crate::arguments::{ArgumentError, Arguments};
use crate::run::RunHandle;
use crate::runtime::Inner;
use crate::tool::ToolDescription;

const FIELDS: &[&str] = &["action", "taskIds", "timeoutSeconds", "recentMinutes"];
const MOST_TASKS: usize = 32;
const MOST_SECONDS: u64 = 60;
const USUAL_SECONDS: u64 = 30;
const USUAL_MINUTES: u64 = 30;
const MOST_MINUTES: u64 = 24 * 60;

pub(super) fn description() -> ToolDescription {
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

pub(super) async fn call(
    inner: &Inner,
    handle: &RunHandle,
    arguments: Value,
) -> Result<String, OwnToolError> {
    let arguments = Arguments::closed(arguments, FIELDS)?;
    let expected = "\"list\", \"wait\" or \"cancel\"";
    let action = arguments.word("action", &["list", "wait", "cancel"], expected)?;
    let answer = match action {
        Some("list") => list(inner, handle, &arguments).await?,
        Some("wait") => wait(inner, handle, &arguments).await?,
        Some(_) => cancel(inner, handle, &arguments).await?,
        None => return Err(ArgumentError::Missing { field: "action", expected }.into()),
    };
    Ok(answer.to_string())
}

async fn list(inner: &Inner, handle: &RunHandle, arguments: &Arguments) -> Result<Value, OwnToolError> {
    let minutes =
        arguments.number("recentMinutes", MOST_MINUTES, "a whole number of minutes, at most 1440")?;
    let window = Duration::from_secs(minutes.unwrap_or(USUAL_MINUTES) * 60);
    let since = tidegate_protocol::UnixMillis(
        inner.now().0.saturating_sub(u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
    );
    let children = inner.store.children(handle.session().clone(), Some(since)).await?;
    let tasks: Vec<Value> = children.iter().take(200).map(|run| describe(inner, run)).collect();
    Ok(json!({"total": children.len(), "tasks": tasks}))
}

async fn wait(inner: &Inner, handle: &RunHandle, arguments: &Arguments) -> Result<Value, OwnToolError> {
    let expected = "a whole number of seconds, at most 60";
    let seconds = arguments.number("timeoutSeconds", MOST_SECONDS, expected)?.unwrap_or(USUAL_SECONDS);
    let runs: Vec<RunId> = match arguments.texts("taskIds", MOST_TASKS)? {
        Some(names) => find_all(inner, handle, &names).await?.into_iter().map(|run| run.id).collect(),
        None => inner.unfinished_children(handle.session()).iter().map(|child| child.id().clone()).collect(),
    };
    let waits = runs
        .iter()
        .map(|run| inner.subagents.call("agent.wait", json!({"runId": run, "timeoutMs": seconds * 1000})));
    // What counts is how the runs stand afterwards, not what each wait answered.
    let answers = inner.without_place(handle, join_all(waits)).await;
    if let Some(Err(error)) = answers.into_iter().find(Result::is_err) {
        tracing::debug!(run = %handle.id(), %error, "waiting for a subagent failed");
    }
    let (mut tasks, mut all_ended) = (Vec::new(), true);
    for run in runs {
        if let Some(run) = inner.store.run(run).await? {
            all_ended &= matches!(run.state, RunState::Terminal(_));
            tasks.push(describe(inner, &run));
        }
    }
    let reason = if all_ended { "completed" } else { "timeout" };
    Ok(
        json!({"reason": reason, "tasks": tasks, "note": "Results that you have not read yet follow as messages of the runtime."}),
    )
}

async fn cancel(inner: &Inner, handle: &RunHandle, arguments: &Arguments) -> Result<Value, OwnToolError> {
    let names = arguments.texts("taskIds", MOST_TASKS)?.unwrap_or_default();
    if names.is_empty() {
        return Err(ArgumentError::Missing { field: "taskIds", expected: "the subagents to stop" }.into());
    }
    let runs = find_all(inner, handle, &names).await?;
    let (mut cancelled, mut unfinished) = (Vec::new(), Vec::new());
    let reports = inner.without_place(handle, join_all(runs.iter().map(|run| inner.cancel_tree(&run.id))));
    for report in reports.await {
        cancelled.extend(report.cancelled);
        unfinished.extend(report.unfinished);
    }
    Ok(json!({"cancelled": cancelled, "unfinished": unfinished}))
}

fn describe(inner: &Inner, run: &RunRow) -> Value {
    let until = run.ended_at.unwrap_or_else(|| inner.now());
    json!({
        "taskId": run.id,
        "sessionKey": run.session,
        "label": run.label.as_deref().map(|label| one_line(label, 120)),
        "status": state_word(run),
        "startedAt": run.started_at,
        "endedAt": run.ended_at,
        "runtimeMs": run.started_at.map(|started| u64::try_from(until.since(started).as_millis()).unwrap_or(u64::MAX)),
        "model": run.model,
        "tokens": {"input": run.usage.input, "output": run.usage.output},
    })
}

async fn find_all(inner: &Inner, handle: &RunHandle, names: &[String]) -> Result<Vec<RunRow>, OwnToolError> {
    let mut runs: Vec<RunRow> = Vec::new();
    for name in names {
        let found = find(inner, handle, name).await?;
        let run = found.ok_or_else(|| {
            OwnToolError::Refused(format!("{:?} is none of your subagents", one_line(name, 128)))
        })?;
        if runs.iter().all(|other| other.id != run.id) {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// A subagent of the caller's tree, by run, session key or label.
async fn find(inner: &Inner, handle: &RunHandle, name: &str) -> Result<Option<RunRow>, OwnToolError> {
    let own = handle.session();
    if let Some(child) = find_active(inner, own, name) {
        return Ok(Some(child));
    }
    let mut found = match RunId::parse(name) {
        Ok(id) => inner.store.run(id).await?,
        Err(_) => None,
    };
    if found.is_none()
        && let Ok(key) = SessionKey::parse(name)
        && let Some(last) = inner.store.session(key).await?.and_then(|row| row.last_run)
    {
        found = inner.store.run(last).await?;
    }
    match found {
        Some(run) if run.session != *own && is_visible(inner, own, &run.session).await? => Ok(Some(run)),
        _ => Ok(None),
    }
}

fn find_active(inner: &Inner, own: &SessionKey, name: &str) -> Option<RunRow> {
    let schedule = inner.schedule();
    let below = |handle: &&std::sync::Arc<RunHandle>| handle.above().any(|above| above.session() == own);
    let mut matching = schedule.active.values().filter(below).filter(|child| {
        child.id().as_str() == name
            || child.session().as_str() == name
            || child.row.label.as_deref() == Some(name)
    });
    // A label that two subagents share names neither.
    let first = matching.next()?;
    matching.next().is_none().then(|| first.row.clone())
}
