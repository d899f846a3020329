//! The store's directory and files belong to one user and no one else.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::OpenError;

/// What SQLite appends to the name of a store for its companion files.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// The store's file and its companions.
pub(crate) fn companions(file: &Path) -> impl Iterator<Item = PathBuf> {
    COMPANIONS.into_iter().map(move |suffix| with_suffix(file, suffix))
}

/// `file` with `suffix` appended to its name.
pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the directory if it is missing, makes it private, and gives its real path.
pub(crate) fn prepare_directory(directory: &Path) -> Result<PathBuf, OpenError> {
    let refused = |error: io::Error| not_writable(directory, &error);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(refused)?;
    let real = directory.canonicalize().map_err(refused)?;
    restrict(&real, 0o700)?;
    Ok(real)
}

/// Makes the store file if it is missing, and makes it and its companions private.
///
/// SQLite gives new companions the mode of the store file, whatever the umask.
pub(crate) fn prepare_file(file: &Path) -> Result<(), OpenError> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map_err(|error| not_writable(file, &error))?;
    restrict(file, 0o600)?;
    for companion in companions(file).filter(|path| path.exists()) {
        restrict(&companion, 0o600)?;
    }
    Ok(())
}

/// Makes new names in the directory survive a power loss.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    fs::File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| not_writable(directory, &error))?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// Refuses links and other things that are no files in place of the store file and its companions.
pub(crate) fn refuse_links(file: &Path) -> Result<(), OpenError> {
    for path in std::iter::once(file.to_owned()).chain(companions(file)) {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.file_type().is_symlink() => {
                return Err(OpenError::NotPrivate { path, reason: "it is a symbolic link".to_owned() });
            }
            Ok(metadata) if !metadata.is_file() => {
                return Err(OpenError::NotPrivate { path, reason: "it is not a regular file".to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(not_writable(&path, &error)),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<(), OpenError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(|error| not_writable(path, &error))?;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| OpenError::NotPrivate {
        path: path.to_owned(),
        reason: format!("other users may open it, and that could not be changed ({error})"),
    })
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> Result<(), OpenError> {
    Ok(())
}

fn not_writable(path: &Path, error: &io::Error) -> OpenError {
    OpenError::NotWritable { path: path.to_owned(), reason: error.to_string() }
}
