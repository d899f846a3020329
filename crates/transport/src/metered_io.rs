//! A byte stream that watches the WebSocket frames passing through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::frame_meter::{FrameMeter, Violation};
use crate::receive_budget::{NoRoom, ReceiveShare};

/// How much is read at a time while no decoder is there; a larger message is then read on by it.
const FIRST_READ: usize = 2048;

/// The stream under the decoder. After a violation it lets nothing more through: reads stay
/// pending, and the caller looks at [`Self::violation`].
#[derive(Debug)]
pub(crate) struct MeteredIo<IO> {
    io: IO,
    pub(crate) meter: FrameMeter,
    /// What was read before there was a decoder.
    unread: Bytes,
    /// What the other end did wrong, if so.
    pub(crate) violation: Option<Violation>,
    last_read: Instant,
    /// Pings of ours since then.
    pub(crate) silent_pings: u32,
    /// What the message that is not complete takes of the memory for all.
    pub(crate) share: ReceiveShare,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> MeteredIo<IO> {
    pub(crate) fn new(io: IO, unread: Bytes) -> Self {
        let now = Instant::now();
        Self {
            io,
            meter: FrameMeter::default(),
            unread,
            violation: None,
            last_read: now,
            silent_pings: 0,
            share: ReceiveShare::default(),
        }
    }

    /// When the last bytes came.
    pub(crate) fn last_read(&self) -> Instant {
        self.last_read
    }

    /// Waits for bytes and keeps them for the decoder. Zero at the end of the stream.
    pub(crate) fn poll_first_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.unread.has_remaining() {
            return Poll::Ready(Ok(self.unread.remaining()));
        }
        let mut space = [0; FIRST_READ];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        self.unread = Bytes::copy_from_slice(buffer.filled());
        Poll::Ready(Ok(self.unread.len()))
    }

    /// The stream itself, for reading past the meter.
    pub(crate) fn io_mut(&mut self) -> &mut IO {
        &mut self.io
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.unread.has_remaining() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(length));
        if self.unread.is_empty() {
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for MeteredIo<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.violation.is_some() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(this.poll_bytes(cx, buffer))?;
        let read = &buffer.filled()[before..];
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let now = Instant::now();
        this.last_read = now;
        this.silent_pings = 0;
        // What has been read is decoded still: whole messages may stand before what is wrong.
        this.violation = this.meter.observe(read, now).err().or_else(|| {
            let held = this.share.hold(this.meter.incomplete_bytes());
            held.err().map(|NoRoom| Violation::NoRoom)
        });
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MeteredIo<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
