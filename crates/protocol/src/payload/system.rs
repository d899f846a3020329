//! The gateway itself: health, status, presence, configuration, log.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{SessionKey, UnixMillis};

objects! {
    /// Sessions in a health snapshot.
    #[derive(Default)] HealthSessions {
        path: String,
        count: u64,
        recent: Vec<Value>,
    }
    /// Heartbeats; there are none.
    #[derive(Default)] HeartbeatStatus {
        enabled: bool,
        every: String,
        #[serialize_always] every_ms: Option<u64>,
        prompt: String,
        target: String,
        ack_max_chars: u64,
    }
    /// One agent in a health snapshot.
    HealthAgent {
        agent_id: String,
        is_default: bool,
        heartbeat: HeartbeatStatus,
        sessions: HealthSessions,
    }
    /// `health`, and the event of the same name. Only a session with `operator.read` gets the numbers.
    #[derive(Default)] HealthResult {
        ok: bool,
        ts: UnixMillis,
        duration_ms: u64,
        channels: BTreeMap<String, Value>,
        channel_order: Vec<String>,
        channel_labels: BTreeMap<String, Value>,
        heartbeat_seconds: u64,
        default_agent_id: String,
        agents: Vec<HealthAgent>,
        sessions: HealthSessions,
    }
    /// The agent's heartbeat in `status`.
    StatusHeartbeatAgent {
        agent_id: String,
        enabled: bool,
        every: String,
        #[serialize_always] every_ms: Option<u64>,
    }
    /// Heartbeats in `status`.
    StatusHeartbeat {
        default_agent_id: String,
        agents: Vec<StatusHeartbeatAgent>,
    }
    /// Runs in numbers.
    #[derive(Default)] StatusTasks {
        total: u64,
        active: u64,
        terminal: u64,
        failures: u64,
        by_status: TaskCounts,
        by_runtime: BTreeMap<String, u64>,
    }
    /// What is odd about runs; nothing is.
    #[derive(Default)] StatusTaskAudit {
        total: u64,
        warnings: u64,
        errors: u64,
        by_code: BTreeMap<String, u64>,
    }
    /// A session in `status`.
    StatusSession {
        agent_id: String,
        key: SessionKey,
        kind: String,
        session_id: String,
        updated_at: UnixMillis,
        /// Milliseconds since then.
        age: u64,
        input_tokens: u64,
        output_tokens: u64,
        total_tokens: u64,
        total_tokens_fresh: bool,
        #[serialize_always] model: Option<String>,
        flags: Vec<String>,
    }
    /// The sessions of one agent in `status`.
    StatusAgentSessions {
        agent_id: String,
        /// Only told to sessions with `operator.admin`; empty otherwise.
        path: String,
        count: u64,
        recent: Vec<StatusSession>,
    }
    /// What sessions use when nobody chose, in `status`.
    StatusDefaults {
        #[serialize_always] model: Option<String>,
        #[serialize_always] context_tokens: Option<u64>,
    }
    /// Sessions in `status`.
    StatusSessions {
        paths: Vec<String>,
        count: u64,
        defaults: StatusDefaults,
        recent: Vec<StatusSession>,
        by_agent: Vec<StatusAgentSessions>,
    }
    /// `status`.
    StatusResult {
        runtime_version: String,
        heartbeat: StatusHeartbeat,
        channel_summary: Vec<Value>,
        queued_system_events: Vec<Value>,
        tasks: StatusTasks,
        task_audit: StatusTaskAudit,
        sessions: StatusSessions,
    }
    /// Who is connected: one line of `system-presence`.
    PresenceEntry {
        host: String,
        version: String,
        platform: String,
        device_family: Option<String>,
        mode: String,
        reason: String,
        device_id: Option<String>,
        instance_id: Option<String>,
        text: Option<String>,
        ts: UnixMillis,
    }
    /// A problem of the configuration.
    ConfigIssue {
        path: String,
        message: String,
    }
    /// `config.get`: the file without secrets.
    ConfigGetResult {
        path: String,
        exists: bool,
        #[serialize_always] raw: Option<String>,
        #[serialize_always] parsed: Option<Value>,
        #[serialize_always] resolved: Option<Value>,
        valid: bool,
        config: Value,
        #[serialize_always] hash: Option<String>,
        issues: Vec<ConfigIssue>,
        warnings: Vec<ConfigIssue>,
        legacy_issues: Vec<Value>,
    }
    /// `logs.tail`.
    LogsTailResult {
        file: String,
        /// Where to go on.
        cursor: u64,
        size: u64,
        lines: Vec<String>,
        truncated: bool,
        reset: bool,
    }
    /// An answer that says no more than that it was done.
    Done {
        ok: bool,
    }
}

/// Runs by their state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskCounts {
    pub queued: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub cancelled: u64,
    pub lost: u64,
}
