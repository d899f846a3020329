//! The programs of a plain command, as a sandbox would find them, for rules that allow one.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use tidegate_protocol::text::one_line;
use tidegate_sandbox::spec::User;
use tidegate_trust::FileIdentity;
use tidegate_trust::rules::{FileTime, PlainCommand, ProgramFile, ResolvedCommand, WrongProgram};

/// Folders of the system that every sandbox has as they are, read-only, where they exist.
pub(super) const SYSTEM_FOLDERS: &[&str] = &[
    "/usr",
    "/etc",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
];
/// Symbolic links that are followed on the way to one program, as on Linux.
const MAX_LINKS: usize = 40;

/// Where programs are looked for, and what speaks against one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProgramSearch<'a> {
    /// `PATH` in the sandbox.
    pub(super) search_path: &'a str,
    /// What the sandbox has of the host as it is and read-only: [`SYSTEM_FOLDERS`], and the toolchains of
    /// its plan. Real paths.
    pub(super) read_only: &'a [PathBuf],
    /// What commands may write: workspace, granted folders, repositories, the private home directory and
    /// temporary files. Real paths.
    pub(super) writable: &'a [PathBuf],
    /// Who the commands run as.
    pub(super) user: &'a User,
}

/// Why a command cannot be run by a rule. Each sentence is for the person who is asked instead.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("{program} is named by its path; rules are for installed programs, by their names")]
    Path { program: String },
    #[error("{program} is not an installed program that sandboxes have")]
    NotFound { program: String },
    #[error("{} lies where commands of agents may write", shown(.path))]
    Writable { path: PathBuf },
    /// It is, or leads through, a place that a sandbox does not have, or has something else at.
    #[error("{} is not in a folder that sandboxes have read-only", shown(.path))]
    NotReadOnly { path: PathBuf },
    #[error("{} belongs to another user", shown(.path))]
    Owner { path: PathBuf },
    #[error("other users may change {}", shown(.path))]
    Permissions { path: PathBuf },
    #[error("{} is not an executable file", shown(.path))]
    NotExecutable { path: PathBuf },
    #[error("{} leads through more than {MAX_LINKS} links", shown(.path))]
    Links { path: PathBuf },
    #[error("{} cannot be looked at: {source}", shown(.path))]
    Io { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Wrong(#[from] WrongProgram),
}

/// Finds the program of each segment. Each is the first that a shell in the sandbox would find among the
/// programs of the host, and everything on the way to it, links and folders, is safe from agents and
/// from other users. Blocks on the file system: call it off the async workers.
///
/// Programs that only choose another one are found as such: see [`ProgramFile`].
///
/// # Errors
/// Why the first such program cannot be run by a rule.
pub(super) fn resolve(
    command: PlainCommand,
    search: &ProgramSearch<'_>,
) -> Result<ResolvedCommand, ProgramError> {
    let programs = command.segments().iter().map(|segment| search.find(segment.program()));
    let programs = programs.collect::<Result<_, _>>()?;
    Ok(ResolvedCommand::new(command, programs)?)
}

impl ProgramSearch<'_> {
    fn find(&self, name: &str) -> Result<ProgramFile, ProgramError> {
        if name.contains('/') {
            return Err(ProgramError::Path { program: one_line(name, 64) });
        }
        // What the sandbox has of its own in such a place, a shell would find there; but what runs is
        // what was found here, by its path.
        let directories = self.search_path.split(':').filter(|directory| directory.starts_with('/'));
        let found = directories
            .filter_map(|directory| Path::new(directory).canonicalize().ok())
            .filter(|directory| self.is_read_only(directory))
            .map(|directory| directory.join(name))
            .find(|path| std::fs::metadata(path).is_ok_and(|metadata| is_executable(&metadata)));
        let path = found.ok_or_else(|| ProgramError::NotFound { program: one_line(name, 64) })?;
        let (file, metadata) = self.follow(&path)?;
        Ok(ProgramFile {
            path,
            file,
            identity: FileIdentity { device: metadata.dev(), inode: metadata.ino() },
            length: metadata.len(),
            changed_at: FileTime {
                seconds: metadata.ctime(),
                nanoseconds: u32::try_from(metadata.ctime_nsec()).unwrap_or_default(),
            },
        })
    }

    /// Goes from the root to what a path leads to, name by name, and checks every folder, link and file
    /// on the way: who can replace one of them can replace the program.
    fn follow(&self, path: &Path) -> Result<(PathBuf, Metadata), ProgramError> {
        let mut real = PathBuf::from("/");
        self.check_rights(&real, &metadata_of(&real)?)?;
        let mut names = names_of(path);
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(name);
            let metadata = metadata_of(&next)?;
            if self.writable.iter().any(|folder| next.starts_with(folder)) {
                return Err(ProgramError::Writable { path: next });
            }
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(ProgramError::Links { path: path.to_owned() });
                }
                self.check_place(&next)?;
                self.check_owner(&next, &metadata)?;
                let target = std::fs::read_link(&next).map_err(|source| io(&next, source))?;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                let mut behind = names_of(&target);
                behind.append(&mut names);
                names = behind;
                continue;
            }
            self.check_rights(&next, &metadata)?;
            if !metadata.is_dir() {
                self.check_place(&next)?;
                let is_last = names.is_empty() && is_executable(&metadata);
                return if is_last {
                    Ok((next, metadata))
                } else {
                    Err(ProgramError::NotExecutable { path: next })
                };
            }
            real = next;
        }
        Err(ProgramError::NotExecutable { path: real })
    }

    fn is_read_only(&self, path: &Path) -> bool {
        self.read_only.iter().any(|folder| path.starts_with(folder))
    }

    fn check_place(&self, path: &Path) -> Result<(), ProgramError> {
        if self.is_read_only(path) {
            Ok(())
        } else {
            Err(ProgramError::NotReadOnly { path: path.to_owned() })
        }
    }

    fn check_owner(&self, path: &Path, metadata: &Metadata) -> Result<(), ProgramError> {
        const ROOT: u32 = 0;
        if [ROOT, self.user.uid].contains(&metadata.uid()) {
            return Ok(());
        }
        Err(ProgramError::Owner { path: path.to_owned() })
    }

    /// Whether nobody but root and the person can change a file or folder.
    fn check_rights(&self, path: &Path, metadata: &Metadata) -> Result<(), ProgramError> {
        const BY_GROUP: u32 = 0o020;
        const BY_OTHERS: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        self.check_owner(path, metadata)?;
        // What belongs to somebody, only they can replace there; and the next name is checked, too.
        let is_sticky = metadata.is_dir() && metadata.mode() & STICKY != 0;
        // Where each user has a group of the same number, as distributions do it, nobody else is in it.
        let is_own_group = metadata.gid() == self.user.gid && self.user.gid == self.user.uid;
        let dangerous = if is_own_group { BY_OTHERS } else { BY_GROUP | BY_OTHERS };
        if metadata.mode() & dangerous != 0 && !is_sticky {
            return Err(ProgramError::Permissions { path: path.to_owned() });
        }
        Ok(())
    }
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.mode() & 0o111 != 0
}

fn metadata_of(path: &Path) -> Result<Metadata, ProgramError> {
    path.symlink_metadata().map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> ProgramError {
    ProgramError::Io { path: path.to_owned(), source }
}

/// The names in a path but for the root and `.`.
fn names_of(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.map(|part| part.as_os_str().to_owned()).collect()
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy(), 200)
}

#[cfg(test)]
mod tests;
