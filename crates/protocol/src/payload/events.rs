//! What events carry.

use serde_json::Value;

use super::chat::{ChatMessage, ContentBlock};
use super::sessions::SessionEntry;
use super::system::PresenceEntry;
use crate::{AgentId, RunId, SessionId, SessionKey, UnixMillis};

words! {
    /// How far a chat turn is.
    ChatState {
        Delta = "delta",
        Final = "final",
        Aborted = "aborted",
        Error = "error",
    }
}

objects! {
    /// `connect.challenge`.
    ConnectChallengeEvent {
        nonce: String,
        ts: u64,
    }
    /// `tick`.
    TickEvent {
        ts: UnixMillis,
    }
    /// `shutdown`.
    ShutdownEvent {
        reason: String,
        restart_expected_ms: Option<u64>,
    }
    /// `presence`.
    PresenceEvent {
        presence: Vec<PresenceEntry>,
    }
    /// `chat`: the text so far, or the end of a turn.
    ChatEvent {
        run_id: RunId,
        session_key: SessionKey,
        agent_id: AgentId,
        /// Counted in the run.
        seq: u64,
        spawned_by: Option<SessionKey>,
        state: ChatState,
        /// What is new since the last one.
        delta_text: Option<String>,
        message: Option<ChatMessage>,
        stop_reason: Option<String>,
        error_message: Option<String>,
        error_kind: Option<String>,
    }
    /// `agent` and `session.tool`: a step of a run.
    AgentEvent {
        run_id: RunId,
        session_key: SessionKey,
        agent_id: AgentId,
        seq: u64,
        spawned_by: Option<SessionKey>,
        /// With `lifecycle`: the transcript that the run writes to.
        session_id: Option<SessionId>,
        /// `lifecycle`, `assistant` or `tool`.
        stream: String,
        data: AgentData,
        ts: UnixMillis,
    }
    /// What happened; which fields there are depends on the stream and the phase.
    #[derive(Default)]
    AgentData {
        /// `start`, `model`, `end` or `error`; `start`, `update` or `result` of a tool.
        phase: Option<String>,
        text: Option<String>,
        delta: Option<String>,
        /// With `assistant`: which answer of the run it is, `RUN:NUMBER` from 1.
        item_id: Option<String>,
        started_at: Option<UnixMillis>,
        ended_at: Option<UnixMillis>,
        aborted: Option<bool>,
        stop_reason: Option<String>,
        execution_settled: Option<bool>,
        error: Option<String>,
        provider: Option<String>,
        model: Option<String>,
        name: Option<String>,
        tool_call_id: Option<String>,
        args: Option<Value>,
        is_error: Option<bool>,
        result: Option<ToolResult>,
        /// With `update`: the end of what there is of the result, in the place of what the update before
        /// said.
        partial_result: Option<ToolResult>,
    }
    /// What a tool answered.
    ToolResult {
        content: Vec<ContentBlock>,
    }
    /// `session.message`: an entry of a transcript that is watched.
    SessionMessageEvent {
        session_key: SessionKey,
        agent_id: AgentId,
        message: ChatMessage,
        message_id: String,
        message_seq: u64,
        /// The session as lists show it.
        session: Option<SessionEntry>,
    }
    /// `sessions.changed`: to those who watch sessions.
    SessionsChangedEvent {
        session_key: SessionKey,
        agent_id: AgentId,
        ts: UnixMillis,
        reason: Option<String>,
        phase: Option<String>,
        run_id: Option<RunId>,
        session: Option<SessionEntry>,
    }
    /// `device.pair.resolved`.
    DevicePairResolvedEvent {
        request_id: String,
        device_id: String,
        /// `approved` or `rejected`.
        decision: String,
        ts: UnixMillis,
    }
    /// `tidegate.changed`: something that the person's windows show is different now.
    ChangedEvent {}
    /// `tidegate.welcome`: the first frame to a surface of the person.
    WelcomeEvent {
        version: String,
        /// Whether a dialog is there for the person to decide in.
        desktop: bool,
    }
    /// `tidegate.refused`: why a surface was not let in.
    RefusedEvent {
        reason: String,
    }
}
