use std::path::Path;

use tidegate_protocol::{DeviceId, PublicKey, UnixMillis};
use tidegate_store::OpenOptions;
use tidegate_trust::ScopeSet;
use tidegate_trust::records::{Block, BlockedSubject, Claims, DeviceRecord, Grant};
use tidegate_trust::scopes::Level;

use super::*;

fn gatekeeper() -> Arc<Gatekeeper> {
    let store = Store::in_memory_with(tidegate_agent::inbox_message).expect("a store");
    let (mut authority, _) = Authority::new(TrustRecords::default());
    authority.rotate_shared_token(&now::entropy().expect("random bytes"), now::moment());
    Arc::new(over(store, authority, UnsavedChanges::default()))
}

fn over(store: Store, authority: Authority, unsaved: UnsavedChanges) -> Gatekeeper {
    Gatekeeper::new(authority, store, unsaved, Arc::new(Hub::new("1.2.3")), Desktop::Running)
}

fn store_in(directory: &Path) -> Store {
    Store::open(directory, OpenOptions::default()).expect("a store").0
}

fn device(number: u8) -> DeviceRecord {
    let key = PublicKey::from_bytes([number; 32]);
    let granted: ScopeSet = [tidegate_protocol::Scope::Read].into_iter().collect();
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

/// Three devices are stored, and then nothing can be saved any more: what becomes of it when the
/// first is blocked, the second gets a name, and an earlier block of a fourth one ends.
async fn nothing_could_be_saved(directory: &Path) -> UnsavedChanges {
    let store = store_in(directory);
    let earlier =
        Block { subject: BlockedSubject::Device(device(4).id), name: String::new(), at: UnixMillis(1) };
    let mut changes: Vec<Change> =
        (1..=3).map(|number| Change::PutDevice(Box::new(device(number)))).collect();
    changes.push(Change::PutBlock(Box::new(earlier)));
    store.commit_trust(changes).await.expect("saved");
    let (authority, _) = Authority::new(stored(&store).await);
    let unsaved = UnsavedChanges::default();
    let gatekeeper = over(store.clone(), authority, unsaved.clone());
    store.close().await;

    let block = gatekeeper.authority().block_device(device(1).id, now::moment()).expect("it is there");
    let ((), saved) = gatekeeper.settle(block, None).await;
    assert!(!saved, "the answer says so");
    let label = |record: &DeviceRecord| {
        Change::PutDevice(Box::new(DeviceRecord { label: Some("desk".into()), ..record.clone() }))
    };
    let renamed =
        Changed { value: (), durable: vec![label(&device(2)), label(&device(5))], effects: Vec::new() };
    assert!(!gatekeeper.settle(renamed, None).await.1);
    let unblock = gatekeeper
        .authority()
        .unblock(&BlockedSubject::Device(device(4).id), now::moment())
        .expect("it is blocked");
    assert!(!gatekeeper.settle(unblock, None).await.1);
    unsaved
}

fn ids(records: &TrustRecords) -> Vec<DeviceId> {
    let mut ids: Vec<DeviceId> = records.devices.iter().map(|record| record.id).collect();
    ids.sort();
    ids
}

fn blocked(records: &TrustRecords) -> Vec<&BlockedSubject> {
    records.blocks.iter().map(|block| &block.subject).collect()
}

fn sorted(numbers: [u8; 2]) -> Vec<DeviceId> {
    let mut ids = numbers.map(|number| device(number).id).to_vec();
    ids.sort();
    ids
}

#[tokio::test]
async fn what_could_not_be_saved_counts_over_what_is_read_anew_and_is_saved_then() {
    let directory = tempfile::tempdir().expect("a directory");
    let unsaved = nothing_could_be_saved(directory.path()).await;
    let store = store_in(directory.path());
    let mut records = stored(&store).await;
    assert_eq!(records.devices.len(), 3, "the disk does not know it");

    // The gateway was not ended in order: all that is left is on the disk.
    unsaved.apply_to(&mut records);

    assert_eq!(ids(&records), sorted([2, 3]));
    assert_eq!(blocked(&records), [&BlockedSubject::Device(device(1).id)]);
    assert!(records.devices.iter().any(|record| record.label.as_deref() == Some("desk")));
    let (authority, _) = Authority::new(records.clone());
    let gatekeeper = over(store.clone(), authority, unsaved.clone());
    gatekeeper.save_unsaved().await;
    assert!(unsaved.is_empty());
    let kept = stored(&store).await;
    assert_eq!((ids(&kept), &kept.blocks), (ids(&records), &records.blocks));
}

#[tokio::test]
async fn the_next_gateway_tries_again_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let unsaved = nothing_could_be_saved(directory.path()).await;
    let store = store_in(directory.path());
    let (carried, _) = Authority::new(TrustRecords::default());

    let _gatekeeper = over(store.clone(), carried, unsaved.clone());

    let saved = async {
        while !unsaved.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), saved).await.expect("saved");
    assert_eq!(blocked(&stored(&store).await), [&BlockedSubject::Device(device(1).id)]);
}

#[tokio::test]
async fn what_was_decided_later_is_saved_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let unsaved = nothing_could_be_saved(directory.path()).await;
    let store = store_in(directory.path());
    let (authority, _) = Authority::new(TrustRecords::default());
    let gatekeeper = over(store.clone(), authority, unsaved.clone());

    // A person lets the device in again before saving was tried again.
    let again = vec![Change::PutDevice(Box::new(device(1)))];
    gatekeeper.saving.commit(again).await.expect("saved");
    gatekeeper.save_unsaved().await;

    assert!(ids(&stored(&store).await).contains(&device(1).id));
}

#[tokio::test]
async fn a_store_in_memory_saves_nothing_and_what_it_is_told_to_take_away_reaches_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let unsaved = nothing_could_be_saved(directory.path()).await;
    let memory = Store::in_memory_with(tidegate_agent::inbox_message).expect("a store");
    unsaved.set_in_memory(true);
    let mut records = TrustRecords::default();
    unsaved.apply_to(&mut records);
    assert!(records.devices.is_empty(), "it lets nobody in that the store does not know");
    let (authority, _) = Authority::new(records);
    let gatekeeper = over(memory, authority, unsaved.clone());
    let block =
        gatekeeper.authority().block_device(device(3).id, now::moment()).expect("anyone may be blocked");

    assert!(!gatekeeper.settle(block, None).await.1, "it ends with the process");

    unsaved.set_in_memory(false);
    let mut records = stored(&store_in(directory.path())).await;
    unsaved.apply_to(&mut records);
    assert_eq!(records.blocks.len(), 2, "{records:?}");
}

#[tokio::test]
async fn what_is_given_back_is_gone_here() {
    let gatekeeper = gatekeeper();

    let given_back = gatekeeper.give_back_authority().expect("whole");

    assert!(given_back.has_shared_token());
    assert!(!gatekeeper.authority().has_shared_token(), "nobody can be let in by the one that stays");
    assert!(gatekeeper.give_back_authority().is_none(), "there is one");
}

#[tokio::test]
async fn a_token_made_after_that_is_not_given_out() {
    let gatekeeper = gatekeeper();
    assert!(gatekeeper.give_back_authority().is_some());
    let entropy = now::entropy().expect("random bytes");
    let made = gatekeeper.authority().new_program_token("late", Level::Read, false, &entropy, now::moment());

    let kept = gatekeeper.keep_token(made.expect("a new name")).await;

    assert!(kept.is_err(), "the next gateway would not know it");
    assert!(gatekeeper.store().load_trust().await.expect("read").records.tokens.is_empty());
}

#[tokio::test]
async fn what_a_panic_left_half_changed_is_not_given_back() {
    let gatekeeper = gatekeeper();
    let struck = gatekeeper.clone();
    let panicked = std::thread::spawn(move || {
        let _authority = struck.authority();
        panic!("the test was asked to panic");
    });
    assert!(panicked.join().is_err());

    assert!(gatekeeper.give_back_authority().is_none());
    assert!(gatekeeper.authority().has_shared_token(), "until then it serves on");
}

/// A device comes in and gets a token while it is revoked: between the decision to let it in and the
/// commit of that token, the revocation is saved.
#[tokio::test]
async fn what_an_admission_made_does_not_bring_a_revoked_device_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store_in(directory.path());
    store.commit_trust(vec![Change::PutDevice(Box::new(device(1)))]).await.expect("saved");
    let (authority, _) = Authority::new(stored(&store).await);
    let gatekeeper = over(store.clone(), authority, UnsavedChanges::default());
    let admitted = vec![Change::PutDevice(Box::new(device(1)))];

    let block = gatekeeper.authority().block_device(device(1).id, now::moment()).expect("it is there");
    assert!(gatekeeper.settle(block, None).await.1);
    gatekeeper.commit_admission(admitted).await.expect("saved");

    assert!(stored(&store).await.devices.is_empty(), "it would be let in after the next start");
}
