//! Whatever path a model writes, nothing outside the workspace is read or changed that a person was not
//! shown.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{Answer, Fixture, SECRET};
use proptest::prelude::*;
use serde_json::json;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion};

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
    fn no_path_touches_anything_outside_the_workspace_that_nobody_allowed(paths in proptest::collection::vec(path(), 1..12)) {
        let fixture = hostile_workspace();
        let before = outside(&fixture);
        let root = fixture.root.display().to_string();
        let runtime = runtime();
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
    #[test]
    fn what_is_allowed_outside_touches_only_the_file_that_was_shown(
        paths in proptest::collection::vec(path(), 1..12),
        tool in 0_usize..3,
    ) {
        let fixture = hostile_workspace();
        let root = fixture.root.display().to_string();
        let runtime = runtime();
        for path in paths {
            let before = outside(&fixture);
            let path = path.replace("ROOT", &root);
            let (name, arguments) = [
                ("read", json!({"path": path})),
                ("edit", json!({"path": path, "oldText": "a secret", "newText": "evil"})),
                ("write", json!({"path": path, "content": "evil"})),
            ][tool].clone();
            let shown: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
            let gate = allowing_below(&fixture.root, &shown);
            let output = runtime.block_on(fixture.call_in(fixture.context(gate), name, arguments));

            let shown = shown.lock().expect("unpoisoned").clone();
            let mut after = outside(&fixture);
            prop_assert!(shown.len() <= 1, "one call, one question");
            if let Some(path) = shown.first() {
                prop_assert!(!path.starts_with(fixture.workspace()) && !path.starts_with(fixture.root.join("state")));
                prop_assert!(!output.text.contains(SECRET) || *path == fixture.root.join("outside/secret"));
                match before.get(path) {
                    Some(content) => after.insert(path.clone(), content.clone()),
                    None => after.remove(path),
                };
            } else {
                prop_assert!(!output.text.contains(SECRET), "{:?}: {}", path, output.text);
            }
            prop_assert_eq!(after, before, "{:?} shown as {:?}", path, shown);
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Notes what is shown, and allows it unless it belongs to the computer that the test runs on.
fn allowing_below(root: &Path, shown: &Arc<Mutex<Vec<PathBuf>>>) -> impl ApprovalGate + 'static {
    let (root, shown) = (root.to_owned(), Arc::clone(shown));
    Answer(move |question: ApprovalQuestion| {
        let ApprovalPlan::File(plan) = &question.plan else { panic!("{question:?}") };
        shown.lock().expect("unpoisoned").push(plan.path.clone());
        match plan.path.starts_with(&root) {
            true => ApprovalAnswer::Allowed { digest: question.plan.digest() },
            false => ApprovalAnswer::Denied { reason: "not the test's".to_owned() },
        }
    })
}
