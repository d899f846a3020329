//! Regular files, opened for reading without following links or blocking.

use std::ffi::OsStr;
use std::io;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, FileType, Metadata, OpenOptions};

/// Why a file is not opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// It is something else than a regular file.
    NotRegular(&'static str),
    Io(io::Error),
}

impl From<io::Error> for NotOpened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens a regular file. The metadata is that of the open file.
pub(crate) fn open_regular(directory: &Dir, name: &OsStr) -> Result<(File, Metadata), NotOpened> {
    // Opening a device can have effects, so that the name is looked at first. A swap after that is
    // caught by the second look, and the non-blocking mode keeps a pipe from holding us up.
    require_regular(&directory.symlink_metadata(name)?)?;
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = directory.open_with(name, &options)?;
    let metadata = file.metadata()?;
    require_regular(&metadata)?;
    Ok((file, metadata))
}

pub(super) fn require_regular(metadata: &Metadata) -> Result<(), NotOpened> {
    if metadata.is_file() { Ok(()) } else { Err(NotOpened::NotRegular(kind(metadata.file_type()))) }
}

/// What something is that is not a regular file.
pub(crate) fn kind(file_type: FileType) -> &'static str {
    use cap_fs_ext::FileTypeExt as _;
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_symlink() {
        "a symbolic link"
    } else if file_type.is_fifo() {
        "a named pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device or something else"
    }
}
