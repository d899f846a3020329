//! What a model reads of a transcript, and how what it says becomes part of one.

use std::collections::HashMap;

use serde_json::{Value, json};
use tidegate_protocol::TranscriptMessage;
use tidegate_protocol::transcript::{RecordedCall, ResultAuthor};
use tidegate_store::TranscriptEntry;

use crate::arguments::parse_object;
use crate::message::{Message, ToolCall};
use crate::untrusted::frame;

/// Arguments that no tool takes are kept as text.
impl From<&ToolCall> for RecordedCall {
    fn from(call: &ToolCall) -> Self {
        let arguments = match parse_object(&call.arguments) {
            Ok(object) => Value::Object(object),
            Err(_) => Value::String(call.arguments.clone()),
        };
        Self { id: call.id.clone(), name: call.name.clone(), arguments }
    }
}

/// Servers refuse a conversation whose calls have broken arguments: these become an object.
impl From<&RecordedCall> for ToolCall {
    fn from(call: &RecordedCall) -> Self {
        let arguments = match &call.arguments {
            object @ Value::Object(_) => object.to_string(),
            other => json!({"invalidArguments": other}).to_string(),
        };
        Self { id: call.id.clone(), name: call.name.clone(), arguments }
    }
}

/// Stands between two messages of a person where the first has no answer: many models read messages
/// that follow each other as one.
const NO_ANSWER: &str = "(No answer was given to this message.)";

/// What a model reads of a transcript: entries in order, each tool call followed by exactly one
/// result, text of tools framed as untrusted. A call without a result gets one that says that its
/// outcome is unknown; a result without a call is left out, as are chat commands, their answers and
/// messages that are not known. A message that has no answer is followed by one that says so, or left out
/// when the next one says the same: the person tried again.
#[must_use]
pub(super) fn conversation(entries: &[TranscriptEntry]) -> Vec<Message> {
    let entries: Vec<&TranscriptMessage> =
        entries.iter().map(|entry| &entry.message).filter(|message| !message.is_of_command()).collect();
    let mut messages = Vec::with_capacity(entries.len());
    let mut has_answer = true;
    for (index, message) in entries.iter().enumerate() {
        match message {
            TranscriptMessage::User { text, .. } => {
                let said = Message::User(text.clone());
                if !has_answer && messages.last() == Some(&said) {
                    continue;
                }
                if !has_answer {
                    messages.push(Message::Assistant { text: NO_ANSWER.to_owned(), calls: Vec::new() });
                }
                messages.push(said);
                has_answer = false;
            }
            TranscriptMessage::Runtime { text, .. } => messages.push(Message::Runtime(text.clone())),
            TranscriptMessage::Assistant { content, .. } => {
                let text = content.text.clone();
                let calls: Vec<ToolCall> = content.calls.iter().map(ToolCall::from).collect();
                if text.is_empty() && calls.is_empty() {
                    continue;
                }
                let mut answers = answers_until_next_turn(&entries[index + 1..]);
                let results: Vec<Message> =
                    calls.iter().map(|call| result_message(call, answers.remove(call.id.as_str()))).collect();
                messages.push(Message::Assistant { text, calls });
                messages.extend(results);
                has_answer = true;
            }
            TranscriptMessage::ToolResult { .. } | TranscriptMessage::Unknown(_) => {}
        }
    }
    messages
}

/// What a tool answered.
#[derive(Clone, Copy)]
struct ToolAnswer<'a> {
    text: &'a str,
    is_error: bool,
    author: ResultAuthor,
}

/// By the id of the call; of several, the first.
fn answers_until_next_turn<'a>(messages: &[&'a TranscriptMessage]) -> HashMap<&'a str, ToolAnswer<'a>> {
    let mut answers = HashMap::new();
    for message in messages {
        match message {
            TranscriptMessage::Assistant { .. } | TranscriptMessage::User { .. } => break,
            TranscriptMessage::ToolResult { tool_call_id, text, is_error, details, .. } => {
                let answer = ToolAnswer { text, is_error: *is_error, author: details.author };
                answers.entry(tool_call_id.as_str()).or_insert(answer);
            }
            TranscriptMessage::Runtime { .. } | TranscriptMessage::Unknown(_) => {}
        }
    }
    answers
}

fn result_message(call: &ToolCall, answer: Option<ToolAnswer<'_>>) -> Message {
    let Some(ToolAnswer { text, is_error, author }) = answer else { return unknown_outcome(call) };
    let text = match author {
        ResultAuthor::Runtime => text.to_owned(),
        ResultAuthor::Tool => frame(&format!("tool {}", call.name), text),
    };
    Message::ToolResult { call_id: call.id.clone(), name: call.name.clone(), text, is_error }
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
    use tidegate_protocol::UnixMillis;
    use tidegate_protocol::payload::chat::MessageUsage;
    use tidegate_protocol::transcript::{
        AnswerEnd, AnsweredCommand, AssistantAuthor, AssistantContent, ModelAnswer,
    };

    const AT: UnixMillis = UnixMillis(5);

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments: "{\"path\":\"a\"}".to_owned() }
    }

    fn entries(messages: Vec<TranscriptMessage>) -> Vec<TranscriptEntry> {
        let entry = |(index, message)| TranscriptEntry {
            seq: index as u64 + 1,
            id: String::new(),
            run: None,
            message,
            at: AT,
        };
        messages.into_iter().enumerate().map(entry).collect()
    }

    fn user(text: &str) -> TranscriptMessage {
        TranscriptMessage::user(text, AT)
    }

    fn assistant(text: &str, calls: &[ToolCall]) -> TranscriptMessage {
        TranscriptMessage::Assistant {
            content: AssistantContent {
                text: text.to_owned(),
                calls: calls.iter().map(RecordedCall::from).collect(),
            },
            timestamp: AT,
            author: AssistantAuthor::Model(ModelAnswer {
                api: "openai-completions".to_owned(),
                provider: "p".to_owned(),
                model: "m".to_owned(),
                usage: MessageUsage { input: 2, output: 3, total_tokens: 5 },
                stop_reason: AnswerEnd::ToolUse,
                error_message: None,
            }),
        }
    }

    fn result(call: &ToolCall, text: &str, author: ResultAuthor) -> TranscriptMessage {
        TranscriptMessage::ToolResult {
            tool_call_id: call.id.clone(),
            tool_name: call.name.clone(),
            text: text.to_owned(),
            is_error: author == ResultAuthor::Runtime,
            timestamp: AT,
            details: author.into(),
        }
    }

    /// A model that failed before it said anything.
    fn failed() -> TranscriptMessage {
        let mut message = assistant("", &[]);
        if let TranscriptMessage::Assistant { author: AssistantAuthor::Model(answer), .. } = &mut message {
            answer.stop_reason = AnswerEnd::Error;
            answer.error_message = Some("the model server answered 500".to_owned());
        }
        message
    }

    #[test]
    fn messages_without_an_answer_stay_apart() {
        let messages = vec![user("first"), failed(), user("second"), user("third")];

        let said = |text: &str| Message::User(text.to_owned());
        let none = || Message::Assistant { text: NO_ANSWER.to_owned(), calls: vec![] };
        let expected = vec![said("first"), none(), said("second"), none(), said("third")];
        assert_eq!(conversation(&entries(messages)), expected);
    }

    #[test]
    fn a_message_that_was_tried_again_is_read_once() {
        let said = || user("what is the time?");
        let messages = vec![said(), failed(), said(), failed(), said()];

        assert_eq!(conversation(&entries(messages)), [Message::User("what is the time?".to_owned())]);
    }

    #[test]
    fn the_same_words_after_an_answer_are_said_twice() {
        let messages = vec![user("go on"), assistant("done", &[]), user("go on")];

        assert_eq!(conversation(&entries(messages)).len(), 3);
    }

    #[test]
    fn a_call_without_a_result_gets_one_that_says_so() {
        let messages = conversation(&entries(vec![assistant("", &[call("1")]), user("go on")]));
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
        let stray = result(&call("9"), "x", ResultAuthor::Tool);
        assert_eq!(conversation(&entries(vec![stray])), vec![]);
    }

    #[test]
    fn what_a_tool_says_is_framed_and_what_the_runtime_says_is_not() {
        let bodies = vec![
            assistant("", &[call("1"), call("2")]),
            result(&call("1"), "from outside", ResultAuthor::Tool),
            result(&call("2"), "from us", ResultAuthor::Runtime),
        ];
        let messages = conversation(&entries(bodies));
        let texts: Vec<_> = messages
            .iter()
            .filter_map(|m| if let Message::ToolResult { text, .. } = m { Some(text) } else { None })
            .collect();
        assert!(texts[0].starts_with("<untrusted-data"));
        assert_eq!(texts[1], "from us");
    }

    /// Our own client reads transcripts, too, on the one connection of all runs.
    #[test]
    fn a_call_with_deep_arguments_can_be_read_in_a_frame() {
        for depth in 1..200 {
            let arguments = format!("{{\"path\":{}0{}}}", "[".repeat(depth), "]".repeat(depth));
            let said = assistant("", &[ToolCall { arguments, ..call("1") }]);
            let frame = json!({ "type": "res", "payload": { "messages": [said] } }).to_string();

            let read: Result<Value, _> = serde_json::from_str(&frame);
            assert!(read.is_ok(), "{depth}: {read:?}");
        }
    }

    #[test]
    fn a_message_that_is_not_known_is_left_out() {
        let unknown = TranscriptMessage::of_stored("?");
        assert_eq!(conversation(&entries(vec![unknown, user("hi")])), [Message::User("hi".to_owned())]);
    }

    #[test]
    fn a_command_between_a_call_and_its_result_changes_nothing() {
        let (call, result) = (assistant("", &[call("1")]), result(&call("1"), "done", ResultAuthor::Tool));
        let status = AnsweredCommand { command: "status".to_owned() };
        let said = TranscriptMessage::User {
            text: "/status".to_owned(),
            timestamp: AT,
            command: Some(status.clone()),
        };
        let answered = TranscriptMessage::Assistant {
            content: AssistantContent { text: "All is well.".to_owned(), calls: vec![] },
            timestamp: AT,
            author: AssistantAuthor::Gateway { command: status },
        };
        let with_command = vec![call.clone(), said, answered, result.clone()];

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
                0 => user("u"),
                1 => assistant("t", &[]),
                2 => assistant("", &[call(&id.to_string()), call("other")]),
                _ => result(&call(&id.to_string()), "r", ResultAuthor::Tool),
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
