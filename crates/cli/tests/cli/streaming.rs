//! Answers that come in pieces: `agent` and `logs --follow`.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_protocol::payload::approvals::{ApprovalCommand, WaitingApproval};
use tidegate_protocol::payload::chat::ChatAbortResult;
use tidegate_protocol::payload::events::TickEvent;
use tidegate_protocol::{ErrorCode, ErrorShape, RunId};

use crate::support::answers::{agent_accepted, agent_event, agent_result, ago, command, log, run_id};
use crate::support::{Reply, Stage, answer, event};

/// The run of a request: its key.
fn run_of(params: &Value) -> RunId {
    run_id(params["idempotencyKey"].as_str().unwrap())
}

fn says(run: &RunId, text: &str) -> Value {
    event("agent", agent_event(run, text))
}

fn ended(id: &str, run: &RunId, text: &str) -> Value {
    answer(id, agent_result(run, Some(text)))
}

fn accepted(id: &str, run: &RunId) -> Value {
    answer(id, agent_accepted(run))
}

#[tokio::test]
async fn the_answer_is_printed_as_it_comes_and_nothing_of_other_runs() {
    let stage = Stage::scripted(|_, params, id| {
        let run = &run_of(params);
        Reply::Frames(vec![
            accepted(id, run),
            says(run, "Hel"),
            says(&run_id("another run"), "secret"),
            event("tick", TickEvent { ts: ago(0) }),
            says(run, "Hello\u{1b}[31m"),
            ended(id, run, "Hello\u{1b}[31m there."),
        ])
    });

    let outcome =
        stage.run(&["agent", "--message", "hi", "--session", "notes", "--model", "ollama/qwen3"]).await;

    assert_eq!((outcome.code, outcome.out.as_str()), (0, "Hello\\u{1b}[31m there.\n"), "{}", outcome.err);
    let sent = outcome.sent("agent");
    assert_eq!(sent["message"], "hi");
    assert_eq!(sent["sessionKey"], "agent:main:notes");
    assert_eq!(sent["model"], "ollama/qwen3");
}

#[tokio::test]
async fn an_answer_without_events_is_printed_whole() {
    let stage = Stage::scripted(|_, params, id| Reply::Frames(vec![ended(id, &run_of(params), "All.")]));

    let outcome = stage.run(&["agent", "--message", "hi"]).await;

    assert_eq!((outcome.code, outcome.out.as_str()), (0, "All.\n"));
}

#[tokio::test]
async fn a_failed_run_is_1_and_a_sentence_below_what_was_said() {
    let stage = Stage::scripted(|_, params, id| {
        let run = &run_of(params);
        let failed = json!({
            "type": "res", "id": id, "ok": false, "payload": agent_result(run, None),
            "error": ErrorShape::new(ErrorCode::Unavailable, "the model's server closed the connection"),
        });
        Reply::Frames(vec![accepted(id, run), says(run, "Half"), failed])
    });

    let outcome = stage.run(&["agent", "--message", "hi"]).await;

    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.out, "Half\n");
    assert_eq!(outcome.err, "tidegate: The model's server closed the connection.\n");
}

#[tokio::test]
async fn the_person_hears_of_a_command_that_waits_below_this_run_only() {
    let asks = |id: &str, run: &str, task: &str| {
        let request = ApprovalCommand {
            run_id: Some(run.to_owned()),
            task_id: Some(task.to_owned()),
            ..command().request
        };
        event("exec.approval.requested", WaitingApproval { id: id.to_owned(), request, ..command() })
    };
    let stage = Stage::scripted(move |_, params, id| {
        let run = &run_of(params);
        Reply::Frames(vec![
            accepted(id, run),
            says(run, "I ask"),
            asks("mine", "child", run.as_str()),
            asks("foreign", "other", "x"),
            ended(id, run, "I asked."),
        ])
    });

    let outcome = stage.run(&["agent", "--message", "hi"]).await;

    assert_eq!(outcome.out, "I asked.\n");
    assert!(outcome.err.starts_with("\nThe agent waits"), "on a line of its own: {:?}", outcome.err);
    assert!(
        outcome.err.contains("`tidegate approvals show mine`, then `tidegate approvals allow mine`"),
        "{}",
        outcome.err
    );
    assert!(!outcome.err.contains("foreign"));
}

#[tokio::test]
async fn ctrl_c_stops_the_run_before_the_command_ends() {
    let notify = Arc::new(tokio::sync::Notify::new());
    let pressed = notify.clone();
    let mut waiting = None;
    let mut stage = Stage::scripted(move |method, params, id| match method {
        "agent" => {
            let run = run_of(params);
            waiting = Some((id.to_owned(), run.clone()));
            pressed.notify_one();
            Reply::Frames(vec![accepted(id, &run), says(&run, "I beg")])
        }
        _ => {
            let (agent, run) = waiting.take().unwrap();
            assert_eq!((&params["runId"], &params["sessionKey"]), (&json!(run), &json!("agent:main:main")));
            Reply::Frames(vec![
                answer(id, ChatAbortResult { ok: true, aborted: true, run_ids: vec![run] }),
                json!({
                    "type": "res", "id": agent, "ok": false,
                    "error": ErrorShape::new(ErrorCode::Unavailable, "aborted"),
                }),
            ])
        }
    });
    stage.interrupt = notify;

    let outcome = stage.run(&["agent", "--message", "hi"]).await;

    assert_eq!((outcome.code, outcome.err.as_str()), (1, "tidegate: Stopped.\n"));
    assert!(outcome.was_called("chat.abort"));
}

#[tokio::test(start_paused = true)]
async fn a_followed_log_goes_on_where_it_was() {
    let mut calls = 0;
    let stage = Stage::scripted(move |_, params, id| {
        calls += 1;
        match calls {
            1 => {
                assert_eq!(params, &json!({ "limit": 100 }));
                Reply::ok(id, log(10, &["one", "t\u{1b}wo"], false))
            }
            2 => {
                assert_eq!(params["cursor"], 10);
                Reply::ok(id, log(20, &["three"], true))
            }
            _ => Reply::HangUp,
        }
    });

    let outcome = stage.run(&["logs", "--follow"]).await;

    assert_eq!(outcome.out, "one\nt\\u{1b}wo\nthree\n");
    assert!(outcome.err.contains("A new log was begun"));
    assert_eq!(outcome.code, 1);
}
