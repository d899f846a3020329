//! Where a look begins: a directory or file of the workspace, reached one name at a time.

use std::path::Component;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use tidegate_protocol::text::one_line;
use tokio_util::sync::CancellationToken;

use super::LookError;
use super::ignored::Rules;
use super::names::Kind;
use super::secret::is_secret;
use super::skipped::Skipped;
use crate::identity::Identity;
use crate::protected::{Protected, Refusal, Snapshot};
use crate::workspace::{PathError, SHOWN, Workspace};

/// A workspace for one look.
pub(super) struct View {
    pub(super) workspace: Workspace,
    pub(super) protected: Snapshot,
    pub(super) cancelled: CancellationToken,
}

/// Where a look begins.
pub(super) struct Start<'a> {
    /// The directory, or the one that holds the file.
    pub(super) directory: Dir,
    /// Its path below the workspace: empty, or ending with a slash.
    pub(super) path: String,
    /// The rules of the ignore files down to it. What was named counts, even where they leave it out.
    pub(super) rules: Rules<'a>,
    /// The file, when one was named.
    pub(super) file: Option<String>,
}

impl View {
    pub(super) fn new(
        workspace: Workspace,
        protected: &Protected,
        cancelled: CancellationToken,
    ) -> Result<Self, LookError> {
        let refused = |reason| PathError::Refused { path: ".".to_owned(), reason };
        protected.check_directory(workspace.root()).map_err(refused)?;
        let root = workspace.root().dir_metadata().map_err(|error| workspace.explain(error, "."))?;
        let protected = protected.snapshot(Identity::of(&root));
        Ok(Self { workspace, protected, cancelled })
    }

    /// Opens what `text` names; no link is followed.
    pub(super) fn start(&self, text: &str, skipped: &mut Skipped) -> Result<Start<'_>, LookError> {
        let shown = one_line(text, SHOWN);
        let names = self.names(text)?;
        let root =
            self.workspace.root().try_clone().map_err(|error| self.workspace.explain(error, &shown))?;
        let mut rules = Rules::new(&self.protected);
        rules.enter(&root, "", skipped);
        let mut start = Start { directory: root, path: String::new(), rules, file: None };
        for name in &names {
            if start.file.is_some() {
                return Err(PathError::NotFound { path: shown }.into());
            }
            let explain = |error| self.workspace.explain(error, &shown);
            let metadata = start.directory.symlink_metadata(name).map_err(explain)?;
            match Kind::from(metadata.file_type()) {
                kind @ (Kind::Directory | Kind::File) if is_secret(name, kind == Kind::Directory) => {
                    return Err(LookError::Secret { path: shown });
                }
                Kind::Directory => {
                    let directory = start.directory.open_dir_nofollow(name).map_err(explain)?;
                    self.check(&directory)
                        .map_err(|reason| PathError::Refused { path: shown.clone(), reason })?;
                    start.path.push_str(name);
                    start.path.push('/');
                    start.rules.enter(&directory, &start.path, skipped);
                    start.directory = directory;
                }
                Kind::File => start.file = Some(name.clone()),
                Kind::Link => return Err(LookError::Link { path: shown }),
                Kind::Other(kind) => return Err(LookError::NotRegular { path: shown, kind }),
            }
        }
        Ok(start)
    }

    /// Refuses an opened directory that no tool may touch.
    pub(super) fn check(&self, directory: &Dir) -> Result<(), Refusal> {
        let metadata = directory.dir_metadata().map_err(|_| Refusal::Unknown)?;
        self.protected.check_directory(Identity::of(&metadata))
    }

    /// The names from the workspace down to what `text` names.
    fn names(&self, text: &str) -> Result<Vec<String>, LookError> {
        let outside = || LookError::from(self.workspace.outside(&one_line(text, SHOWN)));
        let mut names = Vec::new();
        for part in self.workspace.relative(if text.is_empty() { "." } else { text })?.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    names.pop().ok_or_else(outside)?;
                }
                Component::Normal(name) => names.push(name.to_str().ok_or_else(outside)?.to_owned()),
                Component::Prefix(_) | Component::RootDir => return Err(outside()),
            }
        }
        Ok(names)
    }
}
