//! Connections of the person's own surfaces: the command line on the local socket, and windows. There
//! is no challenge: the kernel, or the shell of the desktop, tells who it is.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_peers::{LocalSocket, PeerResolver};
use tidegate_protocol::frame::opening;
use tidegate_protocol::payload::events::{RefusedEvent, WelcomeEvent};
use tidegate_protocol::{
    ClientId, ClientInfo, ClientMode, CloseCode, CloseFrame, ConnectionId, Refusal, event,
};
use tidegate_transport::Transport;
use tidegate_transport::admission_slots::UnauthenticatedSlot;
use tidegate_trust::Session;
use tidegate_trust::admission::LookUp;
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::decision::Desktop;
use tidegate_trust::origin::Origin;
use tidegate_trust::principal::{command_line_session, window_session};
use tokio::time::{Instant, timeout_at};

use super::established::{Established, Peered};
use crate::connection_places::ConnectionPlace;
use crate::now;
use crate::outbox::{Outbox, frame};
use crate::state::Gateway;

/// Serves a connection of the local socket: the person's command line. There is no challenge: the
/// kernel tells whose process it is, and a tool is turned away before anything is answered.
pub(crate) async fn serve_local<T: Transport>(
    gateway: Gateway,
    transport: T,
    socket: LocalSocket,
    deadline: Instant,
    slot: UnauthenticatedSlot,
) {
    let greeted = greet(&gateway, transport, socket, deadline).await;
    let Some(Greeted { transport, session, place }) = greeted else { return };
    drop(slot);
    let (outbox, queue) = Outbox::new();
    gateway.inner().hub.join(&session, &outbox, true);
    Established { transport, queue, peer: Peered { gateway, session, outbox, _place: place } }.serve().await;
}

/// A command line that was admitted.
struct Greeted<T> {
    transport: T,
    session: Arc<Session>,
    place: Option<ConnectionPlace>,
}

/// Greets a command line; anything else gets the reason and is closed.
async fn greet<T: Transport>(
    gateway: &Gateway,
    mut transport: T,
    socket: LocalSocket,
    deadline: Instant,
) -> Option<Greeted<T>> {
    let inner = gateway.inner();
    let looked_up = timeout_at(deadline, inner.peers.look_up(Some(&socket), LookUp::Program)).await;
    let peer = looked_up.unwrap_or_else(|_| PeerResolver::unidentified(Some(&socket)));
    let origin = Origin::LocalSocket(peer);
    let id = ConnectionId::parse(now::nonce().ok()?.as_str()).ok()?;
    let session = match command_line_session(id, &origin, command_line_client(inner.version)) {
        Ok(session) => Arc::new(session),
        Err(reason) => {
            let line = format!("security audit: control refused from={} reason={reason}", origin.describe());
            let event = AuditEvent::new(now::wall(), AuditKind::ControlRefused, origin.source(), line);
            inner.trust.audit(event);
            refuse(transport, reason, CloseFrame::new(CloseCode::Policy, reason)).await;
            return None;
        }
    };
    let place = match inner.places.take(&session, None) {
        Ok(place) => place,
        Err(which) => {
            let (error, close) = Refusal::TooManyConnections(which).answer(session.dialect());
            tracing::warn!(reason = %error.message, "a command line is refused");
            refuse(transport, &error.message, close).await;
            return None;
        }
    };
    let welcome = welcome(inner.version, inner.trust.desktop())?;
    match timeout_at(deadline, transport.send(welcome)).await {
        Ok(Ok(())) => Some(Greeted { transport, session, place }),
        _ => None,
    }
}

async fn refuse<T: Transport>(mut transport: T, reason: &str, close: CloseFrame) {
    let refused = RefusedEvent { reason: reason.to_owned() };
    if let Some(refused) = frame(&opening::<event::TidegateRefused>(&refused)) {
        // The program may be gone; the close below notices.
        let _ = transport.send(refused).await;
    }
    transport.close(close).await;
}

/// Serves a window of the desktop. The shell opened it, so there is nobody to be looked up.
pub(crate) async fn serve_window<T: Transport>(gateway: Gateway, mut transport: T, origin: Origin) {
    let inner = gateway.inner();
    let Some(id) = now::nonce().ok().and_then(|nonce| ConnectionId::parse(nonce.as_str()).ok()) else {
        return;
    };
    let session = match window_session(id, &origin, window_client(inner.version)) {
        Ok(session) => Arc::new(session),
        Err(reason) => return transport.close(CloseFrame::new(CloseCode::Policy, reason)).await,
    };
    let Some(welcome) = welcome(inner.version, Desktop::Running) else { return };
    if transport.send(welcome).await.is_err() {
        return;
    }
    let (outbox, queue) = Outbox::new();
    inner.hub.join(&session, &outbox, true);
    inner.hub.watch_all(session.connection());
    Established { transport, queue, peer: Peered { gateway, session, outbox, _place: None } }.serve().await;
}

/// The first frame to a surface of the person.
fn welcome(version: &str, desktop: Desktop) -> Option<Bytes> {
    let payload = WelcomeEvent { version: version.to_owned(), desktop: desktop == Desktop::Running };
    frame(&opening::<event::TidegateWelcome>(&payload))
}

fn window_client(version: &str) -> ClientInfo {
    ClientInfo { mode: ClientMode::Ui, ..command_line_client(version) }
}

fn command_line_client(version: &str) -> ClientInfo {
    ClientInfo {
        id: ClientId::Cli,
        display_name: Some("tidegate".to_owned()),
        version: version.to_owned(),
        platform: std::env::consts::OS.to_owned(),
        device_family: None,
        model_identifier: None,
        mode: ClientMode::Cli,
        instance_id: None,
        build_id: None,
        time_zone: None,
    }
}
