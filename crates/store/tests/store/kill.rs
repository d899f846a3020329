//! A process that is killed at any moment loses nothing that it acknowledged.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tidegate_protocol::TranscriptMessage;
use tidegate_store::{BegunRun, Outcome, RunState, Settled, Store, StoreState, TranscriptEntry};

use crate::common::*;

const DIRECTORY: &str = "TIDEGATE_STORE_KILL_TEST";
const CYCLE: &str = "TIDEGATE_STORE_KILL_CYCLE";
const CYCLES: u32 = 5;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent listens");
}

/// The process that is killed: begins, starts and settles children from several tasks, and prints
/// each acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_until_killed() {
    let (Some(directory), Ok(cycle)) = (std::env::var_os(DIRECTORY), std::env::var(CYCLE)) else { return };
    let (store, _) = Store::open(Path::new(&directory), options()).expect("opened");
    let parent = format!("p{cycle}");
    let session = format!("agent:main:{parent}");
    created(&store, new_run(&parent, &session)).await;
    started(&store, &parent).await;
    say(&format!("ack begun {parent}"));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let (store, parent, session, cycle) = (store.clone(), parent.clone(), session.clone(), cycle.clone());
        tasks.spawn(async move {
            for index in 0.. {
                let id = format!("c{cycle}-{task}-{index}");
                let new = tidegate_store::NewRun {
                    parent: Some(tidegate_store::ParentEdge {
                        max_descendants: u32::MAX,
                        ..edge(&parent, &session)
                    }),
                    ..new_child(&id, &parent)
                };
                let begun = store.begin_run(new).await.expect("begun");
                assert!(matches!(begun, BegunRun::Created(_)), "{begun:?}");
                say(&format!("ack begun {id}"));
                started(&store, &id).await;
                let settled = store.settle_run(settlement(&id, Outcome::Ok)).await.expect("settled");
                assert!(matches!(settled, Settled::First { delivered: Some(_), .. }), "{settled:?}");
                say(&format!("ack settled {id}"));
                if index % 3 == 0 {
                    store.consume_inbox(run_id(&parent), at(400)).await.expect("consumed");
                }
            }
        });
    }
    tasks.join_all().await;
}

/// Starts the writer, lets it acknowledge `enough` lines and a little more, and kills it.
fn write_and_kill(directory: &Path, cycle: u32, enough: usize, longer: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("program"))
        .args(["--exact", "kill::write_until_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(CYCLE, cycle.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let lines = BufReader::new(child.stdout.take().expect("pipe")).lines();
    let mut acknowledged = Vec::new();
    let mut deadline = None;
    for line in lines {
        let Ok(line) = line else { break };
        // The first acknowledgement shares its line with the test harness's own words.
        if let Some((_, ack)) = line.split_once("ack ") {
            acknowledged.push(ack.to_owned());
        }
        if acknowledged.len() == enough {
            deadline.get_or_insert_with(|| Instant::now() + longer);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            // Lines that are still in the pipe were acknowledged too: reading goes on to the end.
            child.kill().expect("killed");
            deadline = None;
        }
    }
    child.wait().expect("ended");
    acknowledged
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let directory = tempfile::tempdir().expect("directory");
    let mut begun = BTreeSet::new();
    let mut settled = BTreeSet::new();
    for cycle in 0..CYCLES {
        // Different numbers of acknowledgements and of further milliseconds: the kill lands
        // anywhere in begin, commit, sync, checkpoint or consume.
        let enough = 3 + 37 * usize::try_from(cycle).expect("small");
        let place = directory.path().to_owned();
        let lines = tokio::task::spawn_blocking(move || {
            write_and_kill(&place, cycle, enough, Duration::from_millis(u64::from(cycle) * 7))
        })
        .await
        .expect("joined");
        assert!(lines.len() >= enough, "the writer ended early: {lines:?}");
        for line in &lines {
            match line.split_once(' ').expect("two words") {
                ("begun", id) => begun.insert(id.to_owned()),
                (_, id) => settled.insert(id.to_owned()),
            };
        }

        let (store, report) = Store::open(directory.path(), options()).expect("opened");
        assert_eq!(report.state, StoreState::Existing);
        for id in &begun {
            assert!(
                store.run(run_id(id)).await.expect("read").is_some(),
                "{id} was acknowledged and is lost"
            );
        }
        for id in &settled {
            let run = store.run(run_id(id)).await.expect("read").expect("there");
            assert_eq!(run.state, RunState::Terminal(Outcome::Ok), "{id}");
        }
        store.recover(format!("after-{cycle}"), at(900)).await.expect("recovered");
        assert_eq!(store.unfinished_runs().await, Ok(Vec::new()));
        one_inbox_row_and_one_position_for_each_child(&store, &format!("p{cycle}")).await;
        store.close().await;
    }
    assert!(!settled.is_empty());
}

async fn one_inbox_row_and_one_position_for_each_child(store: &Store, parent: &str) {
    let session = key(&format!("agent:main:{parent}"));
    let rows = store.inbox(session.clone()).await.expect("inbox");
    let sources: Vec<String> = rows.iter().map(|row| row.source.to_string()).collect();
    let unique: BTreeSet<&String> = sources.iter().collect();
    assert_eq!(unique.len(), sources.len(), "a child has two rows");
    let children = store.children(session, None).await.expect("children");
    let expected: BTreeSet<String> = children.iter().map(|run| run.id.to_string()).collect();
    assert_eq!(sources.iter().cloned().collect::<BTreeSet<_>>(), expected);

    let run = store.run(run_id(parent)).await.expect("read").expect("there");
    let entries = store.transcript(run.session_id, None, u32::MAX).await.expect("transcript");
    assert!(entries.iter().enumerate().all(|(index, entry)| entry.seq == index as u64 + 1), "a gap");
    let consumed: BTreeSet<u64> = rows.iter().filter_map(|row| row.consumed_at_seq).collect();
    let is_result = |entry: &&TranscriptEntry| matches!(entry.message, TranscriptMessage::Runtime { .. });
    let written: BTreeSet<u64> = entries.iter().filter(is_result).map(|entry| entry.seq).collect();
    assert_eq!(consumed, written, "each consumed row has one position, and each position one row");
}
