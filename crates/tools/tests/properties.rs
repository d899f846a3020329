//! Whatever path a model writes, nothing outside the workspace is read or changed.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{Fixture, SECRET};
use proptest::prelude::*;
use serde_json::json;

/// Everything outside the workspace: names, kinds and contents.
fn outside(fixture: &Fixture) -> BTreeMap<PathBuf, Option<String>> {
    fn add(directory: &Path, except: &Path, all: &mut BTreeMap<PathBuf, Option<String>>) {
        for entry in std::fs::read_dir(directory).expect("listed").flatten() {
            let path = entry.path();
            if path == except {
                continue;
            }
            all.insert(path.clone(), std::fs::read_to_string(&path).ok());
            if entry.file_type().expect("known").is_dir() {
                add(&path, except, all);
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&fixture.root, &fixture.workspace(), &mut all);
    all
}

fn hostile_workspace() -> Fixture {
    let fixture = Fixture::new();
    fixture.file("workspace/file", "inside");
    fixture.file("workspace/dir/file", "inside");
    let workspace = fixture.workspace();
    symlink("..", workspace.join("up")).expect("linked");
    symlink("../outside", workspace.join("dir/out")).expect("linked");
    symlink("../outside", workspace.join("out")).expect("linked");
    symlink("../outside/secret", workspace.join("dir/secret")).expect("linked");
    symlink("../outside/new", workspace.join("new")).expect("linked");
    symlink(&fixture.root, workspace.join("root")).expect("linked");
    symlink("/proc/self/cwd", workspace.join("cwd")).expect("linked");
    symlink("loop", workspace.join("loop")).expect("linked");
    fixture
}

/// Texts that are paths in the way of an attacker, with the root's path for `ROOT`.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => proptest::sample::select(vec![
            "..", ".", "", "file", "dir", "up", "out", "new", "root", "cwd", "loop", "secret", "outside",
            "workspace", "state", "ROOT", "ROOT/outside/secret", "proc/self/root", "...", "~", "store.sqlite",
        ]).prop_map(str::to_owned),
        1 => "[a-z.\u{202e}\u{2215}\u{ff0f}\\\\ ]{0,6}",
        1 => any::<String>(),
    ];
    let start =
        proptest::sample::select(vec!["", "", "", "/", "ROOT/", "ROOT/workspace/", "/proc/self/root/ROOT/"]);
    (start, proptest::collection::vec(part, 0..6))
        .prop_map(|(start, parts)| format!("{start}{}", parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_path_touches_anything_outside_the_workspace(paths in proptest::collection::vec(path(), 1..12)) {
        let fixture = hostile_workspace();
        let before = outside(&fixture);
        let root = fixture.root.display().to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for path in paths {
            let path = path.replace("ROOT", &root);
            let outputs = runtime.block_on(async {
                [
                    fixture.call("read", json!({"path": path})).await,
                    fixture.call("edit", json!({"path": path, "oldText": "secret", "newText": "x"})).await,
                    fixture.call("write", json!({"path": path, "content": "evil"})).await,
                ]
            });
            for output in outputs {
                prop_assert!(!output.text.contains(SECRET), "{:?}: {}", path, output.text);
            }
        }
        prop_assert_eq!(outside(&fixture), before);
    }
}
