//! `read`: a part of a text file.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;
use tidegate_trust::approval::FileAccess;

use super::text::{self, FileError};
use super::{FileRequest, FileToolError, Files};
use crate::arguments::{ArgumentError, Arguments};
use crate::workspace::{MissingDirectories, Place};

/// Lines that one call returns.
const MAX_LINES: u64 = 2000;
/// Bytes that one call returns.
const MAX_BYTES: usize = 50 * 1024;
/// Bytes that are skipped to reach an offset.
const MAX_SKIPPED: u64 = 256 * 1024 * 1024;

/// A call of `read`.
#[derive(Clone)]
pub(super) struct Read {
    path: String,
    offset: u64,
    limit: u64,
}

impl FileRequest for Read {
    const MISSING: MissingDirectories = MissingDirectories::Refuse;

    fn description() -> ToolDescription {
        ToolDescription {
            name: "read",
            label: "Read file",
            description: "Read a text file. Returns at most 2000 lines or 50 KiB, and says how to go on when there \
                          is more. Outside the workspace a person is asked first, each time.",
            group: "fs",
            parameters: json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["path"],
                "properties": {
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "offset": {
                        "type": "integer", "minimum": 1,
                        "description": "The first line to return, counted from 1.",
                    },
                    "limit": {"type": "integer", "minimum": 1, "description": "How many lines to return."},
                },
            }),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let mut arguments = Arguments::new(arguments, &["path", "offset", "limit"])?;
        let path = arguments.text("path")?;
        let offset = arguments.optional_number("offset", 1, u64::MAX)?.unwrap_or(1);
        let limit = arguments.optional_number("limit", 1, u64::MAX)?.unwrap_or(MAX_LINES).min(MAX_LINES);
        Ok(Self { path, offset, limit })
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn access(&self) -> FileAccess {
        FileAccess::Read
    }

    fn act(&self, files: &Files, place: &Place) -> Result<String, FileToolError> {
        let offset = self.offset;
        let (file, _) = text::open(place, &files.protected)?;
        let shown = || place.shown.clone();
        match read_lines(BufReader::with_capacity(64 * 1024, file), offset, self.limit) {
            Ok(window) => Ok(window.render(offset)),
            Err(Unreadable::NotText { offset }) => Err(FileError::NotText { path: shown(), offset }.into()),
            Err(Unreadable::BehindEnd { lines: 0 }) if offset == 1 => Ok("[The file is empty.]".to_owned()),
            Err(Unreadable::BehindEnd { lines }) => {
                Err(FileError::BehindEnd { path: shown(), lines, offset }.into())
            }
            Err(Unreadable::TooFar) => Err(FileError::TooFar { path: shown(), limit: MAX_SKIPPED }.into()),
            Err(Unreadable::Io(error)) => Err(text::io(place, error).into()),
        }
    }
}

#[derive(Debug)]
enum Unreadable {
    NotText { offset: u64 },
    BehindEnd { lines: u64 },
    TooFar,
    Io(std::io::Error),
}

/// Some lines of a file.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    text: String,
    /// How many lines the text has.
    lines: u64,
    more: bool,
    /// Whether the only line was too long and is cut.
    cut: bool,
}

impl Window {
    fn render(self, offset: u64) -> String {
        let last = offset + self.lines.saturating_sub(1);
        let next = last + 1;
        let mut text = self.text;
        if self.cut {
            let start = if text.ends_with('\n') { "" } else { "\n" };
            text.push_str(&format!(
                "{start}\n[Line {offset} is longer than 50 KiB and is cut; see the rest of it with exec."
            ));
        } else if self.more {
            text.push_str(&format!("\n[Lines {offset}-{last}; more follow."));
        } else {
            return text;
        }
        text.push_str(&if self.more { format!(" Use offset={next} to continue.]") } else { "]".to_owned() });
        text
    }
}

/// Returns up to `limit` whole lines from line `offset` on, in at most [`MAX_BYTES`] bytes.
fn read_lines(mut file: impl BufRead, offset: u64, limit: u64) -> Result<Window, Unreadable> {
    let mut position = 0;
    for lines in 0..offset - 1 {
        if next_line(&mut file, None, &mut position)?.is_none() {
            return Err(Unreadable::BehindEnd { lines });
        }
    }
    let (start, mut text, mut lines, mut cut) = (position, Vec::new(), 0, false);
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
        return Err(Unreadable::BehindEnd { lines: offset - 1 });
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
            let offset = start + u64::try_from(error.utf8_error().valid_up_to()).unwrap_or(u64::MAX);
            return Err(Unreadable::NotText { offset });
        }
    };
    Ok(Window { text, lines, more, cut })
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
    use super::*;
    use proptest::prelude::*;

    fn window(text: &str, offset: u64, limit: u64) -> Window {
        read_lines(text.as_bytes(), offset, limit).expect("readable")
    }

    #[test]
    fn a_part_says_where_to_go_on() {
        let text = window("a\nb\nc\n", 2, 1).render(2);
        assert_eq!(text, "b\n\n[Lines 2-2; more follow. Use offset=3 to continue.]");
        assert_eq!(window("a\nb\nc\n", 3, 5).render(3), "c\n");
        assert_eq!(window("a\nb", 1, 2).render(1), "a\nb");
    }

    #[test]
    fn a_line_longer_than_the_limit_is_cut_between_characters() {
        let long = "\u{20ac}".repeat(MAX_BYTES);
        let window = window(&long, 1, 10);
        assert!(window.cut);
        assert!(window.text.len() <= MAX_BYTES && window.text.chars().all(|c| c == '\u{20ac}'));
        assert!(window.render(1).contains("Line 1 is longer than 50 KiB"));
    }

    #[test]
    fn binary_and_foreign_encodings_are_refused_with_the_place() {
        assert!(matches!(read_lines(&b"a\nb\0c"[..], 1, 9), Err(Unreadable::NotText { offset: 3 })));
        assert!(matches!(read_lines(&b"a\nb\xffc"[..], 2, 9), Err(Unreadable::NotText { offset: 3 })));
    }

    #[test]
    fn an_offset_behind_the_end_tells_how_many_lines_there_are() {
        assert!(matches!(read_lines(&b"a\nb\n"[..], 4, 1), Err(Unreadable::BehindEnd { lines: 2 })));
        assert!(matches!(read_lines(&b"a\nb\n"[..], 3, 1), Err(Unreadable::BehindEnd { lines: 2 })));
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
    }
}
