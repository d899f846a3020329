//! What is done about a trigger file that a command made or changed. No I/O: what lies there now and
//! what lay there before are arguments.

use std::path::Path;

use tidegate_protocol::text::one_line;

use crate::config::{Form, NotPlain, plain_part, read_plain, remainder};
use crate::list::Trigger;
use crate::object::Object;
use crate::pointer::{gitfile_target, is_usual_commondir, is_usual_gitdir};

/// Characters of a path in a reason.
const SHOWN: usize = 160;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It stays as it is.
    Leave,
    /// It stays, and a person is shown that it is there.
    Name(String),
    /// It is moved out of the workspace.
    SetAside(String),
    /// It is moved out of the workspace, and its plain part is left in its place.
    KeepPlainPart {
        /// What is left.
        plain: String,
        reason: String,
    },
    /// It is moved out of the workspace, and what was there before is put back.
    Restore(String),
}

/// Where a repository's folder lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryForm {
    /// `.git`
    DotGit,
    /// A folder of another name that has a repository's shape.
    Shaped,
    /// Below `modules` of another repository.
    Module,
    /// Below `worktrees` of another repository: it leads there, and its settings are that one's.
    Worktree,
}

impl RepositoryForm {
    fn config(self) -> Form {
        match self {
            Self::DotGit => Form::DotGit,
            Self::Shaped | Self::Worktree => Form::Shaped,
            Self::Module => Form::Module,
        }
    }
}

/// Decides about a file inside a repository's folder. `path` is the file's, for the reason; `setting`
/// is its path in the repository's folder.
#[must_use]
pub fn repository_file(
    path: &Path,
    setting: &Path,
    form: RepositoryForm,
    now: &Object,
    before: Option<&Object>,
) -> Decision {
    if before.is_some_and(|before| before.is_still(now)) {
        return Decision::Leave;
    }
    let shown = show(path);
    let linked = matches!(now, Object::File(file) if file.links > 1);
    let reason = match (setting.to_str(), now) {
        (Some("config"), Object::File(_)) => {
            let content = now.content();
            let problem = match content {
                Some(content) => match read_plain(content, form.config()) {
                    Ok(_) if !linked => return Decision::Leave,
                    Ok(_) => format!("{shown} can be written under another name"),
                    Err(problem) => config_reason(&shown, &problem),
                },
                None => format!("{shown} is longer than settings are"),
            };
            let own = before.and_then(Object::content);
            if let (Some(own), Some(content), false) = (own, content, linked) {
                let rest = remainder(own, form.config());
                // What is not plain was there before.
                if rest.is_some() && rest == remainder(content, form.config()) {
                    return Decision::Leave;
                }
            }
            if before.is_none() {
                let plain = content.map(|content| plain_part(content, form.config())).unwrap_or_default();
                return Decision::KeepPlainPart { plain, reason: problem };
            }
            problem
        }
        (Some("commondir"), Object::File(_)) if form == RepositoryForm::Worktree && !linked => {
            if now.content().is_some_and(is_usual_commondir) {
                return Decision::Leave;
            }
            format!("{shown} sends git to another repository's settings")
        }
        (Some("gitdir"), Object::File(_)) if form == RepositoryForm::Worktree && !linked => {
            if now.content().is_some_and(is_usual_gitdir) {
                return Decision::Leave;
            }
            format!("{shown} is not what git writes there")
        }
        (Some("commondir" | "gitdir" | "config.worktree"), _) => {
            format!("{shown} sends git to other settings")
        }
        (Some("info/attributes"), _) => format!("{shown} makes git run filters on files"),
        (Some("info/grafts" | "objects/info/alternates" | "objects/info/http-alternates"), _) => {
            format!("{shown} sends git to objects elsewhere")
        }
        (_, Object::Link(target)) => {
            format!("{shown} is a link to {}", one_line(&String::from_utf8_lossy(target), SHOWN))
        }
        _ if setting.starts_with("hooks") => format!("{shown} would run when git is used here"),
        _ => format!("{shown} does not belong into a repository"),
    };
    changed(reason, before)
}

/// Decides about `.git` where it is a file or a link. `may_lead_to` says whether a path of the
/// workspace is a folder that is reached without links, or nothing yet while git may still make it.
#[must_use]
pub fn git_entry(
    path: &Path,
    workspace: &Path,
    now: &Object,
    before: Option<&Object>,
    may_lead_to: impl Fn(&Path) -> bool,
) -> Decision {
    let shown = show(path);
    let folder = path.parent().unwrap_or(Path::new(""));
    let reason = match now {
        Object::Directory(_) => match before {
            None | Some(Object::Directory(_)) => return Decision::Leave,
            Some(_) => format!("{shown} is a repository in place of a link to one"),
        },
        now if before.is_some_and(|before| before.is_still(now)) => return Decision::Leave,
        Object::File(file) => {
            let content = now.content().unwrap_or_default();
            match gitfile_target(content, folder, workspace) {
                Err(problem) => format!("{shown} {problem}"),
                Ok(target) if file.links > 1 => {
                    format!("{shown}, which leads to {}, can be written under another name", show(&target))
                }
                Ok(target) => match before {
                    None | Some(Object::Directory(_)) if may_lead_to(&target) => return Decision::Leave,
                    _ => format!("{shown} sends git to {}", show(&target)),
                },
            }
        }
        Object::Link(target) => {
            format!("{shown} sends git to {}", one_line(&String::from_utf8_lossy(target), SHOWN))
        }
        Object::Other => format!("{shown} is no file"),
    };
    changed(reason, before)
}

/// Decides about any other trigger file. `in_new_folder` says that the top in which it lies was not
/// there before: a clone's own settings stay and are named.
#[must_use]
pub fn other_file(
    path: &Path,
    trigger: Trigger,
    now: &Object,
    before: Option<&Object>,
    in_new_folder: bool,
) -> Decision {
    if before.is_some_and(|before| before.is_still(now)) || matches!(now, Object::Directory(_)) {
        return Decision::Leave;
    }
    let shown = show(path);
    match (trigger, before) {
        (Trigger::Interpreter, None) => Decision::Leave,
        (Trigger::Opening, None) if in_new_folder => Decision::Name(format!(
            "{shown} came with a new folder; editors and agents that open it may obey it"
        )),
        (Trigger::Local, _) => {
            changed(format!("{shown} is read by shells and editors in the folder"), before)
        }
        // A file of a repository lies elsewhere where a link in the repository leads to it.
        (Trigger::RepositoryFile, _) => changed(format!("{shown} is used by git through a link"), before),
        (Trigger::Interpreter, Some(_)) => changed(format!("{shown} is run by editors"), before),
        _ => changed(format!("{shown} is obeyed by editors and agents that open the folder"), before),
    }
}

fn changed(reason: String, before: Option<&Object>) -> Decision {
    match before {
        Some(before) if before.is_kept() => Decision::Restore(reason),
        _ => Decision::SetAside(reason),
    }
}

fn config_reason(shown: &str, problem: &NotPlain) -> String {
    match problem {
        NotPlain::Setting { name, effect, .. } => format!("{name} in {shown} {effect}"),
        problem => format!("{shown} is not plain: {problem}"),
    }
}

fn show(path: &Path) -> String {
    one_line(&path.to_string_lossy(), SHOWN)
}
