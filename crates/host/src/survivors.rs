//! Commands of agents that the process before left running: found and ended before anybody is let in.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_clock as now;
use tidegate_clock::Backoff;
use tidegate_peers::commands::{Reach, RunningCommand, RunningCommands};
use tidegate_peers::orphans::{self, Orphan, Orphans};
use tidegate_protocol::text;
use tidegate_store::Store;
use tidegate_trust::Change;
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::options::Announcement;
use crate::parts::Parts;
use crate::process_context::{Place, ProcessContext};

/// How long a start waits for their end. A command whose host was killed ends within a second by
/// itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long is waited before what is left is looked for again, at first and at most. What is stuck in
/// the kernel may stay for long, and each look reads the whole process table.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// Characters of a list of them.
const MAX_NAMES: usize = 400;

/// What was found at a start.
pub(crate) struct Survivors {
    state_dir: PathBuf,
    /// `None` when looking failed, so that some may be left.
    found: Option<Orphans>,
    /// As long as some may be left, a client may be one of them.
    running: Option<RunningCommand>,
}

impl Survivors {
    /// Ends them, as far as that is possible soon.
    pub(crate) fn end(place: &Place, commands: &RunningCommands) -> impl Future<Output = Self> + use<> {
        let state_dir = place.state_dir.canonicalize().unwrap_or_else(|_| place.state_dir.clone());
        // Without the lock another Tidegate may run, whose commands these are.
        let looking = place.may_write.then(|| {
            let state_dir = state_dir.clone();
            tokio::task::spawn_blocking(move || orphans::end(&state_dir, PATIENCE))
        });
        let commands = commands.clone();
        async move {
            let found = match looking {
                Some(looking) => known(looking.await),
                None => Some(Orphans::default()),
            };
            Self::new(state_dir, found, &commands)
        }
    }

    pub(crate) fn new(state_dir: PathBuf, found: Option<Orphans>, commands: &RunningCommands) -> Self {
        let running = are_left(found.as_ref()).then(|| commands.begin(Reach::Beyond));
        Self { state_dir, found, running }
    }

    pub(crate) fn ended(&self) -> &[Orphan] {
        self.found.as_ref().map_or(&[], |found| &found.ended)
    }

    /// Whether some are left, as far as is known.
    fn are_left(&self) -> bool {
        are_left(self.found.as_ref())
    }

    fn left(&self) -> &[Orphan] {
        self.found.as_ref().map_or(&[], |found| &found.left)
    }

    /// Writes down what was found, and tells the person.
    pub(crate) async fn tell(&self, store: &Store, context: &ProcessContext) {
        let mut events = Vec::new();
        for (orphans, kind) in
            [(self.ended(), AuditKind::OrphansEnded), (self.left(), AuditKind::OrphansLeft)]
        {
            if !orphans.is_empty() {
                let names = names(orphans);
                let line = format!("security audit: commands outlived Tidegate kind={kind} commands={names}");
                tracing::warn!(target: "audit", "{line}");
                let event = AuditEvent::new(now::wall(), kind, names, line);
                events.push(Change::Audit(Box::new(event)));
            }
        }
        if events.is_empty() {
            return;
        }
        if let Err(error) = store.commit_trust(events).await {
            tracing::warn!(%error, "audit events could not be saved; they are in the log file");
        }
        if !self.ended().is_empty() {
            let commands = self.ended().iter().map(|orphan| orphan.command.clone()).collect();
            context.announce(&Announcement::OrphansEnded { commands });
        }
    }

    /// Why there is no local socket.
    fn sentence(&self) -> String {
        if self.found.is_none() {
            return "it could not find out whether commands of agents from before the start are still running. It \
                    goes on looking, and the command line works once there are none."
                .to_owned();
        }
        format!(
            "commands of agents from before the start are still running and could not be ended: {}. End \
             them or restart the computer; the command line works once they are gone.",
            names(self.left())
        )
    }

    /// Goes on ending what is left, as a part of its own; `None` when nothing is.
    pub(crate) fn end_rest(self, parts: &Parts, stop: CancellationToken) -> Option<Leftovers> {
        self.are_left().then(|| {
            let sentence = self.sentence();
            Leftovers { sentence, are_gone: in_background(parts, self.gone(), stop) }
        })
    }

    /// Goes on ending what is left until nothing is.
    async fn gone(self) {
        let Self { state_dir, running: _running, .. } = self;
        until_gone(move || orphans::end(&state_dir, Duration::ZERO)).await;
        tracing::info!("the commands that outlived Tidegate are gone");
    }
}

/// What of the process before is still being ended.
#[derive(Debug, Clone)]
pub(crate) struct Leftovers {
    /// Why there is no local socket.
    pub(crate) sentence: String,
    are_gone: watch::Receiver<bool>,
}

impl Leftovers {
    pub(crate) fn are_gone(&self) -> bool {
        *self.are_gone.borrow()
    }

    /// Waits until they are gone. Whether they are: otherwise nobody ends them any more.
    pub(crate) async fn gone(&mut self) -> bool {
        self.are_gone.wait_for(|are_gone| *are_gone).await.is_ok()
    }
}

/// Goes on ending what the process before left, also when nobody waits for the answer, which comes when
/// nothing is left.
fn in_background(
    parts: &Parts,
    gone: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    parts.spawn("ending of earlier commands", async move {
        if stop.run_until_cancelled(gone).await.is_some() {
            tell.send_replace(true);
            stop.cancelled().await;
        }
    });
    told
}

/// What was found; `None` when looking failed or panicked.
fn known(looked: Result<io::Result<Orphans>, JoinError>) -> Option<Orphans> {
    let found = looked.map_err(io::Error::from).flatten();
    found
        .inspect_err(|error| tracing::error!(%error, "failed to look for commands that outlived Tidegate"))
        .ok()
}

fn are_left(found: Option<&Orphans>) -> bool {
    found.is_none_or(|found| !found.left.is_empty())
}

/// Passes again and again, ever more rarely, until nothing is left.
async fn until_gone(pass: impl Fn() -> io::Result<Orphans> + Send + Sync + 'static) {
    let pass = Arc::new(pass);
    let mut passes = 0_u32;
    loop {
        tokio::time::sleep(RETRY.pause(passes)).await;
        let pass = Arc::clone(&pass);
        if !are_left(known(tokio::task::spawn_blocking(move || pass()).await).as_ref()) {
            return;
        }
        passes = passes.saturating_add(1);
    }
}

/// The command lines and numbers of some.
pub(crate) fn names(orphans: &[Orphan]) -> String {
    let names: Vec<String> =
        orphans.iter().map(|orphan| format!("{} (process {})", orphan.command, orphan.pid)).collect();
    text::one_line(&names.join("; "), MAX_NAMES)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tidegate_trust::origin::CommandsAlive;
    use tokio::time::Instant;

    use super::*;

    fn stuck() -> Orphans {
        let orphan = Orphan { pid: 4242, command: "dd".to_owned() };
        Orphans { ended: Vec::new(), left: vec![orphan] }
    }

    #[tokio::test]
    async fn when_looking_fails_some_may_be_left() {
        let commands = RunningCommands::default();
        let panicked = tokio::task::spawn_blocking(|| panic!("a fault")).await;
        let unlisted = Ok(Err(io::ErrorKind::PermissionDenied.into()));
        for looked in [panicked, unlisted] {
            let survivors = Survivors::new(PathBuf::new(), known(looked), &commands);

            assert!(survivors.are_left());
            assert_eq!(commands.alive(), CommandsAlive::Beyond);
            assert!(survivors.sentence().starts_with("it could not find out"), "{}", survivors.sentence());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_is_looked_for_ever_more_rarely_until_it_is_gone() {
        let passes = Arc::new(AtomicUsize::new(0));
        let counted = passes.clone();
        let begun = Instant::now();

        until_gone(move || match counted.fetch_add(1, Ordering::Relaxed) {
            2 => panic!("a fault"),
            3 => Err(io::ErrorKind::PermissionDenied.into()),
            0..7 => Ok(stuck()),
            _ => Ok(Orphans::default()),
        })
        .await;

        assert_eq!(passes.load(Ordering::Relaxed), 8);
        assert_eq!(begun.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16 + 30 + 30 + 30);
    }

    #[tokio::test]
    async fn earlier_commands_are_ended_when_no_socket_waits_for_it() {
        let place = tempfile::tempdir().expect("a directory");
        let parts = Parts::new(place.path().to_owned());
        let (stop, may_end) = (CancellationToken::new(), CancellationToken::new());
        let (ended, is_ended) = tokio::sync::oneshot::channel();
        let gone = {
            let may_end = may_end.clone();
            async move {
                may_end.cancelled().await;
                let _ = ended.send(());
            }
        };

        drop(in_background(&parts, gone, stop.clone()));
        may_end.cancel();

        assert_eq!(is_ended.await, Ok(()), "it went on");
        stop.cancel();
        parts.all_ended().await;
    }

    #[tokio::test]
    async fn the_answer_comes_when_the_earlier_commands_are_gone() {
        let place = tempfile::tempdir().expect("a directory");
        let parts = Parts::new(place.path().to_owned());
        let stop = CancellationToken::new();

        let mut told = in_background(&parts, async {}, stop.clone());

        assert!(told.wait_for(|are_gone| *are_gone).await.is_ok());
        stop.cancel();
        parts.all_ended().await;
    }
}
