//! Moves things out of a workspace, puts things back: by handle, without following links, and so
//! that a name never holds half of a file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fchmod, mkdirat, openat, renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::finding::{Aside, AsideKind, Place};
use crate::handle::{look, open_file, open_parent};
use crate::object::Object;
use crate::records::MAX_SHOWN;

/// Bytes of a file that is set aside and put back: with more it is discarded.
pub(crate) const MAX_COPY: u64 = crate::records::MAX_BYTES;

/// Why a file that was set aside is not put back.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Something is there now.
    #[error("{0} is taken by something else; move it away first")]
    Taken(Place),
    /// Its folder is gone.
    #[error("the folder of {0} is gone; make it again first")]
    NoFolder(Place),
    /// A link or a file stands in the place of its folder.
    #[error("a folder on the way to {0} is a link or a file now, so it is not put back")]
    Redirected(Place),
    /// What is stored is not what was set aside.
    #[error("what was set aside from {0} has changed or is gone, and is not put back")]
    Changed(Place),
    /// Folders, sockets and pipes are not put back.
    #[error("{0} is no file; look into it where it is stored")]
    NotAFile(Place),
    /// The system refused.
    #[error("{place} cannot be put back: {source}")]
    System {
        /// Where it was.
        place: Place,
        /// What the system said.
        source: io::Error,
    },
}

/// Moves what lies at `name` in `folder` to `stored` in `aside`.
pub(crate) fn set_aside(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    aside: BorrowedFd<'_>,
    stored: &str,
    place: &Path,
) -> io::Result<Aside> {
    let stored_name = OsStr::new(stored);
    match renameat_with(folder, name, aside, stored_name, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS) => move_by_copy(folder, name, aside, stored_name)?,
        Err(error) => return Err(error.into()),
    }
    // The last look takes its digest: meanwhile others wait to be set aside.
    let kind = kind_without_digest(aside, stored_name)?;
    Ok(Aside { stored: stored.to_owned(), place: Place::new(place), kind, left: None })
}

/// What is stored under a name. A file that is longer than what is put back has no digest.
pub(crate) fn kind_of_stored(aside: BorrowedFd<'_>, stored: &OsStr) -> io::Result<AsideKind> {
    let mut kind = kind_without_digest(aside, stored)?;
    if let AsideKind::File { sha256, .. } = &mut kind
        && let Some((file, _)) = open_file(aside, stored)?
    {
        *sha256 = match copy(&file, None) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => String::new(),
            copied => copied?.sha256,
        };
    }
    Ok(kind)
}

fn kind_without_digest(aside: BorrowedFd<'_>, stored: &OsStr) -> io::Result<AsideKind> {
    Ok(match look(aside, stored)? {
        Some(Object::File(file)) => {
            AsideKind::File { size: file.size, mode: file.mode & 0o777, sha256: String::new() }
        }
        Some(Object::Link(target)) => AsideKind::Link { target: Place::new(as_name(&target)) },
        Some(Object::Directory(_)) => AsideKind::Folder,
        _ => AsideKind::Other,
    })
}

/// Puts `new` at `name`, whatever is there. What was there comes to `stored` in `aside`.
pub(crate) fn replace(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    new: &Object,
    aside: BorrowedFd<'_>,
    stored: &str,
    place: &Path,
) -> io::Result<Option<Aside>> {
    let temporary = make(folder, new)?;
    let temporary = OsStr::new(&temporary);
    let mut exchanged = renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE);
    if exchanged == Err(Errno::NOENT) {
        match renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(None),
            // It came between the two.
            Err(_) => exchanged = renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE),
        }
    }
    if matches!(exchanged, Err(Errno::INVAL | Errno::NOSYS)) {
        // File systems that cannot exchange: the name is empty for a moment.
        let aside = set_aside(folder, name, aside, stored, place)?;
        let placed = renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE);
        if placed.is_err() {
            rustix::fs::renameat(folder, temporary, folder, name)?;
        }
        return Ok(Some(aside));
    }
    if let Err(error) = exchanged {
        let _ = unlinkat(folder, temporary, AtFlags::empty());
        return Err(error.into());
    }
    set_aside(folder, temporary, aside, stored, place).map(Some)
}

/// Puts `object` at `name` if nothing is there.
pub(crate) fn put_back(folder: BorrowedFd<'_>, name: &OsStr, object: &Object) -> io::Result<()> {
    let temporary = make(folder, object)?;
    let placed = renameat_with(folder, OsStr::new(&temporary), folder, name, RenameFlags::NOREPLACE);
    if placed.is_err() {
        let _ = unlinkat(folder, OsStr::new(&temporary), AtFlags::empty());
    }
    Ok(placed?)
}

/// Opens the folder `path` below `root`, and makes those of its names that are missing, up to `most`.
pub(crate) fn open_or_make(root: BorrowedFd<'_>, path: &Path, most: usize) -> io::Result<OwnedFd> {
    match crate::handle::open_folder(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && most > 0 => {
            let parent = path.parent().ok_or(error)?;
            let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
            let parent = open_or_make(root, parent, most - 1)?;
            match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            crate::handle::open_folder_in(&parent, name)
        }
        opened => opened,
    }
}

/// Puts what was set aside back where it was, if that is free or still holds what was left there.
/// Only for a person's decision, and while no command uses the workspace.
///
/// # Errors
/// When the place is taken, and when what is stored is not what was set aside.
pub fn keep(workspace: impl AsFd, aside: impl AsFd, record: &Aside) -> Result<(), KeepError> {
    let place = || record.place.clone();
    let system = |source: io::Error| KeepError::System { place: place(), source };
    let (folder, name) = match open_parent(workspace.as_fd(), record.place.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeepError::NoFolder(place())),
        Err(error) if crate::repository::is_absent(&error) => return Err(KeepError::Redirected(place())),
        opened => opened.map_err(system)?,
    };
    let stored = OsStr::new(&record.stored);
    let temporary = match &record.kind {
        AsideKind::File { mode, sha256, .. } => {
            let file = open_file(aside.as_fd(), stored).map_err(system)?;
            let Some((file, _)) = file else { return Err(KeepError::Changed(place())) };
            // Nobody runs or reads it before it is whole and known to be the right one.
            let (temporary, new) = create(folder.as_fd(), 0o600).map_err(system)?;
            let copied = copy(&file, Some(&new)).map(|copied| &copied.sha256 == sha256);
            match copied.and_then(|is_same| set_mode(new.as_fd(), *mode & 0o777).map(|()| is_same)) {
                Ok(true) => temporary,
                copied => {
                    let _ = unlinkat(&folder, OsStr::new(&temporary), AtFlags::empty());
                    copied.map_err(system)?;
                    return Err(KeepError::Changed(place()));
                }
            }
        }
        AsideKind::Link { target } => {
            let temporary = temporary_name().map_err(system)?;
            symlinkat(target.path(), &folder, OsStr::new(&temporary))
                .map_err(|error| system(error.into()))?;
            temporary
        }
        AsideKind::Folder | AsideKind::Other => return Err(KeepError::NotAFile(place())),
    };
    let placed = put_in_place(folder.as_fd(), name, OsStr::new(&temporary), record.left.as_deref());
    match placed {
        Ok(true) => {
            let _ = unlinkat(aside.as_fd(), stored, AtFlags::empty());
            Ok(())
        }
        placed => {
            let _ = unlinkat(&folder, OsStr::new(&temporary), AtFlags::empty());
            placed.map_err(system)?;
            Err(KeepError::Taken(place()))
        }
    }
}

/// Whether `temporary` came to `name`: nothing was there, or what was left there, which then goes.
fn put_in_place(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    temporary: &OsStr,
    left: Option<&str>,
) -> io::Result<bool> {
    match renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(true),
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(left) = left else { return Ok(false) };
    renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE)?;
    let is_left = match open_file(folder, temporary)? {
        Some((file, _)) => copy(&file, None)?.sha256 == left,
        None => false,
    };
    if is_left {
        unlinkat(folder, temporary, AtFlags::empty())?;
    } else {
        renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE)?;
    }
    Ok(is_left)
}

/// The SHA-256 of bytes, in digits.
pub(crate) fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// Makes an object in `folder` under a name that nothing has; gives the name.
fn make(folder: BorrowedFd<'_>, object: &Object) -> io::Result<String> {
    match object {
        Object::File(state) => {
            let content =
                state.content.as_deref().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
            let (name, mut file) = create(folder, state.mode & 0o777)?;
            file.write_all(content)?;
            Ok(name)
        }
        Object::Link(target) => {
            let name = temporary_name()?;
            symlinkat(as_name(target), folder, OsStr::new(&name))?;
            Ok(name)
        }
        Object::Directory(_) | Object::Other => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

/// Makes a file under a name that nothing has; gives the name.
pub(crate) fn create(folder: BorrowedFd<'_>, mode: u32) -> io::Result<(String, File)> {
    let name = temporary_name()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(folder, OsStr::new(&name), flags, Mode::from_raw_mode(0o600))?);
    set_mode(file.as_fd(), mode)?;
    Ok((name, file))
}

/// The mode is the file's, whatever the process masks.
pub(crate) fn set_mode(file: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    #[allow(clippy::useless_conversion, clippy::cast_possible_truncation, clippy::unnecessary_cast)]
    Ok(fchmod(file, Mode::from_raw_mode(mode as _))?)
}

fn temporary_name() -> io::Result<String> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!(".tidegate-{}", hex::encode(bytes)))
}

fn move_by_copy(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    aside: BorrowedFd<'_>,
    stored: &OsStr,
) -> io::Result<()> {
    match look(folder, name)? {
        Some(Object::Link(target)) => symlinkat(as_name(&target), aside, stored)?,
        Some(Object::File(state)) => {
            let Some((file, _)) = open_file(folder, name)? else {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            };
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let new = File::from(openat(aside, stored, flags, Mode::from_raw_mode(0o600))?);
            match copy(&file, Some(&new)) {
                // It goes all the same. Its beginning is kept, at a length at which nothing is put back.
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    new.set_len(state.size.max(MAX_COPY + 1))?;
                }
                copied => drop(copied?),
            }
        }
        Some(Object::Other) => {}
        Some(Object::Directory(_)) => return Err(io::Error::from(io::ErrorKind::CrossesDevices)),
        None => return Err(io::Error::from(io::ErrorKind::NotFound)),
    }
    Ok(unlinkat(folder, name, AtFlags::empty())?)
}

/// What was read of a file.
pub(crate) struct Copied {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    /// Its first bytes: at most [`MAX_SHOWN`].
    pub(crate) start: Vec<u8>,
}

/// Reads an open file to its end, and writes it to another. One of more than [`MAX_COPY`] is too large.
pub(crate) fn copy(mut from: &File, to: Option<&File>) -> io::Result<Copied> {
    let (mut digest, mut size, mut start) = (Sha256::new(), 0, Vec::new());
    let mut block = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => &block[..read?],
        };
        if read.is_empty() {
            return Ok(Copied { sha256: hex::encode(digest.finalize()), size, start });
        }
        size += read.len() as u64;
        if size > MAX_COPY {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        digest.update(read);
        start.extend(read.iter().take(MAX_SHOWN - start.len()));
        if let Some(mut to) = to {
            to.write_all(read)?;
        }
    }
}

fn as_name(bytes: &[u8]) -> &OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes)
}
