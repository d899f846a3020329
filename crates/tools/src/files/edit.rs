//! `edit`: one exact replacement in a text file.

use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;
use tidegate_trust::approval::FileAccess;

use super::text;
use super::{FileRequest, FileToolError, Files, PATH};
use crate::arguments::{ArgumentError, Arguments, parameters};
use crate::workspace::{MissingDirectories, Place};

/// Why a text is not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EditError {
    #[error("oldText must not be empty; use write for a new file")]
    Empty,
    #[error("oldText and newText are the same; nothing would change")]
    Same,
    #[error("oldText occurs 0 times in {path}; it must match exactly, with all spaces and line ends{hint}")]
    NoMatch { path: String, hint: &'static str },
    #[error(
        "oldText occurs {count} times in {path}; it must occur exactly once, so give more of its surroundings"
    )]
    ManyMatches { path: String, count: usize },
}

/// A call of `edit`.
#[derive(Clone)]
pub(super) struct Edit {
    path: String,
    old_text: String,
    new_text: String,
}

impl FileRequest for Edit {
    const MISSING: MissingDirectories = MissingDirectories::Refuse;
    const ALIASES: &'static [&'static str] = &["edit_file"];

    fn description() -> ToolDescription {
        ToolDescription {
            name: "edit",
            label: "Edit file",
            description: "Replace one text in a file by another. The old text must occur exactly once and match \
                          exactly, including spaces and line ends. Outside the workspace a person is asked first.",
            group: "fs",
            parameters: parameters(
                &["path", "oldText", "newText"],
                json!({
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "oldText": {"type": "string", "description": "The text to replace; must occur exactly once."},
                    "newText": {"type": "string", "description": "What it becomes; may be empty."},
                }),
            ),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let mut arguments = Arguments::with_aliases(
            arguments,
            &["path", "oldText", "newText"],
            &[PATH, ("old_string", "oldText"), ("new_string", "newText")],
        )?;
        let path = arguments.text("path")?;
        let (old_text, new_text) = (arguments.text("oldText")?, arguments.text("newText")?);
        Ok(Self { path, old_text, new_text })
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn access(&self) -> FileAccess {
        FileAccess::Edit { old_text: self.old_text.clone(), new_text: self.new_text.clone() }
    }

    fn act(&self, files: &Files, place: &Place) -> Result<String, FileToolError> {
        let (content, version) = text::read_whole(place, &files.protected)?;
        let (line, edited) = replace_once(&content, &self.old_text, &self.new_text, &place.shown)?;
        files.replacement.replace(place, &edited, Some(version), &files.protected)?;
        Ok(format!("Edited {} at line {line}.", place.shown))
    }
}

/// Replaces the only occurrence of `old`; returns its line too. Where the line ends are all that differs, the file's
/// own count: models write LF whatever a file has.
fn replace_once(content: &str, old: &str, new: &str, path: &str) -> Result<(usize, String), EditError> {
    let ends_in_cr = content.contains("\r\n") && !content.replace("\r\n", "").contains('\n');
    let as_in_file = |text: &str| match ends_in_cr {
        true => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        false => text.replace("\r\n", "\n"),
    };
    match replace_exactly(content, old, new, path) {
        Err(EditError::NoMatch { .. }) if old.contains('\n') => {
            replace_exactly(content, &as_in_file(old), &as_in_file(new), path)
        }
        // The text around it decides how the lines in it end.
        Ok(_) if ends_in_cr && new.contains('\n') => replace_exactly(content, old, &as_in_file(new), path),
        replaced => replaced,
    }
}

fn replace_exactly(content: &str, old: &str, new: &str, path: &str) -> Result<(usize, String), EditError> {
    let Some(first) = old.chars().next() else { return Err(EditError::Empty) };
    if old == new {
        return Err(EditError::Same);
    }
    let Some(at) = content.find(old) else {
        let mixes_ends = content.contains("\r\n") && old.contains('\n');
        let hint = if mixes_ends { " (lines of it end in CR LF)" } else { "" };
        return Err(EditError::NoMatch { path: path.to_owned(), hint });
    };
    let mut count = content.matches(old).count();
    // Occurrences that overlap the first one are ambiguous as well.
    if count == 1 && content[at + first.len_utf8()..].contains(old) {
        count = 2;
    }
    if count != 1 {
        return Err(EditError::ManyMatches { path: path.to_owned(), count });
    }
    let line = content[..at].matches('\n').count() + 1;
    Ok((line, format!("{}{new}{}", &content[..at], &content[at + old.len()..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn several_matches_are_refused_with_their_number() {
        let refused = |content: &str, old| replace_once(content, old, "x", "f").expect_err("ambiguous");
        assert!(refused("aba", "a").to_string().contains("2 times"));
        assert!(refused("aaa", "aa").to_string().contains("2 times"));
        assert!(refused("abc", "d").to_string().contains("0 times"));
        assert!(refused("a\r\nb\n", "a\nc").to_string().contains("CR LF"));
        assert_eq!(refused("abc", ""), EditError::Empty);
        assert_eq!(refused("x", "x"), EditError::Same);
    }

    #[test]
    fn line_ends_are_the_files_own() {
        let edited = |content: &str, old, new| replace_once(content, old, new, "f").expect("one match").1;
        assert_eq!(edited("a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz"), "x\r\ny\r\nz\r\nc\r\n");
        assert_eq!(edited("a\r\nb\r\n", "b", "x\ny"), "a\r\nx\r\ny\r\n");
        assert_eq!(edited("a\r\nb\r\n", "a\r\nb", "x\ny"), "x\r\ny\r\n");
        assert_eq!(edited("a\nb\n", "a\r\nb", "x\r\ny"), "x\ny\n");
        // Both kinds: what is named is replaced as it is named.
        assert_eq!(edited("a\r\nb\nc\n", "b\nc", "x\ny"), "a\r\nx\ny\n");
    }

    proptest! {
        #[test]
        fn an_edit_changes_exactly_the_named_text(before in "[ab\u{e4}\n]{0,20}", after in "[ab\u{e4}\n]{0,20}", new in ".{0,9}") {
            let (_, edited) = replace_once(&format!("{before}<old>{after}"), "<old>", &new, "f").expect("one match");
            prop_assert_eq!(edited, format!("{before}{new}{after}"));
        }
    }
}
