//! How runs end: once.

use rusqlite::Connection;

use super::{inbox, transcript};
use crate::records::{Outcome, RunState, Settled, Settlement};
use crate::rows::{self, integer, millis};
use crate::{Store, StoreError, sql};

impl Store {
    /// Ends a run, if nothing ended it before. In the same transaction its last messages are
    /// appended, its session is brought up to date, and its parent's inbox gets the result.
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
            rows::outcome_name(outcome),
            error,
            result,
            model,
            integer(usage.input),
            integer(usage.output),
            millis(at),
        ),
        rows::run,
    )?;
    let Some(run) = settled else {
        return earlier_outcome(connection, id.as_str()).map(Settled::Already);
    };
    let appended = transcript::push(connection, &run.session_id, &id, entries, at)?;
    rows::execute(
        connection,
        sql::SESSION_SETTLED,
        (
            run.session.as_str(),
            id.as_str(),
            millis(at),
            rows::outcome_name(outcome),
            run.model.as_deref(),
            integer(run.usage.input),
            integer(run.usage.output),
        ),
    )?;
    let delivered = inbox::deliver(connection, &run, at)?;
    Ok(Settled::First { run, appended, delivered })
}

fn earlier_outcome(connection: &Connection, id: &str) -> Result<Outcome, StoreError> {
    let run = rows::first(connection, sql::RUN, [id], rows::run)?;
    match run.map(|run| run.state) {
        Some(RunState::Terminal(outcome)) => Ok(outcome),
        Some(_) => Err(StoreError::Internal("an unfinished run was not settled".to_owned())),
        None => Err(StoreError::NoSuchRun(id.to_owned())),
    }
}
