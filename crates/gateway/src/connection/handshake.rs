//! The handshake: challenge, `connect`, and `hello-ok` or a refusal.

use std::sync::Arc;
use std::time::Duration;

use tidegate_peers::PeerResolver;
use tidegate_protocol::device::Nonce;
use tidegate_protocol::frame::{RequestFrame, ResponseFrame, opening};
use tidegate_protocol::hello::{Auth, Features, HelloOk, Policy, Server, SessionDefaults, Snapshot};
use tidegate_protocol::payload::events::ConnectChallengeEvent;
use tidegate_protocol::refusal::TooManyConnections;
use tidegate_protocol::{
    CloseCode, CloseFrame, ConnectParams, ConnectionId, Dialect, Refusal, RequestId, Scope, event, limits,
};
use tidegate_transport::admission_slots::Stage;
use tidegate_transport::{Received, Transport};
use tidegate_trust::admission::Admitted;
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::{Admission, Attempt, Session};

use super::arrival::Arrival;
use super::established::{Established, Peered, max_payload};
use crate::now;
use crate::outbox::{Outbox, frame};
use crate::state::Gateway;

/// A connection that was sent its challenge.
pub(super) struct Challenged<T> {
    gateway: Gateway,
    transport: T,
    arrival: Arrival,
    id: ConnectionId,
    nonce: Nonce,
}

impl<T: Transport> Challenged<T> {
    pub(super) async fn new(gateway: Gateway, mut transport: T, arrival: Arrival) -> Option<Self> {
        let (Ok(nonce), Ok(id)) = (now::nonce(), now::nonce()) else {
            tracing::error!("the operating system gives no random bytes; no connection can be admitted");
            transport.close(CloseFrame::new(CloseCode::TryLater, "no entropy")).await;
            return None;
        };
        let id = ConnectionId::parse(id.as_str()).ok()?;
        tracing::Span::current().record("conn", id.as_str());
        transport.set_limit(limits::MAX_PAYLOAD_BEFORE_AUTH);
        // No version is negotiated yet, so this is the same for all.
        let challenge = ConnectChallengeEvent { nonce: nonce.as_str().to_owned(), ts: now::wall().0 };
        transport.send(frame(&opening::<event::ConnectChallenge>(&challenge))?).await.ok()?;
        Some(Self { gateway, transport, arrival, id, nonce })
    }

    pub(super) async fn handshake(mut self) -> Option<Established<T>> {
        let deadline = self.arrival.deadline;
        let received = tokio::time::timeout_at(deadline, self.transport.receive()).await;
        let text = match received {
            Ok(Received::Text(text)) => text,
            Ok(Received::Refused(close)) => return self.end(close).await,
            Ok(Received::Closed) => return None,
            Err(_) => {
                tracing::info!("handshake timeout");
                return self.end(CloseFrame::new(CloseCode::Normal, "")).await;
            }
        };
        let (id, params) = match parse_connect(&text) {
            Ok(parsed) => parsed,
            Err(NotConnect::Answer(id, message)) => {
                return self
                    .refuse(&id, &Refusal::InvalidHandshake(message), Dialect::NEWEST, Duration::ZERO)
                    .await;
            }
            Err(NotConnect::Silent) => {
                return self.end(CloseFrame::new(CloseCode::Policy, "invalid request frame")).await;
            }
        };
        match tokio::time::timeout_at(deadline, self.admit(&params)).await {
            Ok(Ok(admitted)) => self.establish(&id, &params, admitted).await,
            Ok(Err(Refused { refusal, dialect, delay })) => self.refuse(&id, &refusal, dialect, delay).await,
            Err(_) => self.end(CloseFrame::new(CloseCode::Normal, "")).await,
        }
    }

    /// Asks the pure core, looking the peer up where it says so.
    async fn admit(&mut self, params: &ConnectParams) -> Result<Box<Admitted>, Refused> {
        let inner = self.gateway.inner();
        if inner.places.are_all_taken() && !matches!(self.arrival.origin, Origin::InProcess(_)) {
            // Here nothing is used up yet, such as a grant for one admission. The last place may still be
            // taken meanwhile, so it is asked again when one is needed.
            return Err(Refused::plain(Refusal::TooManyConnections(TooManyConnections::InAll)));
        }
        let origin = self.arrival.origin.clone();
        let mut attempt = Attempt::new(self.id.clone(), origin, params, &self.nonce, now::wall());
        if let Some(socket) = &self.arrival.socket {
            // Once is enough: a command that starts later did not send what has been received already.
            attempt = attempt.during(inner.peers.commands().await);
            // Admission asks for it while a command runs; where it is known without a look, it gets it at once.
            if let (Origin::Loopback(Peer::NotLookedUp), Some(peer)) =
                (&self.arrival.origin, inner.peers.ancestry_at_once(socket))
            {
                self.arrival.origin = Origin::Loopback(peer);
                attempt = attempt.from_origin(self.arrival.origin.clone());
            }
        }
        let mut looked = None;
        loop {
            // Also after a look-up: a gateway that has stopped uses nothing up.
            if !self.gateway.is_ready() && !matches!(self.arrival.origin, Origin::InProcess(_)) {
                return Err(Refused::plain(Refusal::NotReady));
            }
            let Ok(entropy) = now::entropy() else {
                let message = "the operating system gives no random bytes".to_owned();
                return Err(Refused::plain(Refusal::InvalidHandshake(message)));
            };
            let admission = inner.trust.authority().admit(&attempt, &entropy, now::timestamp());
            match admission {
                Admission::Admitted(mut admitted) => {
                    inner.trust.admitted(&admitted.session);
                    inner.trust.apply(std::mem::take(&mut admitted.effects), None);
                    return Ok(admitted);
                }
                Admission::Refused { refusal, dialect, delay, effects } => {
                    inner.trust.apply(effects, None);
                    if matches!(refusal, Refusal::PairingRequired(_)) {
                        // A request that is asked for again waits longer.
                        inner.trust.changed();
                    }
                    return Err(Refused { refusal, dialect, delay });
                }
                Admission::LookUpPeer { depth, effects } => {
                    inner.trust.apply(effects, None);
                    // A look-up that answers nothing new must not be asked for again.
                    let peer = if looked == Some(depth) {
                        PeerResolver::unidentified(self.arrival.socket.as_ref())
                    } else {
                        inner.peers.look_up(self.arrival.socket.as_ref(), depth).await
                    };
                    looked = Some(depth);
                    self.arrival.origin = match &self.arrival.origin {
                        Origin::LocalSocket(_) => Origin::LocalSocket(peer),
                        _ => Origin::Loopback(peer),
                    };
                    attempt = attempt.from_origin(self.arrival.origin.clone());
                }
            }
        }
    }

    async fn establish(
        mut self,
        id: &RequestId,
        params: &ConnectParams,
        admitted: Box<Admitted>,
    ) -> Option<Established<T>> {
        let inner = self.gateway.inner();
        let session = Arc::new(admitted.session);
        let source = self.arrival.slot.as_ref().map(|slot| slot.source());
        let place = match inner.places.take(&session, source) {
            Ok(place) => place,
            Err(which) => {
                inner.trust.forget_admission(&session, admitted.device_token);
                let refusal = Refusal::TooManyConnections(which);
                return self.refuse(id, &refusal, session.dialect(), Duration::ZERO).await;
            }
        };
        // Given back before anything is waited for: from here on it is not evicted. One without a place keeps it.
        self.arrival.slot = None;
        let token = match admitted.device_token {
            Some(made) => inner.trust.commit_admission(made).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "a device token could not be saved, so none is given out");
                None
            }),
            None => None,
        };
        let (outbox, queue) = Outbox::new();
        inner.hub.join(&session, &outbox, params.has_cap("tool-events"));
        // What happened while it was let in: the hub did not know it yet, so nobody closed it.
        let end = if !inner.trust.authority().is_live(session.connection()) {
            Some(CloseFrame::new(CloseCode::DeviceRemoved, "device removed"))
        } else if inner.stop.is_cancelled() {
            Some(CloseFrame::new(CloseCode::ServiceRestart, "service restart"))
        } else {
            None
        };
        let peer = Peered { gateway: self.gateway, session, outbox, _place: place };
        if let Some(end) = end {
            drop(peer);
            self.transport.close(end).await;
            return None;
        }
        let hello = hello(&peer.gateway, &peer.session, admitted.method, token).await;
        let hello = frame(&ResponseFrame::ok(id.as_str(), hello))?;
        if self.transport.send(hello).await.is_err() {
            return None;
        }
        let established = Established { transport: self.transport, queue, peer };
        tracing::debug!(
            who = %established.peer.session.principal().name(),
            agent = %tidegate_protocol::text::one_line(self.arrival.user_agent.as_deref().unwrap_or(""), 128),
            "connected"
        );
        Some(established)
    }

    async fn refuse<X>(
        mut self,
        id: &RequestId,
        refusal: &Refusal,
        dialect: Dialect,
        delay: Duration,
    ) -> Option<X> {
        let (error, close) = refusal.answer(dialect);
        tracing::info!(
            from = %self.arrival.origin.describe(),
            agent = %tidegate_protocol::text::one_line(self.arrival.user_agent.as_deref().unwrap_or(""), 128),
            reason = %close.reason,
            "closed before connect"
        );
        if let Some(slot) = self.arrival.slot.as_ref().filter(|_| !delay.is_zero()) {
            slot.reached(Stage::Refused);
        }
        tokio::time::sleep(delay).await;
        if let Some(answer) = frame(&ResponseFrame::error(id.as_str(), &error)) {
            // The client may be gone; the close below notices.
            let _ = self.transport.send(answer).await;
        }
        self.end(close).await
    }

    async fn end<X>(self, close: CloseFrame) -> Option<X> {
        self.transport.close(close).await;
        None
    }
}

/// What a session is greeted with.
async fn hello(
    gateway: &Gateway,
    session: &Session,
    method: &'static str,
    token: Option<(tidegate_trust::token::Token, tidegate_protocol::UnixMillis)>,
) -> HelloOk {
    let inner = gateway.inner();
    let is_admin = session.scopes().covers(&Scope::Admin);
    let may_read = session.scopes().covers(&Scope::Read);
    let show = |path: &std::path::Path| is_admin.then(|| path.display().to_string());
    let (device_token, issued_at_ms) = match token {
        Some((token, at)) => (Some(token.reveal().to_owned()), Some(at)),
        None => (None, None),
    };
    HelloOk {
        kind: "hello-ok",
        protocol: session.dialect().number(),
        server: Server {
            version: inner.version,
            boot_id: inner.boot.clone(),
            conn_id: session.connection().to_string(),
        },
        features: Features::all(),
        snapshot: Snapshot {
            presence: if may_read { inner.hub.presence() } else { Vec::new() },
            health: crate::methods::system::health(gateway, session).await,
            state_version: inner.hub.versions(),
            uptime_ms: u64::try_from(inner.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            session_defaults: SessionDefaults::default(),
            config_path: show(&inner.config_path),
            state_dir: show(&inner.state_dir),
            auth_mode: is_admin.then_some("token"),
        },
        auth: Auth {
            method,
            role: "operator",
            scopes: session.scopes().to_vec(),
            device_token,
            issued_at_ms,
        },
        policy: Policy::with_max_payload(max_payload(session)),
    }
}

struct Refused {
    refusal: Refusal,
    dialect: Dialect,
    delay: Duration,
}

impl Refused {
    fn plain(refusal: Refusal) -> Self {
        Self { refusal, dialect: Dialect::NEWEST, delay: Duration::ZERO }
    }
}

enum NotConnect {
    /// It was a request, so it is answered.
    Answer(RequestId, String),
    /// It was none.
    Silent,
}

fn parse_connect(text: &str) -> Result<(RequestId, ConnectParams), NotConnect> {
    let request = match RequestFrame::parse(text) {
        Ok(request) => request,
        Err(_) => return Err(NotConnect::Silent),
    };
    if request.method != "connect" {
        let message = "invalid handshake: first request must be connect".to_owned();
        return Err(NotConnect::Answer(request.id, message));
    }
    let params = request.params::<ConnectParams>().and_then(|params| params.check().map(|()| params));
    match params {
        Ok(params) => Ok((request.id, params)),
        Err(error) => Err(NotConnect::Answer(request.id, format!("invalid connect params: {error}"))),
    }
}
