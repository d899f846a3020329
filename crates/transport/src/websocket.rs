//! WebSocket messages over any byte stream, after the upgrade.
//!
//! A connection at rest holds no buffer: the decoder exists only between the first byte of a
//! message and the moment when everything that arrived was taken and everything queued was sent.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink as _, SinkExt as _, Stream as _};
use tidegate_protocol::limits::{MAX_PAYLOAD, MAX_PAYLOAD_BEFORE_AUTH};
use tidegate_protocol::{CloseCode, CloseFrame};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_websockets::{Config, Error, Limits, Message, ServerBuilder, WebSocketStream};

use crate::frame_meter::{ControlFrames, Violation};
use crate::metered_io::MeteredIo;
use crate::receive_budget::ReceiveBudget;
use crate::transport::{Gone, Received, Transport};

/// The deadlines of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketTimes {
    /// After this long without a byte from the other end it is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long one message may take from its first byte to its last.
    pub assembly: Duration,
    /// How long the other end may take to read what is sent to it.
    pub write: Duration,
    /// How long the other end may take to close after us.
    pub close: Duration,
}

impl Default for WebSocketTimes {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            assembly: Duration::from_secs(10),
            write: Duration::from_secs(10),
            close: Duration::from_secs(1),
        }
    }
}

/// Pings that may go unanswered before the other end counts as gone.
const MISSED_PINGS: u32 = 2;

/// Bytes that are read from the other end after it was told why it is closed.
const MAX_DRAINED: u64 = 1024 * 1024;

/// The server's end of a WebSocket. Text only, no extensions.
#[derive(Debug)]
pub struct WebSocketTransport<IO> {
    wire: Wire<IO>,
    limit: usize,
    /// Messages that the decoder handed out, control frames among them.
    delivered: u64,
    control: ControlFrames,
    /// Since when answers to pings, and pings, wait for the other end to take them.
    blocked_since: Option<Instant>,
    times: WebSocketTimes,
    /// Fires at the earliest deadline or before; moved only when it would fire too late.
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug)]
enum Wire<IO> {
    /// Between messages: no decoder.
    Resting(MeteredIo<IO>),
    Active(Box<WebSocketStream<MeteredIo<IO>>>),
    /// Only while one of the others is turned into the other.
    Turning,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocketTransport<IO> {
    /// Takes over a stream after the upgrade. `unread` are bytes that were read from it already.
    /// Messages are limited to [`MAX_PAYLOAD_BEFORE_AUTH`] until [`Transport::set_limit`].
    #[must_use]
    pub fn new(io: IO, unread: Bytes, times: WebSocketTimes) -> Self {
        Self {
            wire: Wire::Resting(MeteredIo::new(io, unread)),
            limit: MAX_PAYLOAD_BEFORE_AUTH,
            delivered: 0,
            control: ControlFrames::new(Instant::now()),
            blocked_since: None,
            times,
            timer: Box::pin(sleep_until(Instant::now() + times.ping_interval)),
        }
    }

    /// The same, with messages that arrive in pieces counted in a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: &ReceiveBudget) -> Self {
        if let Some(metered) = self.metered() {
            metered.share = budget.share();
        }
        self
    }

    fn metered(&mut self) -> Option<&mut MeteredIo<IO>> {
        match &mut self.wire {
            Wire::Resting(metered) => Some(metered),
            Wire::Active(stream) => Some(stream.get_mut()),
            Wire::Turning => None,
        }
    }

    /// The decoder, made if there is none.
    fn stream(&mut self) -> Option<&mut WebSocketStream<MeteredIo<IO>>> {
        self.wire = match mem::replace(&mut self.wire, Wire::Turning) {
            Wire::Resting(metered) => Wire::Active(Box::new(
                ServerBuilder::new()
                    .config(Config::default().frame_size(MAX_PAYLOAD))
                    .limits(Limits::default().max_payload_len(Some(self.limit)))
                    .serve(metered),
            )),
            other => other,
        };
        match &mut self.wire {
            Wire::Active(stream) => Some(stream),
            Wire::Resting(_) | Wire::Turning => None,
        }
    }

    /// Drops the decoder if it holds nothing. To be called when all that was queued was sent.
    fn rest(&mut self) {
        self.blocked_since = None;
        if let Wire::Active(stream) = &self.wire {
            let metered = stream.get_ref();
            if metered.meter.incomplete_since().is_none() && metered.meter.completed() == self.delivered {
                self.drop_decoder();
            }
        }
    }

    fn drop_decoder(&mut self) {
        self.wire = match mem::replace(&mut self.wire, Wire::Turning) {
            Wire::Active(stream) => Wire::Resting(stream.into_inner()),
            other => other,
        };
    }

    /// Reads nothing more. What the decoder would say about it itself is not sent.
    fn refuse(&mut self, violation: Violation) -> Received {
        self.drop_decoder();
        if let Some(metered) = self.metered() {
            metered.violation = Some(violation);
        }
        Received::Refused(violation.close_frame())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            if let Poll::Ready(received) = self.poll_message(cx) {
                return Poll::Ready(received);
            }
            match self.poll_deadlines(cx) {
                Poll::Ready(Some(received)) => return Poll::Ready(received),
                // A ping was queued; it goes out with the next round.
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next message, without regard to time.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            if let Wire::Resting(metered) = &mut self.wire {
                match metered.poll_first_read(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Received::Closed),
                }
            }
            let Some(stream) = self.stream() else { return Poll::Ready(Received::Closed) };
            match Pin::new(&mut *stream).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    self.delivered += 1;
                    // Answers to pings and closes are queued by the decoder and sent by its next
                    // poll.
                    if let Some(text) = message.as_text() {
                        return Poll::Ready(Received::Text(text.to_owned()));
                    }
                    if message.is_binary() {
                        return Poll::Ready(self.refuse(Violation::Binary));
                    }
                    if !message.is_close() && self.control.is_flood(Instant::now()) {
                        return Poll::Ready(self.refuse(Violation::ControlFlood));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(match error {
                        // The decoder queues a close frame, with the code of RFC 6455 section 7.4.1.
                        Error::Protocol(error) => {
                            Received::Refused(CloseFrame::new(CloseCode::Protocol, &error.to_string()))
                        }
                        Error::PayloadTooLong { max_len, .. } => {
                            self.refuse(Violation::TooBig { limit: max_len })
                        }
                        _ => Received::Closed,
                    });
                }
                Poll::Ready(None) => return Poll::Ready(Received::Closed),
                Poll::Pending => {
                    if let Some(violation) = stream.get_ref().violation {
                        return Poll::Ready(self.refuse(violation));
                    }
                    match Pin::new(stream).poll_flush(cx) {
                        Poll::Ready(Ok(())) => self.rest(),
                        Poll::Ready(Err(_)) => return Poll::Ready(Received::Closed),
                        Poll::Pending => {
                            self.blocked_since.get_or_insert_with(Instant::now);
                            return Poll::Pending;
                        }
                    }
                    if let Wire::Active(_) = self.wire {
                        return Poll::Pending;
                    }
                    // At rest the waker must be left with the stream itself: around once more.
                }
            }
        }
    }

    /// Acts on the deadlines. `None` when a ping was queued.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        loop {
            let (times, blocked_since) = (self.times, self.blocked_since);
            let Some(metered) = self.metered() else { return Poll::Ready(Some(Received::Closed)) };
            let assembly = metered.meter.incomplete_since().map(|since| since + times.assembly);
            let write = blocked_since.map(|since| since + times.write);
            let ping = metered.last_read() + times.ping_interval * (metered.silent_pings + 1);
            let earliest = [assembly, write].into_iter().flatten().fold(ping, Instant::min);
            if self.timer.deadline() > earliest {
                self.timer.as_mut().reset(earliest);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if earliest > now {
                self.timer.as_mut().reset(earliest);
                continue;
            }
            if assembly.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(Some(Received::Refused(Violation::Slow.close_frame())));
            }
            if write.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(Some(Received::Closed));
            }
            return Poll::Ready(self.ping().err());
        }
    }

    fn ping(&mut self) -> Result<(), Received> {
        let metered = self.metered().ok_or(Received::Closed)?;
        if metered.silent_pings == MISSED_PINGS {
            return Err(Received::Closed);
        }
        metered.silent_pings += 1;
        let stream = self.stream().ok_or(Received::Closed)?;
        Pin::new(stream).start_send(Message::ping(Bytes::new())).map_err(|_| Received::Closed)
    }

    async fn close_in_order(&mut self, frame: &CloseFrame) -> Result<(), Error> {
        let Some(stream) = self.stream() else { return Ok(()) };
        let code = tokio_websockets::CloseCode::try_from(frame.code as u16)?;
        // An error means that the decoder queued a close frame of its own; it must still be sent.
        let _ = stream.feed(Message::close(Some(code), &frame.reason)).await;
        stream.flush().await?;
        if stream.get_ref().violation.is_none() {
            stream.close().await?;
        }
        // Closing a socket with unread bytes resets it, which may take the close frame with it.
        let io = stream.get_mut().io_mut();
        io.shutdown().await?;
        copy(&mut io.take(MAX_DRAINED), &mut sink()).await?;
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for WebSocketTransport<IO> {
    async fn receive(&mut self) -> Received {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    async fn send(&mut self, text: Bytes) -> Result<(), Gone> {
        let deadline = self.times.write;
        let stream = self.stream().ok_or(Gone)?;
        match timeout(deadline, stream.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    async fn close(mut self, frame: CloseFrame) {
        // A client that does not close in time, or is gone already, is dropped.
        let _ = timeout(self.times.close, self.close_in_order(&frame)).await;
    }

    fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
        if let Wire::Active(stream) = &mut self.wire {
            stream.limits_mut().set_max_payload_len(Some(bytes));
        }
    }
}
