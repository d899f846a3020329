use serde_json::json;
use tidegate_protocol::TranscriptMessage;
use tidegate_protocol::transcript::ResultDetails;
use tidegate_store::{NewRun, Outcome, Recovery, RunState, Store};

use crate::common::*;

fn asks(calls: &[(&str, &str)]) -> TranscriptMessage {
    let calls: Vec<_> = calls.iter().map(|(id, name)| (*id, *name, json!({}))).collect();
    assistant(&calls)
}

fn tool_result(id: &str) -> TranscriptMessage {
    TranscriptMessage::ToolResult {
        tool_call_id: id.to_owned(),
        tool_name: "read".to_owned(),
        text: "done".to_owned(),
        is_error: false,
        timestamp: at(60),
        details: ResultDetails::default(),
    }
}

fn role(message: &TranscriptMessage) -> &'static str {
    match message {
        TranscriptMessage::User { .. } => "user",
        TranscriptMessage::Assistant { .. } => "assistant",
        TranscriptMessage::ToolResult { .. } => "toolResult",
        TranscriptMessage::Runtime { .. } => "runtime",
        TranscriptMessage::Unknown(_) => "unknown",
    }
}

#[tokio::test]
async fn what_was_queued_or_working_is_interrupted_and_says_so() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("queued", MAIN)).await;
    created(&store, new_run("working", "agent:main:b")).await;
    started(&store, "working").await;
    created(&store, NewRun { boot: "boot-2".to_owned(), ..new_run("mine", "agent:main:c") }).await;
    created(&store, new_run("ended", "agent:main:d")).await;
    store.settle_run(settlement("ended", Outcome::Ok)).await.expect("settled");

    let recovery = store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");

    let errors: Vec<_> = recovery
        .interrupted
        .iter()
        .map(|run| (run.id.as_str(), run.error.clone().unwrap_or_default()))
        .collect();
    assert_eq!(
        errors,
        [
            ("queued", "Tidegate stopped while this run was queued.".to_owned()),
            ("working", "Tidegate stopped while this run was working.".to_owned()),
        ]
    );
    assert!(recovery.interrupted.iter().all(|run| run.state == RunState::Terminal(Outcome::Interrupted)));
    let left: Vec<_> = store.unfinished_runs().await.expect("read").into_iter().map(|run| run.id).collect();
    assert_eq!(left, [run_id("mine")]);
    let session = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!(session.last_state, Some(RunState::Terminal(Outcome::Interrupted)));
    assert_eq!(store.recover("boot-2".to_owned(), at(901)).await, Ok(Recovery::default()));
}

#[tokio::test]
async fn open_tool_calls_get_an_unknown_outcome_and_answered_ones_nothing() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    let messages = vec![
        asks(&[("a", "read"), ("b", "exec")]),
        tool_result("a"),
        tool_result("b"),
        // The model uses an id again, and the process ends before that call is answered.
        asks(&[("b", "exec"), ("c", "write")]),
        asks(&[]),
    ];
    store.append(run_id("r1"), messages, at(210)).await.expect("appended");

    store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");

    let added = store.transcript(run.session_id, None, 2).await.expect("read");
    let unknown = |id: &str, tool: &str, message: &TranscriptMessage| {
        let TranscriptMessage::ToolResult {
            tool_call_id, tool_name, text, is_error: true, timestamp, ..
        } = message
        else {
            panic!("{message:?}")
        };
        assert_eq!((tool_call_id.as_str(), tool_name.as_str(), *timestamp), (id, tool, at(900)));
        assert!(text.contains("outcome"), "{text}");
    };
    unknown("b", "exec", &added[0].message);
    unknown("c", "write", &added[1].message);
}

#[tokio::test]
async fn calls_of_another_run_in_the_same_transcript_are_not_answered() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    created(&store, NewRun { boot: "boot-2".to_owned(), ..new_run("r2", MAIN) }).await;
    started(&store, "r1").await;
    started(&store, "r2").await;
    store.append(run_id("r2"), vec![asks(&[("live", "exec")])], at(210)).await.expect("appended");
    store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");
    assert_eq!(store.transcript(run.session_id, None, 10).await.expect("read").len(), 3);
}

#[tokio::test]
async fn an_interrupted_child_reaches_its_parents_inbox() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    started(&store, "parent").await;
    created(&store, new_child("c1", "parent")).await;
    let recovery = store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");
    assert_eq!(recovery.waiting_inboxes, [key(MAIN)]);
    let rows = store.inbox(key(MAIN)).await.expect("inbox");
    assert_eq!((rows.len(), &rows[0].source, rows[0].outcome), (1, &run_id("c1"), Outcome::Interrupted));
    let again = store.recover("boot-3".to_owned(), at(901)).await.expect("recovered");
    assert_eq!((again.interrupted.len(), again.waiting_inboxes), (0, vec![key(MAIN)]));
}

#[tokio::test]
async fn a_message_that_was_still_queued_is_in_the_transcript_once_with_a_note() {
    let store = Store::in_memory().expect("store");
    let first = created(&store, new_run("working", MAIN)).await;
    created(&store, new_run("second", MAIN)).await;
    created(&store, new_run("third", MAIN)).await;
    started(&store, "working").await;
    store.append(run_id("working"), vec![asks(&[("a", "exec")])], at(210)).await.expect("appended");

    store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");
    store.recover("boot-3".to_owned(), at(901)).await.expect("recovered");

    let entries = store.transcript(first.session_id, None, 20).await.expect("read");
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            let run = entry.run.as_ref().map(ToString::to_string).unwrap_or_default();
            (run, role(&entry.message))
        })
        .collect();
    let expected = [
        ("working", "user"),
        ("working", "assistant"),
        ("working", "toolResult"),
        ("second", "user"),
        ("second", "runtime"),
        ("third", "user"),
        ("third", "runtime"),
    ];
    assert_eq!(seen, expected.map(|(run, role)| (run.to_owned(), role)));
    assert_eq!(entries[3].message, user("do second"));
    let note = entries[4].message.text();
    assert!(note.contains("not worked on") && note.contains("Tidegate stopped"), "{note}");
    assert_eq!(entries[4].message, TranscriptMessage::runtime(note, at(900)));
}

#[tokio::test]
async fn a_message_that_was_queued_over_a_reset_is_in_the_new_transcript() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("queued", MAIN)).await;
    store.reset_session(key(MAIN), session_id("after"), at(500)).await.expect("reset").expect("there");
    store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");
    assert_eq!(store.transcript(run.session_id, None, 20).await, Ok(Vec::new()));
    assert_eq!(store.transcript(session_id("after"), None, 20).await.expect("read").len(), 2);
    let run = store.run(run.id).await.expect("read").expect("there");
    assert_eq!(run.session_id, session_id("after"));
}

#[tokio::test]
async fn a_message_that_was_withdrawn_before_it_was_worked_on_leaves_nothing() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("queued", MAIN)).await;
    store.settle_run(settlement("queued", Outcome::Cancelled)).await.expect("settled");
    assert_eq!(store.transcript(run.session_id, None, 20).await, Ok(Vec::new()));
}
