use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc, oneshot, watch};

use crate::backend::{Backend, BackendError};
use crate::os_keyring::OsKeyring;
use crate::seed::OwnKey;
use crate::state::Health;
use crate::{SecretName, SecretState, SecretText, ServiceName};

/// How long a method waits for the keyring, queueing included.
pub const CALL_LIMIT: Duration = Duration::from_secs(3);

/// The longest value, in UTF-16 code units: what the Windows Credential Manager holds
/// (`CRED_MAX_CREDENTIAL_BLOB_SIZE`, 2,560 bytes).
pub const MAX_VALUE_UNITS: usize = 1280;

/// Calls that may wait for the keyring's thread; one more is answered with [`SecretState::Slow`].
const MAX_QUEUED: usize = 1024;

/// Secrets by name, in the keyring or, while that cannot be used, in memory.
///
/// Cloning is cheap and gives the same store. No method blocks the calling thread; each answers
/// within [`CALL_LIMIT`]. When a call exceeds it, the keyring's thread stays busy with it, and
/// later calls are answered [`SecretState::Slow`] at once until it ends.
#[derive(Clone)]
pub struct SecretStore {
    inner: Arc<Inner>,
}

/// Where a written secret is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the keyring.
    Keyring,
    /// In the memory of this process only, because of this state of the keyring. A person should
    /// be told, with [`SecretState::sentence`] and [`SecretState::advice`].
    ThisRunOnly(SecretState),
}

/// Why a secret was not read, written or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The value exceeds [`MAX_VALUE_UNITS`]; nothing was called.
    #[error("the secret has {units} characters; at most {MAX_VALUE_UNITS} can be stored")]
    TooLong {
        /// Its length in UTF-16 code units.
        units: usize,
    },
    /// A record with this name exists, and it is not one that Tidegate wrote.
    #[error("the keyring's record {name} is not text; remove it with the keyring's own program")]
    NotText { name: SecretName },
    /// Several records have this name.
    #[error("the keyring has several records named {name}; remove the extra ones with its own program")]
    Ambiguous {
        /// The records' name.
        name: SecretName,
    },
    /// The keyring cannot be used now.
    #[error("{} {}", .0.sentence(), .0.advice())]
    Unavailable(SecretState),
}

struct Inner {
    keyring: Keyring,
    /// Secrets that the keyring could not take. They end with the process.
    this_run: Mutex<HashMap<SecretName, SecretText>>,
    own_key: OnceCell<OwnKey>,
}

enum Keyring {
    Thread {
        jobs: mpsc::Sender<Job>,
        shared: Arc<Shared>,
    },
    /// No keyring at all: everything is kept in `this_run`, in this state. `Available` stands in
    /// for a working keyring.
    None {
        state: watch::Sender<SecretState>,
    },
}

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// What the keyring's thread and the waiting tasks share.
struct Shared {
    health: Mutex<Health>,
    state: watch::Sender<SecretState>,
}

impl Shared {
    fn update<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health = lock(&self.health);
        let result = change(&mut health);
        let state = health.state();
        // Published under the lock, so that watchers see the states in their order.
        self.state.send_if_modified(|old| std::mem::replace(old, state) != state);
        result
    }
}

impl SecretStore {
    /// The operating system's keyring, under `service`. Nothing is called yet; the first method
    /// connects. When the thread cannot be started this is a store without a keyring.
    #[must_use]
    pub fn keyring(service: ServiceName) -> Self {
        Self::with_backend(OsKeyring::new(service))
    }

    /// A store over `backend`, whose methods run on a thread of its own.
    #[must_use]
    pub fn with_backend(backend: impl Backend) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_QUEUED);
        let shared = Arc::new(Shared {
            health: Mutex::new(Health::new()),
            state: watch::Sender::new(SecretState::NotProbed),
        });
        let worker = Worker { backend: Box::new(backend), shared: Arc::clone(&shared) };
        match std::thread::Builder::new().name("keyring".to_owned()).spawn(|| worker.serve(queue)) {
            Ok(_) => Self::new(Keyring::Thread { jobs, shared }),
            Err(error) => {
                tracing::warn!(%error, "the keyring's thread could not be started");
                Self::without_keyring(SecretState::Absent)
            }
        }
    }

    /// A store without a keyring, which reports `state` and keeps secrets for this run only.
    #[must_use]
    pub fn without_keyring(state: SecretState) -> Self {
        Self::new(Keyring::None { state: watch::Sender::new(state) })
    }

    /// A store in memory that behaves like a working keyring: for tests, and for programs that
    /// need nothing kept.
    #[must_use]
    pub fn memory() -> Self {
        Self::without_keyring(SecretState::Available)
    }

    fn new(keyring: Keyring) -> Self {
        let inner = Inner { keyring, this_run: Mutex::default(), own_key: OnceCell::new() };
        Self { inner: Arc::new(inner) }
    }

    /// What the last call, or the lack of an answer, says about the keyring.
    #[must_use]
    pub fn state(&self) -> SecretState {
        *self.sender().borrow()
    }

    /// Follows the changes of [`SecretStore::state`].
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SecretState> {
        self.sender().subscribe()
    }

    fn sender(&self) -> &watch::Sender<SecretState> {
        match &self.inner.keyring {
            Keyring::Thread { shared, .. } => &shared.state,
            Keyring::None { state } => state,
        }
    }

    /// Finds out whether the keyring works, by writing, reading and deleting a record. Asking
    /// whether it is there would not do: a Secret Service without an unlocked collection says yes.
    pub async fn probe(&self) -> SecretState {
        match self.call(|backend, _| probe(backend)).await {
            Ok(()) => SecretState::Available,
            Err(CallError::Unavailable(state)) => state,
            Err(CallError::NotText | CallError::Ambiguous) => self.state(),
        }
    }

    /// The secret `name`, or `None` when there is none. One kept for this run only comes first:
    /// it is the newer.
    ///
    /// # Errors
    /// [`SecretError`], except `TooLong`.
    pub async fn read(&self, name: &SecretName) -> Result<Option<SecretText>, SecretError> {
        if let Some(value) = lock(&self.inner.this_run).get(name) {
            return Ok(Some(value.clone()));
        }
        let wanted = name.clone();
        self.call(move |backend, _| backend.read(&wanted)).await.map_err(|error| error.about(name))
    }

    /// Stores `value` as `name`: in the keyring, or for this run only when that cannot be used.
    /// A keyring that exceeded the limit may still store it later.
    ///
    /// # Errors
    /// `TooLong` before any call; `Ambiguous` and `NotText` when foreign records are in the way.
    pub async fn write(&self, name: &SecretName, value: SecretText) -> Result<Kept, SecretError> {
        let units = value.units();
        if units > MAX_VALUE_UNITS {
            return Err(SecretError::TooLong { units });
        }
        let (target, copy) = (name.clone(), value.clone());
        match self.call(move |backend, _| backend.write(&target, &copy)).await {
            Ok(()) => {
                if let Keyring::None { .. } = self.inner.keyring {
                    lock(&self.inner.this_run).insert(name.clone(), value);
                } else {
                    lock(&self.inner.this_run).remove(name);
                }
                Ok(Kept::Keyring)
            }
            Err(CallError::Unavailable(state)) => {
                lock(&self.inner.this_run).insert(name.clone(), value);
                Ok(Kept::ThisRunOnly(state))
            }
            Err(error) => Err(error.about(name)),
        }
    }

    /// Removes `name` everywhere; `false` when there was none.
    ///
    /// # Errors
    /// `Unavailable` when the keyring cannot be used: what was kept for this run is gone, a
    /// record in the keyring stays.
    pub async fn delete(&self, name: &SecretName) -> Result<bool, SecretError> {
        let had_one = lock(&self.inner.this_run).remove(name).is_some();
        let target = name.clone();
        let deleted = self.call(move |backend, _| backend.delete(&target)).await;
        deleted.map(|deleted| deleted || had_one).map_err(|error| error.about(name))
    }

    pub(crate) fn own_key(&self) -> &OnceCell<OwnKey> {
        &self.inner.own_key
    }

    /// Runs `job` on the keyring's thread and waits for at most [`CALL_LIMIT`]. The second
    /// argument tells a job of several steps that nobody waits for it any more.
    pub(crate) async fn call<T, F>(&self, job: F) -> Result<T, CallError>
    where
        T: Send + Default + 'static,
        F: FnOnce(&mut dyn Backend, &dyn Fn() -> bool) -> Result<T, BackendError> + Send + 'static,
    {
        let (jobs, shared) = match &self.inner.keyring {
            Keyring::Thread { jobs, shared } => (jobs, shared),
            Keyring::None { state } => {
                let state = *state.borrow();
                return match state {
                    SecretState::Available => Ok(T::default()),
                    state => Err(CallError::Unavailable(state)),
                };
            }
        };
        lock(&shared.health).admit().map_err(CallError::Unavailable)?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |worker| {
            // Who gave up was told that nothing was done.
            if !reply.is_closed() {
                let result = worker.run(|backend| job(backend, &|| reply.is_closed()));
                let _ = reply.send(result);
            }
        });
        if jobs.try_send(job).is_err() {
            return Err(CallError::Unavailable(SecretState::Slow));
        }
        match tokio::time::timeout(CALL_LIMIT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(CallError::Unavailable(SecretState::Absent)),
            Err(_) => {
                shared.update(Health::overdue);
                Err(CallError::Unavailable(SecretState::Slow))
            }
        }
    }
}

/// [`SecretError`] without a record's name, and without `TooLong`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallError {
    NotText,
    Ambiguous,
    Unavailable(SecretState),
}

impl From<BackendError> for CallError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::NotText(_) => Self::NotText,
            BackendError::Ambiguous => Self::Ambiguous,
            BackendError::Locked => Self::Unavailable(SecretState::Locked),
            BackendError::Denied => Self::Unavailable(SecretState::Denied),
            BackendError::Absent(cause) => {
                tracing::debug!(cause, "the keyring cannot be used");
                Self::Unavailable(SecretState::Absent)
            }
        }
    }
}

impl CallError {
    fn about(self, name: &SecretName) -> SecretError {
        match self {
            Self::NotText => SecretError::NotText { name: name.clone() },
            Self::Ambiguous => SecretError::Ambiguous { name: name.clone() },
            Self::Unavailable(state) => SecretError::Unavailable(state),
        }
    }
}

/// The keyring's thread: the only place from which a backend is called.
struct Worker {
    backend: Box<dyn Backend>,
    shared: Arc<Shared>,
}

impl Worker {
    fn serve(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            job(&mut self);
        }
    }

    fn run<T>(
        &mut self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, BackendError>,
    ) -> Result<T, CallError> {
        self.shared.update(Health::begin).map_err(CallError::Unavailable)?;
        let backend = self.backend.as_mut();
        // The system's library is allowed to panic: the store then says that it does not work.
        let result = catch_unwind(AssertUnwindSafe(|| job(backend)))
            .unwrap_or_else(|_| Err(BackendError::Absent("the keyring library panicked".to_owned())));
        self.shared.update(|health| health.finish(&result));
        result.map_err(CallError::from)
    }
}

/// One write-read-delete round. The record's name holds the process id, so that two processes
/// do not see each other's.
pub(crate) fn probe(backend: &mut dyn Backend) -> Result<(), BackendError> {
    let name = SecretName::fixed(format!("probe-{}", std::process::id()));
    let value = SecretText::from("written and deleted to see whether the keyring works");
    backend.write(&name, &value)?;
    let found = backend.read(&name);
    let deleted = backend.delete(&name);
    match found? {
        Some(found) if found.expose() == value.expose() => deleted.map(|_| ()),
        _ => Err(BackendError::Absent("it did not return what was written".to_owned())),
    }
}

/// A panic elsewhere leaves the guarded values whole: each is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
