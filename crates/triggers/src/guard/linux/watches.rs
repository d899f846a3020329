//! Which watch is of which folder or file.

use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, WatchFlags};

/// Names that come and go.
pub(super) const FOLDER: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ONLYDIR);
/// Writing, whatever name it goes by, and new names.
pub(super) const FILE: WatchFlags =
    WatchFlags::MODIFY.union(WatchFlags::ATTRIB).union(WatchFlags::CLOSE_WRITE);

/// What a watch is of.
pub(super) enum Watched {
    Folder { path: PathBuf, inode: u64 },
    File(PathBuf),
}

/// What is watched.
#[derive(Default)]
pub(super) struct Watches {
    pub(super) by_number: HashMap<i32, Watched>,
    /// The folders by inode, so that a walk does not ask for watches that are there.
    folders: HashMap<u64, i32>,
}

impl Watches {
    pub(super) fn has(&self, inode: u64, path: &Path) -> bool {
        let watch = self.folders.get(&inode).and_then(|watch| self.by_number.get(watch));
        matches!(watch, Some(Watched::Folder { path: known, .. }) if known == path)
    }

    pub(super) fn add_folder(&mut self, watch: i32, inode: u64, path: &Path) {
        self.by_number.insert(watch, Watched::Folder { path: path.to_owned(), inode });
        self.folders.insert(inode, watch);
    }

    pub(super) fn remove(&mut self, watch: i32) {
        if let Some(Watched::Folder { inode, .. }) = self.by_number.remove(&watch)
            && self.folders.get(&inode) == Some(&watch)
        {
            self.folders.remove(&inode);
        }
    }
}
/// Watches what is open, whatever its path leads to by now.
pub(super) fn add_watch(
    inotify: &OwnedFd,
    object: BorrowedFd<'_>,
    flags: WatchFlags,
) -> rustix::io::Result<i32> {
    inotify::add_watch(inotify, format!("/proc/self/fd/{}", object.as_raw_fd()), flags)
}
