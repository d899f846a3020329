//! Messages as lines over a byte stream.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream as _, StreamExt as _};
use serde::Deserialize;
use tidegate_protocol::limits::{MAX_PAYLOAD, MAX_PAYLOAD_BEFORE_AUTH};
use tidegate_protocol::{CloseCode, CloseFrame};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};

use crate::frame_meter::Violation;
use crate::receive_budget::{NoRoom, ReceiveBudget, ReceiveShare};
use crate::transport::{Gone, Received, Transport};

/// How long the other end may take nothing of what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a line may take from its first byte to its last.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the other end may take to close after us.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The buffer of a line with more bytes is not kept for the next ones.
const LARGE: usize = 4096;

/// Lines of bounded length. What ends within a line is no line.
#[derive(Debug)]
struct Lines {
    codec: LinesCodec,
    /// What the line that is not complete takes of the memory for all.
    share: ReceiveShare,
}

impl Lines {
    fn new(limit: usize) -> Self {
        Self { codec: LinesCodec::new_with_max_length(limit), share: ReceiveShare::default() }
    }
}

/// Why no more lines are read.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error(transparent)]
    Line(#[from] LinesCodecError),
    /// Connections that are served at the same time leave no memory.
    #[error("no room for the line")]
    NoRoom,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Decoder for Lines {
    type Item = String;
    type Error = LineError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<String>, LineError> {
        let line = self.codec.decode(buffer)?;
        if line.as_ref().is_some_and(|line| line.len() > LARGE) {
            *buffer = BytesMut::from(&buffer[..]);
        }
        let unfinished = if line.is_some() { 0 } else { buffer.len() };
        self.share.hold(unfinished).map_err(|NoRoom| LineError::NoRoom)?;
        Ok(line)
    }
}

/// The gateway's end.
#[derive(Debug)]
pub struct LinesTransport<IO> {
    lines: FramedRead<IO, Lines>,
    /// When the line that has begun must be complete.
    line_deadline: Option<Pin<Box<Sleep>>>,
    /// What is being written. Kept here, so that a dropped `send` tears no line.
    unsent: BytesMut,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> LinesTransport<IO> {
    /// Takes over a stream. Lines are limited to [`MAX_PAYLOAD_BEFORE_AUTH`] until
    /// [`Transport::set_limit`].
    #[must_use]
    pub fn new(io: IO) -> Self {
        let lines = FramedRead::new(io, Lines::new(MAX_PAYLOAD_BEFORE_AUTH));
        Self { lines, line_deadline: None, unsent: BytesMut::new() }
    }

    /// The same, with lines that are not complete counted in a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: &ReceiveBudget) -> Self {
        self.lines.decoder_mut().share = budget.share();
        self
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        match Pin::new(&mut self.lines).poll_next(cx) {
            Poll::Ready(line) => {
                self.line_deadline = None;
                Poll::Ready(self.received(line))
            }
            Poll::Pending if self.lines.read_buffer().is_empty() => Poll::Pending,
            Poll::Pending => {
                let deadline = self.line_deadline.get_or_insert_with(|| Box::pin(sleep(LINE_TIMEOUT)));
                ready!(deadline.as_mut().poll(cx));
                Poll::Ready(Received::Refused(Violation::Slow.close_frame()))
            }
        }
    }

    fn received(&self, line: Option<Result<String, LineError>>) -> Received {
        let limit = self.lines.decoder().codec.max_length();
        match line {
            Some(Ok(text)) => Received::Text(text),
            Some(Err(LineError::NoRoom)) => Received::Refused(Violation::NoRoom.close_frame()),
            Some(Err(LineError::Line(LinesCodecError::MaxLineLengthExceeded))) => {
                Received::Refused(Violation::TooBig { limit }.close_frame())
            }
            Some(Err(LineError::Line(LinesCodecError::Io(_)))) => {
                Received::Refused(CloseFrame::new(CloseCode::Protocol, "invalid utf-8"))
            }
            Some(Err(LineError::Io(_))) | None => Received::Closed,
        }
    }

    async fn write_line(&mut self, line: &[u8]) -> Result<(), Gone> {
        self.unsent.extend_from_slice(line);
        self.unsent.extend_from_slice(b"\n");
        let sent = timeout(WRITE_TIMEOUT, self.lines.get_mut().write_all_buf(&mut self.unsent)).await;
        if self.unsent.is_empty() {
            self.unsent = BytesMut::new();
        }
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Gone) }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for LinesTransport<IO> {
    async fn receive(&mut self) -> Received {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    async fn send(&mut self, text: Bytes) -> Result<(), Gone> {
        self.write_line(&text).await
    }

    async fn close(mut self, frame: CloseFrame) {
        let last = serde_json::json!({ "type": "close", "code": frame.code as u16, "reason": frame.reason });
        let closing = async {
            self.write_line(last.to_string().as_bytes()).await.ok()?;
            let io = self.lines.get_mut();
            io.shutdown().await.ok()?;
            copy(io, &mut sink()).await.ok()
        };
        // A client that does not close in time, or is gone already, is dropped.
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }

    fn set_limit(&mut self, bytes: usize) {
        self.lines.decoder_mut().codec = LinesCodec::new_with_max_length(bytes);
    }
}

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineReceived {
    Text(String),
    /// The gateway closed, with code and reason if it said so.
    Closed(Option<(u16, String)>),
}

/// The client's end.
#[derive(Debug)]
pub struct LinesClient<IO>(FramedRead<IO, Lines>);

#[derive(Deserialize)]
struct CloseLine {
    #[serde(rename = "type")]
    kind: String,
    code: u16,
    reason: String,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> LinesClient<IO> {
    /// Takes over a stream.
    #[must_use]
    pub fn new(io: IO) -> Self {
        Self(FramedRead::new(io, Lines::new(MAX_PAYLOAD)))
    }

    /// The next message. Cancel-safe.
    pub async fn receive(&mut self) -> LineReceived {
        let Some(Ok(line)) = self.0.next().await else { return LineReceived::Closed(None) };
        match serde_json::from_str::<CloseLine>(&line) {
            Ok(close) if close.kind == "close" => LineReceived::Closed(Some((close.code, close.reason))),
            _ => LineReceived::Text(line),
        }
    }

    /// Sends one message, which must be one line.
    ///
    /// # Errors
    /// When the gateway closed the connection.
    pub async fn send(&mut self, text: &str) -> Result<(), Gone> {
        let line = [text.as_bytes(), b"\n"].concat();
        self.0.get_mut().write_all(&line).await.map_err(|_| Gone)?;
        self.0.get_mut().flush().await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_come_out_as_they_went_in_however_the_bytes_are_cut(
            wanted in prop::collection::vec("[^\r\n]{0,50}", 1..20),
            cuts in prop::collection::vec(1_usize..30, 1..40),
        ) {
            let bytes: Vec<u8> = wanted.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
            let mut lines = Lines::new(1000);
            let mut buffer = BytesMut::new();
            let mut found = Vec::new();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (chunk, left) = rest.split_at(cuts.next().expect("endless").min(rest.len()));
                buffer.extend_from_slice(chunk);
                while let Some(line) = lines.decode(&mut buffer).expect("short lines") {
                    found.push(line);
                }
                rest = left;
            }
            prop_assert_eq!(found, wanted);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn a_line_above_the_limit_is_refused_whether_or_not_it_ends(length in 11_usize..200, ends in any::<bool>()) {
            let mut buffer = BytesMut::from(&vec![b'x'; length][..]);
            if ends {
                buffer.extend_from_slice(b"\n");
            }
            let refused = Lines::new(10).decode(&mut buffer);
            prop_assert!(matches!(refused, Err(LineError::Line(LinesCodecError::MaxLineLengthExceeded))));
        }
    }
}
