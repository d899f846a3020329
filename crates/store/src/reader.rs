//! Threads that read, each with its own read-only connection.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;

/// Work for a reader.
pub(crate) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// How many threads read.
pub(crate) const READERS: usize = 2;

/// Starts one thread for each connection. They end when the sender is gone and the queue is empty.
pub(crate) fn start(connections: Vec<Connection>) -> std::io::Result<(Sender<ReadJob>, Vec<JoinHandle<()>>)> {
    let (sender, receiver) = channel();
    let queue = Arc::new(Mutex::new(receiver));
    let threads = connections
        .into_iter()
        .map(|connection| {
            let queue = Arc::clone(&queue);
            Builder::new().name("store-reader".to_owned()).spawn(move || serve(&connection, &queue))
        })
        .collect::<Result<_, _>>()?;
    Ok((sender, threads))
}

fn serve(connection: &Connection, queue: &Mutex<Receiver<ReadJob>>) {
    // The lock is held while waiting, and released before the job runs.
    while let Ok(job) = { queue.lock().unwrap_or_else(PoisonError::into_inner).recv() } {
        job(connection);
    }
}
