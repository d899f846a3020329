//! Sessions, transcripts, runs and inboxes.
//!
//! Each operation is a function over one open transaction, and a method of [`Store`](crate::Store)
//! that runs it on the writer. None of them reads a clock.

mod answers;
mod inbox;
mod recovery;
mod retention;
mod runs;
mod sessions;
mod settle;
mod transcript;
