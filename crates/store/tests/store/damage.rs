//! Files that a crash, a bad disk or a person damaged: a store opens, or the file is kept aside
//! and a new store begins. Nothing panics.

use std::fs;
use std::path::Path;

use tidegate_protocol::TranscriptMessage;
use tidegate_store::{
    FILE_NAME, OpenError, OpenReport, Outcome, SessionFilter, Store, StoreError, StoreState,
};

use crate::common::*;

/// The bytes of a store with some history.
async fn sample() -> Vec<u8> {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    created(&store, new_run("parent", MAIN)).await;
    started(&store, "parent").await;
    for index in 0..20 {
        let id = format!("c{index}");
        created(&store, new_child(&id, "parent")).await;
        started(&store, &id).await;
        store.append(run_id(&id), vec![user(&"text ".repeat(300))], at(210)).await.expect("appended");
        store.settle_run(settlement(&id, Outcome::Ok)).await.expect("settled");
    }
    store.close().await;
    fs::read(report.file).expect("read")
}

/// Uses what was opened. Errors are fine, panics and hangs are not.
async fn exercise(store: &Store) -> Result<(), StoreError> {
    let filter = SessionFilter { limit: 100, ..SessionFilter::default() };
    for session in store.sessions(filter).await? {
        store.transcript(session.session_id, None, 100).await?;
        store.inbox(session.key.clone()).await?;
        store.children(session.key, None).await?;
    }
    store.recover("boot-9".to_owned(), at(900)).await?;
    store.begin_run(new_run("after", "agent:main:after")).await?;
    store.start_run(run_id("after"), at(901)).await?;
    store.settle_run(settlement("after", Outcome::Ok)).await?;
    Ok(())
}

async fn open_damaged(bytes: &[u8]) -> Option<OpenReport> {
    let directory = tempfile::tempdir().expect("directory");
    fs::write(directory.path().join(FILE_NAME), bytes).expect("written");
    match Store::open(directory.path(), options()) {
        Ok((store, report)) => {
            let used = exercise(&store).await;
            store.close().await;
            if let StoreState::QuarantinedCorrupt { moved_to, .. } = &report.state {
                assert_eq!(used, Ok(()), "a new store works");
                assert_eq!(fs::read(moved_to).expect("kept"), bytes, "the damaged file is kept as it was");
            }
            Some(report)
        }
        Err(OpenError::NewerStore { .. }) => None,
        Err(error) => panic!("neither opened nor moved aside: {error}"),
    }
}

fn quarantined(report: Option<OpenReport>) -> bool {
    matches!(report, Some(OpenReport { state: StoreState::QuarantinedCorrupt { .. }, .. }))
}

#[tokio::test]
async fn a_truncated_store_opens_or_is_moved_aside() {
    let bytes = sample().await;
    for keep in [
        1,
        15,
        16,
        99,
        100,
        101,
        511,
        512,
        4095,
        4096,
        4097,
        8192,
        20_000,
        bytes.len() / 2,
        bytes.len() - 4096,
    ] {
        let report = open_damaged(&bytes[..keep]).await;
        assert!(quarantined(report), "{keep} of {} bytes", bytes.len());
    }
    open_damaged(&bytes[..bytes.len() - 1]).await.expect("one lost byte may have been unused");
    let report = open_damaged(&[]).await.expect("opened");
    assert_eq!(report.state, StoreState::Fresh, "an empty file is a new store");
    let report = open_damaged(&bytes).await.expect("opened");
    assert_eq!(report.state, StoreState::Existing, "an undamaged one is not moved");
}

#[tokio::test]
async fn a_store_with_flipped_bytes_opens_or_is_moved_aside() {
    let bytes = sample().await;
    // The header without its reserved bytes, and places all over the rest.
    let header = (0..72).chain(92..100);
    let spread = (100..bytes.len()).step_by(bytes.len() / 40);
    let mut moved = 0;
    for position in header.chain(spread) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0xff;
        moved += usize::from(quarantined(open_damaged(&flipped).await));
    }
    assert!(moved > 20, "only {moved} flips were noticed");
}

#[tokio::test]
async fn files_that_are_no_store_are_moved_aside() {
    let directory = tempfile::tempdir().expect("directory");
    let foreign = directory.path().join("foreign");
    let other = rusqlite::Connection::open(&foreign).expect("file");
    other.execute_batch("CREATE TABLE notes (text TEXT)").expect("made");
    other.close().expect("closed");
    let foreign = fs::read(foreign).expect("read");
    for bytes in [b"hello".as_slice(), &[0_u8; 10_000], &[0xff_u8; 5_000], &foreign] {
        assert!(quarantined(open_damaged(bytes).await));
    }
}

#[tokio::test]
async fn a_store_that_lost_a_table_is_moved_aside() {
    for table in ["runs", "inbox", "store_version", "audit", "counts"] {
        let directory = tempfile::tempdir().expect("directory");
        let (store, report) = Store::open(directory.path(), options()).expect("opened");
        store.close().await;
        let file = rusqlite::Connection::open(&report.file).expect("file");
        file.execute_batch(&format!("DROP TABLE {table}")).expect("dropped");
        file.close().expect("closed");
        let (_, report) = Store::open(directory.path(), options()).expect("opened");
        assert!(quarantined(Some(report)), "{table}");
    }
}

#[tokio::test]
async fn a_log_without_its_store_is_kept() {
    let directory = tempfile::tempdir().expect("directory");
    let log = directory.path().join(format!("{FILE_NAME}-wal"));
    for store_file in [None, Some("")] {
        fs::write(&log, "the only copy").expect("written");
        if let Some(text) = store_file {
            fs::write(directory.path().join(FILE_NAME), text).expect("written");
        } else {
            let _ = fs::remove_file(directory.path().join(FILE_NAME));
        }
        let (store, report) = Store::open(directory.path(), options()).expect("opened");
        let StoreState::QuarantinedCorrupt { moved_to, .. } = report.state else {
            panic!("{:?}", report.state)
        };
        let kept = format!("{}-wal", moved_to.display());
        assert_eq!(fs::read_to_string(Path::new(&kept)).expect("kept"), "the only copy");
        store.close().await;
    }
}

#[tokio::test]
async fn a_second_damaged_file_does_not_replace_the_first() {
    let directory = tempfile::tempdir().expect("directory");
    let mut places = Vec::new();
    for text in ["first damage", "second damage"] {
        fs::write(directory.path().join(FILE_NAME), text).expect("written");
        let (store, report) = Store::open(directory.path(), options()).expect("opened");
        store.close().await;
        let StoreState::QuarantinedCorrupt { moved_to, .. } = report.state else {
            panic!("{:?}", report.state)
        };
        places.push((moved_to, text));
    }
    for (place, text) in places {
        assert_eq!(fs::read_to_string(place).expect("kept"), text);
    }
}

#[tokio::test]
async fn one_unreadable_row_hides_nothing_else() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    for id in ["r1", "r2"] {
        created(&store, new_run(id, &format!("agent:main:{id}"))).await;
        started(&store, id).await;
    }
    store.close().await;
    let file = rusqlite::Connection::open(&report.file).expect("file");
    file.execute_batch(
        "UPDATE sessions SET settings = '{' WHERE key = 'agent:main:r1';
         UPDATE entries SET body = '?' WHERE run = 'r1';
         UPDATE runs SET spec = '' WHERE id = 'r1';",
    )
    .expect("changed");
    file.close().expect("closed");

    let (store, _) = Store::open(directory.path(), options()).expect("opened again");

    let listed = store.sessions(SessionFilter { limit: 10, ..SessionFilter::default() }).await.expect("list");
    assert_eq!(listed.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["agent:main:r2"]);
    let alone = store.session(key("agent:main:r1")).await;
    assert!(matches!(alone, Err(StoreError::Corrupt(_))), "{alone:?}");
    let recovery = store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");
    assert_eq!(recovery.interrupted.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["r2"]);
}

#[tokio::test]
async fn a_damaged_message_keeps_its_place_and_hides_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    let run = created(&store, new_run("r1", MAIN)).await;
    created(&store, new_run("r2", MAIN)).await;
    started(&store, "r1").await;
    let damages =
        ["'?'", "''", "'7'", "'{\"role\":\"later\"}'", "'{\"role\":\"user\"}'", "CAST(x'22ff22' AS TEXT)"];
    let messages = damages.map(user).to_vec();
    store.append(run_id("r1"), messages, at(210)).await.expect("appended");
    store.append(run_id("r1"), vec![user("the last")], at(211)).await.expect("appended");
    store.close().await;
    let file = rusqlite::Connection::open(&report.file).expect("file");
    for (seq, damage) in (2..).zip(damages) {
        file.execute_batch(&format!("UPDATE entries SET body = {damage} WHERE seq = {seq}"))
            .expect("changed");
    }
    file.execute_batch("UPDATE runs SET input = '?' WHERE id = 'r2'").expect("changed");
    file.close().expect("closed");

    let (store, _) = Store::open(directory.path(), options()).expect("opened again");

    let page = store.transcript_page(run.session_id.clone(), 0, 100).await.expect("read");
    assert_eq!((page.entries.len(), page.total), (8, 8));
    assert_eq!((page.entries[0].message.text(), page.entries[7].message.text()), ("do r1", "the last"));
    for entry in &page.entries[1..7] {
        assert!(matches!(entry.message, TranscriptMessage::Unknown(_)), "{entry:?}");
        let alone = store.entry(run.session_id.clone(), entry.id.clone()).await;
        assert_eq!(alone, Ok(Some(entry.clone())));
    }
    let receipts = store.input_receipts(run.session_id.clone(), vec![run_id("r1")]).await.expect("read");
    assert_eq!(receipts[0].entry.as_ref(), Some(&page.entries[0].id));
    let recovery = store.recover("boot-2".to_owned(), at(900)).await.expect("recovered");
    assert_eq!(recovery.interrupted.len(), 2);
    let after = store.transcript(run.session_id, None, 2).await.expect("read");
    assert_eq!(after[0].message, TranscriptMessage::Unknown("?".into()), "what was damaged stays as it was");
}

#[tokio::test]
async fn the_three_newest_damaged_stores_are_kept() {
    let directory = tempfile::tempdir().expect("directory");
    for number in 1..=5 {
        fs::write(directory.path().join(FILE_NAME), vec![0x5a; 2048 + number]).expect("written");
        fs::write(directory.path().join(format!("{FILE_NAME}-wal")), b"its log").expect("written");
        // The last two at the same moment.
        let opening = tidegate_store::OpenOptions { at: at(1_000 + number.min(4) as u64), ..options() };
        let (store, report) = Store::open(directory.path(), opening).expect("opened");
        assert!(quarantined(Some(report)));
        store.close().await;
    }
    fs::write(directory.path().join(format!("{FILE_NAME}.corrupt-notes")), b"a person's").expect("written");

    let mut kept: Vec<String> = fs::read_dir(directory.path())
        .expect("listed")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".corrupt-"))
        .collect();
    kept.sort();

    let expected = ["1003", "1003-wal", "1004", "1004-wal", "1004.1", "1004.1-wal", "notes"]
        .map(|end| format!("{FILE_NAME}.corrupt-{end}"));
    assert_eq!(kept, expected);
}
