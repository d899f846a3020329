//! What the methods of `sessions.*` answer with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AgentId, ErrorShape, RunId, SessionId, SessionKey, UnixMillis};

/// The state of a session's newest run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    Running,
    Done,
    Failed,
    Killed,
    Timeout,
}

/// `sessions.resolve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SessionsResolveResult {
    Resolved(SessionResolved),
    Unresolved(SessionsUnresolved),
}

objects! {
    /// A session as lists and `sessions.changed` show it.
    SessionEntry {
        key: SessionKey,
        session_id: SessionId,
        agent_id: AgentId,
        kind: String,
        label: Option<String>,
        display_name: Option<String>,
        /// The session that spawned it.
        spawned_by: Option<SessionKey>,
        parent_session_key: Option<SessionKey>,
        /// 0 for sessions that nobody spawned.
        spawn_depth: Option<u32>,
        created_at: Option<UnixMillis>,
        updated_at: UnixMillis,
        /// When its newest run began.
        started_at: Option<UnixMillis>,
        ended_at: Option<UnixMillis>,
        runtime_ms: Option<u64>,
        status: Option<SessionStatus>,
        last_run_id: Option<RunId>,
        aborted_last_run: bool,
        input_tokens: u64,
        output_tokens: u64,
        total_tokens: u64,
        total_tokens_fresh: bool,
        model_provider: Option<String>,
        model: Option<String>,
        /// The beginning of the last message, where it was asked for.
        last_message_preview: Option<String>,
        archived: Option<bool>,
        /// Since when it is archived.
        archived_at: Option<UnixMillis>,
        pinned: Option<bool>,
        category: Option<Value>,
        icon: Option<Value>,
        color: Option<Value>,
        thinking_level: Option<Value>,
        fast_mode: Option<Value>,
        verbose_level: Option<Value>,
        reasoning_level: Option<Value>,
        response_usage: Option<Value>,
        elevated_level: Option<Value>,
        send_policy: Option<Value>,
        group_activation: Option<Value>,
        queue_mode: Option<Value>,
        /// The folder that a person chose for it, by its real path; without one it has the gateway's.
        workspace: Option<String>,
    }
    /// `tidegate.sessions.workspace`.
    SessionWorkspaceResult {
        key: SessionKey,
        /// The session's label, where it has one.
        label: Option<String>,
        /// By its real path.
        folder: String,
        /// Whether it is the folder that sessions have when nobody chose one for them.
        is_default: bool,
        /// The folder of the session until then.
        before: String,
        /// How many of its files other folders hold as well (hard links). None where that could not be
        /// found out.
        shared_files: Option<u64>,
        /// Files and folders in it, relative, in which they all lie.
        shared_places: Vec<String>,
        /// With it the folder is chosen exactly as it is shown here.
        digest: String,
        /// Whether it is chosen now, and not only shown.
        chosen: bool,
    }
    /// What sessions use when nobody chose.
    SessionModelDefaults {
        #[serialize_always] model_provider: Option<String>,
        #[serialize_always] model: Option<String>,
        #[serialize_always] context_tokens: Option<u64>,
    }
    /// `sessions.list`.
    SessionsListResult {
        ts: UnixMillis,
        path: String,
        count: u64,
        total_count: u64,
        limit_applied: u32,
        #[serialize_always] next_offset: Option<u32>,
        has_more: bool,
        owners: Vec<Value>,
        defaults: SessionModelDefaults,
        sessions: Vec<SessionEntry>,
    }
    /// `sessions.describe`; no session when there is none of that key.
    SessionsDescribeResult {
        ts: UnixMillis,
        #[serialize_always] session: Option<SessionEntry>,
    }
    /// One line of a preview.
    PreviewItem {
        #[serialize_always] role: Option<String>,
        text: String,
    }
    /// The last lines of one session.
    SessionPreview {
        key: SessionKey,
        /// `ok`, `empty` or `missing`.
        status: String,
        items: Vec<PreviewItem>,
    }
    /// `sessions.preview`.
    SessionsPreviewResult {
        ts: UnixMillis,
        previews: Vec<SessionPreview>,
    }
    /// `sessions.patch`.
    SessionsPatchResult {
        ok: bool,
        path: String,
        key: SessionKey,
        entry: SessionEntry,
    }
    /// `sessions.reset`.
    SessionsResetResult {
        ok: bool,
        key: SessionKey,
        entry: SessionEntry,
    }
    /// `sessions.delete`.
    SessionsDeleteResult {
        ok: bool,
        key: SessionKey,
        deleted: bool,
        archived: Vec<Value>,
    }
    /// The model that a new session uses.
    SessionModel {
        model_provider: Option<String>,
        model: Option<String>,
    }
    /// `sessions.create`. The fields of the first turn are there when a message was given.
    SessionsCreateResult {
        ok: bool,
        key: SessionKey,
        session_id: SessionId,
        entry: SessionEntry,
        run_started: bool,
        run_id: Option<RunId>,
        status: Option<String>,
        /// Why the first turn was not started; the session is there.
        run_error: Option<ErrorShape>,
        resolved: SessionModel,
    }
    /// `sessions.get`: the newest messages, oldest first.
    SessionsGetResult {
        #[schemars(with = "Vec<super::chat::ChatMessage>")] messages: Vec<Value>,
    }
    /// The session that was asked for.
    SessionResolved {
        ok: bool,
        key: SessionKey,
        agent_id: AgentId,
        display_name: Option<String>,
    }
    /// One of several sessions that fit.
    SessionCandidate {
        key: SessionKey,
        agent_id: AgentId,
        display_name: Option<String>,
    }
    /// No session fits, or several do.
    SessionsUnresolved {
        ok: bool,
        /// At most 10.
        candidates: Option<Vec<SessionCandidate>>,
    }
    /// `sessions.abort`.
    SessionsAbortResult {
        ok: bool,
        #[serialize_always] aborted_run_id: Option<RunId>,
        /// `aborted` or `no-active-run`.
        status: String,
    }
    /// `sessions.subscribe`, `sessions.messages.subscribe` and `sessions.messages.unsubscribe`.
    Subscribed {
        subscribed: bool,
        key: Option<SessionKey>,
    }
}
