//! Parameters of methods about turns, transcripts and runs.

use crate::field::{Change, ServedAgent};
use crate::ids::{AgentId, RunId, SessionKey};

objects! {
    /// `chat.send`.
    ChatSend {
        session_key: SessionKey,
        message: String,
        idempotency_key: RunId,
        agent_id: Option<ServedAgent>,
        /// The session's id must be this one.
        session_id: Option<String>,
        timeout_ms: Option<u64>,
        suppress_command_interpretation: Option<bool>,
        /// The transcript's newest entry must be this one; with `null` there must be none.
        #[serde(default, skip_serializing_if = "Change::is_absent")] expected_leaf_entry_id: Change<String>,
        [Ignored ModelsOwnThinking: thinking]
        [Ignored OneSpeed: fast_mode, fast_auto_on_seconds]
        [Ignored TextHasIt: mentions, work_context]
        [Ignored FixedRouting: expected_session_routing_contract]
        [Refused TurnsWait: queue_mode]
        [Refused NoChannels: deliver, originating_to, originating_account_id, originating_thread_id]
        [Refused OnlyClients: originating_channel]
        [Refused NoReplies: reply_to_id]
        [Refused TextOnly: attachments]
        [Refused NoToolsOfClients: tool_bindings]
        [Refused NoGoals: intent]
        [Refused OwnProvenance: system_input_provenance, system_provenance_receipt]
        [Refused NoPermissionModes: expected_permission_mode]
        [Refused NoToolOverrides: expected_tool_overrides]
    }
    /// `chat.history`.
    ChatHistory (session_key: SessionKey) {
        limit: Option<u32>,
        max_chars: Option<u32>,
        max_bytes: Option<u64>,
        agent_id: Option<ServedAgent>,
        cursor: Option<String>,
        offset: Option<u32>,
        input_run_ids: Option<Vec<String>>,
        message_id: Option<String>,
        session_id: Option<String>,
        [Ignored NothingPending: pending_before]
    }
    /// `chat.startup`: as `chat.history`, or by the beginning of the session's UUID.
    ChatStartup {
        session_key: Option<SessionKey>,
        short_id: Option<String>,
        agent_id: Option<ServedAgent>,
        limit: Option<u32>,
        max_chars: Option<u32>,
        max_bytes: Option<u64>,
        cursor: Option<String>,
        offset: Option<u32>,
        input_run_ids: Option<Vec<String>>,
        message_id: Option<String>,
        session_id: Option<String>,
        [Ignored AllThatFit: slug_hint]
        [Ignored NothingPending: pending_before]
    }
    /// `chat.metadata`.
    ChatMetadata {
        agent_id: Option<ServedAgent>,
        [Ignored SameForAllSessions: session_key]
        [Ignored NoAccounts: auth_profile_id]
    }
    /// `chat.message.get`.
    ChatMessageGet {
        session_key: SessionKey,
        agent_id: Option<ServedAgent>,
        message_id: String,
        max_chars: Option<u32>,
    }
    /// `chat.abort`.
    ChatAbort {
        session_key: SessionKey,
        run_id: Option<RunId>,
        agent_id: Option<ServedAgent>,
        [Ignored NoSideRuns: preserve_side_runs]
    }
    /// `agent.wait`.
    AgentWait {
        run_id: RunId,
        timeout_ms: Option<u64>,
    }
    /// `agent.identity.get`.
    AgentIdentity {
        agent_id: Option<ServedAgent>,
        [Ignored OneAgent: session_key]
    }
    /// `agent`.
    Agent (message: String, idempotency_key: RunId) {
        agent_id: Option<AgentId>,
        session_key: Option<SessionKey>,
        /// The session's id must be this one.
        session_id: Option<String>,
        /// The session must be there, and have this id.
        expected_existing_session_id: Option<String>,
        provider: Option<String>,
        model: Option<String>,
        timeout: Option<u64>,
        extra_system_prompt: Option<String>,
        label: Option<String>,
        internal_runtime_handoff_id: Option<String>,
        [Ignored ModelsOwnThinking: thinking]
        [Ignored NothingDelivered: best_effort_deliver]
        [Ignored OneQueue: lane]
        [Ignored NoMcpServers: cleanup_bundle_mcp_on_run_end]
        [Ignored NoMessageTool: disable_message_tool]
        [Ignored TextHasIt: voice_wake_trigger]
        [Refused NoChannels: to, reply_to, account_id, reply_account_id, thread_id, group_id, group_channel,
            group_space, deliver]
        [Refused OnlyClients: channel, reply_channel]
        [Refused AnswersGoToClients: source_reply_delivery_mode]
        [Refused TextOnly: attachments]
        [Refused PersonChoosesFolder: cwd]
        [Refused AgentRuns: model_run]
        [Refused WholePrompt: prompt_mode, bootstrap_context_mode]
        [Refused OrdinaryRuns: bootstrap_context_run_kind]
        [Refused VisibleRuns: session_effects]
        [Refused OwnProvenance: input_provenance]
        [Refused RuntimeOnly: acp_turn_source, internal_execution_identity_retry,
            internal_execution_identity_recovery_attempt, exec_approval_followup_expected_session_id,
            internal_events, suppress_prompt_persistence, swarm_collector, swarm_output_schema,
            force_restart_safe_tools, force_code_mode_tools]
    }
}
