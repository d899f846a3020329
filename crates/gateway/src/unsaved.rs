//! Changes of who may connect that count already and are not saved yet. Revoking counts before it is
//! on the disk; where it does not get there, it is tried again, by this gateway and by the next one in
//! the same process, and no restart of the gateway takes it back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_store::{Store, StoreError};
use tidegate_trust::{Change, TrustRecords};

/// Changes that are not saved yet. It outlives the gateway: whoever builds gateways keeps one and
/// gives a clone to each.
#[derive(Debug, Clone, Default)]
pub struct UnsavedChanges(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// In their order, numbered.
    changes: Mutex<Vec<(u64, Change)>>,
    next: AtomicU64,
    /// One at a time: what was changed later is never saved before what was changed earlier.
    saving: tokio::sync::Mutex<()>,
    /// Whether the store is one in memory: what it takes is not saved.
    is_in_memory: AtomicBool,
}

impl UnsavedChanges {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes().len()
    }

    /// Whether all is saved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes().is_empty()
    }

    /// Says whether the store from now on is one in memory, which keeps nothing.
    pub fn set_in_memory(&self, is_in_memory: bool) {
        self.0.is_in_memory.store(is_in_memory, Ordering::Release);
    }

    /// Applies them to what a store holds that was read anew.
    pub fn apply_to(&self, records: &mut TrustRecords) {
        let is_in_memory = self.is_in_memory();
        // One in memory knows nobody; they still concern the one on the disk.
        self.changes().retain(|(_, change)| records.apply_unsaved(change) || is_in_memory);
    }

    fn is_in_memory(&self) -> bool {
        self.0.is_in_memory.load(Ordering::Acquire)
    }

    fn add(&self, changes: impl IntoIterator<Item = Change>) {
        let mut unsaved = self.changes();
        for change in changes {
            unsaved.retain(|(_, earlier)| !earlier.is_about_the_same(&change));
            unsaved.push((self.0.next.fetch_add(1, Ordering::Relaxed), change));
        }
    }

    fn changes(&self) -> MutexGuard<'_, Vec<(u64, Change)>> {
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Saves changes of who may connect in one gateway's store.
#[derive(Debug, Clone)]
pub(crate) struct TrustWriter {
    store: Store,
    unsaved: UnsavedChanges,
    is_retrying: Arc<AtomicBool>,
}

impl TrustWriter {
    /// What the gateway before could not save is tried again.
    pub(crate) fn new(store: Store, unsaved: UnsavedChanges) -> Self {
        let writer = Self { store, unsaved, is_retrying: Arc::default() };
        if !writer.unsaved.is_empty() {
            writer.retry();
        }
        writer
    }

    /// Saves changes that count once they are saved, after those that are still unsaved.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.unsaved.is_in_memory() {
            let takes_away: Vec<Change> =
                changes.iter().filter(|change| change.takes_away()).cloned().collect();
            self.store.commit_trust(changes).await?;
            self.unsaved.add(takes_away);
            return Ok(());
        }
        if self.unsaved.is_empty() {
            return self.store.commit_trust(changes).await;
        }
        self.save_with(changes).await
    }

    /// Saves changes that count already. Whether they survive the end of the process; where they do
    /// not yet, saving is tried again.
    pub(crate) async fn settle(&self, changes: Vec<Change>) -> bool {
        if changes.is_empty() {
            return true;
        }
        self.unsaved.add(changes.clone());
        if self.unsaved.is_in_memory() {
            if let Err(error) = self.store.commit_trust(changes).await {
                tracing::error!(%error, "the store in memory takes nothing more");
            }
            return false;
        }
        let saved = self.save_with(Vec::new()).await;
        if let Err(error) = &saved {
            tracing::error!(%error, "a change of who may connect holds only until restart; saving is tried again");
        }
        saved.is_ok()
    }

    /// One try to save what is unsaved.
    pub(crate) async fn save(&self) {
        if self.unsaved.is_empty() || self.unsaved.is_in_memory() {
            return;
        }
        if let Err(error) = self.save_with(Vec::new()).await {
            tracing::error!(%error, changes = self.unsaved.len(),
                "changes of who may connect are not saved; they hold until Tidegate quits");
        }
    }

    /// Saves what `read` finds in memory. It is read once nothing that was changed before waits to be
    /// saved, and saved before what is changed afterwards, so that nothing old comes back.
    pub(crate) async fn save_current(&self, read: impl FnOnce() -> Vec<Change>) -> Result<(), StoreError> {
        let _one_at_a_time = self.unsaved.0.saving.lock().await;
        let changes = read();
        if changes.is_empty() { Ok(()) } else { self.store.commit_trust(changes).await }
    }

    /// In a task of its own, so that it comes to its end whoever waits for it.
    async fn save_with(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let writer = self.clone();
        let saving = tokio::spawn(async move {
            let saved = writer.save_all(changes).await;
            if saved.is_err() && !writer.unsaved.is_empty() {
                writer.retry();
            }
            saved
        });
        saving.await.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string())))
    }

    async fn save_all(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let _one_at_a_time = self.unsaved.0.saving.lock().await;
        let unsaved = self.unsaved.changes().clone();
        let last = unsaved.last().map(|(number, _)| *number);
        let all = unsaved.into_iter().map(|(_, change)| change).chain(changes).collect();
        self.store.commit_trust(all).await?;
        self.unsaved.changes().retain(|(number, _)| Some(*number) > last);
        Ok(())
    }

    /// Tries again until all is saved or the store is closed; then the next gateway goes on.
    fn retry(&self) {
        const FIRST: Duration = Duration::from_secs(1);
        const LONGEST: Duration = Duration::from_mins(5);
        if self.unsaved.is_in_memory() || self.is_retrying.swap(true, Ordering::AcqRel) {
            return;
        }
        let writer = self.clone();
        tokio::spawn(async move {
            let mut pause = FIRST;
            while !writer.unsaved.is_empty() {
                tokio::select! {
                    () = writer.store.ended() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                match writer.save_all(Vec::new()).await {
                    Err(StoreError::Closed) => return,
                    _ => pause = (pause * 2).min(LONGEST),
                }
            }
            writer.is_retrying.store(false, Ordering::Release);
            if !writer.unsaved.is_empty() {
                // It came between the last look and the end.
                writer.retry();
            }
        });
    }
}
