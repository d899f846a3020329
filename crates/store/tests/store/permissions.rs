//! What a person allowed for more than one time, from one start to the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tidegate_protocol::confinement::Need;
use tidegate_store::{FILE_NAME, LoadedTrust, OpenError, Store, StoreState};
use tidegate_trust::permissions::{GrantedNeeds, Permission, PermissionKind};
use tidegate_trust::{Change, FileIdentity, Folder, TrustRecords};

use crate::common::*;

/// Steps of the schema as released stores have them.
const FIRST: &str = include_str!("../../src/schema/0001.sql");
const SECOND: &str = include_str!("../../src/schema/0002.sql");

fn permission(id: &str, kind: PermissionKind) -> Permission {
    Permission {
        id: id.to_owned(),
        folder: Folder {
            path: PathBuf::from("/home/ada/größe \u{202e}'\""),
            identity: FileIdentity { device: u64::MAX, inode: u64::MAX },
        },
        kind,
        granted_at: at(7),
        given_by: None,
        last_used_at: None,
    }
}

fn needs(repository: Option<&str>) -> PermissionKind {
    let needs = ["git", "sockets", "listen:8080", "network:example.org:8443", "write:/srv/out put"];
    let needs: BTreeSet<Need> = needs.into_iter().map(|need| need.parse().expect("a need")).collect();
    let outside = vec![Folder {
        path: PathBuf::from("/srv/out put"),
        identity: FileIdentity { device: 3, inode: u64::MAX - 1 },
    }];
    PermissionKind::Needs(GrantedNeeds { needs, repository: repository.map(str::to_owned), outside })
}

fn put(permission: &Permission) -> Change {
    Change::PutPermission(Box::new(permission.clone()))
}

async fn loaded(store: &Store) -> TrustRecords {
    let LoadedTrust { records, unreadable } = store.load_trust().await.expect("loaded");
    assert_eq!(unreadable, []);
    records
}

/// Commits, and reads it in the next start.
async fn reopened(place: &Path, changes: Vec<Change>) -> TrustRecords {
    let (store, _) = Store::open(place, options()).expect("opened");
    store.commit_trust(changes).await.expect("committed");
    store.close().await;
    let (store, _) = Store::open(place, options()).expect("opened again");
    let records = loaded(&store).await;
    store.close().await;
    records
}

#[tokio::test]
async fn permissions_are_read_in_the_next_start_as_they_were_given() {
    let directory = tempfile::tempdir().expect("directory");
    let given = [
        permission("a", PermissionKind::Contained),
        permission("b", needs(None)),
        Permission { last_used_at: Some(at(9)), ..permission("c", needs(Some("/home/ada/main/.git"))) },
    ];

    let records = reopened(directory.path(), given.iter().map(put).collect()).await;

    assert_eq!(records.permissions, given);
}

#[tokio::test]
async fn permissions_are_replaced_and_removed_by_their_id() {
    let directory = tempfile::tempdir().expect("directory");
    let used = Permission { last_used_at: Some(at(9)), ..permission("a", PermissionKind::Contained) };
    let changes = vec![
        put(&permission("a", PermissionKind::Contained)),
        put(&permission("b", PermissionKind::Contained)),
        put(&used),
        Change::RemovePermission("b".to_owned()),
        Change::RemovePermission("never there".to_owned()),
    ];

    let records = reopened(directory.path(), changes).await;

    assert_eq!(records.permissions, [used]);
}

#[tokio::test]
async fn asking_about_everything_holds_until_a_person_ends_it() {
    let directory = tempfile::tempdir().expect("directory");

    let new = reopened(directory.path(), Vec::new()).await;
    let on = reopened(directory.path(), vec![Change::AskEverything(true), Change::AskEverything(true)]).await;
    let still = reopened(directory.path(), vec![put(&permission("a", PermissionKind::Contained))]).await;
    let off = reopened(directory.path(), vec![Change::AskEverything(false)]).await;

    let asks = [new, on, still, off].map(|records| records.ask_everything);
    assert_eq!(asks, [false, true, true, false]);
}

#[tokio::test]
async fn an_unreadable_permission_grants_nothing_and_hides_no_other() {
    let directory = tempfile::tempdir().expect("directory");
    let ids = ["a", "b", "c", "d", "e"];
    let given = ids.map(|id| permission(id, PermissionKind::Contained));
    reopened(directory.path(), given.iter().map(put).collect()).await;
    let file = Connection::open(directory.path().join(FILE_NAME)).expect("file");
    let body: String =
        file.query_row("SELECT body FROM permissions WHERE id = 'a'", [], |row| row.get(0)).expect("a body");
    let damaged = [
        ("a", "{}".to_owned()),
        ("b", body.replace("\"contained\"", "\"everything\"")),
        ("c", body.replace("\"inode\"", "\"number\"")),
        ("d", body.replace("18446744073709551615", "-1")),
    ];
    for (id, damaged) in &damaged {
        assert_ne!(*damaged, body);
        file.execute("UPDATE permissions SET body = ?2 WHERE id = ?1", [*id, damaged]).expect("changed");
    }
    file.close().expect("closed");

    let (store, _) = Store::open(directory.path(), options()).expect("opened again");
    let LoadedTrust { records, unreadable } = store.load_trust().await.expect("loaded");

    assert_eq!(records.permissions, [permission("e", PermissionKind::Contained)]);
    let unreadable: Vec<_> = unreadable.iter().map(|record| (record.table, record.key.as_str())).collect();
    assert_eq!(unreadable, ["a", "b", "c", "d"].map(|id| ("permissions", id)));
}

#[tokio::test]
async fn a_store_without_permissions_is_read_and_allows_nothing() {
    for (version, schema) in [(1, FIRST.to_owned()), (2, format!("{FIRST}{SECOND}"))] {
        let directory = tempfile::tempdir().expect("directory");
        let file = Connection::open(directory.path().join(FILE_NAME)).expect("file");
        file.execute_batch(&format!("{schema} PRAGMA user_version = {version};")).expect("an old store");
        file.execute("INSERT INTO flags (name, value) VALUES ('agent.paused', 'true')", []).expect("a flag");
        file.close().expect("closed");

        let (store, report) = Store::open(directory.path(), options()).expect("opened");

        assert_eq!((report.state, report.version_before), (StoreState::Existing, version));
        assert!(report.version >= 3, "{}", report.version);
        let records = loaded(&store).await;
        assert_eq!((records.permissions, records.ask_everything), (Vec::new(), false));
        assert_eq!(store.flag("agent.paused").await, Ok(Some("true".to_owned())), "the rest is as it was");
        let given = permission("a", PermissionKind::Contained);
        let changes = vec![put(&given), Change::AskEverything(true)];
        store.commit_trust(changes).await.expect("committed");
        assert_eq!(loaded(&store).await.permissions, [given]);
        store.close().await;
    }
}

/// An earlier Tidegate would ask about nothing that a person wanted to be asked about.
#[tokio::test]
async fn a_store_of_the_next_version_is_refused_with_what_it_allows() {
    let directory = tempfile::tempdir().expect("directory");
    reopened(directory.path(), vec![Change::AskEverything(true)]).await;
    let file = Connection::open(directory.path().join(FILE_NAME)).expect("file");
    let version: u32 = file.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a version");
    let next = version + 1;
    file.execute_batch(&format!("PRAGMA user_version = {next}; UPDATE store_version SET version = {next};"))
        .expect("changed");
    file.close().expect("closed");

    let refused = Store::open(directory.path(), options());

    let newer =
        matches!(refused, Err(OpenError::NewerStore { found, known }) if (found, known) == (next, version));
    assert!(newer, "{refused:?}");
}
