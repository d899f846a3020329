//! Transcripts of all versions are read, and what is read is written as it was.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_protocol::payload::chat::{ChatMessage, MessageUsage};
use tidegate_protocol::payload::permissions::PermissionName;
use tidegate_protocol::transcript::{
    AnswerEnd, AnsweredCommand, AssistantAuthor, AssistantContent, CallOutcome, ModelAnswer, Outcome,
    RecordedCall, ResultAuthor, ResultDetails, RuntimeSource,
};
use tidegate_protocol::{RunId, SessionKey, TranscriptMessage, UnixMillis};

/// Messages as stores of earlier versions hold them, one of each kind.
fn recorded() -> [Value; 13] {
    let said = |role: &str, text: &str| json!({ "role": role, "content": [{ "type": "text", "text": text }], "timestamp": 1_783_340_000_001_u64 });
    let with = |mut message: Value, field: &str, value: Value| {
        message[field] = value;
        message
    };
    let answer = |content: Value, stop: &str| {
        json!({
            "api": "openai-completions", "content": content, "model": "tg-1", "provider": "local",
            "role": "assistant", "stopReason": stop, "timestamp": 1_783_340_000_002_u64,
            "usage": { "input": 10, "output": 5, "totalTokens": 15 },
        })
    };
    let text = json!({ "type": "text", "text": "I look." });
    let call = json!({ "type": "toolCall", "id": "c1", "name": "read", "arguments": { "path": "a", "n": [1, null] } });
    let broken = json!({ "type": "toolCall", "id": "c2", "name": "read", "arguments": "{oops" });
    let result = json!({
        "content": [{ "type": "text", "text": "" }], "isError": false, "role": "toolResult",
        "timestamp": 3, "toolCallId": "c1", "toolName": "read",
    });
    let source = json!({
        "kind": "subagent", "label": null, "runId": "4f1c", "sessionKey": "agent:main:subagent:1", "status": "timed_out",
    });
    [
        said("user", "hi"),
        with(said("user", "/status"), "details", json!({ "command": "status" })),
        with(said("assistant", "All is well."), "details", json!({ "command": "status" })),
        answer(json!([text, call]), "toolUse"),
        answer(json!([call, broken]), "length"),
        answer(json!([text]), "stop"),
        answer(json!([]), "aborted"),
        with(answer(json!([]), "error"), "errorMessage", json!("the model's server cannot be reached")),
        result.clone(),
        with(result.clone(), "isError", json!(true)),
        with(result, "details", json!({ "author": "runtime" })),
        said("runtime", "The message above was not worked on."),
        with(said("runtime", "Your subagent without a label has ended."), "source", source),
    ]
}

#[test]
fn messages_of_earlier_versions_are_read_and_written_as_they_were() {
    for stored in recorded() {
        let message = TranscriptMessage::of_stored(&stored.to_string());
        assert!(!matches!(message, TranscriptMessage::Unknown(_)), "{stored}");
        assert_eq!(serde_json::to_value(&message).expect("a value"), stored);
    }
}

#[test]
fn a_message_of_a_kind_that_is_not_known_stays_as_it_is() {
    for stored in [
        json!({ "role": "later", "content": "x" }),
        json!({ "role": "user" }),
        json!({ "role": "assistant", "content": [{ "type": "text", "text": "by nobody" }], "timestamp": 1 }),
        json!({ "role": "toolResult", "content": 7 }),
        json!([]),
        json!(null),
    ] {
        let message = TranscriptMessage::of_stored(&stored.to_string());
        assert_eq!(message, TranscriptMessage::Unknown(stored.clone()));
        assert_eq!(serde_json::to_value(&message).expect("a value"), stored);
    }
    assert_eq!(TranscriptMessage::of_stored("{"), TranscriptMessage::Unknown("{".into()));
}

#[test]
fn an_outcome_has_one_name_everywhere() {
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).expect("a value"), outcome.name());
    }
}

#[test]
fn clients_see_the_same_fields_and_no_role_that_they_do_not_know() {
    for stored in recorded() {
        let message = TranscriptMessage::of_stored(&stored.to_string());
        let mut shown = serde_json::to_value(ChatMessage::from(&message)).expect("a value");
        if stored["role"] == "runtime" {
            assert_eq!(shown["role"], "system");
            shown["role"] = json!("runtime");
        }
        if let Some(source) = shown.get_mut("source") {
            let report = source.as_object_mut().and_then(|source| source.remove("report")).expect("a report");
            assert_eq!(shown["content"][0]["text"], "A subagent ran out of time.");
            shown["content"][0]["text"] = report;
        }
        assert_eq!(shown, stored);
    }
}

/// JSON without fractions, which texts hold only nearly.
fn open_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "role",
        "content",
        "timestamp",
        "details",
        "command",
        "author",
        "source",
        "kind",
        "type",
        "text",
        "id",
        "name",
        "arguments",
        "api",
        "usage",
        "x",
    ]);
    let words = prop::sample::select(vec![
        "user",
        "assistant",
        "toolResult",
        "runtime",
        "text",
        "toolCall",
        "subagent",
        "stop",
        "ok",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        words.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn authors() -> impl Strategy<Value = AssistantAuthor> {
    let end = prop::sample::select(vec![
        AnswerEnd::Stop,
        AnswerEnd::ToolUse,
        AnswerEnd::Length,
        AnswerEnd::Error,
        AnswerEnd::Aborted,
    ]);
    let model = (any::<[u64; 2]>(), end, any::<Option<String>>(), any::<String>());
    prop_oneof![
        any::<String>().prop_map(|command| AssistantAuthor::Gateway { command: AnsweredCommand { command } }),
        model.prop_map(|([input, output], stop_reason, error_message, name)| {
            AssistantAuthor::Model(ModelAnswer {
                api: name.clone(),
                provider: name.clone(),
                model: name,
                usage: MessageUsage { input, output, total_tokens: input },
                stop_reason,
                error_message,
            })
        }),
    ]
}

fn messages() -> impl Strategy<Value = TranscriptMessage> {
    let at = any::<u64>().prop_map(UnixMillis);
    let command = prop::option::of(any::<String>().prop_map(|command| AnsweredCommand { command }));
    let call = (any::<String>(), any::<String>(), open_json());
    let calls = prop::collection::vec(
        call.prop_map(|(id, name, arguments)| RecordedCall { id, name, arguments }),
        0..4,
    );
    let source = ("[a-z0-9]{1,20}", any::<Option<String>>(), prop::sample::select(Outcome::ALL.to_vec()));
    let source = source.prop_map(|(run, label, status)| RuntimeSource::Subagent {
        run_id: RunId::parse(run).expect("an id"),
        session_key: SessionKey::parse("agent:main:subagent:1").expect("a key"),
        label,
        status,
    });
    prop_oneof![
        (any::<String>(), at.clone(), command)
            .prop_map(|(text, timestamp, command)| TranscriptMessage::User { text, timestamp, command }),
        (any::<String>(), calls, at.clone(), authors()).prop_map(|(text, calls, timestamp, author)| {
            TranscriptMessage::Assistant { content: AssistantContent { text, calls }, timestamp, author }
        }),
        (any::<[String; 3]>(), any::<bool>(), details(), at.clone()).prop_map(
            |([tool_call_id, tool_name, text], is_error, details, timestamp)| TranscriptMessage::ToolResult {
                tool_call_id,
                tool_name,
                text,
                is_error,
                timestamp,
                details,
            }
        ),
        (any::<String>(), at, prop::option::of(source))
            .prop_map(|(text, timestamp, source)| TranscriptMessage::Runtime { text, timestamp, source }),
    ]
}

fn details() -> impl Strategy<Value = ResultDetails> {
    let author = prop_oneof![Just(ResultAuthor::Tool), Just(ResultAuthor::Runtime)];
    let outcome = prop::option::of(prop_oneof![Just(CallOutcome::Denied), Just(CallOutcome::Stopped)]);
    let permission =
        prop::option::of(prop_oneof![Just(PermissionName::Contained), Just(PermissionName::Task)]);
    let parts = (author, outcome, permission);
    parts.prop_map(|(author, outcome, permission)| ResultDetails { author, outcome, permission })
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(message in messages()) {
        let stored = serde_json::to_string(&message).expect("a text");
        prop_assert_eq!(&TranscriptMessage::of_stored(&stored), &message);
        let shown = serde_json::to_string(&ChatMessage::from(&message)).expect("a text");
        prop_assert!(serde_json::from_str::<ChatMessage>(&shown).is_ok(), "{}", shown);
    }

    #[test]
    fn any_json_is_a_message_and_reads_the_same_after_writing(stored in open_json()) {
        let message = TranscriptMessage::of_stored(&stored.to_string());
        let again = serde_json::to_string(&message).expect("a text");
        prop_assert_eq!(&TranscriptMessage::of_stored(&again), &message);
        let _ = ChatMessage::from(&message);
    }

    #[test]
    fn any_text_is_a_message(text in any::<String>()) {
        let _ = ChatMessage::from(&TranscriptMessage::of_stored(&text));
    }
}
