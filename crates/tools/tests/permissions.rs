//! Commands and files by what a person allowed before: real folders, real sandboxes, and those who try to get more.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{AllowAll, Answer, Fixture, host_process_in, is_alive, until};
use futures_util::future::BoxFuture;
use serde_json::json;
use tidegate_agent::approval::{
    ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion, UsedPermission,
};
use tidegate_agent::tool::{ToolContext, ToolOutput};
use tidegate_protocol::UnixMillis;
use tidegate_protocol::payload::permissions::PermissionName;
use tidegate_trust::approval::{ApprovalRequest, Operation};
use tidegate_trust::permissions::{Permission, PermissionKind};
use tidegate_trust::{Authority, Folder, Timestamp, TrustRecords};
use tokio_util::sync::CancellationToken;

/// What is done between an answer and what follows it.
type Then = Box<dyn Fn() + Send + Sync>;

/// Answers by what a person allowed before, and refuses the rest with why they would be asked.
#[derive(Clone, Default)]
struct Permitting(Arc<Inner>);

#[derive(Default)]
struct Inner {
    permissions: Mutex<Vec<Permission>>,
    questions: Mutex<Vec<ApprovalQuestion>>,
    revoked: CancellationToken,
    then: Option<Then>,
}

impl Permitting {
    /// Contained commands in a folder as it is now.
    fn commands_in(folder: Folder) -> Self {
        let permitting = Self::default();
        permitting.allow(folder);
        permitting
    }

    fn and_then(self, then: impl Fn() + Send + Sync + 'static) -> Self {
        let permissions = self.0.permissions.lock().expect("unpoisoned").clone();
        Self(Arc::new(Inner {
            permissions: permissions.into(),
            then: Some(Box::new(then)),
            ..Inner::default()
        }))
    }

    fn allow(&self, folder: Folder) {
        self.0.permissions.lock().expect("unpoisoned").push(Permission {
            id: "1".to_owned(),
            folder,
            kind: PermissionKind::Contained,
            granted_at: UnixMillis(1),
            last_used_at: None,
        });
    }

    fn answer(&self, question: &ApprovalQuestion) -> ApprovalAnswer {
        self.0.questions.lock().expect("unpoisoned").push(question.clone());
        let permissions = self.0.permissions.lock().expect("unpoisoned").clone();
        let (mut authority, _) = Authority::new(TrustRecords { permissions, ..TrustRecords::default() });
        let now = Timestamp { wall: UnixMillis(2), monotonic: Duration::ZERO };
        match authority.permitted(&request(question), now) {
            Err(why) => {
                ApprovalAnswer::Denied { reason: why.map_or("asked".to_owned(), |why| why.to_string()) }
            }
            Ok(_) => ApprovalAnswer::Permitted {
                digest: question.plan.digest(),
                permission: UsedPermission {
                    kind: PermissionName::Contained,
                    revoked: self.0.revoked.clone(),
                    held: Arc::new(()),
                },
            },
        }
    }
}

impl ApprovalGate for Permitting {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        let answer = self.answer(&question);
        if let Some(then) = &self.0.then {
            then();
        }
        Box::pin(async move { answer })
    }
}

fn request(question: &ApprovalQuestion) -> ApprovalRequest {
    let operation = match &question.plan {
        ApprovalPlan::Exec(plan) => Operation::Exec {
            command: plan.command.clone(),
            command_argv: plan.arguments.clone(),
            cwd: plan.directory.display().to_string(),
            env: plan.environment.clone(),
            confinement: Some(plan.confinement.clone()),
        },
        ApprovalPlan::File(plan) => Operation::File {
            path: plan.path.display().to_string(),
            exists: plan.exists,
            trigger: plan.trigger,
            access: plan.access.clone(),
        },
    };
    ApprovalRequest {
        operation,
        session_key: question.session.to_string(),
        run_id: Some(question.run.to_string()),
        ancestors: Vec::new(),
        digest: question.plan.digest(),
        context: Some(question.context.clone()),
    }
}

/// The folders that a question in a workspace names, nearest first.
async fn folders_of(fixture: &Fixture, workspace: &Path) -> Vec<Folder> {
    let asked = Permitting::default();
    run(fixture, fixture.context_in(workspace, asked.clone()), "true").await;
    let questions = asked.0.questions.lock().expect("unpoisoned");
    questions[0].context.folders.clone()
}

async fn run(fixture: &Fixture, context: ToolContext, command: &str) -> ToolOutput {
    fixture.call_in(context, "exec", json!({ "command": command })).await
}

/// The workspace, in which a person allowed contained commands.
async fn allowed(fixture: &Fixture) -> Permitting {
    Permitting::commands_in(folders_of(fixture, &fixture.workspace()).await.swap_remove(0))
}

fn asks(output: &ToolOutput, why: &str) {
    let is_asked = output.text == format!("exec did not run the command: it was not allowed: {why}");
    assert!(output.is_error && is_asked, "{}", output.text);
}

#[tokio::test]
async fn a_question_names_the_real_workspace_and_the_folders_above_it() {
    let fixture = Fixture::new();
    let folders = folders_of(&fixture, &fixture.workspace()).await;

    let paths: Vec<_> = folders.iter().map(|folder| folder.path.clone()).collect();
    let expected: Vec<_> = fixture.workspace().ancestors().map(Path::to_owned).collect();
    assert_eq!(paths, expected);
    assert_ne!(folders[0].identity, folders[1].identity);
}

#[tokio::test]
async fn commands_run_unasked_in_an_allowed_folder_and_below() {
    let fixture = Fixture::new();
    fixture.file("workspace/docs/file", "");
    let permitting = allowed(&fixture).await;

    let here = run(&fixture, fixture.context(permitting.clone()), "echo here").await;
    let below = fixture.context_in(&fixture.workspace().join("docs"), permitting.clone());
    let below = run(&fixture, below, "echo below").await;

    for (output, text) in [(&here, "here\n[exit code 0"), (&below, "below\n[exit code 0")] {
        assert!(output.text.starts_with(text), "{}", output.text);
    }
}

#[tokio::test]
async fn a_child_with_a_workspace_elsewhere_asks() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    fixture.file("workspace2/file", "");

    for workspace in ["outside", "workspace2"] {
        let context = fixture.context_in(&fixture.root.join(workspace), permitting.clone());
        asks(&run(&fixture, context, "touch marker").await, "asked");
        assert!(!fixture.root.join(workspace).join("marker").exists());
    }
}

#[tokio::test]
async fn a_hidden_need_asks_whatever_the_command_calls_itself() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    let arguments = json!({
        "command": "true # contained, no needs", "needs": ["network:evil.example"], "reason": "none",
    });

    let output = fixture.call_in(fixture.context(permitting), "exec", arguments).await;

    asks(&output, "asked");
}

/// Whatever it does with variables or splits over calls: it is in the same sandbox as one that was asked.
#[tokio::test]
async fn an_unasked_command_is_confined_as_any_other() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    let outside = fixture.root.join("outside");
    let first = format!(
        "printf '#!/bin/sh\\necho owned > {}/owned\\n' > sh; chmod +x sh; ln -s {0} out",
        outside.display()
    );

    run(&fixture, fixture.context(permitting.clone()), &first).await;
    let environment = json!({
        "command": "sh; ./sh; echo owned > out/owned; cat out/secret",
        "env": { "ENV": "./sh", "BASH_ENV": "./sh" },
    });
    let output = fixture.call_in(fixture.context(permitting), "exec", environment).await;

    assert!(!outside.join("owned").exists(), "{}", output.text);
    assert!(!output.text.contains(common::SECRET), "{}", output.text);
}

#[tokio::test]
async fn a_linked_workspace_is_the_folder_that_it_leads_to() {
    let fixture = Fixture::new();
    let link = fixture.root.join("link");
    symlink(fixture.workspace(), &link).expect("linked");
    let permitting = allowed(&fixture).await;
    let in_link = run(&fixture, fixture.context_in(&link, permitting.clone()), "echo here").await;

    fs::remove_file(&link).expect("removed");
    symlink(fixture.root.join("outside"), &link).expect("linked");
    let elsewhere = run(&fixture, fixture.context_in(&link, permitting), "cat secret").await;

    // Either it is refused, or it is the same folder.
    assert!(in_link.is_error || in_link.text.starts_with("here"), "{}", in_link.text);
    assert!(elsewhere.is_error && !elsewhere.text.contains(common::SECRET), "{}", elsewhere.text);
}

#[tokio::test]
async fn a_replaced_folder_asks_and_says_why() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    fs::rename(fixture.workspace(), fixture.root.join("old")).expect("moved");
    fs::create_dir(fixture.workspace()).expect("made");

    let output = run(&fixture, fixture.context(permitting.clone()), "touch marker").await;

    assert!(output.is_error && output.text.contains("another folder now"), "{}", output.text);
    let moved = fixture.context_in(&fixture.root.join("old"), permitting);
    asks(&run(&fixture, moved, "touch marker").await, "asked");
}

#[tokio::test]
async fn a_folder_swapped_between_answer_and_start_runs_nothing() {
    let fixture = Fixture::new();
    fixture.file("other/file", "");
    let (workspace, other) = (fixture.workspace(), fixture.root.join("other"));
    let gate = allowed(&fixture).await.and_then(move || {
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        let here = rustix::fs::CWD;
        rustix::fs::renameat_with(here, &workspace, here, &other, exchange).expect("exchanged");
    });

    let output = run(&fixture, fixture.context(gate), "touch marker").await;

    assert!(output.is_error && output.text.contains("the directory changed"), "{}", output.text);
    assert!(!fixture.workspace().join("marker").exists() && !fixture.root.join("other/marker").exists());
}

#[tokio::test]
async fn a_folder_above_that_is_swapped_after_the_answer_runs_nothing() {
    let fixture = Fixture::new();
    fixture.file("workspace/a/docs/file", "");
    fixture.file("workspace/b/file", "");
    let deep = fixture.workspace().join("a/docs");
    let above = folders_of(&fixture, &deep).await.swap_remove(1);
    let workspace = fixture.workspace();
    let gate = Permitting::commands_in(above).and_then(move || {
        // The workspace itself stays what it is, in a folder that nobody allowed.
        fs::rename(workspace.join("a/docs"), workspace.join("b/docs")).expect("moved");
        fs::rename(workspace.join("a"), workspace.join("c")).expect("moved");
        fs::rename(workspace.join("b"), workspace.join("a")).expect("moved");
    });

    let output = run(&fixture, fixture.context_in(&deep, gate), "touch marker").await;

    assert!(output.is_error && output.text.contains("changed"), "{}", output.text);
    assert!(!deep.join("marker").exists());
}

#[tokio::test]
async fn a_revoked_permission_ends_its_command_and_the_result_says_so() {
    let fixture = Arc::new(Fixture::new());
    let permitting = allowed(&fixture).await;
    let (calling, gate) = (Arc::clone(&fixture), permitting.clone());
    let command = "echo started; echo $$ > first; sleep 600 & echo $! > second; wait";
    let call = tokio::spawn(async move { run(&calling, calling.context(gate), command).await });
    let processes = [
        host_process_in(&fixture.workspace(), "first").await,
        host_process_in(&fixture.workspace(), "second").await,
    ];

    permitting.0.revoked.cancel();

    let output = call.await.expect("it ended");
    assert!(output.is_error && output.text.starts_with("started\n"), "{}", output.text);
    let why = "ended, because the person revoked the permission by which it ran";
    assert!(output.text.contains(why), "{}", output.text);
    for process in processes {
        until("the process ended", || !is_alive(process)).await;
    }
}

#[tokio::test]
async fn a_permission_revoked_at_any_moment_of_the_start_ends_the_command() {
    let fixture = Arc::new(Fixture::new());
    for number in 0..8_u64 {
        let permitting = allowed(&fixture).await;
        let (calling, gate) = (Arc::clone(&fixture), permitting.clone());
        let call = tokio::spawn(async move { run(&calling, calling.context(gate), "sleep 600").await });
        until("it was permitted", || !permitting.0.questions.lock().expect("unpoisoned").is_empty()).await;
        // From before the sandbox is made until after it has started: what comes first is all the same.
        for _ in 0..number * 400 {
            tokio::task::yield_now().await;
        }

        permitting.0.revoked.cancel();

        let output = call.await.expect("it ended");
        assert!(output.is_error && output.text.contains("revoked"), "{number}: {}", output.text);
    }
}

#[tokio::test]
async fn what_asks_after_a_command_with_network_says_so() {
    let fixture = Fixture::new();
    let asked: Arc<Mutex<Vec<bool>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let gate = Answer(move |question: ApprovalQuestion| {
        let ApprovalPlan::Exec(plan) = &question.plan else { panic!("{question:?}") };
        seen.lock().expect("unpoisoned").push(plan.confinement.after_network);
        match plan.command.as_str() {
            "false" => ApprovalAnswer::Denied { reason: "no".to_owned() },
            _ => ApprovalAnswer::Allowed { digest: question.plan.digest() },
        }
    });
    let context = fixture.context(gate);
    for command in ["true", "false", "true", "true"] {
        let needs = if command == "false" || asked.lock().expect("unpoisoned").len() == 2 {
            vec!["network:a.example"]
        } else {
            vec![]
        };
        let arguments = json!({ "command": command, "needs": needs, "reason": "to look" });
        fixture.call_in(context.clone(), "exec", arguments).await;
    }

    assert_eq!(*asked.lock().expect("unpoisoned"), [false, false, false, true], "denied, it read nothing");
}

#[tokio::test]
async fn files_are_read_unasked_below_their_folder_and_not_through_links() {
    let fixture = Fixture::new();
    fixture.file("outside/deep/note", "a note");
    fixture.file("private/secret", common::SECRET);
    symlink(fixture.root.join("private"), fixture.root.join("outside/link")).expect("linked");
    let asked = Permitting::default();
    let read = |path: &str, gate: &Permitting| {
        let (context, path) = (fixture.context(gate.clone()), fixture.root.join(path));
        let fixture = &fixture;
        async move { fixture.call_in(context, "read", json!({ "path": path })).await }
    };
    read("outside/secret", &asked).await;
    let folder = asked.0.questions.lock().expect("unpoisoned")[0].context.folders[0].clone();
    assert_eq!(folder.path, fixture.root.join("outside"));
    let permitting = Permitting::commands_in(folder.clone());
    {
        let mut permissions = permitting.0.permissions.lock().expect("unpoisoned");
        let session_key = fixture.context(AllowAll).session.to_string();
        permissions[0].kind = PermissionKind::Read { session_key };
    }

    // A permission to read is never stored, so that an authority made of records has none.
    let stored = read("outside/deep/note", &permitting).await;
    assert!(stored.is_error, "{}", stored.text);
    for (path, nearest) in [("outside/deep/note", "outside/deep"), ("outside/link/secret", "private")] {
        let asked = Permitting::default();
        read(path, &asked).await;
        let questions = asked.0.questions.lock().expect("unpoisoned");
        let folders = &questions[0].context.folders;
        assert_eq!(folders[0].path, fixture.root.join(nearest), "as it really is");
        assert_eq!(folders.contains(&folder), nearest.starts_with("outside"));
    }
}

#[tokio::test]
async fn where_protected_files_lie_no_folder_is_offered_for_reading() {
    let fixture = Fixture::new();
    fixture.file("home/notes.txt", "a note");
    fixture.file("home/.ssh/id_ed25519", common::SECRET);
    fixture.file("home/papers/a", "a paper");
    let folders = |path: &'static str| {
        let fixture = &fixture;
        async move {
            let asked = Permitting::default();
            let path: PathBuf = fixture.root.join(path);
            fixture.call_in(fixture.context(asked.clone()), "read", json!({ "path": path })).await;
            let questions = asked.0.questions.lock().expect("unpoisoned");
            questions.first().map(|question| question.context.folders.len())
        }
    };

    assert_eq!(folders("home/notes.txt").await, Some(0), "the home directory is never allowed as a whole");
    assert_eq!(folders("home/.ssh/id_ed25519").await, None, "nobody is even asked");
    assert!(folders("home/papers/a").await.expect("asked") > 0);
}
