//! What a gateway serves, and what stays when only the gateway restarts: runs go on, and so does what
//! they wait for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_agent::Runtime;
use tidegate_agent::model::ModelDirectory;
use tidegate_gateway::{CurrentGateway, SubagentClient};
use tidegate_peers::KernelPeers;
use tidegate_store::Store;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::control::Control;
use crate::parts::Parts;
use crate::process_context::{Place, ProcessContext, held};
use crate::survivors::Leftovers;

/// How long stopping may take.
pub(crate) const DRAIN: Duration = Duration::from_secs(3);
/// How much of it runs have; the rest is for their ends to be told.
const DRAIN_OF_RUNS: Duration = Duration::from_millis(1_800);
/// How long the store may take to close when the rest took all the time.
const CLOSE: Duration = Duration::from_millis(300);

/// The store, the runtime and our own client, with what they need. One for each store that is opened; several
/// gateways may serve it, one after the other.
pub(crate) struct Services {
    pub(crate) context: Arc<ProcessContext>,
    pub(crate) place: Place,
    pub(crate) port: u16,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
    pub(crate) models: Arc<dyn ModelDirectory>,
    pub(crate) subagents: SubagentClient,
    pub(crate) control: Arc<Control>,
    pub(crate) peers: Arc<KernelPeers>,
    /// The gateway that serves all this.
    pub(crate) gateway: CurrentGateway,
    /// Names this start.
    pub(crate) boot: String,
    pub(crate) leftovers: Option<Leftovers>,
    /// The tasks without which nothing is served.
    pub(crate) parts: Parts,
    /// Somebody asked to stop.
    pub(crate) stop: CancellationToken,
    /// Its parts end.
    pub(crate) end: CancellationToken,
    /// Ends what was begun, unless a gateway served it.
    pub(crate) unserved: Mutex<Option<DropGuard>>,
}

impl Drop for Services {
    fn drop(&mut self) {
        // The gateway holds what we hold.
        self.gateway.set(None);
    }
}

impl Services {
    /// A gateway serves it.
    pub(crate) fn served(&self) {
        if let Some(guard) = held(&self.unserved).take() {
            guard.disarm();
        }
    }

    /// Waits until a part has ended without which nothing is served, and names it.
    pub(crate) async fn part_ended(&self) -> &'static str {
        tokio::select! {
            part = self.parts.first_ended() => part,
            () = self.context.trust.damaged() => "trust service",
            () = self.store.ended() => "store",
        }
    }

    /// No new work; runs end and are settled.
    pub(crate) async fn drain(&self) {
        self.end.cancel();
        self.runtime.drain(DRAIN_OF_RUNS).await;
    }

    /// Closes the store. One in memory stays for the next.
    pub(crate) async fn close(&self, deadline: Instant) {
        self.stop.cancel();
        if !self.context.is_kept_in_memory() {
            let left = deadline.saturating_duration_since(Instant::now()).max(CLOSE);
            if timeout(left, self.store.clone().close()).await.is_err() {
                tracing::warn!("the store did not close in time; nothing that was acknowledged is lost");
            }
        }
    }

    /// Stops all of it in order, while no gateway serves it.
    pub(crate) async fn shut_down(&self) {
        let deadline = Instant::now() + DRAIN;
        self.drain().await;
        if timeout_at(deadline, self.parts.all_ended()).await.is_err() {
            tracing::warn!("some parts did not end in time");
        }
        self.close(deadline).await;
    }
}
