//! Text of agents as a dialog shows it: with everything that hides made visible, and bounded.

use tidegate_protocol::text;

use super::MAX_BLOCK;
use crate::dialog::{Field, FieldStyle};
use crate::review;

/// A part of a request, in the order of drawing.
pub(super) enum Part {
    /// A text without line breaks, such as a path; spaces at its ends are made visible.
    Line(&'static str, String),
    /// A text with its line breaks, in letters of one width.
    Block(&'static str, Block),
    /// Sentences of our own, one a line.
    Sentences(&'static str, Vec<String>),
    /// Words of somebody else.
    Quote(&'static str, Block),
}

impl Part {
    /// Whether all of it is shown.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Line(_, text) => text.chars().count() <= review::MAX_PATH,
            Self::Block(_, block) | Self::Quote(_, block) => block.is_whole,
            Self::Sentences(..) => true,
        }
    }

    /// Whether it holds characters that cannot be seen.
    pub(super) fn has_hidden(&self) -> bool {
        match self {
            Self::Line(_, text) => text.trim_matches(' ') != text || text.chars().any(deceives),
            Self::Block(_, block) | Self::Quote(_, block) => block.has_hidden,
            Self::Sentences(..) => false,
        }
    }

    /// As it is drawn; `None` when there is nothing to show.
    pub(super) fn field(self) -> Option<Field> {
        match self {
            Self::Line(label, text) => review::code(label, &with_visible_ends(&text)),
            Self::Block(label, block) => block.field(label, FieldStyle::Block),
            Self::Quote(label, block) => block.field(label, FieldStyle::Quote),
            Self::Sentences(label, sentences) => {
                let value = sentences.join("\n");
                (!value.is_empty()).then_some(Field { label, value, style: FieldStyle::Text })
            }
        }
    }
}

/// Text with its line breaks, everything else that hides made visible.
pub(super) struct Block {
    text: String,
    is_whole: bool,
    has_hidden: bool,
}

impl Block {
    pub(super) fn of(text: &str) -> Self {
        let mut block = Self { text: String::new(), is_whole: true, has_hidden: false };
        let mut length = 0;
        for character in text.chars() {
            let hides = (character.is_control() && character != '\n') || text::is_invisible(character);
            let (piece, width) = match hides {
                true => {
                    let piece = format!("\\u{{{:x}}}", u32::from(character));
                    let width = piece.len();
                    (piece, width)
                }
                false => (character.to_string(), 1),
            };
            if length + width > MAX_BLOCK {
                block.text.push_str("\n\u{2026}");
                block.is_whole = false;
                return block;
            }
            block.has_hidden |= deceives(character);
            length += width;
            block.text.push_str(&piece);
        }
        block
    }

    /// One argument a line; a line break inside one is made visible, so that it cannot pass for two.
    pub(super) fn of_lines(arguments: impl Iterator<Item = String>) -> Self {
        let as_shown =
            |argument: String| (text::one_line(&argument, usize::MAX), argument.chars().any(deceives));
        let (lines, hidden): (Vec<String>, Vec<bool>) = arguments.map(as_shown).unzip();
        let mut block = Self::of(&lines.join("\n"));
        block.has_hidden = hidden.contains(&true);
        block
    }

    fn field(self, label: &'static str, style: FieldStyle) -> Option<Field> {
        let Self { text, .. } = self;
        (!text.is_empty()).then_some(Field { label, value: text, style })
    }
}

/// Whether a character deserves a caution: scripts have tabs and line breaks for good reasons.
fn deceives(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t')) || text::is_invisible(character)
}

/// A path with the spaces at its ends made visible: they belong to it.
fn with_visible_ends(text: &str) -> String {
    let (start, end) = (text.trim_start_matches(' '), text.trim_end_matches(' '));
    if start.is_empty() {
        return String::new();
    }
    let space = |count: usize| "\\u{20}".repeat(count);
    format!("{}{}{}", space(text.len() - start.len()), text.trim_matches(' '), space(text.len() - end.len()))
}
