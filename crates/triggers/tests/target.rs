//! What a path would be for a tool that is about to write it.
#![cfg(unix)]
#![allow(clippy::expect_used)]

use std::fs::{self, File};
use std::path::Path;

use tidegate_triggers::{Trigger, trigger_at};

fn at(workspace: &Path, path: &str) -> Option<Trigger> {
    trigger_at(File::open(workspace).expect("opened"), Path::new(path)).expect("looked at")
}

#[test]
fn the_last_piece_of_a_repositorys_shape_counts() {
    let workspace = tempfile::tempdir().expect("made");
    let folder = workspace.path().join("a/b");
    fs::create_dir_all(folder.join("refs/heads")).expect("made");
    assert_eq!(at(workspace.path(), "a/b/HEAD"), None);
    fs::write(folder.join("HEAD"), "ref: refs/heads/main\n").expect("written");

    assert_eq!(at(workspace.path(), "a/b/objects/info/x"), Some(Trigger::RepositoryFile));
    assert_eq!(at(workspace.path(), "a/b/commondir"), Some(Trigger::RepositoryFile));
    assert_eq!(at(workspace.path(), "a/b/config"), None, "it is no repository yet");
    assert_eq!(at(workspace.path(), "a/new/file"), None);
}

#[test]
fn every_file_in_a_folder_with_a_repositorys_shape_counts() {
    let workspace = tempfile::tempdir().expect("made");
    for name in ["objects", "refs", "src"] {
        fs::create_dir(workspace.path().join(name)).expect("made");
    }
    fs::write(workspace.path().join("HEAD"), "x").expect("written");

    assert_eq!(at(workspace.path(), "config"), Some(Trigger::RepositoryFile));
    assert_eq!(at(workspace.path(), "src/main.rs"), Some(Trigger::RepositoryFile));
}

#[test]
fn names_count_whether_the_folders_are_there_or_not() {
    let workspace = tempfile::tempdir().expect("made");

    assert_eq!(at(workspace.path(), "new/.git/config"), Some(Trigger::RepositoryFile));
    assert_eq!(at(workspace.path(), "new/.vscode/tasks.json"), Some(Trigger::Opening));
    assert!(trigger_at(File::open(workspace.path()).expect("opened"), Path::new("../x")).is_err());
}
