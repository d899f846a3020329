//! Giving a folder copies of its own of the files that it shares: only for a person's decision.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Gid, RenameFlags, Stat, Timestamps, Uid, fchown, fstat, fstatvfs, futimens, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::{Links, SharedFiles};
use crate::decide::RepositoryForm;
use crate::handle::{identity, open_file, open_folder, with_names_writable};
use crate::list::Folder;
use crate::respond::{create, set_mode};
use crate::walk::walk;

/// Files that are copied before they are put in place together, and folders that hold them: what is written
/// is brought to the disk once for all.
const BATCH: usize = 4096;
const BATCH_FOLDERS: usize = 128;
/// Bytes that stay free on the disk.
const RESERVE: u64 = 256 * 1024 * 1024;
/// Files that are named when they could not be unshared.
const MAX_NAMED: usize = 20;

/// What became of shared files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unshared {
    /// Files that are the folder's own now.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Files that are as they were: not readable, of another user, or changed meanwhile.
    pub left: u64,
    /// The first of them.
    pub named: Vec<PathBuf>,
}

/// Why files are not unshared.
#[derive(Debug, thiserror::Error)]
pub enum UnshareError {
    /// The copies would fill the disk.
    #[error("the copies need {} MiB, and only {} MiB are free on that disk", needed.div_ceil(1 << 20), free >> 20)]
    NoRoom {
        /// Bytes of the copies.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The system refused.
    #[error("{done} files have copies of their own now, and then the system refused: {source}")]
    System {
        /// Files that were done before.
        done: u64,
        /// What it said.
        source: io::Error,
    },
}

/// The files below a folder that have names outside of it, and their bytes. Follows no link.
///
/// # Errors
/// When the folder cannot be read.
pub fn look(folder: impl AsFd) -> io::Result<(SharedFiles, u64)> {
    let root = open_folder(folder.as_fd(), Path::new(""))?;
    let mut links = Links::default();
    let place = (Folder::Top, RepositoryForm::Shaped);
    walk(root.try_clone()?, Path::new(""), place, Some(&mut links), |_, _, _| {});
    let shared = links.into_shared();
    let mut bytes = 0_u64;
    for (path, name) in shared.files() {
        // What is gone needs no room.
        let status = open_folder(root.as_fd(), path)
            .and_then(|folder| Ok(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?));
        bytes = bytes.saturating_add(status.map_or(0, |status| size(&status)));
    }
    Ok((shared, bytes))
}

/// Puts a copy in the place of each shared file, with its permissions and times. The other names keep the
/// file. A copy is on the disk before it takes the place, and a file that changed meanwhile stays.
///
/// # Errors
/// When there is no room, and when the system refuses; what was done before that stays done.
pub fn unshare(folder: impl AsFd) -> Result<Unshared, UnshareError> {
    let root = folder.as_fd();
    let first = |source: io::Error| UnshareError::System { done: 0, source };
    let (shared, needed) = look(root).map_err(first)?;
    let free = fstatvfs(root).map_err(|error| first(error.into()))?;
    let free = free.f_bavail.saturating_mul(free.f_frsize);
    if needed.saturating_add(RESERVE) > free {
        return Err(UnshareError::NoRoom { needed, free });
    }
    let mut unshared = Unshared::default();
    let mut copies: Vec<Copy> = Vec::new();
    let mut opened: Option<(PathBuf, Rc<OwnedFd>)> = None;
    let mut folders = 0;
    for (path, name) in shared.files() {
        if opened.as_ref().is_none_or(|(known, _)| known != path) {
            folders += 1;
            opened = open_folder(root, path).ok().map(|folder| (path.to_owned(), Rc::new(folder)));
        }
        let copy = opened.as_ref().map(|(_, folder)| Copy::make(folder, path, name));
        match copy {
            Some(Ok(Some(copy))) => copies.push(copy),
            // It has no other name any more, or is gone.
            Some(Ok(None)) => {}
            Some(Err(error)) if is_general(&error) => {
                drop(copies);
                return Err(UnshareError::System { done: unshared.files, source: error });
            }
            None | Some(Err(_)) => unshared.leave(&path.join(name)),
        }
        if copies.len() >= BATCH || folders >= BATCH_FOLDERS {
            place(root, std::mem::take(&mut copies), &mut unshared)?;
            folders = 0;
        }
    }
    place(root, copies, &mut unshared)?;
    Ok(unshared)
}

impl Unshared {
    fn leave(&mut self, path: &Path) {
        self.left += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(path.to_owned());
        }
    }
}

/// Whether no other file would fare better.
fn is_general(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn place(root: BorrowedFd<'_>, copies: Vec<Copy>, unshared: &mut Unshared) -> Result<(), UnshareError> {
    if copies.is_empty() {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    let synced = rustix::fs::syncfs(root);
    #[cfg(not(target_os = "linux"))]
    let synced = {
        let _ = root;
        copies.iter().try_for_each(|copy| rustix::fs::fsync(&copy.file))
    };
    synced.map_err(|error| UnshareError::System { done: unshared.files, source: error.into() })?;
    for mut copy in copies {
        match copy.take_place() {
            Ok(true) => {
                unshared.files += 1;
                unshared.bytes = unshared.bytes.saturating_add(size(&copy.original));
            }
            Ok(false) | Err(_) => unshared.leave(&copy.path),
        }
    }
    Ok(())
}

/// A copy under a name of its own, beside the file. It goes when it is dropped.
struct Copy {
    folder: Rc<OwnedFd>,
    /// The file's path below the folder that is unshared.
    path: PathBuf,
    name: OsString,
    original: Stat,
    temporary: String,
    /// Whether something of the person's is under that name, and stays there.
    is_kept: bool,
    #[cfg(not(target_os = "linux"))]
    file: File,
}

impl Copy {
    /// `None` when the file is not shared any more.
    fn make(folder: &Rc<OwnedFd>, path: &Path, name: &OsStr) -> io::Result<Option<Self>> {
        let Some((file, original)) = open_file(folder.as_fd(), name)? else { return Ok(None) };
        if original.st_nlink < 2 {
            return Ok(None);
        }
        // A copy belongs to this user, who must be able to give it what the file has.
        let user = rustix::process::geteuid();
        if !user.is_root() && original.st_uid != user.as_raw() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let (temporary, new) = with_names_writable(folder.as_fd(), || create(folder.as_fd(), 0o600))?;
        let copy = Self {
            folder: Rc::clone(folder),
            path: path.join(name),
            name: name.to_owned(),
            original,
            temporary,
            is_kept: false,
            #[cfg(not(target_os = "linux"))]
            file: new.try_clone()?,
        };
        copy.fill(&file, &new)?;
        if !is_same(&copy.original, &fstat(&file)?) {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy));
        }
        Ok(Some(copy))
    }

    fn fill(&self, mut from: &File, mut new: &File) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        let is_cloned = rustix::fs::ioctl_ficlone(new, from).is_ok();
        #[cfg(not(target_os = "linux"))]
        let is_cloned = false;
        if !is_cloned {
            io::copy(&mut from, &mut new)?;
        }
        let owner = (Uid::from_raw(self.original.st_uid), Gid::from_raw(self.original.st_gid));
        if rustix::process::geteuid().is_root() {
            fchown(new, Some(owner.0), Some(owner.1))?;
        } else {
            // A group that the user is not in stays behind, and its permissions mean less.
            let _ = fchown(new, None, Some(owner.1));
        }
        #[allow(clippy::useless_conversion, reason = "the type differs between systems")]
        set_mode(new.as_fd(), u32::from(self.original.st_mode) & 0o777)?;
        Ok(futimens(new, &times(&self.original))?)
    }

    /// Whether it is in the file's place now: not where that has changed.
    fn take_place(&mut self) -> io::Result<bool> {
        let folder = self.folder.as_fd();
        let (temporary, name) = (OsStr::new(&self.temporary), self.name.as_os_str());
        let exchange = || renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE);
        let is_original = |name: &OsStr| {
            statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|now| is_same(&self.original, &now))
        };
        let is_kept = Cell::new(false);
        let placed = with_names_writable(folder, || match exchange() {
            Ok(()) if is_original(temporary)? => Ok(true),
            // What changed meanwhile goes back to its name.
            Ok(()) => match exchange() {
                Ok(()) => Ok(false),
                Err(error) => {
                    is_kept.set(true);
                    Err(error.into())
                }
            },
            // File systems that cannot exchange.
            Err(Errno::INVAL | Errno::NOSYS) if is_original(name)? => {
                rustix::fs::renameat(folder, temporary, folder, name)?;
                Ok(true)
            }
            Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        });
        self.is_kept = is_kept.get();
        placed
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let folder = self.folder.as_fd();
        let remove = || Ok(unlinkat(folder, OsStr::new(&self.temporary), AtFlags::empty())?);
        // It is gone where it took a place without an exchange.
        let _ = with_names_writable(folder, remove);
    }
}

/// Whether a file is one, unchanged since.
fn is_same(one: &Stat, other: &Stat) -> bool {
    let modified = |status: &Stat| (status.st_mtime, status.st_mtime_nsec);
    identity(one) == identity(other) && size(one) == size(other) && modified(one) == modified(other)
}

#[allow(clippy::cast_sign_loss, reason = "no file has less than nothing")]
fn size(status: &Stat) -> u64 {
    status.st_size as u64
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    clippy::cast_possible_wrap,
    reason = "the types differ between systems"
)]
fn times(status: &Stat) -> Timestamps {
    let timespec = |seconds, nanoseconds| rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Timestamps {
        last_access: timespec(status.st_atime as i64, status.st_atime_nsec as _),
        last_modification: timespec(status.st_mtime as i64, status.st_mtime_nsec as _),
    }
}
