//! The listener on TCP: room for strangers, one HTTP request each under a deadline, and the
//! hand-over after the upgrade.

use std::borrow::Cow;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, ORIGIN, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_peers::port_owner::{self, PortOwner};
use tidegate_peers::{KernelPeers, LocalSocket};
use tidegate_protocol::limits::{HANDSHAKE_TIMEOUT, MAX_LINGERING};
use tidegate_protocol::text;
use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::accept::{Accepted, Connections, accept_until};
use crate::admission_slots::{AdmissionSlots, SlotRules, Source, Stage, UnauthenticatedSlot};
use crate::connection_tasks::ConnectionTasks;
use crate::receive_budget::ReceiveBudget;
use crate::upgrade::{UpgradeRules, decide};
use crate::websocket::{WebSocketTimes, WebSocketTransport};

/// The limits of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// How long a socket may take from being accepted to being let in.
    pub handshake: Duration,
    /// How long the head of the HTTP request may take.
    pub header_read: Duration,
    /// How room is shared out before the handshake is done.
    pub slots: SlotRules,
    /// The deadlines of the connections afterwards.
    pub websocket: WebSocketTimes,
    /// How long connections may take to end after the listener was told to stop.
    pub drain: Duration,
    /// How long a socket that gets no more than an answer may take to read it.
    pub linger: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            handshake: HANDSHAKE_TIMEOUT,
            header_read: Duration::from_secs(5),
            slots: SlotRules::default(),
            websocket: WebSocketTimes::default(),
            drain: Duration::from_secs(3),
            linger: Duration::from_millis(250),
        }
    }
}

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Header fields of a request.
const MAX_HEADERS: usize = 32;
/// Characters of a `User-Agent` that are kept.
const MAX_USER_AGENT: usize = 128;

/// Accepts connections until `stop`, then ends those that are not let in yet and waits a bounded
/// time for the others, which the caller has to end. A panic in one connection ends only
/// that one.
pub async fn serve(
    listener: TcpListener,
    connections: impl Connections,
    rules: UpgradeRules,
    limits: ListenerLimits,
    stop: CancellationToken,
) {
    let acceptor = Acceptor {
        budget: connections.receive_budget(),
        connections,
        rules: Arc::new(rules),
        limits,
        slots: AdmissionSlots::new(limits.slots),
        lingering: Arc::new(Semaphore::new(MAX_LINGERING)),
    };
    let tasks = ConnectionTasks::default();
    accept_until(
        "tcp",
        &stop,
        |cx| listener.poll_accept(cx),
        |(stream, remote)| acceptor.start(stream, remote, &tasks),
    )
    .await;
    drop(listener);
    acceptor.slots.evict_all();
    tasks.end_within(limits.drain).await;
}

#[derive(Debug, Clone)]
struct Acceptor<C> {
    connections: C,
    rules: Arc<UpgradeRules>,
    limits: ListenerLimits,
    slots: AdmissionSlots,
    lingering: Arc<Semaphore>,
    budget: ReceiveBudget,
}

impl<C: Connections> Acceptor<C> {
    fn start(&self, stream: TcpStream, remote: SocketAddr, tasks: &ConnectionTasks) {
        let now = Instant::now();
        let deadline = now + self.limits.handshake;
        match self.slots.take(source(&stream, remote), now) {
            Ok((slot, eviction)) => {
                let connection = self.clone().connection(stream, remote, deadline, slot);
                tasks.spawn(connection, eviction.evicted());
            }
            Err(_) => {
                let Ok(permit) = Arc::clone(&self.lingering).try_acquire_owned() else { return };
                let linger = self.limits.linger;
                let refusal = async move {
                    refuse_for_lack_of_room(stream, linger).await;
                    drop(permit);
                };
                tasks.spawn(refusal, pending());
            }
        }
    }

    async fn connection(
        self,
        stream: TcpStream,
        remote: SocketAddr,
        deadline: Instant,
        slot: UnauthenticatedSlot,
    ) {
        // Messages are small and answered at once. Where it cannot be set they are only slower.
        let _ = stream.set_nodelay(true);
        let socket = local_socket(&stream, remote);
        // Boxed, so that a connection does not carry this part's memory through its life.
        let request = Box::pin(self.request(stream));
        let upgraded = timeout_at(deadline, request).await;
        let Ok(Some(Upgraded { stream, unread, user_agent })) = upgraded else { return };
        slot.reached(Stage::Handshake);
        let transport =
            WebSocketTransport::new(stream, unread, self.limits.websocket).with_budget(&self.budget);
        let accepted = Accepted { socket, remote, user_agent, deadline, slot };
        self.connections.serve(transport, accepted).await;
    }

    /// Answers the one request of a connection.
    async fn request(&self, stream: TcpStream) -> Option<Upgraded> {
        let upgrade_of: OnceLock<Option<String>> = OnceLock::new();
        let service = service_fn(|request: Request<Incoming>| {
            let response = self.respond(&request);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let _ = upgrade_of.set(request.headers().get(USER_AGENT).map(user_agent_text));
            }
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        });
        let mut exchange = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = poll_fn(|cx| exchange.poll_without_shutdown(cx)).await {
            tracing::debug!(%error, "a request could not be read");
        }
        let parts = exchange.into_parts();
        let (mut stream, read) = (parts.io.into_inner(), parts.read_buf);
        let Some(user_agent) = upgrade_of.into_inner() else {
            linger(&mut stream, self.limits.linger).await;
            return None;
        };
        // Copied, so that the parser's buffer does not stay for the sake of a few bytes.
        Some(Upgraded { stream, unread: Bytes::copy_from_slice(&read), user_agent })
    }

    fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let rules = match origin.filter(|origin| self.connections.allows_origin(origin)) {
            Some(origin) => Cow::Owned(UpgradeRules::clone(&self.rules).allow_origin(origin)),
            None => Cow::Borrowed(&*self.rules),
        };
        let response = decide(request, &rules, || self.connections.is_ready());
        tracing::debug!(status = response.status().as_u16(), "answered a request");
        response.map(Full::from)
    }
}

struct Upgraded {
    stream: TcpStream,
    unread: Bytes,
    user_agent: Option<String>,
}

fn user_agent_text(value: &HeaderValue) -> String {
    text::one_line(&String::from_utf8_lossy(value.as_bytes()), MAX_USER_AGENT)
}

/// Whom a socket is counted under. Everyone on this computer has the same address, so users are
/// distinguished there.
fn source(stream: &TcpStream, remote: SocketAddr) -> Source {
    let user = local_socket(stream, remote).as_ref().and_then(KernelPeers::user);
    user.map_or_else(|| Source::of(remote.ip()), Source::User)
}

fn local_socket(stream: &TcpStream, remote: SocketAddr) -> Option<LocalSocket> {
    let local = stream.local_addr().ok()?;
    let is_loopback = remote.ip().to_canonical().is_loopback();
    is_loopback.then_some(LocalSocket::Tcp { peer: remote, local })
}

/// Tells why, without reading the request.
async fn refuse_for_lack_of_room(mut stream: TcpStream, limit: Duration) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
        content-type: text/plain; charset=utf-8\r\n\
        content-length: 32\r\n\
        cache-control: no-store\r\n\
        retry-after: 1\r\n\
        connection: close\r\n\r\n\
        Too many unauthenticated sockets";
    if stream.write_all(ANSWER).await.is_ok() {
        linger(&mut stream, limit).await;
    }
}

/// Ends a connection so that the other end can still read what was sent: dropping a socket with
/// unread bytes would reset it.
async fn linger(stream: &mut TcpStream, limit: Duration) {
    let drained = async {
        stream.shutdown().await?;
        copy(stream, &mut sink()).await
    };
    // Either way it is over now.
    let _ = timeout(limit, drained).await;
}

/// Why a port could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Someone else listens on it.
    #[error("Port {port} is in use{}. Stop that program or choose another port.", owner_words(.owner.as_ref()))]
    InUse {
        port: u16,
        /// Who, where the system tells.
        owner: Option<PortOwner>,
    },
    /// The system refuses.
    #[error("Port {port} on this computer's loopback address cannot be opened: {source}.")]
    Refused { port: u16, source: io::Error },
}

fn owner_words(owner: Option<&PortOwner>) -> String {
    owner.map(|owner| format!(" by {owner}")).unwrap_or_default()
}

/// Listens on 127.0.0.1, on any free port if `port` is 0. Nobody else can listen on the same port
/// as long as this does. To be called within a runtime.
///
/// # Errors
/// When the port is taken, with its owner, who is found through the process table and never
/// connected to; or when the system refuses.
pub fn bind_loopback(port: u16) -> Result<TcpListener, BindError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bind = || -> io::Result<TcpListener> {
        // On Unix this sets SO_REUSEADDR, which there allows only what TIME_WAIT would hinder.
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    bind().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { port, owner: port_owner::find(port).ok().flatten() },
        _ => BindError::Refused { port, source },
    })
}
