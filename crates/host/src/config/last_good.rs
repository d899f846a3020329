//! The copy of the last configuration that was valid.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::MAX_BYTES;
use crate::regular_file::read_text;

const NAME: &str = "openclaw.json.last-good";

/// Where the copy is.
pub(super) fn path(config: &Path) -> PathBuf {
    config.with_file_name(NAME)
}

/// Keeps a copy, unless it is kept already: an idle start writes nothing.
pub(super) fn keep(config: &Path, text: &str) {
    let copy = path(config);
    let is_kept = matches!(read_text(&copy, MAX_BYTES), Ok(Some(kept)) if kept == text);
    if is_kept && !is_open_to_others(&copy) {
        return;
    }
    if let Err(error) = replace(config, &copy, text) {
        tracing::warn!(%error, "the last good configuration could not be kept");
    }
}

/// Writes a new file and gives it the copy's name: whatever has that name now, a link or a FIFO, is
/// neither followed nor opened.
fn replace(config: &Path, copy: &Path, text: &str) -> io::Result<()> {
    let new = copy.with_extension("last-good.new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
        // As open as the file itself, and never for others.
        options.mode(std::fs::metadata(config)?.mode() & 0o600);
    }
    #[cfg(not(unix))]
    let _ = config;
    options.open(&new)?.write_all(text.as_bytes())?;
    std::fs::rename(&new, copy)
}

#[cfg(unix)]
fn is_open_to_others(copy: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(copy).is_ok_and(|found| found.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_copy: &Path) -> bool {
    false
}
