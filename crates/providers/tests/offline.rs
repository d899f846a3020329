//! What the offline model answers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_agent::inbox_message;
use tidegate_agent::message::{Message, ToolCall};
use tidegate_agent::model::{ModelRequest, StopReason, StreamEvent};
use tidegate_agent::tool::ToolDescription;
use tidegate_agent::untrusted::frame;
use tidegate_protocol::{RunId, SessionKey, UnixMillis};
use tidegate_providers::offline::reply;
use tidegate_store::{InboxRow, Outcome};

const TOOLS: [&str; 7] =
    ["exec", "read", "write", "sessions_spawn", "sessions_list", "sessions_history", "session_status"];

fn request(messages: Vec<Message>, tools: &[&'static str]) -> ModelRequest {
    let tool = |&name: &&'static str| ToolDescription {
        name,
        label: "",
        description: "",
        group: "",
        parameters: json!({}),
    };
    ModelRequest { messages, tools: tools.iter().map(tool).collect() }
}

fn user(text: &str) -> Message {
    Message::User(text.to_owned())
}

fn text(events: &[StreamEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let StreamEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

fn calls(events: &[StreamEvent]) -> Vec<ToolCall> {
    events
        .iter()
        .filter_map(|event| if let StreamEvent::ToolCall(call) = event { Some(call.clone()) } else { None })
        .collect()
}

/// The conversation so far and the model's answer to it.
fn continued(mut messages: Vec<Message>, events: &[StreamEvent], more: Vec<Message>) -> Vec<Message> {
    messages.push(Message::Assistant { text: text(events), calls: calls(events) });
    messages.extend(more);
    messages
}

fn child_result(label: &str, said: &str) -> Message {
    let row = InboxRow {
        id: 1,
        session: SessionKey::parse("agent:main:main").unwrap(),
        source: RunId::parse("run-1").unwrap(),
        source_session: SessionKey::parse("agent:main:subagent:1").unwrap(),
        label: Some(label.to_owned()),
        outcome: Outcome::Ok,
        text: said.to_owned(),
        consumed_at_seq: None,
        at: UnixMillis(1),
    };
    Message::Runtime(inbox_message(&row, UnixMillis(2)).text().to_owned())
}

#[test]
fn plain_text_is_repeated_word_by_word_by_a_self_declared_demo() {
    let events = reply(&request(vec![user("how are you?")], &TOOLS));
    assert!(text(&events).starts_with("Offline demo: "));
    assert!(text(&events).contains("how are you?") && text(&events).contains("no intelligence"));
    assert!(
        events.iter().all(|event| !matches!(event, StreamEvent::Text(word) if word.trim().contains(' ')))
    );
    assert_eq!(events.last(), Some(&StreamEvent::Stop(StopReason::Stop)));
}

#[test]
fn a_long_text_is_not_repeated_in_full() {
    let events = reply(&request(vec![user(&"word ".repeat(10_000))], &[]));
    assert!(text(&events).len() < 1_000);
}

#[test]
fn each_line_with_a_command_is_a_tool_call() {
    let said = "please do this\n/run echo hi\n/spawn one: count\n/spawn two: sum\n/write a.txt b c\n/list";
    let events = reply(&request(vec![user(said)], &TOOLS));
    let made: Vec<(String, Value)> = calls(&events)
        .into_iter()
        .map(|call| (call.name, serde_json::from_str(&call.arguments).unwrap()))
        .collect();
    let expected = [
        ("exec", json!({"command": "echo hi"})),
        ("sessions_spawn", json!({"task": "count", "label": "one"})),
        ("sessions_spawn", json!({"task": "sum", "label": "two"})),
        ("write", json!({"path": "a.txt", "content": "b c"})),
        ("sessions_list", json!({})),
    ];
    assert_eq!(made, expected.map(|(name, arguments)| (name.to_owned(), arguments)));
    assert_eq!(events.last(), Some(&StreamEvent::Stop(StopReason::ToolUse)));
}

#[test]
fn a_tool_that_is_not_offered_is_not_called() {
    let events = reply(&request(vec![user("/run ls\n/read a")], &["read"]));
    assert_eq!(calls(&events).iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["read"]);
    assert!(text(&events).contains("may not use the tool exec"));
}

#[test]
fn a_tool_result_is_answered_and_the_command_not_repeated() {
    let first = vec![user("/run echo hi")];
    let events = reply(&request(first.clone(), &TOOLS));
    let result = Message::ToolResult {
        call_id: calls(&events)[0].id.clone(),
        name: "exec".to_owned(),
        text: frame("tool exec", "hi\nthere"),
        is_error: false,
    };
    let answer = reply(&request(continued(first, &events, vec![result]), &TOOLS));
    assert_eq!(calls(&answer), []);
    assert_eq!(text(&answer), "Offline demo: exec answered: hi\\u{a}there");
}

#[test]
fn three_subagents_are_named_when_they_start_and_when_they_end() {
    let labels = ["alpha", "beta", "gamma"];
    let said = labels.map(|label| format!("/spawn {label}: do part {label}")).join("\n");
    let first = vec![user(&said)];
    let spawned = reply(&request(first.clone(), &TOOLS));
    let receipts = calls(&spawned).into_iter().enumerate().map(|(position, call)| Message::ToolResult {
        call_id: call.id,
        name: call.name,
        text: json!({"status": "accepted", "childSessionKey": format!("agent:main:subagent:{position}"), "runId": "r"}).to_string(),
        is_error: false,
    });
    let second = continued(first, &spawned, receipts.collect());
    let started = reply(&request(second.clone(), &TOOLS));
    let results = labels.map(|label| child_result(label, &format!("{label} is done. {}", "x".repeat(1_000))));
    let ended = reply(&request(continued(second, &started, results.to_vec()), &TOOLS));

    for (position, label) in labels.iter().enumerate() {
        let receipt = format!("started the subagent {label} (agent:main:subagent:{position})");
        assert!(text(&started).contains(&receipt), "{}", text(&started));
        let result = format!("the subagent {label} ended (ok): {label} is done. xxx");
        assert!(text(&ended).contains(&result), "{}", text(&ended));
    }
    assert_eq!((calls(&started), calls(&ended)), (vec![], vec![]));
    assert!(text(&ended).len() < 1_200);
}

#[test]
fn a_refused_subagent_is_not_called_started() {
    let result = Message::ToolResult {
        call_id: "1".to_owned(),
        name: "sessions_spawn".to_owned(),
        text: json!({"status": "forbidden", "error": "too many"}).to_string(),
        is_error: false,
    };
    let answer = reply(&request(
        vec![user("/spawn a"), Message::Assistant { text: "x".to_owned(), calls: vec![] }, result],
        &TOOLS,
    ));
    assert!(!text(&answer).contains("started"), "{}", text(&answer));
    assert!(text(&answer).contains("too many"));
}

#[test]
fn help_lists_every_command() {
    let help = text(&reply(&request(vec![user("/help")], &[])));
    for command in [
        "/run", "/read", "/ls", "/glob", "/grep", "/write", "/spawn", "/list", "/history", "/status", "/help",
    ] {
        assert!(help.contains(command), "{command}");
    }
}

fn message() -> impl Strategy<Value = Message> {
    let fragment = prop_oneof![
        Just("/run ".to_owned()),
        Just("/spawn a: ".to_owned()),
        Just("/write ".to_owned()),
        Just("\n".to_owned()),
        Just("Your subagent \"".to_owned()),
        Just("\" has ended.\n".to_owned()),
        Just("status: ".to_owned()),
        Just("<untrusted-data id=\"".to_owned()),
        Just("\">\n".to_owned()),
        Just("\n</untrusted-data ".to_owned()),
        Just("{\"status\":\"accepted\",\"childSessionKey\":\"k\"}".to_owned()),
        Just("[Subagent Task]:".to_owned()),
        ".{0,8}",
    ];
    let text = prop::collection::vec(fragment, 0..6).prop_map(|parts| parts.concat());
    let call = (text.clone(), "[a-z_]{0,14}").prop_map(|(arguments, name)| ToolCall {
        id: "1".to_owned(),
        name,
        arguments,
    });
    prop_oneof![
        text.clone().prop_map(Message::System),
        text.clone().prop_map(Message::User),
        text.clone().prop_map(Message::Runtime),
        (text.clone(), prop::collection::vec(call, 0..3))
            .prop_map(|(text, calls)| Message::Assistant { text, calls }),
        (text, prop::sample::select(&TOOLS[..]), any::<bool>()).prop_map(|(text, name, is_error)| {
            Message::ToolResult { call_id: "1".to_owned(), name: name.to_owned(), text, is_error }
        }),
    ]
}

proptest! {
    #[test]
    fn every_conversation_gets_one_whole_answer(messages in prop::collection::vec(message(), 0..8), tools in prop::sample::subsequence(&TOOLS[..], 0..7)) {
        let request = request(messages, &tools);
        let events = reply(&request);
        prop_assert_eq!(&events, &reply(&request));
        prop_assert!(text(&events).starts_with("Offline demo:"));
        let made = calls(&events);
        prop_assert!(made.iter().all(|call| tools.contains(&call.name.as_str())));
        let stop = if made.is_empty() { StopReason::Stop } else { StopReason::ToolUse };
        prop_assert_eq!(events.last(), Some(&StreamEvent::Stop(stop)));
    }
}
