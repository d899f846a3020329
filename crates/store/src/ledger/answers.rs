//! Messages that were answered without a model.

use rusqlite::Connection;

use super::{runs, sessions, transcript};
use crate::records::{Answered, NewAnswer, NewRun, Outcome};
use crate::room::Room;
use crate::rows::{self, integer, millis};
use crate::{Store, StoreError, sql};

impl Store {
    /// Makes a run that has ended already, with its message and answer at the end of the session's
    /// transcript, in one transaction. Its id is the idempotency key. The session's inbox stays as
    /// it is, and what the session's other runs do stays its state.
    ///
    /// # Errors
    /// As for [`Store::begin_run`].
    pub async fn record_answer(&self, new: NewAnswer) -> Result<Answered, StoreError> {
        let room = self.room();
        self.write(move |connection| record(connection, new, room)).await
    }
}

fn record(connection: &Connection, new: NewAnswer, room: Room) -> Result<Answered, StoreError> {
    let NewAnswer { run: new, entries, result } = new;
    if let Some(existing) = runs::find(connection, &new.id)? {
        return Ok(if existing.session == new.session {
            Answered::Existing(existing)
        } else {
            Answered::TakenElsewhere
        });
    }
    room.holds_a_message(connection)?;
    let NewRun { id, session: key, new_session_id, at, .. } = &new;
    let made = sessions::NewSession {
        key,
        id: new_session_id,
        parent: None,
        depth: 0,
        label: None,
        workspace: None,
        at: *at,
    };
    sessions::make(connection, &made, room)?;
    let session = sessions::find(connection, key)?.ok_or_else(|| sessions::gone(key))?;
    let before = transcript::last_seq(connection, &session.session_id)?;
    runs::insert(connection, &new, &session.session_id, id, 0)?;
    rows::execute(connection, sql::RUN_MOVE, (id.as_str(), session.session_id.as_str(), integer(before)))?;
    let settled = (id.as_str(), Outcome::Ok.name(), None::<&str>, result, None::<&str>, 0, 0, millis(*at));
    let run = rows::one(connection, sql::RUN_SETTLE, settled, rows::run)?;
    let appended = transcript::push(connection, &session.session_id, id, entries, *at)?;
    rows::execute(connection, sql::SESSION_TOUCH, (key.as_str(), millis(*at)))?;
    Ok(Answered::New { run, appended })
}
