//! Messages that were answered without a model, receipts, and look-ups by id.

use tidegate_store::{Answered, InputReceipt, NewAnswer, NewRun, Outcome, RunState, Store};

use crate::common::*;

fn answer(id: &str, session: &str) -> NewAnswer {
    NewAnswer {
        run: NewRun { input: None, ..new_run(id, session) },
        entries: vec![user("/status"), user("all is well")],
        result: "all is well".to_owned(),
    }
}

#[tokio::test]
async fn an_answer_is_a_run_that_has_ended() {
    let store = Store::in_memory().expect("store");

    let recorded = store.record_answer(answer("a1", MAIN)).await.expect("recorded");

    let Answered::New { run, appended } = recorded else { panic!("{recorded:?}") };
    assert_eq!((run.state, run.result.as_deref()), (RunState::Terminal(Outcome::Ok), Some("all is well")));
    assert_eq!(store.unfinished_runs().await, Ok(Vec::new()));
    assert_eq!(store.transcript(run.session_id.clone(), None, 9).await, Ok(appended));
    assert_eq!(store.record_answer(answer("a1", MAIN)).await, Ok(Answered::Existing(run)));
    assert_eq!(store.record_answer(answer("a1", "agent:main:other")).await, Ok(Answered::TakenElsewhere));
    assert_eq!(store.count_sessions().await, Ok(1));
}

#[tokio::test]
async fn an_answer_beside_a_run_changes_no_state_of_it() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;

    store.record_answer(answer("a1", MAIN)).await.expect("recorded");

    let session = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!((session.last_state, session.last_run), (Some(RunState::Running), Some(run_id("r1"))));
    let appended = store.append(run_id("r1"), vec![user("more")], at(300)).await.expect("appended");
    assert_eq!(appended.first().map(|entry| entry.seq), Some(4));
}

#[tokio::test]
async fn an_answer_leaves_the_inbox_to_the_next_run() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    created(&store, new_child("child", "parent")).await;
    store.settle_run(settlement("child", Outcome::Ok)).await.expect("settled");
    let waiting = store.inbox(key(MAIN)).await.expect("read").len();

    store.record_answer(answer("a1", MAIN)).await.expect("recorded");

    assert_eq!((store.inbox(key(MAIN)).await.expect("read").len(), waiting), (1, 1));
}

#[tokio::test]
async fn receipts_name_the_entry_of_a_runs_message() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    let first = started(&store, "r1").await.appended;
    created(&store, new_run("r2", MAIN)).await;
    created(&store, new_run("r3", "agent:main:other")).await;
    let recorded = store.record_answer(answer("a1", MAIN)).await.expect("recorded");
    let Answered::New { appended, .. } = recorded else { panic!("{recorded:?}") };

    let asked = ["r1", "r2", "r3", "a1", "nobody"].map(run_id).to_vec();
    let receipts = store.input_receipts(run.session_id, asked).await.expect("read");

    let receipt =
        |run: &str, entry: Option<&String>| InputReceipt { run: run_id(run), entry: entry.cloned() };
    assert_eq!(
        receipts,
        [receipt("r1", Some(&first[0].id)), receipt("r2", None), receipt("a1", Some(&appended[0].id))]
    );
}

#[tokio::test]
async fn sessions_and_entries_are_found_by_their_ids() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    let entry = started(&store, "r1").await.appended.remove(0);
    let old = run.session_id.clone();

    assert_eq!(store.entry(old.clone(), entry.id.clone()).await, Ok(Some(entry.clone())));
    assert_eq!(store.entry(session_id("other"), entry.id.clone()).await, Ok(None));
    let session = store.session_by_id(old.clone()).await.expect("read");
    assert_eq!(session.map(|session| session.key), Some(key(MAIN)));
    store.reset_session(key(MAIN), session_id("fresh"), at(300)).await.expect("reset");
    assert_eq!(store.session_by_id(old).await, Ok(None), "an archived transcript is no session");
    assert!(store.session_by_id(session_id("fresh")).await.expect("read").is_some());
}
