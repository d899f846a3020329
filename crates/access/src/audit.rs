//! Writing the audit log. Nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use tidegate_store::StoreError;
use tidegate_trust::Change;
use tidegate_trust::audit::{AuditEvent, Severity};
use tokio::sync::{Mutex, mpsc, watch};

use crate::writer::Target;

/// How many audit events may wait to be written. Beyond that they are only logged.
const QUEUE: usize = 1024;
/// How many are written at once.
const BATCH: usize = 64;
/// How long is waited after a panic.
const PAUSE: Duration = Duration::from_secs(1);

/// The audit log. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct AuditLog(mpsc::Sender<Change>);

impl AuditLog {
    /// Begins to write to whichever store is open.
    pub(crate) fn new(targets: watch::Receiver<Option<Target>>) -> Self {
        let (events, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        tokio::spawn(async move {
            // A panic costs the batch in hand, which is in the log file, and no more.
            while tokio::spawn(write(queue.clone(), targets.clone())).await.is_err() {
                tracing::error!("audit writer panicked; restarting");
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self(events)
    }

    /// Logs an event and queues it for the store.
    pub(crate) fn write(&self, event: AuditEvent) {
        match event.severity {
            Severity::Info => tracing::info!(target: "audit", "{}", event.line),
            Severity::Warn => tracing::warn!(target: "audit", "{}", event.line),
            Severity::Alarm => tracing::error!(target: "audit", "{}", event.line),
        }
        if self.0.try_send(Change::Audit(Box::new(event))).is_err() {
            tracing::warn!("audit queue full; event not persisted");
        }
    }
}

/// Writes until nobody can log any more.
async fn write(queue: Arc<Mutex<mpsc::Receiver<Change>>>, mut targets: watch::Receiver<Option<Target>>) {
    let mut queue = queue.lock().await;
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        loop {
            let target = targets.borrow_and_update().clone();
            let written = match target {
                Some(target) => target.store.commit_trust(batch.clone()).await,
                None => Err(StoreError::Closed),
            };
            match written {
                Ok(()) => break,
                // The next one takes it.
                Err(StoreError::Closed) if targets.changed().await.is_ok() => {}
                Err(error) => {
                    tracing::warn!(%error, "audit events not persisted; they are in the log file");
                    break;
                }
            }
        }
        batch.clear();
    }
}
