//! Opening the store: private files, a check of what is there, migrations, and a fresh start
//! beside a damaged file.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tidegate_protocol::{TranscriptMessage, UnixMillis};

use crate::migrations::{APPLICATION_ID, MIGRATIONS, known_version};
use crate::private_files::{companions, prepare_directory, prepare_file, refuse_links, sync_directory};
use crate::quarantine::{move_aside, remove_surplus};
use crate::records::InboxRow;
use crate::room::Room;
use crate::{OpenError, Store, reader, sql};

/// The store's file in its directory.
pub const FILE_NAME: &str = "tidegate.sqlite";

/// The size of the write-ahead log that is kept after a checkpoint, in bytes.
const LOG_SIZE_LIMIT: i64 = 4 * 1024 * 1024;
/// How long to wait for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes that a store in memory may take.
const MEMORY_LIMIT: u64 = 256 * 1024 * 1024;
/// The most sessions that are kept.
const MAX_SESSIONS: u64 = 50_000;
/// The smallest page of SQLite's file format, in bytes.
const SMALLEST_PAGE: u64 = 512;
/// Prepared statements that each connection keeps.
const WRITER_STATEMENTS: usize = 64;
const READER_STATEMENTS: usize = 16;

/// Makes the transcript message for a result that reached a session's inbox.
pub type FrameInbox = fn(&InboxRow, UnixMillis) -> TranscriptMessage;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// How a result from the inbox becomes a message; the runtime brings its own framing.
    pub frame_inbox: FrameInbox,
    /// The most bytes that the file may take; new messages stop at seven eighths of it, with
    /// [`StoreError::NoRoomForMessages`](crate::StoreError::NoRoomForMessages). A write beyond it answers
    /// [`StoreError::DiskFull`](crate::StoreError::DiskFull).
    pub max_bytes: u64,
    /// The most sessions; one more answers
    /// [`StoreError::TooManySessions`](crate::StoreError::TooManySessions).
    pub max_sessions: u64,
    /// A file of up to so many bytes is checked whole when it is opened; of a larger one only the
    /// schema.
    pub check_up_to_bytes: u64,
    /// Now; names a damaged file that is moved aside.
    pub at: UnixMillis,
}

impl Default for OpenOptions {
    /// 4 GiB and 50,000 sessions at most, a check of files of up to 64 MiB, and the system's clock.
    fn default() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            frame_inbox: default_inbox_message,
            max_bytes: 4 * 1024 * 1024 * 1024,
            max_sessions: MAX_SESSIONS,
            check_up_to_bytes: 64 * 1024 * 1024,
            at: UnixMillis::default().plus(now),
        }
    }
}

/// The message for an inbox row when the runtime brings no framing of its own: the bare text.
#[must_use]
pub fn default_inbox_message(row: &InboxRow, at: UnixMillis) -> TranscriptMessage {
    TranscriptMessage::runtime(row.text.clone(), at)
}

/// What was found at the place of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// Nothing: the store is new.
    Fresh,
    /// A store that could be read.
    Existing,
    /// A file that could not be read. It was kept, and a new store was begun.
    QuarantinedCorrupt {
        /// Where the damaged file is now.
        moved_to: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
}

/// What opening the store found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// What was found.
    pub state: StoreState,
    /// The schema version before migrations; 0 for a new store.
    pub version_before: u32,
    /// The schema version now.
    pub version: u32,
    /// The store's file.
    pub file: PathBuf,
}

/// Why a file is not used as it is.
enum Refusal {
    /// It cannot be read as a store: move it aside.
    Damaged(String),
    /// The caller has to decide.
    Refused(OpenError),
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Self::Refused(error)
    }
}

struct Opened {
    connection: Connection,
    existed: bool,
    version_before: u32,
}

impl Store {
    /// Opens the store in `directory`, making both when they are missing. Blocks: call it off the
    /// async workers. Only one process may do so at a time.
    ///
    /// # Errors
    /// See [`OpenError`]. A damaged file is no error: it is moved aside and reported.
    pub fn open(directory: &Path, options: OpenOptions) -> Result<(Self, OpenReport), OpenError> {
        let directory = prepare_directory(directory)?;
        let file = directory.join(FILE_NAME);
        let (opened, damaged) = match set_up(&file, &options) {
            Ok(opened) => (opened, None),
            Err(Refusal::Refused(error)) => return Err(error),
            Err(Refusal::Damaged(reason)) => {
                let moved_to = move_aside(&file, options.at)?;
                tracing::error!(%reason, moved_to = %moved_to.display(), "the store is damaged; a new one was begun");
                let opened = set_up(&file, &options).map_err(|refusal| match refusal {
                    Refusal::Refused(error) => error,
                    Refusal::Damaged(reason) => OpenError::Failed { path: file.clone(), reason },
                })?;
                remove_surplus(&file);
                (opened, Some((moved_to, reason)))
            }
        };
        sync_directory(&directory)?;
        let state = match damaged {
            Some((moved_to, reason)) => StoreState::QuarantinedCorrupt { moved_to, reason },
            None if opened.existed => StoreState::Existing,
            None => StoreState::Fresh,
        };
        let readers = (0..reader::READERS)
            .map(|_| read_connection(&file).map_err(|error| other_failure(&file, &error)))
            .collect::<Result<_, _>>()?;
        let version_before = opened.version_before;
        let store = Self::start(
            opened.connection,
            readers,
            options.frame_inbox,
            Room { sessions: options.max_sessions },
        )
        .map_err(|error| OpenError::Failed { path: file.clone(), reason: error.to_string() })?;
        Ok((store, OpenReport { state, version_before, version: known_version(), file }))
    }

    /// A store that lives in memory and is gone when it closes: for tests, and for a run whose
    /// directory cannot be written. It takes at most 256 MiB.
    ///
    /// # Errors
    /// When memory or threads are missing.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::in_memory_with(default_inbox_message)
    }

    /// As [`Store::in_memory`], with the runtime's own framing.
    ///
    /// # Errors
    /// When memory or threads are missing.
    pub fn in_memory_with(frame_inbox: FrameInbox) -> Result<Self, OpenError> {
        let place = Path::new(":memory:");
        let failed = |reason: String| OpenError::Failed { path: place.to_owned(), reason };
        let mut connection = Connection::open_in_memory().map_err(|error| failed(error.to_string()))?;
        harden(&connection)
            .and_then(|()| limit_size(&connection, MEMORY_LIMIT))
            .map_err(|error| failed(error.to_string()))?;
        MIGRATIONS.to_latest(&mut connection).map_err(|error| failed(error.to_string()))?;
        Self::start(connection, Vec::new(), frame_inbox, Room { sessions: MAX_SESSIONS })
            .map_err(|error| failed(error.to_string()))
    }
}

fn set_up(file: &Path, options: &OpenOptions) -> Result<Opened, Refusal> {
    refuse_links(file)?;
    let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
    look_at_bytes(file, length)?;
    prepare_file(file)?;
    let at_open = |error: rusqlite::Error| classify(file, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(file, flags).map_err(at_open)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(at_open)?;
    harden(&connection).map_err(at_open)?;
    // A file that is refused stays as it is, log included.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(at_open)?;

    let version_before = stored_version(&connection, file)?;
    if version_before > 0 && length <= options.check_up_to_bytes {
        quick_check(&connection).map_err(at_open)?.map_err(Refusal::Damaged)?;
    }
    configure(&connection, options).map_err(at_open)?;
    MIGRATIONS.to_latest(&mut connection).map_err(|error| classify_migration(file, error))?;
    for (name, statement) in sql::ALL {
        connection.prepare(statement).map_err(|error| unreadable(file, name, &error))?;
    }
    // One small write shows that writing works, before anyone relies on it.
    connection
        .execute("UPDATE store_version SET opened_at = ?1", [crate::rows::millis(options.at)])
        .map_err(at_open)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(at_open)?;
    connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS);
    Ok(Opened { connection, existed: version_before > 0, version_before })
}

/// Finds damage that SQLite itself would take for something else.
fn look_at_bytes(file: &Path, length: u64) -> Result<(), Refusal> {
    if length == 0 {
        // SQLite would delete the log of an empty file, and with it the only copy of the data.
        let orphan =
            companions(file).any(|path| fs::metadata(path).is_ok_and(|companion| companion.len() > 0));
        let reason = "the file is empty or missing but its write-ahead log is not";
        return if orphan { Err(Refusal::Damaged(reason.to_owned())) } else { Ok(()) };
    }
    // Bytes 18 and 19 are the format's write and read version. SQLite only reads a file of a
    // later version, which would look like a write-protected one, and takes a stump for empty.
    let mut header = [0; 20];
    let read = fs::File::open(file).and_then(|mut opened| opened.read_exact(&mut header));
    match read {
        Ok(()) if length >= SMALLEST_PAGE && header[18..].iter().all(|version| matches!(version, 1 | 2)) => {
            Ok(())
        }
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            Err(OpenError::NotWritable { path: file.to_owned(), reason: error.to_string() }.into())
        }
        _ => Err(Refusal::Damaged("its first bytes are not those of a store".to_owned())),
    }
}

/// The schema version of the file; 0 when it holds nothing yet.
fn stored_version(connection: &Connection, file: &Path) -> Result<u32, Refusal> {
    let number = |pragma: &str| -> Result<i64, Refusal> {
        connection.query_row(pragma, [], |row| row.get(0)).map_err(|error| unreadable(file, pragma, &error))
    };
    let header = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT COUNT(*) FROM sqlite_schema")?;
    if header == 0 && application == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Refusal::Damaged("it does not carry Tidegate's mark".to_owned()));
    }
    let named: i64 = connection
        .query_row("SELECT version FROM store_version", [], |row| row.get(0))
        .map_err(|error| unreadable(file, "store_version", &error))?;
    match u32::try_from(header) {
        Ok(found) if found > 0 && named == header => {
            let known = known_version();
            if found > known { Err(OpenError::NewerStore { found, known }.into()) } else { Ok(found) }
        }
        _ => Err(Refusal::Damaged(format!("its header says version {header} and its table {named}"))),
    }
}

fn quick_check(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    let first: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(if first == "ok" { Ok(()) } else { Err(first) })
}

/// Settings that every connection has, whatever the file says.
fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;",
    )
}

fn configure(connection: &Connection, options: &OpenOptions) -> rusqlite::Result<()> {
    // The answer is checked: a file system without shared memory keeps another mode.
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY),
            Some("its file system does not support a write-ahead log".to_owned()),
        ));
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;",
    )?;
    connection.query_row(&format!("PRAGMA journal_size_limit = {LOG_SIZE_LIMIT}"), [], |_| Ok(()))?;
    limit_size(connection, options.max_bytes)
}

fn limit_size(connection: &Connection, max_bytes: u64) -> rusqlite::Result<()> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = (max_bytes / u64::try_from(page).unwrap_or(4096).max(1)).clamp(1, u64::from(u32::MAX - 1));
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

fn read_connection(file: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    harden(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -1024;")?;
    connection.set_prepared_statement_cache_capacity(READER_STATEMENTS);
    Ok(connection)
}

fn classify(file: &Path, error: &rusqlite::Error) -> Refusal {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Refusal::Damaged(error.to_string()),
        _ => Refusal::Refused(other_failure(file, error)),
    }
}

/// For statements that any store answers: what SQLite does not know is missing from the file.
fn unreadable(file: &Path, what: &str, error: &rusqlite::Error) -> Refusal {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) if failure.code != ErrorCode::Unknown => {
            classify(file, error)
        }
        _ => Refusal::Damaged(format!("{what}: {error}")),
    }
}

fn classify_migration(file: &Path, error: rusqlite_migration::Error) -> Refusal {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => unreadable(file, "migration", &err),
        other => Refusal::Refused(OpenError::Failed { path: file.to_owned(), reason: other.to_string() }),
    }
}

fn other_failure(file: &Path, error: &rusqlite::Error) -> OpenError {
    let path = file.to_owned();
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure,
        ) => OpenError::NotWritable { path, reason },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            OpenError::InUse { path }
        }
        _ => OpenError::Failed { path, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreError;

    fn pragma(connection: &Connection, name: &str) -> Result<String, StoreError> {
        let value: rusqlite::types::Value =
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        Ok(match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    }

    #[tokio::test]
    async fn the_writer_syncs_each_commit_and_readers_cannot_write() {
        let directory = tempfile::tempdir().expect("directory");
        let (store, _) = Store::open(directory.path(), OpenOptions::default()).expect("opened");
        for (name, expected) in
            [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("fullfsync", "1")]
        {
            let got = store.write(move |connection| pragma(connection, name)).await;
            assert_eq!(got.as_deref(), Ok(expected), "{name}");
        }
        let refused = store.read(|connection| Ok(connection.execute("DELETE FROM flags", [])?)).await;
        assert!(matches!(refused, Err(StoreError::NotWritable(_))), "{refused:?}");
    }
}
