//! `hello-ok`: the answer to a `connect` that was let in.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::Method;
use crate::event::Event;
use crate::frame::StateVersion;
use crate::limits;
use crate::payload::system::PresenceEntry;
use crate::scope::Scope;
use crate::time::UnixMillis;

/// The payload of `hello-ok`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelloOk {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub protocol: u32,
    pub server: Server,
    pub features: Features,
    pub snapshot: Snapshot,
    pub auth: Auth,
    pub policy: Policy,
}

/// The gateway that answers, this start of it, and this connection.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    pub version: &'static str,
    pub boot_id: String,
    pub conn_id: String,
}

/// What works here.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Features {
    pub methods: Vec<&'static str>,
    pub events: Vec<&'static str>,
}

impl Features {
    /// Everything that is served.
    #[must_use]
    pub fn all() -> Self {
        Self {
            methods: Method::ALL
                .iter()
                .filter(|method| method.is_advertised())
                .map(|method| method.name())
                .collect(),
            events: Event::ALL
                .iter()
                .filter(|event| event.is_advertised())
                .map(|event| event.name())
                .collect(),
        }
    }
}

/// The state when the connection began; events tell what changes after it.
#[serde_with_macros::skip_serializing_none]
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub presence: Vec<PresenceEntry>,
    #[schemars(with = "Value")]
    pub health: std::sync::Arc<serde_json::value::RawValue>,
    pub state_version: StateVersion,
    pub uptime_ms: u64,
    pub session_defaults: SessionDefaults,
    /// Only told to sessions with `operator.admin`.
    pub config_path: Option<String>,
    /// Only told to sessions with `operator.admin`.
    pub state_dir: Option<String>,
    /// Only told to sessions with `operator.admin`.
    pub auth_mode: Option<&'static str>,
}

/// The session that a message goes to where a client names none.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionDefaults {
    pub default_agent_id: &'static str,
    pub main_key: &'static str,
    pub main_session_key: &'static str,
    pub scope: &'static str,
}

impl Default for SessionDefaults {
    fn default() -> Self {
        Self {
            default_agent_id: crate::ids::DEFAULT_AGENT,
            main_key: "main",
            main_session_key: "agent:main:main",
            scope: "per-sender",
        }
    }
}

/// How the session was let in, and as what.
#[serde_with_macros::skip_serializing_none]
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    pub method: &'static str,
    pub role: &'static str,
    pub scopes: Vec<Scope>,
    /// Only when it was newly made.
    pub device_token: Option<String>,
    pub issued_at_ms: Option<UnixMillis>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Auth")
            .field("method", &self.method)
            .field("scopes", &self.scopes)
            .field("device_token", &self.device_token.is_some())
            .finish_non_exhaustive()
    }
}

/// The limits of this connection: sizes in bytes, times in milliseconds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub max_payload: usize,
    pub max_buffered_bytes: usize,
    pub tick_interval_ms: u64,
}

impl Policy {
    /// The policy of a connection whose messages may have so many bytes.
    #[must_use]
    pub fn with_max_payload(max_payload: usize) -> Self {
        Self {
            max_payload,
            max_buffered_bytes: limits::MAX_BUFFERED_BYTES,
            tick_interval_ms: u64::try_from(limits::TICK_INTERVAL.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
