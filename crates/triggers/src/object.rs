//! What lies at a place: enough to say whether it changed, and to put it back.

use std::sync::Arc;

/// Bytes of a file that are kept.
pub const KEPT: usize = 64 * 1024;

/// Device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The file system's device.
    pub device: u64,
    pub inode: u64,
}

/// What lies at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A regular file.
    File(FileState),
    /// A symbolic link, with the bytes of its target.
    Link(Vec<u8>),
    Directory(Identity),
    /// A socket, a pipe or a device.
    Other,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Which file it is.
    pub identity: Identity,
    /// How many names it has.
    pub links: u64,
    /// Size in bytes.
    pub size: u64,
    /// Seconds and nanoseconds of the last change.
    pub changed: (i64, i64),
    /// The permission bits.
    pub mode: u32,
    /// The content of a file of at most [`KEPT`] bytes.
    pub content: Option<Arc<[u8]>>,
}

impl Object {
    /// The content of a file, as far as it is kept.
    #[must_use]
    pub fn content(&self) -> Option<&[u8]> {
        match self {
            Self::File(file) => file.content.as_deref(),
            _ => None,
        }
    }

    /// Whether what was `self` is still the same to those who read or run it: content, whether it
    /// can be executed, a link's target; and no file has a further name through which it can be
    /// written.
    #[must_use]
    pub fn is_still(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::File(before), Self::File(now)) => {
                let is_same = match (&before.content, &now.content) {
                    (Some(before), Some(now)) => before == now,
                    (None, None) => {
                        before.identity == now.identity
                            && (before.size, before.changed) == (now.size, now.changed)
                    }
                    _ => false,
                };
                is_same && before.mode & 0o111 == now.mode & 0o111 && now.links <= before.links.max(1)
            }
            (Self::Link(before), Self::Link(now)) => before == now,
            (Self::Directory(_), Self::Directory(_)) => true,
            _ => false,
        }
    }

    /// Whether it can be put back from what is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Self::File(file) => file.content.is_some(),
            Self::Link(_) => true,
            Self::Directory(_) | Self::Other => false,
        }
    }
}
