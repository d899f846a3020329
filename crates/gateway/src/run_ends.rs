//! Answers that come after the last events of a run.

use std::collections::{HashMap, VecDeque};

use tidegate_protocol::RunId;
use tokio::sync::{mpsc, oneshot};

/// Tells when the last events of a run were sent. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct RunEnds(mpsc::UnboundedSender<Wait>);

/// Someone waits until the last events of a run were sent.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) run: RunId,
    pub(crate) sent: oneshot::Sender<()>,
}

impl RunEnds {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Wait>) {
        let (sender, waits) = mpsc::unbounded_channel();
        (Self(sender), waits)
    }

    /// Waits until the last events of a run that has ended are in the outbox of everyone who gets them.
    /// Returns at once when no events are sent any more.
    pub(crate) async fn sent(&self, run: RunId) {
        let (sent, was_sent) = oneshot::channel();
        if self.0.send(Wait { run, sent }).is_ok() {
            // An error says that no more is sent.
            let _ = was_sent.await;
        }
    }
}

/// Who waits for which run's last events. A wait begins after the run has ended, so the end is among the
/// events that were sent to the forwarder by then, or it is held back already.
#[derive(Debug)]
pub(crate) struct Waits<W> {
    /// How many events were received, or missed.
    received: u64,
    /// Up to which event each wait must get first; in order, because that only grows.
    behind: VecDeque<(u64, RunId, W)>,
    /// Runs whose end is held back, with who waits for it.
    held: HashMap<RunId, Vec<W>>,
}

impl<W> Default for Waits<W> {
    fn default() -> Self {
        Self { received: 0, behind: VecDeque::new(), held: HashMap::new() }
    }
}

impl<W> Waits<W> {
    /// Someone waits for a run, while so many events are not received yet.
    pub(crate) fn begin(&mut self, run: RunId, unreceived: usize, waiter: W) {
        let unreceived = u64::try_from(unreceived).unwrap_or(u64::MAX);
        self.behind.push_back((self.received.saturating_add(unreceived), run, waiter));
    }

    /// So many further events were received or missed, and what they lead to was sent or is held back.
    pub(crate) fn received(&mut self, events: u64) {
        self.received = self.received.saturating_add(events);
    }

    /// The end of a run is held back.
    pub(crate) fn hold(&mut self, run: RunId) {
        self.held.entry(run).or_default();
    }

    /// The end that was held back is sent; gives who waited for it.
    pub(crate) fn release(&mut self, run: &RunId) -> Vec<W> {
        self.held.remove(run).unwrap_or_default()
    }

    /// Takes out those who wait for nothing more.
    pub(crate) fn take_due(&mut self) -> Vec<W> {
        let mut due = Vec::new();
        while self.behind.front().is_some_and(|(until, ..)| *until <= self.received)
            && let Some((_, run, waiter)) = self.behind.pop_front()
        {
            match self.held.get_mut(&run) {
                Some(waiting) => waiting.push(waiter),
                None => due.push(waiter),
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn run(number: u8) -> RunId {
        RunId::parse(format!("run-{number}")).expect("an id")
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// A run ends: its end goes into the channel.
        End(u8),
        /// The next event is received; it is held back, or sent at once.
        Receive { is_held: bool },
        /// The channel loses the next event.
        Miss,
        /// The end that is held longest is sent.
        Release,
        /// Someone waits for a run that has ended.
        Wait(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..6_u8).prop_map(Step::End),
            3 => any::<bool>().prop_map(|is_held| Step::Receive { is_held }),
            1 => Just(Step::Miss),
            2 => Just(Step::Release),
            3 => (0..6_u8).prop_map(Step::Wait),
        ];
        vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn a_wait_ends_after_its_end_was_sent_and_always_ends(steps in steps()) {
            let mut waits = Waits::default();
            let mut channel = VecDeque::new();
            let mut held = VecDeque::new();
            let (mut ended, mut sent) = (BTreeSet::new(), BTreeSet::new());
            let (mut begun, mut done) = (0_usize, 0_usize);
            // At the end everything is received and released.
            let rest = vec![Step::Receive { is_held: false }; 80].into_iter().chain(vec![Step::Release; 80]);
            for step in steps.into_iter().chain(rest) {
                let mut due = Vec::new();
                match step {
                    Step::End(number) => if ended.insert(number) { channel.push_back(number); },
                    Step::Receive { is_held } => if let Some(number) = channel.pop_front() {
                        if is_held {
                            waits.hold(run(number));
                            held.push_back(number);
                        } else {
                            sent.insert(number);
                        }
                        waits.received(1);
                    },
                    Step::Miss => if let Some(number) = channel.pop_front() {
                        // Nobody can wait for what is lost.
                        sent.insert(number);
                        waits.received(1);
                    },
                    Step::Release => if let Some(number) = held.pop_front() {
                        sent.insert(number);
                        due.extend(waits.release(&run(number)));
                    },
                    Step::Wait(number) => if ended.contains(&number) {
                        waits.begin(run(number), channel.len(), number);
                        begun += 1;
                    },
                }
                due.extend(waits.take_due());
                for number in due {
                    prop_assert!(sent.contains(&number), "the end of {number} was not sent");
                    done += 1;
                }
            }
            prop_assert_eq!(done, begun);
        }
    }
}
