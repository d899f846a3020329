//! Cuts a stream of bytes into lines and bounds it: the parser behind it keeps whole events in
//! memory, and its work grows with the size of the pieces that it is given.

use bytes::{Buf as _, Bytes, BytesMut};

/// The most bytes of one server-sent event.
pub const EVENT_BYTES: usize = 1024 * 1024;
/// The most bytes of one answer.
pub const ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// What is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLarge {
    #[error("one event is larger than {EVENT_BYTES} bytes")]
    Event,
    #[error("the answer is larger than {ANSWER_BYTES} bytes")]
    Answer,
}

/// Takes pieces of any size and gives whole lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: BytesMut,
    event: usize,
    answer: usize,
    /// Whether a line was given already.
    has_begun: bool,
}

/// The byte order mark, which may stand in front of an event stream. The parser behind this cannot
/// take one off: it would cut it in two and panic.
const MARK: &[u8] = "\u{feff}".as_bytes();

impl Lines {
    /// The lines that a piece completes, each with its end.
    pub(super) fn push(&mut self, mut piece: Bytes) -> Result<Vec<Bytes>, TooLarge> {
        self.answer = self.answer.saturating_add(piece.len());
        if self.answer > ANSWER_BYTES {
            return Err(TooLarge::Answer);
        }
        let mut lines = Vec::new();
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            let rest = piece.split_to(end + 1);
            let line = if self.pending.is_empty() {
                rest
            } else {
                self.pending.extend_from_slice(&rest);
                self.pending.split().freeze()
            };
            self.event += line.len();
            if self.event > EVENT_BYTES {
                return Err(TooLarge::Event);
            }
            let line = if self.has_begun { line } else { without_marks(line) };
            self.has_begun = true;
            if matches!(&line[..], b"\n" | b"\r\n") {
                self.event = 0;
            }
            lines.push(line);
        }
        self.pending.extend_from_slice(&piece);
        if self.event + self.pending.len() > EVENT_BYTES { Err(TooLarge::Event) } else { Ok(lines) }
    }

    /// What ends the last event when the stream ends without doing so. An unfinished line counts
    /// only when it is surely whole: `[DONE]`, or data that is whole JSON.
    pub(super) fn end(self) -> Bytes {
        let text = String::from_utf8_lossy(&self.pending);
        let text = if self.has_begun { &*text } else { text.trim_start_matches('\u{feff}') };
        let data = text.trim().strip_prefix("data:").map(str::trim);
        let is_whole = data.is_some_and(|data| {
            data == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok()
        });
        let mut rest = if is_whole { text.trim().to_owned().into_bytes() } else { Vec::new() };
        rest.extend_from_slice(b"\n\n");
        rest.into()
    }
}

fn without_marks(mut line: Bytes) -> Bytes {
    while line.starts_with(MARK) {
        line.advance(MARK.len());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn push(lines: &mut Lines, text: &str) -> Result<Vec<Bytes>, TooLarge> {
        lines.push(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn many_small_events_are_no_large_one() {
        let mut lines = Lines::default();
        let event = format!("data: {}\n\n", "x".repeat(EVENT_BYTES / 4));
        for _ in 0..8 {
            assert_eq!(push(&mut lines, &event).unwrap().len(), 2);
        }
    }

    #[test]
    fn an_event_of_many_lines_or_one_endless_line_is_too_large() {
        let line = format!("data: {}\n", "x".repeat(1_000));
        let mut lines = Lines::default();
        let many = (0..2_000).find_map(|_| push(&mut lines, &line).err());
        let mut lines = Lines::default();
        let one = (0..2_000).find_map(|_| push(&mut lines, &"x".repeat(1_000)).err());
        assert_eq!((many, one), (Some(TooLarge::Event), Some(TooLarge::Event)));
    }

    #[test]
    fn an_event_that_comes_in_one_piece_is_bounded_too() {
        let event = format!("data: {}\n\n", "x".repeat(EVENT_BYTES));
        assert_eq!(push(&mut Lines::default(), &event), Err(TooLarge::Event));
    }

    #[test]
    fn an_answer_of_any_number_of_events_is_bounded() {
        let event = format!("data: {}\n\n", "x".repeat(100_000));
        let mut lines = Lines::default();
        let pushed = (0..1_000).find_map(|_| push(&mut lines, &event).err());
        assert_eq!(pushed, Some(TooLarge::Answer));
    }

    #[test]
    fn an_unfinished_last_line_counts_only_when_it_is_whole() {
        let end = |text: &str| {
            let mut lines = Lines::default();
            push(&mut lines, text).unwrap();
            String::from_utf8(lines.end().to_vec()).unwrap()
        };
        assert_eq!(end("data: [DONE]"), "data: [DONE]\n\n");
        assert_eq!(end("data: {\"a\":1}"), "data: {\"a\":1}\n\n");
        assert_eq!(end("data: {\"a\":"), "\n\n");
        assert_eq!(end(": comment"), "\n\n");
    }

    #[test]
    fn byte_order_marks_in_front_are_taken_off_and_others_stay() {
        let mut lines = Lines::default();
        let marked = "\u{feff}\u{feff}data: 1\n\u{feff}data: 2\n";
        assert_eq!(push(&mut lines, marked).unwrap(), ["data: 1\n", "\u{feff}data: 2\n"]);
        let mut lines = Lines::default();
        assert!(push(&mut lines, "\u{feff}data: [DONE]").unwrap().is_empty());
        assert_eq!(lines.end(), "data: [DONE]\n\n");
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_pieces(text in "[a\r\n:]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let mut given = Vec::new();
            for cut in cuts.windows(2) {
                given.extend(push(&mut lines, &text[cut[0]..cut[1]]).unwrap());
            }
            let whole: Vec<&[u8]> = text.as_bytes().split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")).collect();
            prop_assert_eq!(given, whole);
        }
    }
}
