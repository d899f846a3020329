//! One connection: challenge, `connect`, then requests and events until it ends.

mod established;
mod handshake;
mod own_surfaces;

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::Serialize;
use tidegate_peers::LocalSocket;
use tidegate_protocol::limits;
use tidegate_transport::Transport;
use tidegate_transport::admission_slots::UnauthenticatedSlot;
use tidegate_trust::Session;
use tidegate_trust::origin::Origin;
use tokio::time::Instant;

pub(crate) use own_surfaces::{serve_local, serve_window};

use crate::gateway::Gateway;

use handshake::Challenged;

/// A connection that was accepted and has said nothing yet.
pub struct Arrival {
    origin: Origin,
    socket: Option<LocalSocket>,
    user_agent: Option<String>,
    deadline: Instant,
    /// Dropped when the handshake is done: makes room for the next.
    slot: Option<UnauthenticatedSlot>,
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
        let origin = crate::gateway::unknown_local(&socket);
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

/// Serves a connection until it ends.
pub async fn serve<T: Transport>(gateway: Gateway, transport: T, arrival: Arrival) {
    // Boxed, so that a connection does not carry the handshake's memory through its life.
    let handshake = Box::pin(async { Challenged::new(gateway, transport, arrival).await?.handshake().await });
    if let Some(established) = handshake.await {
        established.serve().await;
    }
}

/// A frame's text. `None` only for values that JSON cannot hold, which no frame has.
pub(crate) fn frame(value: &impl Serialize) -> Option<Bytes> {
    match serde_json::to_vec(value) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a frame could not be written");
            None
        }
    }
}

/// The most bytes of one message of a session.
fn max_payload(session: &Session) -> usize {
    match session.scopes().is_empty() {
        true => limits::MAX_PAYLOAD_WITHOUT_SCOPES,
        false => limits::MAX_PAYLOAD,
    }
}

impl Gateway {
    /// Whether any connection is open; for tests and status.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner().hub.len()
    }

    /// Whether the gateway has its runtime, whatever else.
    #[must_use]
    pub fn has_runtime(&self) -> bool {
        self.inner().ready.load(Ordering::Acquire)
    }
}
