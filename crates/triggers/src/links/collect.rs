//! What a walk notes of files with several names.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, fstat, statat};
use rustix::io::Errno;

use super::SharedFiles;
use crate::handle::identity;
use crate::object::Identity;

/// Files with several names that are noted. In a folder with more, everything counts as shared.
const MAX_FILES: usize = 200_000;

/// The files with several names that a walk came by.
#[derive(Debug, Default)]
pub(crate) struct Links {
    files: Vec<Link>,
    folders: Vec<PathBuf>,
    /// The folders with such files: one that is moved meanwhile is not counted twice.
    seen: HashSet<Identity>,
    unknown: Vec<PathBuf>,
}

#[derive(Debug)]
struct Link {
    identity: Identity,
    /// How many names the file has.
    links: u64,
    /// Which of the folders holds this one.
    folder: usize,
    name: OsString,
}

impl Links {
    /// Looks at the entries of a folder that are neither folders nor symbolic links.
    pub(crate) fn note<'a>(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &Path,
        names: impl Iterator<Item = &'a [u8]>,
    ) {
        let mut is_new_folder = true;
        for name in names {
            let status = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(status) => status,
                Err(Errno::NOENT) => continue,
                // Who owns the folder can change that.
                Err(_) => {
                    self.unknown.push(path.to_owned());
                    return;
                }
            };
            #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
            let links = status.st_nlink as u64;
            if links < 2 || FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
                continue;
            }
            if is_new_folder {
                is_new_folder = false;
                if !fstat(folder).is_ok_and(|status| self.seen.insert(identity(&status))) {
                    return;
                }
                self.folders.push(path.to_owned());
            }
            if self.files.len() >= MAX_FILES {
                self.everything_is_unknown();
                return;
            }
            self.files.push(Link {
                identity: identity(&status),
                links,
                folder: self.folders.len() - 1,
                name: OsStr::from_bytes(name).to_owned(),
            });
        }
    }

    /// A folder could not be looked into.
    pub(crate) fn unknown(&mut self, path: &Path) {
        self.unknown.push(path.to_owned());
    }

    /// The walk was given up.
    pub(crate) fn everything_is_unknown(&mut self) {
        self.unknown = vec![PathBuf::new()];
    }

    /// Those of which not all names were found.
    pub(crate) fn into_shared(self) -> SharedFiles {
        let mut found: HashMap<Identity, (u64, u64)> = HashMap::new();
        for link in &self.files {
            let (names, links) = found.entry(link.identity).or_default();
            *names += 1;
            *links = (*links).max(link.links);
        }
        let mut shared = SharedFiles { unknown: self.unknown, ..SharedFiles::default() };
        shared.unknown.sort();
        shared.unknown.dedup();
        for link in self.files {
            if found.get(&link.identity).is_some_and(|(names, links)| names < links) {
                shared.folders.entry(self.folders[link.folder].clone()).or_default().push(link.name);
            }
        }
        shared
    }
}
