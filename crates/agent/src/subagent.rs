//! The port to our own gateway, through which a run's subagents are started and read.
//!
//! The adapter is the subagent client: it does the whole handshake on the in-process channel with
//! its own key and asks for `operator.admin` from the first call.

use futures_util::future::BoxFuture;
use serde_json::Value;

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The gateway is not there: starting, restarting or stopping.
    #[error("the gateway is not ready: {0}")]
    Unavailable(String),
    /// The gateway refused the handshake. For our own client this is a defect.
    #[error("the gateway refused its own client ({code}): {message}")]
    Refused {
        /// The close code.
        code: u16,
        message: String,
    },
    /// The method answered an error.
    #[error("{message}")]
    Method {
        /// The protocol's error code.
        code: String,
        message: String,
    },
}

/// Calls the gateway as its subagent client.
pub trait SubagentGateway: Send + Sync {
    /// One method call; for `agent` the first answer (`accepted`) is returned.
    fn call(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, CallError>>;
}
