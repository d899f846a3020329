//! What a person decided about devices, programs and tokens, and the audit log.

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_protocol::text::one_line;
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::records::{Change, Subject, TrustRecords};

use crate::rows::{self, Columns, integer, millis};
use crate::{Store, StoreError, sql};

/// How many rows of the audit log are kept. The schema's triggers hold the same number.
const AUDIT_ROWS: u64 = 20_000;
/// The restriction that a person is asked about everything, whatever is allowed.
const ASK_EVERYTHING: &str = "ask-everything";

/// What was stored about others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadedTrust {
    /// The records that could be read.
    pub records: TrustRecords,
    /// Those that could not. They grant nothing, stay where they are, and are replaced when their
    /// subject is decided about again.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRecord {
    pub table: &'static str,
    /// The key of its row.
    pub key: String,
    /// Why it could not be read.
    pub reason: String,
}

impl Store {
    /// Everything that is stored about others. A record that cannot be read does not hide the rest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load_trust(&self) -> Result<LoadedTrust, StoreError> {
        self.read(load).await
    }

    /// Commits all changes, in their order, or none.
    ///
    /// # Errors
    /// When the store cannot be written; [`StoreError::Invalid`] for a record that has no JSON
    /// form, such as a path that is not Unicode.
    pub async fn commit_trust(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write(move |connection| changes.iter().try_for_each(|change| apply(connection, change))).await
    }

    /// The newest `limit` events of the audit log, oldest first. The log keeps 20,000. In the place of one
    /// that is damaged stands an event that says so.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn audit_tail(&self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        self.read(move |connection| {
            let mut events = rows::all(connection, sql::AUDIT_TAIL, [limit], audit_event)?;
            events.reverse();
            Ok(events)
        })
        .await
    }
}

fn audit_event(row: &Row<'_>) -> Result<AuditEvent, StoreError> {
    let mut columns = Columns::of(row);
    let (number, at) = (columns.count()?, columns.at()?);
    let kind = columns.lossy_text()?.unwrap_or_default();
    let body = columns.lossy_text()?.unwrap_or_default();
    Ok(decode(&body).unwrap_or_else(|reason| {
        tracing::warn!(number, reason, "an entry of the audit log is damaged");
        let line = format!("audit entry damaged number={number} kind={}", one_line(&kind, 60));
        AuditEvent::new(at, AuditKind::EntryDamaged, format!("entry {number}"), line)
    }))
}

fn load(connection: &Connection) -> Result<LoadedTrust, StoreError> {
    let mut unreadable = Vec::new();
    let records = TrustRecords {
        devices: table(connection, "devices", sql::DEVICES, &mut unreadable)?,
        programs: table(connection, "program_grants", sql::PROGRAM_GRANTS, &mut unreadable)?,
        tokens: table(connection, "program_tokens", sql::PROGRAM_TOKENS, &mut unreadable)?,
        shared_token: table(connection, "shared_token", sql::SHARED_TOKEN, &mut unreadable)?.pop(),
        blocks: table(connection, "blocks", sql::BLOCKS, &mut unreadable)?,
        settings: table(connection, "settings", sql::SETTINGS, &mut unreadable)?,
        permissions: table(connection, "permissions", sql::PERMISSIONS, &mut unreadable)?,
        ask_everything: rows::one(connection, sql::RESTRICTION_HOLDS, [ASK_EVERYTHING], rows::count)? > 0,
    };
    for record in &unreadable {
        tracing::warn!(table = record.table, reason = %record.reason, "a trust record is unreadable and grants nothing");
    }
    Ok(LoadedTrust { records, unreadable })
}

fn table<T: DeserializeOwned>(
    connection: &Connection,
    table: &'static str,
    statement: &str,
    unreadable: &mut Vec<UnreadableRecord>,
) -> Result<Vec<T>, StoreError> {
    let stored: Vec<(String, String)> = rows::all(connection, statement, [], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.take()?, columns.take()?))
    })?;
    let mut records = Vec::with_capacity(stored.len());
    for (key, body) in stored {
        match decode(&body) {
            Ok(record) => records.push(record),
            Err(reason) => unreadable.push(UnreadableRecord { table, key, reason }),
        }
    }
    Ok(records)
}

fn apply(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutDevice(record) => put(connection, sql::DEVICE_PUT, &record.id.to_string(), record)?,
        Change::RemoveDevice(id) => rows::execute(connection, sql::DEVICE_REMOVE, [id.to_string()])?,
        Change::PutProgram(record) => put(connection, sql::PROGRAM_GRANT_PUT, &record.id, record)?,
        Change::RemoveProgram(id) => rows::execute(connection, sql::PROGRAM_GRANT_REMOVE, [id])?,
        Change::PutToken(record) => put(connection, sql::PROGRAM_TOKEN_PUT, &record.id, record)?,
        Change::RemoveToken(id) => rows::execute(connection, sql::PROGRAM_TOKEN_REMOVE, [id])?,
        Change::PutSharedToken(record) => {
            rows::execute(connection, sql::SHARED_TOKEN_PUT, [encode(record)?])?
        }
        Change::PutBlock(record) => put(connection, sql::BLOCK_PUT, &subject(&record.subject)?, record)?,
        Change::RemoveBlock(blocked) => rows::execute(connection, sql::BLOCK_REMOVE, [subject(blocked)?])?,
        Change::PutSetting(record) => put(connection, sql::SETTING_PUT, record.setting.path(), record)?,
        Change::PutPermission(record) => put(connection, sql::PERMISSION_PUT, &record.id, record)?,
        Change::RemovePermission(id) => rows::execute(connection, sql::PERMISSION_REMOVE, [id])?,
        Change::AskEverything(asks) => {
            let statement = if *asks { sql::RESTRICTION_PUT } else { sql::RESTRICTION_REMOVE };
            rows::execute(connection, statement, [ASK_EVERYTHING])?
        }
        Change::Audit(event) => audit(connection, event)?,
    };
    Ok(())
}

fn put(
    connection: &Connection,
    statement: &str,
    key: &str,
    record: &impl Serialize,
) -> Result<usize, StoreError> {
    rows::execute(connection, statement, (key, encode(record)?))
}

fn audit(connection: &Connection, event: &AuditEvent) -> Result<usize, StoreError> {
    let number = rows::one(
        connection,
        sql::AUDIT_ADD,
        (millis(event.at), event.kind.name(), &event.subject, encode(event)?),
        rows::count,
    )?;
    if number <= AUDIT_ROWS {
        return Ok(0);
    }
    rows::execute(connection, sql::AUDIT_TRIM, [integer(number - AUDIT_ROWS)])
}

fn subject(subject: &Subject) -> Result<String, StoreError> {
    encode(subject)
}

fn encode(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::Invalid(format!("a trust record cannot be stored: {error}")))
}

fn decode<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}
