//! Tidegate's durable state: one SQLite file, one writer, and typed operations on it.
//!
//! Each operation that returns `Ok` has been committed and synced. No policy lives here.
//!
//! Writes go to one thread that commits everything waiting at that moment together, so many
//! callers share one sync. Reads go to two threads of their own. No call blocks an async worker.
//!
//! Damage stays small: a list leaves out a row that cannot be read and logs it, and asking for
//! that row alone answers [`StoreError::Corrupt`].

mod error;
mod json;
pub mod ledger;
mod migrations;
mod open;
mod private_files;
mod quarantine;
mod reader;
pub mod records;
mod room;
mod rows;
mod sql;
mod store;
pub mod trust_records;
mod writer;

pub use error::{OpenError, StoreError};
pub use open::{FILE_NAME, FrameInbox, OpenOptions, OpenReport, StoreState, default_inbox_message};
pub use records::*;
pub use store::{Stats, Store};
pub use trust_records::{LoadedTrust, UnreadableRecord};
