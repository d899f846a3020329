//! What lies in a folder, to be compared with what lay there before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a folder with its content, every folder and link by its name, but for what is below the
/// folders that are left out.
///
/// # Panics
/// When something cannot be read.
#[must_use]
pub fn of(folder: &Path, without: &[&Path]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if without.contains(&path.as_path()) {
                continue;
            }
            let kind = fs::symlink_metadata(&path).expect("metadata").file_type();
            let content = if kind.is_file() { fs::read(&path).expect("a file") } else { Vec::new() };
            if kind.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, content);
        }
    }
    found
}
