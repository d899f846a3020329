//! The list of trigger files: names, and the folders in which they count.
//!
//! A [`Folder`] is what is known about a folder from the names above it. Entering it by one name
//! more gives the next one, so that a walk and a look at a single path follow the same rules.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

use crate::name::fold;

/// When a trigger file turns into commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// When somebody is in the folder or looks at it: a prompt, git, an editor that opens one file.
    Looking,
    /// When an editor or an agent opens the folder.
    Opening,
}

/// What kind of trigger file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// `.git` itself, a folder, a file or a link, or a folder that is shaped like a repository.
    Repository,
    /// Something inside a repository's folder.
    RepositoryFile,
    /// Read by shells, prompts and editors in the folder: `.envrc`, `mise.toml`, `.exrc`, `.hg/hgrc`.
    Local,
    /// Settings by which editors and agents run things or are instructed.
    Opening,
    /// An interpreter that editors run. It counts where it was there before: making one is ordinary.
    Interpreter,
}

impl Trigger {
    /// When it turns into commands.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Repository | Self::RepositoryFile | Self::Local => Class::Looking,
            Self::Opening | Self::Interpreter => Class::Opening,
        }
    }
}

/// What the names on the way to a folder say about the names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// A folder that an editor or agent is opened in: the workspace's top, a repository's top.
    Top,
    /// Any other: only what counts everywhere.
    Ordinary,
    /// Files of others (`node_modules` and the like), and everything below.
    Dependencies,
    /// Inside a folder of which every file counts.
    Within(Trigger),
    /// `.cargo`
    Cargo,
    /// `.github`
    GitHub,
    /// `.config`
    Config,
    /// `mise`, in which its settings may lie.
    Mise,
    /// `.hg`
    Mercurial,
    /// `.jj`, and `repo` in it.
    Jujutsu,
    /// A Python environment.
    Environment,
    /// The programs of a Python environment.
    EnvironmentPrograms,
    /// A repository's folder, or one that is shaped so.
    Repository,
    /// `hooks` of a repository.
    Hooks,
    /// `objects` of a repository.
    Objects,
    /// A repository's packs and loose objects: nothing there is read as settings.
    ObjectStore,
    /// `worktrees` of a repository: each folder in it is a repository's folder.
    Worktrees,
    /// Any other folder inside a repository's.
    RepositoryPart,
}

impl Folder {
    /// The folder named `name` (folded) in this one.
    #[must_use]
    pub fn enter(self, name: &str) -> Self {
        match self {
            _ if name == ".git" => Self::Repository,
            Self::Within(trigger) => Self::Within(trigger),
            Self::Repository => match name {
                "hooks" => Self::Hooks,
                "objects" => Self::Objects,
                "worktrees" => Self::Worktrees,
                _ => Self::RepositoryPart,
            },
            Self::Worktrees => Self::Repository,
            Self::Objects if name == "pack" || is_fan_out(name) => Self::ObjectStore,
            Self::ObjectStore => Self::ObjectStore,
            Self::Hooks | Self::Objects | Self::RepositoryPart => Self::RepositoryPart,
            Self::Top | Self::Ordinary | Self::Dependencies => self.enter_ordinary(name),
            Self::Config if name == "mise" => Self::Mise,
            Self::Mise if name == "conf.d" => Self::Within(Trigger::Local),
            Self::Jujutsu if name == "repo" => Self::Jujutsu,
            Self::GitHub if matches!(name, "hooks" | "instructions" | "agents" | "chatmodes" | "prompts") => {
                Self::Within(Trigger::Opening)
            }
            Self::Environment if matches!(name, "bin" | "scripts") => Self::EnvironmentPrograms,
            Self::Cargo
            | Self::GitHub
            | Self::Config
            | Self::Mise
            | Self::Mercurial
            | Self::Jujutsu
            | Self::Environment
            | Self::EnvironmentPrograms => Self::Ordinary.enter_ordinary(name),
        }
    }

    /// The folder named `name` (folded) in this one, which has a repository's shape but is not named
    /// `.git`: only what git reads there is a repository's, so that the shape hides nothing.
    #[must_use]
    pub fn enter_shaped(self, name: &str) -> Self {
        match name {
            "worktrees" => Self::Worktrees,
            "modules" => Self::RepositoryPart,
            _ => self.enter(name),
        }
    }

    /// Whether everything in this folder is a repository's.
    #[must_use]
    pub fn is_inside_repository(self) -> bool {
        matches!(
            self,
            Self::Repository
                | Self::Hooks
                | Self::Objects
                | Self::ObjectStore
                | Self::Worktrees
                | Self::RepositoryPart
        )
    }

    /// The same for what commands leave, in a folder that is the workspace's top or not. Below it tools
    /// write files named `.env` in ordinary work, for programs that they start.
    #[must_use]
    pub fn entry_left(self, name: &str, is_directory: bool, is_workspace_top: bool) -> Option<Trigger> {
        match self {
            _ if is_workspace_top || name != ".env" || self.is_inside_repository() => {}
            Self::Within(trigger) => return Some(trigger),
            _ => return None,
        }
        self.entry(name, is_directory)
    }

    fn enter_ordinary(self, name: &str) -> Self {
        match (self, name) {
            (_, ".config") => Self::Config,
            (_, "mise") => Self::Mise,
            (_, ".hg") => Self::Mercurial,
            (_, ".jj") => Self::Jujutsu,
            (_, name) if name.starts_with(".mise") => Self::Within(Trigger::Local),
            (Self::Dependencies, _) | (_, "node_modules" | "site-packages" | "vendor" | "target") => {
                Self::Dependencies
            }
            (Self::Top, ".cargo") => Self::Cargo,
            (Self::Top, ".github") => Self::GitHub,
            (Self::Top, ".venv" | "venv" | "env") => Self::Environment,
            (Self::Top, name) if is_opening_folder(name) => Self::Within(Trigger::Opening),
            _ => Self::Ordinary,
        }
    }

    /// What an entry named `name` (folded) in this folder is.
    #[must_use]
    pub fn entry(self, name: &str, is_directory: bool) -> Option<Trigger> {
        if name == ".git" {
            return Some(Trigger::Repository);
        }
        let is_settings = match self {
            Self::Mise => is_mise_settings(name, is_directory),
            // Hooks, extensions and other programs of Mercurial and Jujutsu, whose state prompts show.
            Self::Mercurial => matches!(name, "hgrc" | "hgrc-not-shared" | "sharedpath"),
            Self::Jujutsu => matches!(name, "config.toml" | "workspace-config.toml"),
            _ => false,
        };
        if self.is_inside_repository() {
            // References may have names that count elsewhere, but none that begins with a dot.
            let is_local = name.starts_with('.') && is_local(name, is_directory);
            return Some(if is_local { Trigger::Local } else { Trigger::RepositoryFile });
        }
        if is_settings || is_local(name, is_directory) {
            return Some(Trigger::Local);
        }
        if let Self::Within(trigger) = self {
            return Some(trigger);
        }
        let opening = match self {
            Self::Top if name == "pyvenv.cfg" => return Some(Trigger::Interpreter),
            Self::Environment if name == "pyvenv.cfg" && !is_directory => return Some(Trigger::Interpreter),
            Self::EnvironmentPrograms if name.starts_with("python") && !is_directory => {
                return Some(Trigger::Interpreter);
            }
            Self::Top => is_opening_folder(name) || (!is_directory && is_opening_file(name)),
            Self::Cargo => !is_directory && matches!(name, "config" | "config.toml"),
            Self::GitHub => !is_directory && name == "copilot-instructions.md",
            _ => false,
        };
        opening.then_some(Trigger::Opening)
    }
}

/// What the file or directory at `path` is, by its names alone. Components are relative to a folder
/// in which an editor may be opened. With `everywhere`, each folder on the way is taken as one in
/// which an editor may be opened too, but for `node_modules` and the like: so file tools look.
#[must_use]
pub fn kind_of<'a>(
    path: impl IntoIterator<Item = &'a OsStr>,
    is_directory: bool,
    everywhere: bool,
) -> Option<Trigger> {
    let mut folder = Folder::Top;
    let mut names = path.into_iter().peekable();
    while let Some(name) = names.next() {
        let name = name.to_string_lossy();
        let name = fold(&name);
        let is_last = names.peek().is_none();
        if is_last {
            return folder.entry(&name, is_directory);
        }
        folder = match folder.enter(&name) {
            Folder::Ordinary if everywhere => Folder::Top,
            folder => folder,
        };
    }
    None
}

/// Which names of a repository's folder have been seen in a folder: git takes a folder of any name
/// for a repository when they are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape(u8);

impl Shape {
    const HEAD: u8 = 1;
    const OBJECTS: u8 = 2;
    const REFS: u8 = 4;
    const COMMON: u8 = 8;

    /// Takes note of an entry of the folder (folded).
    pub fn note(&mut self, name: &str) {
        self.0 |= match name {
            "head" => Self::HEAD,
            "objects" => Self::OBJECTS,
            "refs" => Self::REFS,
            "commondir" => Self::COMMON,
            _ => 0,
        };
    }

    /// Whether `name` (folded) is one of the names.
    #[must_use]
    pub fn is_part(name: &str) -> bool {
        matches!(name, "head" | "objects" | "refs" | "commondir")
    }

    /// Whether git would take the folder for a repository.
    #[must_use]
    pub fn is_repository(self) -> bool {
        let has = |names| self.0 & names == names;
        has(Self::HEAD | Self::OBJECTS | Self::REFS) || has(Self::HEAD | Self::COMMON)
    }
}

fn is_fan_out(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_local(name: &str, is_directory: bool) -> bool {
    if name.starts_with(".mise") {
        return true;
    }
    let is_named = matches!(
        name,
        ".envrc"
            | ".env"
            | ".rtx.toml"
            | ".tool-versions"
            | ".lvimrc"
            | ".exrc"
            | "_exrc"
            | ".vimrc"
            | "_vimrc"
            | ".gvimrc"
            | "_gvimrc"
            | ".nvimrc"
            | ".nvim.lua"
            | ".lazy.lua"
            | ".dir-locals.el"
            | ".dir-locals-2.el"
    );
    let is_mise = name.starts_with("mise.") && name.ends_with(".toml");
    // An `.envrc` that was allowed often reads `.envrc.local` and the like.
    let is_read_by_one = name.starts_with(".autoenv") || name.starts_with(".envrc.");
    !is_directory && (is_named || is_mise || is_read_by_one)
}

fn is_mise_settings(name: &str, is_directory: bool) -> bool {
    !is_directory && name.starts_with("config.") && name.ends_with(".toml")
}

/// Folders of which every file counts.
fn is_opening_folder(name: &str) -> bool {
    matches!(
        name,
        ".vscode"
            | ".idea"
            | ".fleet"
            | ".zed"
            | ".helix"
            | ".devcontainer"
            | ".husky"
            | ".githooks"
            | ".claude"
            | ".cursor"
            | ".codex"
            | ".gemini"
            | ".agents"
            | ".windsurf"
            | ".clinerules"
            | ".roo"
            | ".opencode"
            | ".continue"
            | ".kilocode"
            | ".kiro"
            | ".amazonq"
            | ".qwen"
    )
}

fn is_opening_file(name: &str) -> bool {
    let is_lefthook = || {
        let rest = name.strip_prefix('.').unwrap_or(name).strip_prefix("lefthook");
        rest.is_some_and(|rest| rest.ends_with(".yml") || rest.ends_with(".yaml") || rest.ends_with(".toml"))
    };
    matches!(
        name,
        ".devcontainer.json"
            | ".pre-commit-config.yaml"
            | ".pre-commit-config.yml"
            | ".mcp.json"
            | "opencode.json"
            | "opencode.jsonc"
            | ".aider.conf.yml"
            | "agents.md"
            | "agents.override.md"
            | "agent.md"
            | "claude.md"
            | "claude.local.md"
            | "gemini.md"
            | "qwen.md"
            | "soul.md"
            | ".cursorrules"
            | ".windsurfrules"
            | "rust-toolchain"
            | "rust-toolchain.toml"
    ) || name.ends_with(".code-workspace")
        || is_lefthook()
}
