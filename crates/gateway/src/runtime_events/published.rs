//! Each event of the protocol that tells of runs and sessions, made and published.

use std::sync::Arc;

use tidegate_agent::event::RuntimeEvent;
use tidegate_protocol::payload::chat::{ChatMessage, ContentBlock, MessageRole};
use tidegate_protocol::payload::events::{
    AgentData, AgentEvent, ChatEvent, ChatState, SessionMessageEvent, SessionsChangedEvent, ToolResult,
};
use tidegate_protocol::{RunId, SessionKey, UnixMillis, event};
use tidegate_store::{Outcome, RunRow, SessionRow, TranscriptEntry};

use crate::hub::Audience;
use crate::now;
use crate::session_rows::row_payload;
use crate::state::{Gateway, Inner};
use crate::transcript::entry_payload;

/// The text of a run as clients have it.
#[derive(Default)]
pub(super) struct Shown {
    /// Which answer of the run it is, from 1.
    pub(super) answer: u64,
    pub(super) text: Arc<str>,
    pub(super) sent: usize,
    pub(super) at: UnixMillis,
}

pub(super) async fn appended(gateway: &Gateway, event: &RuntimeEvent, entry: &TranscriptEntry) {
    let inner = gateway.inner();
    if !inner.hub.is_watched(&event.session) {
        return;
    }
    let row = inner.store.session(event.session.clone()).await;
    let payload = SessionMessageEvent {
        session_key: event.session.clone(),
        agent_id: event.session.agent(),
        message: entry_payload(entry),
        message_id: entry.id.clone(),
        message_seq: entry.seq,
        session: row.ok().flatten().as_ref().map(row_payload),
    };
    inner.hub.publish::<event::SessionMessage>(&payload, Audience::Watchers(&event.session));
}

pub(super) async fn ended(
    gateway: &Gateway,
    event: &RuntimeEvent,
    outcome: Outcome,
    run: &RunRow,
    shown: Option<Shown>,
) {
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
    if let Some(mut shown) = shown {
        delta_event(inner, event, &mut shown);
    }
    inner.hub.publish::<event::Chat>(&last_chat(event, outcome, run), Audience::Everyone);
    phase_changed(gateway, event, "end").await;
}

pub(super) fn last_chat(event: &RuntimeEvent, outcome: Outcome, run: &RunRow) -> ChatEvent {
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

pub(super) fn delta_event(inner: &Inner, event: &RuntimeEvent, shown: &mut Shown) {
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

pub(super) fn chat(event: &RuntimeEvent, state: ChatState) -> ChatEvent {
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

pub(super) fn assistant_message(text: &str, at: UnixMillis) -> ChatMessage {
    ChatMessage { timestamp: Some(at), ..ChatMessage::of_text(MessageRole::Assistant, text) }
}

pub(super) fn phase(name: &str) -> AgentData {
    AgentData { phase: Some(name.to_owned()), ..AgentData::default() }
}

pub(super) fn tool_phase(name: &str, tool: &str, call_id: &str) -> AgentData {
    AgentData { name: Some(tool.to_owned()), tool_call_id: Some(call_id.to_owned()), ..phase(name) }
}

pub(super) fn tool_result(text: &str) -> ToolResult {
    ToolResult { content: vec![ContentBlock::Text { text: text.to_owned() }] }
}

pub(super) fn agent_event(event: &RuntimeEvent, stream: &str, data: AgentData) -> AgentEvent {
    AgentEvent {
        run_id: event.run.clone(),
        session_key: event.session.clone(),
        agent_id: event.session.agent(),
        seq: event.seq,
        spawned_by: event.spawned_by.clone(),
        session_id: (stream == "lifecycle").then(|| event.session_id.clone()),
        stream: stream.to_owned(),
        data,
        ts: event.at,
    }
}

pub(super) fn agent(inner: &Inner, event: &RuntimeEvent, stream: &str, data: AgentData) {
    inner.hub.publish::<event::Agent>(&agent_event(event, stream, data), Audience::Everyone);
}

pub(super) fn tool(inner: &Inner, event: &RuntimeEvent, data: AgentData) {
    let payload = agent_event(event, "tool", data);
    inner.hub.publish::<event::Agent>(&payload, Audience::ToolEvents);
    inner.hub.publish::<event::SessionTool>(&payload, Audience::Watchers(&event.session));
}

/// To the same, but for those who fall behind: the next update and the result say it all.
pub(super) fn tool_update(inner: &Inner, event: &RuntimeEvent, data: AgentData) {
    let payload = agent_event(event, "tool", data);
    inner.hub.publish_droppable::<event::Agent>(&payload, Audience::ToolEvents);
    inner.hub.publish_droppable::<event::SessionTool>(&payload, Audience::Watchers(&event.session));
}

/// What `sessions.changed` says beside the session.
#[derive(Default)]
pub(super) struct Changed {
    pub(super) reason: Option<String>,
    pub(super) phase: Option<String>,
    pub(super) run: Option<RunId>,
}

pub(super) async fn phase_changed(gateway: &Gateway, event: &RuntimeEvent, phase: &str) {
    let changed = Changed { phase: Some(phase.to_owned()), run: Some(event.run.clone()), reason: None };
    session_event(gateway, &event.session, changed).await;
}

pub(super) async fn session_event(gateway: &Gateway, session: &SessionKey, changed: Changed) {
    let inner = gateway.inner();
    if !inner.hub.is_watched(session) {
        return;
    }
    let row = inner.store.session(session.clone()).await;
    let row = row.ok().flatten();
    publish_changed(inner, session, changed, row.as_ref());
}

/// Tells watchers that a client changed a session.
pub(crate) fn session_changed(inner: &Inner, row: &SessionRow, reason: &str) {
    let changed = Changed { reason: Some(reason.to_owned()), ..Changed::default() };
    publish_changed(inner, &row.key, changed, Some(row));
}

pub(super) fn publish_changed(
    inner: &Inner,
    session: &SessionKey,
    changed: Changed,
    row: Option<&SessionRow>,
) {
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
