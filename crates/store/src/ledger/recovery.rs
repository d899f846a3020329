//! What a start does about the process before it: nothing is run again, everything is said.

use rusqlite::Connection;
use tidegate_protocol::transcript::{RecordedCall, ResultDetails};
use tidegate_protocol::{SessionKey, TranscriptMessage, UnixMillis};

use super::{runs, settle};
use crate::records::{Outcome, Recovery, RunRow, RunState, Settled, Settlement, TranscriptEntry};
use crate::rows::{self, integer};
use crate::{Store, StoreError, sql};

const WAS_QUEUED: &str = "Tidegate stopped while this run was queued.";
const WAS_WORKING: &str = "Tidegate stopped while this run was working.";
const UNKNOWN_OUTCOME: &str =
    "The outcome of this call is unknown: Tidegate stopped while it ran. Check before you repeat it.";

impl Store {
    /// Settles as interrupted each unfinished run of another process start than `boot`, answers
    /// its open tool calls with "outcome unknown", appends what was said to it when it had not begun,
    /// and puts it into its parent's inbox; all in one transaction. Doing it again changes nothing.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn recover(&self, boot: String, at: UnixMillis) -> Result<Recovery, StoreError> {
        self.write(move |connection| recover(connection, &boot, at)).await
    }
}

fn recover(connection: &Connection, boot: &str, at: UnixMillis) -> Result<Recovery, StoreError> {
    let mut interrupted = Vec::new();
    for run in runs::unfinished(connection)?.into_iter().filter(|run| run.boot != boot) {
        let (error, entries) = if run.state == RunState::Queued {
            (WAS_QUEUED, Vec::new())
        } else {
            (WAS_WORKING, unknown_outcomes(&entries_of(connection, &run)?, at))
        };
        let settlement = Settlement {
            run: run.id,
            outcome: Outcome::Interrupted,
            error: Some(error.to_owned()),
            result: None,
            model: run.model,
            usage: run.usage,
            entries,
            at,
        };
        if let Settled::First { run, .. } = settle::settle(connection, settlement)? {
            interrupted.push(run);
        }
    }
    let mut waiting_inboxes = rows::all(connection, sql::INBOX_WAITING_SESSIONS, [], |row| {
        rows::Columns::of(row).id::<SessionKey>()
    })?;
    waiting_inboxes.sort();
    Ok(Recovery { interrupted, waiting_inboxes })
}

fn entries_of(connection: &Connection, run: &RunRow) -> Result<Vec<TranscriptEntry>, StoreError> {
    let before = rows::one(connection, sql::RUN_BEFORE_SEQ, [run.id.as_str()], rows::count)?;
    rows::all(
        connection,
        sql::ENTRIES_OF_RUN,
        (run.session_id.as_str(), integer(before), run.id.as_str()),
        rows::entry,
    )
}

/// A result for each tool call that has none. A model may use one call id again, so a result
/// answers only the calls before it.
fn unknown_outcomes(entries: &[TranscriptEntry], timestamp: UnixMillis) -> Vec<TranscriptMessage> {
    let mut open: Vec<&RecordedCall> = Vec::new();
    for entry in entries {
        match &entry.message {
            TranscriptMessage::Assistant { content, .. } => open.extend(&content.calls),
            TranscriptMessage::ToolResult { tool_call_id, .. } => {
                open.retain(|call| call.id != *tool_call_id)
            }
            _ => {}
        }
    }
    let unknown = |call: &RecordedCall| TranscriptMessage::ToolResult {
        tool_call_id: call.id.clone(),
        tool_name: call.name.clone(),
        text: UNKNOWN_OUTCOME.to_owned(),
        is_error: true,
        timestamp,
        details: ResultDetails::default(),
    };
    open.into_iter().map(unknown).collect()
}
