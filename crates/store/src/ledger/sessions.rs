//! Sessions.

use rusqlite::Connection;
use tidegate_protocol::{SessionId, SessionKey, UnixMillis};
use tidegate_trust::Folder;
use tidegate_trust::workspace::ChosenWorkspace;

use crate::records::{SessionFilter, SessionPatch, SessionRow};
use crate::room::Room;
use crate::rows::{self, integer, millis};
use crate::{Store, StoreError, json, sql};

impl Store {
    /// The session of this key, made when it is missing; then `new_id` is its transcript.
    ///
    /// # Errors
    /// When the store cannot be written; [`StoreError::Conflict`] when `new_id` is taken;
    /// [`StoreError::TooManySessions`] when there is no room for another.
    pub async fn ensure_session(
        &self,
        key: SessionKey,
        new_id: SessionId,
        at: UnixMillis,
    ) -> Result<SessionRow, StoreError> {
        // Most sessions exist, and then nothing has to wait for the writer.
        if let Some(session) = self.session(key.clone()).await? {
            return Ok(session);
        }
        let room = self.room();
        self.write(move |connection| {
            make(
                connection,
                &NewSession {
                    key: &key,
                    id: &new_id,
                    parent: None,
                    depth: 0,
                    label: None,
                    workspace: None,
                    at,
                },
                room,
            )?;
            find(connection, &key)?.ok_or_else(|| gone(&key))
        })
        .await
    }

    /// The session of this key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn session(&self, key: SessionKey) -> Result<Option<SessionRow>, StoreError> {
        self.read(move |connection| find(connection, &key)).await
    }

    /// The session whose current transcript has this id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn session_by_id(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.read(move |connection| rows::first(connection, sql::SESSION_BY_ID, [id.as_str()], rows::session))
            .await
    }

    /// The sessions that pass the filter, newest change first. A limit of 0 gives none.
    ///
    /// A search by text walks the sessions from the newest on until it has found enough.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sessions(&self, filter: SessionFilter) -> Result<Vec<SessionRow>, StoreError> {
        self.read(move |connection| list(connection, &filter)).await
    }

    /// How many sessions there are. Costs the same however many there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_sessions(&self) -> Result<u64, StoreError> {
        self.read(|connection| rows::one(connection, sql::SESSION_COUNT, [], rows::count)).await
    }

    /// Changes a session's label and settings; `None` when there is no such session.
    ///
    /// # Errors
    /// When the store cannot be written; [`StoreError::Invalid`] when a setting cannot be stored.
    pub async fn patch_session(
        &self,
        key: SessionKey,
        patch: SessionPatch,
        at: UnixMillis,
    ) -> Result<Option<SessionRow>, StoreError> {
        self.write(move |connection| change(connection, &key, patch, at)).await
    }

    /// Keeps a person's choice of the folder in which a session works, and with it those below it that work where
    /// it works. The session is made when it is missing; then `new_id` is its transcript.
    ///
    /// # Errors
    /// When the store cannot be written, or the folder's name is not UTF-8.
    pub async fn set_workspace(
        &self,
        chosen: ChosenWorkspace,
        new_id: SessionId,
        at: UnixMillis,
    ) -> Result<SessionRow, StoreError> {
        let room = self.room();
        self.write(move |connection| {
            let key = chosen.session();
            let folder = chosen.folder().map(stored).transpose()?;
            let new =
                NewSession { key, id: &new_id, parent: None, depth: 0, label: None, workspace: None, at };
            make(connection, &new, room)?;
            rows::execute(connection, sql::CHILDREN_WORKSPACE, (key.as_str(), &folder))?;
            let params = (key.as_str(), folder, millis(at));
            let row = rows::first(connection, sql::SESSION_WORKSPACE, params, rows::session)?;
            row.ok_or_else(|| gone(key))
        })
        .await
    }

    /// All folders that were chosen for sessions, each once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn workspaces(&self) -> Result<Vec<Folder>, StoreError> {
        let rows =
            self.read(|connection| rows::all(connection, sql::SESSION_WORKSPACES, [], rows::workspace));
        Ok(rows.await?.into_iter().flatten().collect())
    }

    /// Gives the session a new, empty transcript. The old one stays readable by its id. Runs that
    /// are running go on writing to the old one; queued ones start on the new one. Results that
    /// wait in the inbox stay there. `None` when there is no such session.
    ///
    /// # Errors
    /// When the store cannot be written; [`StoreError::Conflict`] when `new_id` is taken.
    pub async fn reset_session(
        &self,
        key: SessionKey,
        new_id: SessionId,
        at: UnixMillis,
    ) -> Result<Option<SessionRow>, StoreError> {
        self.write(move |connection| {
            let Some(session) = find(connection, &key)? else { return Ok(None) };
            rows::execute(connection, sql::TRANSCRIPT_ARCHIVE, (session.session_id.as_str(), millis(at)))?;
            rows::execute(connection, sql::TRANSCRIPT_INSERT, (new_id.as_str(), key.as_str(), millis(at)))?;
            rows::first(
                connection,
                sql::SESSION_RESET,
                (key.as_str(), new_id.as_str(), millis(at)),
                rows::session,
            )
        })
        .await
    }

    /// Removes a session and its inbox; false when there is no such session, or it has another transcript
    /// than `id`.
    ///
    /// Its runs stay known by their id, so that a client's retry starts nothing twice and a tree's
    /// budget does not grow back. Without `keep_transcript` its transcripts, archived ones
    /// included, and all text of its runs are removed.
    ///
    /// # Errors
    /// [`StoreError::SessionBusy`] while it has unfinished runs; when the store cannot be written.
    pub async fn delete_session(
        &self,
        key: SessionKey,
        id: SessionId,
        keep_transcript: bool,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| remove(connection, &key, &id, keep_transcript)).await
    }
}

/// What a session starts with.
pub(super) struct NewSession<'a> {
    pub(super) key: &'a SessionKey,
    pub(super) id: &'a SessionId,
    pub(super) parent: Option<&'a SessionKey>,
    pub(super) depth: u32,
    pub(super) label: Option<&'a str>,
    pub(super) workspace: Option<&'a Folder>,
    pub(super) at: UnixMillis,
}

/// Makes a session and its transcript unless the session exists.
pub(super) fn make(connection: &Connection, new: &NewSession<'_>, room: Room) -> Result<(), StoreError> {
    let made = rows::execute(
        connection,
        sql::SESSION_INSERT,
        (
            new.key.as_str(),
            new.id.as_str(),
            new.key.agent().as_str(),
            new.parent.map(SessionKey::as_str),
            new.depth,
            new.label,
            millis(new.at),
            new.workspace.map(stored).transpose()?,
        ),
    )?;
    if made > 0 {
        room.holds_sessions(connection)?;
        rows::execute(
            connection,
            sql::TRANSCRIPT_INSERT,
            (new.id.as_str(), new.key.as_str(), millis(new.at)),
        )?;
    }
    Ok(())
}

/// A folder as it is stored.
fn stored(folder: &Folder) -> Result<String, StoreError> {
    serde_json::to_string(folder).map_err(|error| StoreError::Invalid(error.to_string()))
}

pub(super) fn find(connection: &Connection, key: &SessionKey) -> Result<Option<SessionRow>, StoreError> {
    rows::first(connection, sql::SESSION, [key.as_str()], rows::session)
}

/// The error for a session that was there a moment ago, in the same transaction.
pub(super) fn gone(key: &SessionKey) -> StoreError {
    StoreError::Corrupt(format!("the session {:?} of a run is missing", key.as_str()))
}

fn list(connection: &Connection, filter: &SessionFilter) -> Result<Vec<SessionRow>, StoreError> {
    let statement = if filter.label.is_some() {
        sql::SESSIONS_WITH_LABEL
    } else if filter.spawned_by.is_some() {
        sql::SESSIONS_OF_PARENT
    } else {
        sql::SESSIONS_NEWEST
    };
    let params = (
        filter.updated_since.map_or(0, millis),
        filter.agent.as_ref().map(|agent| agent.as_str()),
        filter.spawned_by.as_ref().map(SessionKey::as_str),
        filter.label.as_deref(),
        filter.search.as_ref().map(|text| text.to_ascii_lowercase()),
        filter.archived,
        filter.with_runs,
        integer(u64::from(filter.limit)),
        integer(u64::from(filter.offset)),
    );
    rows::all(connection, statement, params, rows::session)
}

fn change(
    connection: &Connection,
    key: &SessionKey,
    patch: SessionPatch,
    at: UnixMillis,
) -> Result<Option<SessionRow>, StoreError> {
    let Some(session) = find(connection, key)? else { return Ok(None) };
    let label = patch.label.unwrap_or(session.label);
    let mut settings = session.settings;
    for (name, value) in patch.settings {
        if value.is_null() {
            settings.remove(&name);
        } else {
            settings.insert(name, value);
        }
    }
    let settings = json::encode(&serde_json::Value::Object(settings))?;
    rows::first(connection, sql::SESSION_PATCH, (key.as_str(), label, settings, millis(at)), rows::session)
}

fn remove(
    connection: &Connection,
    key: &SessionKey,
    id: &SessionId,
    keep_transcript: bool,
) -> Result<bool, StoreError> {
    let Some(session) = find(connection, key)?.filter(|session| session.session_id == *id) else {
        return Ok(false);
    };
    let unfinished = rows::one(connection, sql::RUNS_UNFINISHED_IN_SESSION, [key.as_str()], rows::count)?;
    if unfinished > 0 {
        return Err(StoreError::SessionBusy { unfinished });
    }
    if keep_transcript {
        let at = millis(session.updated_at);
        rows::execute(connection, sql::TRANSCRIPT_ARCHIVE, (session.session_id.as_str(), at))?;
    } else {
        rows::execute(connection, sql::TRANSCRIPTS_DELETE, [key.as_str()])?;
        rows::execute(connection, sql::RUNS_BLANK, [key.as_str()])?;
    }
    rows::execute(connection, sql::INBOX_DELETE, [key.as_str()])?;
    rows::execute(connection, sql::SESSION_DELETE, [key.as_str()])?;
    Ok(true)
}
