//! Commands of agents that the process before left running: found and ended before anybody is let in.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_gateway::now;
use tidegate_peers::commands::{Reach, RunningCommand, RunningCommands};
use tidegate_peers::orphans::{self, Orphan, Orphans};
use tidegate_protocol::text;
use tidegate_store::Store;
use tidegate_trust::Change;
use tidegate_trust::audit::{AuditEvent, Weight};

use crate::foundation::{Foundation, Place};
use crate::options::Announcement;

/// How long a start waits for their end. A command whose host was killed ends within a second by
/// itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long is waited between attempts to end what is left.
const PAUSE: Duration = Duration::from_secs(1);
/// Characters of a list of them.
const MAX_NAMES: usize = 400;

/// What was found at a start.
pub(crate) struct Survivors {
    state_dir: PathBuf,
    found: Orphans,
    /// As long as some are left, a client may be one of them.
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
                Some(looking) => looking.await.unwrap_or_default(),
                None => Orphans::default(),
            };
            let running = (!found.left.is_empty()).then(|| commands.begin(Reach::Beyond));
            Self { state_dir, found, running }
        }
    }

    pub(crate) fn ended(&self) -> &[Orphan] {
        &self.found.ended
    }

    pub(crate) fn are_left(&self) -> bool {
        !self.found.left.is_empty()
    }

    /// Writes down what was found, and tells the person.
    pub(crate) async fn tell(&self, store: &Store, foundation: &Foundation) {
        let mut events = Vec::new();
        for (orphans, kind) in [(&self.found.ended, "orphans.ended"), (&self.found.left, "orphans.left")] {
            if !orphans.is_empty() {
                let names = names(orphans);
                let line = format!("security audit: commands outlived Tidegate kind={kind} commands={names}");
                tracing::warn!(target: "audit", "{line}");
                let event = AuditEvent::new(now::wall(), Weight::Warn, kind, names, line);
                events.push(Change::Audit(Box::new(event)));
            }
        }
        if events.is_empty() {
            return;
        }
        if let Err(error) = store.commit_trust(events).await {
            tracing::warn!(%error, "audit events could not be saved; they are in the log file");
        }
        if !self.found.ended.is_empty() {
            let commands = self.found.ended.iter().map(|orphan| orphan.command.clone()).collect();
            foundation.announce(&Announcement::OrphansEnded { commands });
        }
    }

    /// Why there is no local socket.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "commands of agents from before the start are still running and could not be ended: {}. End \
             them or restart the computer; the command line works once they are gone.",
            names(&self.found.left)
        )
    }

    /// Goes on ending what is left until nothing is.
    pub(crate) async fn gone(self) {
        let _running = self.running;
        loop {
            tokio::time::sleep(PAUSE).await;
            let state_dir = self.state_dir.clone();
            let looking = tokio::task::spawn_blocking(move || orphans::end(&state_dir, PAUSE));
            if looking.await.is_ok_and(|found| found.left.is_empty()) {
                tracing::info!("the commands that outlived Tidegate are gone");
                return;
            }
        }
    }
}

/// The command lines and numbers of some.
pub(crate) fn names(orphans: &[Orphan]) -> String {
    let names: Vec<String> =
        orphans.iter().map(|orphan| format!("{} (process {})", orphan.command, orphan.pid)).collect();
    text::one_line(&names.join("; "), MAX_NAMES)
}
