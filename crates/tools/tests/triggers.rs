//! Files by which text turns into the person's own commands later: what commands may do to them.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::{Fixture, Remember, until};
use serde_json::json;
use tidegate_protocol::text::one_line;

/// What the person's prompt does.
fn look(fixture: &Fixture, folder: &str) {
    let status = Command::new("git")
        .args(["-C", &fixture.workspace().join(folder).display().to_string(), "status"])
        .env("HOME", fixture.root.join("home"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output();
    status.expect("git is installed");
}

fn git(fixture: &Fixture, arguments: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(fixture.workspace())
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args(arguments)
        .env("HOME", fixture.root.join("home"))
        .output()
        .expect("git is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

const PLANT: &str = "printf '#!/bin/sh\\ntouch ran\\n' > evil; chmod +x evil; mkdir sub; git init -q sub
    git -C sub config core.fsmonitor \"$PWD/evil\"";

#[tokio::test]
async fn a_planted_setting_is_set_aside_and_the_model_is_reported() {
    let fixture = Fixture::new();
    let output = fixture.call("exec", json!({"command": PLANT})).await;
    assert!(output.text.contains("core.fsmonitor") && output.text.contains("set aside"), "{}", output.text);
    look(&fixture, "sub");
    assert!(!fixture.workspace().join("ran").exists() && !fixture.workspace().join("sub/ran").exists());
    let waiting = fixture.sandboxes.set_aside().list().expect("listed");
    assert_eq!(waiting.len(), 1, "a person can still look at it: {waiting:#?}");
    assert_eq!(
        (waiting[0].path.as_str(), waiting[0].commands[0].command.as_str()),
        ("sub/.git/config", &*one_line(PLANT, 400))
    );
    let shown = fixture.sandboxes.set_aside().show(&waiting[0].id).expect("shown");
    assert!(shown.content.is_some_and(|content| content.contains("fsmonitor")));
}

#[tokio::test]
async fn ordinary_repositories_are_left_alone() {
    let fixture = Fixture::new();
    let command = "git init -q new && cd new && echo a > a && git add a &&
        git -c user.name=a -c user.email=a@example.org commit -q -m first && git log --oneline | wc -l
        cd .. && git clone -q new copy && ls copy";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.starts_with("1\na\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn the_workspaces_repository_is_read_only_unless_it_is_granted() {
    let fixture = Fixture::new();
    git(&fixture, &["init", "-q"]);
    fixture.file("workspace/a", "a");
    fixture.file("home/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.org\n");
    let attack = "git config core.fsmonitor ./evil; mv .git away; rm -rf .git; echo ../x > .git/commondir;
        git add a && git commit -q -m first; git status --short";
    let output = fixture.call("exec", json!({"command": attack})).await;
    assert!(output.text.contains("?? a\n"), "{}", output.text);
    let config = fixture.text("workspace/.git/config").expect("it is still there");
    assert!(!config.contains("fsmonitor"), "{config}");

    let commit = "git add a && git commit -q -m first && git log --format='%an <%ae>'";
    let granted = json!({"command": commit, "needs": ["git"], "reason": "the work is done"});
    let output = fixture.call("exec", granted).await;
    assert!(output.text.starts_with("Ada <ada@example.org>\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_granted_repository_keeps_its_settings_and_is_not_redirected() {
    let fixture = Fixture::new();
    git(&fixture, &["init", "-q"]);
    fixture.file("workspace/evil/config", "[core]\n\tfsmonitor = touch ran\n");
    let attack = "git config core.fsmonitor 'touch ran'; echo x > .git/hooks/post-checkout; mv .git away
        echo ../evil > .git/commondir; echo done";
    let granted = json!({"command": attack, "needs": ["git"], "reason": "it attacks"});
    let output = fixture.call("exec", granted).await;
    assert!(output.text.contains("done\n"), "{}", output.text);
    look(&fixture, ".");
    assert!(!fixture.workspace().join("ran").exists(), "{}", output.text);
    assert!(!fixture.workspace().join(".git/commondir").exists(), "{}", output.text);
    assert!(!fixture.workspace().join(".git/hooks/post-checkout").exists(), "{}", output.text);
}

#[tokio::test]
async fn a_granted_repository_switches_branches_with_its_settings() {
    let fixture = Fixture::new();
    git(&fixture, &["init", "-q", "-b", "main"]);
    for (branch, content) in [("main", "of main"), ("side", "of side")] {
        fixture.file("workspace/.vscode/tasks.json", content);
        git(&fixture, &["add", "."]);
        git(&fixture, &["commit", "-q", "-m", branch]);
        git(&fixture, &["checkout", "-q", "-B", "side"]);
    }
    git(&fixture, &["checkout", "-q", "main"]);
    let made = std::time::Instant::now();
    until("none of it is a command's", || made.elapsed().as_millis() > 200).await;

    let granted = json!({"command": "git checkout -q side && git status --short", "needs": ["git"], "reason": "the work is there"});
    let output = fixture.call("exec", granted).await;

    assert!(
        output.text.contains("[.vscode/tasks.json is as its repository had it before"),
        "{}",
        output.text
    );
    assert!(!output.text.contains("set aside") && !output.text.contains("restored"), "{}", output.text);
    assert_eq!(fixture.text("workspace/.vscode/tasks.json").as_deref(), Some("of side"), "{}", output.text);
}

#[tokio::test]
async fn a_command_that_plants_again_is_ended() {
    let fixture = Fixture::new();
    let command = format!(
        "{PLANT}; i=0; while [ $i -lt 2000 ]; do rm -rf sub; mkdir sub; git init -q sub
         git -C sub config core.fsmonitor \"$PWD/evil\"; sleep 0.05; i=$((i + 1)); done; echo survived"
    );
    let output = fixture.call("exec", json!({"command": command, "timeoutSeconds": 100})).await;
    assert!(output.text.contains("the command was ended, because"), "{}", output.text);
    assert!(!output.text.contains("survived"), "{}", output.text);
}

#[tokio::test]
async fn file_tools_ask_before_they_write_a_trigger_file() {
    let fixture = Fixture::new();
    fixture.file("workspace/AGENTS.md", "mine");
    for path in [
        ".git/config",
        "sub/.git/hooks/post-checkout",
        ".GIT/config",
        ".envrc",
        "sub/.envrc",
        ".vscode/tasks.json",
        ".mcp.json",
        "AGENTS.md",
    ] {
        let refused = fixture.refused("write", json!({"path": path, "content": "evil"})).await;
        assert!(refused.contains("can run commands of the person"), "{path}: {refused}");
    }
    assert_eq!(fixture.text("workspace/AGENTS.md").as_deref(), Some("mine"));
    let left: Vec<_> = std::fs::read_dir(fixture.workspace()).expect("there").flatten().collect();
    assert_eq!(left.len(), 1, "nothing is made on the way: {left:?}");
    let ordinary = fixture.call("write", json!({"path": "src/main.rs", "content": "fn main() {}"})).await;
    assert!(!ordinary.is_error, "{}", ordinary.text);
}

#[tokio::test]
async fn an_allowed_trigger_file_is_written_as_it_was_shown() {
    let fixture = Fixture::new();
    let gate = Remember::default();
    let arguments = json!({"path": "sub/.envrc", "content": "export A=1"});
    let output = fixture.call_in(fixture.context(gate.clone()), "write", arguments).await;
    assert!(!output.is_error, "{}", output.text);
    assert_eq!(fixture.text("workspace/sub/.envrc").as_deref(), Some("export A=1"));
    let plan = gate.only_file();
    assert!(plan.trigger && !plan.exists);
    assert_eq!(plan.path, fixture.workspace().join("sub/.envrc"));
}

#[tokio::test]
async fn the_last_piece_of_a_repository_is_asked_about() {
    let fixture = Fixture::new();
    for path in ["bare/objects/x", "bare/refs/x"] {
        fixture.call("write", json!({"path": path, "content": "x"})).await;
    }
    let refused =
        fixture.refused("write", json!({"path": "bare/HEAD", "content": "ref: refs/heads/main"})).await;
    assert!(refused.contains("can run commands of the person"), "{refused}");
}

#[tokio::test]
async fn a_link_to_a_trigger_file_is_asked_about() {
    let fixture = Fixture::new();
    fixture.file("workspace/.git/config", "[core]");
    std::os::unix::fs::symlink(".git", fixture.workspace().join("plain")).expect("linked");
    let refused = fixture.refused("write", json!({"path": "plain/config", "content": "evil"})).await;
    assert!(refused.contains("can run commands of the person"), "{refused}");
    assert_eq!(fixture.text("workspace/.git/config").as_deref(), Some("[core]"));
}

#[tokio::test]
async fn what_an_abandoned_call_changed_is_restored() {
    let fixture = Fixture::new();
    fixture.file("workspace/AGENTS.md", "mine");
    let call = fixture.call("exec", json!({"command": "echo evil > AGENTS.md; touch ready; exec sleep 600"}));
    let ready = fixture.workspace().join("ready");
    tokio::select! {
        output = call => panic!("it ended by itself: {}", output.text),
        () = until("the command has changed it", || ready.exists()) => {}
    }
    until("it is restored", || fixture.text("workspace/AGENTS.md").as_deref() == Some("mine")).await;
}

#[tokio::test]
async fn a_granted_folder_is_watched_over_like_the_workspace() {
    let fixture = Fixture::new();
    let outside = fixture.root.join("other");
    std::fs::create_dir(&outside).expect("made");
    let git = |arguments: &[&str]| {
        let done =
            Command::new("git").arg("-C").arg(&outside).args(arguments).output().expect("git is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    let attack = format!(
        "cd {}; git config core.fsmonitor 'touch ran'; echo x > .git/hooks/post-checkout; echo x > .envrc; mkdir .vscode
         echo x > .vscode/tasks.json; git init -q sub; git -C sub config core.fsmonitor 'touch ran'; sleep 0.2
         echo a > a; git add a; git -c user.name=a -c user.email=a@example.org commit -q -m first && echo committed",
        outside.display()
    );
    let needs = json!([format!("write:{}", outside.display())]);
    let output =
        fixture.call("exec", json!({"command": attack, "needs": needs, "reason": "it attacks"})).await;

    assert!(output.text.contains("committed\n"), "{}", output.text);
    assert!(output.text.contains("sub/.git/config"), "{}", output.text);
    for planted in [".git/hooks/post-checkout", ".envrc", ".vscode/tasks.json"] {
        assert!(!outside.join(planted).exists(), "{planted} is left: {}", output.text);
    }
    for config in [".git/config", "sub/.git/config"] {
        let config = std::fs::read_to_string(outside.join(config)).expect("there");
        assert!(!config.contains("fsmonitor"), "{config}");
    }
}

#[tokio::test]
async fn a_file_is_not_kept_while_a_command_runs_in_its_workspace() {
    let fixture = Fixture::new();
    fixture.call("exec", json!({"command": "mkdir a; echo x > a/.envrc; sleep 0.1"})).await;
    let files = std::sync::Arc::clone(fixture.sandboxes.set_aside());
    let id = files.list().expect("listed")[0].id.clone();
    let digest = files.show(&id).expect("shown").digest;
    let running =
        fixture.call("exec", json!({"command": "touch started; while [ ! -e go-on ]; do sleep 0.05; done"}));
    let meanwhile = async {
        until("the command runs", || fixture.workspace().join("started").exists()).await;
        let refused = files.keep(&id, &digest).expect_err("a command runs");
        std::fs::write(fixture.workspace().join("go-on"), "").expect("written");
        refused.to_string()
    };

    let (ended, refused) = tokio::join!(running, meanwhile);

    assert!(!ended.is_error, "{}", ended.text);
    assert!(refused.contains("a command of an agent is running in"), "{refused}");
    assert!(!fixture.workspace().join("a/.envrc").exists());
    until("it is kept when the command has ended", || files.keep(&id, &digest).is_ok()).await;
    assert_eq!(fixture.text("workspace/a/.envrc").as_deref(), Some("x\n"));
}
