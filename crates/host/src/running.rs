//! A host that serves, and stopping it in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_agent::Runtime;
use tidegate_gateway::desk::Desk;
use tidegate_gateway::{Gateway, SubagentClient};
use tidegate_store::Store;
use tidegate_trust::origin::CommandsAlive;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::conditions;
use crate::control::Control;
use crate::foundation::Foundation;
use crate::parts::Parts;

/// How long stopping may take.
pub(crate) const DRAIN: Duration = Duration::from_secs(3);
/// How much of it runs have; the rest is for their ends to be told.
const DRAIN_OF_RUNS: Duration = Duration::from_millis(1_800);
/// How long the store may take to close when the rest took all the time.
const CLOSE: Duration = Duration::from_millis(300);

/// A host that serves.
pub struct RunningHost {
    pub(crate) gateway: Gateway,
    pub(crate) desk: Option<Desk>,
    pub(crate) runtime: Runtime,
    pub(crate) subagents: SubagentClient,
    pub(crate) store: Store,
    pub(crate) port: u16,
    pub(crate) state_dir: PathBuf,
    pub(crate) control: Arc<Control>,
    pub(crate) foundation: Arc<Foundation>,
    pub(crate) parts: Parts,
    /// Somebody asked to stop.
    pub(crate) stop: CancellationToken,
    /// No further connections are taken.
    pub(crate) accept: CancellationToken,
}

impl RunningHost {
    /// The TCP port on which the gateway listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The gateway that serves now.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The person's place at the desktop, when this process has one. It belongs to this gateway: after
    /// a restart there is another.
    #[must_use]
    pub fn desk(&self) -> Option<Desk> {
        self.desk.clone()
    }

    /// The agent runtime.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Whether a command of an agent may run that is not contained, or a process that outlived one. A
    /// program's press of an approving button counts only while there is none. Reads the list of our
    /// own children.
    #[must_use]
    pub fn has_commands_beyond_contained(&self) -> bool {
        self.gateway.commands_alive() == CommandsAlive::Beyond
    }

    /// Our own client.
    #[must_use]
    pub fn subagents(&self) -> &SubagentClient {
        &self.subagents
    }

    /// The database of this state directory.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is missing though everything serves, each a sentence for a person. Empty when all is
    /// well.
    #[must_use]
    pub fn degraded(&self) -> Vec<String> {
        conditions::degraded(&self.control, &self.store)
    }

    /// Waits until someone asks it to stop.
    pub async fn stop_requested(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until a part has ended without which it does not serve, and names it.
    pub(crate) async fn part_ended(&self) -> &'static str {
        tokio::select! {
            part = self.parts.first_ended() => part,
            part = self.gateway.part_ended() => part,
            () = self.store.ended() => "store",
        }
    }

    /// Stops in order, within three seconds: no new work, runs end and are settled, connections are
    /// told and closed, everything is saved. The port and the state directory are free afterwards.
    pub async fn stop(&self) {
        self.shut_down("shutdown").await;
        self.foundation.release();
        if let Some(memory) = self.foundation.forget_memory() {
            memory.close().await;
        }
    }

    /// As [`Self::stop`], but the port and the state directory stay ours. `reason` is what
    /// connections are told.
    pub(crate) async fn shut_down(&self, reason: &str) {
        let deadline = Instant::now() + DRAIN;
        self.accept.cancel();
        self.runtime.drain(DRAIN_OF_RUNS).await;
        let connections = async {
            self.gateway.stop(reason).await;
            self.gateway.stopped().await;
            self.parts.all_ended().await;
        };
        if timeout_at(deadline, connections).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        self.stop.cancel();
        if !self.foundation.is_kept_in_memory() {
            let left = deadline.saturating_duration_since(Instant::now()).max(CLOSE);
            if timeout(left, self.store.clone().close()).await.is_err() {
                tracing::warn!("the store did not close in time; nothing that was acknowledged is lost");
            }
        }
        tracing::info!("the gateway has stopped");
    }
}
