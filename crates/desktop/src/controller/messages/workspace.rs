//! The question whether the agents of a session may work in a folder.

use tidegate_protocol::text::{grouped, one_line};

use crate::dialog::MessageDialog;
use crate::shell::WorkspaceToChoose;

/// Characters of a path.
const MAX_PATH: usize = 240;
/// Characters of a session's label or key.
const MAX_NAME: usize = 80;
/// Places that are named.
const MAX_PLACES: usize = 6;

pub(super) fn question(asked: &WorkspaceToChoose) -> MessageDialog {
    let path = |text: &str| one_line(text.trim(), MAX_PATH);
    let others = if asked.is_default { ", that of all other sessions" } else { "" };
    let mut text = format!(
        "Session: {}\nFolder{others}: {}\nUntil now: {}\n\nThe agents of this session and their subagents read and \
         change everything in the folder without asking you. Commands that you allow start there. What runs already \
         goes on where it is.",
        session(asked.label.as_deref(), asked.session.as_str()),
        path(&asked.folder),
        path(&asked.before)
    );
    match asked.shared_files {
        Some(0) => {}
        Some(files) => text.push_str(&format!("\n\n{}", shared(files, &asked.shared_places))),
        None => text.push_str(
            "\n\nTidegate could not find out in time whether files in it are shared with other folders (hard links).",
        ),
    }
    let is_whole = asked.folder.trim().chars().count() <= MAX_PATH;
    if !is_whole {
        text.push_str(
            "\n\nThe folder's path is too long to be shown whole, so it cannot be chosen here. Choose a folder with a \
             shorter path.",
        );
    }
    if asked.by_client {
        text.push_str("\n\nA client asked for this, neither Tidegate's window nor its command line.");
    }
    MessageDialog {
        heading: "Let agents work in this folder?".to_owned(),
        text,
        // What could not be read whole is not given.
        proceed: is_whole.then(|| "Use this folder".into()),
        other: None,
        dismiss: "Cancel",
    }
}

/// A session in words.
pub(crate) fn session(label: Option<&str>, key: &str) -> String {
    let line = |text: &str| one_line(text.trim(), MAX_NAME);
    match label.map(line).filter(|label| !label.is_empty()) {
        Some(label) => format!("{label} ({})", line(key)),
        None => line(key),
    }
}

fn shared(files: u64, places: &[String]) -> String {
    let mut named: Vec<String> =
        places.iter().take(MAX_PLACES).map(|place| one_line(place, MAX_PATH)).collect();
    if places.len() > MAX_PLACES {
        named.push(format!("{} more", places.len() - MAX_PLACES));
    }
    let files =
        if files == 1 { "1 file in it is".to_owned() } else { format!("{} files in it are", grouped(files)) };
    format!(
        "{files} shared with other folders by hard links ({}). Agents' commands only read these until you unshare them.",
        named.join(", ")
    )
}
