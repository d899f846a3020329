//! What the runtime tells, as the protocol's events (protocol section 16).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_agent::event::{RuntimeEvent, What};
use tidegate_protocol::payload::chat::{ChatMessage, ContentBlock, MessageRole};
use tidegate_protocol::payload::events::{
    AgentData, AgentEvent, ChatEvent, ChatState, SessionMessageEvent, SessionsChangedEvent, ToolResult,
};
use tidegate_protocol::{RunId, SessionKey, UnixMillis, event};
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
            let data = AgentData { started_at: Some(event.at), ..phase("start") };
            agent(inner, event, "lifecycle", data);
            phase_changed(gateway, event, "start").await;
        }
        What::ModelChosen { model } => {
            let (provider, model) = model.split_once('/').unwrap_or(("", model));
            let (provider, model) = (Some(provider.to_owned()), Some(model.to_owned()));
            agent(inner, event, "lifecycle", AgentData { provider, model, ..phase("model") });
        }
        What::Text { text, delta } => {
            let (so_far, delta) = (Some(text.to_string()), Some(delta.clone()));
            agent(inner, event, "assistant", AgentData { text: so_far, delta, ..AgentData::default() });
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
            let args = Some(arguments.clone()).filter(|arguments| !arguments.is_null());
            tool(inner, event, AgentData { args, ..tool_phase("start", name, call_id) });
        }
        What::ToolUpdated { call_id, name, text } => {
            let partial_result = Some(tool_result(text));
            tool_update(inner, event, AgentData { partial_result, ..tool_phase("update", name, call_id) });
        }
        What::ToolEnded { call_id, name, text, is_error } => {
            let (is_error, result) = (Some(*is_error), Some(tool_result(text)));
            tool(inner, event, AgentData { is_error, result, ..tool_phase("result", name, call_id) });
        }
        What::Appended(entry) => {
            let payload = SessionMessageEvent {
                session_key: event.session.clone(),
                agent_id: event.session.agent(),
                message: entry_payload(entry),
                message_id: entry.id.clone(),
                message_seq: entry.seq,
            };
            inner.hub.publish::<event::SessionMessage>(&payload, Audience::Watchers(&event.session));
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
            let changed = Changed { reason: Some(reason.to_string()), ..Changed::default() };
            session_event(gateway, &event.session, changed).await;
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
    let stopped = |aborted: bool, reason: &str| AgentData {
        started_at: run.started_at,
        ended_at: run.ended_at,
        aborted: Some(aborted),
        stop_reason: Some(reason.to_owned()),
        ..phase("end")
    };
    let data = match outcome {
        Outcome::Ok => stopped(false, "stop"),
        Outcome::Cancelled => stopped(true, "aborted"),
        _ => AgentData { error: run.error.clone(), ended_at: run.ended_at, ..phase("error") },
    };
    agent(inner, event, "lifecycle", AgentData { execution_settled: Some(true), ..data });
    inner.hub.publish::<event::Chat>(&last_chat(event, outcome, run), Audience::Everyone);
    phase_changed(gateway, event, "end").await;
}

fn last_chat(event: &RuntimeEvent, outcome: Outcome, run: &RunRow) -> ChatEvent {
    let message = run.result.as_ref().map(|text| assistant_message(text, event.at));
    let stopped = |state: ChatState, reason: &str| ChatEvent {
        stop_reason: Some(reason.to_owned()),
        message: message.clone(),
        ..chat(event, state)
    };
    match outcome {
        Outcome::Ok => stopped(ChatState::Final, "stop"),
        Outcome::Cancelled => stopped(ChatState::Aborted, "aborted"),
        Outcome::Error | Outcome::TimedOut | Outcome::Interrupted => ChatEvent {
            error_message: run.error.clone(),
            error_kind: Some(if outcome == Outcome::TimedOut { "timeout" } else { "unknown" }.to_owned()),
            ..chat(event, ChatState::Error)
        },
    }
}

fn delta_event(inner: &Inner, event: &RuntimeEvent, shown: &mut Shown) {
    if shown.sent >= shown.text.len() {
        return;
    }
    let payload = ChatEvent {
        delta_text: Some(shown.text[shown.sent..].to_owned()),
        message: Some(assistant_message(&shown.text, event.at)),
        ..chat(event, ChatState::Delta)
    };
    shown.sent = shown.text.len();
    shown.at = event.at;
    inner.hub.publish::<event::Chat>(&payload, Audience::Everyone);
}

fn chat(event: &RuntimeEvent, state: ChatState) -> ChatEvent {
    ChatEvent {
        run_id: event.run.clone(),
        session_key: event.session.clone(),
        agent_id: event.session.agent(),
        seq: event.seq,
        spawned_by: event.spawned_by.clone(),
        state,
        delta_text: None,
        message: None,
        stop_reason: None,
        error_message: None,
        error_kind: None,
    }
}

fn assistant_message(text: &str, at: UnixMillis) -> ChatMessage {
    ChatMessage {
        timestamp: Some(at),
        ..ChatMessage::new(MessageRole::Assistant, vec![ContentBlock::Text { text: text.to_owned() }])
    }
}

fn phase(name: &str) -> AgentData {
    AgentData { phase: Some(name.to_owned()), ..AgentData::default() }
}

fn tool_phase(name: &str, tool: &str, call_id: &str) -> AgentData {
    AgentData { name: Some(tool.to_owned()), tool_call_id: Some(call_id.to_owned()), ..phase(name) }
}

fn tool_result(text: &str) -> ToolResult {
    ToolResult { content: vec![ContentBlock::Text { text: text.to_owned() }] }
}

fn agent_event(event: &RuntimeEvent, stream: &str, data: AgentData) -> AgentEvent {
    AgentEvent {
        run_id: event.run.clone(),
        session_key: event.session.clone(),
        agent_id: event.session.agent(),
        seq: event.seq,
        spawned_by: event.spawned_by.clone(),
        stream: stream.to_owned(),
        data,
        ts: event.at,
    }
}

fn agent(inner: &Inner, event: &RuntimeEvent, stream: &str, data: AgentData) {
    inner.hub.publish::<event::Agent>(&agent_event(event, stream, data), Audience::Everyone);
}

fn tool(inner: &Inner, event: &RuntimeEvent, data: AgentData) {
    let payload = agent_event(event, "tool", data);
    inner.hub.publish::<event::Agent>(&payload, Audience::ToolEvents);
    inner.hub.publish::<event::SessionTool>(&payload, Audience::Watchers(&event.session));
}

/// To the same, but for those who fall behind: the next update and the result say it all.
fn tool_update(inner: &Inner, event: &RuntimeEvent, data: AgentData) {
    let payload = agent_event(event, "tool", data);
    inner.hub.publish_droppable::<event::Agent>(&payload, Audience::ToolEvents);
    inner.hub.publish_droppable::<event::SessionTool>(&payload, Audience::Watchers(&event.session));
}

/// What `sessions.changed` says beside the session.
#[derive(Default)]
struct Changed {
    reason: Option<String>,
    phase: Option<String>,
    run: Option<RunId>,
}

async fn phase_changed(gateway: &Gateway, event: &RuntimeEvent, phase: &str) {
    let changed = Changed { phase: Some(phase.to_owned()), run: Some(event.run.clone()), reason: None };
    session_event(gateway, &event.session, changed).await;
}

async fn session_event(gateway: &Gateway, session: &SessionKey, changed: Changed) {
    let inner = gateway.inner();
    let row = inner.gatekeeper.store().session(session.clone()).await;
    let row = row.ok().flatten();
    publish_changed(inner, session, changed, row.as_ref());
}

/// Tells watchers that a client changed a session.
pub(crate) fn session_changed(inner: &Inner, row: &SessionRow, reason: &str) {
    let changed = Changed { reason: Some(reason.to_owned()), ..Changed::default() };
    publish_changed(inner, &row.key, changed, Some(row));
}

fn publish_changed(inner: &Inner, session: &SessionKey, changed: Changed, row: Option<&SessionRow>) {
    let payload = SessionsChangedEvent {
        session_key: session.clone(),
        agent_id: session.agent(),
        ts: now::wall(),
        reason: changed.reason,
        phase: changed.phase,
        run_id: changed.run,
        session: row.map(row_payload),
    };
    inner.hub.publish::<event::SessionsChanged>(&payload, Audience::Watchers(session));
}
