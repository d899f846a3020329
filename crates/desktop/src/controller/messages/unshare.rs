//! The question whether a folder gets copies of its own of files that others hold as well.

use tidegate_protocol::text::{grouped, one_line};

use crate::dialog::MessageDialog;
use crate::shell::FolderToUnshare;

/// Characters of a path.
const MAX_PATH: usize = 240;
/// Places that are named.
const MAX_PLACES: usize = 6;

pub(super) fn question(shared: &FolderToUnshare) -> MessageDialog {
    let line = |text: &str| one_line(text.trim(), MAX_PATH);
    let mut places: Vec<String> = shared.places.iter().take(MAX_PLACES).map(|place| line(place)).collect();
    if shared.places.len() > MAX_PLACES {
        places.push(format!("{} more", shared.places.len() - MAX_PLACES));
    }
    let files = if shared.files == 1 { "file" } else { "files" };
    MessageDialog {
        heading: "Unshare the files of this folder?".to_owned(),
        text: format!(
            "Folder: {}\nShared with other folders: {} {files} ({})\n\nThe folder gets copies of its own, which take \
             {}. Other folders keep theirs. Agents' commands can then change the copies.",
            line(&shared.folder),
            grouped(shared.files),
            places.join(", "),
            size(shared.bytes)
        ),
        proceed: Some("Unshare".into()),
        other: None,
        dismiss: "Cancel",
    }
}

/// Bytes in a unit that a person reads.
fn size(bytes: u64) -> String {
    match bytes.div_ceil(1 << 20) {
        0 | 1 => "less than 1 MiB".to_owned(),
        mebibytes => format!("{mebibytes} MiB"),
    }
}
