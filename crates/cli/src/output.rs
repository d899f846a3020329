//! The one place that prints. Whatever passes through it cannot reach the terminal as anything but
//! visible text: control and invisible characters are escaped here, also where a caller forgot.

use std::io::{self, Write};

use serde::Serialize;
use tidegate_protocol::text::is_invisible;

/// Standard output and standard error.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Output {
    /// The process's own.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Prints to these two instead, for tests.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out, err }
    }

    /// Prints lines to the standard output, with a line end if there is none.
    ///
    /// # Errors
    /// When it cannot be written, for example because nobody reads it any more.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        write_lines(&mut self.out, text)
    }

    /// Prints a piece of running text to the standard output, at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prose(&mut self, piece: &str) -> io::Result<()> {
        self.out
            .write_all(visible(piece, |c| is_control(c) || is_invisible(c) && !is_harmless(c)).as_bytes())?;
        self.out.flush()
    }

    /// Prints a value as JSON to the standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let pretty = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        self.out.write_all(ascii_escapes(&pretty).as_bytes())?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Prints a value as JSON on one line to the standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(value).map_err(io::Error::from)?;
        writeln!(self.out, "{}", ascii_escapes(&line))?;
        self.out.flush()
    }

    /// Prints lines for the person to the standard error.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        write_lines(&mut self.err, text)
    }
}

fn write_lines(to: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut lines = visible(text, |c| is_control(c) || is_invisible(c));
    if !lines.ends_with('\n') {
        lines.push('\n');
    }
    to.write_all(lines.as_bytes())?;
    to.flush()
}

/// Control characters, except those that lay text out.
fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

/// Invisible characters that scripts and emoji need, and that neither reorder nor hide anything.
fn is_harmless(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

fn visible(text: &str, is_hostile: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if is_hostile(character) {
            clean.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            clean.push(character);
        }
    }
    clean
}

/// The same JSON with hostile characters as `\uXXXX`. They can stand only inside its strings.
fn ascii_escapes(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    for character in json.chars() {
        if is_control(character) || is_invisible(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                clean.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn is_hostile(character: char) -> bool {
        is_control(character) || is_invisible(character)
    }

    #[test]
    fn text_of_other_scripts_and_emoji_stay_as_they_are_in_prose() {
        let text = "\u{0645}\u{06cc}\u{200c}\u{062e}\u{0648}\u{0627}\u{0647}\u{0645} \u{26a0}\u{fe0f}";

        let printed = visible(text, |c| is_hostile(c) && !is_harmless(c));

        assert_eq!(printed, text);
    }

    proptest! {
        #[test]
        fn nothing_hostile_is_ever_printed(text in ".*") {
            let lines = visible(&text, is_hostile);

            prop_assert!(!lines.chars().any(is_hostile), "{lines:?}");
        }

        #[test]
        fn json_with_hostile_characters_stays_the_same_value_and_shows_none(
            name in prop::collection::vec(prop_oneof![
                any::<char>(),
                Just('\u{202e}'), Just('\u{9b}'), Just('\u{e0041}'), Just('\u{7f}'), Just('\u{1b}'),
            ], 0..40),
        ) {
            let name: String = name.into_iter().collect();
            let value = serde_json::json!({ &name: [&name] });

            for text in [serde_json::to_string_pretty(&value).unwrap(), value.to_string()] {
                let printed = ascii_escapes(&text);

                prop_assert!(!printed.chars().any(is_hostile), "{printed:?}");
                prop_assert_eq!(&serde_json::from_str::<Value>(&printed).unwrap(), &value);
            }
        }
    }
}
