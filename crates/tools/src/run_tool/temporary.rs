//! The directory for temporary files of one command.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::protocol::Boundary;

/// Removed when it is dropped, with whatever the command left in it.
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = remove(&self.0);
    }
}

/// Makes the directory that a sandbox finds as `/tmp`.
pub(super) fn make(boundary: &Boundary) -> Result<Option<Temporary>, String> {
    let Boundary::Sandbox { spec, .. } = boundary else { return Ok(None) };
    let path = &spec.temporary;
    let failed = |error: io::Error| format!("the directory {} could not be made: {error}", path.display());
    // Left there by a command whose `run-tool` was killed, and had the same number.
    remove(path).map_err(failed)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    Ok(Some(Temporary(path.clone())))
}

/// Removes what commands of an earlier host left in the directory that holds those of all commands. Names
/// of the present one's begin with `own`.
pub(crate) fn remove_left_over(directory: &Path, own: &str) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(own) {
            continue;
        }
        if let Err(error) = remove(&entry.path()) {
            tracing::warn!(%error, "failed to remove temporary files of an earlier command");
        }
    }
}

/// Removes a tree, also where its directories were made unreadable. Nothing may work in it any more.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open_up(path: &Path) -> io::Result<()> {
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // Links are not followed by this type.
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_directories_are_removed_and_links_are_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (tree, outside) = (directory.path().join("tree"), directory.path().join("outside"));
        fs::create_dir_all(tree.join("a/b")).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("file"), "kept").expect("written");
        fs::write(tree.join("a/b/file"), "").expect("written");
        std::os::unix::fs::symlink(&outside, tree.join("a/link")).expect("linked");
        for path in ["a/b", "a"] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o000)).expect("changed");
        }

        remove(&tree).expect("removed");

        assert!(!tree.exists() && outside.join("file").exists());
    }
}
