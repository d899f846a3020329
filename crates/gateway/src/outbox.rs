//! The sending side of one connection: a bounded queue. A reader that is too slow is closed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidegate_protocol::{CloseCode, CloseFrame, limits};
use tokio::sync::{Notify, mpsc};

/// What waits to be written to a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(Bytes),
    /// Everything before it is written first.
    Close(CloseFrame),
}

/// The sending side of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Outgoing>,
    buffered: AtomicUsize,
    revoked: AtomicBool,
    closing: Mutex<Option<CloseFrame>>,
    close: Notify,
    /// What closes the connection once the request that it works on was answered.
    last_words: Mutex<Option<CloseFrame>>,
}

impl Outbox {
    /// An outbox and what is read from it.
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (frames, receiver) = mpsc::channel(limits::MAX_BUFFERED_FRAMES);
        let outbox = Self {
            frames,
            buffered: AtomicUsize::new(0),
            revoked: AtomicBool::new(false),
            closing: Mutex::new(None),
            close: Notify::new(),
            last_words: Mutex::new(None),
        };
        (Arc::new(outbox), receiver)
    }

    /// Queues a frame. A reader that is too slow is closed.
    pub(crate) fn send(&self, frame: Bytes) {
        if self.is_revoked() {
            return;
        }
        let length = frame.len();
        let buffered = self.buffered.fetch_add(length, Ordering::Relaxed) + length;
        let one_large_answer = buffered == length;
        if (buffered > limits::MAX_BUFFERED_BYTES && !one_large_answer)
            || self.frames.try_send(Outgoing::Frame(frame)).is_err()
        {
            self.close_now(CloseFrame::new(CloseCode::Policy, "slow consumer"));
        }
    }

    /// Queues a frame that nobody misses, unless the reader is behind.
    pub(crate) fn send_if_idle(&self, frame: Bytes) {
        let has_room = self.frames.capacity() > limits::MAX_BUFFERED_FRAMES / 2;
        if has_room && self.buffered.load(Ordering::Relaxed) < limits::MAX_BUFFERED_BYTES / 4 {
            self.send(frame);
        }
    }

    /// A frame was written.
    pub(crate) fn written(&self, length: usize) {
        self.buffered.fetch_sub(length, Ordering::Relaxed);
    }

    /// Closes after what is queued was written.
    pub(crate) fn close_after(&self, frame: CloseFrame) {
        if let Err(error) = self.frames.try_send(Outgoing::Close(frame))
            && let Outgoing::Close(frame) = error.into_inner()
        {
            self.close_now(frame);
        }
    }

    /// Closes once the connection's current request was answered: see [`Self::answered`].
    pub(crate) fn close_after_answer(&self, frame: CloseFrame) {
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame);
    }

    /// The connection's current request was answered.
    pub(crate) fn answered(&self) {
        let frame = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(frame) = frame {
            self.close_after(frame);
        }
    }

    /// Closes at once; what is queued is dropped.
    pub(crate) fn close_now(&self, frame: CloseFrame) {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(frame);
        self.close.notify_one();
    }

    /// Waits until the connection must be closed at once.
    pub(crate) async fn closed(&self) -> CloseFrame {
        loop {
            let notified = self.close.notified();
            if let Some(frame) = self.closing.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return frame;
            }
            notified.await;
        }
    }

    /// Takes the right to act from the connection: it gets nothing more and asks nothing more.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Whether the right to act was taken from it, and not only its connection ended.
    pub(crate) fn was_taken_away(&self) -> bool {
        let closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        closing.as_ref().is_some_and(|close| close.code == CloseCode::DeviceRemoved)
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_loses_droppable_frames_and_stays_connected() {
        let (outbox, mut queue) = Outbox::new();
        for _ in 0..10 * limits::MAX_BUFFERED_FRAMES {
            outbox.send_if_idle(Bytes::from_static(b"update"));
        }
        outbox.send(Bytes::from_static(b"result"));

        let mut frames = Vec::new();
        while let Ok(Outgoing::Frame(frame)) = queue.try_recv() {
            frames.push(frame);
        }
        assert_eq!(frames.last().map(|frame| &frame[..]), Some(&b"result"[..]));
        assert!(frames.len() <= limits::MAX_BUFFERED_FRAMES / 2 + 1, "{} frames", frames.len());
        assert!(outbox.closing.lock().is_ok_and(|closing| closing.is_none()));
    }

    #[test]
    fn large_droppable_frames_stay_below_a_quarter_of_the_limit() {
        let (outbox, _queue) = Outbox::new();
        let update = Bytes::from(vec![b'y'; 8 * 1024]);
        for _ in 0..limits::MAX_BUFFERED_FRAMES {
            outbox.send_if_idle(update.clone());
        }
        let buffered = outbox.buffered.load(Ordering::Relaxed);
        assert!(buffered <= limits::MAX_BUFFERED_BYTES / 4 + update.len(), "{buffered} bytes");
    }
}
