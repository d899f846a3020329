//! Looking peers up from async code: off the async workers, a few at a time, with a deadline.

use std::sync::Arc;
use std::time::Duration;

use tidegate_trust::admission::LookUp;
use tidegate_trust::origin::{CommandsAlive, Peer};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::KernelPeers;
use crate::lookup::{LocalSocket, PeerLookup};

/// How many peers on TCP are looked up at once.
const TCP_LOOK_UPS: usize = 4;
/// The same on the local socket, where peers on TCP must not delay the person.
const LOCAL_LOOK_UPS: usize = 2;
/// How long a look-up may take, from when it is asked for.
const LOOK_UP_TIME: Duration = Duration::from_secs(3);

/// Looks peers up for connections. A cheap handle; clones share the limits.
#[derive(Clone)]
pub struct PeerResolver {
    lookup: Arc<dyn PeerLookup>,
    tcp: Arc<Semaphore>,
    local: Arc<Semaphore>,
}

impl PeerResolver {
    /// A resolver that asks `lookup`.
    #[must_use]
    pub fn new(lookup: Arc<dyn PeerLookup>) -> Self {
        let (tcp, local) = (Semaphore::new(TCP_LOOK_UPS), Semaphore::new(LOCAL_LOOK_UPS));
        Self { lookup, tcp: Arc::new(tcp), local: Arc::new(local) }
    }

    /// Which commands of agents may be alive. Blocks: reads the list of our own children.
    #[must_use]
    pub fn commands_blocking(&self) -> CommandsAlive {
        self.lookup.commands()
    }

    /// Which commands of agents may be alive. What has to be read is read off the async workers; where that
    /// fails, any may be.
    pub async fn commands(&self) -> CommandsAlive {
        if let Some(known) = self.lookup.commands_at_once() {
            return known;
        }
        let lookup = self.lookup.clone();
        tokio::task::spawn_blocking(move || lookup.commands()).await.unwrap_or(CommandsAlive::Beyond)
    }

    /// Whether an agent started the peer, where that is known without reading anything. Does not block.
    #[must_use]
    pub fn ancestry_at_once(&self, socket: &LocalSocket) -> Option<Peer> {
        self.lookup.ancestry_at_once(socket)
    }

    /// Looks a peer up. One that is not known in time is unidentified.
    pub async fn look_up(&self, socket: Option<&LocalSocket>, depth: LookUp) -> Peer {
        let unidentified = Self::unidentified(socket);
        let Some(socket) = socket.cloned() else { return unidentified };
        let deadline = Instant::now() + LOOK_UP_TIME;
        let permits = match socket {
            LocalSocket::Tcp { .. } => &self.tcp,
            LocalSocket::Unix(_) => &self.local,
        };
        let Ok(Ok(permit)) = timeout_at(deadline, permits.clone().acquire_owned()).await else {
            return unidentified;
        };
        let lookup = self.lookup.clone();
        let found = tokio::task::spawn_blocking(move || {
            // Held until it is done, also when nobody waits for it any more.
            let _permit = permit;
            match depth {
                LookUp::Ancestry => lookup.ancestry(&socket, deadline.into_std()),
                LookUp::Program => lookup.program(&socket, deadline.into_std()),
            }
        });
        match timeout_at(deadline, found).await {
            Ok(Ok(Peer::Unknown { .. }) | Err(_)) | Err(_) => unidentified,
            Ok(Ok(known)) => known,
        }
    }

    /// A peer of whom no more is known than the user, where the kernel tells that at once.
    #[must_use]
    pub fn unidentified(socket: Option<&LocalSocket>) -> Peer {
        Peer::Unknown { uid: socket.and_then(KernelPeers::user) }
    }
}
