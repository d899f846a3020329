//! Files and folders by handle: one name at a time, and no link is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::object::{FileState, Identity, KEPT, Object};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// Folders on the way need not be readable.
#[cfg(target_os = "linux")]
const THROUGH: OFlags = FOLDER.union(OFlags::PATH);
#[cfg(not(target_os = "linux"))]
const THROUGH: OFlags = FOLDER;
// A pipe must not make the one who looks wait.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Opens a folder in another.
pub(crate) fn open_folder_in(folder: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    Ok(openat(folder, name, FOLDER, Mode::empty())?)
}

/// Opens a folder in another to see what is in it. What its owner may enter but not list, git enters
/// too: there the owner is allowed to list it.
pub(crate) fn open_listable_in(
    folder: impl AsFd,
    name: impl rustix::path::Arg + Copy,
) -> io::Result<OwnedFd> {
    let folder = folder.as_fd();
    match openat(folder, name, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => Ok(make_listable(folder, name)?),
        opened => Ok(opened?),
    }
}

#[cfg(target_os = "linux")]
fn make_listable(folder: BorrowedFd<'_>, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    use std::os::fd::AsRawFd as _;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entered = openat(folder, name, flags, Mode::empty())?;
    let mode = permissions(&fstat(&entered)?);
    if mode.contains(Mode::RUSR) || !mode.contains(Mode::XUSR) {
        return Err(Errno::ACCESS);
    }
    // Through the handle, which is of the very folder that was looked at.
    rustix::fs::chmod(format!("/proc/self/fd/{}", entered.as_raw_fd()), mode | Mode::RUSR)?;
    openat(&entered, ".", FOLDER, Mode::empty())
}

#[cfg(not(target_os = "linux"))]
fn make_listable(_: BorrowedFd<'_>, _: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    Err(Errno::ACCESS)
}

/// Does `change` to the names in a folder, also where its owner must not write there.
pub(crate) fn with_names_writable<T>(
    folder: BorrowedFd<'_>,
    mut change: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let denied = match change() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        changed => return changed,
    };
    let mode = permissions(&fstat(folder)?);
    let needed = Mode::WUSR | Mode::XUSR;
    if mode.contains(needed) || rustix::fs::fchmod(folder, mode | needed).is_err() {
        return Err(denied);
    }
    let changed = change();
    rustix::fs::fchmod(folder, mode)?;
    changed
}

fn permissions(status: &Stat) -> Mode {
    Mode::from_raw_mode(status.st_mode)
        & (Mode::RWXU | Mode::RWXG | Mode::RWXO | Mode::SUID | Mode::SGID | Mode::SVTX)
}

/// Opens the folder at `path` below `root`, to see what is in it.
pub(crate) fn open_folder(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let mut folder = open_listable_in(root, ".")?;
    for component in path.components() {
        let Component::Normal(name) = component else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        folder = open_listable_in(&folder, name)?;
    }
    Ok(folder)
}

/// Opens the folder at an absolute path. No part of the path may be a link.
pub(crate) fn open_without_links(path: &Path) -> io::Result<OwnedFd> {
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut folder = rustix::fs::open("/", THROUGH, Mode::empty())?;
    for component in components {
        let Component::Normal(name) = component else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        folder = openat(&folder, name, THROUGH, Mode::empty())?;
    }
    open_folder_in(&folder, ".")
}

/// Opens the folder that `path` lies in; gives its last name too.
pub(crate) fn open_parent<'a>(root: BorrowedFd<'_>, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok((open_folder(root, path.parent().unwrap_or(Path::new("")))?, name))
}

/// Opens a regular file for reading. `None` when there is none, or something else.
pub(crate) fn open_file(folder: impl AsFd, name: &OsStr) -> io::Result<Option<(File, Stat)>> {
    let file = match openat(folder, name, FILE, Mode::empty()) {
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok(None),
        opened => File::from(opened?),
    };
    let status = fstat(&file)?;
    Ok((FileType::from_raw_mode(status.st_mode) == FileType::RegularFile).then_some((file, status)))
}

/// What lies at `name`. `None` when nothing does.
pub(crate) fn look(folder: impl AsFd, name: &OsStr) -> io::Result<Option<Object>> {
    let folder = folder.as_fd();
    let status = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        status => status?,
    };
    Ok(Some(match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => match open_file(folder, name) {
            Ok(Some((file, status))) => Object::File(state_of(&status, read_up_to(&file, KEPT)?)),
            // Replaced in between: an event or the next look shows it.
            Ok(None) => Object::Other,
            // What cannot be read cannot be read by the person's programs either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Object::File(state_of(&status, None))
            }
            Err(error) => return Err(error),
        },
        FileType::Symlink => Object::Link(readlinkat(folder, name, Vec::new())?.into_bytes()),
        FileType::Directory => Object::Directory(identity(&status)),
        _ => Object::Other,
    }))
}

/// The whole content of an open file of at most `limit` bytes.
pub(crate) fn read_up_to(file: &File, limit: usize) -> io::Result<Option<Arc<[u8]>>> {
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    Ok((content.len() <= limit).then(|| content.into()))
}

fn state_of(status: &Stat, content: Option<Arc<[u8]>>) -> FileState {
    // The fields' types differ between systems.
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )]
    FileState {
        identity: identity(status),
        links: status.st_nlink as u64,
        size: status.st_size as u64,
        changed: (status.st_ctime as i64, status.st_ctime_nsec as i64),
        mode: u32::from(Mode::from_raw_mode(status.st_mode).bits()),
        content,
    }
}

/// Which file a status is of.
pub(crate) fn identity(status: &Stat) -> Identity {
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, clippy::cast_sign_loss)]
    Identity { device: status.st_dev as u64, inode: status.st_ino as u64 }
}

/// What the listing of a folder says about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    Link,
    /// A file or anything else.
    Other,
}

/// Reads the names in a folder, without looking at what they name. `buffer` is used again and again.
pub(crate) fn list(
    folder: impl AsFd,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(&[u8], Kind, u64),
) -> io::Result<()> {
    let folder = folder.as_fd();
    let mut entry = |name: &[u8], kind: FileType, inode: u64| {
        if name == b"." || name == b".." {
            return;
        }
        // Some file systems do not say.
        let status = || statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let kind = match kind {
            FileType::Unknown => status().map_or(kind, |status| FileType::from_raw_mode(status.st_mode)),
            kind => kind,
        };
        let kind = match kind {
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        each(name, kind, inode);
    };
    #[cfg(target_os = "linux")]
    {
        buffer.clear();
        buffer.reserve(32 * 1024);
        let mut entries = rustix::fs::RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(next) = entries.next() {
            let next = next?;
            entry(next.file_name().to_bytes(), next.file_type(), next.ino());
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        buffer.clear();
        for next in rustix::fs::Dir::read_from(folder)? {
            let next = next?;
            entry(next.file_name().to_bytes(), next.file_type(), next.ino());
        }
    }
    Ok(())
}
