//! The accept loop of one command's proxy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::dial::Dialer;
use crate::exchange::{self, Exchanges};
use crate::grants::Grants;
use crate::ports::{Connector, Resolver};
use crate::record::{NetworkReport, Recorder};
use crate::upstream::UpstreamProxy;

/// Connections of all commands together. Each takes two descriptors of this process.
const MAX_CONNECTIONS: usize = 256;
/// How long to wait when descriptors or memory ran out: trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of one command's proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. More wait in the listener's queue until one ends.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long a tunnel may take to send what is compared with its name.
    pub first_bytes: Duration,
    /// How long resolving a name may take.
    pub resolve: Duration,
    /// How long connecting may take, all addresses together.
    pub connect: Duration,
    /// How long a refused client has to read why.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(10),
            first_bytes: Duration::from_secs(30),
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(15),
            linger: Duration::from_secs(1),
        }
    }
}

/// Room for the connections of all commands; clones share it.
#[derive(Debug, Clone)]
pub struct ConnectionSlots(Arc<Semaphore>);

impl ConnectionSlots {
    /// Room for this many connections.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))))
    }
}

impl Default for ConnectionSlots {
    fn default() -> Self {
        Self::new(MAX_CONNECTIONS)
    }
}

/// What a command's proxy is made of.
pub struct ProxyParts {
    /// Where the command may go.
    pub grants: Grants,
    pub resolver: Arc<dyn Resolver>,
    pub connector: Arc<dyn Connector>,
    /// The proxy that this computer is set up to use. With one, only names are checked: it resolves
    /// them.
    pub upstream: Option<UpstreamProxy>,
    /// The limits of this command.
    pub limits: Limits,
    /// The room that all commands share.
    pub slots: ConnectionSlots,
}

/// The proxy of one command.
pub struct Proxy {
    exchanges: Arc<Exchanges>,
    recorder: Recorder,
    own_slots: Arc<Semaphore>,
    shared_slots: ConnectionSlots,
}

impl Proxy {
    /// A proxy that has nobody to serve yet.
    #[must_use]
    pub fn new(parts: ProxyParts) -> Self {
        let ProxyParts { grants, resolver, connector, upstream, limits, slots } = parts;
        let dialer = Dialer::new(resolver, connector, upstream, limits.resolve, limits.connect);
        let recorder = Recorder::default();
        let exchanges = Arc::new(Exchanges { grants, dialer, limits, recorder: recorder.clone() });
        let own_slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        Self { exchanges, recorder, own_slots, shared_slots: slots }
    }

    /// Serves the command until `stop`, then closes every connection, whatever goes over it: nothing
    /// outlives the command. A panic in one connection ends only that one. Dropping the future closes
    /// them, too.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        let _ = stop.run_until_cancelled(self.accept(&listener, &mut connections)).await;
        drop(listener);
        connections.shutdown().await;
    }

    /// What became of the connections that have ended.
    #[must_use]
    pub fn report(&self) -> NetworkReport {
        self.recorder.report()
    }

    async fn accept(&self, listener: &TcpListener, connections: &mut JoinSet<()>) {
        loop {
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    let Some(slot) = self.slot().await else { return };
                    let exchanges = Arc::clone(&self.exchanges);
                    connections.spawn(async move {
                        exchange::serve(&exchanges, stream).await;
                        drop(slot);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a sandbox's proxy failed to accept a connection; retrying");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits for room. `None` never happens: the semaphores are not closed.
    async fn slot(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = Arc::clone(&self.own_slots).acquire_owned().await.ok()?;
        let shared = Arc::clone(&self.shared_slots.0).acquire_owned().await.ok()?;
        Some([own, shared])
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
