//! A host that serves, and stopping it in order.

use std::path::Path;
use std::sync::Arc;

use tidegate_agent::Runtime;
use tidegate_gateway::desktop_authority::DesktopAuthority;
use tidegate_gateway::{Gateway, SubagentClient};
use tidegate_store::Store;
use tidegate_trust::origin::CommandsAlive;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::conditions;
use crate::parts::Parts;
use crate::services::{DRAIN, Services};

/// A host that serves.
pub struct RunningHost {
    pub(crate) services: Arc<Services>,
    pub(crate) gateway: Gateway,
    pub(crate) desktop: Option<DesktopAuthority>,
    /// The tasks without which the gateway does not serve.
    pub(crate) parts: Parts,
    /// No further connections are taken.
    pub(crate) accept: CancellationToken,
}

/// Which part failed, and so what has to start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// A part of the gateway: what it serves goes on.
    Gateway(&'static str),
    /// A part of what it serves.
    Services(&'static str),
}

impl RunningHost {
    /// The TCP port on which the gateway listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.services.port
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.services.place.state_dir
    }

    /// The gateway that serves now.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The person's place at the desktop, when this process has one. It belongs to this gateway: after
    /// a restart there is another.
    #[must_use]
    pub fn desktop(&self) -> Option<DesktopAuthority> {
        self.desktop.clone()
    }

    /// The agent runtime.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.services.runtime
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
        &self.services.subagents
    }

    /// The database of this state directory.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.services.store
    }

    /// What is missing though everything serves, each a sentence for a person. Empty when all is
    /// well.
    #[must_use]
    pub fn degraded(&self) -> Vec<String> {
        conditions::degraded(&self.services.control, &self.services.store)
    }

    /// Waits until someone asks it to stop.
    pub async fn stop_requested(&self) {
        self.services.stop.cancelled().await;
    }

    /// Waits until a part has ended without which it does not serve.
    pub(crate) async fn part_ended(&self) -> Failed {
        tokio::select! {
            // What fails below the gateway may end parts of that as well.
            biased;
            part = self.services.part_ended() => Failed::Services(part),
            part = self.parts.first_ended() => Failed::Gateway(part),
            part = self.gateway.part_ended() => Failed::Gateway(part),
        }
    }

    /// Stops in order, within three seconds: no new work, runs end and are settled, connections are
    /// notified and closed, everything is saved. The port and the state directory are free afterwards.
    pub async fn stop(&self) {
        self.shut_down("shutdown").await;
        let context = &self.services.context;
        context.release();
        if let Some(memory) = context.forget_memory() {
            memory.close().await;
        }
    }

    /// As [`Self::stop`], but the port and the state directory stay ours. `reason` is what
    /// connections hear of it.
    pub(crate) async fn shut_down(&self, reason: &str) {
        let deadline = Instant::now() + DRAIN;
        self.accept.cancel();
        // While there are connections, so that they hear how runs ended.
        self.services.drain().await;
        let connections = async {
            self.end_connections(reason).await;
            self.services.parts.all_ended().await;
        };
        if timeout_at(deadline, connections).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        self.services.close(deadline).await;
        tracing::info!("the gateway has stopped");
    }

    /// Stops the gateway alone: runs go on, and what waits for a decision waits on.
    pub(crate) async fn shut_down_gateway(&self, reason: &str) {
        self.accept.cancel();
        if timeout(DRAIN, self.end_connections(reason)).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        tracing::info!("the gateway has stopped");
    }

    async fn end_connections(&self, reason: &str) {
        self.services.gateway.set(None);
        self.gateway.stop(reason).await;
        self.gateway.stopped().await;
        self.parts.all_ended().await;
    }
}
