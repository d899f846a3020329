//! Close codes and reasons.

use crate::limits::MAX_CLOSE_REASON;
use crate::text::truncate_bytes;

/// A WebSocket close code that the gateway sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// Done, or the handshake took too long.
    Normal = 1000,
    /// The protocol versions do not meet.
    Protocol = 1002,
    /// Refused by policy: authentication, pairing, a slow reader.
    Policy = 1008,
    /// A message was larger than allowed.
    TooBig = 1009,
    /// The gateway stops or restarts.
    ServiceRestart = 1012,
    /// The gateway is not ready yet, or full.
    TryLater = 1013,
    /// The device was removed, or its token revoked or rotated.
    DeviceRemoved = 4001,
}

/// How the gateway closes a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    pub code: CloseCode,
    /// The reason, at most [`MAX_CLOSE_REASON`] bytes.
    pub reason: String,
}

impl CloseFrame {
    /// A close frame; a longer reason is cut.
    #[must_use]
    pub fn new(code: CloseCode, reason: &str) -> Self {
        Self { code, reason: truncate_bytes(reason, MAX_CLOSE_REASON).to_owned() }
    }
}
