use tidegate_store::{NewRun, Outcome, RunState, Store};

use crate::common::*;

/// Ends a run of the main session.
async fn ended(store: &Store, id: &str) {
    created(store, new_run(id, MAIN)).await;
    started(store, id).await;
    store.settle_run(settlement(id, Outcome::Ok)).await.expect("settled");
}

async fn old(store: &Store, before: u64) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(0);
    while let Some(after) = next {
        let part = store.old_runs(after, at(before), 2).await.expect("read");
        found.extend(part.runs.iter().map(ToString::to_string));
        next = part.next;
    }
    found
}

#[tokio::test]
async fn runs_that_ended_long_ago_are_forgotten_and_what_was_said_stays() {
    let store = Store::in_memory().expect("store");
    for id in ["one", "two", "three", "last"] {
        ended(&store, id).await;
    }
    let before = store.session(key(MAIN)).await.expect("read").expect("there");
    let said = store.transcript(before.session_id.clone(), None, 50).await.expect("read");
    assert_eq!(old(&store, 300).await, Vec::<String>::new(), "they ended at 300");

    let found = old(&store, 301).await;
    assert_eq!(found, ["one", "two", "three"], "the last run of a session stays");
    let forgotten = store.forget_runs(found.iter().map(|id| run_id(id)).collect()).await;

    assert_eq!(forgotten, Ok(3));
    assert_eq!(store.run(run_id("two")).await, Ok(None));
    assert_eq!(store.transcript(before.session_id.clone(), None, 50).await, Ok(said));
    assert_eq!(store.session(key(MAIN)).await, Ok(Some(before)));
    assert_eq!(old(&store, 301).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_tree_with_something_unfinished_and_a_result_that_nobody_read_are_kept() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    started(&store, "parent").await;
    for child in ["read", "unread", "busy"] {
        created(&store, new_child(child, "parent")).await;
        started(&store, child).await;
    }
    store.settle_run(settlement("read", Outcome::Ok)).await.expect("settled");
    store.consume_inbox(run_id("parent"), at(250)).await.expect("consumed");
    store.settle_run(settlement("unread", Outcome::Ok)).await.expect("settled");
    store.settle_run(settlement("parent", Outcome::Ok)).await.expect("settled");
    // Another run each, so that none of them is the last of its session.
    for (number, session) in [MAIN, &child_session("read"), &child_session("unread")].into_iter().enumerate()
    {
        created(&store, NewRun { at: at(2_000), ..new_run(&format!("later-{number}"), session) }).await;
    }
    assert_eq!(old(&store, 1_000).await, Vec::<String>::new(), "a child is still running");
    store.settle_run(settlement("busy", Outcome::Error)).await.expect("settled");

    let found = old(&store, 1_000).await;

    assert_eq!(found, ["parent", "read"]);
    store.forget_runs(found.iter().map(|id| run_id(id)).collect()).await.expect("forgotten");
    let left: Vec<_> =
        store.inbox(key(MAIN)).await.expect("inbox").into_iter().map(|row| row.source.to_string()).collect();
    assert_eq!(left, ["unread", "busy"]);
}

#[tokio::test]
async fn a_run_that_has_not_ended_is_never_forgotten() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("queued", MAIN)).await;
    assert_eq!(store.forget_runs(vec![run_id("queued"), run_id("unknown")]).await, Ok(0));
    let run = store.run(run_id("queued")).await.expect("read").expect("there");
    assert_eq!(run.state, RunState::Queued);
}
