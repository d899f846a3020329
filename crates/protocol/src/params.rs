//! The parameters of methods (protocol sections 11 and 15): closed objects, so that an unknown
//! field is refused by name. An optional field without a value is left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::device::DeviceId;
use crate::field::Ignored;
use crate::field::reasons::{
    AlwaysFresh, AlwaysPrepared, NewestChangeFirst, NoJobs, NoProfiles, NoProviderKinds, OneAgent,
};
use crate::ids::{AgentId, RunId, SessionKey};
use crate::scope::Scope;

macro_rules! params {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[serde_with_macros::skip_serializing_none]
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            #[allow(missing_docs, reason = "the names are the protocol's")]
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)*
            }
        )*
    };
}

params! {
    /// No parameters.
    #[derive(Default)]
    Empty {}
    /// `health`; further fields of clients are not looked at by OpenClaw either, but named ones are.
    Health {
        #[serde(default)] probe: Option<bool>,
        #[serde(default)] include_sensitive: Option<bool>,
    }
    /// `device.pair.approve`, `device.pair.reject`.
    RequestId {
        request_id: String,
    }
    /// `device.pair.remove`.
    Device {
        device_id: DeviceId,
    }
    /// `device.pair.rename`.
    DeviceRename {
        device_id: DeviceId,
        label: String,
    }
    /// `device.token.rotate`.
    TokenRotate {
        device_id: DeviceId,
        role: String,
        #[serde(default)] scopes: Option<Vec<Scope>>,
    }
    /// `device.token.revoke`.
    TokenRevoke {
        device_id: DeviceId,
        role: String,
    }
    /// `sessions.list`.
    #[derive(Default)]
    SessionsList {
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] active_minutes: Option<u32>,
        #[serde(default)] include_global: Option<bool>,
        #[serde(default)] include_unknown: Option<bool>,
        #[serde(default)] include_derived_titles: Option<bool>,
        #[serde(default)] include_last_message: Option<bool>,
        #[serde(default)] label: Option<String>,
        #[serde(default)] spawned_by: Option<SessionKey>,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] search: Option<String>,
        #[serde(default)] archived: Option<ArchivedFilter>,
        #[serde(default)] sort_by: Option<Ignored<NewestChangeFirst>>,
        #[serde(default)] require_last_interaction: Option<bool>,
        #[serde(default)] board_face: Option<BoardFace>,
        #[serde(default)] creator_id: Option<String>,
        #[serde(default)] owner_id: Option<String>,
        #[serde(default)] involving_profile_id: Option<String>,
        #[serde(default)] involving_me: Option<Ignored<NoProfiles>>,
        #[serde(default)] owner_first: Option<Ignored<NoProfiles>>,
        #[serde(default)] include_people: Option<Ignored<NoProfiles>>,
        #[serde(default)] configured_agents_only: Option<Ignored<OneAgent>>,
    }
    /// `sessions.messages.subscribe`.
    SessionsMessagesSubscribe {
        key: SessionKey,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] include_approvals: Option<bool>,
    }
    /// `sessions.describe`, `sessions.messages.unsubscribe`.
    SessionRef {
        key: SessionKey,
        #[serde(default)] include_derived_titles: Option<bool>,
        #[serde(default)] include_last_message: Option<bool>,
        #[serde(default)] agent_id: Option<AgentId>,
    }
    /// `sessions.preview`.
    SessionsPreview {
        keys: Vec<SessionKey>,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] max_chars: Option<u32>,
    }
    /// `sessions.reset`.
    SessionsReset {
        key: SessionKey,
        #[serde(default)] reason: Option<String>,
        #[serde(default)] agent_id: Option<AgentId>,
    }
    /// `sessions.delete`.
    SessionsDelete {
        key: SessionKey,
        #[serde(default)] delete_transcript: Option<bool>,
        #[serde(default)] emit_lifecycle_hooks: Option<bool>,
        #[serde(default)] agent_id: Option<AgentId>,
    }
    /// `chat.send`.
    ChatSend {
        session_key: SessionKey,
        message: String,
        idempotency_key: RunId,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] session_id: Option<String>,
        #[serde(default)] thinking: Option<String>,
        #[serde(default)] deliver: Option<bool>,
        #[serde(default)] timeout_ms: Option<u64>,
        #[serde(default)] attachments: Option<Vec<Value>>,
        #[serde(default)] fast_mode: Option<Value>,
        #[serde(default)] queue_mode: Option<String>,
        #[serde(default)] intent: Option<Value>,
        #[serde(default)] mentions: Option<Vec<Value>>,
        #[serde(default)] work_context: Option<Value>,
        #[serde(default)] reply_to_id: Option<String>,
        #[serde(default)] suppress_command_interpretation: Option<bool>,
        #[serde(default)] expected_leaf_entry_id: Option<Value>,
        #[serde(default)] expected_session_routing_contract: Option<Value>,
        #[serde(default)] expected_permission_mode: Option<Value>,
        #[serde(default)] expected_tool_overrides: Option<Value>,
        #[serde(default)] tool_bindings: Option<Value>,
        #[serde(default)] fast_auto_on_seconds: Option<Value>,
    }
    /// `chat.history`.
    ChatHistory {
        session_key: SessionKey,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] max_chars: Option<u32>,
        #[serde(default)] max_bytes: Option<u64>,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] pending_before: Option<Value>,
        #[serde(default)] input_run_ids: Option<Vec<String>>,
        #[serde(default)] message_id: Option<String>,
        #[serde(default)] session_id: Option<String>,
    }
    /// `chat.abort`.
    ChatAbort {
        session_key: SessionKey,
        #[serde(default)] run_id: Option<RunId>,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] preserve_side_runs: Option<bool>,
    }
    /// `agent.wait`.
    AgentWait {
        run_id: RunId,
        #[serde(default)] timeout_ms: Option<u64>,
    }
    /// `agent.identity.get`.
    AgentIdentity {
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] session_key: Option<SessionKey>,
    }
    /// `agent`. Fields that concern channels and the hosts of OpenClaw are known and not used.
    Agent {
        message: String,
        idempotency_key: RunId,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] session_key: Option<SessionKey>,
        #[serde(default)] session_id: Option<String>,
        #[serde(default)] provider: Option<String>,
        #[serde(default)] model: Option<String>,
        #[serde(default)] to: Option<String>,
        #[serde(default)] reply_to: Option<String>,
        #[serde(default)] thinking: Option<String>,
        #[serde(default)] deliver: Option<bool>,
        #[serde(default)] attachments: Option<Vec<Value>>,
        #[serde(default)] channel: Option<String>,
        #[serde(default)] reply_channel: Option<String>,
        #[serde(default)] account_id: Option<String>,
        #[serde(default)] reply_account_id: Option<String>,
        #[serde(default)] thread_id: Option<String>,
        #[serde(default)] group_id: Option<String>,
        #[serde(default)] group_channel: Option<String>,
        #[serde(default)] group_space: Option<String>,
        #[serde(default)] timeout: Option<u64>,
        #[serde(default)] best_effort_deliver: Option<bool>,
        #[serde(default)] lane: Option<String>,
        #[serde(default)] extra_system_prompt: Option<String>,
        #[serde(default)] input_provenance: Option<Value>,
        #[serde(default)] label: Option<String>,
        #[serde(default)] cleanup_bundle_mcp_on_run_end: Option<bool>,
        #[serde(default)] model_run: Option<Value>,
        #[serde(default)] prompt_mode: Option<String>,
        #[serde(default)] session_effects: Option<String>,
        #[serde(default)] source_reply_delivery_mode: Option<String>,
        #[serde(default)] internal_runtime_handoff_id: Option<String>,
    }
    /// `models.list`.
    #[derive(Default)]
    ModelsList {
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] view: Option<ModelsView>,
        #[serde(default)] refresh: Option<Ignored<AlwaysFresh>>,
        #[serde(default)] prepared_only: Option<Ignored<AlwaysPrepared>>,
        #[serde(default)] include_provider_capabilities: Option<Ignored<NoProviderKinds>>,
    }
    /// `cron.list`.
    #[derive(Default)]
    CronList {
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] agent_id: Option<Ignored<NoJobs>>,
        #[serde(default)] include_disabled: Option<Ignored<NoJobs>>,
        #[serde(default)] query: Option<Ignored<NoJobs>>,
        #[serde(default)] enabled: Option<Ignored<NoJobs>>,
        #[serde(default)] schedule_kind: Option<Ignored<NoJobs>>,
        #[serde(default)] last_run_status: Option<Ignored<NoJobs>>,
        #[serde(default)] trigger: Option<Ignored<NoJobs>>,
        #[serde(default)] sort_by: Option<Ignored<NoJobs>>,
        #[serde(default)] sort_dir: Option<Ignored<NoJobs>>,
        #[serde(default)] compact: Option<Ignored<NoJobs>>,
        #[serde(default)] include_delivery_previews: Option<Ignored<NoJobs>>,
    }
    /// `commands.list`, `tools.catalog` and other lists: what clients
    /// narrow them by. Nothing here has more entries than one answer holds.
    #[derive(Default)]
    ListOptions {
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] session_key: Option<SessionKey>,
        #[serde(default)] include_plugins: Option<bool>,
        #[serde(default)] include_disabled: Option<bool>,
        #[serde(default)] include_args: Option<bool>,
        #[serde(default)] provider: Option<String>,
        #[serde(default)] scope: Option<String>,
        #[serde(default)] view: Option<String>,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] query: Option<String>,
        #[serde(default)] enabled: Option<String>,
        #[serde(default)] sort_by: Option<String>,
        #[serde(default)] sort_dir: Option<String>,
        #[serde(default)] probe: Option<bool>,
        #[serde(default)] timeout_ms: Option<u64>,
        #[serde(default)] refresh: Option<bool>,
    }
    /// `logs.tail`.
    #[derive(Default)]
    LogsTail {
        #[serde(default)] cursor: Option<u64>,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] max_bytes: Option<u32>,
    }
    /// `exec.approval.request`.
    ExecApprovalRequest {
        #[serde(default)] id: Option<String>,
        #[serde(default)] command: Option<String>,
        #[serde(default)] command_argv: Option<Vec<String>>,
        #[serde(default)] env: Option<std::collections::BTreeMap<String, String>>,
        #[serde(default)] cwd: Option<String>,
        #[serde(default)] host: Option<String>,
        #[serde(default)] security: Option<String>,
        #[serde(default)] ask: Option<String>,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] resolved_path: Option<String>,
        #[serde(default)] session_key: Option<SessionKey>,
        #[serde(default)] timeout_ms: Option<u64>,
        #[serde(default)] two_phase: Option<bool>,
    }
    /// `exec.approval.resolve`.
    ExecApprovalResolve {
        id: String,
        decision: String,
    }
    /// `exec.approval.waitDecision`.
    ExecApprovalWait {
        id: String,
    }
    /// `system-event`.
    SystemEvent {
        text: String,
        #[serde(default)] device_id: Option<String>,
        #[serde(default)] instance_id: Option<String>,
        #[serde(default)] host: Option<String>,
        #[serde(default)] ip: Option<String>,
        #[serde(default)] mode: Option<String>,
        #[serde(default)] version: Option<String>,
        #[serde(default)] platform: Option<String>,
        #[serde(default)] device_family: Option<String>,
        #[serde(default)] model_identifier: Option<String>,
        #[serde(default)] last_input_seconds: Option<f64>,
        #[serde(default)] reason: Option<String>,
        #[serde(default)] roles: Option<Vec<String>>,
        #[serde(default)] scopes: Option<Vec<String>>,
        #[serde(default)] tags: Option<Vec<String>>,
        #[serde(default)] session_key: Option<SessionKey>,
    }
}

/// Which sessions `sessions.list` lists: `true` for archived ones only, and `"all"` for archived ones, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum ArchivedFilter {
    Archived(bool),
    All(AllSessions),
}

impl ArchivedFilter {
    /// Whether archived sessions are meant, or the others; `None` for both.
    #[must_use]
    pub fn archived(self) -> Option<bool> {
        match self {
            Self::Archived(archived) => Some(archived),
            Self::All(AllSessions::All) => None,
        }
    }
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum AllSessions {
    All,
}

/// How a session is shown by clients that have more than chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum BoardFace {
    Chat,
    Dashboard,
}

/// Which models are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum ModelsView {
    Default,
    Configured,
    ProviderConfig,
    All,
}

/// The settings that `sessions.patch` may change. `spawnedBy`, `spawnDepth` and the other fields
/// of lineage are facts that the runtime writes; no caller sets them.
pub const PATCHABLE: [&str; 10] = [
    "model",
    "thinkingLevel",
    "fastMode",
    "verboseLevel",
    "reasoningLevel",
    "responseUsage",
    "elevatedLevel",
    "sendPolicy",
    "groupActivation",
    "queueMode",
];

/// `sessions.patch`: the key, the label, and settings; JSON `null` clears.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsPatch {
    /// The session.
    pub key: SessionKey,
    /// The agent, which the key names already.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// Everything else.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Agent {
    /// A message with nothing chosen.
    #[must_use]
    pub fn new(message: String, idempotency_key: RunId) -> Self {
        Self {
            message,
            idempotency_key,
            agent_id: None,
            session_key: None,
            session_id: None,
            provider: None,
            model: None,
            to: None,
            reply_to: None,
            thinking: None,
            deliver: None,
            attachments: None,
            channel: None,
            reply_channel: None,
            account_id: None,
            reply_account_id: None,
            thread_id: None,
            group_id: None,
            group_channel: None,
            group_space: None,
            timeout: None,
            best_effort_deliver: None,
            lane: None,
            extra_system_prompt: None,
            input_provenance: None,
            label: None,
            cleanup_bundle_mcp_on_run_end: None,
            model_run: None,
            prompt_mode: None,
            session_effects: None,
            source_reply_delivery_mode: None,
            internal_runtime_handoff_id: None,
        }
    }
}

impl ChatHistory {
    /// The newest messages of a session.
    #[must_use]
    pub fn new(session_key: SessionKey) -> Self {
        Self {
            session_key,
            limit: None,
            max_chars: None,
            max_bytes: None,
            agent_id: None,
            cursor: None,
            offset: None,
            pending_before: None,
            input_run_ids: None,
            message_id: None,
            session_id: None,
        }
    }
}
