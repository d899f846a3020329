//! A connection as the transport hands it over.

use std::net::IpAddr;

use tidegate_peers::LocalSocket;
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

impl Arrival {
    /// One from this computer.
    #[must_use]
    pub fn local(
        socket: LocalSocket,
        user_agent: Option<String>,
        deadline: Instant,
        slot: UnauthenticatedSlot,
    ) -> Self {
        let origin = match &socket {
            LocalSocket::Tcp { .. } => Origin::Loopback(Peer::NotLookedUp),
            LocalSocket::Unix(_) => Origin::LocalSocket(Peer::NotLookedUp),
        };
        Self { origin, socket: Some(socket), user_agent, deadline, slot: Some(slot) }
    }

    /// One from elsewhere.
    #[must_use]
    pub fn remote(
        address: IpAddr,
        user_agent: Option<String>,
        deadline: Instant,
        slot: UnauthenticatedSlot,
    ) -> Self {
        Self { origin: Origin::Remote { address }, socket: None, user_agent, deadline, slot: Some(slot) }
    }

    pub(crate) fn in_process(origin: Origin, deadline: Instant) -> Self {
        Self { origin, socket: None, user_agent: None, deadline, slot: None }
    }
}
