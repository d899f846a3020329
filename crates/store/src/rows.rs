//! Rows to values and back.

use std::borrow::Cow;
use std::fmt::Display;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde_json::Value;
use tidegate_protocol::transcript::Outcome;
use tidegate_protocol::{TranscriptMessage, UnixMillis};
use tidegate_trust::Folder;

use crate::records::{InboxRow, RunRow, RunState, SessionRow, TranscriptEntry, Usage};
use crate::{StoreError, json};

/// A number as SQLite stores it: 64 bits, signed; larger ones become the largest.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A moment as SQLite stores it.
pub(crate) fn millis(at: UnixMillis) -> i64 {
    integer(at.0)
}

fn parse_outcome(name: &str) -> Result<Outcome, StoreError> {
    Outcome::ALL
        .iter()
        .copied()
        .find(|outcome| outcome.name() == name)
        .ok_or_else(|| StoreError::Corrupt(format!("unknown outcome {name:?}")))
}

fn parse_state(name: &str) -> Result<RunState, StoreError> {
    match name {
        "queued" => Ok(RunState::Queued),
        "running" => Ok(RunState::Running),
        other => parse_outcome(other).map(RunState::Terminal),
    }
}

/// Reads the columns of a row from left to right.
pub(crate) struct Columns<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl<'row> Columns<'row> {
    pub(crate) fn of(row: &'row Row<'row>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let column = self.next;
        self.next += 1;
        Ok(self.row.get(column)?)
    }

    /// A text that is an identifier.
    pub(crate) fn id<T>(&mut self) -> Result<T, StoreError>
    where
        T: TryFrom<String>,
        T::Error: Display,
    {
        parse_id(self.take()?)
    }

    pub(crate) fn optional_id<T>(&mut self) -> Result<Option<T>, StoreError>
    where
        T: TryFrom<String>,
        T::Error: Display,
    {
        self.take::<Option<String>>()?.map(parse_id).transpose()
    }

    pub(crate) fn count(&mut self) -> Result<u64, StoreError> {
        unsigned(self.take()?)
    }

    pub(crate) fn optional_count(&mut self) -> Result<Option<u64>, StoreError> {
        self.take::<Option<i64>>()?.map(unsigned).transpose()
    }

    pub(crate) fn at(&mut self) -> Result<UnixMillis, StoreError> {
        self.count().map(UnixMillis)
    }

    pub(crate) fn optional_at(&mut self) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.optional_count()?.map(UnixMillis))
    }

    pub(crate) fn state(&mut self) -> Result<RunState, StoreError> {
        parse_state(&self.take::<String>()?)
    }

    fn json(&mut self) -> Result<Value, StoreError> {
        json::decode(&self.take::<String>()?)
    }

    fn folder(&mut self) -> Result<Option<Folder>, StoreError> {
        let stored = self.take::<Option<String>>()?;
        let unreadable =
            |error| StoreError::Corrupt(format!("the workspace of a session is unreadable: {error}"));
        stored.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
    }

    /// A text, also one that is not valid UTF-8.
    pub(crate) fn lossy_text(&mut self) -> Result<Option<Cow<'row, str>>, StoreError> {
        let column = self.next;
        self.next += 1;
        let text = self.row.get_ref(column)?.as_bytes_or_null().map_err(rusqlite::Error::from)?;
        Ok(text.map(String::from_utf8_lossy))
    }

    /// A message, whatever is stored in its place.
    fn message(&mut self) -> Result<Option<TranscriptMessage>, StoreError> {
        Ok(self.lossy_text()?.map(|text| TranscriptMessage::of_stored(&text)))
    }

    fn usage(&mut self) -> Result<Usage, StoreError> {
        Ok(Usage { input: self.count()?, output: self.count()? })
    }
}

fn parse_id<T>(text: String) -> Result<T, StoreError>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    T::try_from(text).map_err(|error| StoreError::Corrupt(format!("a stored identifier is invalid: {error}")))
}

fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("a stored number is negative: {number}")))
}

/// A row of `session_columns!`.
pub(crate) fn session(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let mut columns = Columns::of(row);
    Ok(SessionRow {
        key: columns.id()?,
        session_id: columns.id()?,
        agent: columns.id()?,
        parent: columns.optional_id()?,
        depth: columns.take()?,
        label: columns.take()?,
        settings: match columns.json()? {
            Value::Object(members) => members,
            _ => return Err(StoreError::Corrupt("a session's settings are not an object".to_owned())),
        },
        last_state: columns.take::<Option<String>>()?.as_deref().map(parse_state).transpose()?,
        last_run: columns.optional_id()?,
        created_at: columns.at()?,
        updated_at: columns.at()?,
        started_at: columns.optional_at()?,
        ended_at: columns.optional_at()?,
        model: columns.take()?,
        usage: columns.usage()?,
        workspace: columns.folder()?,
    })
}

/// A row of [`crate::sql::SESSION_WORKSPACES`].
pub(crate) fn workspace(row: &Row<'_>) -> Result<Option<Folder>, StoreError> {
    Columns::of(row).folder()
}

/// A row of `run_columns!`.
pub(crate) fn run(row: &Row<'_>) -> Result<RunRow, StoreError> {
    let mut columns = Columns::of(row);
    Ok(RunRow {
        id: columns.id()?,
        session: columns.id()?,
        session_id: columns.id()?,
        parent: columns.optional_id()?,
        root: columns.id()?,
        depth: columns.take()?,
        state: columns.state()?,
        label: columns.take()?,
        input: columns.message()?,
        spec: columns.json()?,
        error: columns.take()?,
        result: columns.take()?,
        model: columns.take()?,
        usage: columns.usage()?,
        boot: columns.take()?,
        created_at: columns.at()?,
        started_at: columns.optional_at()?,
        ended_at: columns.optional_at()?,
    })
}

/// A row of `entry_columns!`.
pub(crate) fn entry(row: &Row<'_>) -> Result<TranscriptEntry, StoreError> {
    let mut columns = Columns::of(row);
    let entry = TranscriptEntry {
        seq: columns.count()?,
        id: columns.take()?,
        run: columns.optional_id()?,
        message: columns.message()?.unwrap_or(TranscriptMessage::Unknown(Value::Null)),
        at: columns.at()?,
    };
    if let TranscriptMessage::Unknown(_) = &entry.message {
        tracing::warn!(
            entry = entry.id,
            "a stored message is damaged or of an unknown kind; it is not shown"
        );
    }
    Ok(entry)
}

/// A row of `inbox_columns!`.
pub(crate) fn inbox(row: &Row<'_>) -> Result<InboxRow, StoreError> {
    let mut columns = Columns::of(row);
    Ok(InboxRow {
        id: columns.count()?,
        session: columns.id()?,
        source: columns.id()?,
        source_session: columns.id()?,
        label: columns.take()?,
        outcome: parse_outcome(&columns.take::<String>()?)?,
        text: columns.take()?,
        consumed_at_seq: columns.optional_count()?,
        at: columns.at()?,
    })
}

/// Runs a statement that gives no rows; answers how many rows it changed.
pub(crate) fn execute(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<usize, StoreError> {
    Ok(connection.prepare_cached(statement)?.execute(params)?)
}

/// The first row of a statement, if it has one.
pub(crate) fn first<T>(
    connection: &Connection,
    statement: &str,
    params: impl Params,
    decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut prepared = connection.prepare_cached(statement)?;
    prepared.query_row(params, |row| Ok(decode(row))).optional()?.transpose()
}

/// The one row of a statement.
pub(crate) fn one<T>(
    connection: &Connection,
    statement: &str,
    params: impl Params,
    decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    first(connection, statement, params, decode)?
        .ok_or_else(|| StoreError::Corrupt("a row that must exist is missing".to_owned()))
}

/// All rows of a statement that can be read. One that cannot does not hide the others: it is left
/// out and logged.
pub(crate) fn all<T>(
    connection: &Connection,
    statement: &str,
    params: impl Params,
    mut decode: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut prepared = connection.prepare_cached(statement)?;
    let mut rows = prepared.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        match decode(row) {
            Ok(value) => values.push(value),
            Err(StoreError::Corrupt(reason)) => {
                tracing::warn!(%reason, statement, "a stored row is unreadable and was left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(values)
}

/// The only column of a row, as a count.
pub(crate) fn count(row: &Row<'_>) -> Result<u64, StoreError> {
    Columns::of(row).count()
}
