//! A workspace that is a worktree or a submodule: its repository lies elsewhere, and only its own counts.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Answer, Fixture, Remember};
use serde_json::json;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalQuestion};

/// What the person does with git, outside of any sandbox.
fn git(fixture: &Fixture, folder: &str, arguments: &[&str]) -> String {
    let done = Command::new("git")
        .arg("-C")
        .arg(fixture.root.join(folder))
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("HOME", fixture.root.join("home"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git is installed");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// `outside/main`, a repository with one commit.
fn main_repository(fixture: &Fixture) -> PathBuf {
    let path = fixture.root.join("outside/main");
    git(fixture, "outside", &["init", "-q", "-b", "main", "main"]);
    fixture.file("outside/main/a", "a\n");
    git(fixture, "outside/main", &["add", "a"]);
    git(fixture, "outside/main", &["commit", "-q", "-m", "first"]);
    fixture.file("home/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.org\n");
    std::fs::remove_dir(fixture.workspace()).expect("it is empty");
    path
}

/// A worktree of it as the workspace.
fn worktree(fixture: &Fixture) -> PathBuf {
    let main = main_repository(fixture);
    git(fixture, "outside/main", &["worktree", "add", "-q", "-b", "work", "../../workspace"]);
    main
}

/// A submodule of another repository as the workspace, which is moved there: `outside/above/workspace`.
fn submodule(fixture: &Fixture) -> PathBuf {
    main_repository(fixture);
    git(fixture, "outside", &["init", "-q", "-b", "main", "above"]);
    git(fixture, "outside/above", &["submodule", "add", "-q", "../main", "part"]);
    git(fixture, "outside/above", &["commit", "-q", "-m", "with a part"]);
    fixture.root.join("outside/above/part")
}

const COMMIT: &str =
    "echo b > b && git add b && git commit -q -m second && git branch other && git stash list &&
    echo c > b && git stash -q && git stash pop -q && git log --format='%an %s' | head -1";

async fn run(fixture: &Fixture, workspace: &Path, command: &str, needs: &[&str]) -> String {
    let mut arguments = json!({"command": command});
    if !needs.is_empty() {
        arguments["needs"] = json!(needs);
        arguments["reason"] = json!("the work is done");
    }
    let context = fixture.context_in(workspace, common::AllowCommands);
    fixture.call_in(context, "exec", arguments).await.text
}

#[tokio::test]
async fn a_worktree_is_read_unasked_and_committed_to_when_granted() {
    let fixture = Fixture::new();
    worktree(&fixture);
    let look =
        "git status --short --branch; git log --format=%s; git add a 2>&1 && git commit --allow-empty -qm x
        ls -A .git/.. ../outside/main ../outside/secret";
    let text = run(&fixture, &fixture.workspace(), look, &[]).await;
    assert!(text.starts_with("## work\nfirst\n"), "{text}");
    assert!(!text.contains("\na\nb\n") && text.contains("Read-only"), "{text}");
    let text = run(&fixture, &fixture.workspace(), COMMIT, &["git"]).await;
    assert!(text.contains("Ada second\n[exit code 0"), "{text}");
    assert_eq!(git(&fixture, "outside/main", &["log", "--format=%s", "other"]), "second\nfirst");
    assert_eq!(git(&fixture, "workspace", &["status", "--short"]), "M b");
}

#[tokio::test]
async fn a_submodule_is_read_unasked_and_committed_to_when_granted() {
    let fixture = Fixture::new();
    let part = submodule(&fixture);
    let text = run(&fixture, &part, "git status --short --branch; git log --format=%s", &[]).await;
    assert!(text.starts_with("## main...origin/main\nfirst\n"), "{text}");
    let text = run(&fixture, &part, COMMIT, &["git"]).await;
    assert!(text.contains("Ada second\n[exit code 0"), "{text}");
    assert_eq!(git(&fixture, "outside/above/part", &["log", "--format=%s"]), "second\nfirst");
}

#[tokio::test]
async fn a_worktree_of_a_bare_repository_is_committed_to() {
    let fixture = Fixture::new();
    main_repository(&fixture);
    git(&fixture, "outside", &["clone", "-q", "--bare", "main", "bare.git"]);
    git(&fixture, "outside/bare.git", &["worktree", "add", "-q", "-b", "work", "../../workspace"]);
    let text = run(&fixture, &fixture.workspace(), COMMIT, &["git"]).await;
    assert!(text.contains("Ada second\n[exit code 0"), "{text}");
}

#[tokio::test]
async fn the_question_about_git_names_a_repository_elsewhere() {
    let (worktrees, submodules, inside) = (Fixture::new(), Fixture::new(), Fixture::new());
    let main = worktree(&worktrees).join(".git");
    let part = submodule(&submodules);
    git(&inside, "workspace", &["init", "-q"]);
    for (fixture, workspace, repository) in [
        (&worktrees, worktrees.workspace(), Some(main)),
        (&submodules, part, Some(submodules.root.join("outside/above/.git/modules/part"))),
        (&inside, inside.workspace(), None),
    ] {
        let gate = Remember::default();
        let context = fixture.context_in(&workspace, gate.clone());
        let arguments = json!({"command": "true", "needs": ["git"], "reason": "the work is done"});
        let output = fixture.call_in(context, "exec", arguments).await;
        assert!(!output.is_error, "{}", output.text);

        let confinement = gate.only_command().confinement;

        let repository = repository.map(|folder| folder.display().to_string());
        assert_eq!(confinement.repository, repository);
        let said = confinement.sentences().join("\n");
        let names = |folder: &String| said.contains(&format!("which lies in {folder}:"));
        assert_eq!(repository.as_ref().is_some_and(names), repository.is_some(), "{said}");
    }
}

/// Another worktree's repository cannot take the place of the one that the person saw.
#[tokio::test]
async fn a_repository_that_changes_after_it_was_shown_is_asked_about_again() {
    let fixture = Fixture::new();
    worktree(&fixture);
    git(&fixture, "outside", &["clone", "-q", "main", "other"]);
    let root = fixture.root.clone();
    let gate = Answer(move |question: ApprovalQuestion| {
        std::fs::rename(root.join("workspace"), root.join("before")).expect("renamed");
        let added = Command::new("git")
            .arg("-C")
            .arg(root.join("outside/other"))
            .args(["worktree", "add", "-q", "-b", "second"])
            .arg(root.join("elsewhere"))
            .env("HOME", root.join("home"))
            .status();
        assert!(added.expect("git is installed").success());
        let own = root.join("outside/other/.git/worktrees/elsewhere");
        let entry = root.join("before/.git");
        std::fs::write(&entry, format!("gitdir: {}\n", own.display())).expect("written");
        std::fs::write(own.join("gitdir"), format!("{}\n", root.join("workspace/.git").display()))
            .expect("written");
        std::fs::rename(root.join("before"), root.join("workspace")).expect("renamed");
        ApprovalAnswer::Allowed { digest: question.plan.digest() }
    });
    let context = fixture.context_in(&fixture.workspace(), gate);
    let arguments = json!({"command": "git commit --allow-empty -qm evil", "needs": ["git"], "reason": "x"});

    let output = fixture.call_in(context, "exec", arguments).await;

    assert!(output.is_error && output.text.contains("the plan changed after"), "{}", output.text);
}

/// Every way by which a repository runs something, or leads git elsewhere.
const PLANT: &str = "common=$(git rev-parse --path-format=absolute --git-common-dir)
    own=$(git rev-parse --absolute-git-dir)
    printf '#!/bin/sh\\ntouch \"$OLDPWD/ran\" \"$PWD/ran\"\\n' > evil; chmod +x evil
    for folder in $(printf '%s\\n' \"$common\" \"$own\" | sort -u); do
        git config --file \"$folder/config\" core.fsmonitor \"$PWD/evil\"
        git config --file \"$folder/config.worktree\" core.fsmonitor \"$PWD/evil\"
        cp evil \"$folder/hooks/post-checkout\"; mkdir \"$folder/hooks2\"; mv \"$folder/hooks\" \"$folder/away\"
        echo '* filter=evil' > \"$folder/info/attributes\"
        echo \"$PWD/evil-objects\" > \"$folder/objects/info/alternates\"
        rm -f \"$folder/commondir\" \"$folder/gitdir\"; echo \"$PWD/evil-repository\" > \"$folder/commondir\"
        ln -s \"$PWD/link\" \"$folder/logs/refs/heads/evil\"; ln -s \"$PWD/link\" \"$folder/refs/heads/evil\"
        mkdir -p \"$folder/worktrees/new\" \"$folder/modules/new\"
    done
    mkdir evil-repository; git config --file evil-repository/config core.fsmonitor \"$PWD/evil\"
    rm -rf .git; mv .git away; echo 'gitdir: evil-repository' > .git; echo tried";

/// What git obeys in a folder, and every symbolic link, as they are.
fn obeyed(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    const NAMES: &[&str] =
        &["config", "config.worktree", "commondir", "gitdir", "attributes", "alternates", "post-checkout"];
    let entries =
        walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.expect("readable"));
    let counts = |entry: &walkdir::DirEntry| {
        entry.path_is_symlink() || NAMES.iter().any(|name| entry.file_name() == *name)
    };
    let read =
        entries.filter(counts).map(|entry| (entry.path().to_owned(), std::fs::read(entry.path()).ok()));
    // The plain part of settings that were set aside is left, and there is none.
    read.filter(|(_, content)| content.as_ref().is_none_or(|content| !content.is_empty())).collect()
}

/// What the person's prompt, editor and checkout do afterwards.
fn look_and_work(fixture: &Fixture, folders: &[&str]) {
    for folder in folders {
        git(fixture, folder, &["status"]);
        git(fixture, folder, &["checkout", "-q", "-f", "HEAD"]);
    }
    for folder in folders {
        assert!(!fixture.root.join(folder).join("ran").exists(), "{folder}");
    }
}

#[tokio::test]
async fn a_granted_worktree_plants_nothing_in_its_repository() {
    let fixture = Fixture::new();
    let main = worktree(&fixture);
    git(&fixture, "outside/main", &["worktree", "add", "-q", "-b", "third", "../third"]);
    git(&fixture, "outside/main", &["config", "extensions.worktreeConfig", "true"]);
    let before = obeyed(&main);
    let text = run(&fixture, &fixture.workspace(), PLANT, &["git"]).await;
    assert!(text.contains("set aside]"), "{text}");
    assert_eq!(obeyed(&main), before, "{text}");
    look_and_work(&fixture, &["workspace", "outside/main", "outside/third"]);
}

#[tokio::test]
async fn a_granted_submodule_keeps_its_settings_and_is_not_redirected() {
    let fixture = Fixture::new();
    let part = submodule(&fixture);
    let above = fixture.root.join("outside/above/.git");
    let before = obeyed(&above);
    let text = run(&fixture, &part, PLANT, &["git"]).await;
    assert!(text.contains("set aside]"), "{text}");
    assert_eq!(obeyed(&above), before, "{text}");
    look_and_work(&fixture, &["outside/above/part", "outside/above"]);
}

#[tokio::test]
async fn a_file_that_leads_to_the_repository_of_another_grants_nothing() {
    let fixture = Fixture::new();
    let main = worktree(&fixture);
    git(&fixture, "outside/main", &["worktree", "add", "-q", "-b", "third", "../third"]);
    fixture.file("outside/forged/worktrees/x/commondir", "../../../main/.git\n");
    let forged = fixture.file("outside/forged/worktrees/x/gitdir", "");
    std::fs::write(forged, fixture.workspace().join(".git").as_os_str().as_encoded_bytes()).expect("written");
    fixture.file("outside/forged/worktrees/x/HEAD", "ref: refs/heads/main\n");
    fixture.file("outside/forged/modules/y/config", "[core]\n\tworktree = ../../../third\n");
    std::fs::create_dir(fixture.root.join("outside/forged/modules/y/objects")).expect("made");
    for (target, sign) in [
        (main.join(".git").display().to_string(), "does not say that it belongs to this folder"),
        (main.join(".git/worktrees/third").display().to_string(), "does not say"),
        (fixture.root.join("outside/forged/worktrees/x").display().to_string(), "does not say"),
        (fixture.root.join("outside/forged/modules/y").display().to_string(), "does not say"),
        ("../outside/../outside/main/.git/worktrees/third".to_owned(), "does not say"),
        (fixture.root.join("home").display().to_string(), "does not say"),
        ("../nowhere".to_owned(), "where no folder is"),
    ] {
        fixture.file("workspace/.git", &format!("gitdir: {target}\n"));
        let refused =
            fixture.refused("exec", json!({"command": "true", "needs": ["git"], "reason": "because"})).await;
        assert!(refused.contains("git cannot be granted") && refused.contains(sign), "{target}: {refused}");
        // Nor is it read.
        let look = format!("ls -A {target} {}", main.display());
        let text = run(&fixture, &fixture.workspace(), &look, &[]).await;
        assert!(!text.contains("HEAD") && !text.contains("config"), "{target}: {text}");
    }
    for content in ["gitdir:x\n", "gitdir: a\nb\n", "", "x"] {
        fixture.file("workspace/.git", content);
        let refused =
            fixture.refused("exec", json!({"command": "true", "needs": ["git"], "reason": "because"})).await;
        assert!(refused.contains("not as git writes it"), "{content:?}: {refused}");
    }
    std::fs::remove_file(fixture.workspace().join(".git")).expect("there");
    std::os::unix::fs::symlink(main.join(".git"), fixture.workspace().join(".git")).expect("linked");
    let refused =
        fixture.refused("exec", json!({"command": "true", "needs": ["git"], "reason": "because"})).await;
    assert!(refused.contains("is a link"), "{refused}");
}

#[tokio::test]
async fn a_repository_among_protected_files_is_not_given() {
    let fixture = Fixture::new();
    main_repository(&fixture);
    std::fs::rename(fixture.root.join("outside/main"), fixture.root.join("state/main")).expect("moved");
    git(&fixture, "state/main", &["worktree", "add", "-q", "-b", "work", "../../workspace"]);
    let refused =
        fixture.refused("exec", json!({"command": "true", "needs": ["git"], "reason": "because"})).await;
    assert!(refused.contains("files that no tool touches"), "{refused}");
    let text = run(&fixture, &fixture.workspace(), "git status", &[]).await;
    assert!(text.contains("not a git repository"), "{text}");
}

#[tokio::test]
async fn a_socket_in_the_repository_elsewhere_is_in_reach_too() {
    let fixture = Fixture::new();
    let main = worktree(&fixture);
    // Where git's own daemon listens.
    let socket =
        std::os::unix::net::UnixListener::bind(main.join(".git/fsmonitor--daemon.ipc")).expect("bound");
    let refused =
        fixture.refused("exec", json!({"command": "true", "needs": ["sockets"], "reason": "because"})).await;
    assert!(refused.contains("fsmonitor--daemon.ipc"), "{refused}");
    drop(socket);
}
