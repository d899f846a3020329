//! How runs end: once.

use rusqlite::Connection;
use tidegate_protocol::{TranscriptMessage, UnixMillis};

use super::{inbox, sessions, transcript};
use crate::records::{Outcome, RunRow, RunState, Settled, Settlement, TranscriptEntry};
use crate::rows::{self, integer, millis};
use crate::{Store, StoreError, sql};

impl Store {
    /// Ends a run, if nothing ended it before. In the same transaction its last messages are
    /// appended, its session is brought up to date, and its parent's inbox gets the result. What was
    /// said to a run that never began is appended, too, with a note, unless it was withdrawn.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`] when there is no such run; [`StoreError::Invalid`] when a message
    /// cannot be stored; when the store cannot be written.
    pub async fn settle_run(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.write(move |connection| settle(connection, settlement)).await
    }
}

pub(super) fn settle(connection: &Connection, settlement: Settlement) -> Result<Settled, StoreError> {
    let Settlement { run: id, outcome, error, result, model, usage, entries, at } = settlement;
    let settled = rows::first(
        connection,
        sql::RUN_SETTLE,
        (
            id.as_str(),
            outcome.name(),
            error,
            result,
            model,
            integer(usage.input),
            integer(usage.output),
            millis(at),
        ),
        rows::run,
    )?;
    let Some(mut run) = settled else {
        return earlier_outcome(connection, id.as_str()).map(Settled::Already);
    };
    let mut appended = append_unread_input(connection, &mut run, outcome, at)?;
    appended.extend(transcript::push(connection, &run.session_id, &id, entries, at)?);
    rows::execute(
        connection,
        sql::SESSION_SETTLED,
        (
            run.session.as_str(),
            id.as_str(),
            millis(at),
            outcome.name(),
            run.model.as_deref(),
            integer(run.usage.input),
            integer(run.usage.output),
        ),
    )?;
    let delivered = inbox::deliver(connection, &run, at)?;
    Ok(Settled::First { run, appended, delivered })
}

/// Keeps what was said to a run that never began: it was acknowledged, so its session shows it. It
/// stands where the run would have put it, in the transcript that the session has now.
fn append_unread_input(
    connection: &Connection,
    run: &mut RunRow,
    outcome: Outcome,
    at: UnixMillis,
) -> Result<Vec<TranscriptEntry>, StoreError> {
    let Some(input) = run.input.clone().filter(|_| run.started_at.is_none() && outcome != Outcome::Cancelled)
    else {
        return Ok(Vec::new());
    };
    let Some(session) = sessions::find(connection, &run.session)? else { return Ok(Vec::new()) };
    run.session_id = session.session_id;
    let before = transcript::last_seq(connection, &run.session_id)?;
    rows::execute(connection, sql::RUN_MOVE, (run.id.as_str(), run.session_id.as_str(), integer(before)))?;
    let reason = run.error.as_deref().unwrap_or("it ended before it began").trim_end_matches('.');
    let note = format!("The message above was not worked on: {reason}. It is not started again by itself.");
    let messages = vec![input, TranscriptMessage::runtime(note, at)];
    transcript::push(connection, &run.session_id, &run.id, messages, at)
}

fn earlier_outcome(connection: &Connection, id: &str) -> Result<Outcome, StoreError> {
    let run = rows::first(connection, sql::RUN, [id], rows::run)?;
    match run.map(|run| run.state) {
        Some(RunState::Terminal(outcome)) => Ok(outcome),
        Some(_) => Err(StoreError::Internal("an unfinished run was not settled".to_owned())),
        None => Err(StoreError::NoSuchRun(id.to_owned())),
    }
}
