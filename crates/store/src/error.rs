//! What can go wrong, as sentences.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use tidegate_protocol::ErrorShape;

/// Why an operation was not done. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left on the disk, or the store has reached its size limit.
    #[error(
        "Tidegate could not save: the disk is full, or the store has reached its size limit. Free some space and try again."
    )]
    DiskFull,
    /// There are as many sessions as are kept.
    #[error(
        "{limit} sessions are kept already, and no more are made; delete some with `tidegate sessions delete`, \
         then try again"
    )]
    TooManySessions {
        /// How many are kept.
        limit: u64,
    },
    /// The store is so large that only answers and decisions are still saved.
    #[error(
        "the conversations have reached their size limit, and new messages are not accepted; delete sessions with \
         `tidegate sessions delete`, then try again"
    )]
    NoRoomForMessages,
    /// The run has ended, or has not started: it may not write to its transcript.
    #[error("the run is not running, so nothing can be added to it")]
    RunEnded,
    /// No run has this id.
    #[error("there is no run {0:?}")]
    NoSuchRun(String),
    /// The session has runs that have not ended; stop them first.
    #[error("the session still has {unfinished} unfinished run(s); stop them first")]
    SessionBusy {
        /// How many runs are queued or running.
        unfinished: u64,
    },
    /// A value that must be unique exists already, or a row that is referred to does not exist.
    #[error("the change conflicts with what is stored: {0}")]
    Conflict(String),
    /// A value cannot be stored.
    #[error("{0}")]
    Invalid(String),
    /// The stored data cannot be read.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The file or the directory cannot be written.
    #[error("Tidegate could not save: its data directory cannot be written ({0}).")]
    NotWritable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// An operation failed in a way that is a defect of Tidegate. The store goes on.
    #[error("an operation of the store failed unexpectedly: {0}")]
    Internal(String),
    /// Another failure that SQLite reported.
    #[error("the store failed: {0}")]
    Sqlite(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::DiskFull,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(text),
                ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                    Self::NotWritable(text)
                }
                ErrorCode::ConstraintViolation => Self::Conflict(text),
                ErrorCode::TooBig => Self::Invalid("a value is too large to be stored".to_owned()),
                _ => Self::Sqlite(text),
            },
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => Self::Corrupt(text),
            _ => Self::Sqlite(text),
        }
    }
}

/// As the answer to a request: it may pass.
impl From<StoreError> for ErrorShape {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Why the store could not be opened. Each is a sentence for a person.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer Tidegate wrote the store.
    #[error(
        "The data was written by a newer Tidegate (store version {found}; this one knows up to {known}). Update Tidegate, or choose another data directory."
    )]
    NewerStore {
        /// The store's schema version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The directory or file cannot be written: read-only, no permission, or no space left.
    #[error("Tidegate cannot save to {}: {reason}. Nothing will be remembered until that is repaired.", path.display())]
    NotWritable {
        /// The directory or file.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
    /// A store file is a symbolic link or not a regular file, or cannot be made private.
    #[error("Tidegate does not use {}: {reason}. Remove it or repair its permissions.", path.display())]
    NotPrivate {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another program holds the file's lock.
    #[error("{} is in use by another program. Close it and start Tidegate again.", path.display())]
    InUse {
        /// The store file.
        path: PathBuf,
    },
    /// Something else failed.
    #[error("Tidegate cannot open its data in {}: {reason}.", path.display())]
    Failed {
        /// The store file.
        path: PathBuf,
        reason: String,
    },
}
