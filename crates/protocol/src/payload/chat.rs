//! Turns, runs and transcripts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agents::ModelListEntry;
use super::lists::CommandEntry;
use super::sessions::{SessionEntry, SessionModelDefaults, SessionResolved, SessionsUnresolved};
use crate::{AgentId, RunId, SessionId, SessionKey, UnixMillis};

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub enum ContentBlock {
    Text { text: String },
    ToolCall { id: String, name: String, arguments: Value },
}

words! {
    /// Who wrote a message.
    MessageRole {
        User = "user",
        Assistant = "assistant",
        ToolResult = "toolResult",
        System = "system",
    }
    /// The one kind of [`ChatHistoryReset`].
    Reset {
        Reset = "reset",
    }
}

/// `chat.history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChatHistoryResult {
    Page(Box<ChatHistoryPage>),
    Reset(ChatHistoryReset),
}

/// `chat.startup`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChatStartupResult {
    Page(Box<ChatHistoryPage>),
    Reset(ChatHistoryReset),
    Unresolved(ChatStartupUnresolved),
}

objects! {
    /// Where a message stands in its transcript.
    MessagePosition {
        id: String,
        /// Counted from 1 in its session.
        seq: u64,
        #[serialize_always] run_id: Option<RunId>,
        idempotency_key: Option<String>,
        /// In `chat.history`: it was left out.
        truncated: Option<bool>,
        /// Why it was left out: `oversized`.
        reason: Option<String>,
    }
    /// Tokens of one answer.
    MessageUsage {
        input: u64,
        output: u64,
        total_tokens: u64,
    }
    /// What a message of the runtime tells of.
    MessageSource {
        /// `subagent`: it has ended.
        kind: String,
        run_id: RunId,
        session_key: SessionKey,
        #[serialize_always] label: Option<String>,
        status: String,
        /// What the model reads of it: the subagent's result is framed as untrusted.
        report: Option<String>,
    }
    /// One message of a transcript, or the text so far of one that is being made.
    ChatMessage (role: MessageRole, content: Vec<ContentBlock>) {
        timestamp: Option<UnixMillis>,
        /// Of the message that started a run: `RUN:user`, by which a client knows its own.
        idempotency_key: Option<String>,
        #[serde(rename = "__openclaw")] position: Option<MessagePosition>,
        api: Option<String>,
        provider: Option<String>,
        model: Option<String>,
        usage: Option<MessageUsage>,
        stop_reason: Option<String>,
        error_message: Option<String>,
        tool_call_id: Option<String>,
        tool_name: Option<String>,
        is_error: Option<bool>,
        details: Option<Value>,
        /// What the runtime's own message tells of.
        source: Option<MessageSource>,
    }
    /// Inputs that wait for their turn.
    PendingInputs {
        items: Vec<Value>,
        total: u64,
    }
    /// A page of a transcript, from its end backwards.
    ChatHistoryPage {
        session_key: SessionKey,
        session_id: Option<SessionId>,
        // Open for readers: they show a message of a later version as far as they know it.
        #[schemars(with = "Vec<ChatMessage>")] messages: Vec<Value>,
        has_more: bool,
        /// The messages after the page, where they were asked for.
        offset: Option<u64>,
        /// The offset of the page before it, when there is one.
        next_offset: Option<u64>,
        total_messages: u64,
        pending_inputs: Option<PendingInputs>,
        defaults: SessionModelDefaults,
        session_info: Option<SessionEntry>,
        thinking_level: String,
        /// Where runs were asked for: what became of their messages.
        input_receipts: Option<Vec<InputReceipt>>,
        /// Of these, the ones that stand in the transcript.
        input_consumptions: Option<Vec<InputConsumption>>,
        /// Only in `chat.startup`.
        metadata: Option<ChatMetadataResult>,
        /// In `chat.startup` by a short id: the session that it names.
        resolution: Option<SessionResolved>,
    }
    /// What chat clients offer beside the transcript: in `chat.startup`, and `chat.metadata`.
    ChatMetadataResult {
        commands: Vec<CommandEntry>,
        models: Vec<ModelListEntry>,
    }
    /// What became of the message of a run: it waits, or stands in the transcript.
    InputReceipt {
        run_id: RunId,
        /// `pending` or `consumed`.
        state: String,
        /// With `consumed`: the id of the message.
        consumed_by_event_id: Option<String>,
    }
    /// The message of a run that stands in the transcript.
    InputConsumption {
        run_id: RunId,
        consumed_by_event_id: String,
    }
    /// `chat.startup` by a short id that names no session, or several.
    ChatStartupUnresolved {
        resolution: SessionsUnresolved,
    }
    /// `chat.message.get`.
    ChatMessageGetResult {
        ok: bool,
        message: Option<ChatMessage>,
        /// `not_found` or `oversized`.
        unavailable_reason: Option<String>,
    }
    /// The answer to a cursor: none is known, so the client reads the transcript again.
    ChatHistoryReset {
        kind: Reset,
    }
    /// `chat.send`: a turn, or the runs that a stop word ended.
    #[derive(Default)] ChatSendResult {
        run_id: Option<RunId>,
        /// `started`; of a repeated message also `in_flight`, `ok` or `error`.
        status: Option<String>,
        summary: Option<String>,
        ok: Option<bool>,
        aborted: Option<bool>,
        run_ids: Option<Vec<RunId>>,
    }
    /// `chat.abort`.
    ChatAbortResult {
        ok: bool,
        aborted: bool,
        run_ids: Vec<RunId>,
    }
    /// `agent`, first answer.
    AgentAccepted {
        run_id: RunId,
        session_key: SessionKey,
        agent_id: AgentId,
        status: String,
        accepted_at: UnixMillis,
    }
    /// `agent`, last answer.
    AgentResult {
        run_id: RunId,
        /// `ok` or `error`.
        status: String,
        summary: Option<String>,
        result: Option<AgentOutput>,
    }
    /// What a run of `agent` made.
    AgentOutput {
        payloads: Vec<AgentPayload>,
        meta: AgentMeta,
    }
    /// One piece of it.
    AgentPayload {
        #[serialize_always] text: Option<String>,
        #[serialize_always] media_url: Option<String>,
    }
    /// How it was made.
    AgentMeta {
        duration_ms: u64,
        agent_meta: AgentModelMeta,
    }
    /// By what it was made.
    AgentModelMeta {
        session_id: SessionId,
        #[serialize_always] provider: Option<String>,
        #[serialize_always] model: Option<String>,
        usage: AgentUsage,
    }
    /// Tokens of a run.
    AgentUsage {
        input: u64,
        output: u64,
        cache_read: u64,
        cache_write: u64,
        total: u64,
    }
    /// `agent.wait`.
    AgentWaitResult {
        run_id: RunId,
        /// `ok`, `error` or `timeout`.
        status: String,
        started_at: Option<UnixMillis>,
        ended_at: Option<UnixMillis>,
        error: Option<String>,
    }
}

impl ChatMessage {
    /// A text of which no more is known.
    #[must_use]
    pub fn of_text(role: MessageRole, text: &str) -> Self {
        Self::new(role, vec![ContentBlock::Text { text: text.to_owned() }])
    }

    /// Its texts, one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            ContentBlock::Text { text } => Some(text.as_str()),
            ContentBlock::ToolCall { .. } => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}
