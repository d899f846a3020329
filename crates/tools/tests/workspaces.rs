//! Workspaces that are gone, lead elsewhere, cannot be written, or lie on other kinds of file systems: a
//! command in one is contained as anywhere, or does not run and says why.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use common::{AllowAll, Answer, Fixture, until};
use serde_json::json;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalQuestion};
use tidegate_agent::tool::{ToolContext, ToolOutput};
use tidegate_trust::{FileIdentity, Folder};

/// Does something when the person allows the command, before it starts.
fn allowing(then: impl Fn() + Send + Sync + 'static) -> impl tidegate_agent::approval::ApprovalGate {
    Answer(move |question: ApprovalQuestion| {
        then();
        ApprovalAnswer::Allowed { digest: question.plan.digest() }
    })
}

async fn run_in(fixture: &Fixture, workspace: &Path, command: &str) -> ToolOutput {
    let context = fixture.context_in(workspace, AllowAll);
    fixture.call_in(context, "exec", json!({ "command": command })).await
}

fn assert_not_run(output: &ToolOutput, words: &[&str]) {
    assert!(output.is_error && output.text.starts_with("exec did not run the command: "), "{}", output.text);
    for word in words {
        assert!(output.text.contains(word), "{word}: {}", output.text);
    }
}

#[tokio::test]
async fn in_a_workspace_that_vanished_nothing_runs() {
    let fixture = Fixture::new();
    fs::remove_dir(fixture.workspace()).expect("removed");
    let command = format!("touch {}/ran", fixture.root.join("outside").display());

    let output = fixture.call("exec", json!({ "command": command })).await;

    let path = fixture.workspace().display().to_string();
    assert_not_run(&output, &[&path, "it must be an existing directory"]);
    assert!(!fixture.root.join("outside/ran").exists() && !fixture.workspace().exists());
}

#[tokio::test]
async fn in_a_workspace_that_vanishes_after_the_question_nothing_runs() {
    let fixture = Fixture::new();
    let (workspace, moved) = (fixture.workspace(), fixture.root.join("moved"));
    let gate = allowing({
        let moved = moved.clone();
        move || fs::rename(&workspace, &moved).expect("moved")
    });

    let output = fixture.call_in(fixture.context(gate), "exec", json!({"command": "touch ran"})).await;

    assert_not_run(&output, &["workspace"]);
    assert!(!moved.join("ran").exists() && !fixture.workspace().exists());
}

#[tokio::test]
async fn under_the_name_of_a_chosen_folder_that_was_moved_nothing_is_done() {
    let fixture = Fixture::new();
    let (workspace, moved) = (fixture.workspace(), fixture.root.join("moved"));
    fs::write(workspace.join("note"), "of the chosen folder").expect("written");
    let status = fs::metadata(&workspace).expect("a folder");
    let identity = FileIdentity { device: status.dev(), inode: status.ino() };
    let chosen = Folder { path: workspace.clone(), identity };
    let in_chosen = || {
        let context = fixture.context(AllowAll);
        let authority = context.authority.clone().in_folder(chosen.clone());
        ToolContext { authority, ..context }
    };
    let calls = [
        ("exec", json!({ "command": "cat note; touch ran" })),
        ("read", json!({ "path": "note" })),
        ("write", json!({ "path": "made", "content": "x" })),
        ("ls", json!({})),
    ];
    let read = fixture.call_in(in_chosen(), "read", calls[1].1.clone()).await;
    assert!(read.text.contains("of the chosen folder"), "{}", read.text);

    fs::rename(&workspace, &moved).expect("moved");
    fs::create_dir(&workspace).expect("another one");
    fs::write(workspace.join("note"), "of another folder").expect("written");

    for (tool, arguments) in calls {
        let output = fixture.call_in(in_chosen(), tool, arguments).await;
        assert!(output.is_error && output.text.contains("another folder has its name"), "{}", output.text);
        assert!(!output.text.contains("of another folder"), "{}", output.text);
    }
    for made in ["ran", "made"] {
        assert!(!workspace.join(made).exists() && !moved.join(made).exists(), "{made}");
    }
}

#[tokio::test]
async fn a_folder_elsewhere_that_is_replaced_after_the_question_is_not_written() {
    let fixture = Fixture::new();
    let (elsewhere, moved) = (fixture.root.join("elsewhere"), fixture.root.join("moved"));
    fs::create_dir(&elsewhere).expect("made");
    let gate = allowing({
        let (elsewhere, moved) = (elsewhere.clone(), moved.clone());
        move || {
            fs::rename(&elsewhere, &moved).expect("moved");
            fs::create_dir(&elsewhere).expect("another one");
        }
    });
    let need = format!("write:{}", elsewhere.display());
    let command = format!("touch {}/ran", elsewhere.display());
    let arguments = json!({ "command": command, "needs": [need], "reason": "A test." });

    let output = fixture.call_in(fixture.context(gate), "exec", arguments).await;

    assert_not_run(&output, &["a folder outside the workspace changed after the command was shown"]);
    assert!(!elsewhere.join("ran").exists() && !moved.join("ran").exists());
}

#[tokio::test]
async fn a_command_ends_in_order_when_its_workspace_is_moved() {
    let fixture = Fixture::new();
    let (workspace, moved) = (fixture.workspace(), fixture.root.join("moved"));
    let command = "touch ready; until [ -e go-on ]; do sleep 0.01; done; echo x > .envrc; echo done";
    let running = fixture.call("exec", json!({ "command": command }));
    let person = async {
        until("the command runs", || workspace.join("ready").exists()).await;
        fs::rename(&workspace, &moved).expect("moved");
        fs::write(moved.join("go-on"), "").expect("written");
    };

    let (output, ()) = tokio::join!(running, person);

    assert!(output.text.starts_with("done\n"), "{}", output.text);
    assert!(!moved.join(".envrc").exists(), "what it planted went along: {}", output.text);
}

#[tokio::test]
async fn in_a_workspace_that_is_a_link_nothing_runs() {
    let fixture = Fixture::new();
    let link = fixture.root.join("link");
    symlink(fixture.root.join("outside"), &link).expect("linked");

    let output = run_in(&fixture, &link, "touch ran").await;

    assert_not_run(&output, &[&link.display().to_string(), "named without symbolic links"]);
    assert!(!fixture.root.join("outside/ran").exists());
}

#[tokio::test]
async fn a_granted_folder_that_vanishes_after_the_question_starts_nothing() {
    let fixture = Fixture::new();
    let granted = fixture.root.join("granted");
    fs::create_dir(&granted).expect("made");
    let gate = allowing({
        let granted = granted.clone();
        move || fs::remove_dir(&granted).expect("removed")
    });
    let needs = json!([format!("write:{}", granted.display())]);
    let arguments = json!({"command": "touch ran", "needs": needs, "reason": "it is made there"});

    let output = fixture.call_in(fixture.context(gate), "exec", arguments).await;

    assert_not_run(&output, &[&granted.display().to_string()]);
    assert!(!fixture.workspace().join("ran").exists());
}

/// Where programs keep shared memory: a sandbox has that place of its own, with more rights.
#[tokio::test]
async fn in_a_workspace_in_memory_a_command_is_contained() {
    let fixture = Fixture::new();
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let command = "mkfifo pipe 2> said || echo held; echo x > new; echo x > .envrc; echo own > /dev/shm/own";

    let output = run_in(&fixture, directory.path(), command).await;

    assert!(output.text.starts_with("held\n"), "{}", output.text);
    assert_eq!(fs::read_to_string(directory.path().join("new")).expect("written"), "x\n");
    assert!(!directory.path().join(".envrc").exists(), "{}", output.text);
}

/// Only root mounts file systems.
mod as_root {
    use std::process::Command;

    use super::*;

    /// A file system at the place of a workspace, until this is dropped.
    struct Mounted<'a>(&'a Path);

    impl<'a> Mounted<'a> {
        fn new(place: &'a Path, arguments: &[&str]) -> Self {
            mount(arguments, place);
            Self(place)
        }
    }

    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            // The folder is removed afterwards.
            let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
        }
    }

    fn mount(arguments: &[&str], place: &Path) {
        let done = Command::new("mount").args(arguments).arg(place).status().expect("mount is there");
        assert!(done.success(), "mount {arguments:?}");
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn in_a_read_only_workspace_a_command_runs_and_changes_nothing() {
        let fixture = Fixture::new();
        fixture.file("workspace/file", "mine");
        let workspace = fixture.workspace();
        let source = workspace.to_string_lossy().into_owned();
        let _mounted = Mounted::new(&workspace, &["--bind", &source]);
        mount(&["-o", "remount,bind,ro"], &workspace);

        let output = fixture.call("exec", json!({"command": "cat file; echo x > new"})).await;

        assert!(
            output.text.starts_with("mine") && output.text.contains("Read-only file system"),
            "{}",
            output.text
        );
        assert!(output.is_error && !workspace.join("new").exists());
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_command_is_ended_before_it_fills_the_disk() {
        let fixture = Fixture::new();
        let workspace = fixture.workspace();
        let _mounted = Mounted::new(&workspace, &["-t", "tmpfs", "-o", "size=64m", "tmpfs"]);
        let command = "dd if=/dev/zero of=big bs=1M count=62 2> said; exec sleep 600";

        let output = fixture.call("exec", json!({"command": command, "timeoutSeconds": 60})).await;

        assert!(output.text.contains("ended, because the disk was nearly full"), "{}", output.text);
        assert!(output.is_error, "{}", output.text);
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn on_a_full_disk_a_command_runs_and_reads_that_it_is_full() {
        let fixture = Fixture::new();
        let workspace = fixture.workspace();
        let _mounted = Mounted::new(&workspace, &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        // Until nothing more fits.
        let _ = fs::write(workspace.join("ballast"), vec![0; 2 << 20]);

        let output = fixture
            .call("exec", json!({"command": "cp /etc/passwd new; mkdir a && echo x > a/.envrc"}))
            .await;

        assert!(output.text.contains("No space left on device"), "{}", output.text);
        let planted = fs::read_to_string(workspace.join("a/.envrc")).unwrap_or_default();
        assert_eq!(planted, "", "{}", output.text);
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn in_an_overlaid_workspace_a_command_is_contained_and_watched() {
        let fixture = Fixture::new();
        for name in ["lower", "upper", "work"] {
            fs::create_dir(fixture.root.join(name)).expect("made");
        }
        fixture.file("lower/AGENTS.md", "mine");
        fixture.file("lower/below/file", "old\n");
        let workspace = fixture.workspace();
        let at = |name: &str| fixture.root.join(name).display().to_string();
        let layers = format!("lowerdir={},upperdir={},workdir={}", at("lower"), at("upper"), at("work"));
        let _mounted = Mounted::new(&workspace, &["-t", "overlay", "-o", &layers, "overlay"]);
        let command = "cat below/file; echo new > below/file; echo evil > AGENTS.md; echo x > below/.envrc
            mkfifo pipe 2> said || echo held";

        let output = fixture.call("exec", json!({ "command": command })).await;

        assert!(output.text.starts_with("old\nheld\n"), "{}", output.text);
        assert_eq!(fixture.text("workspace/below/file").as_deref(), Some("new\n"));
        assert_eq!(fixture.text("workspace/AGENTS.md").as_deref(), Some("mine"), "{}", output.text);
        assert!(!workspace.join("below/.envrc").exists(), "{}", output.text);
    }
}
