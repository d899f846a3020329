//! The repository of a workspace that is a linked worktree or a submodule: it lies in another folder, to
//! which a file `.git` leads. Such a file proves nothing, because anyone may have written it. What it leads
//! to counts where that folder, for its part, says that it belongs to this workspace.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use tidegate_sandbox::spec::Spec;
use tidegate_triggers::config::{Form, plain_part, read_plain};
use tidegate_triggers::pointer;

use crate::protected::Protected;

/// Bytes of a file of git that holds a path, or settings.
const MAX_FILE: u64 = 64 * 1024;

/// Where the repository of a workspace lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Repository {
    /// The workspace has none.
    None,
    /// In the workspace, as `.git`.
    Inside,
    /// The workspace is a worktree of it.
    Worktree {
        /// What is this worktree's own: `worktrees/NAME` of the repository.
        own: PathBuf,
        common: PathBuf,
    },
    /// The workspace is a submodule, and this its repository.
    Submodule(PathBuf),
}

/// Why a repository is not this workspace's.
#[derive(Debug, thiserror::Error)]
#[error("the workspace's .git {0}")]
pub(super) struct NotOwn(String);

/// Finds it. Blocks on the file system.
pub(super) fn find(workspace: &Path, protected: &Protected) -> Result<Repository, NotOwn> {
    let entry = workspace.join(".git");
    let kind = match std::fs::symlink_metadata(&entry) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Repository::None),
        Err(error) => return Err(NotOwn(format!("cannot be looked at: {error}"))),
    };
    if kind.is_dir() {
        return Ok(Repository::Inside);
    }
    if !kind.is_file() {
        return Err(NotOwn("is a link; replace it by what it leads to".to_owned()));
    }
    let content = read(&entry).unwrap_or_default();
    let named = pointer::named_by_gitfile(&content)
        .ok_or_else(|| NotOwn("is a file, and not as git writes it".to_owned()))?;
    let leads = |problem: &str| NotOwn(format!("leads to {}, {problem}", named.display()));
    let own = real(&workspace.join(named)).ok_or_else(|| leads("where no folder is"))?;
    let repository = if own.join("commondir").symlink_metadata().is_ok() {
        worktree(own, workspace)
    } else {
        submodule(own, workspace)
    };
    let repository = repository.ok_or_else(|| {
        leads("which does not say that it belongs to this folder; `git worktree repair` may help")
    })?;
    if repository.folder().is_some_and(|folder| protected.lies_in_or_around(folder)) {
        return Err(leads("which lies in or around files that no tool touches"));
    }
    Ok(repository)
}

/// A worktree's own folder lies in its repository, names it, and names the worktree's file `.git`.
fn worktree(own: PathBuf, workspace: &Path) -> Option<Repository> {
    let all = own.parent().filter(|all| all.file_name().is_some_and(|name| name == "worktrees"))?;
    let common = all.parent()?.to_owned();
    if named_in(&own, "commondir")? != common {
        return None;
    }
    let back = read(&own.join("gitdir"))?;
    let back = own.join(pointer::single_line(&back)?);
    let is_back = back.file_name().is_some_and(|name| name == ".git") && real(back.parent()?)? == workspace;
    let is_repository = is_folder(&common.join("objects")) && common.join("HEAD").is_file();
    (is_back && is_repository).then_some(Repository::Worktree { own, common })
}

/// A submodule's repository lies below `modules`, and says where its files are.
fn submodule(own: PathBuf, workspace: &Path) -> Option<Repository> {
    if !own.iter().any(|name| name == "modules") || !is_folder(&own.join("objects")) {
        return None;
    }
    let settings = plain_part(&read(&own.join("config"))?, Form::Module);
    let settings = read_plain(settings.as_bytes(), Form::Module).ok()?;
    let back = settings.iter().rfind(|setting| setting.name() == "core.worktree")?;
    (real(&own.join(&back.value))? == workspace).then_some(Repository::Submodule(own))
}

impl Repository {
    /// The whole of it, where it lies outside of the workspace.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::None | Self::Inside => None,
            Self::Worktree { common, .. } => Some(common),
            Self::Submodule(own) => Some(own),
        }
    }

    /// Adds what lies outside of the workspace: to be read, as a repository in the workspace is; with
    /// `granted` to be written, but for its settings and hooks, other worktrees, and what leads git
    /// elsewhere.
    pub(super) fn add_to(&self, spec: &mut Spec, granted: bool) {
        const SETTINGS: &[&str] = &["config", "config.worktree", "hooks", "modules", "worktrees"];
        const OWN_SETTINGS: &[&str] = &["commondir", "gitdir", "config.worktree", "modules"];
        let Some(folder) = self.folder().map(Path::to_owned) else { return };
        if !granted {
            spec.readable.push(folder);
            return;
        }
        let mut guard = |folder: &Path, names: &[&str]| {
            let is_plain = |path: &PathBuf| {
                path.symlink_metadata().is_ok_and(|metadata| !metadata.file_type().is_symlink())
            };
            spec.read_only.extend(names.iter().map(|name| folder.join(name)).filter(is_plain));
        };
        guard(&folder, SETTINGS);
        spec.repositories.push(folder);
        if let Self::Worktree { own, .. } = self {
            guard(own, OWN_SETTINGS);
            spec.repositories.push(own.clone());
        }
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// A folder, without links.
fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_dir())
}

/// The folder that a file of one line in `folder` names.
fn named_in(folder: &Path, file: &str) -> Option<PathBuf> {
    let content = read(&folder.join(file))?;
    real(&folder.join(pointer::single_line(&content)?))
}

/// A small regular file; a pipe is not waited for.
fn read(path: &Path) -> Option<Vec<u8>> {
    use rustix::fs::{CWD, Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut content).ok()?;
    Some(content)
}
