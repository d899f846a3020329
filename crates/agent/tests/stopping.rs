//! What stops runs: people, deadlines, pauses and the end of the program.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Step, call, main_session, run, shown, text, world, world_on, world_with};
use serde_json::json;
use tidegate_agent::approval::APPROVAL_TIMEOUT;
use tidegate_agent::event::RunEventKind;
use tidegate_agent::{Activity, Limits, StartError, WaitOutcome, inbox_message};
use tidegate_protocol::TranscriptMessage;
use tidegate_protocol::payload::chat::{ChatMessage, MessageRole};
use tidegate_store::{Outcome, RunState, Store, TranscriptEntry};
use tokio::sync::Notify;

fn spawn(id: &str, task: &str) -> Step {
    call(id, "sessions_spawn", &json!({"task": task, "label": task}))
}

#[tokio::test(start_paused = true)]
async fn an_aborted_run_keeps_what_it_has_said() {
    let mut world = world(|_| vec![text("so far"), Step::Gate(Arc::default())]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.runtime.start_turn(world.turn("r2", "later")).await.expect("accepted");
    world.until(|event| matches!(event.kind, RunEventKind::Text { .. })).await;
    let outcome = world.runtime.abort(&main_session(), None).await;
    assert_eq!(outcome.runs, [run("r2"), run("r1")]);
    let row = world.ended(&run("r1")).await;
    assert_eq!((row.state, row.result.as_deref()), (RunState::Terminal(Outcome::Cancelled), Some("so far")));
    assert_eq!(world.ended(&run("r2")).await.state, RunState::Terminal(Outcome::Cancelled));
    let entries = world.transcript(&main_session()).await;
    let partial = entries.iter().map(shown).find(|message| message.role == MessageRole::Assistant);
    let partial = partial.expect("the partial answer");
    assert_eq!((partial.text().as_str(), partial.stop_reason.as_deref()), ("so far", Some("aborted")));
    assert!(entries.iter().any(|entry| entry.message.text() == "later"), "what was said is kept");
    assert_eq!(world.asks(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_named_run_is_aborted_and_only_in_its_session() {
    let world = world(|_| vec![Step::Gate(Arc::default())]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.runtime.start_turn(world.turn("r2", "go")).await.expect("accepted");
    assert!(world.runtime.abort(&common::key("agent:main:other"), Some(&run("r1"))).await.runs.is_empty());
    assert_eq!(world.runtime.abort(&main_session(), Some(&run("r2"))).await.runs, [run("r2")]);
    world.ended(&run("r2")).await;
    assert_eq!(world.runtime.active().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tools_are_reported_to_stop_and_calls_that_did_not_run_say_so() {
    let world =
        world(|_| vec![call("a", "probe", &json!({"do": "wait for stop"})), call("b", "probe", &json!({}))]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    world.runtime.abort(&main_session(), None).await;
    world.tool_saw_cancel.notified().await;
    assert_eq!(world.ended(&run("r1")).await.state, RunState::Terminal(Outcome::Cancelled));
    let entries = world.transcript(&main_session()).await;
    let is_result = |entry: &&TranscriptEntry| matches!(entry.message, TranscriptMessage::ToolResult { .. });
    let results: Vec<&str> = entries.iter().filter(is_result).map(|entry| entry.message.text()).collect();
    assert_eq!(results[0], "its process was ended");
    assert!(results[1].contains("was not run"), "{results:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_does_not_stop_is_abandoned() {
    let world = world(|_| vec![call("a", "probe", &json!({"do": "never stop"}))]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    world.runtime.abort(&main_session(), None).await;
    world.advance(Limits::default().stop_grace).await;
    assert_eq!(world.ended(&run("r1")).await.state, RunState::Terminal(Outcome::Cancelled));
    let last = world.transcript(&main_session()).await.pop().expect("an entry");
    assert!(last.message.text().contains("outcome is unknown"));
}

/// A root, a child and a grandchild, the last in a tool.
fn three_levels(ask: &common::AskedModel) -> Vec<Step> {
    match (ask.task(), ask.last_is_result()) {
        ("go", false) => vec![spawn("1", "child")],
        ("child", false) => vec![spawn("1", "grandchild")],
        ("grandchild", false) => vec![call("1", "probe", &json!({"do": "wait for stop"}))],
        _ => vec![text("waiting")],
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_a_tree_reaches_a_grandchild_even_after_its_root_has_ended() {
    let world = world(three_levels);
    world.say("r1", "go").await;
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    let report = world.runtime.cancel_tree(&run("r1")).await;
    assert_eq!((report.cancelled.len(), report.unfinished.len()), (2, 0));
    world.tool_saw_cancel.notified().await;
    for row in world.store.descendants(run("r1")).await.expect("store") {
        assert_eq!(row.state, RunState::Terminal(Outcome::Cancelled));
    }
    world.advance(Duration::from_secs(60)).await;
    assert!(world.runtime.active().is_empty(), "a stopped tree does not wake its session");
}

#[tokio::test(start_paused = true)]
async fn aborting_a_session_stops_the_subagents_of_its_earlier_runs() {
    let world = world(three_levels);
    world.say("r1", "go").await;
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    let outcome = world.runtime.abort(&main_session(), None).await;
    assert_eq!((outcome.runs.len(), outcome.descendants.len()), (0, 2));
    for child in outcome.descendants {
        assert_eq!(world.ended(&child).await.state, RunState::Terminal(Outcome::Cancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn a_parent_can_stop_its_subagent() {
    let world = world(|ask| match (ask.task(), ask.results().len()) {
        ("dig", _) => vec![Step::Gate(Arc::default())],
        (_, 0) => vec![spawn("1", "dig")],
        (_, 1) => vec![call("2", "subagents", &json!({"action": "cancel", "taskIds": ["dig"]}))],
        _ => {
            assert!(ask.results()[1].0.contains("\"unfinished\":[]"), "{:?}", ask.results());
            assert!(ask.runtime()[0].contains("status: cancelled"));
            vec![text("stopped it")]
        }
    });
    assert_eq!(world.say("r1", "go").await.result.as_deref(), Some("stopped it"));
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_at_its_deadline_and_its_subagents_go_on() {
    let world = world(|ask| match (ask.task(), ask.last_is_result()) {
        ("dig", _) => vec![Step::Gate(Arc::default())],
        (_, false) => vec![spawn("1", "dig")],
        _ => vec![text("thinking"), Step::Gate(Arc::default())],
    });
    let mut turn = world.turn("r1", "go");
    turn.timeout = Some(Duration::from_secs(10));
    world.runtime.start_turn(turn).await.expect("accepted");
    while world.asks() < 3 {
        tokio::task::yield_now().await;
    }
    world.advance(Duration::from_secs(10)).await;
    let row = world.ended(&run("r1")).await;
    assert_eq!((row.state, row.result.as_deref()), (RunState::Terminal(Outcome::TimedOut), Some("thinking")));
    let active = world.runtime.active();
    assert_eq!((active.len(), active[0].label.as_deref()), (1, Some("dig")));
}

#[tokio::test(start_paused = true)]
async fn a_subagent_without_a_given_time_ends_after_half_an_hour_and_tells_its_parent() {
    let mut world = world(|ask| {
        if ask.is_subagent() {
            return vec![call("x", "probe", &json!({"do": "wait for stop"}))];
        }
        match (ask.runtime().first(), ask.last_is_result()) {
            (Some(result), _) => {
                vec![text(if result.contains("status: timed_out") { "late" } else { "wrong" })]
            }
            (None, true) => vec![text("waiting")],
            (None, false) => vec![spawn("1", "dig")],
        }
    });
    world.say("r1", "go").await;
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    world.advance(Duration::from_mins(30)).await;
    world.until_children_ended(1).await;
    world.advance(Duration::from_millis(50)).await;
    while world.until_ended(&main_session()).await.result.as_deref() != Some("late") {}
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_person_takes_no_place_and_no_time() {
    let limits = Limits { concurrent_main: 1, ..Limits::default() };
    let world = world_with(limits, |ask| match (ask.said(), ask.last_is_result()) {
        ("ask", false) => vec![call("a", "probe", &json!({"do": "ask"}))],
        _ => vec![text("done")],
    });
    let mut turn = world.turn("r1", "ask");
    turn.timeout = Some(Duration::from_secs(60));
    world.runtime.start_turn(turn).await.expect("accepted");
    world.person.asked.notified().await;
    let mut other = world.turn("r2", "quick");
    other.session = common::key("agent:main:other");
    world.runtime.start_turn(other).await.expect("accepted");
    assert_eq!(world.ended(&run("r2")).await.result.as_deref(), Some("done"));
    assert_eq!(world.runtime.active()[0].activity, Activity::Waiting);
    world.advance(Duration::from_mins(20)).await;
    world.person.allow.notify_one();
    assert_eq!(world.ended(&run("r1")).await.state, RunState::Terminal(Outcome::Ok));
}

#[tokio::test(start_paused = true)]
async fn stopping_a_run_withdraws_its_question() {
    let world = world(|_| vec![call("a", "probe", &json!({"do": "ask"}))]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.person.asked.notified().await;
    world.runtime.abort(&main_session(), None).await;
    assert_eq!(world.ended(&run("r1")).await.state, RunState::Terminal(Outcome::Cancelled));
}

/// The person denied what it asked for, and wants it stopped.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_by_itself_leaves_other_tasks_alone() {
    let world = world(|ask| match ask.said() {
        "ask" => vec![call("a", "probe", &json!({"do": "ask"}))],
        _ => vec![Step::Gate(Arc::default())],
    });
    world.runtime.start_turn(world.turn("asks", "ask")).await.expect("accepted");
    world.person.asked.notified().await;
    let mut other = world.turn("other", "go");
    other.session = common::key("agent:main:other");
    world.runtime.start_turn(other).await.expect("accepted");

    world.runtime.stop_run("unknown");
    world.runtime.stop_run("asks");

    assert_eq!(world.ended(&run("asks")).await.state, RunState::Terminal(Outcome::Cancelled));
    let active: Vec<_> = world.runtime.active().into_iter().map(|active| active.run).collect();
    assert_eq!(active, [run("other")]);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_stopped_with_what_it_started_though_it_has_ended() {
    let world = world(three_levels);
    world.say("r1", "go").await;
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }

    world.runtime.stop_run("r1");

    world.tool_saw_cancel.notified().await;
    for row in world.store.descendants(run("r1")).await.expect("store") {
        assert_eq!(world.ended(&row.id).await.state, RunState::Terminal(Outcome::Cancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn revoking_a_client_stops_its_runs_and_withdraws_its_question() {
    let world = world(|ask| match ask.said() {
        "ask" => vec![call("a", "probe", &json!({"do": "ask"}))],
        _ => vec![Step::Gate(Arc::default())],
    });
    world.runtime.start_turn(world.turn("asks", "ask")).await.expect("accepted");
    world.person.asked.notified().await;
    world.runtime.start_turn(world.turn("queued", "later")).await.expect("accepted");
    let mut other = world.turn("other", "go");
    other.session = common::key("agent:main:other");
    other.authority = common::authority_of("other", &world.runtime);
    world.runtime.start_turn(other).await.expect("accepted");
    world.runtime.stop_client("test");
    for id in ["asks", "queued"] {
        let row = world.ended(&run(id)).await;
        assert_eq!(row.state, RunState::Terminal(Outcome::Cancelled), "{id}");
        assert!(row.error.is_some_and(|error| error.contains("revoked")), "{id}");
    }
    let active: Vec<_> = world.runtime.active().into_iter().map(|active| active.run).collect();
    assert_eq!(active, [run("other")], "another client's run goes on");
}

#[tokio::test(start_paused = true)]
async fn revoking_a_client_stops_the_subagents_of_its_earlier_runs() {
    let world = world(three_levels);
    world.say("r1", "go").await;
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    world.runtime.stop_client("test");
    world.tool_saw_cancel.notified().await;
    for row in world.store.descendants(run("r1")).await.expect("store") {
        assert_eq!(world.ended(&row.id).await.state, RunState::Terminal(Outcome::Cancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_at_a_revocation_starts_nothing() {
    let world = world(|_| vec![text("done")]);
    world.runtime.stop_client("test");
    for id in ["first", "second"] {
        let row = world.say(id, "go").await;
        assert_eq!(row.state, RunState::Terminal(Outcome::Cancelled), "{id}");
        assert!(row.error.is_some_and(|error| error.contains("revoked")), "{id}");
    }
    assert_eq!(world.asks(), 0, "no model was asked");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_client_that_is_admitted_again_starts_runs() {
    let world = world(|_| vec![text("done")]);
    world.runtime.stop_client("test");
    world.runtime.admit_client("test");
    let row = world.say("r1", "go").await;
    assert_eq!(row.state, RunState::Terminal(Outcome::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_wake_for_a_revoked_client() {
    let gate = Arc::new(Notify::new());
    let hold = Arc::clone(&gate);
    let mut world = world(move |ask| match (ask.is_subagent(), ask.last_is_result()) {
        (true, _) => vec![Step::Gate(Arc::clone(&hold)), text("dug")],
        (false, false) if ask.said() == "go" && !ask.has_result() => vec![spawn("1", "dig")],
        _ => vec![text(&format!("read {}", ask.runtime().len()))],
    });
    world.say("r1", "go").await;
    gate.notify_one();
    world.until_children_ended(1).await;
    let asks = world.asks();
    world.runtime.stop_client("test");
    world.advance(Duration::from_secs(60)).await;
    world.advance(Duration::from_secs(60)).await;
    assert_eq!((world.asks(), world.runtime.active().len()), (asks, 0));
    world.runtime.admit_client("test");
    let next = world.say("r2", "and?").await;
    assert_eq!(next.result.as_deref(), Some("read 1"), "the result was kept for the next run");
}

#[tokio::test(start_paused = true)]
async fn a_pause_finishes_what_is_under_way_and_outlives_a_restart() {
    let store = Store::in_memory_with(inbox_message).expect("store");
    let gate = Arc::new(Notify::new());
    let hold = Arc::clone(&gate);
    let mut world = world_on(store.clone(), "boot-1", Limits::default(), move |ask| {
        if ask.last_is_result() {
            vec![text("done")]
        } else {
            vec![Step::Gate(Arc::clone(&hold)), call("a", "probe", &json!({}))]
        }
    });
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    while world.asks() == 0 {
        tokio::task::yield_now().await;
    }
    world.runtime.pause().await.expect("store");
    gate.notify_one();
    world
        .until(|event| {
            let RunEventKind::Appended(entry) = &event.kind else { return false };
            matches!(entry.message, TranscriptMessage::Assistant { .. })
        })
        .await;
    let (waited, ()) = tokio::join!(
        world.runtime.wait(run("r1"), Duration::from_secs(60)),
        world.advance(Duration::from_secs(60))
    );
    assert_eq!(waited, Ok(WaitOutcome::StillRunning));
    assert!(world.tool_calls.lock().expect("lock").is_empty());

    let again = world_on(store, "boot-1", Limits::default(), |_| Vec::new());
    assert!(!again.runtime.is_paused());
    assert!(again.runtime.recover().await.expect("store").paused);
    assert!(again.runtime.is_paused());

    world.runtime.resume().await.expect("store");
    assert_eq!(world.ended(&run("r1")).await.result.as_deref(), Some("done"));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_run_that_does_not_exist_ends_at_once() {
    let world = world(|_| Vec::new());
    assert_eq!(world.runtime.wait(run("nobody"), common::LONG).await, Ok(WaitOutcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn draining_settles_everything_as_interrupted_and_accepts_nothing() {
    let world = world(|_| vec![call("a", "probe", &json!({"do": "never stop"}))]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.runtime.start_turn(world.turn("r2", "queued")).await.expect("accepted");
    while world.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    let draining = {
        let runtime = world.runtime.clone();
        tokio::spawn(async move { runtime.drain(Duration::from_secs(3)).await })
    };
    world.ended(&run("r2")).await;
    assert_eq!(world.runtime.start_turn(world.turn("r3", "late")).await, Err(StartError::Stopping));
    world.advance(Duration::from_secs(3)).await;
    draining.await.expect("drained");
    for id in ["r1", "r2"] {
        let row = world.store.run(run(id)).await.expect("store").expect("a run");
        assert_eq!(row.state, RunState::Terminal(Outcome::Interrupted), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_paused_messages_are_accepted_and_no_model_is_asked() {
    let world = world(|_| vec![text("done")]);
    world.runtime.pause().await.expect("store");
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.advance(Duration::from_secs(3600)).await;
    assert_eq!((world.asks(), world.runtime.active().len()), (0, 1));
    world.runtime.resume().await.expect("store");
    assert_eq!(world.ended(&run("r1")).await.result.as_deref(), Some("done"));
}

/// Surfaces show a call that was not allowed, and one that was stopped, otherwise than one that failed.
#[tokio::test(start_paused = true)]
async fn a_result_says_why_its_call_did_not_do_its_work() {
    let denied = world(|ask| match ask.has_result() {
        true => vec![text("done")],
        false => vec![call("a", "probe", &json!({"do": "ask"})), call("b", "probe", &json!({"do": "panic"}))],
    });
    denied.runtime.start_turn(denied.turn("r1", "go")).await.expect("accepted");
    denied.person.asked.notified().await;
    // Nobody decides, and that is a denial.
    denied.advance(APPROVAL_TIMEOUT).await;
    denied.ended(&run("r1")).await;
    let stopped =
        world(|_| vec![call("a", "probe", &json!({"do": "wait for stop"})), call("b", "probe", &json!({}))]);
    stopped.runtime.start_turn(stopped.turn("r1", "go")).await.expect("accepted");
    while stopped.tool_calls.lock().expect("lock").is_empty() {
        tokio::task::yield_now().await;
    }
    stopped.runtime.abort(&main_session(), None).await;
    stopped.ended(&run("r1")).await;

    assert_eq!(outcomes(&denied).await, [("a", "denied"), ("b", "")].map(owned));
    assert_eq!(outcomes(&stopped).await, [("a", "stopped"), ("b", "stopped")].map(owned));
}

fn owned((call, outcome): (&str, &str)) -> (String, String) {
    (call.to_owned(), outcome.to_owned())
}

/// Each tool result with its outcome.
async fn outcomes(world: &common::World) -> Vec<(String, String)> {
    let entries = world.transcript(&main_session()).await;
    let results = entries.iter().map(shown).filter(|message| message.role == MessageRole::ToolResult);
    let outcome = |message: &ChatMessage| match &message.details {
        Some(details) => details["outcome"].as_str().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    results.map(|message| (message.tool_call_id.clone().unwrap_or_default(), outcome(&message))).collect()
}
