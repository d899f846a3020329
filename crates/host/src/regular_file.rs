//! Opening files that other programs can replace: only regular ones, never waiting for
//! a program at the other end of something else, and never more of it than is wanted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The system refuses.
    #[error("{} cannot be opened: {source}", path.display())]
    Refused { path: PathBuf, source: io::Error },
    /// It is a directory, a FIFO, a device, or a socket.
    #[error("{} is not a regular file; remove it, or put a regular file there", .0.display())]
    NotRegular(PathBuf),
    /// It is larger than what is read.
    #[error("{} has more than {max_bytes} bytes", path.display())]
    TooLarge {
        path: PathBuf,
        /// The most bytes that are read.
        max_bytes: u64,
    },
    /// It is not text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
}

impl FileError {
    /// Whether there is no file of that name.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Opens a regular file. Anything else is an error at once: a FIFO is not waited for.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        // Both flags are small on every system.
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    let refused = |source| FileError::Refused { path: path.to_owned(), source };
    match options.open(path) {
        Ok(file) => match file.metadata().map_err(refused)?.is_file() {
            true => Ok(file),
            false => Err(FileError::NotRegular(path.to_owned())),
        },
        // A FIFO that nobody reads cannot be opened for writing, and a socket not at all.
        Err(source) => match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => Err(FileError::NotRegular(path.to_owned())),
            _ => Err(refused(source)),
        },
    }
}

/// The text of a regular file; `None` where there is none.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<Option<String>, FileError> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Err(error) if error.is_missing() => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| FileError::Refused { path: path.to_owned(), source })?;
    if bytes.len() as u64 > max_bytes {
        return Err(FileError::TooLarge { path: path.to_owned(), max_bytes });
    }
    String::from_utf8(bytes).map(Some).map_err(|_| FileError::NotText(path.to_owned()))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_fifo_is_an_error_at_once_however_it_is_opened() {
        let place = tempfile::tempdir().expect("a directory");
        let fifo = place.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");

        for options in
            [OpenOptions::new().read(true), OpenOptions::new().write(true), OpenOptions::new().append(true)]
        {
            assert!(matches!(open(&fifo, options), Err(FileError::NotRegular(_))));
        }
        assert!(matches!(read_text(place.path(), 10), Err(FileError::NotRegular(_))), "a directory");
        assert!(matches!(read_text(&place.path().join("none"), 10), Ok(None)));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_only_as_text() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("file");
        std::fs::write(&path, "12345").expect("written");
        assert_eq!(read_text(&path, 5).expect("read").as_deref(), Some("12345"));
        assert!(matches!(read_text(&path, 4), Err(FileError::TooLarge { max_bytes: 4, .. })));
        std::fs::write(&path, [0xff]).expect("written");
        assert!(matches!(read_text(&path, 4), Err(FileError::NotText(_))));
    }
}
