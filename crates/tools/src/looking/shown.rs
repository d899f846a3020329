//! Paths as results show them: plain where that is safe, else as a JSON string, which a model can
//! give back as it stands.

use std::borrow::Cow;

use tidegate_protocol::text::is_invisible;

/// A path below the workspace for a result.
pub(super) fn shown(path: &str) -> Cow<'_, str> {
    let hides = |c: char| c.is_control() || is_invisible(c) || matches!(c, '"' | '\\');
    let blank_at_an_end = path.starts_with(char::is_whitespace) || path.ends_with(char::is_whitespace);
    let is_plain = !path.contains(hides) && !blank_at_an_end && !path.starts_with('[');
    if is_plain { Cow::Borrowed(path) } else { Cow::Owned(quoted(path)) }
}

/// A JSON string in which every character can be seen.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() || is_invisible(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_stay_as_they_are() {
        for path in ["src/main.rs", "with blank.txt", "\u{e4}/\u{65e5}.md", "a[1].ts"] {
            assert_eq!(shown(path), path);
        }
    }

    #[test]
    fn a_line_break_in_a_name_makes_no_line() {
        assert_eq!(shown("a\n[b\u{202e}"), "\"a\\u000a[b\\u202e\"");
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_json_that_leads_back(text in any::<String>()) {
            let quoted = quoted(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).ok(), Some(text));
            prop_assert!(!quoted.contains(|c: char| c.is_control() || is_invisible(c)));
        }
    }
}
