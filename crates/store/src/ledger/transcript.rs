//! Transcripts.

use rusqlite::Connection;
use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage, UnixMillis};

use crate::records::{InputReceipt, RunState, TranscriptEntry, TranscriptPage};
use crate::rows::{self, Columns, integer, millis};
use crate::{Store, StoreError, json, sql};

impl Store {
    /// The newest `limit` entries of a transcript before position `before_seq`, oldest first. A
    /// transcript that does not exist has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn transcript(
        &self,
        id: SessionId,
        before_seq: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TranscriptEntry>, StoreError> {
        self.read(move |connection| {
            let before = before_seq.map_or(i64::MAX, integer);
            let mut entries =
                rows::all(connection, sql::ENTRIES_BEFORE, (id.as_str(), before, limit), rows::entry)?;
            entries.reverse();
            Ok(entries)
        })
        .await
    }

    /// A page of a transcript: the newest `limit` entries before its last `offset` ones, and how many
    /// entries it has. A transcript that does not exist has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn transcript_page(
        &self,
        id: SessionId,
        offset: u64,
        limit: u32,
    ) -> Result<TranscriptPage, StoreError> {
        self.read(move |connection| {
            let total = last_seq(connection, &id)?;
            let before = (total + 1).saturating_sub(offset);
            let mut entries = rows::all(
                connection,
                sql::ENTRIES_BEFORE,
                (id.as_str(), integer(before), limit),
                rows::entry,
            )?;
            entries.reverse();
            Ok(TranscriptPage { entries, total })
        })
        .await
    }

    /// One entry of a transcript, by its id. Walks that transcript.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn entry(
        &self,
        session: SessionId,
        entry: String,
    ) -> Result<Option<TranscriptEntry>, StoreError> {
        self.read(move |connection| {
            rows::first(connection, sql::ENTRY, (session.as_str(), entry.as_str()), rows::entry)
        })
        .await
    }

    /// What became of the inputs of these runs in a transcript. Runs that are unknown, belong to
    /// another transcript or were withdrawn before they began have no receipt.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn input_receipts(
        &self,
        session: SessionId,
        runs: Vec<RunId>,
    ) -> Result<Vec<InputReceipt>, StoreError> {
        self.read(move |connection| {
            let mut receipts = Vec::with_capacity(runs.len());
            for run in runs {
                receipts.extend(receipt(connection, &session, run)?);
            }
            Ok(receipts)
        })
        .await
    }

    /// Appends messages to the transcript of a running run.
    ///
    /// # Errors
    /// [`StoreError::RunEnded`] when the run is not running, [`StoreError::NoSuchRun`] when there
    /// is none; [`StoreError::Invalid`] when a message cannot be stored; when the store cannot be
    /// written.
    pub async fn append(
        &self,
        run: RunId,
        messages: Vec<TranscriptMessage>,
        at: UnixMillis,
    ) -> Result<Vec<TranscriptEntry>, StoreError> {
        self.write(move |connection| {
            let place = running(connection, &run)?;
            if messages.is_empty() {
                return Ok(Vec::new());
            }
            rows::execute(connection, sql::SESSION_TOUCH, (place.session.as_str(), millis(at)))?;
            push(connection, &place.session_id, &run, messages, at)
        })
        .await
    }
}

fn receipt(
    connection: &Connection,
    session: &SessionId,
    run: RunId,
) -> Result<Option<InputReceipt>, StoreError> {
    let Some(place) = place(connection, &run)?.filter(|place| place.session_id == *session) else {
        return Ok(None);
    };
    if place.state == RunState::Queued {
        return Ok(Some(InputReceipt { run, entry: None }));
    }
    let before = rows::one(connection, sql::RUN_BEFORE_SEQ, [run.as_str()], rows::count)?;
    let params = (session.as_str(), integer(before), run.as_str());
    let entry = rows::first(connection, sql::ENTRY_OF_INPUT, params, |row| Columns::of(row).take())?;
    Ok(entry.map(|entry: String| InputReceipt { run, entry: Some(entry) }))
}

/// Where a run writes.
pub(super) struct Place {
    pub(super) session: SessionKey,
    pub(super) session_id: SessionId,
    state: RunState,
}

/// Where a running run writes: the fence that keeps an ended run from writing.
pub(super) fn running(connection: &Connection, run: &RunId) -> Result<Place, StoreError> {
    match place(connection, run)? {
        Some(place) if place.state == RunState::Running => Ok(place),
        Some(_) => Err(StoreError::RunEnded),
        None => Err(StoreError::NoSuchRun(run.to_string())),
    }
}

fn place(connection: &Connection, run: &RunId) -> Result<Option<Place>, StoreError> {
    rows::first(connection, sql::RUN_PLACE, [run.as_str()], |row| {
        let mut columns = Columns::of(row);
        Ok(Place { session: columns.id()?, session_id: columns.id()?, state: columns.state()? })
    })
}

/// The position of the last entry; 0 for an empty transcript.
pub(super) fn last_seq(connection: &Connection, id: &SessionId) -> Result<u64, StoreError> {
    rows::one(connection, sql::ENTRY_LAST_SEQ, [id.as_str()], rows::count)
}

/// Appends messages at the end of a transcript.
pub(super) fn push(
    connection: &Connection,
    id: &SessionId,
    run: &RunId,
    messages: Vec<TranscriptMessage>,
    at: UnixMillis,
) -> Result<Vec<TranscriptEntry>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let mut seq = last_seq(connection, id)?;
    let mut insert = connection.prepare_cached(sql::ENTRY_INSERT)?;
    let mut entries = Vec::with_capacity(messages.len());
    for message in messages {
        seq += 1;
        let entry_id = uuid::Uuid::new_v4().to_string();
        let text = json::encode(&message)?;
        insert.execute((id.as_str(), integer(seq), &entry_id, run.as_str(), text, millis(at)))?;
        entries.push(TranscriptEntry { seq, id: entry_id, run: Some(run.clone()), message, at });
    }
    Ok(entries)
}
