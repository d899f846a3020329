//! A client of the gateway's protocol for tests: it sends what it is given, right or wrong, and
//! keeps what it was not asked for yet.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::upgrade::Error as UpgradeError;
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

use crate::identity::{DeviceIdentity, SignedConnect, SignedText};

/// How long any wait may take before the test counts as failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The code of the close frame; `None` when the stream just ended.
    pub code: Option<u16>,
    pub reason: String,
}

/// What went otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The gateway cannot be reached, or the URL is none.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The upgrade was answered with another status.
    #[error("the upgrade was refused with status {0}")]
    UpgradeRefused(u16),
    /// The gateway answered a request with an error.
    #[error("the gateway answered with an error: {0}")]
    Answer(Value),
    /// The connection ended.
    #[error("the connection ended: {0:?}")]
    Closed(Closed),
    /// Nothing came in 15 seconds.
    #[error("waited too long for {0}")]
    TooLong(&'static str),
}

/// Changes the parameters of `connect`.
type Tamper = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// The fields of `connect`. Whatever [`ConnectOptions::tampered`] changes is changed after signing.
#[derive(Clone)]
pub struct ConnectOptions {
    pub client_id: String,
    pub client_mode: String,
    pub client_version: String,
    pub platform: String,
    pub device_family: Option<String>,
    pub display_name: Option<String>,
    pub role: String,
    pub scopes: Vec<String>,
    pub caps: Vec<String>,
    pub min_protocol: u32,
    pub max_protocol: u32,
    pub token: Option<String>,
    pub device_token: Option<String>,
    pub device: Option<DeviceIdentity>,
    pub signed_text: SignedText,
    /// By default the clock's time.
    pub signed_at: Option<u64>,
    tamper: Option<Tamper>,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectOptions")
            .field("client_id", &self.client_id)
            .field("client_mode", &self.client_mode)
            .field("role", &self.role)
            .field("scopes", &self.scopes)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Default for ConnectOptions {
    /// A CLI on Linux without device, token or scopes.
    fn default() -> Self {
        Self {
            client_id: "cli".to_owned(),
            client_mode: "cli".to_owned(),
            client_version: "1.0.0".to_owned(),
            platform: "linux".to_owned(),
            device_family: None,
            display_name: None,
            role: "operator".to_owned(),
            scopes: Vec::new(),
            caps: Vec::new(),
            min_protocol: 3,
            max_protocol: 4,
            token: None,
            device_token: None,
            device: None,
            signed_text: SignedText::V3,
            signed_at: None,
            tamper: None,
        }
    }
}

impl ConnectOptions {
    /// The same from another client.
    #[must_use]
    pub fn client(mut self, id: &str, mode: &str) -> Self {
        self.client_id = id.to_owned();
        self.client_mode = mode.to_owned();
        self
    }

    /// The same asking for these scopes.
    #[must_use]
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self
    }

    /// The same with a shared or program token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// The same with a device token.
    #[must_use]
    pub fn device_token(mut self, token: &str) -> Self {
        self.device_token = Some(token.to_owned());
        self
    }

    /// The same with a device.
    #[must_use]
    pub fn device(mut self, device: &DeviceIdentity) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// The same declaring capabilities.
    #[must_use]
    pub fn caps(mut self, caps: &[&str]) -> Self {
        self.caps = caps.iter().map(|cap| (*cap).to_owned()).collect();
        self
    }

    /// The same speaking these versions of the protocol.
    #[must_use]
    pub fn protocol(mut self, min: u32, max: u32) -> Self {
        self.min_protocol = min;
        self.max_protocol = max;
        self
    }

    /// The same under a name.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        self.display_name = Some(name.to_owned());
        self
    }

    /// The same with fields changed.
    #[must_use]
    pub fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same with the parameters changed after they were signed.
    #[must_use]
    pub fn tampered(mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.tamper = Some(Arc::new(change));
        self
    }

    /// The parameters of `connect` for a challenge's nonce.
    #[must_use]
    pub fn params(&self, nonce: &str) -> Value {
        let mut params = json!({
            "minProtocol": self.min_protocol,
            "maxProtocol": self.max_protocol,
            "client": {
                "id": self.client_id,
                "version": self.client_version,
                "platform": self.platform,
                "mode": self.client_mode,
            },
            "role": self.role,
            "scopes": self.scopes,
            "caps": self.caps,
        });
        if let Some(family) = &self.device_family {
            params["client"]["deviceFamily"] = json!(family);
        }
        if let Some(name) = &self.display_name {
            params["client"]["displayName"] = json!(name);
        }
        if let Some(token) = &self.token {
            params["auth"]["token"] = json!(token);
        }
        if let Some(token) = &self.device_token {
            params["auth"]["deviceToken"] = json!(token);
        }
        if let Some(device) = &self.device {
            params["device"] = self.signed_device(device, nonce);
        }
        if let Some(tamper) = &self.tamper {
            tamper(&mut params);
        }
        params
    }

    fn signed_device(&self, device: &DeviceIdentity, nonce: &str) -> Value {
        let signed_at = self.signed_at.unwrap_or_else(clock_millis);
        let device_id = device.device_id();
        let text = SignedConnect {
            device_id: &device_id,
            client_id: &self.client_id,
            client_mode: &self.client_mode,
            role: &self.role,
            scopes: &self.scopes,
            signed_at,
            token: self.token.as_deref().or(self.device_token.as_deref()).unwrap_or(""),
            nonce,
            platform: &self.platform,
            device_family: self.device_family.as_deref().unwrap_or(""),
        }
        .text(self.signed_text);
        json!({
            "id": device_id,
            "publicKey": device.public_key(),
            "signature": device.sign(&text),
            "signedAt": signed_at,
            "nonce": nonce,
        })
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn clock_millis() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A client's connection to a gateway.
#[derive(Debug)]
pub struct GatewayClient {
    stream: WebSocketStream<TcpStream>,
    kept: VecDeque<Value>,
    requests: u64,
    closed: Option<Closed>,
}

impl GatewayClient {
    /// Opens a WebSocket. The challenge is not waited for.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses the upgrade.
    pub async fn open(url: &str) -> Result<Self, ClientError> {
        Self::open_with(url, &[]).await
    }

    /// Opens a WebSocket with more headers.
    ///
    /// # Errors
    /// As [`Self::open`], and for headers that are none.
    pub async fn open_with(url: &str, headers: &[(&str, &str)]) -> Result<Self, ClientError> {
        let words = |error: &dyn fmt::Display| ClientError::Connect(error.to_string());
        let mut builder = ClientBuilder::new()
            .uri(url)
            .map_err(|error| words(&error))?
            .limits(Limits::default().max_payload_len(Some(64 * 1024 * 1024)));
        for (name, value) in headers {
            let name = name.parse().map_err(|_| ClientError::Connect(format!("no header name: {name}")))?;
            let value =
                value.parse().map_err(|_| ClientError::Connect(format!("no header value: {value}")))?;
            builder = builder.add_header(name, value).map_err(|error| words(&error))?;
        }
        let authority =
            url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        let tcp = TcpStream::connect(authority).await.map_err(|error| words(&error))?;
        tcp.set_nodelay(true).map_err(|error| words(&error))?;
        let upgraded = timeout(PATIENCE, builder.connect_on(tcp))
            .await
            .map_err(|_| ClientError::TooLong("the upgrade"))?;
        match upgraded {
            Ok((stream, _)) => Ok(Self { stream, kept: VecDeque::new(), requests: 0, closed: None }),
            Err(tokio_websockets::Error::Upgrade(UpgradeError::DidNotSwitchProtocols(status))) => {
                Err(ClientError::UpgradeRefused(status))
            }
            Err(error) => Err(words(&error)),
        }
    }

    /// Waits for the challenge and gives its nonce.
    ///
    /// # Errors
    /// When the connection ends or nothing comes.
    pub async fn challenge(&mut self) -> Result<String, ClientError> {
        let payload = self.event("connect.challenge").await?;
        payload["nonce"].as_str().map(str::to_owned).ok_or(ClientError::TooLong("a nonce"))
    }

    /// Waits for the challenge, sends `connect`, and gives the payload of `hello-ok`.
    ///
    /// # Errors
    /// [`ClientError::Answer`] with the gateway's error, or as [`Self::challenge`].
    pub async fn connect(&mut self, options: &ConnectOptions) -> Result<Value, ClientError> {
        let nonce = self.challenge().await?;
        self.request("connect", options.params(&nonce)).await
    }

    /// Sends a request and waits for its answer. Everything else that comes is kept.
    ///
    /// # Errors
    /// [`ClientError::Answer`] with the gateway's error; when the connection ends or nothing comes.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        let id = self.send_request(method, params).await?;
        self.answer(&id).await
    }

    /// Sends a request and gives its id.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send_request(&mut self, method: &str, params: Value) -> Result<String, ClientError> {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.send_text(frame.to_string()).await?;
        Ok(id)
    }

    /// Waits for the answer to a request.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn answer(&mut self, id: &str) -> Result<Value, ClientError> {
        let mut frame = self
            .wait("an answer", |frame| frame["type"] == "res" && frame["id"].as_str() == Some(id))
            .await?;
        if frame["ok"] == true {
            Ok(frame["payload"].take())
        } else {
            Err(ClientError::Answer(frame["error"].take()))
        }
    }

    /// Waits for the next event of a name and gives its payload; a kept one first.
    ///
    /// # Errors
    /// When the connection ends or nothing comes.
    pub async fn event(&mut self, name: &'static str) -> Result<Value, ClientError> {
        let mut frame = self.wait(name, |frame| frame["type"] == "event" && frame["event"] == name).await?;
        Ok(frame["payload"].take())
    }

    /// Waits for the next frame that fits and keeps the others.
    ///
    /// # Errors
    /// When the connection ends or nothing comes.
    pub async fn wait(
        &mut self,
        what: &'static str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value, ClientError> {
        if let Some(at) = self.kept.iter().position(&fits)
            && let Some(frame) = self.kept.remove(at)
        {
            return Ok(frame);
        }
        let found = async {
            loop {
                let frame = self.next_frame().await?;
                if fits(&frame) {
                    return Ok(frame);
                }
                self.kept.push_back(frame);
            }
        };
        timeout(PATIENCE, found).await.unwrap_or(Err(ClientError::TooLong(what)))
    }

    /// Takes the frames that came and were not asked for.
    pub fn take_kept(&mut self) -> Vec<Value> {
        self.kept.drain(..).collect()
    }

    /// Sends any text as a message.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send_text(&mut self, text: String) -> Result<(), ClientError> {
        self.send_message(Message::text(text)).await
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> Result<(), ClientError> {
        self.send_message(Message::binary(bytes)).await
    }

    /// Waits for the end of the connection. Frames that come before it are kept.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn closed(&mut self) -> Result<Closed, ClientError> {
        let ended = async {
            loop {
                match self.next_frame().await {
                    Ok(frame) => self.kept.push_back(frame),
                    Err(ClientError::Closed(closed)) => return Ok(closed),
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(PATIENCE, ended).await.unwrap_or(Err(ClientError::TooLong("the end")))
    }

    /// Closes and waits for the other end to do so.
    ///
    /// # Errors
    /// When it does not.
    pub async fn close(mut self) -> Result<(), ClientError> {
        match timeout(PATIENCE, self.stream.close()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ClientError::TooLong("the end")),
        }
    }

    async fn send_message(&mut self, message: Message) -> Result<(), ClientError> {
        match self.stream.send(message).await {
            Ok(()) => Ok(()),
            // The close frame, if there is one, says more than the failed write.
            Err(_) => Err(ClientError::Closed(self.closed().await?)),
        }
    }

    /// The next frame as it comes. A text that is no JSON becomes a JSON text.
    async fn next_frame(&mut self) -> Result<Value, ClientError> {
        loop {
            if let Some(closed) = &self.closed {
                return Err(ClientError::Closed(closed.clone()));
            }
            match self.stream.next().await {
                Some(Ok(message)) => {
                    if let Some((code, reason)) = message.as_close() {
                        let code = (u16::from(code) != 1005).then(|| u16::from(code));
                        self.closed = Some(Closed { code, reason: reason.to_owned() });
                        // Lets the answering close frame out.
                        let _ = timeout(PATIENCE, self.stream.close()).await;
                    } else if let Some(text) = message.as_text() {
                        return Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
                    }
                }
                Some(Err(_)) | None => {
                    self.closed = Some(Closed { code: None, reason: String::new() });
                }
            }
        }
    }
}
