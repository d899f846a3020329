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
    for character in text.chars() {
        let piece = if character.is_control() || is_invisible(character) {
            format!("\\u{{{:x}}}", u32::from(character))
        } else {
            character.to_string()
        };
        let width = piece.chars().count();
        if shown + width > limit {
            line.push('\u{2026}');
            break;
        }
        shown += width;
        line.push_str(&piece);
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
    use super::*;

    #[test]
    fn hostile_names_show_what_they_are() {
        assert_eq!(one_line("a\u{202e}b\u{200b}\n\u{1b}[31m", 64), "a\\u{202e}b\\u{200b}\\u{a}\\u{1b}[31m");
    }

    #[test]
    fn long_names_are_cut_with_an_ellipsis() {
        assert_eq!(one_line(&"x".repeat(10_000), 4), "xxxx\u{2026}");
    }

    #[test]
    fn cutting_by_bytes_never_splits_a_character() {
        assert_eq!(truncate_bytes("a\u{20ac}", 2), "a");
    }
}
