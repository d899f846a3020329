//! Inboxes: each result reaches one transcript position of its session, once.

use rusqlite::Connection;
use tidegate_protocol::{RunId, SessionId, SessionKey, UnixMillis};

use super::transcript;
use crate::open::FrameInbox;
use crate::records::{InboxRow, RunRow, TranscriptEntry};
use crate::rows::{self, integer, millis};
use crate::{Store, StoreError, sql};

impl Store {
    /// Moves what waits in the inbox of a running run's session to its transcript.
    ///
    /// # Errors
    /// [`StoreError::RunEnded`] when the run is not running, [`StoreError::NoSuchRun`] when there
    /// is none; when the store cannot be written.
    pub async fn consume_inbox(
        &self,
        run: RunId,
        at: UnixMillis,
    ) -> Result<Vec<TranscriptEntry>, StoreError> {
        let frame = self.frame_inbox();
        self.write(move |connection| {
            let place = transcript::running(connection, &run)?;
            let entries = consume(connection, &place.session, &place.session_id, &run, frame, at)?;
            if !entries.is_empty() {
                rows::execute(connection, sql::SESSION_TOUCH, (place.session.as_str(), millis(at)))?;
            }
            Ok(entries)
        })
        .await
    }

    /// Every row of a session's inbox, consumed ones included, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn inbox(&self, session: SessionKey) -> Result<Vec<InboxRow>, StoreError> {
        self.read(move |connection| rows::all(connection, sql::INBOX, [session.as_str()], rows::inbox)).await
    }
}

/// Appends each waiting row of the session's inbox and marks it with its position.
pub(super) fn consume(
    connection: &Connection,
    session: &SessionKey,
    session_id: &SessionId,
    run: &RunId,
    frame: FrameInbox,
    at: UnixMillis,
) -> Result<Vec<TranscriptEntry>, StoreError> {
    let waiting = rows::all(connection, sql::INBOX_WAITING, [session.as_str()], rows::inbox)?;
    let messages = waiting.iter().map(|row| frame(row, at)).collect();
    let entries = transcript::push(connection, session_id, run, messages, at)?;
    for (row, entry) in waiting.iter().zip(&entries) {
        rows::execute(
            connection,
            sql::INBOX_CONSUME,
            (integer(row.id), session_id.as_str(), integer(entry.seq)),
        )?;
    }
    Ok(entries)
}

/// Puts the result of a settled subagent into its parent session's inbox. Nothing is delivered for
/// a run without a parent, or to a session that was deleted.
pub(super) fn deliver(
    connection: &Connection,
    run: &RunRow,
    at: UnixMillis,
) -> Result<Option<InboxRow>, StoreError> {
    let crate::RunState::Terminal(outcome) = run.state else { return Ok(None) };
    let session = rows::one(connection, sql::RUN_PARENT_SESSION, [run.id.as_str()], |row| {
        rows::Columns::of(row).optional_id::<SessionKey>()
    })?;
    let Some(session) = session else { return Ok(None) };
    if rows::execute(connection, sql::SESSION_TOUCH, (session.as_str(), millis(at)))? == 0 {
        return Ok(None);
    }
    let text = match (outcome, &run.error, &run.result) {
        (crate::Outcome::Ok, _, Some(result)) => result.clone(),
        (crate::Outcome::Ok, _, None) => String::new(),
        // What it had written before it failed still helps its parent.
        (_, Some(error), Some(result)) if !result.is_empty() => format!("{error}\n\n{result}"),
        (_, Some(error), _) => error.clone(),
        (_, None, result) => result.clone().unwrap_or_default(),
    };
    rows::first(
        connection,
        sql::INBOX_INSERT,
        (
            session.as_str(),
            run.id.as_str(),
            run.session.as_str(),
            run.label.as_deref(),
            outcome.name(),
            text,
            millis(at),
        ),
        rows::inbox,
    )
}
