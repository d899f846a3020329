//! The folder that a person chose for a session: its runs and their subagents work there, and in no other
//! one instead.
#![allow(clippy::expect_used, reason = "a test may not go on without what it expects")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{AskedModel, Step, call, folder, main_session, run, text, world, world_on};
use serde_json::json;
use tidegate_agent::{Limits, inbox_message};
use tidegate_store::{Outcome, RunState, Store};
use tidegate_trust::workspace::WorkspaceChange;
use tokio::sync::Notify;

/// Asks a tool where it works, and answers with that and with what the prompt says.
fn tells_where(ask: &AskedModel) -> Vec<Step> {
    if !ask.last_is_result() {
        return vec![call("1", "probe", &json!({"do": "tell where"}))];
    }
    let results = ask.results();
    let tool = results.last().expect("a result").0.lines().nth(1).unwrap_or_default();
    let prompt = ask.system().lines().find(|line| line.starts_with("File paths")).unwrap_or_default();
    vec![text(&format!("{tool} | {prompt}"))]
}

#[tokio::test(start_paused = true)]
async fn a_run_works_in_the_folder_chosen_for_its_session() {
    let world = world(tells_where);
    let before = world.say("r1", "where?").await;
    world.choose(&main_session(), Some(folder("/site"))).await;
    let chosen = world.say("r2", "where?").await;
    world.choose(&main_session(), None).await;
    let after = world.say("r3", "where?").await;

    let default = Some("/w | File paths are relative to /w.");
    assert_eq!(before.result.as_deref(), default);
    assert_eq!(chosen.result.as_deref(), Some("/site | File paths are relative to /site."));
    assert_eq!(after.result.as_deref(), default);
    assert_eq!(*world.folders.checked.lock().expect("lock"), [folder("/site")]);
}

#[tokio::test(start_paused = true)]
async fn a_choice_during_a_run_is_for_the_next_one_also_when_it_waits_already() {
    let gate = Arc::new(Notify::new());
    let hold = Arc::clone(&gate);
    let world = world(move |ask| {
        let mut steps = tells_where(ask);
        if ask.said() == "first" && !ask.last_is_result() {
            steps.insert(0, Step::Gate(Arc::clone(&hold)));
        }
        steps
    });
    world.choose(&main_session(), Some(folder("/site"))).await;
    world.runtime.start_turn(world.turn("r1", "first")).await.expect("accepted");
    while world.asks() == 0 {
        tokio::task::yield_now().await;
    }
    world.runtime.start_turn(world.turn("r2", "second")).await.expect("accepted");

    world.choose(&main_session(), Some(folder("/other"))).await;
    gate.notify_one();

    let (first, second) = (world.ended(&run("r1")).await, world.ended(&run("r2")).await);
    assert_eq!(first.result.as_deref(), Some("/site | File paths are relative to /site."));
    assert_eq!(second.result.as_deref(), Some("/other | File paths are relative to /other."));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_folder_is_lost_fails_and_works_nowhere_else() {
    let world = world(tells_where);
    world.choose(&main_session(), Some(folder("/site"))).await;
    for (number, change) in [
        WorkspaceChange::Missing,
        WorkspaceChange::Replaced,
        WorkspaceChange::LeadsElsewhere,
        WorkspaceChange::NoAnswer { seconds: 3 },
    ]
    .into_iter()
    .enumerate()
    {
        *world.folders.lost.lock().expect("lock") = Some(change.clone());

        let row = world.say(&format!("lost-{number}"), "where?").await;

        assert_eq!(row.state, RunState::Terminal(Outcome::Error));
        let error = row.error.expect("a sentence");
        assert!(error.starts_with("The workspace of this session, /site, is not used"), "{error}");
        assert!(error.contains(&change.to_string()) && error.contains("/workspace FOLDER"), "{error}");
    }
    assert_eq!((world.asks(), world.tool_calls.lock().expect("lock").len()), (0, 0));
    let kept = ["user", "runtime"].repeat(4);
    assert_eq!(world.roles(&main_session()).await, kept, "what was said, and that nothing came of it");

    *world.folders.lost.lock().expect("lock") = None;
    let row = world.say("r2", "where?").await;
    assert_eq!(row.result.as_deref(), Some("/site | File paths are relative to /site."));
}

#[tokio::test(start_paused = true)]
async fn subagents_work_where_their_parent_works_and_their_sessions_go_along() {
    let gate = Arc::new(Notify::new());
    let hold = Arc::clone(&gate);
    let mut world = world(move |ask| {
        if ask.is_subagent() {
            let mut steps = tells_where(ask);
            if !ask.last_is_result() {
                steps.insert(0, Step::Gate(Arc::clone(&hold)));
            }
            return steps;
        }
        match (ask.runtime().is_empty(), ask.last_is_result()) {
            (false, _) => tells_where(ask),
            (true, true) => vec![text("waiting")],
            (true, false) => vec![call("s", "sessions_spawn", &json!({"task": "t", "cwd": "sub"}))],
        }
    });
    world.choose(&main_session(), Some(folder("/site"))).await;
    world.say("r1", "go").await;
    while world.asks() < 3 {
        tokio::task::yield_now().await;
    }

    world.choose(&main_session(), Some(folder("/other"))).await;
    gate.notify_one();
    world.until_children_ended(1).await;

    let child = world.store.children(main_session(), None).await.expect("store").remove(0);
    assert_eq!(child.result.as_deref(), Some("/site/sub | File paths are relative to /site/sub."));
    let session = world.store.session(child.session).await.expect("store").expect("there");
    assert_eq!(session.workspace, Some(folder("/other")), "its next run is there");
    world.advance(Duration::from_millis(50)).await;
    let woken = world.until_ended(&main_session()).await;
    assert_eq!(woken.result.as_deref(), Some("/other | File paths are relative to /other."));
}

#[tokio::test(start_paused = true)]
async fn a_subagent_whose_folder_is_lost_reports_that() {
    let mut world = world(|ask| match (ask.is_subagent(), ask.last_is_result()) {
        (true, _) => vec![text("never")],
        (false, true) => vec![text("waiting")],
        (false, false) => vec![call("s", "sessions_spawn", &json!({"task": "t"}))],
    });
    world.choose(&main_session(), Some(folder("/site"))).await;
    *world.folders.lost_after_first.lock().expect("lock") = Some(WorkspaceChange::Replaced);

    world.say("r1", "go").await;
    world.until_children_ended(1).await;

    let child = world.store.children(main_session(), None).await.expect("store").remove(0);
    assert_eq!(child.state, RunState::Terminal(Outcome::Error));
    assert!(child.error.is_some_and(|error| error.contains("Another folder has its name now")));
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_folder_of_a_session() {
    let store = Store::in_memory_with(inbox_message).expect("a store");
    let first = world_on(store.clone(), "boot-1", Limits::default(), tells_where);
    first.choose(&main_session(), Some(folder("/site"))).await;
    first.runtime.drain(Duration::ZERO).await;

    let second = world_on(store, "boot-2", Limits::default(), tells_where);
    second.runtime.recover().await.expect("recovered");

    let row = second.say("r1", "where?").await;
    assert_eq!(row.result.as_deref(), Some("/site | File paths are relative to /site."));
}
