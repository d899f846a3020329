//! What a setting that is not plain would do, in words.

use std::fmt;

use tidegate_protocol::text::one_line;

use super::{SHOWN, Setting};

/// What a setting would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It runs a program.
    Runs {
        /// The program, cleaned and cut.
        program: String,
        /// When it does.
        when: &'static str,
    },
    /// It takes hooks from a folder.
    HooksFrom(String),
    /// It reads more settings from a file.
    Includes(String),
    /// It sends git to another folder.
    WorksIn(String),
    /// The setting is known, but not its value.
    Value,
    /// Nothing is known about it.
    Unknown,
}

impl Effect {
    pub(super) fn of(setting: &Setting) -> Self {
        let value = one_line(&setting.value, SHOWN);
        let runs = |when| Self::Runs { program: value.clone(), when };
        match (setting.section.as_str(), setting.key.as_str()) {
            ("core", "fsmonitor") => runs("when git looks at the folder"),
            ("core", "hookspath") => Self::HooksFrom(value),
            ("core", "worktree") => Self::WorksIn(value),
            ("include" | "includeif", _) => Self::Includes(value),
            ("core", "sshcommand" | "gitproxy" | "askpass" | "alternaterefscommand")
            | ("credential", "helper")
            | ("remote", "uploadpack" | "receivepack" | "vcs" | "url" | "pushurl")
            | ("url" | "protocol", _) => runs("when git fetches or pushes"),
            ("filter", _) => runs("when git reads or writes files"),
            ("core", "editor" | "pager")
            | ("alias" | "pager" | "diff" | "merge" | "difftool" | "mergetool" | "gpg" | "sequence", _)
            | ("interactive" | "submodule" | "browser" | "man" | "sendemail" | "trailer" | "uploadpack", _) => {
                runs("when git is used here")
            }
            (
                "core" | "remote" | "branch" | "user" | "init" | "extensions" | "pull" | "push" | "fetch",
                "bare"
                | "filemode"
                | "repositoryformatversion"
                | "symlinks"
                | "ignorecase"
                | "logallrefupdates"
                | "fetch"
                | "merge"
                | "rebase"
                | "name"
                | "email"
                | "objectformat"
                | "defaultbranch",
            ) => Self::Value,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs { program, when } => write!(f, "would run {program} {when}"),
            Self::HooksFrom(folder) => write!(f, "would run hooks from {folder}"),
            Self::Includes(file) => write!(f, "would read more settings from {file}"),
            Self::WorksIn(folder) => write!(f, "would make git work in {folder}"),
            Self::Value => f.write_str("has a value that is not known to run nothing"),
            Self::Unknown => f.write_str("is not one of the settings that are known to run nothing"),
        }
    }
}
