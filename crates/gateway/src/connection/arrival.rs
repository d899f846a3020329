//! A connection as the transport hands it over.

use tidegate_peers::LocalSocket;
use tidegate_transport::Accepted;
use tidegate_transport::admission_slots::UnauthenticatedSlot;
use tidegate_trust::origin::{Origin, Peer};
use tokio::time::Instant;

/// A connection that was accepted and has said nothing yet.
pub struct Arrival {
    pub(super) origin: Origin,
    pub(super) socket: Option<LocalSocket>,
    pub(super) user_agent: Option<String>,
    pub(super) deadline: Instant,
    /// Dropped when the handshake is done: makes room for the next.
    pub(super) slot: Option<UnauthenticatedSlot>,
}

impl From<Accepted> for Arrival {
    fn from(accepted: Accepted) -> Self {
        let Accepted { socket, remote, user_agent, deadline, slot } = accepted;
        let origin = match &socket {
            Some(LocalSocket::Tcp { .. }) => Origin::Loopback(Peer::NotLookedUp),
            Some(LocalSocket::Unix(_)) => Origin::LocalSocket(Peer::NotLookedUp),
            None => Origin::Remote { address: remote.ip() },
        };
        Self { origin, socket, user_agent, deadline, slot: Some(slot) }
    }
}

impl Arrival {
    pub(crate) fn in_process(origin: Origin, deadline: Instant) -> Self {
        Self { origin, socket: None, user_agent: None, deadline, slot: None }
    }
}
