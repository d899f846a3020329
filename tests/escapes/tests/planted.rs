//! A confined command plants a program that runs when the person looks at a folder with git. Each plant
//! works where nothing confines it.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../../../crates/tools/tests/common/mod.rs"]
mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use common::Fixture;
use serde_json::json;

/// What the program leaves that is to run.
const EVIDENCE: &str = "workspace/ran";
/// Repositories of the person, and none.
const NOTHING: &str = "true";
const BESIDE: &str = "git init -q sub; cd sub; git commit -q --allow-empty -m first";
const WITH_SUBMODULE: &str = "git init -q origin; git -C origin commit -q --allow-empty -m first
    git init -q .; git -c protocol.file.allow=always submodule --quiet add ./origin lib; git commit -q -m first";

/// What the person does, with settings of their own.
fn person(fixture: &Fixture, script: &str) {
    let done = Command::new("sh")
        .args(["-ec", script])
        .current_dir(fixture.workspace())
        .env("HOME", fixture.root.join("home"))
        .env("EVIL", fixture.workspace().join("evil"))
        .output()
        .expect("sh");
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
}

fn prepared(prepare: &str) -> Fixture {
    let fixture = Fixture::new();
    fixture.file("home/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.org\n");
    let program = fixture.file("workspace/evil", "#!/bin/sh\necho ran >> \"$(dirname \"$0\")/ran\"\n");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("changed");
    person(&fixture, prepare);
    fixture
}

/// The person looks at `folder`, as a prompt does. Whether the program ran.
fn runs_at(fixture: &Fixture, folder: &str) -> bool {
    // It may be no repository any more.
    person(fixture, &format!("git -C {folder} status || true"));
    fixture.text(EVIDENCE).is_some()
}

async fn is_stopped(prepare: &str, attack: &str, folder: &str) {
    let alone = prepared(prepare);
    person(&alone, attack);
    assert!(runs_at(&alone, folder), "the plant proves nothing: {attack}");

    let fixture = prepared(prepare);
    // Much of it is undone before it is whole, and the command may be ended.
    let output = fixture.call("exec", json!({"command": format!("EVIL=$PWD/evil\n{attack}")})).await;

    assert!(output.text.contains("set aside") || output.text.contains("restored"), "{}", output.text);
    assert!(!runs_at(&fixture, folder), "{}", output.text);
}

#[tokio::test]
async fn a_setting_of_a_nested_repository_runs_nothing() {
    is_stopped(BESIDE, "git -C sub config core.fsmonitor \"$EVIL\"", "sub").await;
}

#[tokio::test]
async fn a_repository_below_a_renamed_folder_runs_nothing() {
    let attack =
        "mv sub sub.away; mkdir sub; cp -a sub.away/. sub/; git -C sub config core.fsmonitor \"$EVIL\"";
    is_stopped(BESIDE, attack, "sub").await;
}

#[tokio::test]
async fn a_commondir_file_runs_nothing() {
    let attack = "cp -r sub/.git common; git -C common config core.bare false
        git -C common config core.fsmonitor \"$EVIL\"; echo ../../common > sub/.git/commondir";
    is_stopped(BESIDE, attack, "sub").await;
}

/// The repository of the workspace is a mount of its own, and the submodule's file is none.
#[tokio::test]
async fn a_gitfile_of_a_submodule_runs_nothing() {
    let attack = "cp -r .git/modules/lib mylib; git config -f mylib/config core.worktree ../lib
        git config -f mylib/config core.fsmonitor \"$EVIL\"; echo 'gitdir: ../mylib' > lib/.git";
    is_stopped(WITH_SUBMODULE, attack, ".").await;
}

#[tokio::test]
async fn a_new_gitfile_runs_nothing() {
    let attack = "mkdir new; git -C new init -q --separate-git-dir ../hidden
        git config -f hidden/config core.fsmonitor \"$EVIL\"";
    is_stopped(NOTHING, attack, "new").await;
}

#[tokio::test]
async fn a_folder_in_the_shape_of_a_repository_runs_nothing() {
    let attack = "git init -q --bare shape; git config -f shape/config core.bare false
        git config -f shape/config core.worktree .; git config -f shape/config core.fsmonitor \"$EVIL\"";
    is_stopped(NOTHING, attack, "shape").await;
}

#[tokio::test]
async fn a_hook_runs_nothing() {
    // Looking at a changed file refreshes the index.
    let attack = "git init -q new; touch new/file; git -C new add file; touch -d '1 hour ago' new/file
        sed 's|$(dirname \"$0\")|'$PWD'|' evil > hook; chmod +x hook
        cp hook new/.git/hooks/post-index-change";
    is_stopped(NOTHING, attack, "new").await;
}

#[tokio::test]
async fn the_workspaces_own_repository_cannot_be_planted_in() {
    let fixture = prepared("git init -q .");
    let attack = "git config core.fsmonitor \"$PWD/evil\"; mv .git away; rm -rf .git; cp evil .git/hooks/post-index-change
        echo ../common > .git/commondir; mkdir .git/x; echo planted";
    let output = fixture.call("exec", json!({"command": attack})).await;
    assert!(output.text.contains("planted\n"), "{}", output.text);
    assert!(!runs_at(&fixture, "."), "{}", output.text);
    let left = ["commondir", "hooks/post-index-change", "x"];
    let left = left.into_iter().filter(|name| fixture.workspace().join(".git").join(name).exists());
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}
