//! Text from outside: bounded and cleaned before a person or a log sees it.

/// Whether a character can hide, reorder or fake text: bidirectional controls, zero-width and
/// other format characters, line and paragraph separators, tags, and private use.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5
        | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
        | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE000..=0xF8FF
        | 0xE0000..=0xE0FFF | 0xF0000..=0x10_FFFF)
}

/// `text` as one line that shows what it is: control and invisible characters become `\u{...}`,
/// and at most `limit` characters remain, the last an ellipsis where something was cut.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut shown = 0;
    // Where an ellipsis still fits.
    let mut cut = 0;
    for character in text.chars() {
        let piece = if character.is_control() || is_invisible(character) {
            format!("\\u{{{:x}}}", u32::from(character))
        } else {
            character.to_string()
        };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_show_what_they_are() {
        assert_eq!(one_line("a\u{202e}b\u{200b}\n\u{1b}[31m", 64), "a\\u{202e}b\\u{200b}\\u{a}\\u{1b}[31m");
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
        fn a_line_is_never_longer_than_its_limit_and_shows_nothing_hidden(
            text in "[a-z\u{e9}\u{20ac}\n\u{1b}\u{202e}\u{200b}\u{1f600}]{0,40}",
            limit in 0_usize..48,
        ) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit, "{line:?}");
            prop_assert!(!line.chars().any(|c| c.is_control() || is_invisible(c)));
            let whole = one_line(&text, usize::MAX);
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
