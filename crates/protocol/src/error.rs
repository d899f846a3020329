//! Error codes and the shape of an error on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

words! {
    /// The code by which clients branch; `details` of the error holds a finer one.
    ErrorCode {
        /// The request cannot be served as it is.
        InvalidRequest = "INVALID_REQUEST",
        /// The device is not paired, or asks for more than it was granted.
        NotPaired = "NOT_PAIRED",
        /// The session's scopes do not allow it (protocol 4).
        Forbidden = "FORBIDDEN",
        /// Not now: starting, stopping, full, or a part is away.
        Unavailable = "UNAVAILABLE",
        /// An agent did not answer in time.
        AgentTimeout = "AGENT_TIMEOUT",
        /// There is no such approval.
        ApprovalNotFound = "APPROVAL_NOT_FOUND",
    }
}

/// What a refused request is answered with: a code for programs and a sentence for people.
#[serde_with_macros::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorShape {
    /// The top-level code.
    pub code: ErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// A finer code and what belongs to it.
    pub details: Option<Value>,
    /// Whether the same request may succeed later.
    pub retryable: Option<bool>,
    /// After how many milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl ErrorShape {
    /// An error with a code and a message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retryable: None, retry_after_ms: None }
    }

    /// An error with the code `INVALID_REQUEST`.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// An `UNAVAILABLE` that may be tried again.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { retryable: Some(true), ..Self::new(ErrorCode::Unavailable, message) }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}
