//! The in-memory transport, for connections within this process.

use bytes::Bytes;
use tidegate_protocol::{CloseCode, CloseFrame, limits};
use tokio::sync::mpsc;

use crate::transport::{Gone, Received, Transport};

/// The gateway's end of the in-memory transport.
#[derive(Debug)]
pub struct ChannelTransport {
    incoming: mpsc::Receiver<ChannelMessage>,
    outgoing: mpsc::Sender<ChannelMessage>,
    limit: usize,
}

/// What the in-memory transport carries.
#[derive(Debug)]
enum ChannelMessage {
    Text(Bytes),
    Close(CloseFrame),
}

/// The client's end of the in-memory transport.
#[derive(Debug)]
pub struct ChannelClient {
    incoming: mpsc::Receiver<ChannelMessage>,
    outgoing: mpsc::Sender<ChannelMessage>,
}

/// What the client's end got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientReceived {
    Text(Bytes),
    /// The gateway closed.
    Closed(Option<CloseFrame>),
}

/// How many messages one direction holds.
const CHANNEL_CAPACITY: usize = 256;

/// A pair of ends.
#[must_use]
pub fn channel() -> (ChannelTransport, ChannelClient) {
    let (to_server, from_client) = mpsc::channel(CHANNEL_CAPACITY);
    let (to_client, from_server) = mpsc::channel(CHANNEL_CAPACITY);
    let server = ChannelTransport {
        incoming: from_client,
        outgoing: to_client,
        limit: limits::MAX_PAYLOAD_BEFORE_AUTH,
    };
    (server, ChannelClient { incoming: from_server, outgoing: to_server })
}

impl Transport for ChannelTransport {
    async fn receive(&mut self) -> Received {
        match self.incoming.recv().await {
            Some(ChannelMessage::Text(text)) if text.len() > self.limit => {
                Received::Refused(CloseFrame::new(CloseCode::TooBig, "message too large"))
            }
            Some(ChannelMessage::Text(text)) => match String::from_utf8(text.into()) {
                Ok(text) => Received::Text(text),
                Err(_) => Received::Closed,
            },
            Some(ChannelMessage::Close(_)) | None => Received::Closed,
        }
    }

    async fn send(&mut self, text: Bytes) -> Result<(), Gone> {
        self.outgoing.send(ChannelMessage::Text(text)).await.map_err(|_| Gone)
    }

    async fn close(self, frame: CloseFrame) {
        // The client may be gone already; then there is nobody to tell.
        let _ = self.outgoing.try_send(ChannelMessage::Close(frame));
    }

    fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }
}

impl ChannelClient {
    /// The next message. Cancel-safe.
    pub async fn receive(&mut self) -> ClientReceived {
        match self.incoming.recv().await {
            Some(ChannelMessage::Text(text)) => ClientReceived::Text(text),
            Some(ChannelMessage::Close(frame)) => ClientReceived::Closed(Some(frame)),
            None => ClientReceived::Closed(None),
        }
    }

    /// Sends one text message.
    ///
    /// # Errors
    /// When the gateway closed the connection.
    pub async fn send(&self, text: String) -> Result<(), Gone> {
        self.outgoing.send(ChannelMessage::Text(text.into())).await.map_err(|_| Gone)
    }
}
