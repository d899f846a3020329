//! The sending side of one connection: a bounded queue. A reader that is too slow is closed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use tidegate_protocol::frame::{EventNumber, EventNumbers, EventText};
use tidegate_protocol::{CloseCode, CloseFrame, limits};
use tokio::sync::{SetOnce, mpsc};
use tokio_util::sync::CancellationToken;

/// What waits to be written to a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Answer(Bytes),
    /// Made into a frame when it is written, so that connections share its text.
    Event(EventText, EventNumber),
    /// Everything before it is written first.
    Close(CloseFrame),
}

impl Outgoing {
    /// How much of what may be buffered it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Answer(frame) => frame.len(),
            Self::Event(event, _) => event.shared_bytes(),
            Self::Close(_) => 0,
        }
    }
}

/// What becomes of an event when the reader is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenBehind {
    /// It is kept; a reader that is too far behind is closed.
    Keep,
    /// It is dropped, and the gap in the numbers says so.
    Drop,
}

/// The sending side of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Outgoing>,
    buffered: AtomicUsize,
    /// Held while an event is queued: numbers and order agree.
    numbers: Mutex<EventNumbers>,
    revoked: CancellationToken,
    closing: SetOnce<CloseFrame>,
    /// What closes the connection once the request that it works on was answered.
    last_words: OnceLock<CloseFrame>,
}

impl Outbox {
    /// An outbox and what is read from it.
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (frames, receiver) = mpsc::channel(limits::MAX_BUFFERED_FRAMES);
        let outbox = Self {
            frames,
            buffered: AtomicUsize::new(0),
            numbers: Mutex::default(),
            revoked: CancellationToken::new(),
            closing: SetOnce::new(),
            last_words: OnceLock::new(),
        };
        (Arc::new(outbox), receiver)
    }

    /// Queues an answer. A reader that is too slow is closed.
    pub(crate) fn answer(&self, frame: Bytes) {
        self.queue(Outgoing::Answer(frame));
    }

    /// Numbers an event and queues it. This is the one place where a connection gets events.
    pub(crate) fn event(&self, event: EventText, when_behind: WhenBehind) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = numbers.take();
        if when_behind == WhenBehind::Keep || !self.is_behind() {
            self.queue(Outgoing::Event(event, number));
        }
    }

    /// Leaves a number out: an event was dropped before it could be queued.
    pub(crate) fn skip_event(&self) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn is_behind(&self) -> bool {
        self.frames.capacity() <= limits::MAX_BUFFERED_FRAMES / 2
            || self.buffered.load(Ordering::Relaxed) >= limits::MAX_BUFFERED_BYTES / 4
    }

    fn queue(&self, outgoing: Outgoing) {
        if self.is_revoked() {
            return;
        }
        let bytes = outgoing.bytes();
        let buffered = self.buffered.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let one_large_answer = buffered == bytes;
        if (buffered > limits::MAX_BUFFERED_BYTES && !one_large_answer)
            || self.frames.try_send(outgoing).is_err()
        {
            self.close_now(CloseFrame::new(CloseCode::Policy, "slow consumer"));
        }
    }

    /// What took so many bytes was written.
    pub(crate) fn written(&self, bytes: usize) {
        self.buffered.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Closes after what is queued was written.
    pub(crate) fn close_after(&self, frame: CloseFrame) {
        if let Err(error) = self.frames.try_send(Outgoing::Close(frame))
            && let Outgoing::Close(frame) = error.into_inner()
        {
            self.close_now(frame);
        }
    }

    /// Closes once the connection's current request was answered: see [`Self::answered`]. It is the last one
    /// that the connection may ask.
    pub(crate) fn close_after_answer(&self, frame: CloseFrame) {
        // Where there is a reason already, that one stays.
        let _ = self.last_words.set(frame);
    }

    /// The connection's current request was answered.
    pub(crate) fn answered(&self) {
        if let Some(frame) = self.last_words.get() {
            self.close_after(frame.clone());
        }
    }

    /// Closes at once; what is queued is dropped.
    pub(crate) fn close_now(&self, frame: CloseFrame) {
        // The first reason counts.
        let _ = self.closing.set(frame);
    }

    /// Waits until the connection must be closed at once.
    pub(crate) async fn closed(&self) -> CloseFrame {
        self.closing.wait().await.clone()
    }

    /// Takes the right to act from the connection: it gets nothing more and asks nothing more.
    pub(crate) fn revoke(&self) {
        self.revoked.cancel();
    }

    /// Whether the right to act was taken from it, and not only its connection ended.
    pub(crate) fn was_taken_away(&self) -> bool {
        self.closing.get().is_some_and(|close| close.code == CloseCode::DeviceRemoved)
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    /// Whether the connection may ask for something more.
    pub(crate) fn takes_requests(&self) -> bool {
        self.last_words.get().is_none() && !self.is_revoked()
    }

    /// Does something only for the connection; `None` when that lost the right to act, or ended, meanwhile.
    pub(crate) async fn until_revoked<T>(&self, action: impl Future<Output = T>) -> Option<T> {
        self.revoked.run_until_cancelled(action).await
    }
}

/// A frame's text. `None` only for values that JSON cannot hold, which no frame has.
pub(crate) fn frame(value: &impl Serialize) -> Option<Bytes> {
    match serde_json::to_vec(value) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a frame could not be written");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tidegate_protocol::event;
    use tidegate_protocol::payload::events::ShutdownEvent;

    use super::*;

    fn event(reason: &str) -> EventText {
        let payload = ShutdownEvent { reason: reason.to_owned(), restart_expected_ms: None };
        EventText::new::<event::Shutdown>(&payload, None).expect("JSON")
    }

    fn queued(queue: &mut mpsc::Receiver<Outgoing>) -> Vec<Value> {
        let mut frames = Vec::new();
        while let Ok(outgoing) = queue.try_recv() {
            let frame = match outgoing {
                Outgoing::Answer(frame) => frame.into(),
                Outgoing::Event(event, number) => event.numbered(number),
                Outgoing::Close(close) => panic!("{close:?}"),
            };
            frames.push(serde_json::from_slice(&frame).expect("JSON"));
        }
        frames
    }

    #[test]
    fn a_slow_reader_loses_droppable_events_and_stays_connected() {
        let (outbox, mut queue) = Outbox::new();
        for _ in 0..10 * limits::MAX_BUFFERED_FRAMES {
            outbox.event(event("update"), WhenBehind::Drop);
        }
        outbox.event(event("result"), WhenBehind::Keep);

        let frames = queued(&mut queue);
        let last = frames.last().expect("a frame");
        assert_eq!(last["payload"]["reason"], "result");
        assert_eq!(last["seq"], 10 * limits::MAX_BUFFERED_FRAMES + 1, "the gap shows what was dropped");
        assert!(frames.len() <= limits::MAX_BUFFERED_FRAMES / 2 + 1, "{} frames", frames.len());
        assert!(outbox.closing.get().is_none());
    }

    #[test]
    fn large_droppable_events_stay_below_a_quarter_of_the_limit() {
        let (outbox, _queue) = Outbox::new();
        let update = event(&"y".repeat(8 * 1024));
        for _ in 0..limits::MAX_BUFFERED_FRAMES {
            outbox.event(update.clone(), WhenBehind::Drop);
        }
        let buffered = outbox.buffered.load(Ordering::Relaxed);
        assert!(buffered <= limits::MAX_BUFFERED_BYTES / 4 + update.shared_bytes(), "{buffered} bytes");
    }

    #[test]
    fn events_from_many_threads_are_queued_in_the_order_of_their_numbers() {
        let (outbox, mut queue) = Outbox::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        outbox.event(event("one of many"), WhenBehind::Keep);
                        outbox.answer(Bytes::from_static(b"{}"));
                    }
                });
            }
        });
        let frames = queued(&mut queue);
        let numbers: Vec<_> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
        assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    }
}
