//! The runtime: what the rest of the program calls. It is put together of intake, executor and completion here.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::{RunRow, RunState, Store, StoreError};
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::approval::ApprovalGate;
use crate::clock::Clock;
use crate::command::ActiveCommands;
use crate::completion::{Completion, Ending, SessionCleanup, WakeError};
use crate::event::RuntimeEvent;
use crate::executor::{AcceptedSizes, Executor, ToolCalls, Toolbox};
use crate::folders::ChosenFolders;
use crate::limits::Limits;
use crate::model::ModelDirectory;
use crate::queue::{
    AbortOutcome, Accepted, CancelReport, Candidate, CommandTurn, Intake, Places, Schedule, StartError, Turn,
};
use crate::run::{ActiveRun, RunHandle};
use crate::session_tools;
use crate::spawn::{HandoffId, Handoffs, PreparedStart, SessionTree, Spawner};
use crate::subagent::SubagentGateway;
use crate::sync::lock;
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
    pub approvals: Arc<dyn ApprovalGate>,
    /// Our own gateway, for subagents.
    pub subagents: Arc<dyn SubagentGateway>,
    pub clock: Arc<dyn Clock>,
    /// What runs may use.
    pub limits: Limits,
    /// The directory that runs work in when nobody says otherwise.
    pub workspace: PathBuf,
    /// The folders that persons chose for sessions.
    pub folders: Arc<dyn ChosenFolders>,
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
    Unknown,
}

/// The agent runtime. A cheap handle; clones share one runtime.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    boot: String,
    /// How long a wake waits for further results.
    wake_coalesce: Duration,
    workspace: Mutex<PathBuf>,
    events: broadcast::Sender<Arc<RuntimeEvent>>,
    commands: ActiveCommands,
    handoffs: Arc<Handoffs>,
    schedule: Arc<Schedule>,
    places: Arc<Places>,
    intake: Intake,
    executor: Executor,
    completion: Completion,
    tasks: TaskTracker,
}

impl Runtime {
    /// Builds a runtime. Call [`Runtime::recover`] before anything is started.
    #[must_use]
    pub fn new(parts: RuntimeParts) -> Self {
        let RuntimeParts {
            store,
            models,
            tools,
            approvals,
            subagents,
            clock,
            limits,
            workspace,
            folders,
            boot,
        } = parts;
        let events = broadcast::Sender::new(EVENT_BUFFER);
        let commands = ActiveCommands::new(Arc::clone(&clock));
        let handoffs = Arc::new(Handoffs::default());
        let schedule = Arc::new(Schedule::new(limits.clone()));
        let places = Arc::new(Places::new(&limits));
        let tree = SessionTree {
            store: store.clone(),
            clock: Arc::clone(&clock),
            limits: limits.clone(),
            schedule: Arc::clone(&schedule),
            places: Arc::clone(&places),
            subagents: Arc::clone(&subagents),
            spawner: Spawner {
                models: Arc::clone(&models),
                subagents: Arc::clone(&subagents),
                limits: limits.clone(),
                handoffs: Arc::clone(&handoffs),
            },
        };
        let own_tools = session_tools::all(&Arc::new(tree));
        let tool_calls = ToolCalls {
            tools: Toolbox::new(tools, own_tools),
            approvals: Arc::clone(&approvals),
            clock: Arc::clone(&clock),
            limits: limits.clone(),
            places: Arc::clone(&places),
            commands: commands.clone(),
        };
        Self(Arc::new(Inner {
            intake: Intake {
                store: store.clone(),
                models: Arc::clone(&models),
                clock: Arc::clone(&clock),
                limits: limits.clone(),
                boot: boot.clone(),
                events: events.clone(),
                schedule: Arc::clone(&schedule),
            },
            wake_coalesce: limits.wake_coalesce,
            executor: Executor {
                store: store.clone(),
                models,
                clock: Arc::clone(&clock),
                limits,
                schedule: Arc::clone(&schedule),
                places: Arc::clone(&places),
                tool_calls,
                cleanup: SessionCleanup { store: store.clone(), subagents },
                folders,
                accepted_sizes: AcceptedSizes::default(),
            },
            completion: Completion {
                store: store.clone(),
                clock: Arc::clone(&clock),
                schedule: Arc::clone(&schedule),
                approvals,
            },
            store,
            clock,
            boot,
            workspace: Mutex::new(workspace),
            events,
            commands,
            handoffs,
            schedule,
            places,
            tasks: TaskTracker::new(),
        }))
    }

    /// Settles what the previous process left, and takes over its pause. Calls no model.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recover(&self) -> Result<RecoveryReport, StoreError> {
        let recovery = self.0.store.recover(self.0.boot.clone(), self.0.clock.now()).await?;
        let paused = self.0.store.flag(PAUSED_FLAG).await?.is_some_and(|value| value == "true");
        self.0.places.set_paused(paused);
        Ok(RecoveryReport { interrupted: recovery.interrupted, waiting: recovery.waiting_inboxes, paused })
    }

    /// Whether a turn can begin with this message.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn check_message(&self, message: &str) -> Result<(), StartError> {
        self.0.intake.check_message(message)
    }

    /// Accepts a message. The run is durable when this returns and starts when its session and a
    /// place are free. The same id in the same session again returns the first run.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_turn(&self, turn: Turn) -> Result<Accepted, StartError> {
        let candidate = self.0.intake.check_turn(turn).await?;
        self.0.accept(candidate).await
    }

    /// Starts a subagent that one of our runs prepared. Only our own client may bring a handoff
    /// back: the caller checks that. The handoff is used up, also by a start that fails.
    ///
    /// # Errors
    /// When the handoff is unknown, used, or belongs to another run, session or message; when the
    /// parent has ended; when a limit of the tree is reached; when the store refuses.
    pub async fn start_prepared(
        &self,
        handoff: HandoffId,
        params: &PreparedStart,
    ) -> Result<Accepted, StartError> {
        let prepared = self.0.handoffs.take(handoff, params)?;
        let started = match self.0.schedule.handle(&prepared.parent) {
            None => Err(StartError::ParentEnded),
            Some(parent) => self.0.accept(prepared.candidate(parent)).await,
        };
        let outcome = started.as_ref().map(|accepted| accepted.run.clone()).map_err(Clone::clone);
        let _ = prepared.outcome.set(outcome);
        started
    }

    /// Records a chat command with its answer: clients see both like a turn, and no model ever reads
    /// them. Nothing waits for it, and it waits for nothing. The same id again records nothing.
    ///
    /// # Errors
    /// When the id belongs to another session, or the store refuses.
    pub async fn record_command(&self, turn: CommandTurn) -> Result<Accepted, StartError> {
        self.0.intake.record_command(turn).await
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
        self.0.schedule.abort(session, run)
    }

    /// Stops what runs and waits for a client, subagents included: its access was revoked. Questions of
    /// these runs are withdrawn. Until it is admitted again (see [`Self::admit_client`]) no session wakes
    /// for it, and what it still has under way starts nothing. The runs settle as cancelled, so that
    /// nobody waits for them in vain, and keep what they have said so far.
    pub fn stop_client(&self, client: &str) {
        self.0.schedule.revoke(client);
    }

    /// Stops a run and everything below it, for a person who denied what it asked for. Nothing waits until they
    /// have ended.
    pub fn stop_run(&self, run: &str) {
        self.0.schedule.stop_run(run);
    }

    /// A client is admitted: what was revoked before does not hold against it any more.
    pub fn admit_client(&self, client: &str) {
        self.0.schedule.admit(client);
    }

    /// Stops a run and everything below it, whether the run itself has ended or not, and waits a
    /// moment until they have settled.
    pub async fn cancel_tree(&self, run: &RunId) -> CancelReport {
        self.0.schedule.cancel_tree(run).await
    }

    /// From now on no model is asked and no tool begins; what is under way finishes. Survives a
    /// restart.
    ///
    /// # Errors
    /// When the store fails: the pause then holds until the process ends.
    pub async fn pause(&self) -> Result<(), StoreError> {
        self.0.places.set_paused(true);
        self.0.store.set_flag(PAUSED_FLAG, Some("true".to_owned())).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When the store fails: runs go on, but a restart would find the pause again.
    pub async fn resume(&self) -> Result<(), StoreError> {
        self.0.places.set_paused(false);
        self.0.store.set_flag(PAUSED_FLAG, None).await
    }

    /// Whether runs are paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.places.is_paused()
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
        self.0.executor.catalog()
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
        self.0.schedule.views()
    }

    /// Ends everything, within `limit`: nothing new is accepted, runs are stopped, and what has
    /// not settled by then is settled as interrupted.
    pub async fn drain(&self, limit: Duration) {
        self.0.schedule.close();
        self.0.tasks.close();
        if tokio::time::timeout(limit, self.0.tasks.wait()).await.is_ok() {
            return;
        }
        for handle in self.0.schedule.chosen(|_| true) {
            self.0.completion.settle_interrupted(&handle).await;
        }
    }
}

impl Inner {
    /// Waits until a run has ended; [`WaitOutcome::Unknown`] at once when there is none.
    async fn ended(&self, run: &RunId) -> Result<WaitOutcome, StoreError> {
        loop {
            if let Some(handle) = self.schedule.handle(run) {
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

    /// Accepts a run and lets it work. It goes on when the caller goes away, so that a committed run is
    /// never left without a task.
    async fn accept(self: &Arc<Self>, candidate: Candidate) -> Result<Accepted, StartError> {
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move {
            let (accepted, new) = inner.intake.accept(candidate).await?;
            if let Some(handle) = new {
                // Runs outlive what started them, so their spans have no parent.
                // Text of clients: as values, they are quoted.
                let (run, session) = (handle.id().as_str(), handle.session().as_str());
                let span = tracing::error_span!(parent: None, "run", run, session);
                inner.tasks.spawn(Arc::clone(&inner).work(handle).instrument(span));
            }
            Ok(accepted)
        });
        task.await.unwrap_or(Err(StartError::Internal))
    }

    /// The task of one run, from being in line to its end.
    async fn work(self: Arc<Self>, handle: Arc<RunHandle>) {
        let driven = AssertUnwindSafe(self.executor.drive(&handle)).catch_unwind().await;
        let ending = driven.unwrap_or_else(|_| Ending::crashed());
        drop(lock(&handle.place).take());
        for session in self.completion.finish(&handle, ending).await {
            self.schedule_wake(session);
        }
    }

    /// Starts the run that answers for a session, after a moment in which further results may come.
    fn schedule_wake(self: &Arc<Self>, session: SessionKey) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(inner.wake_coalesce).await;
            if let Err(error) = inner.wake(&session).await {
                tracing::warn!(%session, %error, "failed to wake a session that has results to read");
            }
        });
    }

    async fn wake(self: &Arc<Self>, session: &SessionKey) -> Result<(), WakeError> {
        if let Some(candidate) = self.completion.wake(session).await? {
            self.accept(candidate).await?;
        }
        Ok(())
    }
}
