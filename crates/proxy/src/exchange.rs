//! One connection to the proxy: one request, and what follows from it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::http::uri::PathAndQuery;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::dial::Dialer;
use crate::grants::{Grants, NotGranted};
use crate::outbound::{Outbound, Traffic};
use crate::proxy::Limits;
use crate::record::{Checked, ConnectionRecord, Failure, Outcome, Place, Recorder, Refusal};
use crate::request::{Destination, ProxyRequest, RejectedRequest, read_request, remove_connection_headers};
use crate::socks;
use crate::tunnel::{self, Tunnel};

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request, and of an answer.
const MAX_HEADERS: usize = 100;
/// Bytes that a refused client may still send before it is cut off.
const MAX_LINGER_BYTES: u64 = 256 * 1024;

pub(crate) type Body = Either<Full<Bytes>, Incoming>;

/// What all connections of a command share.
pub(crate) struct Exchanges {
    pub(crate) grants: Grants,
    pub(crate) dialer: Dialer,
    pub(crate) limits: Limits,
    pub(crate) recorder: Recorder,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(exchanges: &Exchanges, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match timeout(exchanges.limits.head, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] == socks::VERSION => return socks::serve(exchanges, stream).await,
        Ok(Ok(1)) => {}
        _ => return,
    }
    let work = Work::default();
    // Boxed, because the connection is driven by hand below.
    let service = service_fn(|request| Box::pin(exchanges.answer(request, &work)));
    let mut exchange = http_server(&exchanges.limits).serve_connection(TokioIo::new(stream), service);
    let served = poll_fn(|context| exchange.poll_without_shutdown(context)).await;
    let parts = exchange.into_parts();
    let mut stream = parts.io.into_inner();
    let tunnel = work.take_tunnel();
    match (served, tunnel) {
        (Ok(()), Some(tunnel)) => {
            // Copied, so that the parser's buffer does not stay for the sake of a few bytes.
            let early = Bytes::copy_from_slice(&parts.read_buf);
            drop(parts.read_buf);
            tunnel::run(exchanges, stream, early, tunnel).await;
        }
        (Err(error), _) if error.is_parse() && !work.has_begun() => {
            exchanges.attempt("", 0).end(Refusal::NotAProxyRequest);
            linger(&mut stream, &exchanges.limits).await;
        }
        (Ok(()), None) => linger(&mut stream, &exchanges.limits).await,
        (Err(error), _) => tracing::debug!(%error, "a connection to a sandbox's proxy ended early"),
    }
}

/// hyper's server with our limits.
pub(crate) fn http_server(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        // Answers are the host's; what is ours needs none.
        .auto_date_header(false);
    builder
}

/// What the one request of a connection set going, kept until the connection ends.
#[derive(Default)]
pub(crate) struct Work(Mutex<WorkState>);

#[derive(Default)]
struct WorkState {
    has_begun: bool,
    tunnel: Option<Tunnel>,
    forwarded: Option<Forwarded>,
}

/// A request on its way.
struct Forwarded {
    _driver: AbortOnDropHandle<()>,
    _attempt: Attempt,
}

impl Work {
    fn with<T>(&self, change: impl FnOnce(&mut WorkState) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this is the first request.
    fn begin(&self) -> bool {
        self.with(|state| !std::mem::replace(&mut state.has_begun, true))
    }

    fn has_begun(&self) -> bool {
        self.with(|state| state.has_begun)
    }

    fn take_tunnel(&self) -> Option<Tunnel> {
        self.with(|state| state.tunnel.take())
    }
}

/// A connection that is being made or used. It leaves its record when it is dropped, so that one
/// that is cut off has it, too.
pub(crate) struct Attempt {
    recorder: Recorder,
    host: String,
    port: u16,
    pub(crate) traffic: Arc<Traffic>,
    outcome: Option<Outcome>,
}

impl Attempt {
    /// What became of it, as far as is known now.
    pub(crate) fn set(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// What became of it at last.
    pub(crate) fn end(mut self, outcome: impl Into<Outcome>) {
        self.set(outcome.into());
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(outcome) = self.outcome.take() else { return };
        self.recorder.add(ConnectionRecord {
            host: std::mem::take(&mut self.host),
            port: self.port,
            outcome,
            count: 1,
            sent: self.traffic.sent(),
            received: self.traffic.received(),
        });
    }
}

impl Exchanges {
    pub(crate) fn attempt(&self, host: &str, port: u16) -> Attempt {
        let (recorder, host) = (self.recorder.clone(), host.to_owned());
        Attempt { recorder, host, port, traffic: Arc::default(), outcome: None }
    }

    pub(crate) fn connected(&self, destination: &Destination, checked: Checked) -> Outcome {
        Outcome::Connected { route: self.dialer.route(destination), checked }
    }

    async fn answer(&self, request: Request<Incoming>, work: &Work) -> Result<Response<Body>, Infallible> {
        if !work.begin() {
            return Ok(one_request_only());
        }
        let answer = match read_request(request.method(), request.uri(), request.headers()) {
            Err(rejected) => Err(self.reject(rejected)),
            Ok(ProxyRequest::Tunnel(destination)) => self.tunnel(destination, work).await,
            Ok(ProxyRequest::Forward(destination)) => match self.open(&destination).await {
                Ok((outbound, attempt)) => self.forward(request, &destination, outbound, attempt, work).await,
                Err(answer) => Err(answer),
            },
        };
        Ok(answer.unwrap_or_else(|refused| refused))
    }

    async fn tunnel(&self, destination: Destination, work: &Work) -> Result<Response<Body>, Response<Body>> {
        let (outbound, mut attempt) = self.open(&destination).await?;
        attempt.set(self.connected(&destination, Checked::NameOnly));
        work.with(|state| state.tunnel = Some(Tunnel { destination, outbound, attempt }));
        Ok(Response::new(Body::Left(Full::default())))
    }

    /// Connects where it is granted; else the answer that says why not.
    pub(crate) async fn open(
        &self,
        destination: &Destination,
    ) -> Result<(Outbound, Attempt), Response<Body>> {
        let Destination { host, port } = destination;
        let attempt = self.attempt(host.as_str(), *port);
        if let Err(missing) = self.grants.check(host, *port) {
            let refusal = match missing {
                NotGranted::Host => Refusal::HostNotGranted,
                NotGranted::Port => Refusal::PortNotGranted,
            };
            return Err(refuse(attempt, refusal));
        }
        match self.dialer.dial(destination, Arc::clone(&attempt.traffic)).await {
            Ok(outbound) => Ok((outbound, attempt)),
            Err(outcome) => Err(refuse(attempt, outcome)),
        }
    }

    fn reject(&self, rejected: RejectedRequest) -> Response<Body> {
        refuse(self.attempt(&rejected.host, rejected.port), rejected.refusal)
    }

    /// Makes a request at the host, and passes its answer on.
    pub(crate) async fn forward(
        &self,
        request: Request<Incoming>,
        destination: &Destination,
        outbound: Outbound,
        mut attempt: Attempt,
        work: &Work,
    ) -> Result<Response<Body>, Response<Body>> {
        attempt.set(self.connected(destination, Checked::Http));
        let Some(request) = for_the_host(request, destination) else {
            return Err(refuse(attempt, Refusal::NotAProxyRequest));
        };
        let mut client = hyper::client::conn::http1::Builder::new();
        client.max_headers(MAX_HEADERS);
        let Ok((mut sender, connection)) = client.handshake(TokioIo::new(outbound)).await else {
            return Err(refuse(attempt, Failure::NoHttpAnswer));
        };
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a forwarded request ended early");
            }
        }));
        match sender.send_request(request).await {
            Ok(mut response) => {
                work.with(|state| state.forwarded = Some(Forwarded { _driver: driver, _attempt: attempt }));
                remove_connection_headers(response.headers_mut());
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                Ok(response.map(Body::Right))
            }
            Err(_) => Err(refuse(attempt, Failure::NoHttpAnswer)),
        }
    }
}

/// A request as its host gets it: with a path alone, one `Host` that we made, and nothing that
/// belongs to the connection to us.
fn for_the_host(request: Request<Incoming>, destination: &Destination) -> Option<Request<Incoming>> {
    let (mut parts, body) = request.into_parts();
    remove_connection_headers(&mut parts.headers);
    parts.headers.remove(PROXY_AUTHORIZATION);
    let Destination { host, port } = destination;
    let host = if *port == 80 { host.to_string() } else { format!("{host}:{port}") };
    parts.headers.insert(HOST, HeaderValue::try_from(host).ok()?);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    parts.version = Version::HTTP_11;
    Some(Request::from_parts(parts, body))
}

pub(crate) fn refuse(attempt: Attempt, outcome: impl Into<Outcome>) -> Response<Body> {
    let outcome = outcome.into();
    let status = match &outcome {
        Outcome::Refused {
            refusal: Refusal::NotAProxyRequest | Refusal::UserInfo | Refusal::OtherHostHeader { .. },
        } => StatusCode::BAD_REQUEST,
        Outcome::Failed { failure: Failure::ResolveTimedOut | Failure::ConnectTimedOut } => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Outcome::Failed { .. } => StatusCode::BAD_GATEWAY,
        Outcome::Refused { .. } | Outcome::Connected { .. } => StatusCode::FORBIDDEN,
    };
    let place = Place { host: &attempt.host, port: attempt.port };
    let answer = plain(status, outcome.sentence(place).unwrap_or_default());
    attempt.end(outcome);
    answer
}

pub(crate) fn one_request_only() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "network: a connection to the proxy carries one request".to_owned())
}

/// An answer of our own, after which the connection closes.
fn plain(status: StatusCode, sentence: String) -> Response<Body> {
    let mut response = Response::new(Body::Left(Full::from(sentence + "\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Closes so that the client can read the answer: what it still sends is read, else the system would
/// throw the answer away.
pub(crate) async fn linger(stream: &mut TcpStream, limits: &Limits) {
    let _ = stream.shutdown().await;
    let mut rest = stream.take(MAX_LINGER_BYTES);
    let _ = timeout(limits.linger, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}
