//! What a person sees of a command's output while it runs: the end of it, a few times a second.

use std::time::Duration;

use tidegate_protocol::text::is_control_in_text;

/// Bytes of text that one update has at most.
pub(super) const MAX_UPDATE: usize = 8 * 1024;
/// Time between two updates of one command at least.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// The end of the output, and when it may be sent next. Times count from one moment, whichever.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// Whether bytes before these are missing.
    is_cut: bool,
    is_new: bool,
    told: String,
    /// When it was last looked whether there is something to tell: that costs time, too.
    looked_at: Option<Duration>,
}

impl Tail {
    /// Adds a piece of output.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let piece_end = &piece[piece.len().saturating_sub(MAX_UPDATE)..];
        let excess = (self.bytes.len() + piece_end.len()).saturating_sub(MAX_UPDATE);
        self.is_cut |= excess > 0 || piece_end.len() < piece.len();
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend_from_slice(piece_end);
        self.is_new |= !piece.is_empty();
    }

    /// When the next update may go; `None` while there is nothing new.
    pub(super) fn due(&self) -> Option<Duration> {
        self.is_new.then(|| self.looked_at.map_or(Duration::ZERO, |at| at + INTERVAL))
    }

    /// The text of an update at this moment, unless it is too early or would say the same again.
    pub(super) fn take(&mut self, now: Duration) -> Option<String> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        self.is_new = false;
        self.looked_at = Some(now);
        let text = self.text();
        if text == self.told {
            return None;
        }
        self.told.clone_from(&text);
        Some(text)
    }

    /// The end of the output as text. A character of which a part is still to come is left out.
    fn text(&self) -> String {
        let whole = &self.bytes[..self.bytes.len() - unfinished(&self.bytes)];
        // The cut may have split a character.
        let split = match self.is_cut {
            true => whole.iter().take(3).take_while(|byte| is_continuation(**byte)).count(),
            false => 0,
        };
        let text: String = String::from_utf8_lossy(&whole[split..])
            .chars()
            .map(|one| if is_control_in_text(one) { char::REPLACEMENT_CHARACTER } else { one })
            .collect();
        // What is replaced grows.
        let mut start = text.len().saturating_sub(MAX_UPDATE);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text[start..].to_owned()
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let end = &bytes[bytes.len().saturating_sub(4)..];
    let Some(lead) = end.iter().rposition(|byte| !is_continuation(*byte)) else { return 0 };
    match std::str::from_utf8(&end[lead..]) {
        Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => end.len() - lead,
        _ => 0,
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const LATER: Duration = Duration::from_hours(1);

    /// Cuts bytes into pieces at these places.
    fn pieces<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }

    #[test]
    fn the_first_output_is_sent_at_once() {
        let mut tail = Tail::default();
        assert_eq!((tail.due(), tail.take(Duration::ZERO)), (None, None));
        tail.push(b"a");
        assert_eq!(tail.due(), Some(Duration::ZERO));
        assert_eq!(tail.take(Duration::ZERO).as_deref(), Some("a"));
    }

    #[test]
    fn later_output_waits_for_its_time_and_is_sent_together() {
        let mut tail = Tail::default();
        tail.push(b"a");
        assert!(tail.take(Duration::ZERO).is_some());
        tail.push(b"b");
        tail.push(b"c");
        assert_eq!((tail.due(), tail.take(INTERVAL / 2)), (Some(INTERVAL), None));
        assert_eq!(tail.take(INTERVAL).as_deref(), Some("abc"));
        assert_eq!((tail.due(), tail.take(LATER)), (None, None));
    }

    #[test]
    fn control_characters_are_replaced_and_line_ends_kept() {
        let mut tail = Tail::default();
        tail.push(b"a\x1b[31m\x07\tb\r\nc\xff");
        assert_eq!(tail.take(LATER).as_deref(), Some("a\u{fffd}[31m\u{fffd}\tb\r\nc\u{fffd}"));
    }

    #[test]
    fn half_a_character_alone_is_no_update() {
        let mut tail = Tail::default();
        tail.push("ä".as_bytes());
        assert_eq!(tail.take(Duration::ZERO).as_deref(), Some("ä"));
        tail.push(&"ö".as_bytes()[..1]);
        assert_eq!((tail.take(INTERVAL), tail.due()), (None, None));
        tail.push(&"ö".as_bytes()[1..]);
        assert_eq!(tail.due(), Some(2 * INTERVAL));
        assert_eq!(tail.take(2 * INTERVAL).as_deref(), Some("äö"));
    }

    proptest! {
        #[test]
        fn a_character_split_over_pieces_is_never_broken(
            text in "[ -~äß€𝄞\n]{0,300}",
            places in vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut tail = Tail::default();
            let mut last = String::new();
            for (number, piece) in (1..).zip(pieces(text.as_bytes(), &places)) {
                tail.push(piece);
                if let Some(told) = tail.take(INTERVAL * number) {
                    prop_assert!(text.starts_with(&told) && told.starts_with(&last));
                    last = told;
                }
            }
            prop_assert_eq!(last, text);
        }

        #[test]
        fn of_long_output_the_end_is_sent_with_whole_characters(
            count in 0_usize..20_000,
            character in prop::sample::select(vec!['x', 'ä', '€', '𝄞']),
        ) {
            let text: String = std::iter::once('a').chain(std::iter::repeat_n(character, count)).collect();
            let mut tail = Tail::default();
            text.as_bytes().chunks(1000).for_each(|piece| tail.push(piece));
            let told = tail.take(LATER).expect("something new");
            prop_assert!(text.ends_with(&told) && told.len() <= MAX_UPDATE);
            // A character that was cut in two is left out.
            prop_assert!(told.len() + 3 >= text.len().min(MAX_UPDATE));
        }

        #[test]
        fn any_bytes_are_bounded_and_clean(output in vec(vec(any::<u8>(), 0..6000), 0..8)) {
            let mut tail = Tail::default();
            for (number, piece) in (1..).zip(&output) {
                tail.push(piece);
                if let Some(told) = tail.take(INTERVAL * number) {
                    prop_assert!(told.len() <= MAX_UPDATE);
                    prop_assert!(!told.chars().any(is_control_in_text));
                }
            }
            prop_assert!(tail.bytes.len() <= MAX_UPDATE);
        }

        #[test]
        fn updates_keep_their_distance(waits in vec(0_u64..400, 0..100)) {
            let mut tail = Tail::default();
            let (mut now, mut told_at) = (Duration::ZERO, None::<Duration>);
            for wait in waits {
                now += Duration::from_millis(wait);
                tail.push(b"y\n");
                if tail.take(now).is_some() {
                    prop_assert!(told_at.is_none_or(|before| now - before >= INTERVAL));
                    told_at = Some(now);
                }
            }
        }
    }
}
