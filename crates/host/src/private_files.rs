//! The modes of Tidegate's own files: others may open none of them. A command of an agent or a careless
//! `chmod` may change that, so they are checked and repaired, and the person sees it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tidegate_protocol::text;

use crate::process_context::held;

/// What was put right since the process started, as sentences.
#[derive(Debug, Default)]
pub(crate) struct Repairs(Mutex<Vec<String>>);

/// The most sentences that are kept; each file is named once.
const MAX_KEPT: usize = 16;

impl Repairs {
    /// Keeps and logs what [`repair_all`] found.
    pub(crate) fn note(&self, found: &[Found]) {
        let mut kept = held(&self.0);
        for sentence in found.iter().map(Found::to_string) {
            tracing::warn!(problem = %sentence, "the mode of a file of Tidegate was changed");
            if !kept.contains(&sentence) && kept.len() < MAX_KEPT {
                kept.push(sentence);
            }
        }
    }

    /// What a person should know.
    pub(crate) fn sentences(&self) -> Vec<String> {
        held(&self.0).clone()
    }
}

/// A file whose mode was not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Found {
    #[error(
        "{} had mode {mode:04o} and is private again: Tidegate's files are for you alone. If you did not change \
         it, a program of yours did.",
        shown(path)
    )]
    Repaired { path: PathBuf, mode: u32 },
    #[error("{} belongs to another user. Stop Tidegate and remove it.", shown(path))]
    Foreign { path: PathBuf },
    #[error("{} is open to other users, and that could not be changed: {reason}.", shown(path))]
    Unchanged { path: PathBuf, reason: String },
}

fn shown(path: &Path) -> String {
    text::one_line(&path.to_string_lossy(), 200)
}

/// Our files in a state directory, with the mode that each has to have.
#[cfg(unix)]
const OURS: [(&str, u32); 10] = [
    ("", 0o700),
    ("lock", 0o600),
    ("control.sock", 0o600),
    ("tidegate.sqlite", 0o600),
    ("tidegate.sqlite-wal", 0o600),
    ("tidegate.sqlite-shm", 0o600),
    ("openclaw.json.last-good", 0o600),
    ("logs", 0o700),
    ("logs/tidegate.log", 0o600),
    ("logs/tidegate.log.1", 0o600),
];

/// Looks at every file of ours that is there, and puts it right. Blocks.
#[cfg(unix)]
pub(crate) fn repair_all(state_dir: &Path) -> Vec<Found> {
    let checked = OURS.iter().filter_map(|(name, mode)| {
        let path = if name.is_empty() { state_dir.to_owned() } else { state_dir.join(name) };
        repair(path, *mode)
    });
    checked.collect()
}

/// Nothing is known of other systems' access lists: the files are as private as their directory.
#[cfg(not(unix))]
pub(crate) fn repair_all(_state_dir: &Path) -> Vec<Found> {
    Vec::new()
}

#[cfg(unix)]
fn repair(path: PathBuf, wanted: u32) -> Option<Found> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let found = std::fs::symlink_metadata(&path).ok()?;
    // A link in place of a file is refused when it is opened.
    if found.is_symlink() {
        return None;
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Some(Found::Foreign { path });
    }
    let mode = found.mode() & 0o7777;
    // A copy may be closed to writing; nothing else may differ.
    let is_right = mode == wanted || wanted == 0o600 && mode == 0o400;
    if is_right {
        return None;
    }
    match std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wanted)) {
        Ok(()) => Some(Found::Repaired { path, mode }),
        Err(error) => Some(Found::Unchanged { path, reason: error.to_string() }),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    }

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn what_was_opened_or_closed_is_put_right_and_named_once() {
        let place = tempfile::tempdir().expect("a directory");
        let (state, file) = (place.path().to_owned(), place.path().join("tidegate.sqlite"));
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink("/etc/passwd", state.join("lock")).expect("linked");
        for (of_state, of_file) in [(0o777, 0o666), (0o711, 0o000), (0o700, 0o640), (0o700, 0o4600)] {
            set(&file, of_file);
            set(&state, of_state);

            let found = repair_all(&state);

            assert_eq!((mode(&state), mode(&file)), (0o700, 0o600));
            assert_eq!(found.len(), if of_state == 0o700 { 1 } else { 2 }, "{found:?}");
            assert_eq!(repair_all(&state), [], "nothing is left to do");
        }
        let repairs = Repairs::default();
        let found = Found::Repaired { path: file, mode: 0o666 };
        repairs.note(&[found.clone(), found]);
        assert_eq!(repairs.sentences().len(), 1);
    }
}
