//! Whose turn it is in each session, and whether a session should wake to read its inbox. Pure.

use std::collections::{HashMap, VecDeque};

use tidegate_protocol::{RunId, SessionKey};

/// All sessions in which something runs, waits or may wake.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: HashMap<SessionKey, Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    running: Option<RunId>,
    queue: VecDeque<RunId>,
    /// Results may have come that no run has read.
    unread: bool,
    /// The run that spawned the first of them that asks for an answer.
    wants_wake: Option<RunId>,
    /// A wake is on its way.
    wake_scheduled: bool,
    /// Wakes since a person last wrote.
    wakes: u32,
}

/// What a new result means for its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attention {
    /// This run works there and will read it.
    Running(RunId),
    /// Nothing works there: a wake must be started after a moment.
    ScheduleWake,
    /// It waits for the next run.
    Waits,
}

/// What follows when a run has left its session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The run whose turn it is now.
    pub(crate) next: Option<RunId>,
    /// Whether a wake must be started after a moment.
    pub(crate) schedule_wake: bool,
}

impl Lanes {
    /// How many runs wait for their turn in a session.
    pub(crate) fn queued(&self, session: &SessionKey) -> usize {
        self.lanes.get(session).map_or(0, |lane| lane.queue.len())
    }

    /// Adds a run; true when its turn is now. A run that a person started ends the streak of wakes.
    pub(crate) fn enter(&mut self, session: &SessionKey, run: RunId, by_person: bool) -> bool {
        let lane = self.lanes.entry(session.clone()).or_default();
        if by_person {
            lane.wakes = 0;
        }
        if lane.running.is_none() {
            lane.running = Some(run);
            return true;
        }
        lane.queue.push_back(run);
        false
    }

    /// Removes a run that ended. With `quiet` the session does not wake for what it has not read.
    pub(crate) fn leave(&mut self, session: &SessionKey, run: &RunId, quiet: bool, most_wakes: u32) -> Left {
        let Some(lane) = self.lanes.get_mut(session) else {
            return Left { next: None, schedule_wake: false };
        };
        lane.queue.retain(|queued| queued != run);
        if quiet {
            lane.wants_wake = None;
        }
        if lane.running.as_ref() != Some(run) {
            return Left { next: None, schedule_wake: false };
        }
        lane.running = lane.queue.pop_front();
        let left = Left { next: lane.running.clone(), schedule_wake: lane.schedule_wake(most_wakes) };
        self.forget_if_idle(session);
        left
    }

    /// Notes that a result was delivered to a session. `wants_wake` is the run that spawned the
    /// subagent, when the result asks for an answer.
    pub(crate) fn deliver(
        &mut self,
        session: &SessionKey,
        wants_wake: Option<RunId>,
        most_wakes: u32,
    ) -> Attention {
        let lane = self.lanes.entry(session.clone()).or_default();
        lane.unread = true;
        lane.wants_wake = lane.wants_wake.take().or(wants_wake);
        let attention = match lane.running.clone() {
            Some(run) => Attention::Running(run),
            None if lane.schedule_wake(most_wakes) => Attention::ScheduleWake,
            None => Attention::Waits,
        };
        self.forget_if_idle(session);
        attention
    }

    /// Notes that a run of the session is about to read its inbox; true when there may be
    /// something.
    pub(crate) fn read_inbox(&mut self, session: &SessionKey) -> bool {
        self.lanes.get_mut(session).is_some_and(|lane| {
            lane.wants_wake = None;
            std::mem::take(&mut lane.unread)
        })
    }

    /// Whether there may be results that no run has read.
    pub(crate) fn has_unread(&self, session: &SessionKey) -> bool {
        self.lanes.get(session).is_some_and(|lane| lane.unread)
    }

    /// Takes the scheduled wake: the run as whose successor it must be started, or nothing when
    /// something else has begun to work in the session since.
    pub(crate) fn take_wake(&mut self, session: &SessionKey) -> Option<RunId> {
        let lane = self.lanes.get_mut(session)?;
        lane.wake_scheduled = false;
        let successor_of = if lane.running.is_none() { lane.wants_wake.take() } else { None };
        lane.wakes += u32::from(successor_of.is_some());
        self.forget_if_idle(session);
        successor_of
    }

    fn forget_if_idle(&mut self, session: &SessionKey) {
        let idle = |lane: &Lane| {
            lane.running.is_none() && lane.wants_wake.is_none() && !lane.wake_scheduled && lane.wakes == 0
        };
        if self.lanes.get(session).is_some_and(idle) {
            self.lanes.remove(session);
        }
    }
}

impl Lane {
    fn schedule_wake(&mut self, most_wakes: u32) -> bool {
        let schedule = self.running.is_none()
            && self.wants_wake.is_some()
            && !self.wake_scheduled
            && self.wakes < most_wakes;
        self.wake_scheduled |= schedule;
        schedule
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> SessionKey {
        SessionKey::parse("main").expect("valid")
    }

    fn run(name: impl ToString) -> RunId {
        RunId::parse(name.to_string()).expect("valid")
    }

    #[test]
    fn runs_of_one_session_take_turns_in_order() {
        let mut lanes = Lanes::default();
        assert!(lanes.enter(&key(), run(1), true));
        assert!(!lanes.enter(&key(), run(2), true));
        assert!(!lanes.enter(&key(), run(3), true));
        assert_eq!(lanes.leave(&key(), &run(1), false, 5).next, Some(run(2)));
        assert_eq!(lanes.leave(&key(), &run(3), false, 5).next, None);
        assert_eq!(lanes.leave(&key(), &run(2), false, 5).next, None);
        assert!(lanes.lanes.is_empty());
    }

    #[test]
    fn results_that_come_together_schedule_one_wake() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.deliver(&key(), Some(run("spawner")), 5), Attention::ScheduleWake);
        assert_eq!(lanes.deliver(&key(), Some(run("spawner")), 5), Attention::Waits);
        assert_eq!(lanes.take_wake(&key()), Some(run("spawner")));
        assert_eq!(lanes.take_wake(&key()), None);
    }

    #[test]
    fn a_result_that_comes_while_a_run_ends_is_not_forgotten() {
        let mut lanes = Lanes::default();
        lanes.enter(&key(), run(1), true);
        assert_eq!(lanes.deliver(&key(), Some(run("spawner")), 5), Attention::Running(run(1)));
        assert!(lanes.leave(&key(), &run(1), false, 5).schedule_wake);
    }

    #[test]
    fn wakes_stop_until_a_person_writes_again() {
        let mut lanes = Lanes::default();
        for _ in 0..5 {
            assert_eq!(lanes.deliver(&key(), Some(run("spawner")), 5), Attention::ScheduleWake);
            assert_eq!(lanes.take_wake(&key()), Some(run("spawner")));
        }
        assert_eq!(lanes.deliver(&key(), Some(run("spawner")), 5), Attention::Waits);
        lanes.enter(&key(), run(1), true);
        assert!(lanes.read_inbox(&key()));
        lanes.leave(&key(), &run(1), false, 5);
        assert_eq!(lanes.deliver(&key(), Some(run("spawner")), 5), Attention::ScheduleWake);
    }

    proptest! {
        #[test]
        fn at_most_one_run_of_a_session_works_and_none_is_forgotten(steps in prop::collection::vec((0..3u8, 0..6usize), 0..60)) {
            let mut lanes = Lanes::default();
            let (mut working, mut waiting, mut next_id) = (None, VecDeque::new(), 0);
            for (step, choice) in steps {
                match step {
                    0 => {
                        next_id += 1;
                        let now = lanes.enter(&key(), run(next_id), choice % 2 == 0);
                        prop_assert_eq!(now, working.is_none());
                        if now { working = Some(next_id) } else { waiting.push_back(next_id) }
                    }
                    1 => {
                        let Some(id) = working.take() else { continue };
                        working = waiting.pop_front();
                        prop_assert_eq!(lanes.leave(&key(), &run(id), false, 5).next, working.map(run));
                    }
                    _ => {
                        if choice < waiting.len() {
                            let id = waiting.remove(choice).expect("in range");
                            prop_assert_eq!(lanes.leave(&key(), &run(id), false, 5).next, None);
                        }
                    }
                }
            }
        }
    }
}
