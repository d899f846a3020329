//! A run while it is queued or works: what others may do to it and see of it.

mod deadline;
mod spec;

use std::sync::{Arc, Mutex, OnceLock};

pub use tidegate_protocol::payload::surfaces::RunActivity as Activity;
use tidegate_protocol::{RunId, SessionKey, UnixMillis};
use tidegate_store::{Outcome, RunRow};
use tidegate_trust::Folder;
use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::deadline::Deadline;
pub(crate) use self::spec::{Cleanup, RunSpec, RunTrigger};
use crate::authority::RunAuthority;
use crate::event::{RunEventKind, RuntimeEvent};
use crate::model::ModelName;
use crate::sync::lock;
use crate::tool::NetworkUse;

/// Why a run was told to stop. The first reason counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopCause {
    /// A person, a client or an ancestor stopped it.
    Cancelled,
    /// The access of the client that its tree works for was revoked.
    Revoked,
    /// Its time was over.
    DeadlinePassed,
    /// The program ends.
    Shutdown,
}

/// A run that has not ended, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRun {
    pub run: RunId,
    pub session: SessionKey,
    /// The run that spawned it.
    pub parent: Option<RunId>,
    pub label: Option<String>,
    /// Number of spawns above it.
    pub depth: u32,
    pub activity: Activity,
    /// The tool that it calls now. While that asks a person, the activity is [`Activity::Waiting`].
    pub tool: Option<String>,
    /// When it was accepted.
    pub since: UnixMillis,
}

/// The live side of a run.
pub(crate) struct RunHandle {
    pub(crate) row: RunRow,
    pub(crate) spec: RunSpec,
    /// Spawns above its session; more than the row's for a run that a client starts in a
    /// subagent's session.
    pub(crate) depth: u32,
    /// The run that spawned it, as it was then.
    pub(crate) parent: Option<Arc<RunHandle>>,
    pub(crate) deadline: Deadline,
    /// Its session's turn has come.
    pub(crate) turn: Notify,
    /// A subagent ended, or a result came.
    pub(crate) news: Notify,
    /// What it has of the runtime's places, while it works.
    pub(crate) place: Mutex<Option<OwnedSemaphorePermit>>,
    /// The model that it uses.
    pub(crate) model: OnceLock<ModelName>,
    /// What it may do since it started, where that is in another folder than it was accepted with.
    started_with: OnceLock<RunAuthority>,
    pub(crate) done: watch::Sender<Option<Arc<RunRow>>>,
    /// Shared by a whole task: what one run read can come to all others.
    pub(crate) network: NetworkUse,
    activity: Mutex<Activity>,
    tool: Mutex<Option<String>>,
    cause: OnceLock<StopCause>,
    /// Ends this run and everything below it.
    tree: CancellationToken,
    /// Ends this run.
    stop: CancellationToken,
    events: broadcast::Sender<Arc<RuntimeEvent>>,
    seq: Mutex<u64>,
}

impl RunHandle {
    pub(crate) fn new(
        row: RunRow,
        spec: RunSpec,
        session_depth: u32,
        parent: Option<Arc<Self>>,
        events: broadcast::Sender<Arc<RuntimeEvent>>,
    ) -> Self {
        let tree = parent.as_ref().map_or_else(CancellationToken::new, |parent| parent.tree.child_token());
        let network = parent.as_ref().map(|parent| parent.network.clone()).unwrap_or_default();
        Self {
            network,
            depth: row.depth.max(session_depth),
            deadline: Deadline::new(spec.timeout()),
            stop: tree.child_token(),
            turn: Notify::new(),
            news: Notify::new(),
            place: Mutex::new(None),
            model: OnceLock::new(),
            started_with: OnceLock::new(),
            done: watch::Sender::new(None),
            activity: Mutex::new(Activity::Queued),
            tool: Mutex::new(None),
            cause: OnceLock::new(),
            seq: Mutex::new(0),
            row,
            spec,
            parent,
            tree,
            events,
        }
    }

    pub(crate) fn id(&self) -> &RunId {
        &self.row.id
    }

    pub(crate) fn session(&self) -> &SessionKey {
        &self.row.session
    }

    /// What it may do.
    pub(crate) fn authority(&self) -> &RunAuthority {
        self.started_with.get().unwrap_or(&self.spec.authority)
    }

    /// Has it work in a folder that a person chose for its session. Only before it starts: the first one
    /// counts.
    pub(crate) fn work_in(&self, folder: Folder) {
        let _ = self.started_with.set(self.spec.authority.clone().in_folder(folder));
    }

    pub(crate) fn parent_session(&self) -> Option<&SessionKey> {
        self.parent.as_ref().map(|parent| parent.session())
    }

    /// The runs above it, nearest first.
    pub(crate) fn above(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(self.parent.as_deref(), |run| run.parent.as_deref())
    }

    pub(crate) fn is_subagent(&self) -> bool {
        self.parent.is_some()
    }

    /// The first run of its task: itself, or the run that began what it is part of.
    pub(crate) fn task(&self) -> &RunId {
        self.above().last().unwrap_or(self).id()
    }

    /// Names of the runs above it, for a person.
    pub(crate) fn ancestor_names(&self) -> Vec<String> {
        self.above().map(|run| run.row.label.clone().unwrap_or_else(|| run.session().to_string())).collect()
    }

    /// Whether its parent waits for its end.
    pub(crate) fn is_expected_by(&self, parent: &RunId) -> bool {
        self.spec.expects_completion && self.row.parent.as_ref() == Some(parent)
    }

    /// Stops this run; its subagents go on.
    pub(crate) fn stop(&self, cause: StopCause) {
        let _ = self.cause.set(cause);
        self.stop.cancel();
    }

    /// Stops this run and everything below it.
    pub(crate) fn stop_tree(&self, cause: StopCause) {
        let _ = self.cause.set(cause);
        self.tree.cancel();
    }

    /// The token that its tools watch.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// How it ends after having been stopped, with a sentence.
    pub(crate) fn stopped_outcome(&self) -> (Outcome, &'static str) {
        match self.cause.get() {
            None | Some(StopCause::Cancelled) => (Outcome::Cancelled, "the run was stopped"),
            Some(StopCause::Revoked) => {
                (Outcome::Cancelled, "the run was stopped because the access of its client was revoked")
            }
            Some(StopCause::DeadlinePassed) => (Outcome::TimedOut, "the run's time was over"),
            Some(StopCause::Shutdown) => (Outcome::Interrupted, "Tidegate was closed while the run worked"),
        }
    }

    pub(crate) fn activity(&self) -> Activity {
        *lock(&self.activity)
    }

    pub(crate) fn set_activity(&self, activity: Activity) {
        *lock(&self.activity) = activity;
    }

    pub(crate) fn set_tool(&self, tool: Option<String>) {
        *lock(&self.tool) = tool;
    }

    pub(crate) fn view(&self) -> ActiveRun {
        ActiveRun {
            run: self.id().clone(),
            session: self.session().clone(),
            parent: self.row.parent.clone(),
            label: self.row.label.clone(),
            depth: self.depth,
            activity: self.activity(),
            tool: lock(&self.tool).clone(),
            since: self.row.created_at,
        }
    }

    /// Sends an event. Number and order of a run's events agree, from any task.
    pub(crate) fn emit(&self, at: UnixMillis, kind: RunEventKind) {
        let mut seq = lock(&self.seq);
        *seq += 1;
        let event = RuntimeEvent {
            run: self.id().clone(),
            session: self.session().clone(),
            session_id: self.row.session_id.clone(),
            spawned_by: self.parent_session().cloned(),
            at,
            seq: *seq,
            kind,
        };
        // Nobody listening is no failure: the store has it.
        let _ = self.events.send(Arc::new(event));
    }
}
