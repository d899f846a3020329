//! What the runtime tells, as the protocol's events (protocol section 16).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_agent::event::{RuntimeEvent, What};
use tidegate_protocol::{Event, RunId, SessionKey, UnixMillis};
use tidegate_store::{Outcome, RunRow, SessionRow};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::TaskTracker;

use crate::gateway::{Gateway, Inner};
use crate::hub::Audience;
use crate::methods::sessions::{entry_payload, row_payload};
use crate::now;

/// A `chat` delta carries the whole text so far, so not every piece needs one.
const DELTA_INTERVAL: Duration = Duration::from_millis(150);
/// How long after its acceptance a run's end is told at the earliest. OpenClaw's terminal interface
/// shows a run as waiting for ever when its end comes together with the acknowledgement of the
/// message, as it does from a model that answers at once.
const EARLIEST_END: Duration = Duration::from_millis(200);

/// The text of a run as clients have it.
#[derive(Default)]
struct Shown {
    text: Arc<str>,
    sent: usize,
    at: UnixMillis,
}

/// Forwards events until the gateway stops, and then what has happened so far.
pub(crate) async fn forward(gateway: Gateway, mut events: broadcast::Receiver<Arc<RuntimeEvent>>) {
    let mut shown: HashMap<RunId, Shown> = HashMap::new();
    let late_ends = TaskTracker::new();
    loop {
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = gateway.inner().stop.cancelled() => break,
        };
        match event {
            Ok(event) => forward_one(&gateway, &event, &mut shown, &late_ends).await,
            // What was missed is in the transcript; clients read it again with the next final.
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "events of runs were dropped: too many at once")
            }
            Err(RecvError::Closed) => break,
        }
    }
    late_ends.close();
    late_ends.wait().await;
}

async fn forward_one(
    gateway: &Gateway,
    event: &Arc<RuntimeEvent>,
    shown: &mut HashMap<RunId, Shown>,
    late_ends: &TaskTracker,
) {
    let inner = gateway.inner();
    match &event.what {
        What::Accepted => inner.gatekeeper.changed(),
        What::Started => {
            inner.gatekeeper.changed();
            agent(inner, event, "lifecycle", json!({ "phase": "start", "startedAt": event.at }));
            session_event(gateway, &event.session, json!({ "phase": "start", "runId": event.run })).await;
        }
        What::ModelChosen { model } => {
            let (provider, model) = model.split_once('/').unwrap_or(("", model));
            agent(
                inner,
                event,
                "lifecycle",
                json!({ "phase": "model", "provider": provider, "model": model }),
            );
        }
        What::Text { text, delta } => {
            agent(inner, event, "assistant", json!({ "text": &**text, "delta": delta }));
            let shown = shown.entry(event.run.clone()).or_default();
            // A new answer of the same run begins anew.
            if !text.starts_with(&*shown.text) {
                shown.sent = 0;
            }
            shown.text = text.clone();
            if event.at.since(shown.at) >= DELTA_INTERVAL {
                delta_event(inner, event, shown);
            }
        }
        What::ToolStarted { call_id, name, arguments } => {
            if let Some(shown) = shown.get_mut(&event.run) {
                delta_event(inner, event, shown);
            }
            let data = json!({ "phase": "start", "name": name, "toolCallId": call_id, "args": arguments });
            tool(inner, event, data);
        }
        What::ToolUpdated { call_id, name, text } => {
            let so_far = json!({ "content": [{ "type": "text", "text": text }] });
            let data =
                json!({ "phase": "update", "name": name, "toolCallId": call_id, "partialResult": so_far });
            tool_update(inner, event, data);
        }
        What::ToolEnded { call_id, name, text, is_error } => {
            let result = json!({ "content": [{ "type": "text", "text": text }] });
            let data = json!({
                "phase": "result", "name": name, "toolCallId": call_id, "isError": is_error, "result": result,
            });
            tool(inner, event, data);
        }
        What::Appended(entry) => {
            let payload = json!({
                "sessionKey": event.session,
                "agentId": event.session.agent(),
                "message": entry_payload(entry),
                "messageId": entry.id,
                "messageSeq": entry.seq,
            });
            inner.hub.publish(Event::SessionMessage, &payload, Audience::Watchers(&event.session));
        }
        What::Ended { outcome, run } => {
            shown.remove(&event.run);
            inner.tasks.spawn(show_end(gateway.clone(), event.run.clone()));
            let early = EARLIEST_END.saturating_sub(event.at.since(run.created_at));
            if early.is_zero() {
                ended(gateway, event, *outcome, run).await;
            } else {
                late_ends.spawn(end_later(gateway.clone(), event.clone(), early));
            }
        }
        What::SessionChanged { reason } => {
            session_event(gateway, &event.session, json!({ "reason": reason })).await;
        }
    }
}

/// The person's surfaces show what runs, which a run leaves a moment after its end was told.
async fn show_end(gateway: Gateway, run: RunId) {
    const LONGEST: Duration = Duration::from_secs(5);
    let inner = gateway.inner();
    if let Ok(runtime) = gateway.runtime() {
        tokio::select! {
            () = inner.stop.cancelled() => {}
            // Whatever it answers, the run has ended.
            _ = runtime.wait(run, LONGEST) => {}
        }
    }
    inner.gatekeeper.changed();
}

/// Tells a run's end after a while, or when the gateway stops.
async fn end_later(gateway: Gateway, event: Arc<RuntimeEvent>, wait: Duration) {
    tokio::select! {
        () = gateway.inner().stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
    if let What::Ended { outcome, run } = &event.what {
        ended(&gateway, &event, *outcome, run).await;
    }
}

async fn ended(gateway: &Gateway, event: &RuntimeEvent, outcome: Outcome, run: &RunRow) {
    let inner = gateway.inner();
    let data = match outcome {
        Outcome::Ok => json!({
            "phase": "end", "startedAt": run.started_at, "endedAt": run.ended_at,
            "aborted": false, "stopReason": "stop", "executionSettled": true,
        }),
        Outcome::Cancelled => json!({
            "phase": "end", "startedAt": run.started_at, "endedAt": run.ended_at,
            "aborted": true, "stopReason": "aborted", "executionSettled": true,
        }),
        _ => json!({
            "phase": "error", "error": run.error, "endedAt": run.ended_at, "executionSettled": true,
        }),
    };
    agent(inner, event, "lifecycle", data);
    inner.hub.publish(Event::Chat, &last_chat(event, outcome, run), Audience::Everyone);
    session_event(gateway, &event.session, json!({ "phase": "end", "runId": event.run })).await;
}

fn last_chat(event: &RuntimeEvent, outcome: Outcome, run: &RunRow) -> Value {
    let message = run.result.as_ref().map(|text| {
        json!({ "role": "assistant", "content": [{ "type": "text", "text": text }], "timestamp": event.at })
    });
    let mut payload = chat(event);
    let more = match outcome {
        Outcome::Ok => json!({ "state": "final", "stopReason": "stop", "message": message }),
        Outcome::Cancelled => json!({ "state": "aborted", "stopReason": "aborted", "message": message }),
        Outcome::Error | Outcome::TimedOut | Outcome::Interrupted => json!({
            "state": "error",
            "errorMessage": run.error,
            "errorKind": if outcome == Outcome::TimedOut { "timeout" } else { "unknown" },
        }),
    };
    merge(&mut payload, more);
    payload
}

fn delta_event(inner: &Inner, event: &RuntimeEvent, shown: &mut Shown) {
    if shown.sent >= shown.text.len() {
        return;
    }
    let mut payload = chat(event);
    merge(
        &mut payload,
        json!({
            "state": "delta",
            "deltaText": &shown.text[shown.sent..],
            "message": {
                "role": "assistant",
                "content": [{ "type": "text", "text": &*shown.text }],
                "timestamp": event.at,
            },
        }),
    );
    shown.sent = shown.text.len();
    shown.at = event.at;
    inner.hub.publish(Event::Chat, &payload, Audience::Everyone);
}

fn chat(event: &RuntimeEvent) -> Value {
    let mut payload = json!({
        "runId": event.run,
        "sessionKey": event.session,
        "agentId": event.session.agent(),
        "seq": event.seq,
    });
    if let Some(parent) = &event.spawned_by {
        merge(&mut payload, json!({ "spawnedBy": parent }));
    }
    payload
}

fn agent_payload(event: &RuntimeEvent, stream: &str, data: Value) -> Value {
    let mut payload = chat(event);
    merge(&mut payload, json!({ "stream": stream, "data": data, "ts": event.at }));
    payload
}

fn agent(inner: &Inner, event: &RuntimeEvent, stream: &str, data: Value) {
    inner.hub.publish(Event::Agent, &agent_payload(event, stream, data), Audience::Everyone);
}

fn tool(inner: &Inner, event: &RuntimeEvent, data: Value) {
    let payload = agent_payload(event, "tool", data);
    inner.hub.publish(Event::Agent, &payload, Audience::ToolEvents);
    inner.hub.publish(Event::SessionTool, &payload, Audience::Watchers(&event.session));
}

/// To the same, but for those who fall behind: the next update and the result say it all.
fn tool_update(inner: &Inner, event: &RuntimeEvent, data: Value) {
    let payload = agent_payload(event, "tool", data);
    inner.hub.publish_droppable(Event::Agent, &payload, Audience::ToolEvents);
    inner.hub.publish_droppable(Event::SessionTool, &payload, Audience::Watchers(&event.session));
}

async fn session_event(gateway: &Gateway, session: &SessionKey, more: Value) {
    let inner = gateway.inner();
    let row = inner.gatekeeper.store().session(session.clone()).await;
    let mut payload = json!({ "sessionKey": session, "agentId": session.agent(), "ts": now::wall() });
    merge(&mut payload, more);
    if let Ok(Some(row)) = row {
        merge(&mut payload, json!({ "session": row_payload(&row) }));
    }
    inner.hub.publish(Event::SessionsChanged, &payload, Audience::Watchers(session));
}

/// Tells watchers that a client changed a session.
pub(crate) fn session_changed(inner: &Inner, row: &SessionRow, reason: &str) {
    let payload = json!({
        "sessionKey": row.key,
        "agentId": row.agent,
        "reason": reason,
        "ts": now::wall(),
        "session": row_payload(row),
    });
    inner.hub.publish(Event::SessionsChanged, &payload, Audience::Watchers(&row.key));
}

fn merge(payload: &mut Value, more: Value) {
    if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
        payload.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
}
