use serde_json::json;
use tidegate_protocol::TranscriptMessage;
use tidegate_store::{
    BegunRun, InboxRow, NewRun, Outcome, RunState, Settled, Settlement, Store, StoreError, Usage,
};

use crate::common::*;

#[tokio::test]
async fn beginning_a_run_makes_its_session_and_queues_it() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, NewRun { label: Some("first".to_owned()), ..new_run("r1", MAIN) }).await;
    assert_eq!((run.state, &run.root, run.depth), (RunState::Queued, &run.id, 0));
    assert_eq!(store.run(run_id("r1")).await, Ok(Some(run.clone())));
    let session = store.session(key(MAIN)).await.expect("read").expect("made");
    assert_eq!(session.session_id, run.session_id);
    assert_eq!((session.last_state, session.last_run), (Some(RunState::Queued), Some(run_id("r1"))));
    assert_eq!(store.unfinished_runs().await, Ok(vec![run]));
    assert_eq!(store.run(run_id("other")).await, Ok(None));
}

#[tokio::test]
async fn a_run_id_is_an_idempotency_key() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    let retry = NewRun { input: Some(user("something else")), at: at(999), ..new_run("r1", MAIN) };
    assert_eq!(store.begin_run(retry).await, Ok(BegunRun::Existing(run)));
    assert_eq!(store.begin_run(new_run("r1", "agent:main:other")).await, Ok(BegunRun::TakenElsewhere));
    assert_eq!(store.count_sessions().await, Ok(1), "a refused run leaves no session behind");
}

#[tokio::test]
async fn starting_appends_the_input_once() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    let start = started(&store, "r1").await;
    assert_eq!((start.run.state, start.run.started_at), (RunState::Running, Some(at(200))));
    assert_eq!(texts(&start.appended), ["do r1"]);
    assert_eq!(store.start_run(run_id("r1"), at(201)).await, Ok(None));
    assert_eq!(store.start_run(run_id("unknown"), at(201)).await, Ok(None));
    assert_eq!(store.transcript(run.session_id, None, 10).await, Ok(start.appended));
    let session = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!((session.last_state, session.started_at), (Some(RunState::Running), Some(at(200))));
}

#[tokio::test]
async fn a_run_without_input_appends_none() {
    let store = Store::in_memory().expect("store");
    created(&store, NewRun { input: None, ..new_run("r1", MAIN) }).await;
    assert_eq!(started(&store, "r1").await.appended, []);
}

#[tokio::test]
async fn a_transcript_is_numbered_without_gaps_and_read_in_pages() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    for index in 0..5 {
        let pair = vec![user(&format!("a{index}")), user(&format!("b{index}"))];
        store.append(run_id("r1"), pair, at(210)).await.expect("appended");
    }
    assert_eq!(store.append(run_id("r1"), Vec::new(), at(211)).await, Ok(Vec::new()));
    let all = store.transcript(run.session_id.clone(), None, 100).await.expect("read");
    assert_eq!(all.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    let newest = store.transcript(run.session_id.clone(), None, 3).await.expect("read");
    assert_eq!(newest, all[8..]);
    let earlier = store.transcript(run.session_id.clone(), Some(newest[0].seq), 4).await.expect("read");
    assert_eq!(earlier, all[4..8]);
    assert_eq!(store.transcript(run.session_id, Some(1), 4).await, Ok(Vec::new()));
}

#[tokio::test]
async fn only_a_running_run_may_append() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("r1", MAIN)).await;
    let append = async || store.append(run_id("r1"), vec![user("x")], at(1)).await;
    assert_eq!(append().await, Err(StoreError::RunEnded));
    started(&store, "r1").await;
    assert!(append().await.is_ok());
    store.settle_run(settlement("r1", Outcome::Cancelled)).await.expect("settled");
    assert_eq!(append().await, Err(StoreError::RunEnded));
    assert_eq!(store.consume_inbox(run_id("r1"), at(1)).await, Err(StoreError::RunEnded));
    let unknown = store.append(run_id("nobody"), vec![user("x")], at(1)).await;
    assert_eq!(unknown, Err(StoreError::NoSuchRun("nobody".to_owned())));
}

#[tokio::test]
async fn an_operation_that_fails_half_way_leaves_nothing() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    let before = store.session(key(MAIN)).await;
    let too_deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let messages = vec![user("fine"), assistant(&[("a", "read", too_deep)])];
    let refused = store.append(run_id("r1"), messages, at(999)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(store.transcript(run.session_id, None, 10).await.expect("read").len(), 1);
    assert_eq!(store.session(key(MAIN)).await, before);
}

#[tokio::test]
async fn settling_ends_the_run_appends_and_counts_tokens() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    let settle = Settlement { entries: vec![user("the answer")], ..settlement("r1", Outcome::Ok) };
    let Settled::First { run, appended, delivered } =
        store.settle_run(settle.clone()).await.expect("settled")
    else {
        panic!("not first");
    };
    assert_eq!((run.state, run.ended_at), (RunState::Terminal(Outcome::Ok), Some(at(300))));
    assert_eq!((run.result.as_deref(), run.usage), (Some("r1 is done"), Usage { input: 10, output: 3 }));
    assert_eq!(texts(&appended), ["the answer"]);
    assert_eq!(delivered, None);
    assert_eq!(store.settle_run(settle).await, Ok(Settled::Already(Outcome::Ok)));
    let session = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!(session.last_state, Some(RunState::Terminal(Outcome::Ok)));
    assert_eq!(
        (session.model.as_deref(), session.usage),
        (Some("test/model"), Usage { input: 10, output: 3 })
    );
    assert_eq!(session.ended_at, Some(at(300)));
    assert_eq!(store.unfinished_runs().await, Ok(Vec::new()));
    let unknown = store.settle_run(settlement("nobody", Outcome::Ok)).await;
    assert_eq!(unknown, Err(StoreError::NoSuchRun("nobody".to_owned())));
}

#[tokio::test]
async fn absurd_token_counts_saturate() {
    let store = Store::in_memory().expect("store");
    for id in ["r1", "r2"] {
        created(&store, new_run(id, MAIN)).await;
        let usage = Usage { input: u64::MAX, output: i64::MAX as u64 };
        store.settle_run(Settlement { usage, ..settlement(id, Outcome::Ok) }).await.expect("settled");
    }
    let session = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!(session.usage, Usage { input: i64::MAX as u64, output: i64::MAX as u64 });
}

#[tokio::test]
async fn a_session_shows_its_newest_run_while_an_older_one_ends() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    created(&store, new_run("r2", MAIN)).await;
    store.settle_run(settlement("r1", Outcome::Ok)).await.expect("settled");
    let session = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!((session.last_run, session.last_state), (Some(run_id("r2")), Some(RunState::Queued)));
    assert_eq!(session.ended_at, None);
}

#[tokio::test]
async fn a_childs_result_waits_in_its_parents_inbox_and_is_consumed_once() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    started(&store, "parent").await;
    for (child, outcome) in [("c1", Outcome::Ok), ("c2", Outcome::Error)] {
        let child =
            created(&store, NewRun { label: Some(child.to_owned()), ..new_child(child, "parent") }).await;
        assert_eq!((child.root, child.depth), (run_id("parent"), 1));
        let settled = store.settle_run(settlement(child.id.as_str(), outcome)).await.expect("settled");
        let Settled::First { delivered: Some(row), .. } = settled else { panic!("{settled:?}") };
        assert_eq!((row.source, row.outcome, row.consumed_at_seq), (child.id, outcome, None));
        assert_eq!((row.source_session, row.label), (child.session, child.label));
    }
    let consumed = store.consume_inbox(run_id("parent"), at(400)).await.expect("consumed");
    assert_eq!(texts(&consumed), ["c1 is done", "c2 failed"]);
    assert_eq!(store.consume_inbox(run_id("parent"), at(401)).await, Ok(Vec::new()));
    let rows = store.inbox(key(MAIN)).await.expect("inbox");
    let positions: Vec<_> = rows.iter().map(|row| row.consumed_at_seq).collect();
    assert_eq!(positions, consumed.iter().map(|entry| Some(entry.seq)).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_next_run_of_a_session_starts_with_what_waits_then_its_input() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    created(&store, new_child("c1", "parent")).await;
    store.settle_run(settlement("parent", Outcome::Ok)).await.expect("settled");
    let late = Settlement { result: Some("half".to_owned()), ..settlement("c1", Outcome::TimedOut) };
    store.settle_run(late).await.expect("settled");
    created(&store, new_run("next", MAIN)).await;
    let start = started(&store, "next").await;
    assert_eq!(texts(&start.appended), ["c1 failed\n\nhalf", "do next"]);
    assert!(matches!(start.appended[0].message, TranscriptMessage::Runtime { .. }));
}

#[tokio::test]
async fn the_runtimes_own_framing_is_used() {
    let framed = |row: &InboxRow, at| TranscriptMessage::runtime(format!("framed {}", row.source), at);
    let store = Store::in_memory_with(framed).expect("store");
    created(&store, new_run("parent", MAIN)).await;
    started(&store, "parent").await;
    created(&store, new_child("c1", "parent")).await;
    store.settle_run(settlement("c1", Outcome::Ok)).await.expect("settled");
    let consumed = store.consume_inbox(run_id("parent"), at(400)).await.expect("consumed");
    assert_eq!(consumed[0].message, TranscriptMessage::runtime("framed c1", at(400)));
}

#[tokio::test]
async fn a_framing_that_panics_fails_its_operation_and_nothing_else() {
    let store = Store::in_memory_with(|_, _| panic!("framing broke")).expect("store");
    created(&store, new_run("parent", MAIN)).await;
    started(&store, "parent").await;
    created(&store, new_child("c1", "parent")).await;
    store.settle_run(settlement("c1", Outcome::Ok)).await.expect("settled");
    let failed = store.consume_inbox(run_id("parent"), at(400)).await;
    assert_eq!(failed, Err(StoreError::Internal("framing broke".to_owned())));
    assert!(store.append(run_id("parent"), vec![user("on")], at(401)).await.is_ok());
    assert_eq!(store.inbox(key(MAIN)).await.expect("inbox")[0].consumed_at_seq, None);
}

#[tokio::test]
async fn a_parent_that_ended_or_never_was_spawns_nothing() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    store.settle_run(settlement("parent", Outcome::Cancelled)).await.expect("settled");
    assert_eq!(store.begin_run(new_child("c1", "parent")).await, Ok(BegunRun::ParentEnded));
    assert_eq!(store.begin_run(new_child("c1", "nobody")).await, Ok(BegunRun::ParentEnded));
    assert_eq!(store.session(key(&child_session("c1"))).await, Ok(None));
}

#[tokio::test]
async fn children_and_trees_are_limited() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    let child = |id: &str| NewRun {
        parent: Some(tidegate_store::ParentEdge {
            max_active_children: 2,
            max_descendants: 3,
            ..edge("parent", MAIN)
        }),
        ..new_child(id, "parent")
    };
    created(&store, child("c1")).await;
    created(&store, child("c2")).await;
    assert_eq!(store.begin_run(child("c3")).await, Ok(BegunRun::TooManyChildren { active: 2 }));
    store.settle_run(settlement("c1", Outcome::Ok)).await.expect("settled");
    created(&store, child("c3")).await;
    store.settle_run(settlement("c2", Outcome::Ok)).await.expect("settled");
    assert_eq!(store.begin_run(child("c4")).await, Ok(BegunRun::TooManyDescendants { total: 3 }));
}

#[tokio::test]
async fn a_tree_is_found_from_any_of_its_runs() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("root", MAIN)).await;
    for (id, parent, session) in
        [("a", "root", MAIN.to_owned()), ("b", "root", MAIN.to_owned()), ("aa", "a", child_session("a"))]
    {
        created(&store, NewRun { parent: Some(edge(parent, &session)), ..new_child(id, parent) }).await;
    }
    created(&store, new_run("unrelated", "agent:main:other")).await;
    let names = async |id: &str| -> Vec<String> {
        let runs = store.descendants(run_id(id)).await.expect("read");
        runs.iter().map(|run| run.id.to_string()).collect()
    };
    assert_eq!(names("root").await, ["a", "b", "aa"]);
    assert_eq!(names("a").await, ["aa"]);
    assert_eq!(names("aa").await, Vec::<String>::new());
    assert_eq!(names("nobody").await, Vec::<String>::new());
    let children = store.children(key(MAIN), None).await.expect("read");
    assert_eq!(children.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

#[tokio::test]
async fn recent_children_are_those_unfinished_or_lately_ended() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    for id in ["old", "late", "open"] {
        created(&store, new_child(id, "parent")).await;
    }
    store.settle_run(Settlement { at: at(500), ..settlement("old", Outcome::Ok) }).await.expect("settled");
    store.settle_run(Settlement { at: at(900), ..settlement("late", Outcome::Ok) }).await.expect("settled");
    let recent = store.children(key(MAIN), Some(at(900))).await.expect("read");
    assert_eq!(recent.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["open", "late"]);
}

#[tokio::test]
async fn a_result_for_a_deleted_session_goes_nowhere() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    created(&store, new_child("c1", "parent")).await;
    store.settle_run(settlement("parent", Outcome::Ok)).await.expect("settled");
    delete(&store, key(MAIN), true).await.expect("deleted");
    let settled = store.settle_run(settlement("c1", Outcome::Ok)).await.expect("settled");
    assert!(matches!(settled, Settled::First { delivered: None, .. }), "{settled:?}");
    assert_eq!(store.inbox(key(MAIN)).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let store = Store::in_memory().expect("store");
    let other = store.clone();
    store.close().await;
    assert_eq!(other.flag("x").await, Err(StoreError::Closed));
    assert_eq!(other.set_flag("x", None).await, Err(StoreError::Closed));
    other.close().await;
}
