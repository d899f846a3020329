//! Text from outside: bounded and cleaned before a person or a log sees it.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// How many marks may stand above and below one character. Scripts need up to two; more of them paint
/// over the lines around it.
const MAX_MARKS: usize = 2;

/// Whether a character can hide, reorder or fake text: Unicode's format characters and default
/// ignorables (bidirectional controls, zero-width characters, fillers, variation selectors, tags),
/// line and paragraph separators, private use, and code points that are never a character.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    // By far the most common, and visible without a look at the tables.
    if matches!(character, ' '..='~') {
        return false;
    }
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || matches!(
            category(character),
            GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
        )
        || is_noncharacter(character)
}

/// Whether a character takes up room and shows nothing: every space but the plain one, and the
/// characters that fonts draw empty.
#[must_use]
pub fn is_blank(character: char) -> bool {
    // U+1D159 is a note head of musical notation that is drawn as nothing.
    matches!(character, '\u{2800}' | '\u{fffc}' | '\u{1d159}')
        || (character != ' ' && category(character) == GeneralCategory::SpaceSeparator)
}

/// `text` as one line that shows what it is: control, invisible and blank characters become
/// `\u{...}`, and so do marks that have nothing to stand on and those beyond two on one character.
/// At most `limit` characters remain, the last an ellipsis where something was cut. Only a text
/// that has nothing but spaces looks empty.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut shown = 0;
    // Where an ellipsis still fits.
    let mut cut = 0;
    // How many marks may still follow.
    let mut marks = 0;
    for character in text.chars() {
        let is_hidden = match category(character) {
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark if marks > 0 => {
                marks -= 1;
                is_invisible(character)
            }
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => true,
            _ => {
                let is_hidden = character.is_control() || is_invisible(character) || is_blank(character);
                marks = if is_hidden || character == ' ' { 0 } else { MAX_MARKS };
                is_hidden
            }
        };
        let piece =
            if is_hidden { format!("\\u{{{:x}}}", u32::from(character)) } else { character.to_string() };
        let width = piece.chars().count();
        if shown + width > limit {
            line.truncate(cut);
            if limit > 0 {
                line.push('\u{2026}');
            }
            break;
        }
        shown += width;
        line.push_str(&piece);
        if shown < limit {
            cut = line.len();
        }
    }
    line
}

/// The beginning of a longer text as [`one_line`]: its line ends and other white space are single blanks.
#[must_use]
pub fn preview(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if length > limit {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        length += word.chars().count() + 1;
    }
    one_line(&line, limit)
}

/// Whether a character of a longer text only steers a terminal: every control character but tab and line
/// ends. Where such a text is shown or framed, U+FFFD stands for it.
#[must_use]
pub fn is_control_in_text(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t')
}

/// The start of `text`, at most `limit` bytes long and cut between characters.
#[must_use]
pub fn truncate_bytes(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A number with a comma before each three digits.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut groups = vec![&digits[..first]];
    groups.extend((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.retain(|group| !group.is_empty());
    groups.join(",")
}

/// An error's text as a sentence: with a capital letter and a full stop.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.is_empty() || text.ends_with(['.', '!', '?', '\u{2026}']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

/// Code points that Unicode will never assign: the last two of each plane, and 32 between.
fn is_noncharacter(character: char) -> bool {
    let code_point = u32::from(character);
    code_point & 0xFFFE == 0xFFFE || matches!(code_point, 0xFDD0..=0xFDEF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthChar as _;

    use super::*;

    #[test]
    fn a_reason_becomes_a_sentence() {
        assert_eq!(sentence("there is no tray; it runs without"), "There is no tray; it runs without.");
        assert_eq!(sentence("Already one."), "Already one.");
        assert_eq!(sentence("\u{e9}tat?"), "\u{c9}tat?");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn a_preview_has_blanks_in_place_of_line_ends() {
        assert_eq!(
            preview("Are you there?\n\nThis is\ta\u{3000}test.\n", 64),
            "Are you there? This is a test."
        );
        assert_eq!(preview("a\n\u{202e}b\u{1b}[31m", 64), "a \\u{202e}b\\u{1b}[31m");
        assert_eq!(preview("one two three", 8), "one two\u{2026}");
        assert_eq!(preview(" \n ", 8), "");
    }

    #[test]
    fn hostile_names_show_what_they_are() {
        assert_eq!(one_line("a\u{202e}b\u{200b}\n\u{1b}[31m", 64), "a\\u{202e}b\\u{200b}\\u{a}\\u{1b}[31m");
    }

    #[test]
    fn blank_characters_are_escaped_so_that_no_name_looks_empty() {
        for blank in "\u{115f}\u{1160}\u{2800}\u{3000}\u{3164}\u{a0}\u{2003}\u{fffc}\u{ffa0}\u{1d159}".chars()
        {
            let escaped = format!("\\u{{{:x}}}", u32::from(blank));
            assert_eq!(one_line(&blank.to_string(), 64), escaped);
        }
    }

    #[test]
    fn marks_beyond_two_on_one_character_are_escaped() {
        let stacked = format!("a{}", "\u{301}".repeat(60));
        let line = one_line(&stacked, usize::MAX);
        assert_eq!(line, format!("a\u{301}\u{301}{}", "\\u{301}".repeat(58)));
    }

    #[test]
    fn a_mark_without_a_character_below_it_is_escaped() {
        assert_eq!(one_line("\u{301}", 64), "\\u{301}");
        assert_eq!(one_line(" \u{20dd}", 64), " \\u{20dd}");
        assert_eq!(one_line("\u{200b}\u{301}", 64), "\\u{200b}\\u{301}", "an escape carries none");
    }

    #[test]
    fn names_of_many_scripts_stay_as_they_are() {
        for name in [
            "Zoe\u{308}",
            "Vie\u{302}\u{323}t",
            "\u{1019}\u{103c}\u{1014}\u{103a}\u{1019}\u{102c}",
            "\u{e17}\u{e35}\u{e48}",
            "\u{5e9}\u{5c1}\u{5b8}",
            "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
            "\u{1f5a5} \u{7530}\u{4e2d}",
        ] {
            assert_eq!(one_line(name, 64), name);
        }
    }

    /// Another crate's tables, made for terminals, say what takes up no room.
    #[test]
    fn characters_without_width_are_escaped_unless_they_are_parts_of_a_script() {
        let is_mark =
            |c| matches!(category(c), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        // Letters and marks that join the character before or after them: vowels of Hangul and others,
        // and a caret of Devanagari.
        let joins =
            |c: char| c.is_alphabetic() || category(c) == GeneralCategory::SpacingMark || c == '\u{a8fa}';
        let passes: Vec<_> = (0..=u32::from(char::MAX))
            .filter_map(char::from_u32)
            .filter(|&c| c.width().unwrap_or(0) == 0 && !is_mark(c) && !joins(c))
            .filter(|&c| one_line(&format!("a{c}"), 64) == format!("a{c}"))
            .collect();
        assert_eq!(passes, Vec::<char>::new());
    }

    #[test]
    fn long_names_are_cut_with_an_ellipsis() {
        assert_eq!(one_line(&"x".repeat(10_000), 4), "xxx\u{2026}");
        assert_eq!(one_line("xxxx", 4), "xxxx");
        assert_eq!(one_line("xx\nxx", 6), "xx\u{2026}");
        assert_eq!(one_line("x", 0), "");
    }

    proptest! {
        #[test]
        fn a_preview_is_one_line_within_its_limit(text in any::<String>(), limit in 0usize..64) {
            let line = preview(&text, limit);
            prop_assert!(line.chars().count() <= limit);
            prop_assert!(!line.chars().any(|character| character.is_control() || is_invisible(character)));
        }

        #[test]
        fn a_line_is_never_longer_than_its_limit_and_shows_nothing_hidden(
            text in "[a-z \u{301}\u{20dd}\u{3000}\u{e9}\u{20ac}\n\u{1b}\u{202e}\u{200b}\u{1f600}]{0,40}",
            limit in 0_usize..48,
        ) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit, "{line:?}");
            prop_assert!(!line.chars().any(|c| c.is_control() || is_invisible(c) || is_blank(c)));
            prop_assert!(!line.contains("\u{301}\u{301}\u{301}") && !line.starts_with('\u{301}'), "{line:?}");
            prop_assert!(line.is_empty() || limit == 0 || !line.trim().is_empty() || text.trim().is_empty());
            let whole = one_line(&text, usize::MAX);
            prop_assert_eq!(&one_line(&whole, usize::MAX), &whole, "what is clean stays as it is");
            if whole.chars().count() <= limit {
                prop_assert_eq!(line, whole);
            } else if limit > 0 {
                let kept = line.strip_suffix('\u{2026}');
                prop_assert!(kept.is_some_and(|kept| whole.starts_with(kept)), "{line:?} of {whole:?}");
            }
        }
    }

    #[test]
    fn cutting_by_bytes_never_splits_a_character() {
        assert_eq!(truncate_bytes("a\u{20ac}", 2), "a");
    }
}
