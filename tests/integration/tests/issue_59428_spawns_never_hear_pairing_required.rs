//! OpenClaw's issue 59428: its own subagents were refused with "pairing required" when the stored
//! record of the gateway's client was missing, old or too low. Here every state of the store and of
//! the keyring is tried with a real host: our own client is `operator.admin` from its first
//! handshake, and spawns go the whole way.
//!
//! `TIDEGATE_SPAWNS` is the number of fresh starts for each state, each with a spawn or two;
//! `TIDEGATE_SEED` repeats the choices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::subagent::{CallError, SubagentGateway};
use tidegate_agent::{StartError, Turn, WaitOutcome};
use tidegate_host::{BootError, RunningHost};
use tidegate_integration_tests::device::{self, record};
use tidegate_integration_tests::eventually::{PATIENCE, eventually};
use tidegate_integration_tests::host::{self, Handles};
use tidegate_integration_tests::keyring::{Keyring, Mood, own_public_key};
use tidegate_integration_tests::ledger;
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::random::{Random, count_from_environment};
use tidegate_protocol::{RunId, Scope, SessionKey, UnixMillis};
use tidegate_secrets::SecretStore;
use tidegate_store::{Outcome, RunState, StoreError};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;
use tidegate_trust::records::{Block, Subject};

/// The name that our own client connects with.
const OWN_NAME: &str = "Tidegate subagents";
/// Fresh starts for each state in the usual run; the spawns are as many or more.
const SPAWNS: usize = 60;
/// The most spawns with one start. The first one of a fresh start is what broke in OpenClaw.
const SPAWNS_WITH_A_START: u64 = 2;
/// How many parents work at once.
const AT_ONCE: usize = 3;

/// Whether what is acknowledged can also be written.
#[derive(Clone, Copy, PartialEq)]
enum Disk {
    Writable,
    /// A spawn works, or the store's own sentence says why not.
    Broken,
}

/// Starts a host in a place `TIDEGATE_SPAWNS` times, and spawns at least once with each.
#[allow(clippy::print_stderr, reason = "says what was done")]
async fn spawn_in(name: &str, place: &Place, secrets: impl Fn() -> SecretStore, disk: Disk) {
    let mut random = Random::from_environment(name);
    let wanted = count_from_environment("TIDEGATE_SPAWNS", SPAWNS);
    let (mut made, mut worked) = (0, 0);
    for _ in 0..wanted {
        let now = 1 + random.below(SPAWNS_WITH_A_START) as usize;
        let host = host::start(&place.state_dir(), secrets()).await;
        let host = host.unwrap_or_else(|error| panic!("{name}: {error}"));
        worked += spawn_with(&host, now, &mut random, disk).await;
        host.stop().await;
        made += now;
    }
    eprintln!("{name}: {worked} of {made} spawns worked over {wanted} starts, the rest told of the disk");
}

/// Asks for some spawns with a host that has just started, the six methods mixed in. Gives the number
/// that worked.
async fn spawn_with(host: &RunningHost, count: usize, random: &mut Random, disk: Disk) -> usize {
    let handles = Handles::of(host);
    assert_admin_from_the_first_handshake(&handles).await;
    let (mut left, mut worked) = (count, 0);
    while left > 0 {
        let mut parents = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let children = left.min(1 + random.below(3) as usize);
            if children > 0 {
                parents.spawn(one_parent(handles.clone(), children, random.fork(), disk));
            }
            left -= children;
        }
        while let Some(accepted) = parents.join_next().await {
            worked += accepted.unwrap();
        }
    }
    assert_eq!(handles.waiting_requests(), 0, "a pairing request waits");
    assert!(disk == Disk::Broken || worked == count);
    worked
}

async fn assert_admin_from_the_first_handshake(handles: &Handles) {
    let own = handles.own_client();
    assert!(own.admitted_at_ms.is_some(), "the own client was not admitted at its first handshake: {own:?}");
    assert_eq!(handles.waiting_requests(), 0, "a pairing request waits");
    // Only operator.admin may delete, so this tells the scope that it was let in with.
    let params = json!({ "key": "agent:main:there-is-none" });
    let deleted = handles.subagents.call("sessions.delete", params).await;
    assert!(is_fine(&deleted), "{deleted:?}");
}

/// An answer, or the store's own sentence; never a word about pairing, scopes or a closed door.
fn is_fine(answer: &Result<Value, CallError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(CallError::Method { code, message }) => code == "UNAVAILABLE" && is_store_sentence(message),
        Err(CallError::Refused { .. } | CallError::Unavailable(_)) => false,
    }
}

fn is_store_sentence(message: &str) -> bool {
    ["could not save", "the store failed"].iter().any(|part| message.contains(part))
}

/// A session that a person opened spawns; the six methods are called meanwhile. Gives the number of
/// spawns that were acknowledged.
async fn one_parent(handles: Arc<Handles>, children: usize, mut random: Random, disk: Disk) -> usize {
    let session = SessionKey::parse(&format!("agent:main:parent-{:016x}", random.number())).unwrap();
    let run = RunId::parse(format!("turn-{:016x}", random.number())).unwrap();
    let lines: Vec<String> =
        (0..children).map(|number| format!("/spawn part-{number}: say part {number}")).collect();
    let tools = BTreeSet::from(["sessions_spawn".to_owned()]);
    let owner = Owner::Owner { name: "test".to_owned() };
    let turn = Turn {
        run: run.clone(),
        session: session.clone(),
        message: lines.join("\n"),
        authority: RunAuthority::root(owner, handles.runtime.workspace().to_owned(), tools),
        model: None,
        label: None,
        timeout: None,
        extra_system_prompt: None,
    };
    six_methods(&handles, &run, &session, &mut random, disk).await;
    match handles.runtime.start_turn(turn).await {
        Ok(_) => {}
        Err(StartError::Store(StoreError::DiskFull | StoreError::NotWritable(_))) if disk == Disk::Broken => {
            return 0;
        }
        Err(error) => panic!("{error}"),
    }
    six_methods(&handles, &run, &session, &mut random, disk).await;
    let WaitOutcome::Ended(parent) = handles.runtime.wait(run.clone(), PATIENCE).await.unwrap() else {
        panic!("the parent did not end");
    };
    if disk == Disk::Broken && parent.state != RunState::Terminal(Outcome::Ok) {
        assert!(is_store_sentence(parent.error.as_deref().unwrap_or_default()), "{:?}", parent.error);
        return 0;
    }
    assert_eq!(parent.state, RunState::Terminal(Outcome::Ok), "{:?}", parent.error);
    let entries = ledger::transcript(&handles.store, &session).await;
    let receipts = ledger::tool_results(&entries, "sessions_spawn");
    assert_eq!(receipts.len(), children);
    let accepted = receipts.iter().filter(|receipt| receipt.contains("\"status\":\"accepted\"")).count();
    if disk == Disk::Writable {
        assert_eq!(accepted, children, "{receipts:#?}");
    }
    for receipt in receipts.iter().filter(|receipt| !receipt.contains("\"status\":\"accepted\"")) {
        assert!(is_store_sentence(receipt), "{receipt}");
    }
    eventually("every child's result in its parent's transcript", || async {
        let inbox = handles.store.inbox(session.clone()).await.unwrap();
        let read = inbox.iter().filter(|row| row.consumed_at_seq.is_some()).count();
        (inbox.len() == accepted && read == accepted).then_some(())
    })
    .await;
    assert_eq!(ledger::check_children(&handles.store, &session).await, accepted);
    for child in handles.store.children(session.clone(), None).await.unwrap() {
        assert_eq!(child.state, RunState::Terminal(Outcome::Ok), "{:?}", child.error);
        if random.below(2) == 0 {
            let deleted = handles.subagents.call("sessions.delete", json!({ "key": child.session })).await;
            assert!(is_fine(&deleted), "{deleted:?}");
        }
    }
    accepted
}

/// The six methods that subagents use, in a random order.
async fn six_methods(handles: &Handles, run: &RunId, session: &SessionKey, random: &mut Random, disk: Disk) {
    let scratch = format!("agent:main:scratch-{:016x}", random.number());
    let mut calls = vec![
        ("sessions.list", json!({ "spawnedBy": session })),
        (
            "sessions.patch",
            json!({ "key": scratch, "label": format!("scratch {:04x}", random.below(65_536)) }),
        ),
        (
            "agent",
            json!({ "message": "say it", "sessionKey": scratch, "idempotencyKey": format!("a-{scratch}"), "lane": "subagent" }),
        ),
        ("agent.wait", json!({ "runId": run, "timeoutMs": 1 })),
        ("chat.history", json!({ "sessionKey": session })),
        ("sessions.delete", json!({ "key": scratch })),
    ];
    random.shuffle(&mut calls);
    for (method, params) in calls {
        let answer = handles.subagents.call(method, params).await;
        if method == "agent" {
            assert_handoff_is_missing(&answer);
        } else {
            assert!(is_fine(&answer), "{method}: {answer:?}");
            assert!(disk == Disk::Broken || answer.is_ok(), "{method}: {answer:?}");
        }
    }
}

/// The agent is not the user: our own client starts a run only with a handoff of the runtime.
fn assert_handoff_is_missing(answer: &Result<Value, CallError>) {
    match answer {
        Err(CallError::Method { code, message }) => {
            assert_eq!(code, "FORBIDDEN");
            assert!(message.contains("handoff"), "{message}");
        }
        other => panic!("agent without a handoff answered {other:?}"),
    }
}

fn memory() -> SecretStore {
    SecretStore::memory()
}

/// A place whose store has a past: a host ran there.
async fn used(place: &Place, keyring: &Keyring) {
    host::start(&place.state_dir(), keyring.store()).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_new_store() {
    spawn_in("new", &Place::new(), memory, Disk::Writable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_empty_store() {
    let place = Place::new();
    device::commit(&place.state_dir(), Vec::new()).await;
    spawn_in("empty", &place, memory, Disk::Writable).await;
    let place = Place::new();
    std::fs::create_dir(place.state_dir()).unwrap();
    std::fs::write(place.store_file(), b"").unwrap();
    spawn_in("empty file", &place, memory, Disk::Writable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_legacy_record_of_our_own_device_that_has_no_scopes() {
    with_own_record("no scopes", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_our_own_device_paired_at_read() {
    with_own_record("read", &[Scope::Read]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_our_own_device_paired_at_write() {
    with_own_record("write", &[Scope::Read, Scope::Write]).await;
}

async fn with_own_record(name: &str, scopes: &[Scope]) {
    let (place, keyring) = (Place::new(), Keyring::with_own_key());
    let own = record(own_public_key(), OWN_NAME, scopes);
    device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(own))]).await;
    assert_own_key_is_used(&place, &keyring).await;
    spawn_in(name, &place, || keyring.store(), Disk::Writable).await;
}

/// Makes sure that a test is about our own key: a key made for one start has no record at all.
async fn assert_own_key_is_used(place: &Place, keyring: &Keyring) {
    let host = host::start(&place.state_dir(), keyring.store()).await.unwrap();
    let own = Handles::of(&host).own_client();
    assert_eq!(own.device_id, own_public_key().device_id());
    assert!(own.admitted_at_ms.is_some(), "{own:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_our_own_key_in_the_block_list() {
    let (place, keyring) = (Place::new(), Keyring::with_own_key());
    let subject = Subject::Device(own_public_key().device_id());
    let block = Block { subject, name: OWN_NAME.to_owned(), at: UnixMillis(1) };
    device::commit(&place.state_dir(), vec![Change::PutBlock(Box::new(block))]).await;
    assert_own_key_is_used(&place, &keyring).await;
    spawn_in("blocked", &place, || keyring.store(), Disk::Writable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_foreign_device_of_the_same_name_paired() {
    let place = Place::new();
    let mut foreign = record(device::public_key(&DeviceIdentity::numbered(1)), OWN_NAME, &[Scope::Read]);
    foreign.claims.client_id = "gateway-client".to_owned();
    foreign.claims.client_mode = "backend".to_owned();
    foreign.label = Some(OWN_NAME.to_owned());
    device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(foreign))]).await;
    spawn_in("same name", &place, memory, Disk::Writable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_corrupt_store() {
    let (place, keyring) = (Place::new(), Keyring::with_own_key());
    std::fs::create_dir(place.state_dir()).unwrap();
    std::fs::write(place.store_file(), vec![0xa5; 64 * 1024]).unwrap();
    spawn_in("garbage", &place, || keyring.store(), Disk::Writable).await;

    let place = Place::new();
    used(&place, &keyring).await;
    let file = std::fs::OpenOptions::new().write(true).open(place.store_file()).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    drop(file);
    spawn_in("truncated", &place, || keyring.store(), Disk::Writable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_starts_racing_for_one_state_directory() {
    let place = Place::new();
    let mut random = Random::from_environment("race");
    let wanted = count_from_environment("TIDEGATE_SPAWNS", SPAWNS);
    for _ in 0..wanted {
        let state_dir = place.state_dir();
        let (one, two) = tokio::join!(host::start(&state_dir, memory()), host::start(&state_dir, memory()));
        let host = match (one, two) {
            (Ok(host), Err(BootError::AlreadyRunning { .. }))
            | (Err(BootError::AlreadyRunning { .. }), Ok(host)) => host,
            (one, two) => panic!("{:?} and {:?}", one.map(|_| "served"), two.map(|_| "served")),
        };
        spawn_with(&host, 1, &mut random, Disk::Writable).await;
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_keyring_that_is_locked_absent_denied_broken_or_slow() {
    for mood in [Mood::Locked, Mood::Absent, Mood::Denied, Mood::Panics, Mood::Slow] {
        let (place, keyring) = (Place::new(), Keyring::new(mood));
        // The store remembers our own device at a lower level, under a key that cannot be read now.
        let own = record(own_public_key(), OWN_NAME, &[Scope::Read]);
        device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(own))]).await;
        spawn_in(&format!("keyring {mood:?}"), &place, || keyring.store(), Disk::Writable).await;
        assert_eq!(keyring.own_key_record(), None, "nothing was stored in a keyring that does not work");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_that_fails_for_one_start_neither_replaces_nor_loses_the_stored_key() {
    let (place, keyring) = (Place::new(), Keyring::with_own_key());
    let before = keyring.own_key_record();
    used(&place, &Keyring::new(Mood::Locked)).await;
    assert_own_key_is_used(&place, &keyring).await;
    assert_eq!(keyring.own_key_record(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_silent_admission_of_our_own_client_is_audited() {
    let place = Place::new();
    for _ in 0..3 {
        host::start(&place.state_dir(), memory()).await.unwrap().stop().await;
    }
    let host = host::start(&place.state_dir(), memory()).await.unwrap();
    let handles = Handles::of(&host);
    let admissions = eventually("four audited admissions", || async {
        let events = handles.store.audit_tail(1000).await.unwrap();
        let admissions: Vec<_> =
            events.into_iter().filter(|event| event.kind.name() == "own-client.admitted").collect();
        (admissions.len() >= 4).then_some(admissions)
    })
    .await;
    assert_eq!(admissions.len(), 4);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_client_is_let_in_soon_whatever_the_keyring_does() {
    // Far above the budget of 20 ms, because this is a debug build on a busy machine, and far below
    // the three seconds that a slow keyring could cost.
    const SOON: Duration = Duration::from_millis(1500);
    // What the keyring costs is there at each start; what else the machine does is not.
    const STARTS: usize = 10;
    for mood in [Mood::Works, Mood::Locked, Mood::Slow] {
        let mut shortest = Duration::MAX;
        for _ in 0..STARTS {
            let place = Place::new();
            let begun = std::time::Instant::now();
            let host = host::start(&place.state_dir(), Keyring::new(mood).store()).await.unwrap();
            shortest = shortest.min(begun.elapsed());
            assert!(Handles::of(&host).own_client().admitted_at_ms.is_some());
            host.stop().await;
            if shortest < SOON {
                break;
            }
        }
        assert!(shortest < SOON, "{mood:?}: {shortest:?}");
    }
}

/// Only root mounts a small disk.
mod as_root {
    use super::*;

    /// A small disk with a used store on it.
    async fn small_disk(keyring: &Keyring) -> Place {
        let place = Place::small_disk(4096);
        // The log of this process stays open where the first host ran, and keeps a disk busy.
        used(&Place::new(), keyring).await;
        used(&place, keyring).await;
        place
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs root"]
    async fn with_a_read_only_state_directory() {
        let keyring = Keyring::with_own_key();
        let place = small_disk(&keyring).await;
        place.make_read_only();
        spawn_in("read-only", &place, || keyring.store(), Disk::Broken).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs root"]
    async fn with_a_full_disk() {
        let keyring = Keyring::with_own_key();
        let place = small_disk(&keyring).await;
        place.fill();
        spawn_in("full", &place, || keyring.store(), Disk::Broken).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs root"]
    #[allow(clippy::print_stderr, reason = "says what was done")]
    async fn with_a_disk_that_gets_full_while_the_host_runs() {
        let keyring = Keyring::with_own_key();
        let place = small_disk(&keyring).await;
        let mut random = Random::from_environment("gets full");
        let host = host::start(&place.state_dir(), keyring.store()).await.unwrap();
        spawn_with(&host, 1, &mut random, Disk::Writable).await;
        place.fill();
        let worked = spawn_with(&host, 3, &mut random, Disk::Broken).await;
        eprintln!("gets full: {worked} of 3 spawns worked on the full disk");
        std::fs::remove_file(place.state_dir().join("ballast")).unwrap();
        spawn_with(&host, 1, &mut random, Disk::Writable).await;
        host.stop().await;
    }
}
