//! Parameters of methods about turns and runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{Change, Ignored, Refused, ServedAgent, reasons as because};
use crate::ids::{AgentId, RunId, SessionKey};

params! {
    /// `chat.send`.
    ChatSend {
        session_key: SessionKey,
        message: String,
        idempotency_key: RunId,
        #[serde(default)] agent_id: Option<ServedAgent>,
        /// The session's id must be this one.
        #[serde(default)] session_id: Option<String>,
        #[serde(default)] timeout_ms: Option<u64>,
        #[serde(default)] suppress_command_interpretation: Option<bool>,
        /// The transcript's newest entry must be this one; with `null` there must be none.
        #[serde(default, skip_serializing_if = "Change::is_absent")] expected_leaf_entry_id: Change<String>,
        #[serde(default)] thinking: Option<Ignored<because::ModelsOwnThinking>>,
        #[serde(default)] fast_mode: Option<Ignored<because::OneSpeed>>,
        #[serde(default)] fast_auto_on_seconds: Option<Ignored<because::OneSpeed>>,
        #[serde(default)] queue_mode: Option<Refused<because::TurnsWait>>,
        #[serde(default)] deliver: Option<Refused<because::NoChannels>>,
        #[serde(default)] originating_channel: Option<Refused<because::OnlyClients>>,
        #[serde(default)] originating_to: Option<Refused<because::NoChannels>>,
        #[serde(default)] originating_account_id: Option<Refused<because::NoChannels>>,
        #[serde(default)] originating_thread_id: Option<Refused<because::NoChannels>>,
        #[serde(default)] reply_to_id: Option<Refused<because::NoReplies>>,
        #[serde(default)] attachments: Option<Refused<because::TextOnly>>,
        #[serde(default)] tool_bindings: Option<Refused<because::NoToolsOfClients>>,
        #[serde(default)] intent: Option<Refused<because::NoGoals>>,
        #[serde(default)] mentions: Option<Ignored<because::TextHasIt>>,
        #[serde(default)] work_context: Option<Ignored<because::TextHasIt>>,
        #[serde(default)] system_input_provenance: Option<Refused<because::OwnProvenance>>,
        #[serde(default)] system_provenance_receipt: Option<Refused<because::OwnProvenance>>,
        #[serde(default)] expected_session_routing_contract: Option<Ignored<because::FixedRouting>>,
        #[serde(default)] expected_permission_mode: Option<Refused<because::NoPermissionModes>>,
        #[serde(default)] expected_tool_overrides: Option<Refused<because::NoToolOverrides>>,
    }
    /// `chat.history`.
    ChatHistory {
        session_key: SessionKey,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] max_chars: Option<u32>,
        #[serde(default)] max_bytes: Option<u64>,
        #[serde(default)] agent_id: Option<ServedAgent>,
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] pending_before: Option<Ignored<because::NothingPending>>,
        #[serde(default)] input_run_ids: Option<Vec<String>>,
        #[serde(default)] message_id: Option<String>,
        #[serde(default)] session_id: Option<String>,
    }
    /// `chat.abort`.
    ChatAbort {
        session_key: SessionKey,
        #[serde(default)] run_id: Option<RunId>,
        #[serde(default)] agent_id: Option<ServedAgent>,
        #[serde(default)] preserve_side_runs: Option<Ignored<because::NoSideRuns>>,
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
    /// `agent`.
    Agent {
        message: String,
        idempotency_key: RunId,
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] session_key: Option<SessionKey>,
        /// The session's id must be this one.
        #[serde(default)] session_id: Option<String>,
        /// The session must be there, and have this id.
        #[serde(default)] expected_existing_session_id: Option<String>,
        #[serde(default)] provider: Option<String>,
        #[serde(default)] model: Option<String>,
        #[serde(default)] timeout: Option<u64>,
        #[serde(default)] extra_system_prompt: Option<String>,
        #[serde(default)] label: Option<String>,
        #[serde(default)] internal_runtime_handoff_id: Option<String>,
        #[serde(default)] thinking: Option<Ignored<because::ModelsOwnThinking>>,
        #[serde(default)] best_effort_deliver: Option<Ignored<because::NothingDelivered>>,
        #[serde(default)] lane: Option<Ignored<because::OneQueue>>,
        #[serde(default)] cleanup_bundle_mcp_on_run_end: Option<Ignored<because::NoMcpServers>>,
        #[serde(default)] disable_message_tool: Option<Ignored<because::NoMessageTool>>,
        #[serde(default)] voice_wake_trigger: Option<Ignored<because::TextHasIt>>,
        #[serde(default)] to: Option<Refused<because::NoChannels>>,
        #[serde(default)] reply_to: Option<Refused<because::NoChannels>>,
        #[serde(default)] channel: Option<Refused<because::OnlyClients>>,
        #[serde(default)] reply_channel: Option<Refused<because::OnlyClients>>,
        #[serde(default)] account_id: Option<Refused<because::NoChannels>>,
        #[serde(default)] reply_account_id: Option<Refused<because::NoChannels>>,
        #[serde(default)] thread_id: Option<Refused<because::NoChannels>>,
        #[serde(default)] group_id: Option<Refused<because::NoChannels>>,
        #[serde(default)] group_channel: Option<Refused<because::NoChannels>>,
        #[serde(default)] group_space: Option<Refused<because::NoChannels>>,
        #[serde(default)] deliver: Option<Refused<because::NoChannels>>,
        #[serde(default)] source_reply_delivery_mode: Option<Refused<because::AnswersGoToClients>>,
        #[serde(default)] attachments: Option<Refused<because::TextOnly>>,
        #[serde(default)] cwd: Option<Refused<because::OneWorkspace>>,
        #[serde(default)] model_run: Option<Refused<because::AgentRuns>>,
        #[serde(default)] prompt_mode: Option<Refused<because::WholePrompt>>,
        #[serde(default)] bootstrap_context_mode: Option<Refused<because::WholePrompt>>,
        #[serde(default)] bootstrap_context_run_kind: Option<Refused<because::OrdinaryRuns>>,
        #[serde(default)] session_effects: Option<Refused<because::VisibleRuns>>,
        #[serde(default)] input_provenance: Option<Refused<because::OwnProvenance>>,
        #[serde(default)] acp_turn_source: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] internal_execution_identity_retry: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] internal_execution_identity_recovery_attempt: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] exec_approval_followup_expected_session_id: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] internal_events: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] suppress_prompt_persistence: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] swarm_collector: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] swarm_output_schema: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] force_restart_safe_tools: Option<Refused<because::RuntimeOnly>>,
        #[serde(default)] force_code_mode_tools: Option<Refused<because::RuntimeOnly>>,
    }
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
            expected_existing_session_id: None,
            provider: None,
            model: None,
            timeout: None,
            extra_system_prompt: None,
            label: None,
            internal_runtime_handoff_id: None,
            thinking: None,
            best_effort_deliver: None,
            lane: None,
            cleanup_bundle_mcp_on_run_end: None,
            disable_message_tool: None,
            voice_wake_trigger: None,
            to: None,
            reply_to: None,
            channel: None,
            reply_channel: None,
            account_id: None,
            reply_account_id: None,
            thread_id: None,
            group_id: None,
            group_channel: None,
            group_space: None,
            deliver: None,
            source_reply_delivery_mode: None,
            attachments: None,
            cwd: None,
            model_run: None,
            prompt_mode: None,
            bootstrap_context_mode: None,
            bootstrap_context_run_kind: None,
            session_effects: None,
            input_provenance: None,
            acp_turn_source: None,
            internal_execution_identity_retry: None,
            internal_execution_identity_recovery_attempt: None,
            exec_approval_followup_expected_session_id: None,
            internal_events: None,
            suppress_prompt_persistence: None,
            swarm_collector: None,
            swarm_output_schema: None,
            force_restart_safe_tools: None,
            force_code_mode_tools: None,
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
