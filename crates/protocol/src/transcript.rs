//! Messages as transcripts hold them, in the JSON shape that the store has kept from the first version on.

mod shown;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::payload::chat::{ContentBlock, MessageUsage};
use crate::payload::permissions::PermissionName;
use crate::{RunId, SessionKey, UnixMillis};

/// One message of a transcript. What clients see of it is a
/// [`ChatMessage`](crate::payload::chat::ChatMessage), made from it by `From`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TranscriptMessage {
    /// What a person or the parent of a subagent said.
    User {
        /// What was said.
        #[serde(rename = "content", with = "text_block")]
        text: String,
        timestamp: UnixMillis,
        /// The chat command that it is, which the gateway answered.
        #[serde(rename = "details", default, skip_serializing_if = "Option::is_none")]
        command: Option<AnsweredCommand>,
    },
    /// What a model said, or the gateway in answer to a chat command.
    Assistant {
        /// What was said and asked for.
        content: AssistantContent,
        timestamp: UnixMillis,
        /// Who said it.
        #[serde(flatten)]
        author: AssistantAuthor,
    },
    /// What came of a tool call.
    ToolResult {
        /// The id of the call. A model may use one again.
        tool_call_id: String,
        tool_name: String,
        /// The answer. Of a result that is JSON, its text: a model reads nothing else.
        #[serde(rename = "content", with = "text_block")]
        text: String,
        /// Whether the tool failed.
        is_error: bool,
        timestamp: UnixMillis,
        #[serde(default, skip_serializing_if = "ResultDetails::are_usual")]
        details: ResultDetails,
    },
    /// What the runtime tells the model.
    Runtime {
        /// The text, in which words from elsewhere are framed as untrusted.
        #[serde(rename = "content", with = "text_block")]
        text: String,
        timestamp: UnixMillis,
        /// What it tells of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<RuntimeSource>,
    },
    /// A damaged message, or one of a kind that this version does not know. It stays as it is; no model
    /// reads it.
    #[serde(untagged)]
    Unknown(Value),
}

/// The chat command that a message is, or answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredCommand {
    /// The command's name.
    pub command: String,
}

/// Text and tool calls of an assistant message; stored as blocks, the text first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<ContentBlock>", into = "Vec<ContentBlock>")]
pub struct AssistantContent {
    pub text: String,
    /// The tool calls, in their order.
    pub calls: Vec<RecordedCall>,
}

/// A tool call as the model asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCall {
    /// The model's id for it.
    pub id: String,
    pub name: String,
    /// What the model wrote: any JSON object, or the text itself where that is no JSON object. What it means
    /// only the tool knows.
    pub arguments: Value,
}

/// Who wrote an assistant message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AssistantAuthor {
    Model(ModelAnswer),
    /// The gateway, in answer to a chat command.
    Gateway {
        #[serde(rename = "details")]
        command: AnsweredCommand,
    },
}

/// How a model's answer came about.
#[serde_with_macros::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelAnswer {
    /// The protocol of the model's server.
    pub api: String,
    pub provider: String,
    pub model: String,
    /// Tokens of this answer.
    pub usage: MessageUsage,
    /// How it ended.
    pub stop_reason: AnswerEnd,
    /// Why it failed.
    pub error_message: Option<String>,
}

words! {
    /// How an answer of a model ended, as `stopReason` has it.
    AnswerEnd {
        /// The model was done.
        Stop = "stop",
        /// It asked for tools.
        ToolUse = "toolUse",
        /// It ran into its length limit.
        Length = "length",
        Error = "error",
        /// The run was stopped.
        Aborted = "aborted",
    }
    /// Why a tool call failed that did not fail by itself.
    CallOutcome {
        /// A person did not allow it.
        Denied = "denied",
        /// The run was stopped before it or while it worked.
        Stopped = "stopped",
    }
    /// Who wrote the text of a tool result.
    #[derive(Default)]
    ResultAuthor {
        /// A tool: the text may contain anything.
        #[default]
        Tool = "tool",
        /// The runtime: every word is ours.
        Runtime = "runtime",
    }
    /// How a run ended. Set once, by compare-and-swap.
    Outcome {
        /// The model ended its turn.
        Ok = "ok",
        /// The model, a limit or the runtime failed; the run's `error` says how.
        Error = "error",
        /// The run's deadline passed.
        TimedOut = "timed_out",
        /// A person, a client or an ancestor stopped it.
        Cancelled = "cancelled",
        /// The process ended while it ran; what it had started has an unknown outcome.
        Interrupted = "interrupted",
    }
}

/// What else is known of a tool result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResultDetails {
    /// Who wrote the text.
    #[serde(default)]
    pub author: ResultAuthor,
    /// Why a call failed that did not fail by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CallOutcome>,
    /// By which permission nobody was asked about the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<PermissionName>,
}

impl ResultDetails {
    /// Whether a tool wrote the text and nothing else is known.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl From<ResultAuthor> for ResultDetails {
    fn from(author: ResultAuthor) -> Self {
        Self { author, ..Self::default() }
    }
}

/// What a message of the runtime tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RuntimeSource {
    /// A subagent, which has ended.
    Subagent {
        run_id: RunId,
        session_key: SessionKey,
        label: Option<String>,
        /// How it ended.
        status: Outcome,
    },
}

impl TranscriptMessage {
    /// What a person or a parent said.
    #[must_use]
    pub fn user(text: impl Into<String>, timestamp: UnixMillis) -> Self {
        Self::User { text: text.into(), timestamp, command: None }
    }

    /// What the runtime says of itself.
    #[must_use]
    pub fn runtime(text: impl Into<String>, timestamp: UnixMillis) -> Self {
        Self::Runtime { text: text.into(), timestamp, source: None }
    }

    /// The message of a stored text, whatever that is.
    #[must_use]
    pub fn of_stored(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self::Unknown(Value::from(text)))
    }

    /// Its text; empty for a message that is not known.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::User { text, .. } | Self::ToolResult { text, .. } | Self::Runtime { text, .. } => text,
            Self::Assistant { content, .. } => &content.text,
            Self::Unknown(_) => "",
        }
    }

    /// Whether it is a chat command or the answer to one.
    #[must_use]
    pub fn is_of_command(&self) -> bool {
        matches!(
            self,
            Self::User { command: Some(_), .. }
                | Self::Assistant { author: AssistantAuthor::Gateway { .. }, .. }
        )
    }
}

impl From<Vec<ContentBlock>> for AssistantContent {
    fn from(blocks: Vec<ContentBlock>) -> Self {
        let (mut texts, mut calls) = (Vec::new(), Vec::new());
        for block in blocks {
            match block {
                ContentBlock::Text { text } => texts.push(text),
                ContentBlock::ToolCall { id, name, arguments } => {
                    calls.push(RecordedCall { id, name, arguments });
                }
            }
        }
        Self { text: texts.join("\n"), calls }
    }
}

impl From<AssistantContent> for Vec<ContentBlock> {
    fn from(AssistantContent { text, calls }: AssistantContent) -> Self {
        let text = (!text.is_empty()).then_some(ContentBlock::Text { text });
        let calls = calls.into_iter().map(|RecordedCall { id, name, arguments }| ContentBlock::ToolCall {
            id,
            name,
            arguments,
        });
        text.into_iter().chain(calls).collect()
    }
}

/// A text that is stored as one block.
mod text_block {
    use super::{AssistantContent, ContentBlock, Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        [ContentBlock::Text { text: text.to_owned() }].serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(AssistantContent::deserialize(deserializer)?.text)
    }
}
