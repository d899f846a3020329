//! Runs: how they begin and how they are found.

use std::collections::HashSet;

use rusqlite::Connection;
use tidegate_protocol::{RunId, SessionId, SessionKey, UnixMillis};

use super::sessions::{self, NewSession};
use super::{inbox, transcript};
use crate::open::FrameInbox;
use crate::records::{BegunRun, NewRun, ParentEdge, RunRow, RunState, StartedRun};
use crate::room::Room;
use crate::rows::{self, Columns, integer, millis};
use crate::{Store, StoreError, json, sql};

impl Store {
    /// Makes a run durable: its session, its place under its parent, its input, in one
    /// transaction. Its id is the idempotency key: asking again with the same id makes nothing.
    ///
    /// # Errors
    /// When the store cannot be written; [`StoreError::Invalid`] when input or spec cannot be
    /// stored; [`StoreError::TooManySessions`] or [`StoreError::NoRoomForMessages`] when there is no
    /// room for it.
    pub async fn begin_run(&self, new: NewRun) -> Result<BegunRun, StoreError> {
        let room = self.room();
        self.write(move |connection| begin(connection, &new, room)).await
    }

    /// Lets a queued run begin. What waits in its session's inbox is appended to the session's
    /// current transcript, each row once, and then the run's input. `None` when the run is not
    /// queued any more.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn start_run(&self, run: RunId, at: UnixMillis) -> Result<Option<StartedRun>, StoreError> {
        let frame = self.frame_inbox();
        self.write(move |connection| start(connection, &run, frame, at)).await
    }

    /// The run of this id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        self.read(move |connection| find(connection, &id)).await
    }

    /// The runs that runs of this session spawned, newest first. With `since` only those that are
    /// unfinished or ended then or later.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn children(
        &self,
        session: SessionKey,
        since: Option<UnixMillis>,
    ) -> Result<Vec<RunRow>, StoreError> {
        self.read(move |connection| match since {
            None => rows::all(connection, sql::RUNS_CHILDREN, [session.as_str()], rows::run),
            Some(since) => {
                rows::all(connection, sql::RUNS_CHILDREN_SINCE, (session.as_str(), millis(since)), rows::run)
            }
        })
        .await
    }

    /// Every run below this one, parents before their children.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn descendants(&self, run: RunId) -> Result<Vec<RunRow>, StoreError> {
        self.read(move |connection| below(connection, run)).await
    }

    /// Every run that is queued or running, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unfinished_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.read(unfinished).await
    }
}

pub(super) fn unfinished(connection: &Connection) -> Result<Vec<RunRow>, StoreError> {
    rows::all(connection, sql::RUNS_UNFINISHED, [], rows::run)
}

pub(super) fn find(connection: &Connection, id: &RunId) -> Result<Option<RunRow>, StoreError> {
    rows::first(connection, sql::RUN, [id.as_str()], rows::run)
}

/// The root of the tree that a new run joins, or why it may not join it.
fn join_tree(connection: &Connection, edge: &ParentEdge) -> Result<Result<RunId, BegunRun>, StoreError> {
    let parent = rows::first(connection, sql::RUN_TREE_PLACE, [edge.run.as_str()], |row| {
        let mut columns = Columns::of(row);
        Ok((columns.id::<RunId>()?, columns.state()?))
    })?;
    let Some((root, RunState::Queued | RunState::Running)) = parent else {
        return Ok(Err(BegunRun::ParentEnded));
    };
    let active = rows::one(connection, sql::RUNS_ACTIVE_CHILDREN, [edge.session.as_str()], rows::count)?;
    if active >= u64::from(edge.max_active_children) {
        return Ok(Err(BegunRun::TooManyChildren { active: u32::try_from(active).unwrap_or(u32::MAX) }));
    }
    let total = rows::one(connection, sql::RUNS_IN_TREE, [root.as_str()], rows::count)?;
    if total >= u64::from(edge.max_descendants) {
        return Ok(Err(BegunRun::TooManyDescendants { total: u32::try_from(total).unwrap_or(u32::MAX) }));
    }
    Ok(Ok(root))
}

fn begin(connection: &Connection, new: &NewRun, room: Room) -> Result<BegunRun, StoreError> {
    if let Some(existing) = find(connection, &new.id)? {
        let same_session = existing.session == new.session;
        return Ok(if same_session { BegunRun::Existing(existing) } else { BegunRun::TakenElsewhere });
    }
    // A run without one reads results that are stored already.
    if new.input.is_some() {
        room.holds_a_message(connection)?;
    }
    let root = match &new.parent {
        None => new.id.clone(),
        Some(edge) => match join_tree(connection, edge)? {
            Ok(root) => root,
            Err(refused) => return Ok(refused),
        },
    };
    let edge = new.parent.as_ref();
    let depth = edge.map_or(0, |edge| edge.depth);
    sessions::make(
        connection,
        &NewSession {
            key: &new.session,
            id: &new.new_session_id,
            parent: edge.map(|edge| &edge.session),
            depth,
            label: new.label.as_deref(),
            workspace: edge.and_then(|edge| edge.workspace.as_ref()),
            at: new.at,
        },
        room,
    )?;
    rows::execute(connection, sql::SESSION_QUEUED, (new.session.as_str(), new.id.as_str(), millis(new.at)))?;
    let session = sessions::find(connection, &new.session)?.ok_or_else(|| sessions::gone(&new.session))?;
    let run = insert(connection, new, &session.session_id, &root, depth)?;
    Ok(BegunRun::Created(run))
}

/// Makes the row of a run.
pub(super) fn insert(
    connection: &Connection,
    new: &NewRun,
    session_id: &SessionId,
    root: &RunId,
    depth: u32,
) -> Result<RunRow, StoreError> {
    let edge = new.parent.as_ref();
    rows::one(
        connection,
        sql::RUN_INSERT,
        (
            new.id.as_str(),
            new.session.as_str(),
            session_id.as_str(),
            edge.map(|edge| edge.run.as_str()),
            edge.map(|edge| edge.session.as_str()),
            root.as_str(),
            depth,
            new.label.as_deref(),
            new.input.as_ref().map(json::encode).transpose()?,
            json::encode(&new.spec)?,
            new.boot.as_str(),
            millis(new.at),
        ),
        rows::run,
    )
}

fn start(
    connection: &Connection,
    id: &RunId,
    frame: FrameInbox,
    at: UnixMillis,
) -> Result<Option<StartedRun>, StoreError> {
    let Some(queued) = find(connection, id)?.filter(|run| run.state == RunState::Queued) else {
        return Ok(None);
    };
    let session =
        sessions::find(connection, &queued.session)?.ok_or_else(|| sessions::gone(&queued.session))?;
    let before = transcript::last_seq(connection, &session.session_id)?;
    let started = rows::first(
        connection,
        sql::RUN_START,
        (id.as_str(), session.session_id.as_str(), integer(before), millis(at)),
        rows::run,
    )?;
    let Some(run) = started else { return Ok(None) };
    rows::execute(connection, sql::SESSION_STARTED, (run.session.as_str(), id.as_str(), millis(at)))?;
    let mut appended = inbox::consume(connection, &run.session, &run.session_id, id, frame, at)?;
    let input = run.input.clone().into_iter().collect();
    appended.extend(transcript::push(connection, &run.session_id, id, input, at)?);
    Ok(Some(StartedRun { run, appended }))
}

fn below(connection: &Connection, run: RunId) -> Result<Vec<RunRow>, StoreError> {
    let root =
        rows::first(connection, sql::RUN_TREE_PLACE, [run.as_str()], |row| Columns::of(row).id::<RunId>())?;
    let Some(root) = root else { return Ok(Vec::new()) };
    let tree = rows::all(connection, sql::RUNS_OF_TREE, [root.as_str()], rows::run)?;
    // A parent is older than its children, so one pass in order finds them all.
    let mut family = HashSet::from([run]);
    Ok(tree
        .into_iter()
        .filter(|candidate| {
            let descends = candidate.parent.as_ref().is_some_and(|parent| family.contains(parent));
            descends && family.insert(candidate.id.clone())
        })
        .collect())
}
