//! The matching lines of one file, as a result shows them.

use std::io;

use grep_matcher::Matcher as _;
use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkContextKind, SinkMatch};

/// Bytes of a line that are shown.
const MAX_LINE: usize = 400;
/// Of them, those before the match.
const BEFORE: usize = 100;

/// Collects the lines of one file.
pub(super) struct Lines<'a> {
    pub(super) matcher: &'a RegexMatcher,
    /// Lines up to this one were shown by an earlier call.
    pub(super) shown_before: u64,
    /// Matches and bytes for which there is room.
    pub(super) room: usize,
    pub(super) bytes: usize,
    /// Whether one match is enough.
    pub(super) first_only: bool,
    pub(super) text: String,
    pub(super) matches: usize,
    /// The line of the last match in `text`.
    pub(super) last: u64,
    /// Whether there was another match without room for it.
    pub(super) full: bool,
    /// Whether the file is no text.
    pub(super) binary: bool,
    /// The bytes of `text` without lines that belong to a match to come.
    settled: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        matcher: &'a RegexMatcher,
        shown_before: u64,
        room: usize,
        bytes: usize,
        first_only: bool,
    ) -> Self {
        Self {
            matcher,
            shown_before,
            room,
            bytes,
            first_only,
            text: String::new(),
            matches: 0,
            last: 0,
            full: false,
            binary: false,
            settled: 0,
        }
    }

    /// Takes away what belongs to a match that was not shown.
    pub(super) fn settle(&mut self) {
        self.text.truncate(self.settled);
    }
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let number = found.line_number().unwrap_or(0);
        if number <= self.shown_before {
            return Ok(true);
        }
        let line = line(found.bytes(), found.absolute_byte_offset(), number, ':', self.matcher);
        if self.matches == self.room || self.text.len() + line.len() > self.bytes {
            self.full = true;
            return Ok(false);
        }
        self.text.push_str(&line);
        self.settled = self.text.len();
        self.matches += 1;
        self.last = number;
        Ok(!self.first_only)
    }

    fn context(&mut self, _searcher: &Searcher, context: &SinkContext<'_>) -> Result<bool, io::Error> {
        let number = context.line_number().unwrap_or(0);
        if number > self.shown_before {
            self.text.push_str(&line(
                context.bytes(),
                context.absolute_byte_offset(),
                number,
                '-',
                self.matcher,
            ));
            if *context.kind() == SinkContextKind::After && self.text.len() <= self.bytes {
                self.settled = self.text.len();
            }
        }
        Ok(true)
    }

    fn context_break(&mut self, _searcher: &Searcher) -> Result<bool, io::Error> {
        if !self.text.is_empty() {
            self.text.push_str("--\n");
        }
        Ok(true)
    }

    fn binary_data(&mut self, _searcher: &Searcher, _offset: u64) -> Result<bool, io::Error> {
        self.binary = true;
        Ok(false)
    }
}

/// One line with its number. Of a long one, what is around the match, and where it is in the file.
fn line(bytes: &[u8], offset: u64, number: u64, mark: char, matcher: &RegexMatcher) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() <= MAX_LINE {
        return format!("{number}{mark}{}\n", String::from_utf8_lossy(bytes));
    }
    let found = matcher.find(bytes).ok().flatten().map_or(0, |found| found.start());
    let (mut start, mut end) = (found.saturating_sub(BEFORE), found.saturating_sub(BEFORE) + MAX_LINE);
    let inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    // At most three bytes of a character follow its first.
    for _ in 0..3 {
        start += usize::from(inside(start));
        end -= usize::from(inside(end));
    }
    let end = end.min(bytes.len());
    let (before, after) =
        (if start > 0 { "\u{2026}" } else { "" }, if end < bytes.len() { "\u{2026}" } else { "" });
    let part = String::from_utf8_lossy(&bytes[start..end]);
    let at = offset + u64::try_from(start).unwrap_or(0);
    format!("{number}{mark}{before}{part}{after} [of {} bytes; read with byteOffset={at}]\n", bytes.len())
}
