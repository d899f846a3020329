//! Sessions as clients see them, made of the rows of the store.

use serde_json::Value;
use tidegate_protocol::UnixMillis;
use tidegate_protocol::payload::sessions::{SessionEntry, SessionStatus};
use tidegate_protocol::payload::system::StatusSession;
use tidegate_store::{Outcome, RunState, SessionRow};

use crate::now;

/// The file that holds sessions, for clients that show one.
pub(crate) const FILE: &str = "tidegate.sqlite";
/// The setting beside `archived` that says since when; OpenClaw's command line looks at nothing else.
pub(crate) const ARCHIVED_AT: &str = "archivedAt";

/// A session as `sessions.list` and `sessions.changed` show it.
pub(crate) fn row_payload(row: &SessionRow) -> SessionEntry {
    let (provider, model) = row.model.as_deref().and_then(|model| model.split_once('/')).unzip();
    let setting = |name: &str| row.settings.get(name).filter(|value| !value.is_null()).cloned();
    SessionEntry {
        key: row.key.clone(),
        session_id: row.session_id.clone(),
        agent_id: row.agent.clone(),
        kind: "direct".to_owned(),
        label: row.label.clone(),
        display_name: row.label.clone(),
        spawned_by: row.parent.clone(),
        parent_session_key: row.parent.clone(),
        spawn_depth: Some(row.depth),
        created_at: Some(row.created_at),
        updated_at: row.updated_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        runtime_ms: row.started_at.zip(row.ended_at).map(|(start, end)| end.0.saturating_sub(start.0)),
        status: status(row),
        last_run_id: row.last_run.clone(),
        aborted_last_run: matches!(row.last_state, Some(RunState::Terminal(Outcome::Cancelled))),
        input_tokens: row.usage.input,
        output_tokens: row.usage.output,
        total_tokens: row.usage.input + row.usage.output,
        total_tokens_fresh: true,
        model_provider: provider.map(str::to_owned),
        model: model.map(str::to_owned),
        last_message_preview: None,
        archived: is_set(row, "archived").then_some(true),
        archived_at: archived_at(row),
        pinned: is_set(row, "pinned").then_some(true),
        category: setting("category"),
        icon: setting("icon"),
        color: setting("color"),
        thinking_level: setting("thinkingLevel"),
        fast_mode: setting("fastMode"),
        verbose_level: setting("verboseLevel"),
        reasoning_level: setting("reasoningLevel"),
        response_usage: setting("responseUsage"),
        elevated_level: setting("elevatedLevel"),
        send_policy: setting("sendPolicy"),
        group_activation: setting("groupActivation"),
        queue_mode: setting("queueMode"),
        workspace: row.workspace.as_ref().map(|folder| folder.path.to_string_lossy().into_owned()),
    }
}

/// A session as `status` shows it.
pub(crate) fn status_row(row: &SessionRow) -> StatusSession {
    StatusSession {
        agent_id: row.agent.to_string(),
        key: row.key.clone(),
        kind: "direct".to_owned(),
        session_id: row.session_id.to_string(),
        updated_at: row.updated_at,
        age: now::wall().0.saturating_sub(row.updated_at.0),
        input_tokens: row.usage.input,
        output_tokens: row.usage.output,
        total_tokens: row.usage.input + row.usage.output,
        total_tokens_fresh: true,
        model: row.model.clone(),
        flags: Vec::new(),
    }
}

/// Whether a setting that is on or off is on.
pub(crate) fn is_set(row: &SessionRow, setting: &str) -> bool {
    row.settings.get(setting) == Some(&Value::Bool(true))
}

/// When a session was archived, if it is; what was archived before this was kept, at its last change.
fn archived_at(row: &SessionRow) -> Option<UnixMillis> {
    let kept = row.settings.get(ARCHIVED_AT).and_then(Value::as_u64).map(UnixMillis);
    is_set(row, "archived").then(|| kept.unwrap_or(row.updated_at))
}

/// The state of a session's newest run, as clients know it.
fn status(row: &SessionRow) -> Option<SessionStatus> {
    row.last_state.map(|state| match state {
        RunState::Queued | RunState::Running => SessionStatus::Running,
        RunState::Terminal(Outcome::Ok) => SessionStatus::Done,
        RunState::Terminal(Outcome::Error | Outcome::Interrupted) => SessionStatus::Failed,
        RunState::Terminal(Outcome::TimedOut) => SessionStatus::Timeout,
        RunState::Terminal(Outcome::Cancelled) => SessionStatus::Killed,
    })
}
