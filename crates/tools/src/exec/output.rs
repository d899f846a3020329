//! What a command printed: the start and the end of it.

use std::collections::VecDeque;

/// Bytes kept of the start, and the same of the end.
const HALF: usize = 32 * 1024;

/// Output as it arrives, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Output {
    /// Adds a piece.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(first);
        // Of one piece no more than the end can remain.
        let (skipped, rest) = rest.split_at(rest.len().saturating_sub(HALF));
        self.tail.extend(rest);
        let too_many = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..too_many);
        self.cut += u64::try_from(skipped.len() + too_many).unwrap_or(u64::MAX);
    }

    /// The text, with a note where something is missing. What is not UTF-8 is replaced.
    pub(super) fn render(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.cut == 0 {
            return String::from_utf8_lossy(&[self.head.as_slice(), &tail].concat()).into_owned();
        }
        let head = String::from_utf8_lossy(&self.head);
        // The cut may have split a character on either side.
        let head = head.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let tail = String::from_utf8_lossy(&tail);
        let tail = tail.trim_start_matches(char::REPLACEMENT_CHARACTER);
        format!("{head}\n[... {} bytes cut ...]\n{tail}", self.cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_long_output_the_start_and_the_end_remain() {
        let mut output = Output::default();
        output.push(b"start ");
        for _ in 0..1000 {
            output.push(&[b'x'; 4096]);
        }
        output.push(b" end");
        let text = output.render();
        assert!(text.starts_with("start x") && text.ends_with("x end"), "{} bytes", text.len());
        let cut = 6 + 4_096_000 + 4 - 2 * HALF;
        assert!(text.contains(&format!("[... {cut} bytes cut ...]")));
        assert!(text.len() < 2 * HALF + 64);
    }

    proptest! {
        #[test]
        fn short_output_is_unchanged_however_it_arrives(pieces in proptest::collection::vec(".{0,50}", 0..20)) {
            let mut output = Output::default();
            pieces.iter().for_each(|piece| output.push(piece.as_bytes()));
            prop_assert_eq!(output.render(), pieces.concat());
        }

        #[test]
        fn no_byte_is_lost_without_being_counted(pieces in proptest::collection::vec(0_usize..60_000, 0..8)) {
            let mut output = Output::default();
            pieces.iter().for_each(|&length| output.push(&vec![b'x'; length]));
            let kept = output.head.len() + output.tail.len();
            prop_assert!(kept <= 2 * HALF);
            prop_assert_eq!(kept as u64 + output.cut, pieces.iter().sum::<usize>() as u64);
        }
    }
}
