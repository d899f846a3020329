//! Sessions (protocol section 15).

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate_protocol::params::{
    PATCHABLE, SessionRef, SessionsDelete, SessionsList, SessionsPatch, SessionsPreview, SessionsReset,
};
use tidegate_protocol::{ErrorShape, SessionId, SessionKey, text};
use tidegate_store::{Outcome, RunState, SessionFilter, SessionPatch, SessionRow, TranscriptEntry};

use super::store_error;
use crate::dispatch::Caller;
use crate::now;

/// The most sessions in one answer.
const MAX_LISTED: u32 = 500;

/// `sessions.list`.
pub(crate) async fn list(caller: &Caller, params: SessionsList) -> Result<Value, ErrorShape> {
    let limit = params.limit.unwrap_or(100).clamp(1, MAX_LISTED);
    let store = caller.gateway.inner().gatekeeper.store();
    let active = params.active_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    let filter = SessionFilter {
        agent: params.agent_id,
        spawned_by: params.spawned_by,
        updated_since: active.map(|since| {
            let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            tidegate_protocol::UnixMillis(now::wall().0.saturating_sub(since))
        }),
        search: params.search,
        label: params.label,
        limit,
    };
    let rows = store.sessions(filter).await.map_err(|error| store_error(&error))?;
    let total = store.count_sessions().await.map_err(|error| store_error(&error))?;
    let mut sessions = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut payload = row_payload(row);
        if params.include_last_message == Some(true) || params.include_derived_titles == Some(true) {
            let last = store
                .transcript(row.session_id.clone(), None, 1)
                .await
                .map_err(|error| store_error(&error))?;
            let preview = last.first().map(|entry| text::one_line(&plain_text(&entry.body), 200));
            payload.insert("lastMessagePreview".to_owned(), json!(preview));
        }
        sessions.push(Value::Object(payload));
    }
    Ok(json!({
        "ts": now::wall(),
        "path": "tidegate.sqlite",
        "count": sessions.len(),
        "totalCount": total,
        "limitApplied": limit,
        "nextOffset": null,
        "hasMore": u64::try_from(sessions.len()).unwrap_or(u64::MAX) < total && rows.len() == limit as usize,
        "owners": [],
        "defaults": defaults(caller).await,
        "sessions": sessions,
    }))
}

/// What sessions use when nobody chose.
pub(crate) async fn defaults(caller: &Caller) -> Value {
    let model = match caller.gateway.inner().models.get() {
        Some(models) => Some(models.default_model().await.name()),
        None => None,
    };
    json!({
        "modelProvider": model.as_ref().map(|model| model.provider.clone()),
        "model": model.as_ref().map(|model| model.model.clone()),
        "contextTokens": null,
    })
}

/// `sessions.describe`.
pub(crate) async fn describe(caller: &Caller, params: SessionRef) -> Result<Value, ErrorShape> {
    let store = caller.gateway.inner().gatekeeper.store();
    let row = store.session(params.key.clone()).await.map_err(|error| store_error(&error))?;
    Ok(json!({ "ts": now::wall(), "session": row.as_ref().map(row_payload) }))
}

/// `sessions.preview`.
pub(crate) async fn preview(caller: &Caller, params: SessionsPreview) -> Result<Value, ErrorShape> {
    let store = caller.gateway.inner().gatekeeper.store();
    let limit = params.limit.unwrap_or(12).clamp(1, 50);
    let max_chars = params.max_chars.unwrap_or(240).clamp(20, 2000) as usize;
    let mut previews = Vec::new();
    for key in params.keys.into_iter().take(64) {
        let row = store.session(key.clone()).await.map_err(|error| store_error(&error))?;
        let Some(row) = row else {
            previews.push(json!({ "key": key, "status": "missing", "items": [] }));
            continue;
        };
        let entries =
            store.transcript(row.session_id, None, limit).await.map_err(|error| store_error(&error))?;
        let items: Vec<Value> = entries
            .iter()
            .map(|entry| (entry.body.get("role").cloned(), plain_text(&entry.body)))
            .filter(|(_, text)| !text.is_empty())
            .map(|(role, text)| json!({ "role": role, "text": text::one_line(&text, max_chars) }))
            .collect();
        let status = if items.is_empty() { "empty" } else { "ok" };
        previews.push(json!({ "key": key, "status": status, "items": items }));
    }
    Ok(json!({ "ts": now::wall(), "previews": previews }))
}

/// `sessions.patch`. Lineage is a fact of the runtime: naming it here is an error.
pub(crate) async fn patch(caller: &Caller, params: SessionsPatch) -> Result<Value, ErrorShape> {
    let mut patch = SessionPatch::default();
    for (name, value) in params.fields {
        match (name.as_str(), value) {
            ("label", Value::Null) => patch.label = Some(None),
            ("label", Value::String(label)) if label.chars().count() <= 512 => {
                patch.label = Some(Some(text::one_line(&label, 512)));
            }
            ("label", _) => {
                return Err(invalid(
                    "sessions.patch",
                    "/label",
                    "must be a text of at most 512 characters, or null",
                ));
            }
            (name, value) if PATCHABLE.contains(&name) => {
                let fits = match &value {
                    Value::String(text) => text.len() <= 256,
                    Value::Null | Value::Bool(_) | Value::Number(_) => true,
                    _ => false,
                };
                if !fits {
                    return Err(invalid(
                        "sessions.patch",
                        &format!("/{name}"),
                        "must be a short text, a number, true, false or null",
                    ));
                }
                patch.settings.insert(name.to_owned(), value);
            }
            (name, _) => {
                let name = text::one_line(name, 64);
                return Err(invalid("sessions.patch", "root", &format!("unexpected property '{name}'")));
            }
        }
    }
    if let Some(Value::String(model)) = patch.settings.get("model") {
        super::chat::known_model(caller, model).await?;
    }
    let store = caller.gateway.inner().gatekeeper.store();
    let id = new_session_id()?;
    store.ensure_session(params.key.clone(), id, now::wall()).await.map_err(|error| store_error(&error))?;
    let row = store
        .patch_session(params.key.clone(), patch, now::wall())
        .await
        .map_err(|error| store_error(&error))?;
    let row = row.ok_or_else(|| unknown_session(&params.key))?;
    changed(caller, &row, "patch");
    Ok(json!({ "ok": true, "path": "tidegate.sqlite", "key": row.key, "entry": row_payload(&row) }))
}

/// `sessions.reset`.
pub(crate) async fn reset(caller: &Caller, params: SessionsReset) -> Result<Value, ErrorShape> {
    end_runs(caller, &params.key).await?;
    let store = caller.gateway.inner().gatekeeper.store();
    let row = store
        .reset_session(params.key.clone(), new_session_id()?, now::wall())
        .await
        .map_err(|error| store_error(&error))?
        .ok_or_else(|| unknown_session(&params.key))?;
    changed(caller, &row, "reset");
    Ok(json!({ "ok": true, "key": row.key, "entry": row_payload(&row) }))
}

/// `sessions.delete`.
pub(crate) async fn delete(caller: &Caller, params: SessionsDelete) -> Result<Value, ErrorShape> {
    if params.key.is_main() {
        return Err(ErrorShape::invalid(format!("Cannot delete the main session ({}).", params.key)));
    }
    end_runs(caller, &params.key).await?;
    let store = caller.gateway.inner().gatekeeper.store();
    let row = store.session(params.key.clone()).await.map_err(|error| store_error(&error))?;
    let keep = params.delete_transcript == Some(false);
    let deleted =
        store.delete_session(params.key.clone(), keep).await.map_err(|error| store_error(&error))?;
    if let Some(row) = row.filter(|_| deleted) {
        changed(caller, &row, "delete");
    }
    Ok(json!({ "ok": true, "key": params.key, "deleted": deleted, "archived": [] }))
}

/// Stops a session's runs and waits until they have ended.
async fn end_runs(caller: &Caller, key: &SessionKey) -> Result<(), ErrorShape> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let runtime = caller.gateway.runtime()?;
    let aborted = runtime.abort(key, None).await;
    for run in aborted.runs.into_iter().chain(aborted.descendants) {
        runtime.wait(run, PATIENCE).await.map_err(|error| store_error(&error))?;
    }
    Ok(())
}

/// `sessions.subscribe`.
pub(crate) fn subscribe(caller: &Caller) -> Value {
    caller.gateway.inner().hub.watch_all(caller.session.connection());
    json!({ "subscribed": true })
}

/// `sessions.messages.subscribe` and its end.
pub(crate) fn watch(caller: &Caller, params: &SessionRef, on: bool) -> Value {
    caller.gateway.inner().hub.watch(caller.session.connection(), &params.key, on);
    json!({ "subscribed": on, "key": params.key })
}

fn changed(caller: &Caller, row: &SessionRow, reason: &str) {
    crate::runtime_events::session_changed(caller.gateway.inner(), row, reason);
}

/// A fresh id for a transcript.
pub(crate) fn new_session_id() -> Result<SessionId, ErrorShape> {
    let id = now::entropy().map_err(|error| ErrorShape::unavailable(error.to_string()))?.uuid();
    SessionId::parse(id).map_err(|error| ErrorShape::unavailable(error.to_string()))
}

fn unknown_session(key: &SessionKey) -> ErrorShape {
    ErrorShape::invalid(format!("session not found: {key}"))
}

fn invalid(method: &str, place: &str, problem: &str) -> ErrorShape {
    ErrorShape::invalid(format!("invalid {method} params: at {place}: {problem}"))
}

/// The state of a session's newest run, as clients know it.
fn status_name(row: &SessionRow) -> Option<&'static str> {
    row.last_state.map(|state| match state {
        RunState::Queued | RunState::Running => "running",
        RunState::Terminal(Outcome::Ok) => "done",
        RunState::Terminal(Outcome::Error | Outcome::Interrupted) => "failed",
        RunState::Terminal(Outcome::TimedOut) => "timeout",
        RunState::Terminal(Outcome::Cancelled) => "killed",
    })
}

/// A session as `sessions.list` and `sessions.changed` show it.
pub(crate) fn row_payload(row: &SessionRow) -> Map<String, Value> {
    let (provider, model) = row.model.as_deref().and_then(|model| model.split_once('/')).unzip();
    let runtime_ms = row.started_at.zip(row.ended_at).map(|(start, end)| end.0.saturating_sub(start.0));
    let payload = json!({
        "key": row.key,
        "sessionId": row.session_id,
        "agentId": row.agent,
        "kind": "direct",
        "label": row.label,
        "displayName": row.label,
        "spawnedBy": row.parent,
        "parentSessionKey": row.parent,
        "spawnDepth": row.depth,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "startedAt": row.started_at,
        "endedAt": row.ended_at,
        "runtimeMs": runtime_ms,
        "status": status_name(row),
        "lastRunId": row.last_run,
        "abortedLastRun": matches!(row.last_state, Some(RunState::Terminal(Outcome::Cancelled))),
        "inputTokens": row.usage.input,
        "outputTokens": row.usage.output,
        "totalTokens": row.usage.input + row.usage.output,
        "totalTokensFresh": true,
        "modelProvider": provider,
        "model": model,
    });
    let Value::Object(mut payload) = payload else { return Map::new() };
    for (name, value) in &row.settings {
        if name != "model" {
            payload.insert(name.clone(), value.clone());
        }
    }
    payload.retain(|_, value| !value.is_null());
    payload
}

/// A session as `status` shows it.
pub(crate) fn status_row(row: &SessionRow) -> Value {
    json!({
        "agentId": row.agent,
        "key": row.key,
        "kind": "direct",
        "sessionId": row.session_id,
        "updatedAt": row.updated_at,
        "age": now::wall().0.saturating_sub(row.updated_at.0),
        "inputTokens": row.usage.input,
        "outputTokens": row.usage.output,
        "totalTokens": row.usage.input + row.usage.output,
        "totalTokensFresh": true,
        "model": row.model,
        "flags": [],
    })
}

/// The plain text of a message.
pub(crate) fn plain_text(body: &Value) -> String {
    match body.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// A transcript entry as clients see it.
pub(crate) fn entry_payload(entry: &TranscriptEntry) -> Value {
    let mut body = entry.body.clone();
    if let Some(body) = body.as_object_mut() {
        // What the runtime told the model is no role that clients know.
        if body.get("role").and_then(Value::as_str) == Some("runtime") {
            body.insert("role".to_owned(), json!("system"));
        }
        body.insert("__openclaw".to_owned(), json!({ "id": entry.id, "seq": entry.seq, "runId": entry.run }));
    }
    body
}
