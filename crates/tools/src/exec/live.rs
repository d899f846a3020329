//! A command's call while the command runs: what it prints is sent, and a person may interrupt it.

use std::time::Duration;

use tidegate_agent::approval::ExecPlan;
use tidegate_agent::command::{CommandStart, Interrupt, ListedCommand};
use tidegate_agent::tool::{ToolContext, ToolUpdates};
use tokio::time::{Instant, sleep_until};

use super::tail::Tail;

/// The live side of a command.
pub(super) struct Live {
    updates: ToolUpdates,
    listed: ListedCommand,
    tail: Tail,
    began: Instant,
}

impl Live {
    /// Lists the command that an allowed call starts, and tells the call's listeners what it prints.
    pub(super) fn of(context: &ToolContext, plan: &ExecPlan) -> Self {
        let start = CommandStart {
            run: context.run.clone(),
            session: context.session.clone(),
            call_id: context.call_id.clone(),
            command: plan.command.clone(),
            class: plan.confinement.class,
            pty: plan.confinement.pty,
        };
        Self::new(context.updates.clone(), context.commands.begin(start))
    }

    /// Tells `updates` what the command prints, for as long as it is `listed`.
    fn new(updates: ToolUpdates, listed: ListedCommand) -> Self {
        Self { updates, listed, tail: Tail::default(), began: Instant::now() }
    }

    /// Takes a piece of output.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.tail.push(piece);
        self.tell();
    }

    /// Tells what is due when its time comes, until a person interrupts the command. Nothing is lost when
    /// the future is dropped.
    pub(super) async fn interrupted(&mut self) -> Interrupt {
        loop {
            let due = self.tail.due().map(|due| self.began + due);
            tokio::select! {
                interrupt = self.listed.interrupted() => return interrupt,
                () = at(due) => self.tell(),
            }
        }
    }

    fn tell(&mut self) {
        let now: Duration = self.began.elapsed();
        if let Some(text) = self.tail.take(now) {
            self.updates.send(text);
        }
    }
}

/// Waits for a moment, for ever where there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tidegate_agent::SystemClock;
    use tidegate_agent::command::ActiveCommands;
    use tidegate_protocol::confinement::CommandClass;
    use tidegate_protocol::{AgentId, RunId, SessionKey};
    use tokio::time::{sleep, timeout};

    use super::super::tail::{INTERVAL, MAX_UPDATE};
    use super::*;

    type Updates = Arc<Mutex<Vec<(Duration, String)>>>;

    fn live() -> (ActiveCommands, Live, Updates) {
        let commands = ActiveCommands::new(Arc::new(SystemClock));
        let listed = commands.begin(CommandStart {
            run: RunId::parse("run").expect("valid"),
            session: SessionKey::main(&AgentId::default_agent()),
            call_id: "call".to_owned(),
            command: "yes".to_owned(),
            class: CommandClass::Contained,
            pty: false,
        });
        let (updates, began) = (Updates::default(), Instant::now());
        let taken = Arc::clone(&updates);
        let take = move |text| taken.lock().expect("unpoisoned").push((began.elapsed(), text));
        (commands, Live::new(ToolUpdates::new(take), listed), updates)
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_output_is_a_few_bounded_updates() {
        let (_commands, mut live, updates) = live();
        let flood = b"y\n".repeat(8 * 1024);
        let seconds = 10;

        for number in 0..seconds * 100 {
            live.push(&flood);
            live.push(format!("{number}\n").as_bytes());
            let interrupted = timeout(Duration::from_millis(10), live.interrupted()).await;
            assert!(interrupted.is_err(), "nobody interrupts it");
        }

        let updates = updates.lock().expect("unpoisoned");
        let most = Duration::from_secs(seconds).as_millis() / INTERVAL.as_millis() + 1;
        let count = updates.len() as u128;
        assert!(count <= most && count > most / 2, "{count} updates");
        assert!(updates.iter().all(|(_, text)| text.len() <= MAX_UPDATE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_too_early_is_sent_in_time_without_more_output() {
        let (_commands, mut live, updates) = live();
        live.push(b"first\n");
        sleep(Duration::from_millis(10)).await;
        live.push(b"second\n");

        let interrupted = timeout(Duration::from_hours(1), live.interrupted()).await;

        assert!(interrupted.is_err());
        let expected = [(Duration::ZERO, "first\n"), (INTERVAL, "first\nsecond\n")];
        let updates = updates.lock().expect("unpoisoned");
        assert_eq!(updates.iter().map(|(at, text)| (*at, text.as_str())).collect::<Vec<_>>(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupt_is_heard_while_an_update_is_due() {
        let (commands, mut live, _told) = live();
        live.push(b"first\n");
        live.push(b"second\n");

        let heard = async { live.interrupted().await.delivered() };
        let (answer, ()) = tokio::join!(commands.interrupt("call", None), heard);

        assert!(answer.is_ok(), "{answer:?}");
    }
}
