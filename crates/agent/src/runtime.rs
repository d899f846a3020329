//! The runtime: what the rest of the program calls.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tidegate_protocol::{RunId, SessionKey, UnixMillis};
use tidegate_store::{Outcome, RunRow, RunState, Store, StoreError};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::task::TaskTracker;

use crate::approval::ApprovalGate;
use crate::clock::Clock;
use crate::command::ActiveCommands;
use crate::event::RuntimeEvent;
use crate::handoff::Handoffs;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::model::ModelDirectory;
use crate::own_tools::OwnTool;
use crate::run::{ActiveRun, RunHandle, StopCause, lock};
use crate::subagent::SubagentGateway;
use crate::tool::{Tool, ToolDescription};

/// Events that a slow listener may be behind before it misses some.
const EVENT_BUFFER: usize = 4096;

/// The store's flag that keeps a pause over a restart.
const PAUSED_FLAG: &str = "agent.paused";

/// How often [`Runtime::wait`] looks for a run that another task is accepting at this moment.
const ACCEPTING_POLL: Duration = Duration::from_millis(10);

/// What a runtime is made of.
pub struct RuntimeParts {
    /// Where everything durable is.
    pub store: Store,
    /// Which models there are.
    pub models: Arc<dyn ModelDirectory>,
    /// The tools besides the runtime's own.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Asks a person.
    pub approvals: Arc<dyn ApprovalGate>,
    /// Our own gateway, for subagents.
    pub subagents: Arc<dyn SubagentGateway>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What runs may use.
    pub limits: Limits,
    /// The directory that runs work in when nobody says otherwise.
    pub workspace: PathBuf,
    /// Names this start of the process.
    pub boot: String,
}

/// What a start found of the process before it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecoveryReport {
    /// Runs that were queued or running: now settled as interrupted. None is run again.
    pub interrupted: Vec<RunRow>,
    /// Sessions with results that their next run will read.
    pub waiting: Vec<SessionKey>,
    /// Whether runs are paused, from before the restart.
    pub paused: bool,
}

/// What came of waiting for a run.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is looked at once and not kept")]
pub enum WaitOutcome {
    /// It has ended.
    Ended(RunRow),
    /// It has not, and the time is over. Waiting changes nothing about the run.
    StillRunning,
    /// There is no such run.
    Unknown,
}

/// What was told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AbortOutcome {
    /// Runs of the session itself, waiting ones first.
    pub runs: Vec<RunId>,
    /// Runs below them.
    pub descendants: Vec<RunId>,
}

/// What became of a tree that was told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CancelReport {
    /// Runs that have ended since.
    pub cancelled: Vec<RunId>,
    /// Runs that had not ended when the patience was over.
    pub unfinished: Vec<RunId>,
}

/// The agent runtime. A cheap handle; clones share one runtime.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) models: Arc<dyn ModelDirectory>,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) approvals: Arc<dyn ApprovalGate>,
    pub(crate) subagents: Arc<dyn SubagentGateway>,
    pub(crate) limits: Limits,
    pub(crate) boot: String,
    pub(crate) events: broadcast::Sender<Arc<RuntimeEvent>>,
    pub(crate) handoffs: Handoffs,
    pub(crate) tasks: TaskTracker,
    pub(crate) main_places: Arc<Semaphore>,
    pub(crate) subagent_places: Arc<Semaphore>,
    pub(crate) paused: watch::Sender<bool>,
    pub(crate) commands: ActiveCommands,
    workspace: Mutex<PathBuf>,
    clock: Arc<dyn Clock>,
    schedule: Mutex<Schedule>,
}

/// What changes together: who runs, who waits, who is known. Never held over an await.
pub(crate) struct Schedule {
    pub(crate) lanes: Lanes,
    pub(crate) active: HashMap<RunId, Arc<RunHandle>>,
    pub(crate) accepting: bool,
    /// Clients whose access was revoked and that were not admitted since.
    pub(crate) revoked: HashSet<String>,
}

impl Runtime {
    /// Builds a runtime. Call [`Runtime::recover`] before anything is started.
    #[must_use]
    pub fn new(parts: RuntimeParts) -> Self {
        Self(Arc::new(Inner {
            store: parts.store,
            models: parts.models,
            tools: parts.tools,
            approvals: parts.approvals,
            subagents: parts.subagents,
            main_places: Arc::new(Semaphore::new(
                parts.limits.concurrent_main.clamp(1, Semaphore::MAX_PERMITS),
            )),
            subagent_places: Arc::new(Semaphore::new(
                parts.limits.concurrent_subagents.clamp(1, Semaphore::MAX_PERMITS),
            )),
            limits: parts.limits,
            boot: parts.boot,
            events: broadcast::Sender::new(EVENT_BUFFER),
            handoffs: Handoffs::default(),
            tasks: TaskTracker::new(),
            paused: watch::Sender::new(false),
            workspace: Mutex::new(parts.workspace),
            commands: ActiveCommands::new(Arc::clone(&parts.clock)),
            clock: parts.clock,
            schedule: Mutex::new(Schedule {
                lanes: Lanes::default(),
                active: HashMap::new(),
                accepting: true,
                revoked: HashSet::new(),
            }),
        }))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Settles what the previous process left, and takes over its pause. Calls no model.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recover(&self) -> Result<RecoveryReport, StoreError> {
        let recovery = self.0.store.recover(self.0.boot.clone(), self.0.now()).await?;
        let paused = self.0.store.flag(PAUSED_FLAG).await?.is_some_and(|value| value == "true");
        self.0.paused.send_replace(paused);
        Ok(RecoveryReport { interrupted: recovery.interrupted, waiting: recovery.waiting_inboxes, paused })
    }

    /// Waits until a run has ended, at most for `timeout`. Only watches.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn wait(&self, run: RunId, timeout: Duration) -> Result<WaitOutcome, StoreError> {
        let ended = self.0.ended(&run);
        tokio::time::timeout(timeout, ended).await.unwrap_or(Ok(WaitOutcome::StillRunning))
    }

    /// Stops what runs and waits in a session, or one run of it, and everything below. Returns at
    /// once; the runs settle as cancelled and keep what they have said so far.
    pub async fn abort(&self, session: &SessionKey, run: Option<&RunId>) -> AbortOutcome {
        let chosen =
            |handle: &RunHandle| handle.session() == session && run.is_none_or(|run| run == handle.id());
        let (mut own, mut below) = (Vec::new(), Vec::new());
        for handle in self.0.schedule().active.values() {
            if chosen(handle) {
                own.push(Arc::clone(handle));
            } else if handle.above().any(chosen) {
                below.push(Arc::clone(handle));
            }
        }
        stop_queued_first(&mut own, StopCause::Cancelled);
        stop_queued_first(&mut below, StopCause::Cancelled);
        let ids = |handles: Vec<Arc<RunHandle>>| handles.iter().map(|handle| handle.id().clone()).collect();
        AbortOutcome { runs: ids(own), descendants: ids(below) }
    }

    /// Stops what runs and waits for a client, subagents included: its access was revoked. Questions of
    /// these runs are withdrawn. Until it is admitted again (see [`Self::admit_client`]) no session wakes
    /// for it, and what it still has under way starts nothing. The runs settle as cancelled, so that
    /// nobody waits for them in vain, and keep what they have said so far.
    pub fn stop_client(&self, client: &str) {
        let mut chosen: Vec<_> = {
            let mut schedule = self.0.schedule();
            schedule.revoked.insert(client.to_owned());
            let is_its = |handle: &&Arc<RunHandle>| handle.spec.authority.owner().name() == client;
            schedule.active.values().filter(is_its).cloned().collect()
        };
        stop_queued_first(&mut chosen, StopCause::Revoked);
    }

    /// A client is admitted: what was revoked before does not hold against it any more.
    pub fn admit_client(&self, client: &str) {
        self.0.schedule().revoked.remove(client);
    }

    /// Stops a run and everything below it, whether the run itself has ended or not, and waits a
    /// moment until they have settled.
    pub async fn cancel_tree(&self, run: &RunId) -> CancelReport {
        self.0.cancel_tree(run).await
    }

    /// From now on no model is asked and no tool begins; what is under way finishes. Survives a
    /// restart.
    ///
    /// # Errors
    /// When the store fails: the pause then holds until the process ends.
    pub async fn pause(&self) -> Result<(), StoreError> {
        self.0.paused.send_replace(true);
        self.0.store.set_flag(PAUSED_FLAG, Some("true".to_owned())).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When the store fails: runs go on, but a restart would find the pause again.
    pub async fn resume(&self) -> Result<(), StoreError> {
        self.0.paused.send_replace(false);
        self.0.store.set_flag(PAUSED_FLAG, None).await
    }

    /// Whether runs are paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.0.paused.borrow()
    }

    /// Everything that happens from now on. A listener that falls too far behind learns how much
    /// it missed; the store has it all.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Arc<RuntimeEvent>> {
        self.0.events.subscribe()
    }

    /// All tools: the given ones, then the runtime's own.
    #[must_use]
    pub fn catalog(&self) -> Vec<ToolDescription> {
        self.0.catalog()
    }

    /// The directory that runs work in when nobody says otherwise.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        lock(&self.0.workspace).clone()
    }

    /// Has runs that are started from now on work in another directory. Those that run stay where
    /// they are.
    pub fn set_workspace(&self, workspace: PathBuf) {
        *lock(&self.0.workspace) = workspace;
    }

    /// The commands that tools run now.
    #[must_use]
    pub fn commands(&self) -> &ActiveCommands {
        &self.0.commands
    }

    /// What waits or runs, oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveRun> {
        let mut runs: Vec<_> = self.0.schedule().active.values().map(|handle| handle.view()).collect();
        runs.sort_by(|a, b| (a.since, &a.run).cmp(&(b.since, &b.run)));
        runs
    }

    /// Ends everything, within `limit`: nothing new is accepted, runs are stopped, and what has
    /// not settled by then is settled as interrupted.
    pub async fn drain(&self, limit: Duration) {
        let handles: Vec<_> = {
            let mut schedule = self.0.schedule();
            schedule.accepting = false;
            schedule.active.values().cloned().collect()
        };
        for handle in handles {
            handle.stop(StopCause::Shutdown);
        }
        self.0.tasks.close();
        if tokio::time::timeout(limit, self.0.tasks.wait()).await.is_ok() {
            return;
        }
        let left: Vec<_> = self.0.schedule().active.values().cloned().collect();
        for handle in left {
            self.0.settle_interrupted(&handle).await;
        }
    }
}

impl Inner {
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(crate) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    pub(crate) fn handle(&self, run: &RunId) -> Option<Arc<RunHandle>> {
        self.schedule().active.get(run).cloned()
    }

    pub(crate) fn catalog(&self) -> Vec<ToolDescription> {
        let given = self.tools.iter().map(|tool| tool.description());
        given
            .filter(|tool| OwnTool::named(tool.name).is_none())
            .chain(OwnTool::ALL.map(OwnTool::description))
            .collect()
    }

    /// Waits until a run has ended; [`WaitOutcome::Unknown`] at once when there is none.
    async fn ended(&self, run: &RunId) -> Result<WaitOutcome, StoreError> {
        loop {
            if let Some(handle) = self.handle(run) {
                let mut done = handle.done.subscribe();
                if let Ok(row) = done.wait_for(Option::is_some).await
                    && let Some(row) = row.as_deref()
                {
                    return Ok(WaitOutcome::Ended(row.clone()));
                }
            }
            match self.store.run(run.clone()).await? {
                None => return Ok(WaitOutcome::Unknown),
                Some(row) if matches!(row.state, RunState::Terminal(_)) => {
                    return Ok(WaitOutcome::Ended(row));
                }
                Some(_) => tokio::time::sleep(ACCEPTING_POLL).await,
            }
        }
    }

    pub(crate) async fn cancel_tree(&self, run: &RunId) -> CancelReport {
        let in_tree =
            |handle: &RunHandle| handle.id() == run || handle.above().any(|above| above.id() == run);
        let mut handles: Vec<_> =
            self.schedule().active.values().filter(|handle| in_tree(handle)).cloned().collect();
        stop_queued_first(&mut handles, StopCause::Cancelled);
        let patience = tokio::time::Instant::now() + self.limits.stop_grace * 2;
        let mut report = CancelReport::default();
        for handle in handles {
            let mut done = handle.done.subscribe();
            let ended = tokio::time::timeout_at(patience, done.wait_for(Option::is_some)).await;
            let list =
                if matches!(ended, Ok(Ok(_))) { &mut report.cancelled } else { &mut report.unfinished };
            list.push(handle.id().clone());
        }
        report
    }

    /// Runs below a session that have not ended, as (spawning session, handle).
    pub(crate) fn unfinished_children(&self, session: &SessionKey) -> Vec<Arc<RunHandle>> {
        let schedule = self.schedule();
        let mut children: Vec<_> = schedule
            .active
            .values()
            .filter(|handle| handle.parent_session() == Some(session))
            .cloned()
            .collect();
        children.sort_by(|a, b| (a.row.created_at, a.id()).cmp(&(b.row.created_at, b.id())));
        children
    }
}

fn stop_queued_first(handles: &mut [Arc<RunHandle>], cause: StopCause) {
    handles.sort_by_key(|handle| handle.activity() != crate::run::Activity::Queued);
    for handle in handles {
        handle.stop_tree(cause);
    }
}

/// Whether a run that ended so leaves its session something to say by itself.
pub(crate) fn asks_for_answer(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Error | Outcome::TimedOut)
}
