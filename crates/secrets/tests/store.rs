//! The store over a keyring double: every state, and the rules about waiting.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidegate_secrets::{
    Backend, BackendError, CALL_LIMIT, Kept, MAX_VALUE_UNITS, OwnKeyOrigin, SecretError, SecretName,
    SecretState, SecretStore, SecretText, ThisRunReason, load_or_create_own_key, own_key,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

type Records = Arc<Mutex<HashMap<String, Vec<u8>>>>;

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Works,
    Locked,
    Denied,
    Absent,
    Panics,
}

/// A keyring whose records outlive a store, as the real one's do.
#[derive(Clone)]
struct Double {
    records: Records,
    mood: Arc<Mutex<Mood>>,
    calls: Arc<AtomicUsize>,
    /// While set, each call waits here until the test lets it go.
    gate: Option<Arc<Mutex<mpsc::Receiver<()>>>>,
    entered: Arc<Notify>,
}

impl Double {
    fn new(mood: Mood) -> Self {
        let mood = Arc::new(Mutex::new(mood));
        Self { records: Records::default(), mood, calls: Arc::default(), gate: None, entered: Arc::default() }
    }

    fn gated() -> (Self, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        (Self { gate: Some(Arc::new(Mutex::new(gate))), ..Self::new(Mood::Works) }, open)
    }

    /// The keyring's thread is inside a call; from here on the clock jumps to what is waited for.
    async fn hangs(&self) {
        self.entered.notified().await;
        tokio::time::pause();
    }

    fn store(&self) -> SecretStore {
        SecretStore::with_backend(self.clone())
    }

    fn insert(&self, name: &str, value: impl Into<Vec<u8>>) {
        self.records.lock().unwrap().insert(name.to_owned(), value.into());
    }

    fn record(&self, name: &str) -> Option<Vec<u8>> {
        self.records.lock().unwrap().get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.records.lock().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    fn call(&self) -> Result<(), BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            self.entered.notify_one();
            // A dropped sender means: open from now on.
            let _ = gate.lock().unwrap().recv();
        }
        // Copied, so that a panic below does not poison the lock.
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Works => Ok(()),
            Mood::Locked => Err(BackendError::Locked),
            Mood::Denied => Err(BackendError::Denied),
            Mood::Absent => Err(BackendError::Absent("no bus".to_owned())),
            Mood::Panics => std::panic::resume_unwind(Box::new("runtime within a runtime")),
        }
    }
}

impl Backend for Double {
    fn read(&mut self, name: &SecretName) -> Result<Option<SecretText>, BackendError> {
        self.call()?;
        self.record(name.as_str())
            .map(|bytes| {
                String::from_utf8(bytes).map(SecretText::new).map_err(|error| {
                    BackendError::NotText(SecretText::new(URL_SAFE_NO_PAD.encode(error.into_bytes())))
                })
            })
            .transpose()
    }

    fn write(&mut self, name: &SecretName, value: &SecretText) -> Result<(), BackendError> {
        self.call()?;
        self.insert(name.as_str(), value.expose());
        Ok(())
    }

    fn delete(&mut self, name: &SecretName) -> Result<bool, BackendError> {
        self.call()?;
        Ok(self.records.lock().unwrap().remove(name.as_str()).is_some())
    }
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_working_keyring_keeps_returns_and_forgets_secrets_and_the_probe_leaves_nothing() {
    let keyring = Double::new(Mood::Works);
    let store = keyring.store();
    assert_eq!(store.state(), SecretState::NotProbed);

    assert_eq!(store.probe().await, SecretState::Available);
    assert_eq!(keyring.names(), Vec::<String>::new());
    assert_eq!(store.write(&name("provider/a"), "key".into()).await, Ok(Kept::Keyring));
    assert_eq!(store.read(&name("provider/a")).await.unwrap().unwrap().expose(), "key");
    assert_eq!(store.delete(&name("provider/a")).await, Ok(true));
    assert_eq!(store.delete(&name("provider/a")).await, Ok(false));
    assert!(store.read(&name("provider/a")).await.unwrap().is_none());
}

#[tokio::test]
async fn each_failure_of_the_keyring_becomes_its_state_and_the_secret_lives_for_this_run() {
    for (mood, state) in [
        (Mood::Locked, SecretState::Locked),
        (Mood::Denied, SecretState::Denied),
        (Mood::Absent, SecretState::Absent),
        (Mood::Panics, SecretState::Absent),
    ] {
        let keyring = Double::new(mood);
        let store = keyring.store();

        assert_eq!(store.probe().await, state);
        assert_eq!(store.state(), state);
        assert_eq!(store.write(&name("a"), "key".into()).await, Ok(Kept::ThisRunOnly(state)));
        assert_eq!(store.read(&name("a")).await.unwrap().unwrap().expose(), "key");
        assert_eq!(store.read(&name("b")).await.unwrap_err(), SecretError::Unavailable(state));
        assert!(keyring.names().is_empty());
    }
}

#[tokio::test]
async fn a_keyring_that_is_unlocked_later_is_used_from_then_on() {
    let keyring = Double::new(Mood::Locked);
    let store = keyring.store();
    let mut states = store.watch();
    assert_eq!(store.write(&name("a"), "1".into()).await, Ok(Kept::ThisRunOnly(SecretState::Locked)));
    assert_eq!(*states.borrow_and_update(), SecretState::Locked);

    *keyring.mood.lock().unwrap() = Mood::Works;

    assert_eq!(store.write(&name("a"), "2".into()).await, Ok(Kept::Keyring));
    assert_eq!(*states.borrow_and_update(), SecretState::Available);
    assert_eq!(keyring.record("a"), Some(b"2".to_vec()));
    assert_eq!(store.read(&name("a")).await.unwrap().unwrap().expose(), "2");
}

#[tokio::test]
async fn after_a_refusal_the_keyring_is_never_called_again() {
    let keyring = Double::new(Mood::Denied);
    let store = keyring.store();
    store.probe().await;
    let calls = keyring.calls.load(Ordering::SeqCst);
    *keyring.mood.lock().unwrap() = Mood::Works;

    assert_eq!(store.probe().await, SecretState::Denied);
    assert!(store.read(&name("a")).await.is_err());
    let own = load_or_create_own_key(&store, [7; 32]).await;

    assert_eq!(own.origin, OwnKeyOrigin::ThisRunOnly(ThisRunReason::Keyring(SecretState::Denied)));
    assert_eq!(keyring.calls.load(Ordering::SeqCst), calls);
}

/// A read that is under way on the keyring's thread.
fn spawn_read(store: &SecretStore) -> JoinHandle<Result<Option<SecretText>, SecretError>> {
    let store = store.clone();
    tokio::spawn(async move { store.read(&name("a")).await })
}

#[tokio::test]
async fn a_call_that_hangs_is_slow_at_the_limit_and_later_calls_are_slow_at_once() {
    let (keyring, open) = Double::gated();
    let store = keyring.store();
    let started = tokio::time::Instant::now();
    let first = spawn_read(&store);
    keyring.hangs().await;

    let first = first.await.unwrap();
    let after_first = started.elapsed();
    let second = store.write(&name("b"), "x".into()).await;

    assert_eq!(first.unwrap_err(), SecretError::Unavailable(SecretState::Slow));
    assert!(after_first >= CALL_LIMIT && after_first < CALL_LIMIT * 2);
    assert_eq!(second, Ok(Kept::ThisRunOnly(SecretState::Slow)));
    assert_eq!(started.elapsed(), after_first);
    drop(open);
}

#[tokio::test]
async fn a_keyring_that_answers_after_all_is_available_again() {
    let (keyring, open) = Double::gated();
    let store = keyring.store();
    let mut states = store.watch();
    let read = spawn_read(&store);
    keyring.hangs().await;
    assert!(read.await.unwrap().is_err());
    assert_eq!(store.state(), SecretState::Slow);
    tokio::time::resume();

    drop(open);
    states.wait_for(|state| *state == SecretState::Available).await.unwrap();

    assert_eq!(store.write(&name("a"), "x".into()).await, Ok(Kept::Keyring));
}

#[tokio::test]
async fn a_queued_write_whose_caller_gave_up_is_not_made_later() {
    let (keyring, open) = Double::gated();
    let store = keyring.store();
    let mut states = store.watch();
    let hanging = spawn_read(&store);
    let queued = tokio::spawn({
        let store = store.clone();
        async move { store.write(&name("b"), "x".into()).await }
    });
    keyring.hangs().await;
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(queued.await.unwrap(), Ok(Kept::ThisRunOnly(SecretState::Slow)));
    tokio::time::resume();

    drop(open);
    states.wait_for(|state| *state == SecretState::Available).await.unwrap();
    store.probe().await;

    assert!(keyring.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_at_once_are_served_one_by_one_and_none_is_lost() {
    let keyring = Double::new(Mood::Works);
    let store = keyring.store();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let (name, value) = (name(&format!("n{number}")), format!("value {number}"));
                assert_eq!(store.write(&name, SecretText::from(value.as_str())).await, Ok(Kept::Keyring));
                assert_eq!(store.read(&name).await.unwrap().unwrap().expose(), value);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }

    assert_eq!(keyring.names().len(), 64);
}

#[tokio::test]
async fn a_value_that_windows_could_not_hold_is_refused_before_any_call() {
    let keyring = Double::new(Mood::Works);
    let store = keyring.store();

    let fits = store.write(&name("a"), SecretText::new("x".repeat(MAX_VALUE_UNITS))).await;
    let calls = keyring.calls.load(Ordering::SeqCst);
    let too_long = store.write(&name("a"), SecretText::new("x".repeat(MAX_VALUE_UNITS + 1))).await;

    assert_eq!(fits, Ok(Kept::Keyring));
    assert_eq!(too_long, Err(SecretError::TooLong { units: MAX_VALUE_UNITS + 1 }));
    assert_eq!(keyring.calls.load(Ordering::SeqCst), calls);
}

#[tokio::test]
async fn a_foreign_record_that_is_not_text_is_named_and_left_alone() {
    let keyring = Double::new(Mood::Works);
    keyring.insert("a", b"\xff\xfe".to_vec());
    let store = keyring.store();

    let error = store.read(&name("a")).await.unwrap_err();

    assert_eq!(error, SecretError::NotText { name: name("a") });
    assert_eq!(store.state(), SecretState::Available);
    assert_eq!(keyring.record("a"), Some(b"\xff\xfe".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_works_under_a_virtual_clock() {
    let store = SecretStore::memory();

    assert_eq!(store.probe().await, SecretState::Available);
    assert_eq!(store.write(&name("a"), "x".into()).await, Ok(Kept::Keyring));
    assert_eq!(store.read(&name("a")).await.unwrap().unwrap().expose(), "x");
    assert_eq!(load_or_create_own_key(&store, [1; 32]).await.origin, OwnKeyOrigin::Keyring);
    assert_eq!(store.delete(&name("a")).await, Ok(true));
}

#[tokio::test]
async fn the_own_key_is_made_once_stored_and_loaded_at_the_next_start() {
    let keyring = Double::new(Mood::Works);

    let first = load_or_create_own_key(&keyring.store(), [1; 32]).await;
    let second = load_or_create_own_key(&keyring.store(), [2; 32]).await;

    assert_eq!((first.origin, second.origin), (OwnKeyOrigin::Keyring, OwnKeyOrigin::Keyring));
    assert_eq!((*first.seed, *second.seed), ([1; 32], [1; 32]));
    assert_eq!(keyring.names(), [own_key::RECORD]);
}

#[tokio::test]
async fn the_own_key_is_read_once_and_cached_for_everyone_who_asks() {
    let keyring = Double::new(Mood::Works);
    let store = keyring.store();

    let (first, second) =
        tokio::join!(load_or_create_own_key(&store, [1; 32]), load_or_create_own_key(&store, [2; 32]));
    let calls = keyring.calls.load(Ordering::SeqCst);
    let third = load_or_create_own_key(&store, [3; 32]).await;

    assert_eq!(*first.seed, *second.seed);
    assert_eq!(*first.seed, *third.seed);
    assert_eq!(keyring.calls.load(Ordering::SeqCst), calls);
}

#[tokio::test]
async fn a_keyring_that_fails_costs_this_run_nothing_and_the_stored_key_is_adopted_at_the_next_start() {
    for (mood, state) in [
        (Mood::Locked, SecretState::Locked),
        (Mood::Denied, SecretState::Denied),
        (Mood::Absent, SecretState::Absent),
        (Mood::Panics, SecretState::Absent),
    ] {
        let keyring = Double::new(Mood::Works);
        load_or_create_own_key(&keyring.store(), [1; 32]).await;
        *keyring.mood.lock().unwrap() = mood;

        let during = load_or_create_own_key(&keyring.store(), [2; 32]).await;
        *keyring.mood.lock().unwrap() = Mood::Works;
        let after = load_or_create_own_key(&keyring.store(), [3; 32]).await;

        assert_eq!(during.origin, OwnKeyOrigin::ThisRunOnly(ThisRunReason::Keyring(state)));
        assert_eq!(*during.seed, [2; 32]);
        assert_eq!((*after.seed, after.origin), ([1; 32], OwnKeyOrigin::Keyring));
    }
}

#[tokio::test]
async fn a_keyring_that_hangs_costs_the_own_key_its_limit_and_no_record() {
    let (keyring, open) = Double::gated();
    let store = keyring.store();
    let mut states = store.watch();
    let started = tokio::time::Instant::now();
    let loading = tokio::spawn({
        let store = store.clone();
        async move { load_or_create_own_key(&store, [2; 32]).await }
    });
    keyring.hangs().await;

    let during = loading.await.unwrap();

    assert!(started.elapsed() < CALL_LIMIT * 2);
    tokio::time::resume();
    assert_eq!(during.origin, OwnKeyOrigin::ThisRunOnly(ThisRunReason::Keyring(SecretState::Slow)));
    // The person unlocks the keyring after all: what was answered stays true.
    drop(open);
    states.wait_for(|state| *state == SecretState::Available).await.unwrap();
    assert!(keyring.names().is_empty());
    assert_eq!(*load_or_create_own_key(&store, [3; 32]).await.seed, [2; 32]);
}

#[tokio::test]
async fn a_record_that_cannot_be_parsed_is_kept_aside_before_a_new_key_is_made() {
    // 31 bytes, another version, another text, and bytes that are not text.
    let short = b"ed25519-seed-v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_vec();
    for damaged in [short, b"ed25519-seed-v9:AAAA".to_vec(), b"garbage".to_vec(), Vec::new()] {
        let keyring = Double::new(Mood::Works);
        keyring.insert(own_key::RECORD, damaged.clone());

        let own = load_or_create_own_key(&keyring.store(), [5; 32]).await;
        let next = load_or_create_own_key(&keyring.store(), [6; 32]).await;

        assert_eq!((*own.seed, own.origin), ([5; 32], OwnKeyOrigin::Keyring));
        assert_eq!(*next.seed, [5; 32]);
        assert_eq!(keyring.record("subagent-client-key-unreadable-1"), Some(damaged));
    }
    let keyring = Double::new(Mood::Works);
    keyring.insert(own_key::RECORD, b"\xff\xfe\xfd".to_vec());
    assert_eq!(load_or_create_own_key(&keyring.store(), [5; 32]).await.origin, OwnKeyOrigin::Keyring);
    assert_eq!(keyring.record("subagent-client-key-unreadable-1"), Some(b"__79".to_vec()));
}

#[tokio::test]
async fn a_record_that_cannot_be_kept_aside_is_not_replaced() {
    let keyring = Double::new(Mood::Works);
    keyring.insert(own_key::RECORD, "damaged");
    for number in 1..=8 {
        keyring.insert(&format!("subagent-client-key-unreadable-{number}"), format!("older {number}"));
    }

    let own = load_or_create_own_key(&keyring.store(), [5; 32]).await;

    assert_eq!(own.origin, OwnKeyOrigin::ThisRunOnly(ThisRunReason::UnreadableRecord));
    assert_eq!(keyring.record(own_key::RECORD), Some(b"damaged".to_vec()));
    assert_eq!(keyring.names().len(), 9);
}

#[tokio::test]
async fn debug_output_of_the_own_key_shows_no_seed() {
    let own = load_or_create_own_key(&SecretStore::memory(), [42; 32]).await;

    assert_eq!(format!("{own:?}"), "OwnKey { origin: Keyring, .. }");
}
