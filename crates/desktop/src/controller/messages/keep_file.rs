//! The question whether a file that was set aside is put back.

use tidegate_protocol::text::one_line;

use crate::dialog::MessageDialog;
use crate::shell::{FileContent, FileToKeep};

/// Characters of a path and of a sentence about it.
const MAX_SENTENCE: usize = 240;
/// Lines of the content that are drawn, and characters of each.
const MAX_LINES: usize = 12;
const MAX_LINE: usize = 100;

pub(super) fn question(file: &FileToKeep) -> MessageDialog {
    let line = |text: &str| one_line(text.trim(), MAX_SENTENCE);
    MessageDialog {
        heading: "Keep this file of an agent?".to_owned(),
        text: format!(
            "File: {}\nIn: {}\n\nWhy it was set aside: {}\n{}\n\n{}\n\nKeep it only if you know what it does.",
            line(&file.path),
            line(&file.workspace),
            line(&file.reason),
            line(&file.effect),
            drawn(&file.content)
        ),
        proceed: Some("Keep".into()),
        other: None,
        dismiss: "Cancel",
    }
}

/// Each line of a text stands behind a bar, so that none passes for one of ours.
fn drawn(content: &FileContent) -> String {
    let (text, is_cut) = match content {
        FileContent::Text { text, is_cut } => (text, *is_cut),
        FileContent::Link(target) => return format!("It is a link to: {}", one_line(target, MAX_SENTENCE)),
        FileContent::Binary => return "It is no text, so it is not shown.".to_owned(),
    };
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    let shown = lines.iter().take(MAX_LINES).map(|line| format!("| {}", one_line(line, MAX_LINE)));
    let is_whole = !is_cut
        && lines.len() <= MAX_LINES
        && lines.iter().all(|line| one_line(line, MAX_LINE) == one_line(line, usize::MAX));
    let more =
        (!is_whole).then_some("It has more than is shown here. Requests in the window shows more of it.");
    let lines = std::iter::once("It says:".to_owned()).chain(shown).chain(more.map(str::to_owned));
    lines.collect::<Vec<_>>().join("\n")
}
