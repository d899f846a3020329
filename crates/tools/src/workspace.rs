//! The directory that a run's file tools are confined to, held as a handle.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::DirExt as _;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tidegate_agent::authority::RunAuthority;
use tidegate_protocol::text::one_line;
use tidegate_trust::FileIdentity;

use crate::identity::Identity;
use crate::protected::{Protected, Refusal, ancestors};

/// Symbolic links that are followed at the end of a path, as on Linux.
const MAX_LINKS: usize = 40;
/// Bytes that a path may have, as on Linux.
const MAX_PATH: usize = 4096;
/// Characters of a path that a message repeats.
pub(crate) const SHOWN: usize = 200;

/// Why a path leads to nothing that a tool may use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path must not be empty")]
    Empty,
    #[error("the path has {length} bytes; at most {MAX_PATH} are allowed")]
    TooLong { length: usize },
    #[error("the path contains a NUL character, which no file name can")]
    Nul,
    #[error("\"~\" is not expanded; give a path relative to the workspace {workspace}")]
    Home { workspace: String },
    #[error("{path} is outside the workspace {workspace}")]
    Outside { path: String, workspace: String },
    #[error("{path} is in the workspace, but named by way of outside; give it relative to the workspace")]
    Detour { path: String },
    #[error("{path} is refused: {reason}")]
    Refused { path: String, reason: Refusal },
    #[error("{path} is a directory; a file is needed (ls lists a directory)")]
    IsDirectory { path: String },
    #[error("{path} does not exist")]
    NotFound { path: String },
    #[error("{path} goes through too many symbolic links")]
    TooManyLinks { path: String },
    #[error("{path} cannot be used: {reason}")]
    Unusable { path: String, reason: String },
    /// A person chose the folder that had its name then.
    #[error("the workspace {path} is not used any more: another folder has its name now")]
    Replaced { path: String },
    #[error(
        "the workspace {path} cannot be used ({reason}); it must be an existing directory, named without symbolic links"
    )]
    Workspace { path: String, reason: String },
}

/// Whether missing directories on the way to a file are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingDirectories {
    Refuse,
    Create,
}

/// A workspace. Nothing outside it can be reached through it, whatever happens to its content.
pub(crate) struct Workspace {
    root: Dir,
    path: PathBuf,
}

/// A place for a file: an open directory inside the workspace, and a name in it that was not a
/// symbolic link when it was looked at.
pub(crate) struct Place {
    pub(crate) directory: Dir,
    pub(crate) name: OsString,
    /// The file that has to be there, when a person was shown one.
    pub(crate) expected: Option<Identity>,
    /// The path as messages show it.
    pub(crate) shown: String,
}

/// A directory inside the workspace.
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
}

impl Workspace {
    /// Opens the workspace of a run. Where a person chose a folder for its session, it lies in that folder still,
    /// whatever has the folder's name now.
    pub(crate) fn of(authority: &RunAuthority) -> Result<Self, PathError> {
        let workspace = Self::open(authority.workspace())?;
        let Some(chosen) = authority.folder() else { return Ok(workspace) };
        let above = ancestors(&workspace.root).map_err(|problem| PathError::Workspace {
            path: show(&workspace.path),
            reason: problem.to_string(),
        })?;
        match above.into_iter().any(|folder| FileIdentity::from(folder) == chosen.identity) {
            true => Ok(workspace),
            false => Err(PathError::Replaced { path: show(&chosen.path) }),
        }
    }

    /// Opens the workspace.
    ///
    /// Its path must be canonical: a run's workspace is narrowed by name, so that a symbolic link in
    /// the path could be one that the agent made, leading anywhere.
    pub(crate) fn open(path: &Path) -> Result<Self, PathError> {
        let error = |reason: String| PathError::Workspace { path: show(path), reason };
        let canonical = path.canonicalize().map_err(|problem| error(problem.to_string()))?;
        if canonical != path {
            return Err(error("its path is not canonical".to_owned()));
        }
        let root = open_without_links(path).map_err(|problem| error(problem.to_string()))?;
        Ok(Self { root, path: canonical })
    }

    /// Finds the place that `text` names, through symbolic links that stay inside.
    pub(crate) fn place(
        &self,
        text: &str,
        protected: &Protected,
        missing: MissingDirectories,
    ) -> Result<Place, PathError> {
        let shown = one_line(text, SHOWN);
        let mut path = self.relative(text)?;
        for _ in 0..MAX_LINKS {
            let Some(name) = path.file_name().map(OsString::from) else {
                return Err(PathError::IsDirectory { path: shown });
            };
            let above = path.parent().map_or_else(PathBuf::new, Path::to_owned);
            let directory = self.open_directory(&above, &shown, protected, missing)?;
            protected
                .check_place(&directory, &name)
                .map_err(|reason| PathError::Refused { path: shown.clone(), reason })?;
            match directory.symlink_metadata(&name) {
                Ok(metadata) if metadata.is_symlink() => {
                    let target =
                        directory.read_link_contents(&name).map_err(|error| self.explain(error, &shown))?;
                    path = match target.strip_prefix(&self.path) {
                        Ok(inside) => inside.to_owned(),
                        Err(_) if target.is_absolute() => return Err(self.outside(&shown)),
                        Err(_) => above.join(target),
                    };
                }
                Ok(metadata) if metadata.is_dir() => return Err(PathError::IsDirectory { path: shown }),
                Ok(_) => return Ok(Place { directory, name, expected: None, shown }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Place { directory, name, expected: None, shown });
                }
                Err(error) => return Err(self.explain(error, &shown)),
            }
        }
        Err(PathError::TooManyLinks { path: shown })
    }

    /// Finds the directory that `text` names, and its path without symbolic links.
    pub(crate) fn directory(&self, text: &str, protected: &Protected) -> Result<Directory, PathError> {
        let shown = one_line(text, SHOWN);
        let relative = self.relative(text)?;
        let directory = self.open_directory(&relative, &shown, protected, MissingDirectories::Refuse)?;
        protected
            .check_directory(&directory)
            .map_err(|reason| PathError::Refused { path: shown.clone(), reason })?;
        let explain = |error| self.explain(error, &shown);
        let identity = Identity::of(&directory.dir_metadata().map_err(explain)?);
        let canonical = self.root.canonicalize(or_dot(&relative)).map_err(explain)?;
        let path: PathBuf = self.path.join(canonical).components().collect();
        match Identity::of_path(&path) {
            Ok(found) if found == identity => Ok(Directory { path, identity }),
            _ => Err(PathError::Unusable {
                path: shown,
                reason: "it changed while it was looked at".to_owned(),
            }),
        }
    }

    /// Its canonical path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The workspace itself.
    pub(crate) fn root(&self) -> &Dir {
        &self.root
    }

    /// `text` as a path below the workspace. It may still lead out; opening it decides.
    pub(crate) fn relative(&self, text: &str) -> Result<PathBuf, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong { length: text.len() });
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if text == "~" || text.starts_with("~/") {
            return Err(PathError::Home { workspace: show(&self.path) });
        }
        let path = Path::new(text);
        if path.is_absolute() {
            return match path.strip_prefix(&self.path) {
                Ok(inside) => Ok(inside.to_owned()),
                Err(_) => Err(self.outside(&one_line(text, SHOWN))),
            };
        }
        Ok(path.to_owned())
    }

    /// Opens a directory below the workspace, through symbolic links that stay inside.
    fn open_directory(
        &self,
        path: &Path,
        shown: &str,
        protected: &Protected,
        missing: MissingDirectories,
    ) -> Result<Dir, PathError> {
        match self.root.open_dir(or_dot(path)) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && missing == MissingDirectories::Create =>
            {
                self.create_directories(path, shown, protected)
            }
            opened => opened.map_err(|error| self.explain(error, shown)),
        }
    }

    /// Makes the missing directories of `path`, one by one, each inside the one opened before it.
    fn create_directories(&self, path: &Path, shown: &str, protected: &Protected) -> Result<Dir, PathError> {
        let mut so_far = PathBuf::new();
        let mut directory = self.root.try_clone().map_err(|error| self.explain(error, shown))?;
        for part in path.components() {
            so_far.push(part);
            directory = match self.root.open_dir(&so_far) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let Component::Normal(name) = part else { return Err(self.explain(error, shown)) };
                    protected
                        .check_place(&directory, name)
                        .map_err(|reason| PathError::Refused { path: shown.to_owned(), reason })?;
                    directory
                        .create_dir(name)
                        .and_then(|()| directory.open_dir_nofollow(name))
                        .map_err(|error| self.explain(error, shown))?
                }
                opened => opened.map_err(|error| self.explain(error, shown))?,
            };
        }
        Ok(directory)
    }

    pub(crate) fn outside(&self, shown: &str) -> PathError {
        PathError::Outside { path: shown.to_owned(), workspace: show(&self.path) }
    }

    /// The sentence for an error that opening something inside the workspace gave.
    pub(crate) fn explain(&self, error: io::Error, shown: &str) -> PathError {
        match error.kind() {
            io::ErrorKind::NotFound => PathError::NotFound { path: shown.to_owned() },
            // cap-std reports an escape as this kind without a number of the system.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => self.outside(shown),
            _ => PathError::Unusable { path: shown.to_owned(), reason: error.to_string() },
        }
    }
}

fn show(path: &Path) -> String {
    one_line(&path.to_string_lossy(), SHOWN)
}

fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Opens a canonical path one name at a time and follows no link, so that a swap is an error.
pub(crate) fn open_without_links(path: &Path) -> io::Result<Dir> {
    let mut directory = None;
    let mut prefix = PathBuf::new();
    for part in path.components() {
        match (part, directory.take()) {
            (Component::Normal(name), Some(above)) => {
                let above: Dir = above;
                directory = Some(above.open_dir_nofollow(name)?);
            }
            (Component::Prefix(_) | Component::RootDir, _) => {
                prefix.push(part);
                directory = Some(Dir::open_ambient_dir(&prefix, ambient_authority())?);
            }
            _ => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
        }
    }
    directory.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
