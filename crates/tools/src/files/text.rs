//! Regular text files: opened without following links or blocking, replaced in one step.

use std::io::{Read as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use cap_std::fs::{File, Metadata};
use cap_tempfile::TempFile;

use super::MAX_FILE;
use super::regular::{NotOpened, open_regular, require_regular};
use crate::identity::Identity;
use crate::protected::{Protected, Refusal};
use crate::workspace::Place;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{path} does not exist")]
    NotFound { path: String },
    #[error("{path} is {kind}; only regular files can be used")]
    NotRegular { path: String, kind: &'static str },
    #[error("{path} is refused: {reason}")]
    Refused { path: String, reason: Refusal },
    #[error("{path} is marked read-only; ask the person, or change its mode with exec first")]
    ReadOnly { path: String },
    #[error("{path} has {bytes} bytes; at most {MAX_FILE} can be edited")]
    TooLarge { path: String, bytes: u64 },
    #[error("the content has {bytes} bytes; at most {MAX_FILE} can be written")]
    TooMuch { bytes: usize },
    #[error("{path} is a binary file or not UTF-8 text (near byte {offset}); look at it with exec")]
    NotText { path: String, offset: u64 },
    #[error("{path} was changed by something else meanwhile; read it again")]
    Changed { path: String },
    #[error("{path} has only {lines} lines; offset {offset} is behind its end")]
    BehindEnd { path: String, lines: u64, offset: u64 },
    #[error("{path} has only {bytes} bytes; byteOffset {offset} is behind its end")]
    BehindLastByte { path: String, bytes: u64, offset: u64 },
    #[error("{path} has more than {limit} bytes before the line asked for; give a byteOffset instead")]
    TooFar { path: String, limit: u64 },
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
}

/// What a file was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    identity: Identity,
    length: u64,
    modified: Option<SystemTime>,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            identity: Identity::of(metadata),
            length: metadata.len(),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
        }
    }
}

/// Opens a regular file for reading. What is checked is what is read: the open file itself.
pub(super) fn open(place: &Place, protected: &Protected) -> Result<(File, Metadata), FileError> {
    let (file, metadata) =
        open_regular(&place.directory, &place.name).map_err(|error| not_opened(place, error))?;
    if place.expected.is_some_and(|expected| expected != Identity::of(&metadata)) {
        return Err(FileError::Changed { path: place.shown.clone() });
    }
    protected
        .check_file(&metadata)
        .map_err(|reason| FileError::Refused { path: place.shown.clone(), reason })?;
    Ok((file, metadata))
}

/// Reads a whole file that is small enough to be edited.
pub(super) fn read_whole(place: &Place, protected: &Protected) -> Result<(String, Version), FileError> {
    let (file, metadata) = open(place, protected)?;
    let too_large = |bytes| FileError::TooLarge { path: place.shown.clone(), bytes };
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| io(place, error))?;
    if bytes.len() > MAX_FILE {
        return Err(too_large(limit + 1));
    }
    let not_text = |offset: usize| FileError::NotText {
        path: place.shown.clone(),
        offset: u64::try_from(offset).unwrap_or(u64::MAX),
    };
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(not_text(offset));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_text(error.utf8_error().valid_up_to()))?;
    Ok((text, Version::of(&metadata)))
}

/// Replaces files. One for all tools, so that the last look at a file and its replacement are one
/// step among our own runs.
#[derive(Default)]
pub(super) struct Replacement {
    last_look: Mutex<()>,
}

impl Replacement {
    /// Writes `content` to a temporary file beside the place, makes it durable and renames it over
    /// the place; a file that was there keeps its mode (without set-id bits) and its other hard
    /// links keep their content. With `expected`, the file must still be that version.
    pub(super) fn replace(
        &self,
        place: &Place,
        content: &str,
        expected: Option<Version>,
        protected: &Protected,
    ) -> Result<(), FileError> {
        if content.len() > MAX_FILE {
            return Err(FileError::TooMuch { bytes: content.len() });
        }
        let io = |error| io(place, error);
        let existing = existing(place, protected)?;
        let mut temporary = TempFile::new(&place.directory).map_err(io)?;
        temporary.write_all(content.as_bytes()).map_err(io)?;
        if let Some(metadata) = &existing {
            set_mode(temporary.as_file(), metadata).map_err(io)?;
        }
        temporary.as_file().sync_all().map_err(io)?;
        let guard = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self::existing(place, protected)?.as_ref().map(Version::of);
        if expected.is_some() && now != expected {
            return Err(FileError::Changed { path: place.shown.clone() });
        }
        temporary.replace(&place.name).map_err(io)?;
        drop(guard);
        // The content is durable already; where a directory cannot be synced, only the rename's
        // moment is left to the system.
        if let Ok(directory) = place.directory.open(".") {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

/// What is at the place now: nothing, or a regular file that may be replaced.
fn existing(place: &Place, protected: &Protected) -> Result<Option<Metadata>, FileError> {
    let metadata = match place.directory.symlink_metadata(&place.name) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(place, error)),
    };
    require_regular(&metadata).map_err(|error| not_opened(place, error))?;
    protected
        .check_file(&metadata)
        .map_err(|reason| FileError::Refused { path: place.shown.clone(), reason })?;
    if metadata.permissions().readonly() {
        return Err(FileError::ReadOnly { path: place.shown.clone() });
    }
    Ok(Some(metadata))
}

#[cfg(unix)]
fn set_mode(file: &File, existing: &Metadata) -> std::io::Result<()> {
    use cap_std::fs::PermissionsExt as _;
    let mode = rustix::fs::Mode::from_bits_truncate(existing.permissions().mode() & 0o777);
    Ok(rustix::fs::fchmod(file, mode)?)
}

#[cfg(not(unix))]
fn set_mode(_file: &File, _existing: &Metadata) -> std::io::Result<()> {
    Ok(())
}

fn not_opened(place: &Place, error: NotOpened) -> FileError {
    match error {
        NotOpened::NotRegular(kind) => FileError::NotRegular { path: place.shown.clone(), kind },
        NotOpened::Io(error) => io(place, error),
    }
}

pub(super) fn io(place: &Place, source: std::io::Error) -> FileError {
    match source.kind() {
        std::io::ErrorKind::NotFound => FileError::NotFound { path: place.shown.clone() },
        _ => FileError::Io { path: place.shown.clone(), source },
    }
}

#[cfg(all(test, unix))]
mod tests;
