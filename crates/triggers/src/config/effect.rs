//! What a setting that is not plain would do, in words.

use tidegate_protocol::text::one_line;

use super::{SHOWN, Setting};

/// What a setting would do.
pub(super) fn effect(setting: &Setting) -> String {
    let value = one_line(&setting.value, SHOWN);
    let runs = |when: &str| format!("would run {value} {when}");
    match (setting.section.as_str(), setting.key.as_str()) {
        ("core", "fsmonitor") => runs("when git looks at the folder"),
        ("core", "hookspath") => format!("would run hooks from {value}"),
        ("core", "worktree") => format!("would make git work in {value}"),
        ("include" | "includeif", _) => format!("would read more settings from {value}"),
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
        ) => "has a value that is not known to run nothing".to_owned(),
        _ => "is not one of the settings that are known to run nothing".to_owned(),
    }
}
