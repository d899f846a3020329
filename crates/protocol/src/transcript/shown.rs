//! What clients see of a message.

use serde_json::json;

use super::{AssistantAuthor, ModelAnswer, Outcome, RuntimeSource, TranscriptMessage};
use crate::payload::chat::{ChatMessage, MessageRole, MessageSource};
use crate::text::one_line;

const UNKNOWN: &str = "This message cannot be shown: it is damaged, or of another version of Tidegate.";

/// Without its position, which only its transcript knows.
impl From<&TranscriptMessage> for ChatMessage {
    fn from(message: &TranscriptMessage) -> Self {
        match message {
            TranscriptMessage::User { text, timestamp, command } => Self {
                timestamp: Some(*timestamp),
                details: command.as_ref().map(|of| json!({ "command": of.command })),
                ..Self::of_text(MessageRole::User, text)
            },
            TranscriptMessage::Assistant { content, timestamp, author } => {
                let said = Self {
                    timestamp: Some(*timestamp),
                    ..Self::new(MessageRole::Assistant, content.clone().into())
                };
                match author {
                    AssistantAuthor::Model(answer) => by_model(said, answer),
                    AssistantAuthor::Gateway { command } => {
                        Self { details: Some(json!({ "command": command.command })), ..said }
                    }
                }
            }
            TranscriptMessage::ToolResult { tool_call_id, tool_name, text, is_error, timestamp, details } => {
                Self {
                    timestamp: Some(*timestamp),
                    tool_call_id: Some(tool_call_id.clone()),
                    tool_name: Some(tool_name.clone()),
                    is_error: Some(*is_error),
                    details: (!details.are_usual()).then(|| json!(details)),
                    ..Self::of_text(MessageRole::ToolResult, text)
                }
            }
            TranscriptMessage::Runtime { text, timestamp, source } => {
                let said = match source {
                    Some(source) => of_source(text, source),
                    None => Self::of_text(MessageRole::System, text),
                };
                Self { timestamp: Some(*timestamp), ..said }
            }
            TranscriptMessage::Unknown(_) => Self::of_text(MessageRole::System, UNKNOWN),
        }
    }
}

fn by_model(said: ChatMessage, answer: &ModelAnswer) -> ChatMessage {
    let ModelAnswer { api, provider, model, usage, stop_reason, error_message } = answer.clone();
    ChatMessage {
        api: Some(api),
        provider: Some(provider),
        model: Some(model),
        usage: Some(usage),
        stop_reason: Some(stop_reason.name().to_owned()),
        error_message,
        ..said
    }
}

/// A sentence in the place of a subagent's report, which is written for the model: OpenClaw's clients
/// draw a message as it is, and its gateway hides such reports from them. Who shows more finds it in `source`.
fn of_source(report: &str, source: &RuntimeSource) -> ChatMessage {
    let RuntimeSource::Subagent { run_id, session_key, label, status } = source;
    let name = match label {
        Some(label) => format!("The subagent \"{}\"", one_line(label, 120)),
        None => "A subagent".to_owned(),
    };
    let outcome = match status {
        Outcome::Ok => "has finished",
        Outcome::TimedOut => "ran out of time",
        Outcome::Cancelled => "was cancelled",
        Outcome::Interrupted => "was interrupted",
        Outcome::Error => "has failed",
    };
    ChatMessage {
        source: Some(MessageSource {
            kind: "subagent".to_owned(),
            run_id: run_id.clone(),
            session_key: session_key.clone(),
            label: label.clone(),
            status: status.name().to_owned(),
            report: Some(report.to_owned()),
        }),
        ..ChatMessage::of_text(MessageRole::System, &format!("{name} {outcome}."))
    }
}
