//! What goes over a tunnel: compared with the tunnel's name first, then passed on unchanged.

use std::convert::Infallible;
use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, join};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client_hello::{ClientHelloError, ClientHelloReader, HANDSHAKE, ServerName};
use crate::exchange::{Attempt, Body, Exchanges, Work, http_server, linger, one_request_only, refuse};
use crate::outbound::Outbound;
use crate::record::{Checked, Refusal};
use crate::request::{Destination, check_tunnelled_request, shown};

/// A tunnel that the client was told is open.
pub(crate) struct Tunnel {
    pub(crate) destination: Destination,
    pub(crate) outbound: Outbound,
    pub(crate) attempt: Attempt,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// TLS, and nothing else.
    Tls,
    /// HTTP, or TLS.
    Web,
    /// Anything. What is TLS names no other host.
    Any,
}

impl Traffic {
    fn of(port: u16) -> Self {
        match port {
            443 => Self::Tls,
            80 => Self::Web,
            _ => Self::Any,
        }
    }
}

/// The TLS alert `access_denied` (RFC 8446 section 6), so that the client says more than "closed".
const ACCESS_DENIED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];

/// Carries a tunnel until either side ends it.
pub(crate) async fn run(exchanges: &Exchanges, mut client: TcpStream, early: Bytes, tunnel: Tunnel) {
    let traffic = Traffic::of(tunnel.destination.port);
    let first = match early.first() {
        Some(first) => Ok(Some(*first)),
        None => first_byte(exchanges, &client, &tunnel.outbound, traffic).await,
    };
    match (first, traffic) {
        (Err(Ended), _) => {}
        (Ok(Some(HANDSHAKE)), _) | (Ok(Some(_)), Traffic::Tls) => {
            tls(exchanges, &mut client, &early, tunnel, traffic).await;
        }
        (Ok(Some(_)), Traffic::Web) => http(exchanges, client, early, tunnel).await,
        // The host speaks first, or it is a protocol that has no name to compare.
        (Ok(_), _) => relay(&mut client, &early, tunnel).await,
    }
}

/// The client ended or said nothing in time.
struct Ended;

/// What the client begins with. `None` where the host is the first to speak, and may be.
async fn first_byte(
    exchanges: &Exchanges,
    client: &TcpStream,
    outbound: &Outbound,
    traffic: Traffic,
) -> Result<Option<u8>, Ended> {
    let mut first = [0];
    let peeked = async {
        match client.peek(&mut first).await {
            Ok(0) | Err(_) => Err(Ended),
            Ok(_) => Ok(Some(first[0])),
        }
    };
    if traffic == Traffic::Any {
        // What may wait as long as the command runs, such as a connection kept for later.
        return tokio::select! {
            biased;
            first = peeked => first,
            readable = outbound.readable() => readable.map(|()| None).map_err(|_| Ended),
        };
    }
    timeout(exchanges.limits.first_bytes, peeked).await.unwrap_or(Err(Ended))
}

async fn tls(exchanges: &Exchanges, client: &mut TcpStream, early: &[u8], tunnel: Tunnel, traffic: Traffic) {
    let Tunnel { destination, outbound, mut attempt } = tunnel;
    let mut reader = ClientHelloReader::default();
    let name = timeout(exchanges.limits.first_bytes, server_name(&mut reader, client, early)).await;
    let checked = match name {
        Err(_) | Ok(Err(HelloError::Ended)) => return,
        Ok(Ok(name)) => compare(&destination, name, traffic),
        Ok(Err(HelloError::Unreadable(ClientHelloError::NotTls))) if traffic == Traffic::Any => {
            Ok(Checked::NameOnly)
        }
        Ok(Err(HelloError::Unreadable(ClientHelloError::NotTls))) => Err(Refusal::NotTls),
        Ok(Err(HelloError::Unreadable(_))) => Err(Refusal::UnreadableTls),
    };
    match checked {
        Ok(checked) => {
            attempt.set(exchanges.connected(&destination, checked));
            let tunnel = Tunnel { destination, outbound, attempt };
            relay(client, &reader.into_bytes(), tunnel).await;
        }
        Err(refusal) => {
            drop(outbound);
            attempt.end(refusal);
            let _ = client.write_all(&ACCESS_DENIED).await;
            linger(client, &exchanges.limits).await;
        }
    }
}

enum HelloError {
    Ended,
    Unreadable(ClientHelloError),
}

async fn server_name(
    reader: &mut ClientHelloReader,
    client: &mut TcpStream,
    early: &[u8],
) -> Result<ServerName, HelloError> {
    let mut name = reader.read(early).map_err(HelloError::Unreadable)?;
    let mut piece = [0; 4_096];
    loop {
        if let Some(name) = name {
            return Ok(name);
        }
        match client.read(&mut piece).await {
            Ok(0) | Err(_) => return Err(HelloError::Ended),
            Ok(count) => name = reader.read(&piece[..count]).map_err(HelloError::Unreadable)?,
        }
    }
}

fn compare(destination: &Destination, name: ServerName, traffic: Traffic) -> Result<Checked, Refusal> {
    match name {
        ServerName::Host(host) if host == destination.host => Ok(Checked::Tls),
        ServerName::Host(host) => Err(Refusal::OtherServerName { name: host.to_string() }),
        ServerName::Other(name) => Err(Refusal::OtherServerName { name: shown(&name) }),
        ServerName::None if traffic == Traffic::Any => Ok(Checked::NameOnly),
        ServerName::None => Err(Refusal::NoServerName),
    }
}

async fn relay(client: &mut TcpStream, first: &[u8], tunnel: Tunnel) {
    // Dropped at the end, with its record.
    let Tunnel { mut outbound, attempt, .. } = tunnel;
    let relayed = async {
        outbound.write_all(first).await?;
        copy_bidirectional(client, &mut outbound).await
    };
    if let Err(error) = relayed.await {
        tracing::debug!(%error, "a tunnel ended early");
    }
    drop(attempt);
}

/// HTTP in the clear: one request, read as those that are no tunnels, for the tunnel's host alone.
async fn http(exchanges: &Exchanges, client: TcpStream, early: Bytes, tunnel: Tunnel) {
    let Tunnel { destination, outbound, attempt } = tunnel;
    let work = Work::default();
    let connection = Mutex::new(Some((outbound, attempt)));
    let (read, write) = client.into_split();
    let service =
        service_fn(|request: Request<Incoming>| answer(exchanges, request, &destination, &connection, &work));
    let stream = TokioIo::new(join(Cursor::new(early).chain(read), write));
    if let Err(error) = http_server(&exchanges.limits).serve_connection(stream, service).await {
        if error.is_parse() {
            let left = connection.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((_, attempt)) = left {
                attempt.end(Refusal::NotAProxyRequest);
            }
        }
        tracing::debug!(%error, "a tunnel with HTTP ended early");
    }
}

async fn answer(
    exchanges: &Exchanges,
    request: Request<Incoming>,
    destination: &Destination,
    connection: &Mutex<Option<(Outbound, Attempt)>>,
    work: &Work,
) -> Result<Response<Body>, Infallible> {
    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner).take();
    // `None` for a second request, which does not come: the first answer closes.
    let Some((outbound, attempt)) = connection else { return Ok(one_request_only()) };
    let answer =
        match check_tunnelled_request(destination, request.method(), request.uri(), request.headers()) {
            Ok(()) => exchanges.forward(request, destination, outbound, attempt, work).await,
            Err(rejected) => Err(refuse(attempt, rejected.refusal)),
        };
    Ok(answer.unwrap_or_else(|refused| refused))
}
