//! A load generator for the gateway's protocol: devices that are known to it, handshakes and
//! requests whose every answer is checked, connections that stay, and a crowd that gets nowhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

use crate::client::ConnectOptions;
use crate::identity::DeviceIdentity;

/// How long any one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of a message.
const MAX_PAYLOAD: usize = 64 * 1024 * 1024;

/// What went otherwise than a measurement needs it to.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The socket could not be opened, or the upgrade was refused.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection ended.
    #[error("the connection ended ({0})")]
    Closed(String),
    /// An answer was not what it must be.
    #[error("a wrong answer: {0}")]
    WrongAnswer(String),
    /// Nothing came in 10 seconds.
    #[error("waited too long for {0}")]
    TooLong(&'static str),
}

/// One of many devices, always the same for a number.
#[derive(Debug, Clone)]
pub struct LoadDevice {
    pub identity: DeviceIdentity,
    /// The token that it was given when it was paired: it comes back with this one.
    pub token: String,
}

impl LoadDevice {
    /// The device of a number.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        let token =
            Sha256::new().chain_update(b"token of device ").chain_update(number.to_be_bytes()).finalize();
        Self { identity: DeviceIdentity::numbered(number), token: BASE64_URL_SAFE_NO_PAD.encode(token) }
    }

    /// How it connects: as a CLI on Linux that asks for these scopes.
    #[must_use]
    pub fn options(&self, scopes: &[&str]) -> ConnectOptions {
        ConnectOptions::default().scopes(scopes).device_token(&self.token).device(&self.identity)
    }
}

/// How many bytes an answer had, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerSize(pub usize);

/// A connection that does as little as a client can.
#[derive(Debug)]
pub struct LoadConnection {
    stream: WebSocketStream<TcpStream>,
    requests: u64,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    error: Value,
}

impl LoadConnection {
    /// Opens a WebSocket on this computer.
    ///
    /// # Errors
    /// When it cannot be opened or upgraded.
    pub async fn open(port: u16) -> Result<Self, LoadError> {
        let opened = async {
            let words = |error: &dyn std::fmt::Display| LoadError::Connect(error.to_string());
            let tcp = TcpStream::connect(loopback(port)).await.map_err(|error| words(&error))?;
            tcp.set_nodelay(true).map_err(|error| words(&error))?;
            let builder = ClientBuilder::new()
                .uri(&format!("ws://127.0.0.1:{port}/"))
                .map_err(|error| words(&error))?
                .limits(Limits::default().max_payload_len(Some(MAX_PAYLOAD)));
            let (stream, _) = builder.connect_on(tcp).await.map_err(|error| words(&error))?;
            Ok(Self { stream, requests: 0 })
        };
        timeout(PATIENCE, opened).await.unwrap_or(Err(LoadError::TooLong("the upgrade")))
    }

    /// Opens a WebSocket and is let in.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::handshake`].
    pub async fn connected(port: u16, options: &ConnectOptions) -> Result<(Self, AnswerSize), LoadError> {
        let mut connection = Self::open(port).await?;
        let size = connection.handshake(options).await?;
        Ok((connection, size))
    }

    /// Waits for the challenge, signs it, and checks that the answer is `hello-ok`.
    ///
    /// # Errors
    /// When the answer is another, or none.
    pub async fn handshake(&mut self, options: &ConnectOptions) -> Result<AnswerSize, LoadError> {
        let (challenge, _) = self.frame(|frame| frame.kind == "event", "the challenge").await?;
        let nonce = challenge.payload["nonce"]
            .as_str()
            .ok_or_else(|| LoadError::WrongAnswer("a challenge without a nonce".to_owned()))?;
        let (payload, size) = self.request("connect", &options.params(nonce)).await?;
        if payload["type"] != "hello-ok" {
            return Err(LoadError::WrongAnswer(format!("{payload}")));
        }
        Ok(size)
    }

    /// Asks for `health` and checks the answer.
    ///
    /// # Errors
    /// When the answer is another, or none.
    pub async fn health(&mut self) -> Result<AnswerSize, LoadError> {
        let (payload, size) = self.request("health", &json!({})).await?;
        if payload["ok"] != true {
            return Err(LoadError::WrongAnswer(format!("{payload}")));
        }
        Ok(size)
    }

    /// Sends a request and gives the payload of its answer. Events before it are passed over.
    ///
    /// # Errors
    /// When the answer is an error, or none comes.
    pub async fn request(&mut self, method: &str, params: &Value) -> Result<(Value, AnswerSize), LoadError> {
        let id = self.send(method, params).await?;
        let (answer, size) = self.frame(|frame| frame.kind == "res" && frame.id == id, "an answer").await?;
        if !answer.ok {
            return Err(LoadError::WrongAnswer(answer.error.to_string()));
        }
        Ok((answer.payload, size))
    }

    /// Sends a request and gives its id, without waiting for the answer.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send(&mut self, method: &str, params: &Value) -> Result<String, LoadError> {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        let text = json!({ "type": "req", "id": id, "method": method, "params": params }).to_string();
        self.stream.send(Message::text(text)).await.map_err(|error| LoadError::Closed(error.to_string()))?;
        Ok(id)
    }

    /// The next message, whatever it is.
    ///
    /// # Errors
    /// When the connection ended, or nothing came in 10 seconds.
    pub async fn next(&mut self) -> Result<Value, LoadError> {
        let message = self.message("a message").await?;
        let text = message.as_text().ok_or_else(|| LoadError::WrongAnswer("a binary message".to_owned()))?;
        serde_json::from_str(text).map_err(|error| LoadError::WrongAnswer(error.to_string()))
    }

    /// Reads, and keeps nothing, until the other end closes.
    pub async fn until_closed(&mut self) {
        while let Some(Ok(message)) = self.stream.next().await {
            if message.is_close() {
                return;
            }
        }
    }

    /// Closes in order.
    pub async fn close(mut self) {
        // A client that does not answer is dropped.
        let _ = timeout(PATIENCE, self.stream.close()).await;
    }

    async fn frame(
        &mut self,
        fits: impl Fn(&Frame) -> bool,
        what: &'static str,
    ) -> Result<(Frame, AnswerSize), LoadError> {
        loop {
            let message = self.message(what).await?;
            let text = message.as_text().unwrap_or_default();
            let frame: Frame = serde_json::from_str(text)
                .map_err(|error| LoadError::WrongAnswer(format!("no frame: {error}")))?;
            if fits(&frame) {
                return Ok((frame, AnswerSize(text.len())));
            }
        }
    }

    async fn message(&mut self, what: &'static str) -> Result<Message, LoadError> {
        loop {
            let next = timeout(PATIENCE, self.stream.next()).await.map_err(|_| LoadError::TooLong(what))?;
            match next {
                Some(Ok(message)) => {
                    if let Some((code, reason)) = message.as_close() {
                        return Err(LoadError::Closed(format!("{} {reason}", u16::from(code))));
                    }
                    if message.is_text() || message.is_binary() {
                        return Ok(message);
                    }
                }
                Some(Err(error)) => return Err(LoadError::Closed(error.to_string())),
                None => return Err(LoadError::Closed("without a close frame".to_owned())),
            }
        }
    }
}

/// The address of a port on this computer.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Goes through `count` whole handshakes, `at_once` at a time, and closes each connection. The
/// devices take turns.
///
/// # Errors
/// The first that goes wrong.
pub async fn handshakes(
    port: u16,
    devices: &[ConnectOptions],
    count: u64,
    at_once: usize,
) -> Result<(), LoadError> {
    let devices: Arc<[ConnectOptions]> = devices.into();
    let taken = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (devices, taken) = (Arc::clone(&devices), Arc::clone(&taken));
        tasks.spawn(async move {
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let index = usize::try_from(number).unwrap_or(usize::MAX) % devices.len();
                let (connection, _) = LoadConnection::connected(port, &devices[index]).await?;
                connection.close().await;
            }
        });
    }
    all(tasks).await
}

/// Connects every device, `at_once` at a time, and gives the connections.
///
/// # Errors
/// The first that goes wrong.
pub async fn connect_all(
    port: u16,
    devices: Vec<ConnectOptions>,
    at_once: usize,
) -> Result<Vec<LoadConnection>, LoadError> {
    let mut connections = Vec::with_capacity(devices.len());
    let mut opening = futures_util::stream::iter(
        devices.into_iter().map(|options| async move { LoadConnection::connected(port, &options).await }),
    )
    .buffer_unordered(at_once);
    while let Some(opened) = opening.next().await {
        connections.push(opened?.0);
    }
    Ok(connections)
}

/// Sends `count` requests for `health` over all connections, one at a time on each, and gives the
/// connections back.
///
/// # Errors
/// The first that goes wrong.
pub async fn health(connections: Vec<LoadConnection>, count: u64) -> Result<Vec<LoadConnection>, LoadError> {
    let taken = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let taken = Arc::clone(&taken);
        tasks.spawn(async move {
            while taken.fetch_add(1, Ordering::Relaxed) < count {
                connection.health().await?;
            }
            Ok(connection)
        });
    }
    let mut connections = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        connections.push(ended.map_err(|error| LoadError::Closed(error.to_string()))??);
    }
    Ok(connections)
}

async fn all(mut tasks: JoinSet<Result<(), LoadError>>) -> Result<(), LoadError> {
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| LoadError::Closed(error.to_string()))??;
    }
    Ok(())
}

/// Sockets that are offered to the gateway by someone who means ill, and renewed a moment after
/// each ends. A third says nothing, a third stops after the upgrade, a third sends a `connect` with
/// a wrong token and an unknown key.
#[derive(Debug, Clone, Copy)]
pub struct HostileCrowd {
    /// The gateway's port.
    pub port: u16,
    /// How many sockets are offered at any time.
    pub sockets: u64,
    /// How long after its end a socket is renewed.
    pub renew_after: Duration,
    /// How long all this goes on.
    pub lasts: Duration,
}

/// What became of a crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrowdReport {
    /// Sockets that were offered.
    pub offered: u64,
    /// Sockets that were let in; must be none.
    pub admitted: u64,
}

impl HostileCrowd {
    /// Offers and renews until the time is over.
    pub async fn run(self) -> CrowdReport {
        let offered = Arc::new(AtomicU64::new(0));
        let admitted = Arc::new(AtomicU64::new(0));
        let ends = Instant::now() + self.lasts;
        let mut tasks = JoinSet::new();
        for number in 0..self.sockets {
            let (offered, admitted) = (Arc::clone(&offered), Arc::clone(&admitted));
            tasks.spawn(async move {
                // Not all in one instant, so that the renewals spread out as well.
                sleep(self.renew_after.mul_f64(fraction(number, self.sockets))).await;
                while Instant::now() < ends {
                    offered.fetch_add(1, Ordering::Relaxed);
                    if hostile_connection(self.port, number).await {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                    sleep(self.renew_after).await;
                }
            });
        }
        let grace = self.lasts + Duration::from_secs(1);
        // Sockets that are still held when the time is over are dropped.
        let _ = timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
        CrowdReport { offered: offered.load(Ordering::Relaxed), admitted: admitted.load(Ordering::Relaxed) }
    }
}

fn fraction(part: u64, whole: u64) -> f64 {
    let small = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    small(part) / small(whole.max(1))
}

/// Whether the socket was let in. Ends when the gateway ends it.
async fn hostile_connection(port: u16, number: u64) -> bool {
    if number.is_multiple_of(3) {
        if let Ok(mut stream) = TcpStream::connect(loopback(port)).await {
            // A head that never ends.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        return false;
    }
    let Ok(mut connection) = LoadConnection::open(port).await else { return false };
    if number % 3 == 1 {
        connection.until_closed().await;
        return false;
    }
    let stranger = LoadDevice::numbered(u64::MAX - number);
    let admitted = connection.handshake(&stranger.options(&["operator.admin"])).await.is_ok();
    connection.until_closed().await;
    admitted
}
