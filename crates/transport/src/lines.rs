//! Messages as lines over a byte stream.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use serde::Deserialize;
use tidegate_protocol::limits::{MAX_PAYLOAD, MAX_PAYLOAD_BEFORE_AUTH};
use tidegate_protocol::{CloseCode, CloseFrame};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::frame_meter::Violation;
use crate::receive_budget::{NoRoom, ReceiveBudget, ReceiveShare};
use crate::transport::{Gone, Received, Transport};

/// How long the other end may take nothing of what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a line may take from its first byte to its last.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the other end may take to close after us.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How much is read at a time.
const READ_SIZE: usize = 4096;

/// Splits a stream of bytes into lines of bounded length.
#[derive(Debug, Default)]
struct Lines {
    buffer: BytesMut,
    /// How much of the buffer was searched for the end of a line.
    searched: usize,
}

/// A line is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TooLong;

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole line without its end.
    fn next(&mut self, limit: usize) -> Result<Option<BytesMut>, TooLong> {
        let Some(found) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.searched > limit { Err(TooLong) } else { Ok(None) };
        };
        let end = self.searched + found;
        if end > limit {
            return Err(TooLong);
        }
        let mut line = self.buffer.split_to(end);
        self.buffer.advance(1);
        self.searched = 0;
        if self.buffer.is_empty() || end > READ_SIZE {
            // A connection at rest holds no buffer, and what is left no more than it needs.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Ok(Some(line))
    }

    /// Reads some more. `false` at the end of the stream.
    fn poll_fill(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut space = [0; READ_SIZE];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(io).poll_read(cx, &mut read))?;
        self.add(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }
}

/// The gateway's end.
#[derive(Debug)]
pub struct LinesTransport<IO> {
    io: IO,
    lines: Lines,
    limit: usize,
    /// When the line that has begun must be complete.
    line_deadline: Option<Pin<Box<Sleep>>>,
    /// What is being written. Kept here, so that a dropped `send` tears no line.
    unsent: BytesMut,
    /// What the line that is not complete takes of the memory for all.
    share: Option<ReceiveShare>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> LinesTransport<IO> {
    /// Takes over a stream. Lines are limited to [`MAX_PAYLOAD_BEFORE_AUTH`] until
    /// [`Transport::set_limit`].
    #[must_use]
    pub fn new(io: IO) -> Self {
        Self {
            io,
            lines: Lines::default(),
            limit: MAX_PAYLOAD_BEFORE_AUTH,
            line_deadline: None,
            unsent: BytesMut::new(),
            share: None,
        }
    }

    /// The same, with lines that are not complete counted in a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: &ReceiveBudget) -> Self {
        self.share = Some(budget.share());
        self
    }

    fn hold(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.share.as_mut().map_or(Ok(()), |share| share.hold(bytes))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            match self.lines.next(self.limit) {
                Ok(Some(line)) => {
                    self.line_deadline = None;
                    // What is left came with the last read, which is small. Holding less always succeeds.
                    let _ = self.hold(0);
                    return Poll::Ready(received(&line));
                }
                Ok(None) if self.hold(self.lines.len()).is_err() => {
                    return Poll::Ready(Received::Refused(Violation::NoRoom.close_frame()));
                }
                Ok(None) => {}
                Err(TooLong) => {
                    let violation = Violation::TooBig { limit: self.limit };
                    return Poll::Ready(Received::Refused(violation.close_frame()));
                }
            }
            match self.lines.poll_fill(&mut self.io, cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(Received::Closed),
                Poll::Pending if self.lines.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    let deadline = self
                        .line_deadline
                        .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINE_TIMEOUT)));
                    ready!(deadline.as_mut().poll(cx));
                    return Poll::Ready(Received::Refused(Violation::Slow.close_frame()));
                }
            }
        }
    }

    async fn write_line(&mut self, line: &[u8]) -> Result<(), Gone> {
        self.unsent.extend_from_slice(line);
        self.unsent.extend_from_slice(b"\n");
        let sent = timeout(WRITE_TIMEOUT, self.io.write_all_buf(&mut self.unsent)).await;
        if self.unsent.is_empty() {
            self.unsent = BytesMut::new();
        }
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Gone) }
    }
}

fn received(line: &[u8]) -> Received {
    match std::str::from_utf8(line) {
        Ok(text) => Received::Text(text.to_owned()),
        Err(_) => Received::Refused(CloseFrame::new(CloseCode::Protocol, "invalid utf-8")),
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
            self.io.shutdown().await.ok()?;
            let mut rest = Lines::default();
            while poll_fn(|cx| rest.poll_fill(&mut self.io, cx)).await.ok()? {
                rest = Lines::default();
            }
            Some(())
        };
        // A client that does not close in time, or is gone already, is dropped.
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }

    fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
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
pub struct LinesClient<IO> {
    io: IO,
    lines: Lines,
}

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
        Self { io, lines: Lines::default() }
    }

    /// The next message. Cancel-safe.
    pub async fn receive(&mut self) -> LineReceived {
        loop {
            match self.lines.next(MAX_PAYLOAD) {
                Ok(Some(line)) => return client_received(&line),
                Ok(None) => {}
                Err(TooLong) => return LineReceived::Closed(None),
            }
            match poll_fn(|cx| self.lines.poll_fill(&mut self.io, cx)).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return LineReceived::Closed(None),
            }
        }
    }

    /// Sends one message, which must be one line.
    ///
    /// # Errors
    /// When the gateway closed the connection.
    pub async fn send(&mut self, text: &str) -> Result<(), Gone> {
        let line = [text.as_bytes(), b"\n"].concat();
        self.io.write_all(&line).await.map_err(|_| Gone)?;
        self.io.flush().await.map_err(|_| Gone)
    }
}

fn client_received(line: &[u8]) -> LineReceived {
    if let Ok(close) = serde_json::from_slice::<CloseLine>(line)
        && close.kind == "close"
    {
        return LineReceived::Closed(Some((close.code, close.reason)));
    }
    LineReceived::Text(String::from_utf8_lossy(line).into_owned())
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
            let mut lines = Lines::default();
            let mut found = Vec::new();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (chunk, left) = rest.split_at(cuts.next().expect("endless").min(rest.len()));
                lines.add(chunk);
                while let Some(line) = lines.next(1000).expect("short lines") {
                    found.push(String::from_utf8(line.to_vec()).expect("text"));
                }
                rest = left;
            }
            prop_assert_eq!(found, wanted);
            prop_assert!(lines.is_empty());
        }

        #[test]
        fn a_line_above_the_limit_is_refused_whether_or_not_it_ends(length in 11_usize..200, ends in any::<bool>()) {
            let mut lines = Lines::default();
            lines.add(&vec![b'x'; length]);
            if ends {
                lines.add(b"\n");
            }
            prop_assert_eq!(lines.next(10), Err(TooLong));
        }
    }
}
