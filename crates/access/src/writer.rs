//! Saving changes of who may connect. Revoking counts before it is on the disk: what does not get there
//! is kept here, and saved as soon as a store takes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_clock::Backoff;
use tidegate_store::{Store, StoreError};
use tidegate_trust::{Change, TrustRecords};
use tokio::sync::watch;

/// How long until saving is tried again, at first and at most.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));

/// Where changes are saved, and how long that holds.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) store: Store,
    /// Whether it is only in memory: what it takes is not saved.
    pub(crate) is_in_memory: bool,
}

/// Saves changes, in whichever store is open. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct TrustWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: watch::Sender<Option<Target>>,
    /// What counts already and is not saved yet, in its order, numbered.
    unsaved: Mutex<Vec<(u64, Change)>>,
    next: AtomicU64,
    /// One at a time: what was changed later is never saved before what was changed earlier.
    saving: tokio::sync::Mutex<()>,
    /// Whether a store is being read: what is saved meanwhile may be missing in what was read.
    is_reading: AtomicBool,
    is_retrying: AtomicBool,
}

impl TrustWriter {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            target: watch::Sender::new(None),
            unsaved: Mutex::default(),
            next: AtomicU64::new(0),
            saving: tokio::sync::Mutex::default(),
            is_reading: AtomicBool::new(false),
            is_retrying: AtomicBool::new(false),
        }))
    }

    /// Follows which store is open.
    pub(crate) fn targets(&self) -> watch::Receiver<Option<Target>> {
        self.0.target.subscribe()
    }

    /// A store is read from now on, until [`Self::open`]: what is saved meanwhile is kept for
    /// [`Self::apply_to`], and saved once more afterwards.
    pub(crate) fn begin_reading(&self) {
        self.0.is_reading.store(true, Ordering::SeqCst);
    }

    /// From now on saves there, beginning with what is not saved yet.
    pub(crate) fn open(&self, target: Target) {
        self.0.is_reading.store(false, Ordering::SeqCst);
        self.0.target.send_replace(Some(target));
        if self.unsaved() > 0 {
            self.retry();
        }
    }

    /// How many changes count and are not saved yet.
    pub(crate) fn unsaved(&self) -> usize {
        self.changes().len()
    }

    /// Applies them to what a store holds that is to be opened. What is about someone whom it does not know
    /// is forgotten.
    pub(crate) fn apply_to(&self, records: &mut TrustRecords, is_in_memory: bool) {
        // One in memory knows nobody; they still concern the one on the disk.
        self.changes().retain(|(_, change)| records.apply_unsaved(change) || is_in_memory);
    }

    /// Waits until nothing that was changed before is being saved. Until the answer is dropped, nothing that is
    /// changed afterwards is saved.
    pub(crate) async fn begin(&self) -> Saving<'_> {
        Saving { writer: self, _one_at_a_time: self.0.saving.lock().await }
    }

    /// Saves changes that count already. Whether they survive the end of the process; where they do
    /// not yet, saving is tried again.
    pub(crate) async fn settle(&self, changes: Vec<Change>) -> bool {
        if changes.is_empty() {
            return true;
        }
        self.add(changes.clone());
        let writer = self.clone();
        let saved = in_a_task(async move {
            match writer.is_in_memory() {
                true => writer.store()?.commit_trust(changes).await.map(|()| false),
                false => writer.save_unsaved().await.map(|()| true),
            }
        })
        .await;
        saved.unwrap_or_else(|error| {
            tracing::error!(%error, "access change not persisted; in effect until restart, retrying");
            false
        })
    }

    /// One try to save what is unsaved.
    pub(crate) async fn save(&self) {
        if self.unsaved() == 0 || self.is_in_memory() {
            return;
        }
        let writer = self.clone();
        if let Err(error) = in_a_task(async move { writer.save_unsaved().await }).await {
            tracing::error!(%error, changes = self.unsaved(), "access changes not persisted; retrying");
        }
    }

    /// Saves what `read` finds in memory. It is read once nothing that was changed before waits to be
    /// saved, and saved before what is changed afterwards, so that nothing old comes back.
    pub(crate) async fn save_current(&self, read: impl FnOnce() -> Vec<Change>) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.saving.lock().await;
        let changes = read();
        if changes.is_empty() { Ok(()) } else { self.store()?.commit_trust(changes).await }
    }

    fn store(&self) -> Result<Store, StoreError> {
        self.0.target.borrow().as_ref().map(|target| target.store.clone()).ok_or(StoreError::Closed)
    }

    fn is_in_memory(&self) -> bool {
        self.0.target.borrow().as_ref().is_some_and(|target| target.is_in_memory)
    }

    fn add(&self, changes: impl IntoIterator<Item = Change>) {
        let mut unsaved = self.changes();
        for change in changes {
            unsaved.retain(|(_, earlier)| !earlier.is_about_the_same(&change));
            unsaved.push((self.0.next.fetch_add(1, Ordering::Relaxed), change));
        }
    }

    fn changes(&self) -> MutexGuard<'_, Vec<(u64, Change)>> {
        self.0.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn save_unsaved(&self) -> Result<(), StoreError> {
        let saved = self.begin().await.save_all(Vec::new()).await;
        if saved.is_err() && self.unsaved() > 0 {
            self.retry();
        }
        saved
    }

    /// Tries again until all is saved: after a while, and as soon as another store is open.
    fn retry(&self) {
        if self.is_in_memory() || self.0.is_retrying.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut targets = self.0.target.subscribe();
        let writer = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut failures = 0_u32;
            loop {
                let is_another = tokio::select! {
                    changed = targets.changed() => changed.is_ok(),
                    () = tokio::time::sleep(RETRY.pause(failures)) => false,
                };
                let Some(writer) = writer.upgrade().map(Self) else { return };
                failures = if is_another { 0 } else { failures.saturating_add(1) };
                if !writer.is_in_memory() && writer.unsaved() > 0 {
                    // An error was said when the change was made; the next try follows.
                    let _ = writer.begin().await.save_all(Vec::new()).await;
                }
                if !writer.is_in_memory() && writer.unsaved() > 0 {
                    continue;
                }
                writer.0.is_retrying.store(false, Ordering::Release);
                if writer.unsaved() > 0 {
                    // It came between the last look and the end.
                    writer.retry();
                }
                return;
            }
        });
    }
}

/// The one who saves.
pub(crate) struct Saving<'a> {
    writer: &'a TrustWriter,
    _one_at_a_time: tokio::sync::MutexGuard<'a, ()>,
}

impl Saving<'_> {
    /// Saves changes that count once they are saved, after those that are still unsaved. To be awaited to its end.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            // What could not be saved before holds up nothing that needs no saving.
            return Ok(());
        }
        if !self.writer.is_in_memory() {
            let saved = self.save_all(changes).await;
            if saved.is_err() && self.writer.unsaved() > 0 {
                self.writer.retry();
            }
            return saved;
        }
        let takes_away: Vec<Change> = changes.iter().filter(|change| change.takes_away()).cloned().collect();
        self.writer.store()?.commit_trust(changes).await?;
        self.writer.add(takes_away);
        Ok(())
    }

    async fn save_all(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let unsaved = self.writer.changes().clone();
        let last = unsaved.last().map(|(number, _)| *number);
        let all: Vec<Change> = unsaved.into_iter().map(|(_, change)| change).chain(changes).collect();
        if all.is_empty() {
            return Ok(());
        }
        self.writer.store()?.commit_trust(all).await?;
        if !self.writer.0.is_reading.load(Ordering::SeqCst) {
            self.writer.changes().retain(|(number, _)| Some(*number) > last);
        }
        Ok(())
    }
}

/// Does it in a task of its own, so that it completes even when the caller is gone, and a panic is an
/// error like any other.
pub(crate) async fn in_a_task<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    saving: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    tokio::spawn(saving).await.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
}
