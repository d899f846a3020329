//! Frames, whole, as they are on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ErrorShape;
use crate::frame::StateVersion;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum ClientFrame {
    /// A request. The parameters are those of its method.
    #[serde(rename = "req", rename_all = "camelCase")]
    Request {
        id: String,
        method: String,
        params: Option<Value>,
        traceparent: Option<String>,
        expected_profile_id: Option<String>,
    },
}

/// What the gateway sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum GatewayFrame {
    /// An answer: a payload when it went well, an error otherwise; `agent` may fail with both.
    #[serde(rename = "res")]
    Response { id: String, ok: bool, payload: Option<Value>, error: Option<ErrorShape> },
    /// An event. Only what goes to everyone is numbered.
    #[serde(rename = "event", rename_all = "camelCase")]
    Event { event: String, payload: Option<Value>, seq: Option<u64>, state_version: Option<StateVersion> },
    /// The last line on the local socket, where there is no WebSocket to close.
    #[serde(rename = "close")]
    Close { code: u16, reason: String },
}
