use std::collections::HashSet;

use tidegate_store::{BegunRun, NewRun, Outcome, ParentEdge, Settled, Store};
use tokio::task::JoinSet;

use crate::common::*;

fn on_disk() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path(), options()).expect("opened");
    (directory, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_that_wait_together_are_committed_together() {
    let (_directory, store) = on_disk();
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            for index in 0..4 {
                let id = format!("r{task}-{index}");
                created(&store, new_run(&id, &format!("agent:main:{task}"))).await;
                // What was acknowledged is there for every reader.
                assert!(store.run(run_id(&id)).await.expect("read").is_some());
            }
        });
    }
    tasks.join_all().await;
    let stats = store.stats();
    assert_eq!(stats.writes, 256);
    assert!(stats.commits < stats.writes / 2, "{stats:?}");
    assert_eq!(store.count_sessions().await, Ok(64));
}

#[tokio::test]
async fn a_failing_write_does_not_take_its_batch_with_it() {
    let (_directory, store) = on_disk();
    store.ensure_session(key("main"), session_id("taken"), at(1)).await.expect("made");
    let clash = async |name: &str| store.ensure_session(key(name), session_id("taken"), at(2)).await;
    let fine = async |name: &str| store.ensure_session(key(name), fresh_id(name), at(2)).await;
    let (a, b, c, d) = tokio::join!(fine("a"), clash("b"), fine("c"), clash("d"));
    assert!(a.is_ok() && c.is_ok());
    assert!(b.is_err() && d.is_err());
    assert_eq!(store.count_sessions().await, Ok(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_run_id_makes_one_run_however_many_ask() {
    let (_directory, store) = on_disk();
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let store = store.clone();
        tasks.spawn(async move { store.begin_run(new_run("same", MAIN)).await.expect("begun") });
    }
    let answers = tasks.join_all().await;
    let made = answers.iter().filter(|answer| matches!(answer, BegunRun::Created(_))).count();
    let found = answers.iter().filter(|answer| matches!(answer, BegunRun::Existing(_))).count();
    assert_eq!((made, found), (1, 31));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_settlements_exactly_one_is_first() {
    let (_directory, store) = on_disk();
    created(&store, new_run("parent", MAIN)).await;
    created(&store, new_child("c1", "parent")).await;
    let outcomes = [Outcome::Ok, Outcome::Error, Outcome::TimedOut, Outcome::Cancelled];
    let mut tasks = JoinSet::new();
    for index in 0..40 {
        let store = store.clone();
        let settle = settlement("c1", outcomes[index % outcomes.len()]);
        tasks.spawn(async move { store.settle_run(settle).await.expect("settled") });
    }
    let answers = tasks.join_all().await;
    let winners: Vec<_> = answers.iter().filter(|answer| matches!(answer, Settled::First { .. })).collect();
    assert_eq!(winners.len(), 1);
    let rows = store.inbox(key(MAIN)).await.expect("inbox");
    assert_eq!(rows.len(), 1);
    assert!(answers.iter().all(|answer| match answer {
        Settled::First { delivered, .. } => delivered.as_ref() == Some(&rows[0]),
        Settled::Already(outcome) => *outcome == rows[0].outcome,
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_result_is_consumed_once_however_many_consume() {
    let (_directory, store) = on_disk();
    created(&store, new_run("parent", MAIN)).await;
    let parent = started(&store, "parent").await.run;
    let mut tasks = JoinSet::new();
    for index in 0..30 {
        let store = store.clone();
        tasks.spawn(async move {
            let id = format!("c{index}");
            created(&store, new_child(&id, "parent")).await;
            store.settle_run(settlement(&id, Outcome::Ok)).await.expect("settled");
            store.consume_inbox(run_id("parent"), at(400)).await.expect("consumed").len()
        });
    }
    let consumed: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(consumed, 30);
    let entries = store.transcript(parent.session_id, None, 100).await.expect("transcript");
    let said: HashSet<String> = texts(&entries[1..]).into_iter().collect();
    assert_eq!((entries.len(), said.len()), (31, 30));
    let positions: HashSet<_> = store
        .inbox(key(MAIN))
        .await
        .expect("inbox")
        .iter()
        .map(|row| row.consumed_at_seq.expect("consumed"))
        .collect();
    assert_eq!(positions, (2..=31).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn limits_hold_however_many_spawn_at_once() {
    for (max_active_children, max_descendants, expected) in [(5, 100, 5), (100, 7, 7)] {
        let (_directory, store) = on_disk();
        created(&store, new_run("parent", MAIN)).await;
        let mut tasks = JoinSet::new();
        for index in 0..40 {
            let store = store.clone();
            tasks.spawn(async move {
                let id = format!("c{index}");
                let edge = ParentEdge { max_active_children, max_descendants, ..edge("parent", MAIN) };
                store
                    .begin_run(NewRun { parent: Some(edge), ..new_child(&id, "parent") })
                    .await
                    .expect("begun")
            });
        }
        let answers = tasks.join_all().await;
        let made = answers.iter().filter(|answer| matches!(answer, BegunRun::Created(_))).count();
        assert_eq!(made, expected);
        assert_eq!(store.descendants(run_id("parent")).await.expect("tree").len(), expected);
    }
}

#[tokio::test]
async fn a_dropped_future_does_not_take_its_write_back() {
    let (_directory, store) = on_disk();
    {
        let mut write = Box::pin(store.begin_run(new_run("r1", MAIN)));
        std::future::poll_fn(|context| {
            let _ = write.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    // The writer works in order, so a later write is answered after it.
    store.set_flag("later", None).await.expect("set");
    assert!(store.run(run_id("r1")).await.expect("read").is_some());
}
