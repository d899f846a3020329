//! Forgetting runs that ended long ago. What was said stays in the transcripts.

use rusqlite::Connection;
use tidegate_protocol::{RunId, SessionKey, UnixMillis};

use crate::records::OldRuns;
use crate::rows::{self, Columns, integer, millis};
use crate::{Store, StoreError, sql};

impl Store {
    /// Looks at up to `limit` runs, oldest first, from the position `after` (0 at first), for such
    /// as may be forgotten: they ended before `ended_before`, nothing of their tree is unfinished,
    /// they are not the last run of their session, and their result was read. Only reads.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn old_runs(
        &self,
        after: u64,
        ended_before: UnixMillis,
        limit: u32,
    ) -> Result<OldRuns, StoreError> {
        self.read(move |connection| look(connection, after, ended_before, limit)).await
    }

    /// Forgets ended runs, and the rows with their results in inboxes where those were read. Gives
    /// the number of runs that there were.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_runs(&self, runs: Vec<RunId>) -> Result<u64, StoreError> {
        self.write(move |connection| {
            let mut forgotten = 0;
            for run in &runs {
                let family = rows::first(connection, sql::RUN_PARENT_SESSION, [run.as_str()], |row| {
                    Columns::of(row).optional_id::<SessionKey>()
                })?;
                if let Some(parent) = family.flatten() {
                    rows::execute(connection, sql::INBOX_FORGET, (parent.as_str(), run.as_str()))?;
                }
                forgotten += rows::execute(connection, sql::RUN_FORGET, [run.as_str()])? as u64;
            }
            Ok(forgotten)
        })
        .await
    }
}

struct Looked {
    number: u64,
    id: RunId,
    is_old: bool,
    created_at: UnixMillis,
}

fn look(
    connection: &Connection,
    after: u64,
    ended_before: UnixMillis,
    limit: u32,
) -> Result<OldRuns, StoreError> {
    let looked =
        rows::all(connection, sql::RUNS_OLDEST, (integer(after), millis(ended_before), limit), |row| {
            let mut columns = Columns::of(row);
            Ok(Looked {
                number: columns.count()?,
                id: columns.id()?,
                created_at: columns.at()?,
                is_old: columns.take()?,
            })
        })?;
    // Runs are in the order of their making, so after the first new one there are no old ones.
    let is_over = looked.len() < limit as usize || looked.iter().any(|run| run.created_at >= ended_before);
    Ok(OldRuns {
        next: looked.last().filter(|_| !is_over).map(|run| run.number),
        runs: looked.into_iter().filter(|run| run.is_old).map(|run| run.id).collect(),
    })
}
