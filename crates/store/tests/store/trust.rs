use std::path::PathBuf;

use tidegate_protocol::{PublicKey, Scope};
use tidegate_store::{LoadedTrust, Store, StoreError};
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::records::{
    Block, Change, Claims, DeviceRecord, Grant, ProgramGrant, ProgramIdentity, ProgramToken, SharedToken,
    Subject, TrustRecords,
};
use tidegate_trust::scopes::Level;
use tidegate_trust::token::TokenHash;

use crate::common::*;

fn device(number: u8) -> DeviceRecord {
    let key = PublicKey::from_bytes([number; 32]);
    let scopes: tidegate_trust::ScopeSet =
        [Scope::Read, Scope::Other("custom.scope".to_owned())].into_iter().collect();
    DeviceRecord {
        id: key.device_id(),
        key,
        claims: Claims { display_name: Some("Phone".to_owned()), ..Claims::default() },
        label: None,
        grant: Grant { decided: scopes.clone(), granted: scopes },
        token: None,
        created_at: at(1),
        approved_at: at(2),
        last_seen_at: None,
        last_seen_from: None,
    }
}

fn identity(path: PathBuf) -> ProgramIdentity {
    ProgramIdentity { uid: 1000, executable: path, script: None }
}

fn program(id: &str) -> ProgramGrant {
    ProgramGrant {
        id: id.to_owned(),
        program: identity("/usr/bin/node".into()),
        token_generation: 1,
        claims: Claims::default(),
        grant: Grant::default(),
        approved_at: at(3),
        last_seen_at: None,
    }
}

fn token(id: &str) -> ProgramToken {
    ProgramToken {
        id: id.to_owned(),
        name: "backup".to_owned(),
        level: Level::Read,
        pairing: false,
        hash: TokenHash::of(id),
        created_at: at(4),
        last_used_at: None,
    }
}

fn shared(generation: u64) -> SharedToken {
    SharedToken { hash: TokenHash::of("shared"), generation, created_at: at(5) }
}

fn block(subject: Subject) -> Block {
    Block { subject, name: "Phone".to_owned(), at: at(6) }
}

fn event(number: u64) -> AuditEvent {
    AuditEvent::new(at(number), AuditKind::PairingApproved, "device", format!("line {number}"))
}

async fn loaded(store: &Store) -> TrustRecords {
    let LoadedTrust { records, unreadable } = store.load_trust().await.expect("loaded");
    assert_eq!(unreadable, []);
    records
}

#[tokio::test]
async fn a_new_store_knows_nobody() {
    let store = Store::in_memory().expect("store");
    assert_eq!(loaded(&store).await, TrustRecords::default());
    assert_eq!(store.audit_tail(10).await, Ok(Vec::new()));
}

#[tokio::test]
async fn every_record_survives_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path(), options()).expect("opened");
    let blocked =
        [block(Subject::Device(device(9).id)), block(Subject::Program(identity("/usr/bin/bad".into())))];
    let changes = vec![
        Change::PutDevice(Box::new(device(1))),
        Change::PutProgram(Box::new(program("p"))),
        Change::PutToken(Box::new(token("t"))),
        Change::PutSharedToken(shared(1)),
        Change::PutBlock(Box::new(blocked[0].clone())),
        Change::PutBlock(Box::new(blocked[1].clone())),
        Change::Audit(Box::new(event(1))),
    ];
    store.commit_trust(changes).await.expect("committed");
    store.close().await;
    let (store, _) = Store::open(directory.path(), options()).expect("opened again");
    let records = loaded(&store).await;
    assert_eq!(records.devices, [device(1)]);
    assert_eq!(records.programs, [program("p")]);
    assert_eq!(records.tokens, [token("t")]);
    assert_eq!(records.shared_token, Some(shared(1)));
    assert_eq!(records.blocks, blocked);
    assert_eq!(store.audit_tail(10).await, Ok(vec![event(1)]));
}

#[tokio::test]
async fn records_are_replaced_and_removed_by_their_key() {
    let store = Store::in_memory().expect("store");
    let blocked = Subject::Device(device(9).id);
    let changes = vec![
        Change::PutDevice(Box::new(device(1))),
        Change::PutDevice(Box::new(DeviceRecord { label: Some("Mine".to_owned()), ..device(1) })),
        Change::PutDevice(Box::new(device(2))),
        Change::RemoveDevice(device(2).id),
        Change::PutProgram(Box::new(program("p"))),
        Change::RemoveProgram("p".to_owned()),
        Change::PutToken(Box::new(token("t"))),
        Change::RemoveToken("t".to_owned()),
        Change::PutSharedToken(shared(1)),
        Change::PutSharedToken(shared(2)),
        Change::PutBlock(Box::new(block(blocked.clone()))),
        Change::RemoveBlock(blocked),
    ];
    store.commit_trust(changes).await.expect("committed");
    let records = loaded(&store).await;
    assert_eq!(records.devices, [DeviceRecord { label: Some("Mine".to_owned()), ..device(1) }]);
    assert_eq!((records.programs, records.tokens, records.blocks), (Vec::new(), Vec::new(), Vec::new()));
    assert_eq!(records.shared_token, Some(shared(2)));
}

#[cfg(unix)]
#[tokio::test]
async fn changes_are_committed_all_or_none() {
    use std::os::unix::ffi::OsStringExt;
    let store = Store::in_memory().expect("store");
    let not_unicode = PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
    let unstorable = ProgramGrant { program: identity(not_unicode), ..program("p") };
    let changes = vec![
        Change::PutDevice(Box::new(device(1))),
        Change::Audit(Box::new(event(1))),
        Change::PutProgram(Box::new(unstorable)),
    ];
    let refused = store.commit_trust(changes).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(loaded(&store).await, TrustRecords::default());
    assert_eq!(store.audit_tail(10).await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_unreadable_record_grants_nothing_and_hides_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    let put = |number| Change::PutDevice(Box::new(device(number)));
    store.commit_trust(vec![put(1), put(2)]).await.expect("committed");
    store.close().await;
    let file = rusqlite::Connection::open(&report.file).expect("file");
    file.execute("UPDATE devices SET body = '{}' WHERE id = ?1", [device(1).id.to_string()])
        .expect("changed");
    file.close().expect("closed");

    let (store, _) = Store::open(directory.path(), options()).expect("opened again");

    let LoadedTrust { records, unreadable } = store.load_trust().await.expect("loaded");
    assert_eq!(records.devices, [device(2)]);
    assert_eq!(
        (unreadable.len(), unreadable[0].table, &unreadable[0].key),
        (1, "devices", &device(1).id.to_string())
    );
    store.commit_trust(vec![put(1)]).await.expect("decided again");
    assert_eq!(loaded(&store).await.devices.len(), 2);
}

#[tokio::test]
async fn the_audit_log_keeps_the_newest_events_and_reads_oldest_first() {
    let store = Store::in_memory().expect("store");
    let audit = |numbers: std::ops::Range<u64>| {
        numbers.map(|number| Change::Audit(Box::new(event(number)))).collect()
    };
    store.commit_trust(audit(0..20_010)).await.expect("committed");
    assert_eq!(store.audit_tail(2).await, Ok(vec![event(20_008), event(20_009)]));
    let all = store.audit_tail(u32::MAX).await.expect("read");
    assert_eq!((all.len(), all[0].at), (20_000, at(10)));
}

#[tokio::test]
async fn a_damaged_audit_entry_is_reported_and_hides_no_other() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    store.commit_trust(vec![Change::Audit(Box::new(event(1)))]).await.expect("committed");
    store.close().await;
    let file = rusqlite::Connection::open(&report.file).expect("file");
    let damaged = "INSERT INTO audit (at, kind, subject, body) VALUES (2, 'pairing.approved', 'd', ?1)";
    file.execute(damaged, ["{"]).expect("written");
    file.execute(&damaged.replace("?1", "CAST(x'22ff' AS TEXT)"), []).expect("written");
    file.close().expect("closed");

    let (store, _) = Store::open(directory.path(), options()).expect("opened again");
    store.commit_trust(vec![Change::Audit(Box::new(event(3)))]).await.expect("committed");

    let told = store.audit_tail(10).await.expect("read");
    let seen: Vec<_> =
        told.iter().map(|event| (event.at.0, event.kind.name(), event.subject.as_str())).collect();
    let good = AuditKind::PairingApproved.name();
    assert_eq!(
        seen,
        [
            (1, good, "device"),
            (2, "audit.damaged", "entry 2"),
            (2, "audit.damaged", "entry 3"),
            (3, good, "device"),
        ]
    );
}

#[tokio::test]
async fn no_statement_can_rewrite_the_audit_log() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    store.commit_trust(vec![Change::Audit(Box::new(event(1)))]).await.expect("committed");
    store.close().await;
    let file = rusqlite::Connection::open(report.file).expect("file");
    assert!(file.execute("UPDATE audit SET body = ''", []).is_err());
    assert!(file.execute("DELETE FROM audit", []).is_err());
}
