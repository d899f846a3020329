//! Commands that tools run now, and how a person interrupts one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tidegate_protocol::confinement::CommandClass;
use tidegate_protocol::{RunId, SessionKey, UnixMillis};
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::sync::lock;

/// Interrupts of one command that may be on their way at once.
const MAX_UNDELIVERED: usize = 16;

/// A command that a tool starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandStart {
    pub run: RunId,
    pub session: SessionKey,
    /// The tool call. Models choose these ids: two runs can have the same.
    pub call_id: String,
    /// The command, as the person allowed it.
    pub command: String,
    /// How far it is confined.
    pub class: CommandClass,
    /// Whether it has a terminal.
    pub pty: bool,
}

/// A command that runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCommand {
    pub start: CommandStart,
    pub since: UnixMillis,
    /// How often a person has interrupted it.
    pub interrupts: u32,
}

/// Why a command was not interrupted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterruptError {
    #[error("no command runs for this tool call: it has not started, or it has ended")]
    NotRunning,
    #[error("commands of several runs have this tool call id; name the run too")]
    SeveralRuns,
    #[error("the command has ended, or is being ended")]
    Ended,
    #[error("the command is being interrupted already")]
    Busy,
}

/// The commands that tools run now. Clones share one list.
#[derive(Clone)]
pub struct ActiveCommands(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    command: ActiveCommand,
    requests: mpsc::Sender<Interrupt>,
}

impl ActiveCommands {
    /// An empty list, which dates its commands by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared { clock, list: Mutex::default() }))
    }

    /// Lists a command until the answer is dropped.
    #[must_use]
    pub fn begin(&self, start: CommandStart) -> ListedCommand {
        let (requests, interrupts) = mpsc::channel(MAX_UNDELIVERED);
        let command = ActiveCommand { start, since: self.0.clock.now(), interrupts: 0 };
        let mut list = lock(&self.0.list);
        let number = list.next;
        list.next += 1;
        list.entries.insert(number, Entry { command, requests });
        ListedCommand { shared: Arc::clone(&self.0), number, interrupts }
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<ActiveCommand> {
        lock(&self.0.list).entries.values().map(|entry| entry.command.clone()).collect()
    }

    /// Interrupts the command of a tool call, as Ctrl-C does in a terminal. Returns when that was handed
    /// to the command's supervisor; the command may go on.
    ///
    /// # Errors
    /// When there is not exactly one such command, or it ends at this moment.
    pub async fn interrupt(
        &self,
        call_id: &str,
        run: Option<&RunId>,
    ) -> Result<ActiveCommand, InterruptError> {
        let (number, mut command, requests) = self.find(call_id, run)?;
        let (told, delivered) = oneshot::channel();
        requests.try_send(Interrupt(told)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => InterruptError::Busy,
            mpsc::error::TrySendError::Closed(_) => InterruptError::Ended,
        })?;
        delivered.await.map_err(|_| InterruptError::Ended)?;
        let mut list = lock(&self.0.list);
        // A command that the interrupt ended is listed no more.
        let interrupted = list.entries.get_mut(&number).map_or(&mut command, |entry| &mut entry.command);
        interrupted.interrupts = interrupted.interrupts.saturating_add(1);
        Ok(interrupted.clone())
    }

    fn find(
        &self,
        call_id: &str,
        run: Option<&RunId>,
    ) -> Result<(u64, ActiveCommand, mpsc::Sender<Interrupt>), InterruptError> {
        let list = lock(&self.0.list);
        let is_meant =
            |start: &CommandStart| start.call_id == call_id && run.is_none_or(|run| *run == start.run);
        let mut found = list.entries.iter().filter(|(_, entry)| is_meant(&entry.command.start));
        match (found.next(), found.next()) {
            (Some((number, entry)), None) => Ok((*number, entry.command.clone(), entry.requests.clone())),
            (None, _) => Err(InterruptError::NotRunning),
            (Some(_), Some(_)) => Err(InterruptError::SeveralRuns),
        }
    }
}

/// A command's place in the list, held by the tool that runs it.
pub struct ListedCommand {
    shared: Arc<Shared>,
    number: u64,
    interrupts: mpsc::Receiver<Interrupt>,
}

impl ListedCommand {
    /// Waits until a person interrupts the command. Nothing is lost when the future is dropped.
    pub async fn interrupted(&mut self) -> Interrupt {
        match self.interrupts.recv().await {
            Some(interrupt) => interrupt,
            // The list holds a sender for as long as this is in it.
            None => std::future::pending().await,
        }
    }
}

impl Drop for ListedCommand {
    fn drop(&mut self) {
        lock(&self.shared.list).entries.remove(&self.number);
    }
}

/// A person interrupts a command. Dropped without a word, it says that the command is ending.
#[derive(Debug)]
pub struct Interrupt(oneshot::Sender<()>);

impl Interrupt {
    /// It was handed to the command.
    pub fn delivered(self) {
        // The caller may have gone.
        let _ = self.0.send(());
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::AgentId;

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> UnixMillis {
            UnixMillis(12)
        }
    }

    fn run(id: &str) -> RunId {
        RunId::parse(id).expect("valid")
    }

    fn start(run_id: &str, call_id: &str) -> CommandStart {
        CommandStart {
            run: run(run_id),
            session: SessionKey::main(&AgentId::default_agent()),
            call_id: call_id.to_owned(),
            command: "make".to_owned(),
            class: CommandClass::Contained,
            pty: false,
        }
    }

    #[tokio::test]
    async fn a_command_is_listed_while_it_runs() {
        let commands = ActiveCommands::new(Arc::new(Noon));
        let first = commands.begin(start("a", "1"));
        let second = commands.begin(start("a", "2"));

        let listed = commands.list();
        assert_eq!(listed.iter().map(|one| one.start.call_id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((listed[0].since, listed[0].interrupts), (UnixMillis(12), 0));

        drop(first);
        assert_eq!(commands.list().len(), 1);
        drop(second);
        assert!(commands.list().is_empty());
    }

    #[tokio::test]
    async fn an_interrupt_counts_once_it_was_delivered() {
        let commands = ActiveCommands::new(Arc::new(Noon));
        let mut listed = commands.begin(start("a", "1"));
        let deliver = async { listed.interrupted().await.delivered() };

        let (answer, ()) = tokio::join!(commands.interrupt("1", None), deliver);

        assert_eq!(answer.map(|command| command.interrupts), Ok(1));
        assert_eq!(commands.list()[0].interrupts, 1);
    }

    #[tokio::test]
    async fn a_command_that_an_interrupt_ends_was_interrupted() {
        let commands = ActiveCommands::new(Arc::new(Noon));
        let mut listed = commands.begin(start("a", "1"));
        let deliver = async move { listed.interrupted().await.delivered() };

        let (answer, ()) = tokio::join!(commands.interrupt("1", None), deliver);

        assert!(commands.list().is_empty());
        assert_eq!(answer.map(|command| command.interrupts), Ok(1));
    }

    #[tokio::test]
    async fn a_command_that_ends_meanwhile_is_not_interrupted() {
        let commands = ActiveCommands::new(Arc::new(Noon));
        let mut listed = commands.begin(start("a", "1"));
        let refuse = async { drop(listed.interrupted().await) };
        let (answer, ()) = tokio::join!(commands.interrupt("1", None), refuse);
        assert_eq!(answer, Err(InterruptError::Ended));

        let end = async {
            tokio::task::yield_now().await;
            drop(listed);
        };
        let (answer, ()) = tokio::join!(commands.interrupt("1", None), end);
        assert_eq!(answer, Err(InterruptError::Ended));
        assert_eq!(commands.interrupt("1", None).await, Err(InterruptError::NotRunning));
    }

    #[tokio::test]
    async fn the_same_call_id_in_two_runs_needs_the_run() {
        let commands = ActiveCommands::new(Arc::new(Noon));
        let _first = commands.begin(start("a", "1"));
        let mut second = commands.begin(start("b", "1"));
        assert_eq!(commands.interrupt("1", None).await, Err(InterruptError::SeveralRuns));
        assert_eq!(commands.interrupt("1", Some(&run("c"))).await, Err(InterruptError::NotRunning));

        let deliver = async { second.interrupted().await.delivered() };
        let chosen = run("b");
        let (answer, ()) = tokio::join!(commands.interrupt("1", Some(&chosen)), deliver);

        assert_eq!(answer.map(|command| command.start.run), Ok(chosen));
    }

    #[tokio::test]
    async fn interrupts_that_nobody_takes_are_bounded() {
        let commands = ActiveCommands::new(Arc::new(Noon));
        let _listed = commands.begin(start("a", "1"));
        let waiting = || commands.interrupt("1", None);
        let mut all = Vec::new();
        for _ in 0..MAX_UNDELIVERED {
            let mut one = Box::pin(waiting());
            assert!(futures_util::poll!(&mut one).is_pending());
            all.push(one);
        }
        assert_eq!(waiting().await, Err(InterruptError::Busy));
    }
}
