//! One connection: challenge, `connect`, then requests and events until it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tidegate_protocol::device::Nonce;
use tidegate_protocol::frame::{EventFrame, RequestFrame, ResponseFrame, id_of_broken_frame};
use tidegate_protocol::hello::{Auth, Features, HelloOk, Policy, Server, SessionDefaults, Snapshot};
use tidegate_protocol::{
    ClientId, ClientInfo, ClientMode, CloseCode, CloseFrame, ConnectParams, ConnectionId, Dialect,
    ErrorShape, Event, Method, Refusal, RequestId, Scope, limits,
};
use tidegate_trust::admission::Admitted;
use tidegate_trust::admission::LookUp;
use tidegate_trust::audit::{AuditEvent, Weight};
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::principal::command_line_session;
use tidegate_trust::{Admission, Attempt, Principal, Session};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::dispatch::{self, Caller, Reply};
use crate::gateway::Gateway;
use crate::hub::{Outbox, Outgoing};
use crate::now;
use crate::peer::LocalSocket;
use crate::transport::{Received, Transport};

/// A connection that was accepted and has said nothing yet.
pub struct Arrival {
    origin: Origin,
    socket: Option<LocalSocket>,
    user_agent: Option<String>,
    deadline: Instant,
    /// Dropped when the handshake is done: makes room for the next.
    slot: Option<Box<dyn Send + Sync>>,
}

impl Arrival {
    /// One from this computer.
    #[must_use]
    pub fn local(
        socket: LocalSocket,
        user_agent: Option<String>,
        deadline: Instant,
        slot: Box<dyn Send + Sync>,
    ) -> Self {
        let origin = crate::gateway::unknown_local(socket);
        Self { origin, socket: Some(socket), user_agent, deadline, slot: Some(slot) }
    }

    /// One from elsewhere.
    #[must_use]
    pub fn remote(
        address: IpAddr,
        user_agent: Option<String>,
        deadline: Instant,
        slot: Box<dyn Send + Sync>,
    ) -> Self {
        Self { origin: Origin::Remote { address }, socket: None, user_agent, deadline, slot: Some(slot) }
    }

    pub(crate) fn in_process(origin: Origin, deadline: Instant) -> Self {
        Self { origin, socket: None, user_agent: None, deadline, slot: None }
    }
}

/// Serves a connection until it ends.
pub async fn serve<T: Transport>(gateway: Gateway, transport: T, arrival: Arrival) {
    let Some(challenged) = Challenged::new(gateway, transport, arrival).await else { return };
    if let Some(established) = challenged.handshake().await {
        established.serve().await;
    }
}

/// Serves a connection of the local socket: the person's command line. There is no challenge: the
/// kernel tells whose process it is, and a tool is turned away before anything is answered.
pub(crate) async fn serve_local<T: Transport>(
    gateway: Gateway,
    mut transport: T,
    socket: LocalSocket,
    slot: Box<dyn Send + Sync>,
) {
    let peer = look_up(&gateway, Some(socket), LookUp::Program).await;
    let origin = Origin::LocalSocket(peer);
    let Some(id) = now::nonce().ok().and_then(|nonce| ConnectionId::parse(nonce.as_str()).ok()) else {
        return;
    };
    let inner = gateway.inner();
    let session = match command_line_session(id, &origin, command_line_client(inner.version)) {
        Ok(session) => Arc::new(session),
        Err(reason) => {
            let line = format!("security audit: control refused from={} reason={reason}", origin.describe());
            let event = AuditEvent::new(now::wall(), Weight::Warn, "control.refused", origin.source(), line);
            inner.gatekeeper.audit(event);
            let refused = serde_json::json!({
                "type": "event", "event": "tidegate.refused", "payload": { "reason": reason },
            });
            if let Some(refused) = frame(&refused) {
                // Whoever it is may be gone; the close below notices.
                let _ = transport.send(refused).await;
            }
            transport.close(CloseFrame::new(CloseCode::Policy, reason)).await;
            return;
        }
    };
    let desktop = inner.gatekeeper.desktop == tidegate_trust::decision::Desktop::Running;
    let welcome = serde_json::json!({
        "type": "event", "event": "tidegate.welcome", "payload": { "version": inner.version, "desktop": desktop },
    });
    let Some(welcome) = frame(&welcome) else { return };
    if transport.send(welcome).await.is_err() {
        return;
    }
    drop(slot);
    let (outbox, queue) = Outbox::new();
    inner.hub.join(&session, &outbox, true);
    Established { transport, queue, peer: Peered { gateway, session, outbox } }.serve().await;
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

/// A connection that was sent its challenge.
struct Challenged<T> {
    gateway: Gateway,
    transport: T,
    arrival: Arrival,
    id: ConnectionId,
    nonce: Nonce,
}

/// A connection that was let in.
struct Established<T> {
    transport: T,
    queue: mpsc::Receiver<Outgoing>,
    peer: Peered,
}

/// What of a connection does not depend on its transport.
struct Peered {
    gateway: Gateway,
    session: Arc<Session>,
    outbox: Arc<Outbox>,
}

impl<T: Transport> Challenged<T> {
    async fn new(gateway: Gateway, mut transport: T, arrival: Arrival) -> Option<Self> {
        let (Ok(nonce), Ok(id)) = (now::nonce(), now::nonce()) else {
            tracing::error!("the operating system gives no random bytes; nobody can be let in");
            transport.close(CloseFrame::new(CloseCode::TryLater, "no entropy")).await;
            return None;
        };
        let id = ConnectionId::parse(id.as_str()).ok()?;
        transport.set_limit(limits::MAX_PAYLOAD_BEFORE_AUTH);
        let payload = Dialect::challenge_payload(nonce.as_str(), now::wall().0);
        transport.send(frame(&EventFrame::new(Event::ConnectChallenge, payload, None, None))?).await.ok()?;
        Some(Self { gateway, transport, arrival, id, nonce })
    }

    async fn handshake(mut self) -> Option<Established<T>> {
        let deadline = self.arrival.deadline;
        let received = tokio::time::timeout_at(deadline, self.transport.receive()).await;
        let text = match received {
            Ok(Received::Text(text)) => text,
            Ok(Received::Refused(close)) => return self.end(close).await,
            Ok(Received::Closed) => return None,
            Err(_) => {
                tracing::info!(conn = %self.id, "handshake timeout");
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
        let admission = tokio::select! {
            admission = self.admit(&params) => admission,
            () = tokio::time::sleep_until(deadline) => return self.end(CloseFrame::new(CloseCode::Normal, "")).await,
        };
        match admission {
            Ok(admitted) => self.establish(&id, &params, admitted).await,
            Err(Refused { refusal, dialect, delay }) => self.refuse(&id, &refusal, dialect, delay).await,
        }
    }

    /// Asks the pure core, looking the peer up where it says so.
    async fn admit(&mut self, params: &ConnectParams) -> Result<Box<Admitted>, Refused> {
        let inner = self.gateway.inner();
        if !self.gateway.is_ready() && !matches!(self.arrival.origin, Origin::InProcess(_)) {
            return Err(Refused::plain(Refusal::InvalidHandshake(
                "the gateway is starting; try again".to_owned(),
            )));
        }
        let mut looked = None;
        loop {
            let Ok(entropy) = now::entropy() else {
                let message = "the operating system gives no random bytes".to_owned();
                return Err(Refused::plain(Refusal::InvalidHandshake(message)));
            };
            let attempt = Attempt {
                connection: self.id.clone(),
                origin: &self.arrival.origin,
                params,
                nonce: &self.nonce,
            };
            let admission = inner.gatekeeper.authority().admit(&attempt, &entropy, now::moment());
            match admission {
                Admission::Admitted(mut admitted) => {
                    inner.gatekeeper.apply(std::mem::take(&mut admitted.effects), None);
                    return Ok(admitted);
                }
                Admission::Refused { refusal, dialect, delay, effects } => {
                    inner.gatekeeper.apply(effects, None);
                    return Err(Refused { refusal, dialect, delay });
                }
                Admission::LookUpPeer { depth, effects } => {
                    inner.gatekeeper.apply(effects, None);
                    // A look-up that answers nothing new must not be asked for again.
                    let peer = if looked == Some(depth) {
                        Peer::Unknown
                    } else {
                        look_up(&self.gateway, self.arrival.socket, depth).await
                    };
                    looked = Some(depth);
                    self.arrival.origin = match &self.arrival.origin {
                        Origin::LocalSocket(_) => Origin::LocalSocket(peer),
                        _ => Origin::Loopback(peer),
                    };
                }
            }
        }
    }

    async fn establish(
        mut self,
        id: &RequestId,
        params: &ConnectParams,
        mut admitted: Box<Admitted>,
    ) -> Option<Established<T>> {
        let inner = self.gateway.inner();
        let session = Arc::new(admitted.session);
        if let Err(error) = inner.gatekeeper.store().commit_trust(std::mem::take(&mut admitted.durable)).await
        {
            tracing::warn!(%error, "a device token could not be saved, so none is given out");
            admitted.device_token = None;
            if let Principal::Device(device) = session.principal() {
                inner.gatekeeper.authority().forget_unsaved_token(*device);
            }
        }
        let (outbox, queue) = Outbox::new();
        inner.hub.join(&session, &outbox, params.has_cap("tool-events"));
        // Revoked while it was let in: the hub did not know it yet, so nobody closed it.
        let still_live = inner.gatekeeper.authority().is_live(session.connection());
        let hello = hello(&self.gateway, &session, admitted.method, admitted.device_token.take()).await;
        let sent = match (still_live, frame(&ResponseFrame::ok(id.as_str(), hello))) {
            (true, Some(hello)) => self.transport.send(hello).await.is_ok(),
            _ => false,
        };
        let peer = Peered { gateway: self.gateway, session, outbox };
        let established = Established { transport: self.transport, queue, peer };
        if !sent {
            established.peer.leave();
            established.transport.close(CloseFrame::new(CloseCode::DeviceRemoved, "device removed")).await;
            return None;
        }
        self.arrival.slot = None;
        tracing::debug!(
            conn = %established.peer.session.connection(),
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
            conn = %self.id,
            from = %self.arrival.origin.describe(),
            agent = %tidegate_protocol::text::one_line(self.arrival.user_agent.as_deref().unwrap_or(""), 128),
            reason = %close.reason,
            "closed before connect"
        );
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
        policy: Policy::default(),
    }
}

/// Looks a peer up, off the async workers and a few at a time.
pub(crate) async fn look_up(gateway: &Gateway, socket: Option<LocalSocket>, depth: LookUp) -> Peer {
    let inner = gateway.inner();
    let Some(socket) = socket else { return Peer::Unknown };
    let Ok(_permit) = inner.look_ups.acquire().await else { return Peer::Unknown };
    let peers = inner.peers.clone();
    let found = tokio::task::spawn_blocking(move || match depth {
        LookUp::Ancestry => peers.ancestry(socket),
        LookUp::Program => peers.program(socket),
    });
    found.await.unwrap_or(Peer::Unknown)
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

impl<T: Transport> Established<T> {
    async fn serve(mut self) {
        self.transport.set_limit(limits::MAX_PAYLOAD);
        let outstanding = Arc::new(Semaphore::new(limits::MAX_OUTSTANDING));
        let close = loop {
            tokio::select! {
                biased;
                close = self.peer.outbox.closed() => break close,
                Some(outgoing) = self.queue.recv() => match outgoing {
                    Outgoing::Close(close) => break close,
                    Outgoing::Frame(text) => {
                        let length = text.len();
                        let outbox = self.peer.outbox.clone();
                        let sent = tokio::select! {
                            biased;
                            close = outbox.closed() => break close,
                            sent = self.transport.send(text) => sent,
                        };
                        self.peer.outbox.written(length);
                        if sent.is_err() {
                            break CloseFrame::new(CloseCode::Normal, "");
                        }
                    }
                },
                received = self.transport.receive() => match received {
                    Received::Text(text) => self.peer.request(&text, &outstanding).await,
                    Received::Refused(close) => break close,
                    Received::Closed => break CloseFrame::new(CloseCode::Normal, ""),
                },
            }
        };
        self.peer.leave();
        self.transport.close(close).await;
    }
}

impl Peered {
    fn leave(&self) {
        let inner = self.gateway.inner();
        self.outbox.revoke();
        inner.gatekeeper.authority().disconnected(self.session.connection());
        inner.hub.leave(&self.session);
        crate::approvals::withdraw_connection(inner, self.session.connection());
    }

    async fn request(&self, text: &str, outstanding: &Arc<Semaphore>) {
        let request = match RequestFrame::parse(text) {
            Ok(request) => request,
            Err(error) => {
                let id = id_of_broken_frame(text);
                let error = ErrorShape::invalid(format!("invalid request frame: {error}"));
                self.answer(id.as_ref().map_or("invalid", RequestId::as_str), Reply::error(error));
                return;
            }
        };
        if self.outbox.is_revoked() {
            return;
        }
        let method = match authorize(&self.session, &request.method) {
            Ok(method) => method,
            Err(error) => return self.answer(request.id.as_str(), Reply::error(error)),
        };
        if self.gateway.inner().stop.is_cancelled() {
            return self.answer(
                request.id.as_str(),
                Reply::error(ErrorShape::unavailable("the gateway is stopping")),
            );
        }
        let Ok(permit) = outstanding.clone().try_acquire_owned() else {
            let message =
                format!("more than {} requests of this connection are unanswered", limits::MAX_OUTSTANDING);
            return self.answer(request.id.as_str(), Reply::error(ErrorShape::unavailable(message)));
        };
        let caller = Caller {
            gateway: self.gateway.clone(),
            session: self.session.clone(),
            outbox: self.outbox.clone(),
            id: request.id.clone(),
        };
        if dispatch::is_slow(method) {
            self.gateway.inner().tasks.spawn(async move {
                let reply = dispatch::call(&caller, method, &request).await;
                caller.answer(reply);
                drop(permit);
            });
        } else {
            let reply = dispatch::call(&caller, method, &request).await;
            caller.answer(reply);
            // Who took their own rights away has heard it now.
            self.outbox.answered();
        }
    }

    fn answer(&self, id: &str, reply: Reply) {
        if let Some(text) = reply.frame(id) {
            self.outbox.send(text);
        }
    }
}

/// The method of a name, if the session may call it. Someone who lacks the scope learns that
/// before they learn whether a method exists (protocol section 12).
fn authorize(session: &Session, name: &str) -> Result<Method, ErrorShape> {
    if name == "connect" {
        return Err(ErrorShape::invalid("connect is only valid as the first request"));
    }
    let Some(method) = Method::parse(name) else {
        return Err(match session.scopes().covers(&Scope::Admin) {
            true => tidegate_trust::principal::unknown_method(name),
            false => session.dialect().missing_scope(&Scope::Admin),
        });
    };
    session.authorize(method).map(|()| method).map_err(|denied| denied.answer(session.dialect(), name))
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
