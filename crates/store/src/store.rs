//! The handle that callers hold.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::open::FrameInbox;
use crate::reader::{self, ReadJob};
use crate::room::Room;
use crate::writer::{Counters, Job, Operation, Writer, guarded};
use crate::{StoreError, rows, sql};

/// A handle on the store. Cloning it is cheap; the store closes when the last one is dropped.
///
/// A write is queued when its future is first polled. Dropping the future later does not take the
/// write back.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Gone once the store is closed.
    channels: RwLock<Option<Channels>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
    frame_inbox: FrameInbox,
    room: Room,
    trouble: watch::Receiver<Option<StoreError>>,
}

struct Channels {
    writes: Sender<Job>,
    /// A store in memory has none: there the writer reads too.
    reads: Option<Sender<ReadJob>>,
}

/// How much the store wrote since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Operations that were committed.
    pub writes: u64,
    /// Transactions, and so syncs, that they took.
    pub commits: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Store {
    /// Starts the threads of a store whose connections are set up.
    pub(crate) fn start(
        connection: Connection,
        read_only: Vec<Connection>,
        frame_inbox: FrameInbox,
        room: Room,
    ) -> std::io::Result<Self> {
        let (reads, readers) = if read_only.is_empty() {
            (None, Vec::new())
        } else {
            let (sender, threads) = reader::start(read_only)?;
            (Some(sender), threads)
        };
        let (writes, jobs) = channel();
        let counters = Arc::new(Counters::default());
        let (trouble, noted) = watch::channel(None);
        let writer = Writer { connection, jobs, counters: Arc::clone(&counters), readers, trouble };
        let thread = Builder::new().name("store-writer".to_owned()).spawn(move || writer.run())?;
        Ok(Self {
            inner: Arc::new(Inner {
                channels: RwLock::new(Some(Channels { writes, reads })),
                writer: Mutex::new(Some(thread)),
                counters,
                frame_inbox,
                room,
                trouble: noted,
            }),
        })
    }

    /// Finishes what is queued, moves the write-ahead log into the file, and ends the threads.
    /// Other handles answer [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        drop(self.inner.channels.write().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// How much the store wrote since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            writes: self.inner.counters.writes.load(Ordering::Relaxed),
            commits: self.inner.counters.commits.load(Ordering::Relaxed),
        }
    }

    /// Why the last write was not kept; `None` while writing works. The channel closes when the
    /// writer has ended, after which nothing can be kept.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<StoreError>> {
        self.inner.trouble.clone()
    }

    /// Waits until the writer has ended: the store was closed, or failed in a way that it cannot go
    /// on from.
    pub async fn ended(&self) {
        let mut trouble = self.trouble();
        while trouble.changed().await.is_ok() {}
    }

    /// Sets a small named value, or clears it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_flag(&self, name: &'static str, value: Option<String>) -> Result<(), StoreError> {
        self.write(move |connection| {
            match value {
                Some(value) => rows::execute(connection, sql::FLAG_SET, (name, value))?,
                None => rows::execute(connection, sql::FLAG_CLEAR, [name])?,
            };
            Ok(())
        })
        .await
    }

    /// A small named value.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn flag(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.read(move |connection| {
            rows::first(connection, sql::FLAG, [name], |row| rows::Columns::of(row).take())
        })
        .await
    }

    pub(crate) fn room(&self) -> Room {
        self.inner.room
    }

    pub(crate) fn frame_inbox(&self) -> FrameInbox {
        self.inner.frame_inbox
    }

    /// Runs an operation on the writer, and answers once it is committed and synced.
    pub(crate) async fn write<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(|channels| channels.writes.send(Job::Write(Box::new(Operation { run, reply }))).is_ok())?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a query on a reader. It sees every write that was answered before.
    pub(crate) async fn read<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |connection| {
            // A caller that went away needs no answer.
            let _ = reply.send(guarded(|| run(connection)));
        });
        self.send(|channels| match &channels.reads {
            Some(reads) => reads.send(job).is_ok(),
            None => channels.writes.send(Job::Read(job)).is_ok(),
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn send(&self, queue: impl FnOnce(&Channels) -> bool) -> Result<(), StoreError> {
        let channels = self.inner.channels.read().unwrap_or_else(PoisonError::into_inner);
        match channels.as_ref().map(queue) {
            Some(true) => Ok(()),
            Some(false) | None => Err(StoreError::Closed),
        }
    }
}
