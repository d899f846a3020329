//! Files in a command's folders that other folders hold as well (hard links): a command only reads them,
//! until a person gives the folder copies of its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use tidegate_protocol::confinement::SharedFiles;
use tidegate_protocol::payload::files::SharedFolder;
use tidegate_protocol::text::{is_invisible, one_line};
use tidegate_sandbox::ExpectedIdentity;
use tidegate_triggers::links::{self, MAX_READ_ONLY};
use tidegate_triggers::{Guard, GuardError};

use super::plan::is_shared;
use super::sandboxes::Sandboxes;

/// Characters of a path: what a system takes.
const MAX_PATH: usize = 4096;
/// How often the places are looked for while folders are moved.
const ATTEMPTS: usize = 8;

/// A folder that a command may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WritableFolder {
    pub(super) path: PathBuf,
    /// What in it is read-only anyway, absolute.
    pub(super) read_only: Vec<PathBuf>,
}

/// What of a writable folder is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedInFolder {
    folder: PathBuf,
    files: u64,
    /// What is read-only for that reason, as it was when it was looked for.
    places: Vec<ExpectedIdentity>,
}

/// Why it cannot be told what is shared.
#[derive(Debug, thiserror::Error)]
pub(super) enum SharedError {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(
        "folders in {} are being moved, and files in them that other folders hold as well must be found first; try \
         again when that has ended",
        .0.display()
    )]
    Moving(PathBuf),
}

/// Why a folder's files are not unshared. Sentences for the person.
#[derive(Debug, thiserror::Error)]
pub enum UnshareError {
    /// Its path does not name one folder, and nothing else.
    #[error("{0} is not the absolute path of a folder, without links and with characters that can be seen")]
    Path(String),
    /// It is not a folder of a person's work.
    #[error("{0} belongs to the system, or programs meet there; name a folder below it")]
    System(String),
    /// It cannot be read.
    #[error("{folder} cannot be read: {source}")]
    Unreadable {
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Commands could change it meanwhile.
    #[error("a command of an agent is running in {0}; unshare its files when it has ended, or end it first")]
    InUse(String),
    #[error("{folder} was not unshared: {source}")]
    Links { folder: String, source: links::UnshareError },
}

impl UnshareError {
    /// Whether it may go well later without anything being done about it.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::InUse(_))
    }
}

impl Sandboxes {
    /// What of a folder other folders hold as well. Blocks on the file system.
    ///
    /// # Errors
    /// See [`UnshareError`].
    pub fn shared_folder(&self, folder: &str) -> Result<SharedFolder, UnshareError> {
        let unreadable = |source| UnshareError::Unreadable { folder: folder.to_owned(), source };
        let opened = open(folder)?;
        let (shared, bytes) = links::look(&opened).map_err(unreadable)?;
        let name = |path: &PathBuf| match path.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => shown_path(path),
        };
        Ok(SharedFolder {
            folder: folder.to_owned(),
            files: shared.count(),
            bytes,
            places: shared.read_only(MAX_READ_ONLY).iter().map(name).collect(),
            unshared: false,
            left: 0,
            left_files: Vec::new(),
        })
    }

    /// Gives a folder copies of its own of these files. Only after a person decided so. Commands there
    /// are refused meanwhile. Blocks on the file system.
    ///
    /// # Errors
    /// See [`UnshareError`].
    pub fn unshare(&self, folder: &str) -> Result<SharedFolder, UnshareError> {
        let opened = open(folder)?;
        let unshare = || links::unshare(&opened);
        let unshared = self.set_aside().guards().while_unsharing(Path::new(folder), unshare);
        let unshared = unshared.ok_or_else(|| UnshareError::InUse(folder.to_owned()))?;
        let unshared =
            unshared.map_err(|source| UnshareError::Links { folder: folder.to_owned(), source })?;
        Ok(SharedFolder {
            folder: folder.to_owned(),
            files: unshared.files,
            bytes: unshared.bytes,
            places: Vec::new(),
            unshared: true,
            left: unshared.left,
            left_files: unshared.named.iter().map(|path| shown_path(path)).collect(),
        })
    }
}

/// A folder of a person, which is where its path says.
fn open(folder: &str) -> Result<File, UnshareError> {
    let is_plain = !folder.chars().any(|one| one.is_control() || is_invisible(one));
    let path = Path::new(folder);
    let is_real = path.is_absolute() && path.canonicalize().is_ok_and(|real| real.as_os_str() == folder);
    if !is_plain || !is_real || !path.is_dir() {
        return Err(UnshareError::Path(one_line(folder, MAX_PATH)));
    }
    if is_shared(path) {
        return Err(UnshareError::System(folder.to_owned()));
    }
    File::open(path).map_err(|source| UnshareError::Unreadable { folder: folder.to_owned(), source })
}

fn shown_path(path: &Path) -> String {
    one_line(&path.to_string_lossy(), MAX_PATH)
}

/// Looks for what is shared, and takes hold of it as long as nothing is moved meanwhile. Blocks on the
/// file system.
pub(super) fn find(guard: &Guard, folder: &WritableFolder) -> Result<SharedInFolder, SharedError> {
    let is_inside = |path: &PathBuf| path.strip_prefix(&folder.path).ok().map(Path::to_owned);
    let read_only: Vec<PathBuf> = folder.read_only.iter().filter_map(is_inside).collect();
    let mut now = guard.shared_files()?;
    for _ in 0..ATTEMPTS {
        let shared = now.files.without(&read_only);
        let places = shared.read_only(MAX_READ_ONLY);
        let places: std::io::Result<Vec<_>> =
            places.iter().map(|place| identity(folder.path.join(place))).collect();
        let then = std::mem::replace(&mut now, guard.shared_files()?);
        // What was looked for lies where it was found.
        if let (Ok(places), true) = (places, now == then) {
            return Ok(SharedInFolder { folder: folder.path.clone(), files: shared.count(), places });
        }
    }
    Err(SharedError::Moving(folder.path.clone()))
}

fn identity(path: PathBuf) -> std::io::Result<ExpectedIdentity> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(&path)?;
    Ok(ExpectedIdentity { path, device: found.dev(), inode: found.ino(), read_only: true })
}

/// All that is read-only.
pub(super) fn places(shared: &[SharedInFolder]) -> impl Iterator<Item = &ExpectedIdentity> {
    shared.iter().flat_map(|shared| &shared.places)
}

/// As a person is shown it. `None` where nothing is shared.
pub(super) fn shown(shared: &[SharedInFolder], workspace: &Path) -> Option<SharedFiles> {
    let name = |place: &ExpectedIdentity| match place.path.strip_prefix(workspace) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => place.path.to_string_lossy().into_owned(),
    };
    let named: Vec<String> = places(shared).map(name).collect();
    let files = shared.iter().map(|shared| shared.files).sum();
    (!named.is_empty()).then_some(SharedFiles { files, places: named })
}

/// What the model reads when a command may have failed for it.
pub(super) fn explained(shared: &[SharedInFolder], workspace: &Path) -> Option<String> {
    let places = shown(shared, workspace)?.named_places();
    let folders: Vec<String> = shared
        .iter()
        .filter(|shared| !shared.places.is_empty())
        .map(|shared| shared.folder.display().to_string())
        .collect();
    Some(format!(
        "{places}: read-only for commands, because other folders hold the same files (hard links) or because it could \
         not be looked into; the person can give the folder copies of its own with `tidegate files unshare {}`",
        folders.join("` and `tidegate files unshare ")
    ))
}
