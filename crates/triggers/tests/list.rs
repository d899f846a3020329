//! Which names are trigger files.
#![allow(clippy::expect_used)]

use std::path::Path;

use proptest::prelude::*;
use tidegate_triggers::list::Shape;
use tidegate_triggers::name::fold;
use tidegate_triggers::{Class, Trigger, kind_of};

fn kind(path: &str) -> Option<Trigger> {
    kind_of(Path::new(path).iter(), path.ends_with('/'), true)
}

#[test]
fn every_file_of_the_list_is_a_trigger_at_any_depth() {
    let looking = [
        ".git/",
        ".git",
        ".git/config",
        ".git/hooks/pre-commit",
        ".git/info/attributes",
        ".git/modules/a/config",
        ".git/worktrees/a/gitdir",
        ".git/objects/info/alternates",
        ".git/commondir",
        ".envrc",
        ".envrc.local",
        ".env",
        "mise.toml",
        "mise.local.toml",
        ".mise.toml",
        ".mise/config.toml",
        ".config/mise/config.toml",
        "mise/config.toml",
        ".config/mise/conf.d/a.toml",
        "mise/conf.d/a.toml",
        ".tool-versions",
        ".autoenv.zsh",
        ".lvimrc",
        ".exrc",
        ".vimrc",
        "_vimrc",
        ".gvimrc",
        ".lazy.lua",
        ".hg/hgrc",
        ".hg/sharedpath",
        ".jj/repo/config.toml",
        ".nvim.lua",
        ".dir-locals.el",
    ];
    let opening = [
        ".vscode/",
        ".vscode/tasks.json",
        "a.code-workspace",
        ".idea/workspace.xml",
        ".fleet/run.json",
        ".zed/tasks.json",
        ".helix/config.toml",
        ".devcontainer/devcontainer.json",
        ".husky/pre-commit",
        ".githooks/x",
        "lefthook.yml",
        "lefthook-local.yaml",
        ".pre-commit-config.yaml",
        ".mcp.json",
        ".claude/settings.json",
        ".cursor/mcp.json",
        ".codex/config.toml",
        ".gemini/settings.json",
        ".agents/x",
        ".opencode/plugin/a.ts",
        "opencode.json",
        ".kiro/settings/mcp.json",
        ".aider.conf.yml",
        "AGENTS.md",
        "CLAUDE.md",
        "GEMINI.md",
        ".cargo/config",
        ".cargo/config.toml",
        "rust-toolchain",
        "rust-toolchain.toml",
        ".github/hooks/a.json",
        ".github/copilot-instructions.md",
        "pyvenv.cfg",
        ".venv/bin/python3",
        "venv/bin/python",
    ];
    for (names, class) in [(&looking[..], Class::Looking), (&opening[..], Class::Opening)] {
        for name in names {
            for before in ["", "a/", "a/.b/"] {
                let path = format!("{before}{name}");
                assert_eq!(kind(&path).map(Trigger::class), Some(class), "{path}");
                let loud: String = path.to_uppercase();
                assert_eq!(kind(&loud).map(Trigger::class), Some(class), "{loud}");
            }
        }
    }
}

#[test]
fn ordinary_files_are_no_triggers() {
    for path in [
        "Makefile",
        "package.json",
        "build.rs",
        ".gitattributes",
        ".gitignore",
        ".gitmodules",
        "src/main.rs",
        ".env/",
        ".github/workflows/ci.yml",
        ".cargo/bin/x",
        ".hg/store/data/a.i",
        ".jj/repo/store/type",
        "vimrc",
        "config",
        "hooks/pre-commit",
        "HEAD",
        "a.git/x",
        ".config/other.toml",
        ".vscodex",
        "README.md",
        "bin/python3",
        "",
    ] {
        assert_eq!(kind(path), None, "{path}");
    }
}

#[test]
fn files_of_others_obey_nobody_but_repositories_count_there() {
    for folder in ["node_modules", "vendor", "target", "lib/site-packages"] {
        assert_eq!(kind(&format!("{folder}/x/.vscode/tasks.json")), None);
        assert_eq!(kind(&format!("{folder}/AGENTS.md")), None);
        assert_eq!(kind(&format!("{folder}/x/.git/config")), Some(Trigger::RepositoryFile));
        assert_eq!(kind(&format!("{folder}/.envrc")), Some(Trigger::Local));
    }
}

#[test]
fn only_tops_are_opened_unless_every_folder_counts() {
    let top_only = |path: &str| kind_of(Path::new(path).iter(), false, false);

    assert_eq!(top_only("AGENTS.md"), Some(Trigger::Opening));
    assert_eq!(top_only("a/AGENTS.md"), None);
    assert_eq!(top_only("a/.envrc"), Some(Trigger::Local));
}

#[test]
fn a_folder_has_the_shape_of_a_repository_when_git_says_so() {
    let shape = |names: &[&str]| {
        let mut shape = Shape::default();
        names.iter().for_each(|name| shape.note(&fold(name)));
        shape.is_repository()
    };

    assert!(shape(&["HEAD", "objects", "refs"]) && shape(&["head", "Objects", "REFS", "x"]));
    assert!(shape(&["HEAD", "commondir"]));
    assert!(!shape(&["HEAD", "objects"]) && !shape(&["objects", "refs", "config"]));
}

proptest! {
    #[test]
    fn everything_below_a_repository_counts(above in "[a-z/.]{0,12}", below in "[a-z/.]{1,12}") {
        let path = format!("{above}/.git/{below}");
        let path = Path::new(path.trim_start_matches('/'));
        let is_named = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        prop_assume!(is_named);
        prop_assert_eq!(kind_of(path.iter(), false, true).map(Trigger::class), Some(Class::Looking));
    }
}
