//! Room for what clients add. New sessions and messages stop well before the file is full, so that
//! answers, decisions and revocations can still be saved.

use rusqlite::Connection;

use crate::{StoreError, rows, sql};

/// Of so many parts of the largest size one is left for what is not a new message.
const RESERVE: u64 = 8;

/// How much may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// The most sessions.
    pub(crate) sessions: u64,
}

impl Room {
    /// Checks that a session that was just made, in the same transaction, is not one too many.
    pub(crate) fn holds_sessions(self, connection: &Connection) -> Result<(), StoreError> {
        let sessions = rows::one(connection, sql::SESSION_COUNT, [], rows::count)?;
        match sessions > self.sessions {
            true => Err(StoreError::TooManySessions { limit: self.sessions }),
            false => Ok(()),
        }
    }

    /// Checks that the file has room for another message.
    pub(crate) fn holds_a_message(self, connection: &Connection) -> Result<(), StoreError> {
        let pages = |name: &str| -> Result<u64, StoreError> {
            let pages: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
            Ok(u64::try_from(pages).unwrap_or_default())
        };
        let used = pages("page_count")?.saturating_sub(pages("freelist_count")?);
        let most = pages("max_page_count")?;
        match used > most - most / RESERVE {
            true => Err(StoreError::NoRoomForMessages),
            false => Ok(()),
        }
    }
}
