//! The one thread that writes, and group commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::reader::ReadJob;
use crate::{StoreError, rows, sql};

/// The most jobs that share one transaction: it bounds how long the first of them waits.
const MAX_BATCH: usize = 256;

/// Work for the writer.
pub(crate) enum Job {
    /// Changes the store.
    Write(Box<dyn WriteJob>),
    /// Only reads, and sees what is committed. For stores that have no readers.
    Read(ReadJob),
}

/// Tells a caller what came of its job: what the job itself answered, or why it was not committed.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// A job that ran and waits for its commit.
pub(crate) struct Attempt {
    /// Why it must be undone.
    failed: Option<StoreError>,
    answer: Answer,
}

/// One operation and the caller that waits for it.
pub(crate) trait WriteJob: Send {
    /// Runs the operation inside the open transaction.
    fn attempt(self: Box<Self>, connection: &Connection) -> Attempt;
    /// Answers without running it.
    fn refuse(self: Box<Self>, error: StoreError);
}

/// The [`WriteJob`] of a closure.
pub(crate) struct Operation<F, T> {
    pub(crate) run: F,
    pub(crate) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> WriteJob for Operation<F, T>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    T: Send + 'static,
{
    fn attempt(self: Box<Self>, connection: &Connection) -> Attempt {
        let Self { run, reply } = *self;
        let result = guarded(|| run(connection));
        Attempt {
            failed: result.as_ref().err().cloned(),
            answer: Box::new(move |committed| {
                // A caller that went away needs no answer.
                let _ = reply.send(committed.and(result));
            }),
        }
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Runs an operation so that a panic in it becomes its answer and ends nothing else.
pub(crate) fn guarded<T>(operation: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "it panicked".to_owned());
        tracing::error!(panic = %text, "an operation of the store panicked");
        Err(StoreError::Internal(text))
    })
}

/// How often the writer wrote.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Jobs that ran and were committed.
    pub(crate) writes: AtomicU64,
    /// Transactions that held them.
    pub(crate) commits: AtomicU64,
}

/// The writer's state.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) readers: Vec<JoinHandle<()>>,
    /// Why the last transaction was not committed. Gone with the writer, by which its end is seen.
    pub(crate) trouble: watch::Sender<Option<StoreError>>,
}

impl Writer {
    /// Works until every sender is gone, then closes the store.
    pub(crate) fn run(self) {
        let mut queue = VecDeque::new();
        while let Ok(job) = self.jobs.recv() {
            queue.push_back(job);
            while !queue.is_empty() {
                // Whatever arrived while the last batch was being synced joins the next.
                queue.extend(self.jobs.try_iter().take(MAX_BATCH.saturating_sub(queue.len())));
                self.step(&mut queue);
            }
        }
        self.close();
    }

    fn step(&self, queue: &mut VecDeque<Job>) {
        match queue.pop_front() {
            Some(Job::Read(read)) => read(&self.connection),
            Some(Job::Write(first)) => self.batch(first, queue),
            None => {}
        }
    }

    /// Commits `first` and the writes that follow it in the queue as one transaction.
    fn batch(&self, first: Box<dyn WriteJob>, queue: &mut VecDeque<Job>) {
        if let Err(error) = self.execute(sql::BEGIN) {
            tracing::warn!(%error, "the store could not begin a transaction");
            self.note(Some(&error));
            first.refuse(error);
            return;
        }
        let mut attempts = Vec::new();
        let mut next = Some(first);
        let mut lost = None;
        while let Some(job) = next.take() {
            let attempt = self.in_savepoint(job);
            // Some errors, a full disk for one, make SQLite give up the whole transaction.
            if self.connection.is_autocommit() {
                lost = Some(attempt.failed.clone().unwrap_or(StoreError::DiskFull));
            }
            attempts.push(attempt);
            if lost.is_none()
                && let Some(Job::Write(_)) = queue.front()
                && let Some(Job::Write(job)) = queue.pop_front()
            {
                next = Some(job);
            }
        }
        let committed = match lost {
            Some(error) => Err(error),
            None => self.commit(),
        };
        if let Err(error) = &committed {
            tracing::warn!(%error, writes = attempts.len(), "the store did not commit");
        } else {
            let writes = attempts.iter().filter(|attempt| attempt.failed.is_none()).count();
            self.counters.writes.fetch_add(writes as u64, Ordering::Relaxed);
            self.counters.commits.fetch_add(u64::from(writes > 0), Ordering::Relaxed);
        }
        self.note(committed.as_ref().err());
        for attempt in attempts {
            (attempt.answer)(committed.clone());
        }
    }

    fn note(&self, trouble: Option<&StoreError>) {
        self.trouble.send_if_modified(|noted| {
            let is_new = noted.as_ref() != trouble;
            if is_new {
                *noted = trouble.cloned();
            }
            is_new
        });
    }

    fn in_savepoint(&self, job: Box<dyn WriteJob>) -> Attempt {
        if let Err(error) = self.execute(sql::SAVEPOINT) {
            let failed = Some(error.clone());
            return Attempt {
                failed,
                answer: Box::new(move |committed| job.refuse(committed.err().unwrap_or(error))),
            };
        }
        let mut attempt = job.attempt(&self.connection);
        let kept = if attempt.failed.is_none() { self.execute(sql::SAVEPOINT_KEEP) } else { self.undo() };
        if let Err(error) = kept {
            // Without its savepoint the job cannot be told from the others: none is committed.
            let _ = self.execute(sql::ROLLBACK);
            attempt.failed.get_or_insert(error);
        }
        attempt
    }

    fn undo(&self) -> Result<(), StoreError> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.execute(sql::SAVEPOINT_UNDO)?;
        self.execute(sql::SAVEPOINT_KEEP)
    }

    fn commit(&self) -> Result<(), StoreError> {
        let committed = self.execute(sql::COMMIT);
        if committed.is_err() && !self.connection.is_autocommit() {
            let _ = self.execute(sql::ROLLBACK);
        }
        committed
    }

    fn execute(&self, statement: &str) -> Result<(), StoreError> {
        rows::execute(&self.connection, statement, []).map(drop)
    }

    /// Closing the last connection moves the write-ahead log into the store file, so the readers
    /// end first.
    fn close(self) {
        for reader in self.readers {
            let _ = reader.join();
        }
        self.connection.flush_prepared_statement_cache();
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the store was not closed cleanly; nothing is lost");
        }
    }
}
