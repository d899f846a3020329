use std::path::Path;
use std::task::Poll;

use tidegate_protocol::{ClientInfo, DeviceId, PublicKey, Scope, UnixMillis};
use tidegate_store::OpenOptions;
use tidegate_trust::approval::{ApprovalRequest, Operation, Requester};
use tidegate_trust::decision::Decider;
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::principal::command_line_session;
use tidegate_trust::records::{Block, Claims, DeviceRecord, Grant, Subject};
use tidegate_trust::settings::{ProposedSetting, Setting, WebOrigin};
use tidegate_trust::{Level, Principal, ScopeSet};

use super::*;
use crate::TokenError;

/// A service that knows nobody and has no store yet.
fn service() -> TrustService {
    TrustService::new(Authority::new(TrustRecords::default()).0, Desktop::Running)
}

fn origin() -> WebOrigin {
    WebOrigin::parse("https://chat.example").expect("an origin")
}

/// The person at a terminal.
fn command_line() -> Session {
    let (connection, peer) = (
        ConnectionId::parse("cli").expect("an id"),
        Peer::Process { uid: 1000, same_user: true, program: None },
    );
    let client: ClientInfo = serde_json::from_value(serde_json::json!({
        "id": "cli", "version": "1", "platform": "linux", "mode": "cli",
    }))
    .expect("a client");
    command_line_session(connection, &Origin::LocalSocket(peer), client).expect("the person")
}

/// A service over what a store holds.
async fn over(store: Store) -> TrustService {
    let service = service();
    service.open(store, StoreKind::OnDisk, true).await;
    service
}

fn store_in(directory: &Path) -> Store {
    Store::open(directory, OpenOptions::default()).expect("a store").0
}

fn device(number: u8) -> DeviceRecord {
    let key = PublicKey::from_bytes([number; 32]);
    let granted: ScopeSet = [Scope::Read].into_iter().collect();
    DeviceRecord {
        id: key.device_id(),
        key,
        claims: Claims::default(),
        label: None,
        grant: Grant { decided: granted.clone(), granted },
        token: None,
        created_at: UnixMillis(1),
        approved_at: UnixMillis(1),
        last_seen_at: None,
        last_seen_from: None,
    }
}

async fn stored(store: &Store) -> TrustRecords {
    store.load_trust().await.expect("read").records
}

/// Three devices are stored, and a fifth one was until now. Then nothing can be saved any more: what becomes
/// of it when the first is blocked, the second and the fifth get a name, and an earlier block of a fourth one
/// ends.
async fn nothing_could_be_saved(directory: &Path) -> TrustService {
    let store = store_in(directory);
    let earlier = Block { subject: Subject::Device(device(4).id), name: String::new(), at: UnixMillis(1) };
    let mut changes: Vec<Change> =
        [1, 2, 3, 5].map(|number| Change::PutDevice(Box::new(device(number)))).to_vec();
    changes.push(Change::PutBlock(Box::new(earlier)));
    store.commit_trust(changes).await.expect("saved");
    let service = over(store.clone()).await;
    store.commit_trust(vec![Change::RemoveDevice(device(5).id)]).await.expect("saved");
    store.close().await;

    let block = service.authority().block_device(device(1).id, now::timestamp()).expect("it is there");
    let ((), saved) = service.settle(block, None).await;
    assert!(!saved, "the answer says so");
    for number in [2, 5] {
        let id = device(number).id;
        let renamed = service.authority().rename_device(&command_line(), id, "desk", now::timestamp());
        assert!(!service.settle(renamed.expect("it is there"), None).await.1);
    }
    let unblock =
        service.authority().unblock(&Subject::Device(device(4).id), now::timestamp()).expect("it is blocked");
    assert!(!service.settle(unblock, None).await.1);
    service
}

fn ids(records: &TrustRecords) -> Vec<DeviceId> {
    let mut ids: Vec<DeviceId> = records.devices.iter().map(|record| record.id).collect();
    ids.sort();
    ids
}

fn blocked(records: &TrustRecords) -> Vec<&Subject> {
    records.blocks.iter().map(|block| &block.subject).collect()
}

fn sorted(numbers: [u8; 2]) -> Vec<DeviceId> {
    let mut ids = numbers.map(|number| device(number).id).to_vec();
    ids.sort();
    ids
}

/// Waits until everything is saved.
async fn all_saved(service: &TrustService) {
    let saved = async {
        while service.unsaved() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), saved).await.expect("saved");
}

#[tokio::test]
async fn unsaved_changes_count_over_what_is_read_and_are_saved() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = nothing_could_be_saved(directory.path()).await;
    let store = store_in(directory.path());
    assert_eq!(stored(&store).await.devices.len(), 3, "the disk does not know it");

    // Another store than before: all that it holds is on the disk.
    service.open(store.clone(), StoreKind::OnDisk, false).await;

    let known = |service: &TrustService| {
        let authority = service.authority();
        let mut ids: Vec<DeviceId> = authority.devices().map(|(record, _)| record.id).collect();
        ids.sort();
        let labels =
            authority.devices().filter(|(record, _)| record.label.as_deref() == Some("desk")).count();
        (ids, labels, authority.blocks().to_vec())
    };
    let (ids_known, labels, blocks) = known(&service);
    assert_eq!((ids_known, labels), (sorted([2, 3]), 1));
    assert_eq!(blocks[0].subject, Subject::Device(device(1).id));
    service.save_unsaved().await;
    assert_eq!(service.unsaved(), 0);
    let kept = stored(&store).await;
    assert_eq!((ids(&kept), kept.blocks), (sorted([2, 3]), blocks));
}

#[tokio::test]
async fn unsaved_changes_are_saved_in_the_next_store_unasked() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = nothing_could_be_saved(directory.path()).await;
    let store = store_in(directory.path());

    service.open(store.clone(), StoreKind::OnDisk, true).await;

    all_saved(&service).await;
    assert_eq!(blocked(&stored(&store).await), [&Subject::Device(device(1).id)]);
}

#[tokio::test]
async fn what_was_decided_later_is_saved_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = nothing_could_be_saved(directory.path()).await;
    let store = store_in(directory.path());
    service.open(store.clone(), StoreKind::OnDisk, true).await;

    // A person lets the device in again before saving was tried again.
    let again = vec![Change::PutDevice(Box::new(device(1)))];
    service.0.writer.begin().await.commit(again).await.expect("saved");
    service.save_unsaved().await;

    assert!(ids(&stored(&store).await).contains(&device(1).id));
}

#[tokio::test]
async fn a_store_in_memory_saves_nothing_and_revocations_reach_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = nothing_could_be_saved(directory.path()).await;
    service.open(Store::in_memory().expect("a store"), StoreKind::InMemory, true).await;
    assert_eq!(service.authority().devices().count(), 0, "it lets nobody in that the store does not know");
    let block =
        service.authority().block_device(device(3).id, now::timestamp()).expect("anyone may be blocked");

    assert!(!service.settle(block, None).await.1, "it ends with the process");

    service.open(store_in(directory.path()), StoreKind::OnDisk, true).await;
    assert_eq!(service.authority().blocks().len(), 2);
}

#[tokio::test]
async fn the_same_store_keeps_what_is_in_memory_and_another_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = over(store_in(directory.path())).await;
    let _ = service.authority().rotate_shared_token(&now::entropy().expect("random bytes"), now::timestamp());
    let memory = || Store::in_memory().expect("a store");

    service.open(memory(), StoreKind::OnDisk, true).await;
    assert!(service.authority().has_shared_token(), "as before");

    for (is_as_before, kind, is_forgotten) in [
        (false, StoreKind::OnDisk, false),
        (true, StoreKind::InMemory, false),
        (true, StoreKind::InMemory, true),
    ] {
        let _ =
            service.authority().rotate_shared_token(&now::entropy().expect("random bytes"), now::timestamp());
        if is_forgotten {
            service.forget_store();
        }
        service.open(memory(), kind, is_as_before).await;
        assert!(!service.authority().has_shared_token(), "{is_as_before} {kind:?} {is_forgotten}");
    }
}

/// Nothing is revoked by halves: what is saved after a store was read, and before that counts, counts too.
#[tokio::test]
async fn a_revocation_while_the_store_is_read_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store_in(directory.path());
    store.commit_trust(vec![Change::PutDevice(Box::new(device(1)))]).await.expect("saved");
    let service = over(store.clone()).await;
    // Where the store has answered before it was looked at again, the reading is over too soon for this.
    let mut opening = loop {
        service.forget_store();
        let mut opening = Box::pin(service.open(store.clone(), StoreKind::OnDisk, true));
        if std::future::poll_fn(|context| Poll::Ready(opening.as_mut().poll(context).is_pending())).await {
            break opening;
        }
    };
    // The store answers in order: what `open` reads is read by now.
    assert_eq!(stored(&store).await.devices.len(), 1);

    let block = service.authority().block_device(device(1).id, now::timestamp()).expect("it is there");
    assert!(service.settle(block, None).await.1, "it is saved");
    opening.as_mut().await;

    assert_eq!(service.authority().devices().count(), 0);
    assert_eq!(service.authority().blocks().len(), 1);
    all_saved(&service).await;
    assert_eq!(blocked(&stored(&store).await), [&Subject::Device(device(1).id)]);
}

/// A panic while a change is half made: nobody is let in by what it left, and what is stored counts again
/// once the store is opened.
#[tokio::test]
async fn a_panic_in_a_change_refuses_everyone_until_the_store_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store_in(directory.path());
    store.commit_trust(vec![Change::PutDevice(Box::new(device(1)))]).await.expect("saved");
    let service = over(store.clone()).await;
    let own = PublicKey::from_bytes([9; 32]);
    service.authority().set_own_key(own);
    let struck = service.clone();
    let panicked = std::thread::spawn(move || {
        let mut authority = struck.authority();
        let _ = authority.rotate_shared_token(&now::entropy().expect("random bytes"), now::timestamp());
        panic!("the test was asked to panic");
    });
    assert!(panicked.join().is_err());

    assert!(!service.authority().has_shared_token(), "what it left does not count");
    assert_eq!(service.authority().devices().count(), 0);
    assert_eq!(service.authority().own_client().map(|(key, _)| key), Some(own));
    service.damaged().await;

    service.open(store, StoreKind::OnDisk, true).await;
    assert!(!service.is_damaged());
    assert_eq!(service.authority().devices().count(), 1);
}

/// The caller of a decision may be gone before it is saved, with its connection.
#[tokio::test]
async fn a_decision_comes_to_its_end_though_nobody_waits_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store_in(directory.path());
    let service = over(store.clone()).await;
    let (desktop_key, digest) = {
        let mut authority = service.authority();
        authority.propose(vec![ProposedSetting::origins([origin()])], now::timestamp());
        let desktop_key = authority.take_desktop_key(Desktop::Running).expect("it was not taken");
        (desktop_key, authority.waiting_settings()[0].proposed.digest())
    };
    let person = Decider::person_at_desktop(&desktop_key);

    {
        let mut decision = std::pin::pin!(service.confirm_setting(&person, Setting::AllowedOrigins, &digest));
        assert!(
            std::future::poll_fn(|context| Poll::Ready(decision.as_mut().poll(context).is_pending())).await
        );
    }

    let mut changes = service.changes();
    while !service.authority().allows_origin(origin().as_str()) {
        changes.changed().await.expect("the service lives");
    }
    assert_eq!(stored(&store).await.settings.len(), 1);
}

/// Its revocation may be saved before the token is.
#[tokio::test]
async fn a_program_token_revoked_while_saved_is_not_given_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store_in(directory.path());
    let service = over(store.clone()).await;
    let mut making = std::pin::pin!(service.new_token("ci", Level::Read, false));
    assert!(std::future::poll_fn(|context| Poll::Ready(making.as_mut().poll(context).is_pending())).await);

    let revoked = service.authority().revoke_program_token("ci", now::timestamp()).expect("it is listed");
    service.settle(revoked, None).await;
    let made = making.await;

    assert!(matches!(made, Err(TokenError::Overtaken)), "{made:?}");
    assert!(stored(&store).await.tokens.is_empty(), "it would be valid after the next start");
}

/// A device comes in and gets a token while it is revoked: between the decision to let it in and the
/// commit of that token, the revocation is saved.
#[tokio::test]
async fn what_an_admission_made_does_not_bring_a_revoked_device_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store_in(directory.path());
    store.commit_trust(vec![Change::PutDevice(Box::new(device(1)))]).await.expect("saved");
    let service = over(store.clone()).await;
    let admitted = vec![Change::PutDevice(Box::new(device(1)))];

    let block = service.authority().block_device(device(1).id, now::timestamp()).expect("it is there");
    assert!(service.settle(block, None).await.1);
    service.save_still_granted(admitted).await.expect("saved");

    assert!(stored(&store).await.devices.is_empty(), "it would be let in after the next start");
}

/// The connection that it asked on may have ended with a gateway, which withdraws nothing.
#[tokio::test]
async fn what_a_revoked_client_asked_for_is_withdrawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = over(store_in(directory.path())).await;
    for number in 1..=2 {
        let operation = Operation::Exec {
            command: "make all".to_owned(),
            command_argv: Vec::new(),
            cwd: String::new(),
            env: Vec::new(),
            confinement: None,
        };
        let command = ApprovalRequest {
            operation,
            session_key: String::new(),
            run_id: None,
            ancestors: Vec::new(),
            digest: String::new(),
            context: None,
        };
        let connection = ConnectionId::parse(format!("connection-{number}")).expect("an id");
        let requester = Requester::Client { connection, principal: Principal::Device(device(number).id) };
        let asked = service.ask(format!("question-{number}"), command, requester, Duration::from_mins(10));
        assert!(asked.is_some());
    }

    let block =
        service.authority().block_device(device(1).id, now::timestamp()).expect("anyone may be blocked");
    service.settle(block, None).await;

    let left: Vec<String> = service.approvals().waiting().iter().map(|waiting| waiting.id.clone()).collect();
    assert_eq!(left, ["question-2"]);
}
