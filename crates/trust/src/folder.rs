//! A folder that a person decided about: a name alone is not enough, because another folder can get it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a file or folder is, under whatever name: equal for two names of one, different for two with one
/// name, as long as both exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileIdentity {
    /// The number of the file system.
    pub device: u64,
    pub inode: u64,
}

/// A folder by its real name, without symbolic links, and what it was then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Folder {
    pub path: PathBuf,
    pub identity: FileIdentity,
}
