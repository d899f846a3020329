//! The folders that a request has to do with, as they are now.

use std::path::Path;

use cap_std::fs::Metadata;
use tidegate_trust::Folder;

use crate::identity::Identity;

/// A folder by its real name and those above it, nearest first, each with what it is. Those that cannot be
/// looked at are left out, and nothing is allowed for them. Blocks.
pub(crate) fn upwards(folder: &Path) -> Vec<Folder> {
    // A gap would make a folder above it the nearest one.
    folder.ancestors().map_while(now).collect()
}

/// A folder by its real name, with what it is. `None` where it cannot be looked at. Blocks.
pub(crate) fn now(folder: &Path) -> Option<Folder> {
    let metadata = std::fs::symlink_metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
    let identity = Identity::of(&Metadata::from_just_metadata(metadata)).into();
    Some(Folder { path: folder.to_owned(), identity })
}
