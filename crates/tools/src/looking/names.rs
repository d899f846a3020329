//! The entries of one directory in the order of their names, a batch at a time: however many there
//! are, memory stays bounded and the order stays the same.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::io;

use cap_std::fs::{Dir, FileType};
use tokio_util::sync::CancellationToken;

/// Entries of a directory that are read; one with more is skipped.
pub(super) const MAX_ENTRIES: u64 = 500_000;
/// Entries between two looks at whether the run was stopped.
const STRIDE: u64 = 256;

/// An entry, as it was when the directory was read.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: OsString,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Link,
    /// Something else, in words.
    Other(&'static str),
}

impl From<FileType> for Kind {
    fn from(file_type: FileType) -> Self {
        if file_type.is_dir() {
            Self::Directory
        } else if file_type.is_file() {
            Self::File
        } else if file_type.is_symlink() {
            Self::Link
        } else {
            Self::Other(crate::files::kind(file_type))
        }
    }
}

/// Why a directory is not read.
#[derive(Debug)]
pub(super) enum Unread {
    Io(io::Error),
    TooLarge,
    Cancelled,
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The first entries, in order, of those asked for.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) names: Vec<Name>,
    /// Whether others follow.
    pub(super) more: bool,
    /// How many entries were read for it.
    pub(super) read: u64,
}

/// From where on entries are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Position<'a> {
    Start,
    /// The entry of that name, and what follows.
    At(&'a OsStr),
    /// What follows that name.
    After(&'a OsStr),
}

/// Reads the directory once, and returns at most `room` entries.
pub(super) fn read(
    directory: &Dir,
    from: Position<'_>,
    room: usize,
    cancelled: &CancellationToken,
) -> Result<Batch, Unread> {
    let (mut kept, mut more, mut read) = (BinaryHeap::with_capacity(room.min(1024) + 1), false, 0_u64);
    for entry in directory.entries()? {
        let entry = entry?;
        read += 1;
        if read > MAX_ENTRIES {
            return Err(Unread::TooLarge);
        }
        if read.is_multiple_of(STRIDE) && cancelled.is_cancelled() {
            return Err(Unread::Cancelled);
        }
        let name = entry.file_name();
        let is_before = match from {
            Position::Start => false,
            Position::At(first) => name.as_os_str() < first,
            Position::After(last) => name.as_os_str() <= last,
        };
        if is_before {
            continue;
        }
        if kept.len() == room && kept.peek().is_some_and(|last: &Name| last.name <= name) {
            more = true;
            continue;
        }
        let kind = match entry.file_type().map(Kind::from) {
            Ok(kind @ (Kind::Directory | Kind::File | Kind::Link)) => kind,
            // Not every file system says in a directory what its entries are.
            _ => entry.metadata().map_or(Kind::Other("gone"), |metadata| metadata.file_type().into()),
        };
        kept.push(Name { name, kind });
        if kept.len() > room {
            kept.pop();
            more = true;
        }
    }
    Ok(Batch { names: kept.into_sorted_vec(), more, read })
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Name {}
