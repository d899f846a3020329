//! What carries messages: a WebSocket, the in-memory channel, or lines on the local socket. The
//! connection above is the same for all.

use bytes::Bytes;
use tidegate_protocol::CloseFrame;

/// What came in.
#[derive(Debug)]
pub enum Received {
    /// One text message, valid UTF-8.
    Text(String),
    /// A message was larger than the limit, or a binary one, or not valid: the connection must be
    /// closed with this frame.
    Refused(CloseFrame),
    /// The other end is gone.
    Closed,
}

/// The other end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed")]
pub struct Gone;

/// One connection that carries whole text messages.
pub trait Transport: Send + 'static {
    /// The next message. Cancel-safe: a dropped call loses nothing.
    fn receive(&mut self) -> impl Future<Output = Received> + Send;

    /// Sends one text message (valid UTF-8) and flushes it.
    fn send(&mut self, text: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Closes in order, waiting a bounded time for the other end.
    fn close(self, frame: CloseFrame) -> impl Future<Output = ()> + Send;

    /// Sets the most bytes that one incoming message may have.
    fn set_limit(&mut self, bytes: usize);
}
