//! Parameters of what chat clients and the Control UI ask beside turns: closed objects, as in
//! [`crate::params`].

use std::collections::BTreeMap;

use serde_json::Value;

use crate::field::ServedAgent;
use crate::ids::{AgentId, RunId, SessionKey};

payload! {
    /// `chat.startup`: as `chat.history`, or by the beginning of the session's UUID.
    ChatStartup {
        session_key: Option<SessionKey>,
        short_id: Option<String>,
        slug_hint: Option<String>,
        agent_id: Option<ServedAgent>,
        limit: Option<u32>,
        max_chars: Option<u32>,
        max_bytes: Option<u64>,
        cursor: Option<String>,
        offset: Option<u32>,
        pending_before: Option<u64>,
        input_run_ids: Option<Vec<String>>,
        message_id: Option<String>,
        session_id: Option<String>,
    }
    /// `chat.metadata`.
    ChatMetadata {
        agent_id: Option<AgentId>,
        session_key: Option<SessionKey>,
        auth_profile_id: Option<String>,
    }
    /// `chat.message.get`.
    ChatMessageGet {
        session_key: SessionKey,
        agent_id: Option<AgentId>,
        message_id: String,
        max_chars: Option<u32>,
    }
    /// `sessions.create`.
    #[derive(Default)]
    SessionsCreate {
        key: Option<SessionKey>,
        idempotency_key: Option<String>,
        agent_id: Option<AgentId>,
        label: Option<String>,
        display_name: Option<String>,
        category: Option<String>,
        model: Option<String>,
        agent_runtime: Option<Value>,
        context_window: Option<String>,
        thinking_level: Option<String>,
        fast_mode: Option<Value>,
        permission_mode: Option<String>,
        tool_overrides: Option<BTreeMap<String, Value>>,
        incognito: Option<bool>,
        visibility: Option<String>,
        catalog_id: Option<String>,
        parent_session_key: Option<SessionKey>,
        spawn_depth: Option<u32>,
        fork: Option<bool>,
        fork_from: Option<String>,
        emit_command_hooks: Option<bool>,
        succeeds_parent: Option<bool>,
        task: Option<String>,
        message: Option<String>,
        title_source: Option<Value>,
        mentions: Option<Vec<Value>>,
        timeout_ms: Option<u64>,
        attachments: Option<Vec<Value>>,
        project_id: Option<String>,
        project_git_url: Option<String>,
        worktree: Option<bool>,
        worktree_base_ref: Option<String>,
        worktree_name: Option<String>,
        worktree_source: Option<String>,
        exec_node: Option<String>,
        cwd: Option<String>,
    }
    /// `sessions.get`; one of the two names the session.
    SessionsGet {
        key: Option<SessionKey>,
        session_key: Option<SessionKey>,
        agent_id: Option<AgentId>,
        limit: Option<u32>,
    }
    /// The session of a page's address: its key, else the name in the address.
    SessionReference {
        key: SessionKey,
        slug: Option<String>,
    }
    /// `sessions.resolve`: exactly one of key, session id, label, short id and reference.
    #[derive(Default)]
    SessionsResolve {
        key: Option<SessionKey>,
        session_id: Option<String>,
        label: Option<String>,
        short_id: Option<String>,
        slug_hint: Option<String>,
        reference: Option<SessionReference>,
        agent_id: Option<AgentId>,
        spawned_by: Option<SessionKey>,
        include_global: Option<bool>,
        include_unknown: Option<bool>,
        allow_missing: Option<bool>,
    }
    /// `sessions.abort`: a session, or a run of any.
    SessionsAbort {
        key: Option<SessionKey>,
        run_id: Option<RunId>,
        agent_id: Option<AgentId>,
        clear_queued: Option<bool>,
    }
    /// `progressCard.get`, `sessions.branches.list`, `sessions.companion.state`.
    OfSession {
        session_key: SessionKey,
        agent_id: Option<AgentId>,
    }
    /// `sessions.observer.visibility`.
    ObserverVisibility {
        visible: bool,
    }
    /// `models.authStatus`.
    ModelsAuthStatus {
        refresh: Option<bool>,
        agent_id: Option<String>,
    }
    /// `update.status`.
    UpdateStatus {
        refresh_checkout: Option<bool>,
    }
    /// `tasks.list`; `status` is one or a list of them.
    TasksList {
        status: Option<Value>,
        agent_id: Option<AgentId>,
        session_key: Option<SessionKey>,
        limit: Option<u32>,
        cursor: Option<String>,
        sort_by: Option<String>,
    }
    /// `skills.status`.
    SkillsStatus {
        agent_id: Option<AgentId>,
        session_key: Option<SessionKey>,
    }
    /// `cron.runs`.
    CronRuns {
        agent_id: Option<AgentId>,
        scope: Option<String>,
        id: Option<String>,
        job_id: Option<String>,
        run_id: Option<String>,
        limit: Option<u32>,
        offset: Option<u32>,
        statuses: Option<Vec<String>>,
        status: Option<String>,
        delivery_statuses: Option<Vec<String>>,
        delivery_status: Option<String>,
        query: Option<String>,
        sort_dir: Option<String>,
    }
}
