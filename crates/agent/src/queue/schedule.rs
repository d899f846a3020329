//! Who runs, who waits and who is revoked: one state, which changes together.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tidegate_protocol::{RunId, SessionKey};

use super::lanes::{Attention, Lanes};
use super::start::StartError;
use crate::limits::Limits;
use crate::run::{ActiveRun, Activity, RunHandle, StopCause};
use crate::sync::lock;

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

/// All runs that have not ended.
pub(crate) struct Schedule {
    limits: Limits,
    state: Mutex<State>,
}

/// Never locked over an await.
struct State {
    lanes: Lanes,
    active: HashMap<RunId, Arc<RunHandle>>,
    accepting: bool,
    /// Clients whose access was revoked and that were not admitted since.
    revoked: HashSet<String>,
    /// Sessions to which results came that may hold text from the network, and that read none since.
    network: HashSet<SessionKey>,
}

impl Schedule {
    pub(crate) fn new(limits: Limits) -> Self {
        let state = State {
            lanes: Lanes::default(),
            active: HashMap::new(),
            accepting: true,
            revoked: HashSet::new(),
            network: HashSet::new(),
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// Whether a session may have one more run.
    pub(crate) fn check_room(&self, session: &SessionKey) -> Result<(), StartError> {
        let state = self.state();
        if !state.accepting {
            return Err(StartError::Stopping);
        }
        let waiting = state.lanes.queued(session);
        if waiting >= self.limits.queued_per_session {
            return Err(StartError::QueueFull { waiting });
        }
        Ok(())
    }

    /// Puts a durable run in line. One whose client was revoked while it was saved is stopped at once, and so
    /// is every run when the program ends.
    pub(crate) fn enter(&self, handle: &Arc<RunHandle>, by_person: bool) {
        let (its_turn, accepting, revoked) = {
            let mut state = self.state();
            state.active.insert(handle.id().clone(), Arc::clone(handle));
            let its_turn = state.lanes.enter(handle.session(), handle.id().clone(), by_person);
            let client = handle.spec.authority.owner().name();
            (its_turn, state.accepting, state.revoked.contains(client))
        };
        if its_turn {
            handle.turn.notify_one();
        }
        if !accepting {
            handle.stop(StopCause::Shutdown);
        } else if revoked {
            handle.stop_tree(StopCause::Revoked);
        }
    }

    /// Notes that the result of `child` is in the inbox of `parent`'s session. With `wants_wake` the result asks
    /// for an answer. True when the session must be woken after a moment.
    pub(crate) fn deliver(&self, child: &RunHandle, parent: &RunHandle, wants_wake: bool) -> bool {
        let wants_wake = wants_wake.then(|| parent.id().clone());
        let mut state = self.state();
        state.active.remove(child.id());
        let attention = state.lanes.deliver(parent.session(), wants_wake, self.limits.autonomous_wakes);
        if let Attention::Running(run) = &attention
            && let Some(reader) = state.active.get(run)
        {
            reader.news.notify_one();
        }
        attention == Attention::ScheduleWake
    }

    /// Removes a run that has ended, and gives its session's turn to the next. With `quiet` the session does not
    /// wake for what it has not read. True when the session must be woken after a moment.
    pub(crate) fn leave(&self, handle: &RunHandle, quiet: bool) -> bool {
        let mut state = self.state();
        state.active.remove(handle.id());
        let left = state.lanes.leave(handle.session(), handle.id(), quiet, self.limits.autonomous_wakes);
        if let Some(next) = left.next.as_ref().and_then(|next| state.active.get(next)) {
            next.turn.notify_one();
        }
        left.schedule_wake
    }

    /// Notes that what a run of another task read from the network comes to a session.
    pub(crate) fn note_network(&self, session: &SessionKey) {
        self.state().network.insert(session.clone());
    }

    /// Whether something from the network came to a session since the last call.
    pub(crate) fn take_network(&self, session: &SessionKey) -> bool {
        self.state().network.remove(session)
    }

    /// Whether no run of a task is left.
    pub(crate) fn is_task_over(&self, task: &RunId) -> bool {
        !self.state().active.values().any(|handle| handle.task() == task)
    }

    /// Takes the wake that a session has scheduled: the run whose successor it starts, if nothing works there.
    pub(crate) fn take_wake(&self, session: &SessionKey) -> Option<RunId> {
        self.state().lanes.take_wake(session)
    }

    /// Notes that a run of the session reads its inbox now; true when there may be something.
    pub(crate) fn read_inbox(&self, session: &SessionKey) -> bool {
        self.state().lanes.read_inbox(session)
    }

    /// Whether a subagent's run must not end yet: it waits for subagents of its own, or has not read what they
    /// delivered.
    pub(crate) fn has_open_subagents(&self, handle: &RunHandle) -> bool {
        self.has_expected_children(handle) || self.state().lanes.has_unread(handle.session())
    }

    /// Whether subagents whose end a run waits for have not ended.
    pub(crate) fn has_expected_children(&self, handle: &RunHandle) -> bool {
        self.state().active.values().any(|child| child.is_expected_by(handle.id()))
    }

    pub(crate) fn handle(&self, run: &RunId) -> Option<Arc<RunHandle>> {
        self.state().active.get(run).cloned()
    }

    /// All runs, oldest first.
    pub(crate) fn views(&self) -> Vec<ActiveRun> {
        let mut runs: Vec<_> = self.state().active.values().map(|handle| handle.view()).collect();
        runs.sort_by(|a, b| (a.since, &a.run).cmp(&(b.since, &b.run)));
        runs
    }

    /// The runs that runs of a session have spawned, oldest first.
    pub(crate) fn children(&self, session: &SessionKey) -> Vec<Arc<RunHandle>> {
        let mut children = self.chosen(|handle| handle.parent_session() == Some(session));
        children.sort_by(|a, b| (a.row.created_at, a.id()).cmp(&(b.row.created_at, b.id())));
        children
    }

    /// The one run below a session that has this id, session key or label. A label that two runs share names
    /// neither.
    pub(crate) fn descendant(&self, session: &SessionKey, name: &str) -> Option<Arc<RunHandle>> {
        let is_meant = |run: &RunHandle| {
            run.id().as_str() == name
                || run.session().as_str() == name
                || run.row.label.as_deref() == Some(name)
        };
        let is_below = |run: &RunHandle| run.above().any(|above| above.session() == session);
        let mut matching = self.chosen(|run| is_below(run) && is_meant(run));
        if matching.len() == 1 { matching.pop() } else { None }
    }

    /// Stops the runs of a session, or one of them, and everything below.
    pub(crate) fn abort(&self, session: &SessionKey, run: Option<&RunId>) -> AbortOutcome {
        let is_meant =
            |handle: &RunHandle| handle.session() == session && run.is_none_or(|run| run == handle.id());
        let all = self.chosen(|handle| is_meant(handle) || handle.above().any(is_meant));
        let (mut own, mut below): (Vec<_>, Vec<_>) = all.into_iter().partition(|handle| is_meant(handle));
        stop_queued_first(&mut own, StopCause::Cancelled);
        stop_queued_first(&mut below, StopCause::Cancelled);
        let ids = |handles: Vec<Arc<RunHandle>>| handles.iter().map(|handle| handle.id().clone()).collect();
        AbortOutcome { runs: ids(own), descendants: ids(below) }
    }

    /// Stops a run and everything below it, whether the run itself has ended or not.
    pub(crate) fn stop_run(&self, run: &str) -> Vec<Arc<RunHandle>> {
        let is_it = |handle: &RunHandle| handle.id().as_str() == run;
        let mut handles = self.chosen(|handle| is_it(handle) || handle.above().any(is_it));
        stop_queued_first(&mut handles, StopCause::Cancelled);
        handles
    }

    /// Stops a run and everything below it, whether the run itself has ended or not, and waits at most twice
    /// the time that tools have to stop.
    pub(crate) async fn cancel_tree(&self, run: &RunId) -> CancelReport {
        let handles = self.stop_run(run.as_str());
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

    /// Stops the runs of a client, and those that it begins until it is admitted again.
    pub(crate) fn revoke(&self, client: &str) {
        let mut runs = {
            let mut state = self.state();
            state.revoked.insert(client.to_owned());
            state.chosen(|handle| handle.spec.authority.owner().name() == client)
        };
        stop_queued_first(&mut runs, StopCause::Revoked);
    }

    pub(crate) fn admit(&self, client: &str) {
        self.state().revoked.remove(client);
    }

    pub(crate) fn is_revoked(&self, client: &str) -> bool {
        self.state().revoked.contains(client)
    }

    /// Accepts nothing from now on, and stops every run.
    pub(crate) fn close(&self) {
        let all = {
            let mut state = self.state();
            state.accepting = false;
            state.chosen(|_| true)
        };
        for handle in all {
            handle.stop(StopCause::Shutdown);
        }
    }

    /// All runs that meet a condition, in no order.
    pub(crate) fn chosen(&self, is_meant: impl Fn(&RunHandle) -> bool) -> Vec<Arc<RunHandle>> {
        self.state().chosen(is_meant)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn chosen(&self, is_meant: impl Fn(&RunHandle) -> bool) -> Vec<Arc<RunHandle>> {
        self.active.values().filter(|handle| is_meant(handle)).cloned().collect()
    }
}

fn stop_queued_first(handles: &mut [Arc<RunHandle>], cause: StopCause) {
    handles.sort_by_key(|handle| handle.activity() != Activity::Queued);
    for handle in handles {
        handle.stop_tree(cause);
    }
}
