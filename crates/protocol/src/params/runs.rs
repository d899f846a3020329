//! Parameters of methods about turns, transcripts and runs.

use crate::field::{Change, Ignored, Refused, ServedAgent, reasons as because};
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
        thinking: Option<Ignored<because::ModelsOwnThinking>>,
        fast_mode: Option<Ignored<because::OneSpeed>>,
        fast_auto_on_seconds: Option<Ignored<because::OneSpeed>>,
        queue_mode: Option<Refused<because::TurnsWait>>,
        deliver: Option<Refused<because::NoChannels>>,
        originating_channel: Option<Refused<because::OnlyClients>>,
        originating_to: Option<Refused<because::NoChannels>>,
        originating_account_id: Option<Refused<because::NoChannels>>,
        originating_thread_id: Option<Refused<because::NoChannels>>,
        reply_to_id: Option<Refused<because::NoReplies>>,
        attachments: Option<Refused<because::TextOnly>>,
        tool_bindings: Option<Refused<because::NoToolsOfClients>>,
        intent: Option<Refused<because::NoGoals>>,
        mentions: Option<Ignored<because::TextHasIt>>,
        work_context: Option<Ignored<because::TextHasIt>>,
        system_input_provenance: Option<Refused<because::OwnProvenance>>,
        system_provenance_receipt: Option<Refused<because::OwnProvenance>>,
        expected_session_routing_contract: Option<Ignored<because::FixedRouting>>,
        expected_permission_mode: Option<Refused<because::NoPermissionModes>>,
        expected_tool_overrides: Option<Refused<because::NoToolOverrides>>,
    }
    /// `chat.history`.
    ChatHistory {
        session_key: SessionKey,
        limit: Option<u32>,
        max_chars: Option<u32>,
        max_bytes: Option<u64>,
        agent_id: Option<ServedAgent>,
        cursor: Option<String>,
        offset: Option<u32>,
        pending_before: Option<Ignored<because::NothingPending>>,
        input_run_ids: Option<Vec<String>>,
        message_id: Option<String>,
        session_id: Option<String>,
    }
    /// `chat.startup`: as `chat.history`, or by the beginning of the session's UUID.
    ChatStartup {
        session_key: Option<SessionKey>,
        short_id: Option<String>,
        slug_hint: Option<Ignored<because::AllThatFit>>,
        agent_id: Option<ServedAgent>,
        limit: Option<u32>,
        max_chars: Option<u32>,
        max_bytes: Option<u64>,
        cursor: Option<String>,
        offset: Option<u32>,
        pending_before: Option<Ignored<because::NothingPending>>,
        input_run_ids: Option<Vec<String>>,
        message_id: Option<String>,
        session_id: Option<String>,
    }
    /// `chat.metadata`.
    ChatMetadata {
        agent_id: Option<ServedAgent>,
        session_key: Option<Ignored<because::SameForAllSessions>>,
        auth_profile_id: Option<Ignored<because::NoAccounts>>,
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
        preserve_side_runs: Option<Ignored<because::NoSideRuns>>,
    }
    /// `agent.wait`.
    AgentWait {
        run_id: RunId,
        timeout_ms: Option<u64>,
    }
    /// `agent.identity.get`.
    AgentIdentity {
        agent_id: Option<ServedAgent>,
        session_key: Option<Ignored<because::OneAgent>>,
    }
    /// `agent`.
    Agent {
        message: String,
        idempotency_key: RunId,
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
        thinking: Option<Ignored<because::ModelsOwnThinking>>,
        best_effort_deliver: Option<Ignored<because::NothingDelivered>>,
        lane: Option<Ignored<because::OneQueue>>,
        cleanup_bundle_mcp_on_run_end: Option<Ignored<because::NoMcpServers>>,
        disable_message_tool: Option<Ignored<because::NoMessageTool>>,
        voice_wake_trigger: Option<Ignored<because::TextHasIt>>,
        to: Option<Refused<because::NoChannels>>,
        reply_to: Option<Refused<because::NoChannels>>,
        channel: Option<Refused<because::OnlyClients>>,
        reply_channel: Option<Refused<because::OnlyClients>>,
        account_id: Option<Refused<because::NoChannels>>,
        reply_account_id: Option<Refused<because::NoChannels>>,
        thread_id: Option<Refused<because::NoChannels>>,
        group_id: Option<Refused<because::NoChannels>>,
        group_channel: Option<Refused<because::NoChannels>>,
        group_space: Option<Refused<because::NoChannels>>,
        deliver: Option<Refused<because::NoChannels>>,
        source_reply_delivery_mode: Option<Refused<because::AnswersGoToClients>>,
        attachments: Option<Refused<because::TextOnly>>,
        cwd: Option<Refused<because::PersonChoosesFolder>>,
        model_run: Option<Refused<because::AgentRuns>>,
        prompt_mode: Option<Refused<because::WholePrompt>>,
        bootstrap_context_mode: Option<Refused<because::WholePrompt>>,
        bootstrap_context_run_kind: Option<Refused<because::OrdinaryRuns>>,
        session_effects: Option<Refused<because::VisibleRuns>>,
        input_provenance: Option<Refused<because::OwnProvenance>>,
        acp_turn_source: Option<Refused<because::RuntimeOnly>>,
        internal_execution_identity_retry: Option<Refused<because::RuntimeOnly>>,
        internal_execution_identity_recovery_attempt: Option<Refused<because::RuntimeOnly>>,
        exec_approval_followup_expected_session_id: Option<Refused<because::RuntimeOnly>>,
        internal_events: Option<Refused<because::RuntimeOnly>>,
        suppress_prompt_persistence: Option<Refused<because::RuntimeOnly>>,
        swarm_collector: Option<Refused<because::RuntimeOnly>>,
        swarm_output_schema: Option<Refused<because::RuntimeOnly>>,
        force_restart_safe_tools: Option<Refused<because::RuntimeOnly>>,
        force_code_mode_tools: Option<Refused<because::RuntimeOnly>>,
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
