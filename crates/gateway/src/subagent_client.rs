//! Tidegate's own subagent client. It goes the whole way that any client goes: challenge, a signed
//! `connect`, `hello-ok`, requests. It asks for `operator.admin` from the first call, so there is
//! never a scope to be upgraded (OpenClaw issue 59428).

use std::collections::HashMap;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_agent::subagent::{CallError, SubagentGateway};
use tidegate_protocol::client::{ClientId, ClientInfo, ClientMode};
use tidegate_protocol::connect::ConnectParams;
use tidegate_protocol::device::{DeviceClaim, PayloadVersion, SignedFields};
use tidegate_protocol::{Dialect, PublicKey, SignatureBytes};
use tidegate_transport::{ChannelClient, ClientReceived};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use zeroize::Zeroizing;

use crate::current::CurrentGateway;

/// The client. A cheap handle; clones share one connection.
#[derive(Clone)]
pub struct SubagentClient(Arc<Inner>);

struct Inner {
    gateway: CurrentGateway,
    key: SigningKey,
    version: &'static str,
    /// The requests of the connection, if it is open.
    requests: AsyncMutex<Option<mpsc::Sender<Request>>>,
}

struct Request {
    method: &'static str,
    params: Value,
    answer: oneshot::Sender<Result<Value, CallError>>,
}

/// The public key of a seed.
#[must_use]
pub fn public_key(seed: &[u8; 32]) -> PublicKey {
    PublicKey::from_bytes(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

impl SubagentClient {
    /// The client of whichever gateway serves, with the key of this start.
    #[must_use]
    pub fn new(
        gateway: impl Into<CurrentGateway>,
        seed: &Zeroizing<[u8; 32]>,
        version: &'static str,
    ) -> Self {
        let key = SigningKey::from_bytes(seed);
        Self(Arc::new(Inner { gateway: gateway.into(), key, version, requests: AsyncMutex::new(None) }))
    }

    /// Connects, if it is not connected.
    ///
    /// # Errors
    /// When the gateway is not there, or refuses: the latter is a defect.
    pub async fn connect(&self) -> Result<(), CallError> {
        self.connection().await.map(|_| ())
    }

    async fn connection(&self) -> Result<mpsc::Sender<Request>, CallError> {
        let restarting = || CallError::Unavailable("it is restarting".to_owned());
        let gateway = self.0.gateway.get().ok_or_else(restarting)?;
        let mut connection = self.0.requests.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        let mut channel = gateway.open_in_process();
        self.0.handshake(&mut channel).await?;
        let (requests, queue) = mpsc::channel(64);
        tokio::spawn(run(channel, queue));
        Ok(connection.insert(requests).clone())
    }

    async fn request(&self, method: &'static str, params: Value) -> Result<Value, CallError> {
        let gone = || CallError::Unavailable("the connection inside Tidegate ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.connection().await?.send(Request { method, params, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl SubagentGateway for SubagentClient {
    fn call(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, CallError>> {
        Box::pin(self.request(method, params))
    }
}

impl Inner {
    async fn handshake(&self, channel: &mut ChannelClient) -> Result<(), CallError> {
        let challenge = receive(channel).await?.payload;
        let nonce = challenge["nonce"].as_str().unwrap_or_default();
        let signed_at = challenge["ts"].as_u64().unwrap_or_default();
        let params = self.connect_params(nonce, signed_at);
        let request = json!({ "type": "req", "id": "connect", "method": "connect", "params": params });
        send(channel, &request).await?;
        match receive(channel).await?.into_result() {
            Ok(_) => Ok(()),
            Err(CallError::Method { message, .. }) => Err(CallError::Refused { code: 1008, message }),
            Err(error) => Err(error),
        }
    }

    fn connect_params(&self, nonce: &str, signed_at: u64) -> ConnectParams {
        let public_key = PublicKey::from_bytes(self.key.verifying_key().to_bytes());
        let client = ClientInfo {
            id: ClientId::GatewayClient,
            display_name: Some("Tidegate subagents".to_owned()),
            version: self.version.to_owned(),
            platform: std::env::consts::OS.to_owned(),
            device_family: None,
            model_identifier: None,
            mode: ClientMode::Backend,
            instance_id: None,
            build_id: None,
            time_zone: None,
        };
        let scopes = vec!["operator.admin".to_owned()];
        let fields = SignedFields {
            device: public_key.device_id(),
            client: &client,
            role: "operator",
            scopes: &scopes,
            signed_at,
            token: "",
            nonce,
        };
        let signature = self.key.sign(fields.payload(PayloadVersion::V3).as_bytes());
        let device = DeviceClaim {
            id: public_key.device_id().to_string(),
            public_key: public_key.to_string(),
            signature: SignatureBytes(signature.to_bytes()).encode(),
            signed_at,
            nonce: nonce.to_owned(),
        };
        let version = Dialect::NEWEST.number();
        ConnectParams {
            min_protocol: version,
            max_protocol: version,
            client,
            caps: Vec::new(),
            commands: Vec::new(),
            permissions: None,
            path_env: None,
            role: Some("operator".to_owned()),
            scopes,
            device: Some(device),
            auth: None,
            locale: None,
            user_agent: None,
            model_catalog: None,
            computer_use: None,
            worker_runs: None,
        }
    }
}

/// A frame from the gateway, as far as this client looks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incoming {
    id: Option<String>,
    ok: bool,
    payload: Value,
    error: Option<IncomingError>,
}

#[derive(Debug, Deserialize)]
struct IncomingError {
    code: String,
    message: String,
}

impl Incoming {
    fn into_result(self) -> Result<Value, CallError> {
        match (self.ok, self.error) {
            (true, _) => Ok(self.payload),
            (_, Some(error)) => Err(CallError::Method { code: error.code, message: error.message }),
            _ => Err(CallError::Unavailable("the gateway answered without a result".to_owned())),
        }
    }
}

async fn receive(channel: &mut ChannelClient) -> Result<Incoming, CallError> {
    match channel.receive().await {
        ClientReceived::Text(text) => {
            serde_json::from_slice(&text).map_err(|error| CallError::Unavailable(error.to_string()))
        }
        ClientReceived::Closed(Some(frame)) => {
            Err(CallError::Refused { code: frame.code as u16, message: frame.reason })
        }
        ClientReceived::Closed(None) => {
            Err(CallError::Unavailable("the gateway closed the connection".to_owned()))
        }
    }
}

async fn send(channel: &ChannelClient, request: &Value) -> Result<(), CallError> {
    let gone = |_| CallError::Unavailable("the gateway closed the connection".to_owned());
    channel.send(request.to_string()).await.map_err(gone)
}

/// Sends requests and hands out answers until the connection ends. Requests that are unanswered
/// then learn it by their dropped sender.
async fn run(mut channel: ChannelClient, mut queue: mpsc::Receiver<Request>) {
    let mut waiting: HashMap<String, oneshot::Sender<Result<Value, CallError>>> = HashMap::new();
    let mut number = 0_u64;
    loop {
        tokio::select! {
            request = queue.recv() => {
                let Some(Request { method, params, answer }) = request else { return };
                number += 1;
                let id = number.to_string();
                let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
                waiting.retain(|_, answer| !answer.is_closed());
                waiting.insert(id, answer);
                if send(&channel, &frame).await.is_err() {
                    return;
                }
            }
            received = receive(&mut channel) => match received {
                Ok(frame) => {
                    // Events have no id; a second answer finds nobody waiting any longer.
                    let answer = frame.id.as_ref().and_then(|id| waiting.remove(id));
                    if let Some(answer) = answer {
                        let _ = answer.send(frame.into_result());
                    }
                }
                Err(_) => return,
            },
        }
    }
}
