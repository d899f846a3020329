//! `read`: a part of a text file.

use std::io::{BufRead, BufReader, Read as _, Seek, SeekFrom};

use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;
use tidegate_trust::approval::FileAccess;

use super::text::{self, FileError};
use super::{FileRequest, FileToolError, Files, PATH};
use crate::arguments::{ArgumentError, Arguments, parameters};
use crate::workspace::{MissingDirectories, Place};

/// Lines that one call returns.
const MAX_LINES: u64 = 2000;
/// Bytes that one call returns.
const MAX_BYTES: usize = 50 * 1024;
/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;
/// Bytes that are skipped to reach an offset.
const MAX_SKIPPED: u64 = 256 * 1024 * 1024;

/// A call of `read`.
#[derive(Clone)]
pub(super) struct Read {
    path: String,
    start: Start,
    limit: u64,
}

/// Where a part begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// A line, counted from 1.
    Line(u64),
    /// A byte, counted from 0. Within a character it means the next one.
    Byte(u64),
}

impl FileRequest for Read {
    const MISSING: MissingDirectories = MissingDirectories::Refuse;
    const ALIASES: &'static [&'static str] = &["read_file", "view_file", "open_file"];

    fn description() -> ToolDescription {
        ToolDescription {
            name: "read",
            label: "Read file",
            description: "Read a text file. Returns at most 2000 lines or 50 KiB, and says how to go on when there \
                          is more. Outside the workspace a person is asked, unless they allowed that.",
            group: "fs",
            parameters: parameters(
                &["path"],
                json!({
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "offset": {
                        "type": "integer", "minimum": 1,
                        "description": "The first line to return, counted from 1.",
                    },
                    "byteOffset": {
                        "type": "integer", "minimum": 0,
                        "description": "The first byte to return, instead of a line.",
                    },
                    "limit": {"type": "integer", "minimum": 1, "description": "How many lines to return."},
                }),
            ),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let allowed = ["path", "offset", "byteOffset", "limit"];
        let mut arguments = Arguments::with_aliases(arguments, &allowed, &[PATH])?;
        let path = arguments.text("path")?;
        // Models also count from 0.
        let line = arguments.optional_number("offset", 0, u64::MAX)?.map(|line| line.max(1));
        let byte = arguments.optional_number("byteOffset", 0, u64::MAX)?;
        let start = match (line, byte) {
            (Some(_), Some(_)) => {
                return Err(ArgumentError::Together { first: "offset", second: "byteOffset" });
            }
            (None, Some(byte)) => Start::Byte(byte),
            (line, None) => Start::Line(line.unwrap_or(1)),
        };
        let limit = arguments.optional_number("limit", 1, u64::MAX)?.unwrap_or(MAX_LINES).min(MAX_LINES);
        Ok(Self { path, start, limit })
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn access(&self) -> FileAccess {
        FileAccess::Read
    }

    fn act(&self, files: &Files, place: &Place) -> Result<String, FileToolError> {
        let (file, _) = text::open(place, &files.protected)?;
        let path = place.shown.clone();
        let error = match read_part(BufReader::with_capacity(BUFFER, file), self.start, self.limit) {
            Ok(window) => return Ok(window.render(self.start)),
            Err(Unreadable::Empty) => return Ok("[The file is empty.]".to_owned()),
            Err(Unreadable::NotText { offset }) => FileError::NotText { path, offset },
            Err(Unreadable::BehindEnd { lines, offset }) => FileError::BehindEnd { path, lines, offset },
            Err(Unreadable::BehindLastByte { bytes, offset }) => {
                FileError::BehindLastByte { path, bytes, offset }
            }
            Err(Unreadable::TooFar) => FileError::TooFar { path, limit: MAX_SKIPPED },
            Err(Unreadable::Io(error)) => text::io(place, error),
        };
        Err(error.into())
    }
}

#[derive(Debug)]
enum Unreadable {
    Empty,
    NotText { offset: u64 },
    BehindEnd { lines: u64, offset: u64 },
    BehindLastByte { bytes: u64, offset: u64 },
    TooFar,
    Io(std::io::Error),
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    text: String,
    /// The byte of the file at which the text begins.
    first: u64,
    /// How many lines the text has.
    lines: u64,
    more: bool,
    /// Whether the only line was too long and is cut.
    cut: bool,
}

impl Window {
    /// The byte of the file that follows the text.
    fn end(&self) -> u64 {
        self.first + u64::try_from(self.text.len()).unwrap_or(u64::MAX)
    }

    fn render(self, start: Start) -> String {
        let (first, end) = (self.first, self.end());
        let hint = match start {
            _ if !self.more => return self.text,
            Start::Byte(_) => {
                format!("Bytes {first}-{}; more follow. Use byteOffset={end} to continue.", end - 1)
            }
            Start::Line(line) if self.cut => format!(
                "Line {line} is longer than 50 KiB; this is its start. Use byteOffset={end} to continue in it, \
                 offset={} for the next line.",
                line.saturating_add(1)
            ),
            Start::Line(line) => {
                let last = line.saturating_add(self.lines.saturating_sub(1));
                format!(
                    "Lines {line}-{last}; more follow. Use offset={} to continue.",
                    last.saturating_add(1)
                )
            }
        };
        let line_end = if self.cut && !self.text.ends_with('\n') { "\n" } else { "" };
        format!("{}{line_end}\n[{hint}]", self.text)
    }
}

/// Returns up to `limit` lines from `start` on, in at most [`MAX_BYTES`] bytes: whole lines, unless
/// the first one alone is longer.
fn read_part(mut file: impl BufRead + Seek, start: Start, limit: u64) -> Result<Window, Unreadable> {
    let mut position = match start {
        Start::Line(line) => skip_lines(&mut file, line)?,
        Start::Byte(byte) => skip_bytes(&mut file, byte)?,
    };
    let (first, mut text, mut lines, mut cut) = (position, Vec::new(), 0, false);
    let mut more = true;
    while lines < limit {
        let before = text.len();
        match next_line(&mut file, Some(&mut text), &mut position)? {
            None => {
                more = false;
                break;
            }
            Some(LineEnd::TooLong) if lines == 0 => {
                cut = true;
                lines = 1;
                break;
            }
            Some(LineEnd::TooLong) => {
                text.truncate(before);
                break;
            }
            Some(LineEnd::Complete) => lines += 1,
        }
    }
    if lines == 0 {
        return Err(match start {
            _ if first == 0 => Unreadable::Empty,
            Start::Line(offset) => Unreadable::BehindEnd { lines: offset - 1, offset },
            Start::Byte(offset) => Unreadable::BehindLastByte { bytes: first, offset },
        });
    }
    if more {
        more = cut || !file.fill_buf().map_err(Unreadable::Io)?.is_empty();
    }
    let text = match String::from_utf8(text) {
        Ok(text) => text,
        // The cut may have split the last character.
        Err(error) if cut && error.utf8_error().error_len().is_none() => {
            let end = error.utf8_error().valid_up_to();
            String::from_utf8_lossy(&error.as_bytes()[..end]).into_owned()
        }
        Err(error) => {
            let offset = first + u64::try_from(error.utf8_error().valid_up_to()).unwrap_or(u64::MAX);
            return Err(Unreadable::NotText { offset });
        }
    };
    Ok(Window { text, first, lines, more, cut })
}

/// Goes to the start of a line, and returns its byte.
fn skip_lines(file: &mut impl BufRead, line: u64) -> Result<u64, Unreadable> {
    let mut position = 0;
    for lines in 0..line - 1 {
        if next_line(file, None, &mut position)?.is_none() {
            return Err(match lines {
                0 => Unreadable::Empty,
                lines => Unreadable::BehindEnd { lines, offset: line },
            });
        }
    }
    Ok(position)
}

/// Goes to the character that begins at or after a byte, and returns its byte.
fn skip_bytes(file: &mut (impl BufRead + Seek), byte: u64) -> Result<u64, Unreadable> {
    let bytes = file.seek(SeekFrom::End(0)).map_err(Unreadable::Io)?;
    if byte > bytes {
        return Err(Unreadable::BehindLastByte { bytes, offset: byte });
    }
    // Of a character that began before it, at most three bytes follow.
    file.seek(SeekFrom::Start(byte)).map_err(Unreadable::Io)?;
    let mut next = Vec::new();
    file.by_ref().take(3).read_to_end(&mut next).map_err(Unreadable::Io)?;
    let inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let skipped = next.iter().take_while(|byte| inside(byte)).count();
    let position = byte + u64::try_from(skipped).unwrap_or(0);
    file.seek(SeekFrom::Start(position)).map_err(Unreadable::Io)?;
    Ok(position)
}

enum LineEnd {
    Complete,
    TooLong,
}

/// Reads one line, into `kept` as far as there is room; `None` at the end of the file.
fn next_line(
    file: &mut impl BufRead,
    mut kept: Option<&mut Vec<u8>>,
    position: &mut u64,
) -> Result<Option<LineEnd>, Unreadable> {
    let mut any = false;
    loop {
        let chunk = match file.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            chunk => chunk.map_err(Unreadable::Io)?,
        };
        if chunk.is_empty() {
            return Ok(any.then_some(LineEnd::Complete));
        }
        any = true;
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let part = end.map_or(chunk, |end| &chunk[..=end]);
        if let Some(zero) = part.iter().position(|&byte| byte == 0) {
            return Err(Unreadable::NotText { offset: *position + u64::try_from(zero).unwrap_or(u64::MAX) });
        }
        let (length, ended) = (part.len(), end.is_some());
        if let Some(kept) = kept.as_deref_mut() {
            let room = MAX_BYTES - kept.len();
            kept.extend_from_slice(&part[..length.min(room)]);
            if length > room {
                return Ok(Some(LineEnd::TooLong));
            }
        }
        file.consume(length);
        *position += u64::try_from(length).unwrap_or(u64::MAX);
        if kept.is_none() && *position > MAX_SKIPPED {
            return Err(Unreadable::TooFar);
        }
        if ended {
            return Ok(Some(LineEnd::Complete));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use proptest::prelude::*;

    fn window(text: &str, offset: u64, limit: u64) -> Window {
        part(text, Start::Line(offset), limit).expect("readable")
    }

    fn part(text: impl AsRef<[u8]>, start: Start, limit: u64) -> Result<Window, Unreadable> {
        read_part(Cursor::new(text.as_ref()), start, limit)
    }

    #[test]
    fn a_part_says_where_to_go_on() {
        let text = window("a\nb\nc\n", 2, 1).render(Start::Line(2));
        assert_eq!(text, "b\n\n[Lines 2-2; more follow. Use offset=3 to continue.]");
        assert_eq!(window("a\nb\nc\n", 3, 5).render(Start::Line(3)), "c\n");
        assert_eq!(window("a\nb", 1, 2).render(Start::Line(1)), "a\nb");
    }

    #[test]
    fn a_part_from_a_byte_on_says_which_byte_follows() {
        let start = Start::Byte(2);
        let text = part("a\nb\nc\n", start, 1).expect("readable").render(start);
        assert_eq!(text, "b\n\n[Bytes 2-3; more follow. Use byteOffset=4 to continue.]");
    }

    #[test]
    fn a_byte_inside_a_character_means_the_next_character() {
        for byte in 1..=3 {
            let window = part("\u{20ac}x", Start::Byte(byte), 9).expect("readable");
            assert_eq!((window.text.as_str(), window.first), ("x", 3), "{byte}");
        }
    }

    #[test]
    fn a_line_longer_than_the_limit_is_cut_between_characters() {
        let long = "\u{20ac}".repeat(MAX_BYTES);
        let window = window(&long, 1, 10);
        assert!(window.cut);
        assert!(window.text.len() <= MAX_BYTES && window.text.chars().all(|c| c == '\u{20ac}'));
        let end = window.end();
        let text = window.render(Start::Line(1));
        assert!(text.contains("Line 1 is longer than 50 KiB"));
        assert!(text.contains(&format!("Use byteOffset={end} to continue in it, offset=2")), "{text}");
    }

    #[test]
    fn binary_and_foreign_encodings_are_refused_with_the_place() {
        let refused = |bytes: &[u8], start| match part(bytes, start, 9) {
            Err(Unreadable::NotText { offset }) => Some(offset),
            _ => None,
        };
        assert_eq!(refused(b"a\nb\0c", Start::Line(1)), Some(3));
        assert_eq!(refused(b"a\nb\xffc", Start::Line(2)), Some(3));
        assert_eq!(refused(b"a\nb\xffc", Start::Byte(1)), Some(3));
    }

    #[test]
    fn an_offset_behind_the_end_tells_how_long_the_file_is() {
        for line in [3, 4] {
            let start = Start::Line(line);
            assert!(
                matches!(part("a\nb\n", start, 1), Err(Unreadable::BehindEnd { lines: 2, offset }) if offset == line)
            );
        }
        for byte in [4, 5, u64::MAX] {
            let start = Start::Byte(byte);
            assert!(matches!(part("a\nb\n", start, 1), Err(Unreadable::BehindLastByte { bytes: 4, .. })));
        }
        for start in [Start::Line(1), Start::Line(7), Start::Byte(0)] {
            assert!(matches!(part("", start, 1), Err(Unreadable::Empty)));
        }
    }

    proptest! {
        #[test]
        fn reading_on_as_told_returns_the_whole_file(
            lines in proptest::collection::vec("[a-z\u{e4}\u{1f600}]{0,12}", 1..60), limit in 1_u64..9, open_end: bool,
        ) {
            let mut text = lines.join("\n");
            if !open_end || text.is_empty() {
                text.push('\n');
            }
            let (mut offset, mut whole) = (1, String::new());
            loop {
                let window = window(&text, offset, limit);
                whole.push_str(&window.text);
                offset += window.lines;
                if !window.more {
                    break;
                }
            }
            prop_assert_eq!(whole, text);
        }

        #[test]
        fn reading_on_by_bytes_returns_the_whole_file(
            pieces in proptest::collection::vec(
                ("[a\u{e4}\u{1f600}\r]{0,3}", prop_oneof![Just(1_usize), Just(20_000)], any::<bool>()), 1..6,
            ),
            limit in 1_u64..9,
        ) {
            let line = |(piece, times, ends): &(String, usize, bool)| piece.repeat(*times) + if *ends { "\n" } else { "" };
            let text = pieces.iter().map(line).collect::<String>() + "x";
            let (mut byte, mut whole) = (0, String::new());
            loop {
                let window = part(&text, Start::Byte(byte), limit).expect("readable");
                prop_assert!(window.first == byte && window.end() > byte);
                byte = window.end();
                whole.push_str(&window.text);
                if !window.more {
                    break;
                }
            }
            prop_assert_eq!(whole, text);
        }
    }
}
