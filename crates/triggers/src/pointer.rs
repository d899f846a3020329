//! Files of git that hold the path of another folder: a gitfile, and what a linked worktree's folder
//! says about its repository.

use std::path::{Component, Path, PathBuf};

use tidegate_protocol::text::one_line;

use crate::name::fold;

/// Bytes that such a file may have.
const MAX_POINTER: usize = 4096;
/// Characters of a path that a message repeats.
const SHOWN: usize = 120;

/// Why a pointer is not left where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusual {
    /// It is not one line as git writes it.
    #[error("is not what git writes there")]
    Form,
    /// It leads out of the workspace.
    #[error("sends git to {0}, outside the workspace")]
    Outside(String),
    /// It leads to where only objects are.
    #[error("sends git to {0}, where no repository belongs")]
    Hidden(String),
}

/// The folder that a gitfile in `folder` leads to, relative to the workspace.
///
/// `folder` is relative to the workspace, `workspace` is absolute and has no links. Names only: no
/// `..` after a name, so that a link on the way cannot change what the path means.
///
/// # Errors
/// When the file is not as git writes it, or leads out of the workspace.
pub fn gitfile_target(content: &[u8], folder: &Path, workspace: &Path) -> Result<PathBuf, Unusual> {
    let path = named_by_gitfile(content).ok_or(Unusual::Form)?;
    let outside = || Unusual::Outside(one_line(&path.to_string_lossy(), SHOWN));
    let (mut target, rest) = match path.strip_prefix(workspace) {
        Ok(rest) => (PathBuf::new(), rest),
        Err(_) if path.is_absolute() => return Err(outside()),
        Err(_) => (folder.to_owned(), path),
    };
    let mut went_down = path.is_absolute();
    for component in rest.components() {
        match component {
            Component::Normal(name) => {
                went_down = true;
                target.push(name);
            }
            Component::CurDir => {}
            Component::ParentDir if !went_down && target.pop() => {}
            _ => return Err(outside()),
        }
    }
    let names: Vec<String> = target.iter().map(|name| fold(&name.to_string_lossy()).into_owned()).collect();
    let is_hidden =
        names.windows(2).any(|pair| pair[0] == "objects" && (pair[1].len() == 2 || pair[1] == "pack"));
    if is_hidden {
        return Err(Unusual::Hidden(one_line(&target.to_string_lossy(), SHOWN)));
    }
    Ok(target)
}

/// Whether a linked worktree's `commondir` leads to the repository that it lies in.
#[must_use]
pub fn is_usual_commondir(content: &[u8]) -> bool {
    single_line(content) == Some("../..")
}

/// Whether a linked worktree's `gitdir` names a `.git` file.
#[must_use]
pub fn is_usual_gitdir(content: &[u8]) -> bool {
    single_line(content).is_some_and(|path| path.ends_with("/.git"))
}

/// The path in a gitfile, as it is written; `None` when it is not as git writes it.
#[must_use]
pub fn named_by_gitfile(content: &[u8]) -> Option<&Path> {
    content.strip_prefix(b"gitdir: ").and_then(single_line).map(Path::new)
}

/// The one line of a file without its end.
#[must_use]
pub fn single_line(content: &[u8]) -> Option<&str> {
    if content.len() > MAX_POINTER {
        return None;
    }
    let text = std::str::from_utf8(content).ok()?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    (!line.is_empty() && !line.contains(char::is_control)).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(content: &str) -> Result<PathBuf, Unusual> {
        gitfile_target(content.as_bytes(), Path::new("lib/a"), Path::new("/home/ada/ws"))
    }

    #[test]
    fn a_gitfile_leads_to_a_folder_of_the_workspace() {
        assert_eq!(target("gitdir: ../../.git/modules/a\n"), Ok(".git/modules/a".into()));
        assert_eq!(target("gitdir: /home/ada/ws/.git/worktrees/b\n"), Ok(".git/worktrees/b".into()));
        assert_eq!(target("gitdir: x"), Ok("lib/a/x".into()));
    }

    #[test]
    fn a_gitfile_that_leads_elsewhere_is_unusual() {
        for content in [
            "gitdir: ../../../x\n",
            "gitdir: /home/ada/other\n",
            "gitdir: /home/ada/ws/../x\n",
            "gitdir: a/../../b\n",
            "gitdir: ../../.git/objects/aa/x\n",
            "gitdir: ../../.git/Objects/AA/x\n",
            "gitdir: a\nb\n",
            "gitdir:a\n",
            "gitdir: \n",
            "",
        ] {
            assert!(target(content).is_err(), "{content:?}");
        }
    }
}
