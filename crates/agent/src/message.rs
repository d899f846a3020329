//! What a model reads and writes.

use serde::{Deserialize, Serialize};

/// One call of a tool, as the model asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id for it; made by the adapter where the model gives none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: the JSON text exactly as the model wrote it, which may be invalid.
    pub arguments: String,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Instructions of the runtime.
    System(String),
    /// What a person or a parent said.
    User(String),
    /// What the runtime tells the model, framed as untrusted where it comes from elsewhere.
    Runtime(String),
    /// What the model said and asked for.
    Assistant {
        text: String,
        /// Its tool calls.
        calls: Vec<ToolCall>,
    },
    /// What a tool answered.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// The tool's name.
        name: String,
        text: String,
        /// Whether the tool failed.
        is_error: bool,
    },
}
