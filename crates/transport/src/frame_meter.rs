//! Follows the frames of a byte stream (RFC 6455 section 5.2) without holding them: where messages begin and
//! end, how much of one has arrived, and in how many pieces. Their size and form are for the decoder to check.

use std::time::Duration;

use tidegate_protocol::limits::MAX_PAYLOAD_BEFORE_AUTH;
use tidegate_protocol::{CloseCode, CloseFrame};
use tokio::time::Instant;

/// Control frames that one connection may send in a second.
const CONTROL_FRAMES_PER_SECOND: u32 = 50;
/// Fragments that a message may have whatever their size.
const FREE_FRAGMENTS: u64 = 256;
/// The average size in bytes that fragments beyond those must have.
const FRAGMENT_BYTES: u64 = 512;

/// Why a connection is closed because of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A message announces or reaches more bytes than the limit.
    TooBig {
        /// The limit in bytes.
        limit: usize,
    },
    /// A binary message.
    Binary,
    /// More control frames than [`CONTROL_FRAMES_PER_SECOND`].
    ControlFlood,
    /// A message in many tiny pieces.
    Fragments,
    /// A message that does not get complete in time.
    Slow,
    /// A message for which connections that are served at the same time leave no memory.
    NoRoom,
}

impl Violation {
    /// How the connection is closed.
    pub(crate) fn close_frame(self) -> CloseFrame {
        match self {
            Self::TooBig { limit } if limit <= MAX_PAYLOAD_BEFORE_AUTH => {
                CloseFrame::new(CloseCode::TooBig, "preauth payload too large")
            }
            Self::TooBig { limit } => {
                CloseFrame::new(CloseCode::TooBig, &format!("message larger than {limit} bytes"))
            }
            Self::Binary => CloseFrame::new(CloseCode::Policy, "binary messages are not accepted"),
            Self::ControlFlood => CloseFrame::new(CloseCode::Policy, "too many control frames"),
            Self::Fragments => CloseFrame::new(CloseCode::Policy, "message in too many fragments"),
            Self::NoRoom => {
                CloseFrame::new(CloseCode::TryLater, "too many large messages at once; send it again later")
            }
            Self::Slow => CloseFrame::new(CloseCode::Policy, "message took too long to arrive"),
        }
    }
}

/// Pings and pongs of the last second.
#[derive(Debug)]
pub(crate) struct ControlFrames {
    since: Instant,
    count: u32,
}

impl ControlFrames {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, count: 0 }
    }

    /// Counts one more; whether they are too many.
    pub(crate) fn is_flood(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.count += 1;
        self.count > CONTROL_FRAMES_PER_SECOND
    }
}

/// Counts frames as their bytes pass.
#[derive(Debug, Default)]
pub(crate) struct FrameMeter {
    /// The start of the frame that is passing: flags, length and extended length.
    header: [u8; 10],
    header_length: usize,
    /// Bytes of the frame's mask and payload that have not passed yet.
    remaining: u64,
    open: OpenMessage,
    /// When the first byte of the open message, or of a control frame outside one, passed.
    since: Option<Instant>,
    completed: u64,
}

#[derive(Debug, Default)]
struct OpenMessage {
    bytes: u64,
    fragments: u64,
}

impl FrameMeter {
    /// Since when a message or frame has been incomplete.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.since
    }

    /// How many bytes of a message that is not complete have passed.
    pub(crate) fn incomplete_bytes(&self) -> usize {
        let passed =
            if self.is_control() { self.open.bytes } else { self.open.bytes.saturating_sub(self.remaining) };
        usize::try_from(passed).unwrap_or(usize::MAX)
    }

    /// How many messages, control frames counted as such, have passed whole.
    pub(crate) fn completed(&self) -> u64 {
        self.completed
    }

    /// Takes note of bytes.
    pub(crate) fn observe(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Violation> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.header_length < self.header_size() {
                self.since.get_or_insert(now);
                self.header[self.header_length] = *first;
                self.header_length += 1;
                bytes = rest;
                if self.header_length < self.header_size() {
                    continue;
                }
                self.begin_frame()?;
            }
            let passing = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len());
            self.remaining -= passing as u64;
            bytes = &bytes[passing..];
            if self.remaining == 0 {
                self.end_frame();
            }
        }
        Ok(())
    }

    /// How long the header without its mask is, as far as known.
    fn header_size(&self) -> usize {
        if self.header_length < 2 {
            return 2;
        }
        match self.header[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn payload_length(&self) -> u64 {
        let extended = |from: &[u8]| from.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        match self.header[1] & 0x7f {
            126 => extended(&self.header[2..4]),
            127 => extended(&self.header[2..10]),
            short => u64::from(short),
        }
    }

    fn is_control(&self) -> bool {
        self.header[0] & 0x08 != 0
    }

    fn is_final(&self) -> bool {
        self.header[0] & 0x80 != 0
    }

    fn begin_frame(&mut self) -> Result<(), Violation> {
        let length = self.payload_length();
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        self.remaining = length.saturating_add(mask);
        if !self.is_control() {
            self.open.bytes = self.open.bytes.saturating_add(length);
            self.open.fragments += 1;
            if self.open.fragments > FREE_FRAGMENTS + self.open.bytes / FRAGMENT_BYTES {
                return Err(Violation::Fragments);
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        self.header_length = 0;
        if self.is_control() {
            self.completed += 1;
        } else if self.is_final() {
            self.completed += 1;
            self.open = OpenMessage::default();
        }
        if self.open.fragments == 0 {
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: u8 = 0x81;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).expect("small")),
            length @ 126..=65_535 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).expect("small").to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn tiny_fragments_without_end_are_refused() {
        let mut meter = FrameMeter::default();
        meter.observe(&frame(0x01, b"x"), Instant::now()).expect("the first");
        let refused = (0..1000).find_map(|_| meter.observe(&frame(0x00, b""), Instant::now()).err());
        assert_eq!(refused, Some(Violation::Fragments));
    }

    #[test]
    fn a_large_message_in_usual_fragments_passes() {
        let mut meter = FrameMeter::default();
        meter.observe(&frame(0x01, &[b'x'; 1024]), Instant::now()).expect("the first");
        for _ in 0..10_000 {
            meter.observe(&frame(0x00, &[b'x'; 1024]), Instant::now()).expect("a fragment");
        }
        assert_eq!(meter.incomplete_bytes(), 10_001 * 1024);
        meter.observe(&frame(0x80, &[]), Instant::now()).expect("the last");
        assert_eq!((meter.completed(), meter.incomplete_since()), (1, None));
    }

    #[test]
    fn a_flood_of_control_frames_is_refused_and_a_calm_stream_of_them_is_not() {
        let start = Instant::now();
        let mut calm = ControlFrames::new(start);
        for frame in 0..1000 {
            assert!(!calm.is_flood(start + Duration::from_millis(frame * 40)));
        }
        let mut flood = ControlFrames::new(start);
        assert!((0..1000).any(|_| flood.is_flood(start)));
    }

    #[test]
    fn a_control_frame_within_a_message_does_not_end_it() {
        let mut meter = FrameMeter::default();
        let start = Instant::now();
        meter.observe(&frame(0x01, b"a"), start).expect("the start");
        meter.observe(&frame(0x89, b"b"), start + Duration::from_secs(1)).expect("a ping");
        assert_eq!((meter.completed(), meter.incomplete_since()), (1, Some(start)));
    }

    proptest! {
        #[test]
        fn frames_are_counted_the_same_however_the_bytes_are_cut(
            lengths in prop::collection::vec(0_usize..70_000, 1..6),
            cuts in prop::collection::vec(1_usize..9_000, 1..40),
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| frame(TEXT, &vec![b'x'; *length])).collect();
            let mut meter = FrameMeter::default();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (chunk, left) = rest.split_at(cuts.next().expect("endless").min(rest.len()));
                prop_assert_eq!(meter.observe(chunk, Instant::now()), Ok(()));
                rest = left;
            }
            prop_assert_eq!(meter.completed(), lengths.len() as u64);
            prop_assert_eq!(meter.incomplete_since(), None);
        }

        #[test]
        fn any_bytes_are_followed_without_a_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32)) {
            let mut meter = FrameMeter::default();
            for chunk in chunks {
                if meter.observe(&chunk, Instant::now()).is_err() {
                    break;
                }
                prop_assert!(meter.incomplete_bytes() == 0 || meter.incomplete_since().is_some());
            }
        }
    }
}
