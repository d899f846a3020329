//! Messages as transcripts hold them (the protocol's `chat.history` shape), and back into what a
//! model reads.

use std::collections::HashMap;

use serde_json::{Value, json};
use tidegate_protocol::UnixMillis;
use tidegate_store::{TranscriptEntry, Usage};

use crate::message::{Message, ToolCall};
use crate::model::ModelName;
use crate::untrusted::frame;

/// Why an assistant message ended, as `stopReason` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopWord {
    /// The model was done.
    Stop,
    /// It asked for tools.
    ToolUse,
    /// It ran into its length limit.
    Length,
    /// It failed.
    Error,
    /// The run was stopped.
    Aborted,
}

impl StopWord {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::ToolUse => "toolUse",
            Self::Length => "length",
            Self::Error => "error",
            Self::Aborted => "aborted",
        }
    }
}

/// What a person or a parent said.
#[must_use]
pub fn user_message(text: &str, at: UnixMillis) -> Value {
    json!({"role": "user", "content": [{"type": "text", "text": text}], "timestamp": at})
}

/// A chat command and the gateway's answer, as a transcript holds them. No model reads them.
#[must_use]
pub fn command_messages(command: &str, message: &str, answer: &str, at: UnixMillis) -> Vec<Value> {
    let said = |role: &str, text: &str| {
        json!({
            "role": role,
            "content": [{"type": "text", "text": text}],
            "timestamp": at,
            "details": {"command": command},
        })
    };
    vec![said("user", message), said("assistant", answer)]
}

fn is_of_command(body: &Value) -> bool {
    body["details"]["command"].is_string()
}

/// What a model said.
#[derive(Debug, Clone, Copy)]
pub struct AssistantMessage<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its tool calls.
    pub calls: &'a [ToolCall],
    /// The model.
    pub model: &'a ModelName,
    /// Tokens of this answer.
    pub usage: Usage,
    /// Why it ended.
    pub stop: StopWord,
    /// Why it failed, if it did.
    pub error: Option<&'a str>,
    /// When.
    pub at: UnixMillis,
}

impl AssistantMessage<'_> {
    /// The message as a transcript holds it. Arguments that are not a JSON object are kept as text.
    #[must_use]
    pub fn body(&self) -> Value {
        let text = (!self.text.is_empty()).then(|| json!({"type": "text", "text": self.text}));
        let calls = self.calls.iter().map(|call| {
            let arguments = match serde_json::from_str(&call.arguments) {
                Ok(Value::Object(object)) => Value::Object(object),
                _ => Value::String(call.arguments.clone()),
            };
            json!({"type": "toolCall", "id": call.id, "name": call.name, "arguments": arguments})
        });
        let mut body = json!({
            "role": "assistant",
            "content": text.into_iter().chain(calls).collect::<Vec<_>>(),
            "api": "openai-completions",
            "provider": self.model.provider,
            "model": self.model.model,
            "usage": {
                "input": self.usage.input,
                "output": self.usage.output,
                "totalTokens": self.usage.input.saturating_add(self.usage.output),
            },
            "stopReason": self.stop.as_str(),
            "timestamp": self.at,
        });
        if let Some(error) = self.error {
            body["errorMessage"] = json!(error);
        }
        body
    }
}

/// Who wrote the text of a tool result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// A tool: the text may contain anything.
    Tool,
    /// The runtime: every word is ours.
    Runtime,
}

/// What a tool answered.
#[must_use]
pub fn tool_result(call: &ToolCall, text: &str, is_error: bool, author: Author, at: UnixMillis) -> Value {
    let mut body = json!({
        "role": "toolResult",
        "toolCallId": call.id,
        "toolName": call.name,
        "content": [{"type": "text", "text": text}],
        "isError": is_error,
        "timestamp": at,
    });
    if author == Author::Runtime {
        body["details"] = json!({"author": "runtime"});
    }
    body
}

/// Stands between two messages of a person where the first has no answer: many models read messages
/// that follow each other as one.
const NO_ANSWER: &str = "(No answer was given to this message.)";

/// What a model reads of a transcript: entries in order, each tool call followed by exactly one
/// result, text of tools framed as untrusted. A call without a result gets one that says that its
/// outcome is unknown; a result without a call is left out, as are chat commands, their answers and
/// entries of other kinds. A message that has no answer is followed by [`NO_ANSWER`], or left out when
/// the next one says the same: the person tried again.
#[must_use]
pub fn conversation(entries: &[TranscriptEntry]) -> Vec<Message> {
    let entries: Vec<&TranscriptEntry> = entries.iter().filter(|entry| !is_of_command(&entry.body)).collect();
    let mut messages = Vec::with_capacity(entries.len());
    let mut has_answer = true;
    for (index, entry) in entries.iter().enumerate() {
        let body = &entry.body;
        match body["role"].as_str() {
            Some("user") => {
                let said = Message::User(text_of(body));
                if !has_answer && messages.last() == Some(&said) {
                    continue;
                }
                if !has_answer {
                    messages.push(Message::Assistant { text: NO_ANSWER.to_owned(), calls: Vec::new() });
                }
                messages.push(said);
                has_answer = false;
            }
            Some("runtime") => messages.push(Message::Runtime(text_of(body))),
            Some("assistant") => {
                let (text, calls) = (text_of(body), calls_of(body));
                if text.is_empty() && calls.is_empty() {
                    continue;
                }
                let mut results = results_until_next_turn(&entries[index + 1..]);
                let answers: Vec<Message> = calls
                    .iter()
                    .map(|call| {
                        results
                            .remove(call.id.as_str())
                            .map_or_else(|| unknown_outcome(call), |body| result_message(call, body))
                    })
                    .collect();
                messages.push(Message::Assistant { text, calls });
                messages.extend(answers);
                has_answer = true;
            }
            _ => {}
        }
    }
    messages
}

/// All text blocks of a message, one after the other.
#[must_use]
pub fn text_of(body: &Value) -> String {
    match &body["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks
                .iter()
                .filter(|block| block["type"] == "text")
                .filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn calls_of(body: &Value) -> Vec<ToolCall> {
    let blocks = body["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let calls = blocks.iter().filter(|block| block["type"] == "toolCall").map(|block| ToolCall {
        id: block["id"].as_str().unwrap_or_default().to_owned(),
        name: block["name"].as_str().unwrap_or_default().to_owned(),
        arguments: match &block["arguments"] {
            Value::Object(object) => Value::Object(object.clone()).to_string(),
            // Servers refuse a conversation whose calls have broken arguments.
            other => json!({"invalidArguments": other}).to_string(),
        },
    });
    calls.collect()
}

fn results_until_next_turn<'a>(entries: &[&'a TranscriptEntry]) -> HashMap<&'a str, &'a Value> {
    let turn = entries
        .iter()
        .map(|entry| &entry.body)
        .take_while(|body| body["role"] != "assistant" && body["role"] != "user");
    let mut results = HashMap::new();
    for body in turn.filter(|body| body["role"] == "toolResult") {
        if let Some(id) = body["toolCallId"].as_str() {
            results.entry(id).or_insert(body);
        }
    }
    results
}

fn result_message(call: &ToolCall, body: &Value) -> Message {
    let text = text_of(body);
    let text = if body["details"]["author"] == "runtime" {
        text
    } else {
        frame(&format!("tool {}", call.name), &text)
    };
    Message::ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text,
        is_error: body["isError"].as_bool().unwrap_or_default(),
    }
}

fn unknown_outcome(call: &ToolCall) -> Message {
    Message::ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: "The run ended before this tool answered. Its outcome is unknown: check before you repeat it."
            .to_owned(),
        is_error: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments: "{\"path\":\"a\"}".to_owned() }
    }

    fn entries(bodies: Vec<Value>) -> Vec<TranscriptEntry> {
        let entry = |(index, body)| TranscriptEntry {
            seq: index as u64 + 1,
            id: String::new(),
            run: None,
            body,
            at: UnixMillis(0),
        };
        bodies.into_iter().enumerate().map(entry).collect()
    }

    fn assistant(text: &str, calls: &[ToolCall]) -> Value {
        let model = ModelName { provider: "p".to_owned(), model: "m".to_owned() };
        let (usage, at) = (Usage { input: 2, output: 3 }, UnixMillis(5));
        AssistantMessage { text, calls, model: &model, usage, stop: StopWord::ToolUse, error: None, at }
            .body()
    }

    #[test]
    fn an_assistant_message_has_the_protocols_shape() {
        let expected = json!({
            "role": "assistant",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "toolCall", "id": "1", "name": "read", "arguments": {"path": "a"}},
            ],
            "api": "openai-completions", "provider": "p", "model": "m",
            "usage": {"input": 2, "output": 3, "totalTokens": 5},
            "stopReason": "toolUse", "timestamp": 5,
        });
        assert_eq!(assistant("hi", &[call("1")]), expected);
    }

    /// A model that failed before it said anything.
    fn failed() -> Value {
        let mut body = assistant("", &[]);
        body["errorMessage"] = json!("the model server answered 500");
        body
    }

    #[test]
    fn messages_without_an_answer_stay_apart() {
        let said = |text: &str| user_message(text, UnixMillis(0));
        let bodies = vec![said("first"), failed(), said("second"), said("third")];

        let user = |text: &str| Message::User(text.to_owned());
        let none = || Message::Assistant { text: NO_ANSWER.to_owned(), calls: vec![] };
        let expected = vec![user("first"), none(), user("second"), none(), user("third")];
        assert_eq!(conversation(&entries(bodies)), expected);
    }

    #[test]
    fn a_message_that_was_tried_again_is_read_once() {
        let said = || user_message("what is the time?", UnixMillis(0));
        let bodies = vec![said(), failed(), said(), failed(), said()];

        assert_eq!(conversation(&entries(bodies)), [Message::User("what is the time?".to_owned())]);
    }

    #[test]
    fn the_same_words_after_an_answer_are_said_twice() {
        let said = || user_message("go on", UnixMillis(0));
        let bodies = vec![said(), assistant("done", &[]), said()];

        assert_eq!(conversation(&entries(bodies)).len(), 3);
    }

    #[test]
    fn a_call_without_a_result_gets_one_that_says_so() {
        let messages =
            conversation(&entries(vec![assistant("", &[call("1")]), user_message("go on", UnixMillis(0))]));
        let [
            Message::Assistant { .. },
            Message::ToolResult { call_id, is_error: true, text, .. },
            Message::User(_),
        ] = &messages[..]
        else {
            panic!("{messages:?}");
        };
        assert_eq!(call_id, "1");
        assert!(text.contains("unknown"));
    }

    #[test]
    fn a_result_without_a_call_is_left_out() {
        let stray = tool_result(&call("9"), "x", false, Author::Tool, UnixMillis(0));
        assert_eq!(conversation(&entries(vec![stray])), vec![]);
    }

    #[test]
    fn what_a_tool_says_is_framed_and_what_the_runtime_says_is_not() {
        let bodies = vec![
            assistant("", &[call("1"), call("2")]),
            tool_result(&call("1"), "from outside", false, Author::Tool, UnixMillis(0)),
            tool_result(&call("2"), "from us", true, Author::Runtime, UnixMillis(0)),
        ];
        let messages = conversation(&entries(bodies));
        let texts: Vec<_> = messages
            .iter()
            .filter_map(|m| if let Message::ToolResult { text, .. } = m { Some(text) } else { None })
            .collect();
        assert!(texts[0].starts_with("<untrusted-data"));
        assert_eq!(texts[1], "from us");
    }

    #[test]
    fn a_command_between_a_call_and_its_result_changes_nothing() {
        let (call, result) = (
            assistant("", &[call("1")]),
            tool_result(&call("1"), "done", false, Author::Tool, UnixMillis(0)),
        );
        let mut with_command = vec![call.clone()];
        with_command.extend(command_messages("status", "/status", "All is well.", UnixMillis(0)));
        with_command.push(result.clone());

        assert_eq!(conversation(&entries(with_command)), conversation(&entries(vec![call, result])));
    }

    #[test]
    fn broken_arguments_reach_the_model_as_valid_json() {
        let broken = ToolCall { arguments: "{oops".to_owned(), ..call("1") };
        let messages = conversation(&entries(vec![assistant("", &[broken])]));
        let Message::Assistant { calls, .. } = &messages[0] else { panic!("{messages:?}") };
        let parsed: Value = serde_json::from_str(&calls[0].arguments).expect("valid JSON");
        assert_eq!(parsed, json!({"invalidArguments": "{oops"}));
    }

    proptest! {
        #[test]
        fn every_call_is_followed_by_exactly_its_result(kinds in prop::collection::vec((0..4u8, 0..4u8), 0..20)) {
            let bodies = kinds.iter().map(|&(kind, id)| match kind {
                0 => user_message("u", UnixMillis(0)),
                1 => assistant("t", &[]),
                2 => assistant("", &[call(&id.to_string()), call("other")]),
                _ => tool_result(&call(&id.to_string()), "r", false, Author::Tool, UnixMillis(0)),
            }).collect();
            let mut pending: Vec<String> = Vec::new();
            for message in conversation(&entries(bodies)) {
                match message {
                    Message::ToolResult { call_id, .. } => prop_assert_eq!(pending.remove(0), call_id),
                    Message::Assistant { calls, .. } => {
                        prop_assert!(pending.is_empty());
                        pending = calls.into_iter().map(|call| call.id).collect();
                    }
                    _ => prop_assert!(pending.is_empty()),
                }
            }
            prop_assert!(pending.is_empty());
        }
    }
}
